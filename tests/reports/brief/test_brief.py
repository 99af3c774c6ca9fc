"""The decision brief on records made by hand: every rule both ways, the verdict, and what an
executive asks.
"""

import datetime
import importlib.util
import json
import math
import re
from dataclasses import asdict, fields, is_dataclass, replace
from statistics import fmean

import pytest
from factories.refusals import assert_one_line

from fedkit.core.errors import FedkitError
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.core.stats import wilson_interval
from fedkit.reports.brief.brief import CONDITIONS, GO, NO_GO
from fedkit.reports.brief.promise import left_lines, meets_need, privacy_lines, stayed_lines
from fedkit.reports.brief.returns import Assumed, Assumptions
from fedkit.reports.brief.rules import RULES, examples_to_show_gain
from fedkit.reports.text.brief import brief_text
from fedkit.reports.write_brief import decide
from fedkit.results.privacy_promise import Promise
from fedkit.results.verdict import WANTED, judge_best

DAY = datetime.date(2026, 11, 23)
CLIENTS = [
    {"id": "bakery", "train": 60, "labels": {"oven": 40, "till": 20}},
    {"id": "clinic", "train": 40, "labels": {"till": 30, "scanner": 10}},
]
RICH = Assumptions(
    privacy_needed="none",
    reports_per_company=Assumed(1e6, 5e5, 2e6),
    setup_per_site=Assumed(1, 1, 1),
)


def run(
    method="federated",
    right=900,
    seed=0,
    n=1000,
    own=None,
    sites=None,
    config=None,
    result=None,
    data=None,
):
    """A finished record: `right` of n test examples right (the first ones), 10 kB up and 20 kB down
    a site and round. sites: how right each client is on its own daily texts.
    """
    moved = {"uplink_bytes": 10_000, "downlink_bytes": 20_000} if method == "federated" else {}
    clients = tuple(
        ClientRecord(c["id"], examples=c["train"], steps=5, train_seconds=2.0, **moved)
        for c in CLIENTS
    )
    rounds = tuple(
        RoundRecord(
            i,
            right / n,
            0.1,
            right / n,
            clients=clients,
            client_accuracy=sites or {"bakery": 0.9, "clinic": 0.9},
        )
        for i in (1, 2)
    )
    own = right / n if own is None else own
    facts = {
        "accuracy": right / n,
        "own_mix_accuracy": own,
        "correct": "1" * right + "0" * (n - right),
        "train_seconds": 8.0,
        "uplink_bytes": 40_000,
        "downlink_bytes": 80_000,
    }
    settings = {"seed": seed, "tune": "head", "rounds": 2, "data": "desk", "model": "minilm"} | (
        config or {}
    )
    about = {
        "name": "desk",
        "sha256": "d" * 64,
        "labels": ["oven", "till", "scanner"],
        "train": 100,
        "test": n,
        "clients": CLIENTS,
    }
    model = {"name": "minilm", "sha256": "m" * 64, "base_bytes": 1_000_000, "trainable": 123}
    return Run(
        method,
        settings,
        {},
        about | (data or {}),
        model,
        rounds=rounds,
        result=facts | (result or {}),
    )


def baselines(seed=0, local=700, cheap=600, **more):
    sites = {"bakery": local / 1000, "clinic": local / 1000}
    return [
        run("majority", 200, seed),
        run("frozen-pooled", 850, seed),
        run("frozen-local", cheap, seed, sites=sites),
        run("local", local, seed, sites=sites, **more),
        run("pooled", 920, seed),
    ]


def whole(right=900, local=700, cheap=600, seeds=3, **more):
    """Federated and all baselines over seeds; a test example more or less per seed, so that
    intervals have a width.
    """
    records = []
    for seed in range(seeds):
        records += [run(right=right + seed, seed=seed, **more), *baselines(seed, local, cheap)]
    return records


def rule(brief, key):
    return next(rule for rule in brief.rules if rule.key == key)


def decided(records, assumptions=RICH, lang="en"):
    """The brief with plain spaces between numbers and units."""
    return spaced(decide(records, lang, assumptions, DAY))


def spaced(value):
    if isinstance(value, str):
        return value.replace("\u00a0", " ")
    if isinstance(value, tuple):
        return tuple(spaced(v) for v in value)
    return (
        replace(value, **{f.name: spaced(getattr(value, f.name)) for f in fields(value)})
        if is_dataclass(value)
        else value
    )


