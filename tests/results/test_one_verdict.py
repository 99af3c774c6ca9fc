"""One verdict: every place that speaks of a run says the same numbers and the same verdict.

What is compared is parsed from what a reader sees: the terminal's lines, the page, the brief in two
languages, the governance pack's register of risks, the showcase and the demo's lines.
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import replace

import pytest
from factories.pages import Page
from factories.records import CONFIG, DATA, baseline, everything, federated

from fedkit.core.formatting import points
from fedkit.core.record import Run
from fedkit.reports.governance.case import document_values, make_case
from fedkit.reports.report import render_report
from fedkit.reports.write_brief import decide
from fedkit.results import measures
from fedkit.results.findings import describe_runs, verdict
from fedkit.results.verdict import BETTER, HELPED, WORDS, judge_best, judge_run
from fedkit.showcase import numbers, pages
from fedkit.showcase.records import CLIENT_COUNTS, LEVELS, load_showcase_records

SHOWCASE = load_showcase_records()
DAY = datetime.date(2026, 11, 23)
ANY = r"([+\-\u22120-9.]+)"
AGAINST = rf"{ANY} points (?:over|against) local only"
GAP = {  # a difference with its interval, as it stands in a sentence
    "terminal": rf"{AGAINST} \(95 % interval {ANY} to {ANY}, [^)]*\)",
    "en": rf"{AGAINST} \(95% interval {ANY} to {ANY}\)",
    "ja": rf"{ANY}ポイント（95%区間 {ANY}〜{ANY}）",
}


def told(run: Run, own: float, n: int = 1000) -> Run:
    """A record that says how right its clients are on their own daily texts, of `n` tests."""
    about = run.data | {"test": n}
    states = tuple(replace(r, client_accuracy={"east": own, "west": own}) for r in run.rounds)
    facts = {"own_mix_accuracy": own, "own_mix_tests": None, "train_seconds": 1.0}
    return replace(run, data=about, rounds=states, result=run.result | facts)


def pair(new: float, own: float, seeds: int = 1) -> list[Run]:
    """Federated beside local only, which has 70 % in both measures."""
    runs = []
    for seed in range(seeds):
        luck = 0.002 * seed
        alone = baseline("local", 0.70, over="clients", half=0.02)
        same = replace(alone, config=CONFIG | {"seed": seed})
        runs += [told(federated(new + luck, half=0.02, seed=seed), own + luck), told(same, 0.70)]
    return runs


CASES = {
    **{
        f"showcase {n} {level}": [SHOWCASE.federated(n, level), *SHOWCASE.baselines(n)]
        for n in CLIENT_COUNTS
        for level in LEVELS
    },
    "showcase live": [SHOWCASE.live, *SHOWCASE.live_baselines()],
    "both better": pair(0.9, 0.9),
    "new better": pair(0.9, 0.71),
    "own better": pair(0.71, 0.9),
    "new better, own worse": pair(0.9, 0.5),
    "own better, new worse": pair(0.5, 0.9),
    "not shown": pair(0.71, 0.69),
    "not helped": pair(0.69, 0.69),
    "worse": pair(0.5, 0.5),
    "seeds": pair(0.9, 0.71, 3),
    "by hand": everything(),
    "nothing to compare with": [federated()],
}
FINDINGS = {  # of the cases made here
    "both better": "better",
    "new better": "partly",
    "own better": "partly",
    "new better, own worse": "mixed",
    "own better, new worse": "mixed",
    "not shown": "not_shown",
    "not helped": "not_helped",
    "worse": "worse",
    "seeds": "partly",
    "by hand": "better",
    "nothing to compare with": "unknown",
}


def read_sentence(text: str, lang: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return (the opening, {measure: (difference, low, high)}) that a text tells."""
    words = WORDS["en" if lang == "terminal" else lang]
    keys = [key for key in words if key.partition(".")[0] in (*FINDINGS.values(), "worse")]
    opened = max((words[k] for k in keys if words[k] in text), key=len, default="")
    gaps = {}
    for measure in ("new", "own"):
        name = re.escape(words[f"measure.{measure}"])
        form = rf"{name}で{GAP[lang]}" if lang == "ja" else rf"{GAP[lang]} on {name}"
        if found := re.search(form, text):
            gaps[measure] = tuple(shown.replace("\u2212", "-") for shown in found.groups())
    return opened, gaps


def openings(name: str, lang: str) -> set[str]:
    """What a text on this case may open with."""
    kind = judge_best(CASES[name]).kind
    return {words for key, words in WORDS[lang].items() if key.partition(".")[0] == kind}


def expected(name: str) -> dict[str, tuple[str, ...]]:
    gaps = judge_best(CASES[name]).gaps
    return {k: tuple(map(points, (d.value, d.low, d.high))) for k, d in gaps.items() if d}


def alike(found: dict[str, tuple[str, ...]], wanted: dict[str, tuple[str, ...]]) -> bool:
    """Whether the same numbers are told; a zero may stand with or without its sign."""
    plain = [
        {m: tuple(float(number) for number in numbers) for m, numbers in given.items()}
        for given in (found, wanted)
    ]
    return plain[0] == plain[1]


