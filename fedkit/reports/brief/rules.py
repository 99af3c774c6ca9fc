"""The rules of the recommendation, in printed order, each with the measured value it uses.

A rule that is not met calls for its effect; the verdict is the most severe effect called for, and
go when every rule is met.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedkit.core import locale
from fedkit.core.stats import smallest_difference
from fedkit.network import parse_link
from fedkit.reports.brief.brief import CONDITIONS, GO, NO_GO, Returns, Rule
from fedkit.reports.brief.evidence import Evidence
from fedkit.reports.brief.promise import meets_need, parse_privacy_need
from fedkit.reports.brief.returns import Assumptions
from fedkit.reports.text.brief import brief_text
from fedkit.results.difference import Difference, Z
from fedkit.results.privacy_promise import format_delta, format_epsilon

SEEDS = 3  # fewer say nothing about luck
POWER = 0.841621  # of a normal distribution: chance of 80 % to see a difference that is there
METHOD_WORDS = {"majority", "frozen-pooled", "frozen-local", "local", "pooled", "federated"}


@dataclass(frozen=True)
class RuleInputs:
    """All that a rule may read. hours: modelled seconds, a row per device and a column per link."""

    evidence: Evidence
    assumptions: Assumptions
    returns: Returns
    hours: list[list[float]]
    lang: str

    def text(self, key: str, **values: object) -> str:
        return brief_text(key, self.lang, **values)


Found = tuple[bool, str, str]  # met, effect when not met, what was found


def apply_rules(case: RuleInputs) -> tuple[Rule, ...]:
    """Return every rule with what it found, in the order in which they are printed."""
    out = []
    for key, look in RULES.items():
        met, effect, found = look(case)
        out.append(Rule(key, case.text(f"rule.{key}", **_numbers(case)), met, effect, found))
    return tuple(out)


def combine_effects(found: Sequence[Rule]) -> str:
    """Return GO when every rule is met, else the most severe effect of those that are not."""
    asked = {rule.effect for rule in found if not rule.met}
    return NO_GO if NO_GO in asked else CONDITIONS if asked else GO


def federation_helped(evidence: Evidence) -> bool | None:
    """Return whether federated is above local only beyond the interval; None without local only."""
    d = evidence.differences.get("local")
    return None if d is None else d.above


def _numbers(case: RuleInputs) -> dict[str, str]:
    """Return the values in the rules' own sentences."""
    a = case.assumptions
    limit = 3600 * a.nights * a.night_hours
    return {
        "seeds": locale.number(SEEDS, case.lang),
        "limit": locale.seconds(limit, case.lang),
        "months": locale.number(a.payback_months, case.lang),
    }


def _baselines(case: RuleInputs) -> Found:
    missing, unlike = case.evidence.missing, case.evidence.other_settings
    if missing:
        return False, CONDITIONS, case.text("found.missing", names=method_names(missing, case.lang))
    if unlike:
        return False, CONDITIONS, case.text("found.unlike", names=method_names(unlike, case.lang))
    return True, CONDITIONS, case.text("found.whole")


def _local(case: RuleInputs) -> Found:
    return _beats(case, case.evidence.differences.get("local"))


def _cheap(case: RuleInputs) -> Found:
    return _beats(case, case.evidence.differences.get("frozen-local"))


def _daily(case: RuleInputs) -> Found:
    return _beats(case, case.evidence.gain)


def _beats(case: RuleInputs, d: Difference | None) -> Found:
    """Below, or not above at all: no-go. Perhaps above by chance, or not known: conditions."""
    if d is None or math.isnan(d.value):
        return False, CONDITIONS, case.text("found.no_record")
    return (
        bool(d.above),
        NO_GO if d.value <= 0 else CONDITIONS,
        describe_gap(d, case.lang, "found.short"),
    )


def _nobody(case: RuleInputs) -> Found:
    known = [c for c in case.evidence.clients if not math.isnan(c.gain)]
    if not known:
        return False, CONDITIONS, case.text("found.no_record")
    losers = sorted((c for c in known if c.gain < 0), key=lambda c: c.gain)
    least = min(known, key=lambda c: c.gain)
    if losers:
        return (
            False,
            NO_GO if len(losers) == len(known) else CONDITIONS,
            case.text(
                "found.losers",
                names=locale.name_list([c.id for c in losers], case.lang, 3),
                least=locale.points(least.gain, case.lang),
            ),
        )
    return (
        True,
        CONDITIONS,
        case.text("found.winners", id=least.id, least=locale.points(least.gain, case.lang)),
    )