def test_go_when_every_rule_is_met():
    brief = decided(whole())
    assert [r.key for r in brief.rules] == list(RULES)
    assert all(r.met for r in brief.rules)
    assert (brief.verdict, brief.verdict_name) == (GO, "Go")
    assert brief.headline.startswith(
        "Federation helped here: +20.1 points over local only (95% interval"
    )
    assert brief.conditions == ()


def test_did_not_help_is_said_and_is_no_go():
    brief = decided(whole(right=650))
    assert brief.verdict == NO_GO
    assert brief.headline.startswith("Federation did not help here: −4.9 points against local only")
    assert (rule(brief, "local").met, rule(brief, "local").effect) == (False, NO_GO)
    assert "連合学習の効果はありませんでした" in decided(whole(right=650), lang="ja").headline
    assert brief.phrases[-1].startswith("“We advise not to start")


def test_a_gain_that_may_be_chance_is_a_condition():
    records = [run(right=705), *baselines()]
    brief = decided(records)
    assert (rule(brief, "local").met, rule(brief, "local").effect) == (False, CONDITIONS)
    assert brief.headline.startswith("It is not shown that federation helped here")
    assert brief.verdict_name == "Not decided yet"


def test_missing_baselines_can_never_be_go():
    for kind in WANTED:
        brief = decided([r for r in whole() if r.method != kind])
        assert not rule(brief, "baselines").met
        assert brief.verdict == CONDITIONS, kind
        assert kind in brief.numbers["missing"]


def test_without_local_only_nothing_is_claimed():
    brief = decided([run()])
    assert brief.headline.startswith("Whether federation helped is not known")
    assert brief.verdict_name == "Not decided yet"
    assert brief.numbers["helped"] is None
    assert brief.returns.gain == 0
    # asks for the records first
    assert not [line for line in brief.conditions if "Show a gain" in line]


def test_baselines_made_otherwise_are_a_condition():
    records = [run(), *(replace(r, config=r.config | {"rounds": 9}) for r in baselines())]
    brief = decided(records)
    assert rule(brief, "baselines").found == "other settings: local only and pooled (centralized)"


def test_the_cheap_way_alone_beats_federation():
    brief = decided(whole(cheap=950))
    assert (rule(brief, "cheap").met, rule(brief, "cheap").effect) == (False, NO_GO)
    assert brief.verdict == NO_GO
    assert "the cheap way that each company has alone does as well" in brief.headline


def test_daily_work_decides_although_the_shared_test_set_is_won():
    records = whole(own=0.60)  # the companies alone: 70 % on their own mix
    brief = decided(records)
    assert rule(brief, "local").met and not rule(brief, "daily").met
    assert brief.verdict == NO_GO
    assert "on your own daily texts each alone is better" in brief.headline
    assert "−10.0 points against local only" in brief.headline


def test_the_gain_is_over_local_training_and_the_better_way_alone_is_named():
    records = [run(own=0.9), *baselines(local=700, cheap=600)]
    # frozen-local
    records[3] = replace(records[3], result=records[3].result | {"own_mix_accuracy": 0.8})
    found = judge_best(records)
    assert (found.best_alone, found.gain.value) == ("frozen-local", pytest.approx(0.2))
    cheap = rule(decided(records), "cheap")  # both measures, by their names
    assert "texts new to you +30.0 points" in cheap.found
    assert "your own daily texts +10.0 points" in cheap.found


def test_the_gain_over_seeds_adds_the_luck_of_the_test_examples():
    records = []
    for seed, (ours, theirs) in enumerate([(0.90, 0.80), (0.92, 0.80), (0.94, 0.80)]):
        records += [run(seed=seed, own=ours), run("local", 700, seed, own=theirs)]
    gain = judge_best(records).gain
    assert gain.value == pytest.approx(0.12)
    half = 4.302653 * 0.02 / math.sqrt(3)  # t(2) s / sqrt(3)
    low2, high2 = wilson_interval(800, 1000)
    ours = [(share / 1000, *wilson_interval(share, 1000)) for share in (900, 920, 940)]
    below = fmean(math.hypot(one - low, high2 - 0.80) for one, low, _ in ours)
    above = fmean(math.hypot(high - one, 0.80 - low2) for one, _, high in ours)
    assert (gain.low, gain.high) == (
        pytest.approx(0.12 - math.hypot(half, below)),
        pytest.approx(0.12 + math.hypot(half, above)),
    )


