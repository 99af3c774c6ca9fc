"""The parts of the brief that are said in words: each takes the case and gives a short tuple, most
important first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedkit.core import locale
from fedkit.core.formatting import printable_line
from fedkit.reports.brief.brief import CONDITIONS, NO_GO, Bar, Fact, Rule
from fedkit.reports.brief.rules import SEEDS, RuleInputs, enough, gap, named, promised
from fedkit.reports.text.brief import STRINGS
from fedkit.results.method_style import METHODS
from fedkit.results.methods import MeanOverSeeds
from fedkit.results.privacy_promise import format_delta, format_epsilon

MOST_CONDITIONS, MOST_STEPS = 5, 4
MOST_TESTS = 100_000  # test examples that anybody could be asked for


def headline(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> str:
    """The recommendation in a sentence; where federation did not help, that is what it says."""
    e, open_rules = case.evidence, [rule for rule in found if not rule.met]
    d = e.differences.get("local")
    if d is None:
        return case.says("headline.unknown")
    said = {"gap": gap(d, case.lang), "federated": _right(case, e.ways["federated"])}
    if not d.above and d.value <= 0:
        return case.says("headline.not_helped", **said)
    if verdict == NO_GO:
        why = next(rule for rule in open_rules if rule.effect == NO_GO)
        key = "headline.helped_no_go" if d.above else "headline.not_shown_no_go"
        return case.says(key, **said, why=case.says(f"why.{why.key}", found=why.found))
    if not d.above:
        return case.says("headline.not_shown", **said)
    unsure = any(rule.key == "daily" for rule in open_rules)
    return case.says(
        "headline.unsure" if unsure else f"headline.{verdict}",
        **said,
        count=_count(case, open_rules),
    )


def verdict_name(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> str:
    """As shown; conditions where not even a gain over local only is shown are no recommendation."""
    shown = all(rule.met for rule in found if rule.key == "local")
    return case.says(
        "verdict.open" if verdict == CONDITIONS and not shown else f"verdict.{verdict}"
    )


def tiles(case: RuleInputs) -> tuple[Fact, ...]:
    """Five numbers to read in ten seconds."""
    e, r, lang = case.evidence, case.returns, case.lang
    mean, gain = e.ways["federated"], e.gain
    between = locale.points_range(gain.low, gain.high, lang) if gain else ""
    beside = case.says("tile.gain_note", interval=between) if gain else case.says("found.no_record")
    return (
        Fact(
            case.says("tile.accuracy"),
            _right(case, mean),
            case.says(
                "tile.accuracy_note", interval=locale.percent_range(mean.low, mean.high, lang)
            ),
            _path(case, "result.accuracy"),
        ),
        Fact(
            case.says("tile.gain"),
            locale.points(gain.value if gain else math.nan, lang),
            beside,
            _path(case, "result.own_mix_accuracy"),
        ),
        Fact(
            case.says("tile.traffic"),
            locale.data_size(e.up + e.down, lang),
            case.says("tile.traffic_note", base=locale.data_size(e.base, lang)),
            _path(case, "result.uplink_bytes + result.downlink_bytes"),
        ),
        _privacy_tile(case),
        Fact(
            case.says("tile.net"),
            locale.money(r.net if gain else math.nan, r.currency, lang),
            case.says("tile.net_note"),
            case.says("source.returns"),
        ),
    )


def tried(case: RuleInputs) -> tuple[str, ...]:
    """What was tried, on what, against what."""
    e, config, lang = case.evidence, case.evidence.run.config, case.lang
    wire = printable_line(config.get("wire") or "none")
    said = [
        case.says(
            "tried.data",
            name=printable_line(e.run.data.get("name", "?"), 60),
            sites=_n(case, e.sites),
            train=_n(case, e.train),
            test=_n(case, e.test),
            labels=_n(case, e.labels),
        ),
        case.says(
            "tried.method",
            tune=_tuned(case),
            model=printable_line(e.run.model.get("name", "?")),
            rounds=_n(case, len(e.run.rounds)),
            seeds=_n(case, e.seeds),
            wire=case.says("tried.none") if wire == "none" else wire,
        ),
    ]
    others = [kind for kind in e.ways if kind != "federated"]
    said += [case.says("tried.compared", names=named(others, lang))] if others else []
    if e.gain:
        together, alone = (locale.percent(e.daily[k], lang) for k in ("federated", e.alone))
        said.append(
            case.says("tried.daily", together=together, alone=alone, way=named([e.alone], lang))
        )
    return tuple(said)


def bars(case: RuleInputs) -> tuple[Bar, ...]:
    """Every way there is, in the order in which they are to be beaten."""
    ways = case.evidence.ways
    return tuple(
        Bar(
            kind,
            case.says(f"bar.{kind}"),
            ways[kind].value,
            ways[kind].low,
            ways[kind].high,
            _over(case, ways[kind]),
        )
        for kind in METHODS
        if kind in ways
    )


def bars_sentence(case: RuleInputs) -> str:
    values = {k: _right(case, case.evidence.ways.get(k)) for k in ("federated", "local", "pooled")}
    return case.says("bars.sentence", n=_n(case, case.evidence.test), **values)


def costs(case: RuleInputs) -> tuple[Fact, ...]:
    """Bytes and seconds measured, the base model apart, and money by assumption."""
    e, r, lang = case.evidence, case.returns, case.lang
    note = case.says("cost.per_training", rounds=_n(case, len(e.run.rounds)))
    both = _path(case, "result.uplink_bytes + result.downlink_bytes")
    money = {k: locale.money(getattr(r, k), r.currency, lang) for k in ("setup", "running")}
    return (
        Fact(
            case.says("cost.up"),
            locale.data_size(e.up, lang),
            note,
            _path(case, "result.uplink_bytes"),
        ),
        Fact(
            case.says("cost.down"),
            locale.data_size(e.down, lang),
            note,
            _path(case, "result.downlink_bytes"),
        ),
        Fact(case.says("cost.total"), locale.data_size(e.traffic, lang), note, both),
        Fact(
            case.says("cost.base"),
            locale.data_size(e.base, lang),
            case.says("cost.once"),
            _path(case, "model.base_bytes"),
        ),
        Fact(
            case.says("cost.train"),
            locale.seconds(e.train_seconds, lang),
            case.says("cost.measured"),
            _path(case, "result.train_seconds"),
        ),
        *(
            Fact(
                case.says(f"cost.{k}"),
                money[k],
                case.says("cost.assumed"),
                case.says("source.money_short"),
            )
            for k in money
        ),
    )


def hours_table(case: RuleInputs) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """(head, rows): modelled time of one training, a row per device and a column per link."""
    a = case.assumptions
    head = (case.says("hours.head"), *(_profile(case, "link", spec) for spec in a.links))
    rows = zip(a.devices, case.hours)
    return head, tuple(
        (_profile(case, "device", d), *(locale.seconds(s, case.lang) for s in row))
        for d, row in rows
    )


def leaving(case: RuleInputs) -> tuple[str, ...]:
    """What happens if a company leaves: what goes with it, what stays, what has not been
    measured.
    """
    e, lang = case.evidence, case.lang
    said = []
    if e.companies:
        most = max(e.companies, key=lambda c: c.train)
        said.append(
            case.says(
                "leaving.largest",
                id=printable_line(most.id),
                n=_n(case, most.train),
                train=_n(case, e.train),
                share=locale.percent(most.share, lang, 0),
            )
        )
        holders = sorted((c for c in e.companies if c.only), key=lambda c: -len(c.only))[:2]
        said += [
            case.says("leaving.only", id=printable_line(c.id), labels=_names(c.only, lang))
            for c in holders
        ]
        said += [] if holders else [case.says("leaving.none_only")]
    said.append(case.says("leaving.model", traffic=locale.data_size(e.traffic, lang)))
    return (*said, case.says("leaving.open"))


def conditions(case: RuleInputs, found: Sequence[Rule]) -> tuple[str, ...]:
    """What each rule that is not met asks for, the gravest first."""
    e = case.evidence
    d = e.differences.get("local")
    wanted = enough(e.ways["federated"].value, d.value) if d else math.inf
    more = enough(e.daily["federated"], e.gain.value) if e.gain and e.gain.value > 0 else math.inf
    values = {
        "names": named((*e.missing, *e.unlike), case.lang),
        "seeds": _n(case, SEEDS),
        "wanted": locale.number(wanted, case.lang),
        "daily": locale.number(_round_up(more), case.lang),
    }
    # the missing comparison is what is asked for
    unknown = case.says("found.no_record") if e.missing else None
    open_rules = [rule for rule in found if not rule.met and rule.found != unknown]
    asked = sorted(open_rules, key=lambda rule: rule.effect != NO_GO)
    keys = [
        "daily_more" if rule.key == "daily" and e.test < more < MOST_TESTS else rule.key
        for rule in asked
    ]
    return tuple(case.says(f"condition.{key}", **values) for key in keys[:MOST_CONDITIONS])


def next_steps(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> tuple[str, ...]:
    """What to do on Monday, by verdict and by what is open."""
    failed = {rule.key for rule in found if not rule.met}
    said = [key for key in ("baselines", "seeds", "privacy") if key in failed]
    if verdict == NO_GO:
        alone = ["alone"] if case.evidence.alone else []
        said = [*alone, "change", *said]
    said = [*said, "assumptions", *(["pilot"] if verdict != NO_GO else [])]
    way = named([case.evidence.alone], case.lang) if case.evidence.alone else ""
    return tuple(
        case.says(f"next.{key}", seeds=_n(case, SEEDS), way=way) for key in said[:MOST_STEPS]
    )


def phrases(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> tuple[str, ...]:
    """Sentences to say in the meeting, every number as on the page."""
    e, lang = case.evidence, case.lang
    values = {k: _right(case, e.ways.get(k)) for k in ("federated", "local")}
    shown = "phrase.result" if "local" in e.ways else "phrase.result_alone"
    kept = e.promise.given
    return (
        case.says(shown, n=_n(case, e.test), **values),
        case.says("phrase.left", size=locale.data_size(e.up, lang)),
        (
            case.says("phrase.privacy", promised=promised(case))
            if kept
            else case.says("phrase.privacy_none")
        ),
        case.says(
            f"phrase.{verdict}", count=_count(case, [rule for rule in found if not rule.met])
        ),
    )


def caveats(case: RuleInputs) -> tuple[str, ...]:
    """What the numbers do not cover."""
    e, lang = case.evidence, case.lang
    said = (
        [case.says("caveat.one_seed")]
        if e.seeds == 1
        else [case.says("caveat.few_seeds", n=_n(case, e.seeds))]
    )
    said += [case.says("caveat.daily_one")] if e.gain and "examples" in e.gain.over else []
    said += [case.says("caveat.protected")] if e.promise.given and e.differences else []
    said += [case.says("caveat.picked", left=_n(case, e.left_out))] if e.left_out else []
    return (
        *said,
        case.says("caveat.modelled", base=locale.data_size(e.base, lang)),
        case.says("caveat.money"),
    )


def sources(case: RuleInputs) -> tuple[str, ...]:
    """Where every number is from: paths in run.json, hashes of what was used."""
    run = case.evidence.run
    data, model = (
        printable_line(part.get("sha256") or "?", 64)[:16] for part in (run.data, run.model)
    )
    name = printable_line(run.model.get("name", "?"))
    kinds = ("results", "bytes", "promise", "money")
    return (
        case.says("source.data", sha=data),
        case.says("source.model", name=name, sha=model),
        *(case.says(f"source.{kind}") for kind in kinds),
    )


def _privacy_tile(case: RuleInputs) -> Fact:
    p, name = case.evidence.promise, case.says("tile.privacy")
    path = _path(case, "result.epsilon")
    if not p.given:
        note = case.says("tile.privacy_sums" if p.sealed else "tile.privacy_open")
        return Fact(name, case.says("tile.privacy_none"), note, path)
    unit = case.says(f"promise.{p.unit}") if p.unit in ("example", "client") else p.unit
    note = case.says("tile.privacy_note", unit=unit, delta=format_delta(p.delta))
    return Fact(
        name, case.says("tile.privacy_value", epsilon=format_epsilon(p.epsilon)), note, path
    )


def _tuned(case: RuleInputs) -> str:
    """What is tuned: by its specification, but for what has a plain name."""
    tune = printable_line(case.evidence.run.config.get("tune", "?"))
    return case.says(f"tune.{tune}") if tune in ("head", "full") else tune


def _over(case: RuleInputs, mean: MeanOverSeeds) -> str:
    count, _, what = mean.over.partition(" ")
    if what.startswith("seed"):
        return case.says("over.seeds", n=count)
    return case.says("over.clients" if "client" in mean.over else "over.test")


def _profile(case: RuleInputs, kind: str, spec: str) -> str:
    known = f"{kind}.{spec}"
    return case.says(known) if known in STRINGS[case.lang] else printable_line(spec)


def _names(names: Sequence[str], lang: str) -> str:
    return locale.name_list([printable_line(name) for name in names], lang, 3)


def _right(case: RuleInputs, mean: MeanOverSeeds | None) -> str:
    return locale.percent(mean.value if mean else math.nan, case.lang)


def _path(case: RuleInputs, path: str) -> str:
    return case.says("source.run", path=path)


def _round_up(value: float) -> float:
    """To two digits that count."""
    if not 0 < value < math.inf:
        return value
    step = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    return math.ceil(value / step) * step


def _n(case: RuleInputs, value: float) -> str:
    return locale.number(value, case.lang)


def _count(case: RuleInputs, items: Sequence[object]) -> str:
    return _n(case, len(items))