def _time(case: RuleInputs) -> Found:
    a = case.assumptions
    base = 8 * case.evidence.base / min(link.rate(link.down) for link in map(parse_link, a.links))
    longest = max(seconds for row in case.hours for seconds in row) + (
        base if math.isfinite(base) else 0.0
    )
    fits = longest <= 3600 * a.nights * a.night_hours
    return (
        fits,
        CONDITIONS,
        case.text("found.longest", time=locale.about_seconds(longest, case.lang)),
    )


def _privacy(case: RuleInputs) -> Found:
    fit = meets_need(case.evidence.promise, case.assumptions.privacy_needed)
    given = describe_promise(case)
    if fit is None:
        return False, CONDITIONS, case.text("found.privacy_unsaid", promised=given)
    kind, epsilon = parse_privacy_need(case.assumptions.privacy_needed)
    asked = case.text(f"need.{kind}", epsilon=format_epsilon(epsilon))
    return fit, CONDITIONS, case.text("found.privacy", asked=asked, promised=given)


def describe_promise(case: RuleInputs) -> str:
    p = case.evidence.promise
    if not p.given:
        return case.text("promise.sums" if p.sealed else "promise.none")
    unit = case.text(f"promise.{p.unit}") if p.unit in ("example", "client") else p.unit
    return case.text(
        "promise.epsilon", epsilon=format_epsilon(p.epsilon), unit=unit, delta=format_delta(p.delta)
    )


def _tests(case: RuleInputs) -> Found:
    e = case.evidence
    d = e.differences.get("local")
    if d is None or not e.test:
        return False, CONDITIONS, case.text("found.no_record")
    smallest = smallest_difference(e.test)  # as `fedkit check` says it of the data
    if smallest is None:
        return False, CONDITIONS, case.text("found.tests_none", n=locale.number(e.test, case.lang))
    said = case.text(
        "found.tests",
        n=locale.number(e.test, case.lang),
        smallest=locale.unsigned_points(smallest, case.lang),
    )
    return abs(d.value) >= smallest, CONDITIONS, said


def examples_to_show_gain(share: float, value: float) -> float:
    """Return the test examples needed to show a difference of `value` with power 0.8 at level 0.05.

    share: one of the two accuracies. Computed as if unpaired (Fleiss, Levin, Paik 2003, equal
    groups), like the interval of the gain in daily work.
    """
    share = min(max(share, 0.05), 0.95)
    return (
        math.inf
        if value == 0 or math.isnan(share + value)
        else math.ceil(2 * share * (1 - share) * ((Z + POWER) / value) ** 2)
    )


def _seeds(case: RuleInputs) -> Found:
    n = case.evidence.seeds
    return n >= SEEDS, CONDITIONS, case.text("found.seeds", n=locale.number(n, case.lang))


def _pays(case: RuleInputs) -> Found:
    r = case.returns
    if case.evidence.gain is None:
        return False, CONDITIONS, case.text("found.no_record")
    net = locale.money(r.net, r.currency, case.lang)
    if r.months is None:
        return False, CONDITIONS, case.text("found.never", net=net)
    met = r.months <= case.assumptions.payback_months
    return (
        met,
        CONDITIONS,
        case.text("found.paid", net=net, months=locale.number(math.ceil(r.months), case.lang)),
    )


def describe_gap(d: Difference, lang: str, key: str = "found.gap") -> str:
    """Return a difference in words: '+4.2 points (95% interval +1.0 to +7.4)'."""
    return brief_text(
        key,
        lang,
        value=locale.points(d.value, lang),
        interval=locale.points_range(d.low, d.high, lang),
    )


def method_names(kinds: Sequence[str], lang: str) -> str:
    """Return the names of methods as a list within a sentence."""
    return locale.name_list(
        [brief_text(f"method.{k}", lang) if k in METHOD_WORDS else k for k in kinds], lang, 5
    )


RULES: dict[str, Callable[[RuleInputs], Found]] = {
    "baselines": _baselines,
    "local": _local,
    "cheap": _cheap,
    "daily": _daily,
    "nobody": _nobody,
    "time": _time,
    "privacy": _privacy,
    "tests": _tests,
    "seeds": _seeds,
    "pays": _pays,
}