def test_seeds_that_agree_do_not_hide_the_luck_of_few_test_examples():
    """Three seeds with the same result on 100 test examples: the interval is that of one seed, not
    of width zero.
    """
    one = [run(right=75, n=100), run("local", 70, n=100)]
    three = [replace(r, config=r.config | {"seed": s}) for s in range(3) for r in one]
    single, several = (judge_best(records) for records in (one, three))
    gaps = [found.difference("local").low for found in (several, single)]
    assert gaps[0] == pytest.approx(gaps[1])
    assert several.accuracies["local"].low == pytest.approx(single.accuracies["local"].low)
    assert several.accuracies["local"].high == pytest.approx(single.accuracies["local"].high)


def test_a_company_that_is_worse_off_is_named():
    records = [run(), *baselines()]
    records[4] = run("local", 700, sites={"bakery": 0.95, "clinic": 0.60})
    found = rule(decided(records), "nobody")
    assert (found.met, found.effect) == (False, CONDITIONS)
    assert found.found == "worse off: bakery (lowest −5.0 points)"
    assert rule(decided([run(), *baselines()]), "nobody").found == "least: bakery, +20.0 points"


def test_time_against_the_nights_there_are():
    slow = replace(RICH, links=("field-64k",), devices=("phone",), night_hours=0.01)
    assert not rule(decided(whole(), slow), "time").met
    found = rule(decided(whole(), replace(slow, night_hours=1)), "time")
    assert found.met  # 1 MB over 64 kbit/s: 125 s; 2 rounds: 2 x 2 s x 11 and the bytes
    assert found.found.startswith("longest: about 178 s")


def test_hours_are_replayed_per_device_and_link():
    brief = decided(
        whole(), replace(RICH, links=("1mbit", "lan-1g"), devices=("as-measured", "half-speed"))
    )
    assert brief.hours_head == ("Device / link", "Leased line, 1 Mbit/s", "LAN, 1 Gbit/s")
    seconds = brief.numbers["modelled_seconds"]
    # two rounds of 2 s each, and 30 kB each way with 50 ms: (20,000 + 10,000) x 8 / 1e6 + 2 x 0.05
    assert seconds["as-measured"]["1mbit"] == pytest.approx(2 * (2 + 0.24 + 0.1))
    assert seconds["half-speed"]["1mbit"] == pytest.approx(2 * (4 + 0.24 + 0.1))


@pytest.mark.parametrize(
    ("needed", "epsilon", "unit", "met"),
    [
        ("", None, None, False),
        ("none", None, None, True),
        ("example:8", None, None, False),
        ("example:8", 8.0, "example", True),
        ("example:8", 8.1, "example", False),
        ("client:8", 8.0, "example", False),
    ],
)
def test_privacy_as_needed(needed, epsilon, unit, met):
    told = {"epsilon": epsilon, "delta": 1e-5 if epsilon else None, "privacy_unit": unit}
    found = rule(
        decided([run(result=told), *baselines()], replace(RICH, privacy_needed=needed)), "privacy"
    )
    assert found.met is met


def test_needs_by_hand():
    sums = Promise(sealed=True)
    assert meets_need(sums, "sums") is True and meets_need(Promise(), "sums") is False
    assert meets_need(Promise(3.0, 1e-5, "client"), "client:eps=3") is True
    assert meets_need(sums, "") is None


def test_the_method_is_chosen_among_those_that_keep_what_is_needed():
    kept = run(
        right=800,
        config={"privacy": "example:eps=8"},
        result={"epsilon": 8.0, "delta": 1e-5, "privacy_unit": "example"},
    )
    records = [run(), kept, *baselines()]
    assert judge_best(records).accuracies["federated"].value == 0.9
    assert (
        judge_best(records, lambda promise: meets_need(promise, "example:8"))
        .accuracies["federated"]
        .value
        == 0.8
    )
    brief = decided(records, replace(RICH, privacy_needed="example:8"))
    assert any("Other records not used: 1" in line for line in brief.caveats)


def test_enough_test_examples():
    assert examples_to_show_gain(0.5, 0.05) == math.ceil(0.5 * (2.801585 / 0.05) ** 2)
    few = [
        replace(r, data=r.data | {"test": 40}, result=r.result | {"correct": None})
        for r in [run(right=720), *baselines()]
    ]
    assert not rule(decided(few), "tests").met
    assert any(line.startswith("Collect at least") for line in decided(few).conditions)
    assert rule(decided(whole()), "tests").met


