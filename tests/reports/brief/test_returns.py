"""Return on investment by hand: a year's value, cost, months, tornado and break-even; assumptions
as a file.
"""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fedkit.core.errors import FedkitError
from fedkit.reports.brief.returns import Assumed, Assumptions, compute_returns, yearly_net
from fedkit.results.difference import Difference

GB = 10**9


def evidence(gain=0.10, low=0.05, high=0.15, sites=2, **more):
    """Two companies that gain ten points on daily texts; a site moves half a GB in a training, the
    base model is 1 GB: what the returns read of a verdict.
    """
    moved = {"up": GB / 4, "down": GB / 4, "base": GB} | more
    return SimpleNamespace(
        gain=None if gain is None else Difference(gain, low, high, "3 seeds"),
        n_clients=sites,
        traffic=sites * (moved["up"] + moved["down"]),
        base=moved["base"],
    )


def assumptions(**changed):
    """1,000 reports x 6 min at 100 an hour: a right answer is worth 10."""
    fixed = {
        "reports_per_company": 1000,
        "minutes_per_right_answer": 6,
        "hourly_cost": 100,
        "setup_per_site": 290,
        "running_per_site": 30,
        "traffic_price_per_gb": 10,
        "trainings_per_year": 4,
    } | changed
    return Assumptions(currency="USD", **{k: Assumed(v, v / 2, v * 2) for k, v in fixed.items()})


def test_value_cost_and_months_by_hand():
    r = compute_returns(evidence(), assumptions(), "en")
    assert r.gain == pytest.approx(2 * 1000 * 0.10 * 10)  # 2,000
    assert r.running == pytest.approx(2 * 30 + 1 * 4 * 10)  # both sites' GB, four trainings: 100
    assert r.setup == pytest.approx(2 * (290 + 1 * 10))  # with the base model's download: 600
    assert r.net == pytest.approx(1900)
    assert r.months == pytest.approx(12 * 600 / 1900)
    assert "back after 4 months" in r.sentence


def test_curve_begins_at_the_setup_and_crosses_zero_after_it_is_paid_back():
    r = compute_returns(evidence(), assumptions(), "en")
    assert r.curve[0] == (0, pytest.approx(-600))
    assert dict(r.curve)[12] == pytest.approx(1300)
    assert [net > 0 for month, net in r.curve] == [month > r.months for month, net in r.curve]


def test_tornado_by_hand_widest_first():
    r = compute_returns(evidence(), assumptions(), "en")
    by_name = {s.name: s for s in r.swings}
    reports = by_name["Reports per company and year"]
    assert (reports.low_label, reports.high_label) == ("500", "2,000")
    assert (reports.at_low, reports.at_high) == (pytest.approx(900), pytest.approx(3900))
    gain = by_name["Right answers more (measured)"]
    assert (gain.at_low, gain.at_high) == (pytest.approx(900), pytest.approx(2900))
    running = by_name["Running cost per site and year"]
    assert (running.at_low, running.at_high) == (pytest.approx(1930), pytest.approx(1840))
    widths = [abs(s.at_high - s.at_low) for s in r.swings]
    assert widths == sorted(widths, reverse=True)
    assert "One-off set-up per site" not in by_name  # moves the month, not the year
    assert "One-off set-up per site" in r.break_even[-1]


def test_break_even_values_make_the_year_zero():
    base = assumptions()
    r = compute_returns(evidence(), base, "en")
    assert r.break_even[0].endswith("Reports per company and year 50.")
    assert r.break_even[1].endswith("Minutes saved per right answer 0.3 min.")
    assert "0.5 points" in r.break_even[2]
    even = replace(base, reports_per_company=Assumed(50, 50, 50))
    assert yearly_net(evidence(), even) == pytest.approx(0)
    assert yearly_net(evidence(), base, 0.005) == pytest.approx(0)


def test_never_paid_back_where_running_costs_more():
    r = compute_returns(evidence(), assumptions(reports_per_company=10), "en")
    assert r.net < 0 and r.months is None
    assert "does not pay back" in r.sentence


def test_no_gain_no_break_even():
    r = compute_returns(evidence(-0.02, -0.05, 0.01), assumptions(), "en")
    assert r.gain == pytest.approx(-400) and r.months is None
    assert "No assumption makes it break even" in r.break_even[0]


