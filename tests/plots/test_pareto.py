"""Methods over seeds, the Pareto front and the page about them, on records whose numbers can be
checked by hand.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from factories.pages import EVIL, Page
from factories.records import DATA, block, everything, federated, many, one, pooled

from fedkit import plots
from fedkit.core.record import RoundRecord
from fedkit.core.stats import t_interval
from fedkit.plots.labels import LabelPoint, place_names
from fedkit.reports.report import render_report
from fedkit.results.difference import difference_over_seeds
from fedkit.results.findings import describe_runs, method_findings, method_headline
from fedkit.results.methods import group_baselines, group_methods, has_several_methods
from fedkit.results.scoreboard import (
    PAGE_HEADS,
    build_method_board,
    method_board_text,
    pareto_front,
)

T2 = 4.302653  # t quantile, 97.5 %, 2 degrees of freedom


# ---- grouping and intervals


def test_runs_that_differ_in_their_seed_or_machine_are_one_method():
    runs = [one(0.8, 10, seed=s, tune=t) for t in ("head", "full") for s in (2, 0, 1)]
    runs += [
        one(0.7, 10, seed=0, tune="head", engine="plain"),
        one(0.8, 10, seed=0, tune="head", wire="int4"),
    ]
    found = group_methods(runs)
    assert [(m.name, m.seeds, len(m.runs)) for m in found] == [
        ("head", [0, 1, 2], 4),
        ("full", [0, 1, 2], 3),
        ("head, int4", [0], 1),
    ]
    # two runs of seed 0
    assert found[0].by_seed(lambda r: r.result["accuracy"])[0] == pytest.approx(0.75)


def test_names_tell_methods_apart():
    named = [m.name for m in group_methods([one(0.8, 10, rounds=2), one(0.8, 10, rounds=3)])]
    assert named == ["rounds 2", "rounds 3"]
    assert [
        m.name
        for m in group_methods([one(0.8, 10, tune="head"), one(0.8, 10, tune="head", seed=1)])
    ] == ["head"]


def test_the_t_interval_by_hand():
    mean = group_methods([one(a, 10, seed=s) for s, a in enumerate((0.80, 0.82, 0.87))])[
        0
    ].accuracy()
    half = math.hypot(T2 * 0.036055513 / math.sqrt(3), 0.03)  # 0.03: of each over test examples
    assert mean.value == pytest.approx(0.83) and mean.over == "3 seeds"
    assert (mean.low, mean.high) == (
        pytest.approx(0.83 - half, abs=1e-6),
        pytest.approx(0.83 + half, abs=1e-6),
    )
    alone = group_methods([one(0.8, 10)])[0].accuracy()
    assert (alone.low, alone.high, alone.over) == (
        pytest.approx(0.77),
        pytest.approx(0.83),
        "test examples",
    )
    assert all(math.isnan(v) for v in t_interval([0.5]))


def test_the_difference_is_paired_over_seeds():
    mine = [one(a, 10, seed=s) for s, a in enumerate((0.80, 0.82, 0.84))]
    theirs = [pooled(a, s) for s, a in enumerate((0.81, 0.83, 0.88))] + [pooled(0.1, 7)]
    gap = difference_over_seeds(mine, theirs)  # -1, -1, -4 points
    assert gap.value == pytest.approx(-0.02) and gap.over == "paired over 3 seeds"
    tests = math.hypot(0.03, 0.1)  # of each pair, over test examples
    over_both = math.hypot(T2 * 0.01732051 / math.sqrt(3), tests)
    assert gap.high == pytest.approx(-0.02 + over_both, abs=1e-6)
    assert "test" in difference_over_seeds(mine[:1], theirs).over
    assert difference_over_seeds(mine, [pooled(0.8, 9)]) is None
    assert (
        difference_over_seeds(mine, [replace(pooled(0.8, 0), data=DATA | {"sha256": "other"})])
        is None
    )


def test_one_federated_run_with_baselines_is_the_small_case():
    assert not has_several_methods(everything()) and not has_several_methods(
        [one(0.8, 10), one(0.8, 10, engine="plain")]
    )
    assert has_several_methods([one(0.8, 10), one(0.8, 10, seed=1)]) and has_several_methods(
        [one(0.8, 10), one(0.8, 10, tune="head")]
    )
    table, said, values = describe_runs(everything())
    assert "macro" in table and "methods" not in values and "Federation helped" in said[0]


# ---- the front and the board


def test_the_front_by_hand():
    points = [
        (1, 0.5),
        (2, 0.4),
        (2, 0.7),
        (3, 0.7),
        (9, 0.9),
        (9, 0.9),
        (math.nan, 1.0),
        (0.5, math.nan),
    ]
    assert pareto_front(points) == [True, False, True, False, True, True, False, False]
    assert pareto_front([]) == []


def test_unfinished_methods_and_other_tasks_do_not_compete():
    begun = replace(one(0.99, 1, tune="full"), result={})
    other = one(0.95, 1, tune="head", partition="iid")
    frame = build_method_board([one(0.8, 10, tune="head"), begun, other]).set_index("method")
    assert dict(zip(frame.index, frame["front"])) == {
        "full, column:site (1 of 1 unfinished)": "",
        "head, iid": "*",
        "head, column:site": "*",
    }


def test_the_board_by_hand():
    runs = [one(a, 10, 1.5, 400 + s, s) for s, a in enumerate((0.80, 0.82, 0.87))] + [
        pooled(0.9, s) for s in range(3)
    ]
    row, last = build_method_board(runs).to_dict("records")
    assert row["accuracy"] == pytest.approx(0.83) and row["seeds"] == 3 and row["front"] == "*"
    assert row["against pooled"] == pytest.approx(-0.07) and row["privacy"] == "none"
    assert (row["kB up per client-round"], row["kB down per client-round"]) == (10.0, 20.0)
    # 2 rounds of 10 kB, and 500 kB before
    assert row["MB up per client, whole run"] == pytest.approx(0.52)
    assert row["train seconds per client-round (measured)"] == 1.5 and row["peak memory MB"] == 402
    assert last["method"] == "Pooled (centralized)" and math.isnan(last["kB up per client-round"])


def test_the_board_fits_a_terminal_and_is_ascii():
    text = method_board_text(build_method_board(many()))
    assert max(map(len, text.splitlines())) <= 100 and text.isascii()
    assert "* lora:r=12" not in text and "* lora:r=11" in text  # every third is beaten
    long = [
        one(
            0.8,
            1e5,
            1234.5,
            98765,
            s,
            tune="lora:r=128,alpha=256,layers=12",
            wire="ef21+topk:0.05+int4+ans",
        )
        for s in (0, 1)
    ]
    text = method_board_text(build_method_board([*long, one(0.9, 1e6)]))
    assert max(map(len, text.splitlines())) <= 100


# ---- words and pictures


def test_the_headline_names_the_best_and_the_lean():
    runs = [one(0.900, 500, seed=s, tune="full") for s in range(3)] + [
        one(0.895, 10, seed=s, tune="head") for s in range(3)
    ]
    said = method_findings(runs + [pooled(0.91, s) for s in range(3)])
    assert said[0].startswith(
        "full is the most accurate of 2 methods: 90.0 %, sending 500 kB per client and round. head "
        "sends 10.0 kB, 50 times less, at -0.5 points"
    )
    assert "full is not shown to differ from pooled: -1.0 points" in " ".join(said)
    assert "Missing here: local only" in " ".join(said)
    sure = [replace(pooled(0.99, s), result=block(0.99, half=0.01)) for s in range(3)]
    assert "full is below pooled: -9.0 points" in " ".join(method_findings([*runs, *sure]))
    worse = [one(0.9, 500, tune="full"), one(0.8, 10, tune="head")]
    assert "nothing that sends less comes within one point" in method_findings(worse)[
        0
    ] and method_headline(group_methods(worse)).endswith("round.")


def test_the_figure_shows_every_method_and_names_the_front():
    fig = plots.pareto(many())
    named = [a.text for a in fig.layout.annotations]
    assert sum(t.mode == "markers" for t in fig.data) == 12
    steps = next(t for t in fig.data if t.name == "Pareto front")
    assert len(steps.x) == 8 + 1 and list(steps.y) == sorted(steps.y) and steps.line.shape == "hv"
    assert sum("<b>lora:r=" in text for text in named) == 8
    assert any("full tuning fp32 (calculated): 90.0 MB" in text for text in named)
    assert (
        any("Pooled" in text for text in named)
        and "Majority class 10.0" in fig.layout.meta["caption"]
    )
    measured = plots.pareto([*many(), one(0.9, 90_000, tune="full")])
    assert not any("calculated" in a.text for a in measured.layout.annotations)
    begun = plots.pareto([one(0.9, 5), replace(one(0.8, 4, tune="head"), result={})])
    assert [t.marker.symbol for t in begun.data if t.mode == "markers"] == ["circle", "circle-open"]


def test_too_many_methods_are_not_named():
    fig = plots.pareto([one(0.5 + 0.01 * i, 1.0 + i, rounds=i + 2) for i in range(26)])
    assert not any("rounds" in a.text for a in fig.layout.annotations)


def test_names_keep_apart():
    points = [
        LabelPoint(100 + 5 * i, 200 + 2 * i, ("a method", "90.0 %, 1.0 kB")) for i in range(5)
    ]
    boxes = [(p.x + dx, p.y + dy) for p, (dx, dy) in zip(points, place_names(points, 800, 500))]
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - u) >= 98 or abs(y - v) >= 34 for u, v in boxes[:i])


def test_the_load_figure_and_the_aggregation_error():
    fig = plots.training_load(many())
    assert (
        "0.1 s a round with lora:r=1" in fig.layout.meta["sentence"]
        or "0.1" in fig.layout.meta["sentence"]
    )
    sizes = [t.marker.size for t in fig.data]
    assert sizes == sorted(sizes) and max(sizes) == 30
    if "aggregation_error" in {f.name for f in fields(RoundRecord)}:
        runs = [one(0.8, 5, error=0.3), one(0.8, 5, error=0.0, aggregate="ffa")]
        fig = plots.aggregation_error(runs)
        assert {t.name: list(t.y) for t in fig.data} == {"mean": [30.0, 30.0], "ffa": [0.0, 0.0]}
        assert fig.layout.meta["sentence"].startswith("In the last round mean misses 30.0 %")
    assert not plots.has_aggregation_errors([federated()])


# ---- the page


@pytest.mark.slow
def test_the_page_about_methods_is_whole_and_self_contained():
    html = render_report(many(), "A title")
    page = Page(html)
    assert "NaN" not in page.text and " nan" not in page.text.lower()
    for held in page.scripts[:-2]:
        assert (
            "<" not in held
            and {"data", "layout"} <= json.loads(held, parse_constant=pytest.fail).keys()
        )
    for tag, attrs in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "a")
        assert not {"src", "href"} & attrs.keys()
    for said in (
        "Most accurate",
        "12 methods",
        "in 36 runs",
        "over 3 seeds",
        "Every run by itself",
        *PAGE_HEADS,
    ):
        assert said in page.text, said
    assert render_report(many(), "A title") == html


def test_hostile_names_stay_text_here_too():
    runs = [
        replace(r, config=r.config | {"tune": EVIL + r.config.get("tune", ""), "aggregate": EVIL})
        for r in many(3)
    ]
    html = render_report(runs, EVIL)
    assert "<script>alert" not in html and "onerror=alert(1)>" not in html


@pytest.mark.slow
def test_a_page_of_few_methods_without_baselines_bytes_or_accuracy():
    for runs in (
        [one(0.8, 0, tune="head"), one(0.8, 0)],
        [replace(r, result={}) for r in many(2) if r.method == "federated"],
        [one(float("nan"), 3), one(0.5, 3, tune="head")],
    ):
        text = Page(render_report(runs, "t")).text
        assert "NaN" not in text and " nan" not in text.lower()


def test_baselines_are_grouped_too():
    assert [(m.name, m.seeds) for m in group_baselines(many())] == [
        ("Majority class", [0, 1, 2]),
        ("Local only", [0, 1, 2]),
        ("Pooled (centralized)", [0, 1, 2]),
    ]


def test_a_method_with_fewer_seeds_does_not_compete():
    """Seed 0 is an easy split here: a method that has only it would win by luck."""
    easy = [one(0.90, 5.0, seed=0, tune="head")]
    whole = [one(a, 50.0, seed=s, tune="lora:r=8") for s, a in enumerate((0.91, 0.80))]
    said = method_findings([*easy, *whole])
    assert "Fewer seeds than the others, so not compared with them: head." in said
    assert [
        row["method"]
        for row in build_method_board([*easy, *whole]).to_dict("records")
        if "*" in row.values()
    ] == ["lora:r=8"]
    assert "lora" in said[0] and "head" not in said[0]
    assert build_method_board([*easy, *whole])["method"].tolist() == ["lora:r=8", "head"], (
        "below those that it is not compared with"
    )


def test_long_whiskers_do_not_flatten_the_figure():
    runs = [
        one(a, kb, seed=s, wire=w)
        for w, kb in (("none", 400.0), ("int4", 40.0))
        for s, a in enumerate((0.88, 0.84))
    ]
    low, high = plots.pareto(runs).layout.yaxis.range
    assert high - low < 20
    assert {m.name for m in group_methods(runs)} == {"not compressed", "int4"}