def test_how_many_test_texts_would_show_the_gain_in_daily_work():
    records = [
        run(own=0.80, n=100, right=90),
        *(replace(r, data=r.data | {"test": 100}) for r in baselines()),
    ]
    # five points
    records[4] = replace(records[4], result=records[4].result | {"own_mix_accuracy": 0.75})
    brief = decided(records)
    # 2 x 0.8 x 0.2 x (2.8016 / 0.05)^2 = 1004.7
    assert "about 1,100 test texts would tell" in " ".join(brief.conditions)


def test_seeds():
    assert not rule(decided(whole(seeds=2)), "seeds").met
    assert rule(decided(whole(seeds=3)), "seeds").met
    assert decided(whole(seeds=1)).caveats[0].startswith("One seed")


def test_pays_back_or_not():
    assert rule(decided(whole()), "pays").met
    poor = replace(RICH, running_per_site=Assumed(1e12, 1e12, 1e12))
    found = rule(decided(whole(), poor), "pays")
    assert not found.met and found.found.endswith("a year: never")
    assert decided(whole(), poor).verdict == CONDITIONS


def test_the_three_questions_are_answered_from_the_brief_alone():
    brief = decided(whole())
    costs = {fact.name: fact.value for fact in brief.costs}
    assert costs["Sent by each site"] == "20 kB"
    assert costs["All sites together"] == "120 kB"
    assert costs["Base model, once per site"] == "1 MB"
    assert costs["Training, all sites together"] == "8 s"
    assert "123 numbers a round, 2 rounds, 20 kB per site" in brief.left[0]
    assert brief.stayed[0].startswith("All texts")
    assert brief.leaving[0].startswith("Most data: bakery, 60 of 100 training texts (60%)")
    assert "Only bakery has examples of: oven." in brief.leaving[1]
    assert "Only clinic has examples of: scanner." in brief.leaving[2]
    assert "training again (120 kB)" in brief.leaving[3]


def test_no_label_depends_on_one_company():
    same = [dict(c, labels={"oven": 1, "till": 1, "scanner": 1}) for c in CLIENTS]
    records = [replace(r, data=r.data | {"clients": same}) for r in whole()]
    assert any(line.startswith("No label is lost") for line in decided(records).leaving)


def test_every_shown_number_has_a_source():
    brief = decided(whole())
    assert all(fact.source for fact in (*brief.tiles, *brief.costs, *brief.returns.assumptions))
    assert any("d" * 16 in line for line in brief.sources) and any(
        "m" * 16 in line for line in brief.sources
    )


