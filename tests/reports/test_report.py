"""The page: complete, self-contained, and deaf to what hostile data say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from factories.pages import EVIL, Page
from factories.records import DATA, baseline, everything, federated

from fedkit.core.errors import FedkitError
from fedkit.core.record import ClientRecord
from fedkit.reports.report import escape_json, render_report, run_tiles, split_answer, write_report


def hostile():
    """A run whose data, clients, labels, notes, config and environment are all out to get us."""
    clients = [{"id": EVIL, "train": 30, "labels": {EVIL: 30}}]
    data = DATA | {
        "name": EVIL,
        "source": EVIL,
        "labels": [EVIL, "b"],
        "clients": clients,
        "notes": [EVIL, "\ud800"],
    }
    run = federated(partition=EVIL)
    rounds = tuple(
        replace(r, clients=(ClientRecord(EVIL, EVIL, EVIL, 1, 1, 1.0, 1, 1),)) for r in run.rounds
    )
    run = replace(run, data=data, environment={EVIL: EVIL}, rounds=rounds)
    return [
        run,
        replace(baseline("local", 0.5), data=data),
        replace(baseline(EVIL, 0.5), data=data),
    ]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_report(everything(), "A title"))


def test_the_page_loads_nothing(page):
    html = render_report(hostile(), EVIL)
    for tag, attrs in Page(html).tags + page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "a"), tag
        assert not {"src", "href", "srcset", "action", "data", "background"} & attrs.keys()
        assert "url(" not in attrs.get("style", "") and not any(
            name.startswith("on") for name in attrs
        )
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style and "url(" not in style


@pytest.mark.slow
def test_hostile_names_stay_text():
    html = render_report(hostile(), EVIL)
    page, clean = Page(html), Page(render_report(everything(), "A title"))
    kinds = [(t, a.get("type")) for t, a in page.tags if t == "script"]
    assert kinds.count(("script", None)) == 2 and set(kinds) == {
        ("script", None),
        ("script", "application/json"),
    }
    assert {t for t, _ in page.tags} <= {t for t, _ in clean.tags} | {"h3"}
    assert (
        "alert('x')" in page.text
        and "<script>alert" not in html
        and "onerror=alert(1)>" not in html
    )
    html.encode("utf-8", "replace")


def test_figures_in_the_page_are_whole_and_cannot_end_their_script(page):
    for held in Page(render_report(hostile(), EVIL)).scripts[:-2] + page.scripts[:-2]:
        assert "<" not in held and {"data", "layout"} <= json.loads(held).keys()
    assert len(page.scripts) == 2 + 6


def test_json_in_the_page_is_inert():
    text = escape_json(json.dumps([EVIL, "&lt;"]))
    assert not set(text) & set("<>&") and json.loads(text) == [EVIL, "&lt;"]


def test_only_our_two_scripts_may_run(page):
    import base64
    import hashlib

    policy = next(
        a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    for script in page.scripts[-2:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "script-src 'unsafe-inline'" not in policy


def test_the_page_says_what_an_executive_and_an_engineer_ask(page):
    for words in (
        "Can 2 sites",
        "Federation helped here: +30.0 points over local only",
        "80.0 %",
        "50.0 %",
        "82.0 %",
        "6.00 MB",
        "4.00 MB in, 2.00 MB out",
        "8.0 s",
        "8 Mbit/s each way",
        "test set that nothing was tuned on",
        "first download of the base model of 50.0 MB per client is not counted",
        "No differential privacy in this run",
        "Frozen encoder + logistic regression, local only",
        "column:site",
        "machine: python",
        "not a privacy guarantee",
    ):
        assert words in page.text, words


def test_tiles_by_hand():
    shown = {tile["what"]: tile["value"] for tile in run_tiles(federated(), everything())}
    assert shown == {
        "Federated": "80.0 %",
        "Local only": "50.0 %",
        "Pooled": "82.0 %",
        "Traffic per client": "6.00 MB",
        "Simulated time": "8.0 s",
        "Privacy": "none",
    }
    run = federated()
    told = {
        "epsilon": 7.9996,
        "delta": 1e-5,
        "privacy_unit": "example",
        "privacy": {"trust": "nobody: all noise at home"},
    }
    tile = {t["what"]: t for t in run_tiles(replace(run, result=run.result | told), everything())}[
        "Privacy"
    ]
    assert (tile["value"], tile["note"]) == (
        "\u03b5 8",
        "per example, \u03b4 1e-5; trusted: nobody: all noise at home",
    )
    assert split_answer("Yes: +1.0 points (95 % interval 0 to 2), so (n).") == [
        "Yes: +1.0 points",
        " (95 % interval 0 to 2)",
        ", so",
        " (n).",
    ]
    assert split_answer("It did not help.") == ["It did not help."]


@pytest.mark.slow
def test_the_page_says_no_when_the_answer_is_no_and_counts_what_is_missing():
    assert "Federation did not help here" in Page(render_report(everything(local=0.85), "t")).text
    alone = Page(render_report([federated()], "t")).text
    assert (
        "Whether federation helped is not known" in alone
        and "not run" in alone
        and "Missing here" in alone
    )


def test_epsilon_replaces_the_warning():
    run = federated()
    run = replace(
        run, result=run.result | {"epsilon": 3.0, "delta": 1e-5, "privacy_unit": "example"}
    )
    text = Page(render_report([run], "t")).text
    assert (
        "epsilon 3, unit example, delta 1e-5" in text
        and "95.3" in text
        and "No differential privacy" not in text
    )


def test_baselines_alone_and_a_run_cut_off_before_round_one_have_a_page():
    assert "no federated run" in Page(render_report([baseline("local", 0.5)], "t")).text
    begun = replace(federated(), rounds=(), result={})
    assert "unfinished after 0 rounds" in Page(render_report([begun], "t")).text


@pytest.mark.slow
def test_writing_is_atomic_and_gives_the_same_bytes(tmp_path):
    path = write_report(everything(), tmp_path)
    assert path == tmp_path / "report.html" and list(tmp_path.iterdir()) == [path]
    again = write_report({r.method: r for r in everything()}, tmp_path / "b.html")
    assert path.read_bytes() == again.read_bytes()
    # a lone surrogate can be written, too
    assert write_report(hostile(), tmp_path / "c.html").exists()


def test_no_run_and_no_place_are_errors_for_people(tmp_path):
    with pytest.raises(FedkitError, match="no run to report on"):
        write_report([], tmp_path / "r.html")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FedkitError, match="cannot write"):
        write_report([federated()], tmp_path / "file" / "r.html")