def test_without_a_record_of_what_companies_have_alone_no_return_is_claimed():
    r = compute_returns(evidence(None), assumptions(), "en")
    assert r.gain == 0 and r.months is None
    assert r.sentence.startswith("Not reckoned")


def test_traffic_that_was_not_counted_costs_nothing_rather_than_nan():
    e = evidence(up=math.nan, base=math.nan)
    assert compute_returns(e, assumptions(), "en").running == pytest.approx(60)


def test_every_assumption_says_that_it_is_not_measured():
    told = compute_returns(evidence(), Assumptions(), "en").assumptions
    assert len(told) == len(Assumptions().numbers)
    assert {fact.source for fact in told} == {"assumption, not measured"}
    assert {f.source for f in compute_returns(evidence(), Assumptions(), "ja").assumptions} == {
        "仮定（未計測）"
    }


def test_the_example_file_reads_back_as_what_it_was_written_from(tmp_path):
    (tmp_path / "a.toml").write_text(Assumptions().to_toml(), encoding="utf-8")
    assert Assumptions.load(tmp_path / "a.toml") == Assumptions()


def test_a_source_with_quotes_and_newlines_survives_the_file(tmp_path):
    tricky = replace(
        Assumptions(), hourly_cost=Assumed(1, 0, 2, 'wage "table" \\ 2026 賃金表'), links=("4g",)
    )
    (tmp_path / "a.toml").write_text(tricky.to_toml(), encoding="utf-8")
    assert Assumptions.load(tmp_path / "a.toml") == tricky


def test_numbers_and_tables_from_json(tmp_path):
    given = {
        "reports_per_company": 30000,
        "hourly_cost": {"value": 4000, "low": 3000, "source": "payroll"},
        "nights": 2,
    }
    (tmp_path / "a.json").write_text(json.dumps(given), encoding="utf-8")
    a = Assumptions.load(tmp_path / "a.json")
    assert a.reports_per_company == Assumed(30000, 15000, 60000, given=True)
    assert a.hourly_cost == Assumed(4000, 3000, 8000, "payroll")
    told = {f.name: f.source for f in compute_returns(evidence(), a, "en").assumptions}
    assert told["Reports per company and year"] == "given by you"
    assert told["Cost of an hour of work"] == "payroll"
    assert a.nights == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"wages": 3}, "unknown assumption 'wages'; known: reports_per_company, "),
        ({"hourly_cost": "much"}, "hourly_cost is 'much'; write a number"),
        ({"hourly_cost": True}, "hourly_cost is True; write a number"),
        ({"hourly_cost": -1}, "hourly_cost is -1; write a number from 0"),
        ({"hourly_cost": math.nan}, "hourly_cost is nan; write a number"),
        ({"hourly_cost": 1e99}, "write a number from 0 to 1e\\+12"),
        ({"hourly_cost": {"low": 3}}, "hourly_cost has no value"),
        ({"hourly_cost": {"value": 3, "wage": 3}}, "has 'wage'; known: value, low, high, source"),
        (
            {"hourly_cost": {"value": 3, "low": 4}},
            "low 4, value 3, high 6; they have to be in this order",
        ),
        ({"hourly_cost": {"value": 3, "source": 5}}, "source is no text"),
        ({"links": ["dialup"]}, "link 'dialup' is not understood"),
        ({"links": []}, "links is \\[\\]; write a list"),
        ({"devices": ["abacus"]}, "devices 'abacus' is not known"),
        ({"currency": "yen!"}, "currency is 'yen!'; ISO code"),
        ({"nights": 0}, "nights is 0; write a number above 0"),
        ({"night_hours": 30}, "night_hours is 30; write a number up to 24"),
        (
            {"currency": "usd", "hourly_cost": 25},
            "currency USD given, and setup_per_site, running_per_site still as in JPY",
        ),
        ({"privacy_needed": "example"}, "privacy_needed 'example' is not understood"),
        ({"privacy_needed": "much:8"}, "privacy_needed 'much:8' is not understood"),
        ([1], "assumptions are a list"),
    ],
)
def test_bad_assumptions_in_one_line(given, says):
    with pytest.raises(FedkitError, match=says) as error:
        Assumptions.from_dict(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a = = b", b"{" * 100_001, b"[" * 90_000])
@pytest.mark.parametrize("name", ["a.toml", "a.json"])
def test_damaged_files_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FedkitError, match="assumptions") as error:
        Assumptions.load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_in_one_line(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(FedkitError, match="name a TOML or JSON file"):
            Assumptions.load(path)