def test_lists_stay_short_enough_for_a_page():
    for records in (whole(), [run()], whole(right=650)):
        for lang in ("en", "ja"):
            b = decided(records, Assumptions(), lang)
            for part in (b.tiles, b.tried, b.leaving, b.conditions, b.next_steps, b.phrases):
                assert len(part) <= 5
            assert len(b.caveats) <= 6 and len(b.privacy) <= 8


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from strings(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from strings(v)


def test_the_japanese_brief_holds_no_english_sentence():
    private = {
        "epsilon": 8.0,
        "delta": 1e-5,
        "privacy_unit": "example",
        "privacy": {
            "accountant": "pld",
            "trust": "the server, which sees every update",
            "notes": ["not covered: people"],
        },
    }
    sealed = {
        "privacy": "example:eps=8,trust=sum",
        "secure": "masks",
        "wire": "topk:0.05+int4",
        "tune": "lora:r=8",
    }
    for records in (
        whole(),
        [run()],
        whole(right=650),
        [run(config=sealed, result=private), *baselines()],
    ):
        shown = asdict(decided(records, lang="ja"))
        del shown["numbers"]
        english = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")
        assert not [
            s for s in strings(shown) if english.search(re.sub(r"fedkit [a-z0-9 ,-]+", "", s))
        ]


def test_both_languages_tell_the_same():
    en, ja = (decided(whole(), lang=lang) for lang in ("en", "ja"))
    assert (en.date, ja.date) == ("23 November 2026", "2026年11月23日")
    assert en.numbers == ja.numbers
    assert [r.met for r in en.rules] == [r.met for r in ja.rules]
    for part in (
        "tiles",
        "tried",
        "left",
        "stayed",
        "privacy",
        "leaving",
        "next_steps",
        "phrases",
        "caveats",
        "sources",
    ):
        assert len(getattr(en, part)) == len(getattr(ja, part)), part


def test_privacy_is_told_with_its_caveats():
    told = {
        "epsilon": 8.0,
        "delta": 1e-5,
        "privacy_unit": "client",
        "privacy": {"accountant": "pld"},
    }
    said = " ".join(privacy_lines(run(config={"secure": "masks"}, result=told), "en"))
    for part in (
        "epsilon 8",
        "delta 1e-5",
        "per company with all that it holds",
        "adding or removing one",
        "PLD",
        "To be trusted",
        "Not covered",
        "not secure, for teaching",
        "Secure aggregation is not differential privacy",
        "LoRA is not privacy",
        "With 2 companies",
    ):
        assert part in said, part
    plain = privacy_lines(run(), "en")
    assert plain[0].startswith("No differential privacy") and "one by one" in plain[1]


@pytest.mark.parametrize("unit, rate", [("client", 0.1), ("example", 0.5)])
def test_both_epsilons_are_told_where_sampling_amplifies(unit, rate):
    told = {"epsilon": 8.0, "delta": 1e-5, "privacy_unit": unit}
    block = {"accountant": "pld", "unamplified": 74.2}
    for lang in ("en", "ja"):
        amplified = privacy_lines(run(result=told | {"privacy": block}), lang)
        assert "74.2" in amplified[1] or "75" in amplified[1]
        whole = run(result=told | {"privacy": block | {"unamplified": 8.0}})
        assert len(privacy_lines(whole, lang)) == len(amplified) - 1


def test_what_left_follows_the_record():
    start = RoundRecord(
        0,
        0.5,
        1.0,
        0.5,
        clients=(
            ClientRecord("bakery", uplink_bytes=3000),
            ClientRecord("clinic", uplink_bytes=5000),
        ),
    )
    with_start = replace(run(config={"tune": "lora:r=8", "wire": "int8"}), start=start)
    said = spaced(" ".join(left_lines(with_start, "en")))
    assert (
        "the adapter (lora)" in said
        and "sums of sentence vectors (4 kB per site)" in said
        and "(int8)" in said
    )
    assert "sentence vectors" not in " ".join(left_lines(run(), "en"))
    assert "full tuning all its changes are sent" in " ".join(
        stayed_lines(run(config={"tune": "full"}), "en")
    )
    assert "only the tuned part" in " ".join(stayed_lines(run(config={"tune": "bitfit"}), "en"))
    assert "(shared: head)" in " ".join(stayed_lines(run(config={"share": "head"}), "en"))


HOSTILE = "<script>alert(1)</script> {0} {id} \u202e%s\n=cmd()"


def test_hostile_texts_pass_through_as_text():
    sites = [
        dict(c, id=HOSTILE if c["id"] == "bakery" else c["id"], labels={HOSTILE: 5})
        for c in CLIENTS
    ]
    about = {"clients": sites, "labels": [HOSTILE], "name": HOSTILE, "sha256": HOSTILE}
    for lang in ("en", "ja"):
        brief = decided(
            [run(data=about), *(replace(r, data=r.data | about) for r in baselines())], lang=lang
        )
        shown = [s for s in strings(asdict(brief)) if "script" in s]
        assert shown
        assert not [s for s in shown if "\n" in s or "\u202e" in s]


@pytest.mark.parametrize(
    "broken",
    [
        {"config": {"seed": [1]}},
        {"config": {"tune": {"a": 1}}},
        {"config": {"link": 5}},
        {"result": {"accuracy": "high"}},
        {"result": {"own_mix_accuracy": []}},
        {"result": {"own_mix_accuracy": 7}},
        {"result": {"train_seconds": -1}},
        {"config": {"deadline": 10**400}},
        {"data": {"test": [3]}},
        {"data": {"clients": "many"}},
        {"data": {"labels": 7}},
        {"data": {"train": "all"}},
        {"model": {"trainable": "few"}},
    ],
)
def test_a_damaged_record_ends_in_one_line(broken):
    record = run()
    bad = replace(record, **{k: getattr(record, k) | v for k, v in broken.items()})
    with pytest.raises(FedkitError) as error:
        decided([bad, *baselines()])
    assert "\n" not in str(error.value)


def test_no_federated_or_no_finished_run_is_refused():
    with pytest.raises(FedkitError, match="no federated run among the records"):
        decided(baselines())
    with pytest.raises(FedkitError, match="no federated run has finished"):
        decided([replace(run(), result={})])


def test_other_data_are_left_out_and_counted():
    other = replace(
        run(right=990),
        data=run().data | {"sha256": "e" * 64, "test": 500},
        config=run().config | {"data": "other"},
    )
    found = judge_best([run(), *baselines(), replace(other, method="local")])
    assert found.left_out == 1


def test_numbers_are_json():
    values = json.loads(json.dumps(decided(whole()).numbers, allow_nan=False))
    assert values["companies"][0]["only"] == ["oven"]
    assert values["difference"]["local"]["value"] == pytest.approx(0.201)
    assert values["helped"] is True


needs_slides = pytest.mark.skipif(
    importlib.util.find_spec("fedkit.reports.brief.slides") is None,
    reason="the slides are not there yet",
)


@pytest.fixture
def folder(tmp_path):
    """A folder of run folders, as `fedkit run` and `fedkit baselines` leave them."""
    for record in (run(), *baselines()):
        (tmp_path / "runs" / record.method).mkdir(parents=True)
        record.save(tmp_path / "runs" / record.method)
    return tmp_path / "runs"


@needs_slides
@pytest.mark.slow
def test_the_command_writes_both_languages_and_keeps_edited_assumptions(folder, tmp_path, fed):
    out = tmp_path / "out"
    code, said, _ = fed("brief", folder, "--lang", "en,ja", "--out", out)
    assert code == 0
    assert "Go with conditions: " in said and "条件付きで推奨: " in said and "[not met]" in said
    for lang in ("en", "ja"):
        assert all(
            (out / f"brief.{lang}.{end}").stat().st_size > 1000 for end in ("html", "pptx", "json")
        )
        values = json.loads((out / f"brief.{lang}.json").read_text(encoding="utf-8"))
        assert (values["schema"], values["lang"], values["verdict"]) == (
            "fedkit.brief/1",
            lang,
            CONDITIONS,
        )
    assert all(any((out / f"governance.{lang}").iterdir()) for lang in ("en", "ja"))
    edited = (
        (out / "assumptions.toml")
        .read_text(encoding="utf-8")
        .replace("value = 20000", "value = 30000")
    )
    (out / "assumptions.toml").write_text(edited, encoding="utf-8")
    code, said, _ = fed(
        "brief", folder, "--assumptions", out / "assumptions.toml", "--out", out, "--json"
    )
    assert code == 0
    assert (
        json.loads(said)["briefs"][0]["numbers"]["assumptions"]["reports_per_company"]["value"]
        == 30000
    )
    assert (out / "assumptions.toml").read_text(encoding="utf-8") == edited


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{runs}", "--lang", "fr"], "lang 'fr' is not known; choose one of: en, ja"),
        (["{runs}/local"], "no federated run among the records"),
        (["{runs}/nothing"], "no run record at"),
        (["{bad}"], "damaged run record"),
        (
            ["{runs}", "--assumptions", "{bad}/a.toml"],
            "unknown assumption 'wages'; known: reports_per_company",
        ),
        (["{runs}", "--assumptions", "{bad}/none.toml"], "name a TOML or JSON file"),
    ],
)
def test_bad_input_ends_in_one_line_and_code_2(folder, tmp_path, fed, words, says):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "run.json").write_text('{"schema": "fedkit.run/1", "rounds": 3}')
    (bad / "a.toml").write_text("wages = 3\n")
    words = [word.format(runs=folder, bad=bad) for word in words]
    code, said, told = fed("brief", *words, "--out", tmp_path / "out")
    assert (code, said) == (2, "")
    assert says in told
    assert_one_line(told)
    assert not (tmp_path / "out").exists()


def test_a_label_that_one_site_has_a_few_times_is_no_loss_when_it_leaves():
    labels = [dict(c["labels"]) for c in run().data["clients"]]
    labels[0]["Delivry"] = 2
    data = run().data | {
        "clients": [c | {"labels": own} for c, own in zip(run().data["clients"], labels)]
    }
    data["labels"] = [*run().data["labels"], "Delivry"]
    values = decided([replace(run(), data=data), *baselines()]).numbers
    assert list(values["companies"][0]["only"]) == ["oven"]


def test_a_no_go_says_why_although_no_gain_is_shown_either():
    for lang, words in (("en", "not worth starting"), ("ja", "開始には値しません")):
        assert words in brief_text("headline.no-go", lang, why="x")
