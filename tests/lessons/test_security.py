"""What the lesson on leaks and locks runs and draws, and the page that an executive keeps."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from factories.figures import words_of

from fedkit.audit.bounds import allowed_tpr
from fedkit.audit.canary import BROKEN, CONSISTENT, AuditResult, Mechanism
from fedkit.audit.leak import first_round_setup
from fedkit.audit.membership import loss_attack
from fedkit.audit.threat_model import AttackGuess
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.experiments.job import prepare
from fedkit.lessons import security as lesson
from fedkit.lessons import security_page, security_pictures
from fedkit.wire.secure_aggregation.registry import TooFew, make_lock

ALL = {lesson.WORDS: 1.0, lesson.TEXTS: 1.0, lesson.LISTED: 1.0, "whose": 1.0}
NOTHING = {lesson.WORDS: 0.0, lesson.TEXTS: 0.0, lesson.LISTED: 0.0, "whose": 0.0}
SUM = {lesson.WORDS: 1.0, lesson.TEXTS: 0.0, lesson.LISTED: 0.5, "whose": 0.1}
EVIL = "<script>alert('x')</script> & <b>HR</b>"


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(clients=4, partition="iid", tune="head", loss="plain", rounds=2)


def attack(name, recall=None, precision=None, sentences=None):
    return {
        "attack": name,
        "tokens_recall": recall,
        "tokens_precision": precision,
        "sentences": sentences,
    }


# ---- what is reckoned


def test_the_best_of_the_attacks_counts_and_the_list_counts_apart():
    rows = [
        attack("words", 1.0, 0.25),
        attack("spans", 0.5, 1.0, 0.75),
        attack("lookup", 1.0, 1.0, 0.5),
    ]
    assert lesson.best_scores(rows) == {
        lesson.WORDS: 1.0,
        lesson.TEXTS: 0.75,
        lesson.LISTED: 0.5,
        "whose": 0.25,
    }
    assert lesson.best_scores([attack("pursuit"), attack("lookup", 0.0)]) == NOTHING


def test_a_masked_sum_is_noise_until_the_masks_are_gone_and_then_exact():
    deltas = {f"site {i}": 0.01 * np.random.default_rng(i).standard_normal(400) for i in range(6)}
    views, truth, extra = lesson.watch_aggregation(
        make_lock("masks"), deltas, absent=["site 4", "site 5"]
    )
    *before, after = views.values()
    assert list(views) == [
        "1 of 6 uploads",
        "2 of 6 uploads",
        "3 of 6 uploads",
        "4 of 6 uploads",
        "masks removed",
    ]
    np.testing.assert_array_equal(after, truth)
    np.testing.assert_allclose(truth, sum(deltas[f"site {i}"] for i in range(4)), atol=4 * 2**-16)
    assert (
        all(
            abs(np.corrcoef(view, truth)[0, 1]) < 0.2 and abs(view).max() > 10_000
            for view in before
        )
        and extra > 0
    )


def test_too_many_absent_give_no_sum_at_all():
    deltas = {f"site {i}": np.ones(8) for i in range(6)}
    with pytest.raises(TooFew):
        lesson.watch_aggregation(make_lock("masks"), deltas, absent=list(deltas)[2:])


def test_what_is_too_large_to_encrypt_here_is_reckoned_and_says_so():
    pytest.importorskip("tenseal")
    small, large = lesson.encrypt_sizes({"all": 81_920, "head": 4_096}, most=10_000)
    assert small.measured and not large.measured and small.error < 1e-6
    assert large.nbytes == 20 * small.nbytes and large.plain_bytes == 4 * 81_920


@pytest.mark.slow
def test_updates_are_those_of_all_sites(job):
    deltas = lesson.first_updates(job)
    assert len(deltas) == 4 and {d.shape for d in deltas.values()} == {(3 * 33,)}


@pytest.mark.slow
def test_full_tuning_is_read_and_a_masked_upload_is_not(job):
    whole = prepare(replace(job.config, tune="full"), job.corpus)
    stages = {("full", False): first_round_setup(whole)}
    found = lesson.attack_defences(
        stages, {n: lesson.NO_LOCK[n] for n in ("full tuning, 1 text", "head only")}, 2
    )
    assert found["full tuning, 1 text"][lesson.WORDS] == 1 and found["head only"][lesson.WORDS] == 0
    assert ("head", False) in stages
    assert lesson.attack_masked_upload(stages["full", False], 2)[lesson.WORDS] < 0.5
    assert lesson.decode_guess(AttackGuess(), stages["full", False]) == ""


@pytest.mark.slow
def test_a_model_that_learned_by_heart_is_told_from_one_with_noise(job):
    heart, noisy = lesson.train_and_attack(job, 8), lesson.train_and_attack(job, 8, privacy=1.0)
    assert heart.attack.roc.auc > noisy.attack.roc.auc and heart.bound is None
    assert noisy.epsilon == 1 and noisy.bound(0.01) == pytest.approx(0.0198, abs=1e-3)


@pytest.mark.slow
def test_every_way_is_run_and_what_is_asked_for_one_way_goes_to_it_alone(job):
    found = lesson.run_schemes(job, {"masks + shared noise": {"rounds": 3}})
    rounds = {c.scheme: len(c.run.rounds) for c in found}
    assert (
        set(rounds) >= set(lesson.SCHEMES) - {"encryption"} and rounds["masks + shared noise"] == 3
    )
    assert rounds["no lock"] == 2 and all(0 <= c.accuracy <= 1 for c in found)
    sent = {c.scheme: c.sent / c.rounds for c in found}
    assert sent["no lock"] < sent["masks"] == pytest.approx(sent["masks + shared noise"])
    assert found[-2].scheme == "masks + shared noise" and found[-2].run.result["epsilon"] <= 8


# ---- what is drawn


def test_words_are_found_whatever_their_case_and_each_only_as_often_as_it_was_read():
    assert security_pictures.match_words("The pump, the PUMP.", "the pump .") == [
        ("The", True),
        ("pump", True),
        (",", False),
        ("the", False),
        ("PUMP", False),
        (".", True),
    ]


def test_a_reading_shows_what_was_read_and_escapes_it():
    text = security_pictures.recovered_text(EVIL, {"<i>full</i>": "script hr", "head": ""})
    assert (
        "&lt;</span>" in text
        and "><<" not in text
        and "<i>full" not in text
        and "&lt;i&gt;full" in text
    )
    assert "0 %" in text and ">HR</span>" in text and "······" in text


def test_the_heatmap_says_every_share_and_whose_words_is_asked_where_they_are_mixed():
    fig = security_pictures.leak_heatmap(
        {"open": ALL, "<b>sum": SUM}, "A finding.", {"no lock": ["open"], "sums": ["<b>sum"]}
    )
    assert [list(t.z[0]) for t in fig.data] == [[100, 100, 100], [100, 0, 50]]
    assert (
        "100 %, but whose?" in words_of(fig)
        and "no lock" in words_of(fig)
        and "50 %" in words_of(fig)
    )
    assert "&lt;b&gt;sum" in fig.layout.yaxis.ticktext


def test_strips_are_ordered_by_the_truth():
    truth = np.array([3.0, 1.0, 2.0, 4.0])
    fig = security_pictures.sum_strips(
        {"noise": np.array([9e3, 1.0, 9e4, 5.0]), "sum": truth}, truth, "A finding."
    )
    noise, last = fig.data[0].z
    assert list(last) == [0, 1, 2, 3] and list(noise) == [0, 3, 2, 1]
    assert "100 % like the true sum" in words_of(fig) and "90,000" in words_of(fig)


def test_bars_of_bytes_mark_what_was_not_measured():
    found = [
        lesson.EncryptedUpdate("head", 1_000, 80_000, 0.004, 1e-9),
        lesson.EncryptedUpdate("all", 10**7, 8 * 10**8, 40.0, 1e-9, False),
    ]
    fig = security_pictures.encrypted_size_bars(found, "A finding.")
    bars = {t.text: t.marker.pattern.shape for t in fig.data}
    assert bars == {
        "4.00 kB": "",
        "80.0 kB, 4 ms of work": "",
        "40.0 MB": "",
        "800 MB, 40.0 s of work (reckoned)": "/",
    }
    assert fig.layout.xaxis.type == "log"


def attacked_model(epsilon=0.0) -> lesson.AttackedHead:
    scores = np.r_[np.linspace(1, 2, 100), np.linspace(0, 1.5, 100)]
    bound = partial(allowed_tpr, ((1.0, 1.0, 1),)) if epsilon else None
    return lesson.AttackedHead(
        0.8, loss_attack(scores, np.arange(200) < 100), bound, epsilon or math.inf
    )


def test_the_roc_has_the_bound_and_the_interval_in_one_picture():
    fig = security_pictures.roc_curves(
        {"by heart": attacked_model(), "ε = 4": attacked_model(4.0)}, "A finding."
    )
    dashed = [t for t in fig.data if t.line.dash == "dash"]
    assert len(dashed) == 1 and len([t for t in fig.data if t.error_y.array is not None]) == 2
    at = list(dashed[0].x).index(next(x for x in dashed[0].x if x >= 0.0099))
    # Phi(Phi^-1(0.01) + 1), of noise multiplier 1
    assert dashed[0].y[at] == pytest.approx(0.0924, abs=0.01)
    assert "any attack" in words_of(fig) and "guessing" in words_of(fig)


def audit(lower, most, upper, verdict):
    return AuditResult(
        lower,
        most,
        upper,
        1e-5,
        100,
        0.5,
        0.1,
        {},
        verdict,
        "one example",
        "",
        lower,
        most,
        False,
        Mechanism(1.0),
    )


def test_an_audit_shows_proven_promised_and_the_most_it_could_have_shown():
    fig = security_pictures.audit_bars(
        {"right": audit(0.1, 4.0, 1.0, CONSISTENT), "wrong": audit(1.7, 4.0, 1.0, BROKEN)},
        "A finding.",
    )
    assert [t.x[0] for t in fig.data if t.type == "bar"] == [0.1, 1.7]
    assert "nothing against it</b>: promised 1.00, proven 0.10 of at most 4.00" in words_of(fig)
    assert "broken</b>: promised 1.00, proven 1.70" in words_of(fig)


def price() -> list[lesson.SchemeCost]:
    return [lesson.SchemeCost(way, 0.8, 187_000, 2.0, 10) for way in lesson.SCHEMES]


def test_the_table_of_promises_has_every_way_and_marks_what_is_open():
    text = security_pictures.scheme_table(price())
    assert all(way in text for way in lesson.SCHEMES) and text.count("<tr>") == 1 + len(
        lesson.SCHEMES
    )
    assert (
        text.count(">anything<") == 3
        and text.count("80.0 %") == 6
        and "nobody" in text
        and "187 kB in 10 rounds" in text
    )


# ---- the page


@pytest.fixture
def found():
    leaks = {
        "full tuning, 1 text": ALL,
        "sum of 10 sites": SUM,
        "one masked upload": NOTHING,
        EVIL: NOTHING,
    }
    costs = [
        replace(c, accuracy=0.775 if c.scheme == "masks + shared noise" else 0.8) for c in price()
    ]
    sealed = [
        lesson.EncryptedUpdate("head", 4_620, 262_000, 0.003, 1e-9),
        lesson.EncryptedUpdate("full tuning", 10**7, 10**9, 9, 1e-9, False),
    ]
    return security_page.Findings(
        EVIL,
        EVIL,
        "alert hr",
        leaks,
        costs,
        attacked_model(),
        attacked_model(4.0),
        (7.99, 1e-5),
        (1.0, 1.68),
        3.0,
        sealed,
    )


def test_the_page_has_every_section_and_loads_nothing(found):
    text = security_page.render_page(found)
    for key in (
        "title",
        "read",
        "cost",
        "remains",
        "caveats",
        "caveat_1",
        "caveat_2",
        "caveat_3",
        "caveat_4",
        "foot",
    ):
        assert security_page.STRINGS["en"][key].replace("'", "&#39;") in text
    assert "not secure" in text and "default-src &#39;none&#39;" in text.replace("'", "&#39;")
    assert not re.findall(r"(?:src|href|url)\s*[=(]", text) and "<script" not in text


def test_the_page_escapes_all_that_came_from_data(found):
    text = security_page.render_page(found)
    assert "alert(&#39;x&#39;)" in text and "<b>HR" not in text and "&lt;b&gt;HR" in text


def test_the_page_says_the_numbers_it_was_given(found):
    text = security_page.render_page(found)
    assert "<b>100 %</b>" in text and "<b>0 %</b>" in text and "<b>-2.5</b>" in text
    assert (
        "± 3.0 of chance" in text
        and "100 %, but whose?" in text
        and "262 kB" in text
        and "1.00 GB" in text
    )
    assert (
        "ε = 4 no attack" in text
        and "ε = 8 for one text" in text
        and "proven ε 1.68, promised 1.00" in text
    )
    assert "187 kB in 10 rounds" in text and "80 % right without noise" in text


def test_the_page_does_without_encryption(found):
    text = security_page.render_page(replace(found, sealed=()))
    assert "Encrypting" not in text and security_page.STRINGS["en"]["cost"] in text


def test_every_language_has_the_same_words():
    keys = {frozenset(words) for words in security_page.STRINGS.values()}
    assert len(keys) == 1


def test_a_language_that_is_not_there_names_those_that_are(found):
    with pytest.raises(FedkitError, match="'xx' given; choose one of: en"):
        security_page.render_page(found, "xx")


def test_the_page_is_written_and_framed(found, tmp_path):
    path = security_page.write_page(found, tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8") == security_page.render_page(found) and [
        p.name for p in path.parent.iterdir()
    ] == ["page.html"]
    framed = security_page.page_frame(path)
    assert "sandbox" in framed and framed.count("<iframe") == 1 and "<h1>" not in framed
    assert security_page.write_page(found, tmp_path).name == "what_leaks.html"
    with pytest.raises(FedkitError, match="cannot write"):
        security_page.write_page(found, path / "below.html")