@pytest.mark.parametrize("name", CASES)
def test_terminal_page_and_demo_say_the_same(name):
    lines = " ".join(describe_runs(CASES[name])[1])
    opened = read_sentence(lines, "terminal")[0]
    assert opened in {
        v for k, v in WORDS["en"].items() if k.startswith(judge_best(CASES[name]).kind)
    }
    assert alike(read_sentence(lines, "terminal")[1], expected(name))
    page = " ".join(Page(render_report(CASES[name], "t")).text.replace("\u00a0", " ").split())
    assert read_sentence(page, "terminal") == read_sentence(lines, "terminal")
    if name != "seeds":  # a demo has one run, and prints its `verdict`
        assert read_sentence(" ".join(verdict(CASES[name])), "terminal") == read_sentence(
            lines, "terminal"
        )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_brief_says_the_same_in_both_languages(name, lang):
    brief, found = decide(CASES[name], lang, date=DAY), judge_best(CASES[name])
    opened, gaps = read_sentence(brief.headline.replace("\u00a0", " "), lang)
    assert opened in openings(name, lang)
    assert alike(gaps, expected(name))
    assert brief.numbers["verdict"] == found.kind
    assert brief.numbers["helped"] == (None if found.kind == "unknown" else found.kind in HELPED)
    rules = {rule.key: rule for rule in brief.rules}
    for key, measure in (("local", "new"), ("daily", "own")):
        shown = found.gaps[measure]
        assert rules[key].met == bool(shown and shown.above)
    if found.gain:
        assert brief.numbers["daily_gain"]["low"] == found.gain.low


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_register_of_risks_says_the_same(name, lang):
    found = judge_best(CASES[name])
    values = document_values(make_case(CASES[name], lang, DAY))
    opened, gaps = read_sentence(values["finding"], lang)
    assert opened in openings(name, lang)
    assert alike(gaps, expected(name))
    shows = [risk["shows"] for risk in values["risks"]]
    unproved = [text for text in shows if values["finding"] in text]
    assert bool(unproved) == (found.kind != BETTER)


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("clients", CLIENT_COUNTS)
def test_the_showcase_says_the_same(clients, level, lang):
    found = judge_best(CASES[f"showcase {clients} {level}"])
    setting = numbers.SliderValues(clients, level)
    shown = numbers.numbers_at(SHOWCASE, setting)
    page = pages.page("what", lang, shown=shown)
    assert read_sentence(page, lang)[0] in openings(f"showcase {clients} {level}", lang)
    want = [f"{100 * v:+.1f}" for v in (found.gain.value, found.gain.low, found.gain.high)]
    assert all(number.replace("-", "\u2212") in page for number in want)
    assert (shown.together, shown.alone) == (found.daily["federated"], found.daily["local"])
    assert shown.any_gain == found.gaps["new"]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_showcase_asks_and_answers_about_the_live_run_alike(lang):
    found = judge_best(CASES["showcase live"])
    page = pages.question_page(numbers.live_numbers(SHOWCASE), lang)
    assert read_sentence(page, lang)[0] in openings("showcase live", lang)
    for d in found.gaps.values():
        assert f"{100 * d.low:+.1f}".replace("-", "\u2212") in page


@pytest.mark.parametrize("name", FINDINGS)
def test_findings_by_hand(name):
    assert judge_best(CASES[name]).kind == FINDINGS[name]


@pytest.mark.parametrize("name", CASES)
def test_alone_is_local_training(name):
    runs = CASES[name]
    local = [run for run in runs if run.method == "local"]
    found = judge_best(runs)
    assert {id(run) for run in found.partners.get("local", ())} == set(map(id, local))
    if local and "own" in found.daily:
        assert found.daily["local"] == measures.own_accuracy(local[0])


def test_one_rule_for_the_only_holder_of_a_label():
    clients = [
        {"id": "east", "train": 10, "labels": {"yes": 10}},
        {"id": "west", "train": 20, "labels": {"yes": 10, "no": 10}},
    ]
    runs = [replace(r, data=DATA | {"clients": clients}) for r in pair(0.9, 0.9)]
    assert measures.only_holders(runs[0]) == {"no": "west"}
    assert judge_run(runs[0], runs).clients[1].only == ("no",)
    assert any("Only west has examples of: no" in s for s in decide(runs, date=DAY).leaving)
    case = make_case(runs, "en", DAY)
    assert case.clients[1].only == ("no",) and document_values(case)["single_labels"] == ["no"]
    clients[1]["labels"] = {"yes": 18, "no": 2}  # a few may be a typo
    runs = [replace(r, data=DATA | {"clients": clients}) for r in runs]
    assert not judge_run(runs[0], runs).clients[1].only
    assert document_values(make_case(runs, "en", DAY))["single_labels"] == []


def test_nobody_is_judged_on_its_own_daily_texts():
    ours, alone = pair(0.9, 0.9)
    last = replace(alone.rounds[-1], client_accuracy={"east": 0.95, "west": 0.6})
    runs = [ours, replace(alone, rounds=(last,))]
    rule = next(r for r in decide(runs, date=DAY).rules if r.key == "nobody")
    assert not rule.met and "east" in rule.found and "−5.0" in rule.found
    older = [ours, replace(alone, rounds=(replace(last, client_accuracy={}),))]
    unknown = next(r for r in decide(older, date=DAY).rules if r.key == "nobody")
    assert not unknown.met and unknown.found == "not known: not recorded"
    assert all(math.isnan(c.alone) for c in judge_best(older).clients)


def test_both_languages_have_the_same_words():
    assert WORDS["en"].keys() == WORDS["ja"].keys()
    places = {
        lang: {key: set(re.findall(r"{\w+}", text)) for key, text in words.items()}
        for lang, words in WORDS.items()
    }
    assert places["en"] == places["ja"]
