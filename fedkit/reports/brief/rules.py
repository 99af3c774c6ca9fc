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
from fedkit.reports.brief.promise import meets_need, parse_privacy_need
from fedkit.reports.brief.returns import Assumptions
from fedkit.reports.text.brief import brief_text
from fedkit.results import measures
from fedkit.results.difference import Difference, Z
from fedkit.results.measures import MEASURES, NEW, OWN
from fedkit.results.privacy_promise import format_delta, format_epsilon
from fedkit.results.verdict import ALONE, WANTED, Verdict, measure_name

SEEDS = 3  # fewer say nothing about luck
POWER = 0.841621  # of a normal distribution: chance of 80 % to see a difference that is there
Found = tuple[bool, str, str]  # met, effect when not met, what was found


@dataclass(frozen=True)
class RuleInputs:
    """All that a rule may read. hours: modelled seconds, a row per device and a column per link."""

    evidence: Verdict
    assumptions: Assumptions
    returns: Returns
    hours: list[list[float]]
    lang: str

    def text(self, key: str, **values: object) -> str:
        return brief_text(key, self.lang, **values)


def apply_rules(case: RuleInputs) -> tuple[Rule, ...]:
    """Return every rule with what it found, in the order in which they are printed."""
    found = {key: look(case) for key, look in RULES.items()}
    a = case.assumptions
    values = {  # in the rules' own sentences
        "seeds": locale.number(SEEDS, case.lang),
        "limit": locale.seconds(3600 * a.nights * a.night_hours, case.lang),
        "months": locale.number(a.payback_months, case.lang),
        **{m.key: measure_name(m, case.lang) for m in MEASURES},
    }
    return tuple(Rule(key, case.text(f"rule.{key}", **values), *found[key]) for key in found)


def combine_effects(found: Sequence[Rule]) -> str:
    """Return GO when every rule is met, else the most severe effect of those that are not."""
    asked = {rule.effect for rule in found if not rule.met}
    return NO_GO if NO_GO in asked else CONDITIONS if asked else GO


def _baselines(case: RuleInputs) -> Found:
    looked = {"missing": case.evidence.missing, "unlike": case.evidence.other_settings}
    for key, kinds in looked.items():
        if kinds:
            names = method_names(kinds, case.lang)
            return False, CONDITIONS, case.text(f"found.{key}", names=names)
    return True, CONDITIONS, case.text("found.whole")


def _local(case: RuleInputs) -> Found:
    return _beats(case, case.evidence.gaps[NEW.key])


def _cheap(case: RuleInputs) -> Found:
    """Judge both measures: on its own daily texts a client alone may do well with little."""
    gaps = {m: case.evidence.difference("frozen-local", m) for m in MEASURES}
    known = {m: _beats(case, d) for m, d in gaps.items() if d is not None}
    if not known:
        return _beats(case, None)
    effects = {effect for met, effect, _ in known.values() if not met}
    told = (f"{measure_name(m, case.lang)} {found}" for m, (_, _, found) in known.items())
    said = locale.name_list(list(told), case.lang)
    return not effects, NO_GO if NO_GO in effects else CONDITIONS, said


def _daily(case: RuleInputs) -> Found:
    return _beats(case, case.evidence.gaps[OWN.key])


def _beats(case: RuleInputs, d: Difference | None) -> Found:
    """Below, or not above at all: no-go. Perhaps above by chance, or not known: conditions."""
    if d is None:
        return False, CONDITIONS, case.text("found.no_record")
    effect = NO_GO if d.value <= 0 else CONDITIONS
    return bool(d.above), effect, describe_gap(d, case.lang, "found.short")


def _nobody(case: RuleInputs) -> Found:
    """Judge each client on its own daily texts."""
    known = {c.id: c.gain for c in case.evidence.clients if not math.isnan(c.gain)}
    losers = {name: gain for name, gain in known.items() if gain < 0} or _certain_losers(case)
    if losers:
        names = sorted(losers, key=lambda name: losers[name])
        values = {
            "names": locale.name_list(names, case.lang, 3),
            "least": locale.points(losers[names[0]], case.lang),
        }
        every = len(losers) == case.evidence.n_clients
        return False, NO_GO if every else CONDITIONS, case.text("found.losers", **values)
    if not known:
        return False, CONDITIONS, case.text("found.no_record")
    least = min(known, key=lambda name: known[name])
    said = case.text("found.winners", id=least, least=locale.points(known[least], case.lang))
    return True, CONDITIONS, said


def _certain_losers(case: RuleInputs) -> dict[str, float]:
    """Return the clients that are below even the worst one alone, where a record has only that."""
    floors = [measures.lowest_client_accuracy(r) for r in case.evidence.partners.get(ALONE, ())]
    floor = min(floors, default=math.nan)
    return {c.id: c.together - floor for c in case.evidence.clients if c.together < floor}


def _time(case: RuleInputs) -> Found:
    a = case.assumptions
    base = 8 * case.evidence.base / min(link.rate(link.down) for link in map(parse_link, a.links))
    longest = max(seconds for row in case.hours for seconds in row)
    longest += base if math.isfinite(base) else 0.0
    said = case.text("found.longest", time=locale.about_seconds(longest, case.lang))
    return longest <= 3600 * a.nights * a.night_hours, CONDITIONS, said


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
    values = {"epsilon": format_epsilon(p.epsilon), "delta": format_delta(p.delta)}
    return case.text("promise.epsilon", unit=unit, **values)


def _tests(case: RuleInputs) -> Found:
    d, tests = case.evidence.gaps[NEW.key], case.evidence.test
    if d is None or not tests:
        return False, CONDITIONS, case.text("found.no_record")
    smallest = smallest_difference(tests)  # as `fedkit check` says it of the data
    n = locale.number(tests, case.lang)
    if smallest is None:
        return False, CONDITIONS, case.text("found.tests_none", n=n)
    said = case.text("found.tests", n=n, smallest=locale.unsigned_points(smallest, case.lang))
    return abs(d.value) >= smallest, CONDITIONS, said


def examples_to_show_gain(share: float, value: float) -> float:
    """Return the test examples needed to show a difference of `value` with power 0.8 at level 0.05.

    share: one of the two accuracies. Computed as if unpaired (Fleiss, Levin, Paik 2003, equal
    groups), like the interval of the gain on own daily texts.
    """
    share = min(max(share, 0.05), 0.95)
    if value == 0 or math.isnan(share + value):
        return math.inf
    return math.ceil(2 * share * (1 - share) * ((Z + POWER) / value) ** 2)


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
    months = locale.number(math.ceil(r.months), case.lang)
    met = r.months <= case.assumptions.payback_months
    return met, CONDITIONS, case.text("found.paid", net=net, months=months)


def describe_gap(d: Difference, lang: str, key: str = "found.gap") -> str:
    """Return a difference in words: '+4.2 points (95% interval +1.0 to +7.4)'."""
    interval = locale.points_range(d.low, d.high, lang)
    return brief_text(key, lang, value=locale.points(d.value, lang), interval=interval)


def method_names(kinds: Sequence[str], lang: str) -> str:
    """Return the names of methods as a list within a sentence."""
    known = (*WANTED, "federated")
    named = [brief_text(f"method.{k}", lang) if k in known else k for k in kinds]
    return locale.name_list(named, lang, 5)


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
