"""The parts of the brief in words: each function returns the most important first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedkit.core import locale
from fedkit.core.formatting import printable_line
from fedkit.reports.brief.brief import CONDITIONS, NO_GO, Bar, Fact, Rule
from fedkit.reports.brief.rules import (
    SEEDS,
    RuleInputs,
    describe_promise,
    examples_to_show_gain,
    method_names,
)
from fedkit.reports.text.brief import STRINGS
from fedkit.results import measures
from fedkit.results.measures import MEASURES, NEW, OWN
from fedkit.results.method_style import METHODS
from fedkit.results.methods import MeanOverSeeds
from fedkit.results.privacy_promise import format_delta, format_epsilon
from fedkit.results.verdict import ALONE, HELPED, NOT_SHOWN, UNKNOWN, finding, measure_name

MOST_CONDITIONS, MOST_STEPS = 5, 4
BOTH_WAYS = ("uplink_bytes", "downlink_bytes")
MOST_TESTS = 100_000  # test examples that anybody could be asked for


def headline(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> str:
    """Return the one verdict on the run, and what follows from it by the rules."""
    e, open_rules = case.evidence, [rule for rule in found if not rule.met]
    said = finding(e.gaps, case.lang)
    if e.kind == UNKNOWN:
        return said
    why = next((rule for rule in open_rules if rule.effect == NO_GO), None)
    reason = case.text(f"why.{why.key}", found=why.found) if why else ""
    if e.kind not in HELPED and not (reason and e.kind == NOT_SHOWN):
        return said
    more = case.text(f"headline.{verdict}", count=_count(case, open_rules), why=reason)
    return f"{said} {more}" if case.lang == "en" else said + more


def verdict_name(case: RuleInputs, verdict: str) -> str:
    """Return the decision as shown; "open" where no gain over local only is shown."""
    shown = case.evidence.kind in HELPED
    return case.text(f"verdict.{'open' if verdict == CONDITIONS and not shown else verdict}")


def brief_tiles(case: RuleInputs) -> tuple[Fact, ...]:
    """Return the five most important numbers."""
    e, r, lang = case.evidence, case.returns, case.lang
    mean, gain = e.accuracies["federated"], e.gain
    between = locale.percent_range(mean.low, mean.high, lang)
    told = case.text("tile.accuracy_note", interval=between)
    between = locale.points_range(gain.low, gain.high, lang) if gain else ""
    beside = case.text("tile.gain_note", interval=between) if gain else case.text("found.no_record")
    gained = locale.points(gain.value if gain else math.nan, lang)
    own = case.text("tile.gain", measure=measure_name(OWN, lang))
    moved = locale.data_size(e.up + e.down, lang)
    base = case.text("tile.traffic_note", base=locale.data_size(e.base, lang))
    net = locale.money(r.net if gain else math.nan, r.currency, lang)
    money = case.text("source.returns")
    return (
        Fact(case.text("tile.accuracy"), _accuracy(case, mean), told, _path(case, "accuracy")),
        Fact(own, gained, beside, _path(case, "own_mix_accuracy")),
        Fact(case.text("tile.traffic"), moved, base, _path(case, *BOTH_WAYS)),
        _privacy_tile(case),
        Fact(case.text("tile.net"), net, case.text("tile.net_note"), money),
    )


def trial_lines(case: RuleInputs) -> tuple[str, ...]:
    """Return what was tried, on what data, and compared with what."""
    e, config, lang = case.evidence, case.evidence.run.config, case.lang
    wire = printable_line(config.get("wire") or "none")
    others = [kind for kind in e.accuracies if kind != "federated"]
    counts = {"sites": e.n_clients, "train": e.train, "test": e.test, "labels": e.labels}
    counts |= {"rounds": len(e.run.rounds), "seeds": e.seeds}
    values = {
        **{name: _number(case, count) for name, count in counts.items()},
        "name": printable_line(e.run.data.get("name", "?"), 60),
        "tune": _tuned(case),
        "model": printable_line(e.run.model.get("name", "?")),
        "wire": case.text("tried.none") if wire == "none" else wire,
        "names": method_names(others, lang) if others else "",
    }
    if e.gain:
        together, alone = (locale.percent(e.daily[k], lang) for k in ("federated", ALONE))
        values |= {"together": together, "alone": alone, "measure": measure_name(OWN, lang)}
    told = {"data": True, "method": True, "compared": bool(others), "daily": e.gain is not None}
    return tuple(case.text(f"tried.{key}", **values) for key, there in told.items() if there)


def method_bars(case: RuleInputs) -> tuple[Bar, ...]:
    """Return a bar for each method with a record, in the usual order."""
    means = case.evidence.accuracies
    known = ((kind, case.text(f"bar.{kind}"), means[kind]) for kind in METHODS if kind in means)
    return tuple(
        Bar(kind, name, mean.value, mean.low, mean.high, _over(case, mean))
        for kind, name, mean in known
    )


def bars_sentence(case: RuleInputs) -> str:
    values = {
        k: _accuracy(case, case.evidence.accuracies.get(k))
        for k in ("federated", "local", "pooled")
    }
    return case.text("bars.sentence", n=_number(case, case.evidence.test), **values)


def cost_facts(case: RuleInputs) -> tuple[Fact, ...]:
    """Return measured bytes and seconds, the base model separately, and assumed money."""
    e, r, lang = case.evidence, case.returns, case.lang
    note = case.text("cost.per_training", rounds=_number(case, len(e.run.rounds)))
    base = case.text("source.run", path="model.base_bytes")
    assumed, money = case.text("cost.assumed"), case.text("source.money_short")
    rows = {
        "up": (locale.data_size(e.up, lang), note, _path(case, "uplink_bytes")),
        "down": (locale.data_size(e.down, lang), note, _path(case, "downlink_bytes")),
        "total": (locale.data_size(e.traffic, lang), note, _path(case, *BOTH_WAYS)),
        "base": (locale.data_size(e.base, lang), case.text("cost.once"), base),
        "train": (
            locale.seconds(e.train_seconds, lang),
            case.text("cost.measured"),
            _path(case, "train_seconds"),
        ),
        "setup": (locale.money(r.setup, r.currency, lang), assumed, money),
        "running": (locale.money(r.running, r.currency, lang), assumed, money),
    }
    return tuple(Fact(case.text(f"cost.{key}"), *told) for key, told in rows.items())


def hours_table(case: RuleInputs) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return (head, rows): modelled time of a training, a row per device, a column per link."""
    a = case.assumptions
    head = (case.text("hours.head"), *(_profile(case, "link", spec) for spec in a.links))
    rows = zip(a.devices, case.hours)
    return head, tuple(
        (_profile(case, "device", d), *(locale.seconds(s, case.lang) for s in row))
        for d, row in rows
    )


def leaving_lines(case: RuleInputs) -> tuple[str, ...]:
    """Return what happens if a client leaves: what goes, what stays, what was not measured."""
    e, lang = case.evidence, case.lang
    lines = []
    if e.clients:
        most = max(e.clients, key=lambda c: c.train)
        share = locale.percent(most.share, lang, 0)
        sizes = {"n": _number(case, most.train), "train": _number(case, e.train), "share": share}
        lines.append(case.text("leaving.largest", id=printable_line(most.id), **sizes))
        holders = sorted((c for c in e.clients if c.only), key=lambda c: -len(c.only))[:2]
        for c in holders:
            names = locale.name_list([printable_line(label) for label in c.only], lang, 3)
            lines.append(case.text("leaving.only", id=printable_line(c.id), labels=names))
        none = "none_only" if measures.tells_labels(e.run) else "not_told"
        lines += [] if holders else [case.text(f"leaving.{none}")]
    lines.append(case.text("leaving.model", traffic=locale.data_size(e.traffic, lang)))
    return (*lines, case.text("leaving.open"))


def condition_lines(case: RuleInputs, found: Sequence[Rule]) -> tuple[str, ...]:
    """Return what each rule that is not met calls for, the most severe first."""
    e = case.evidence
    d, gain = e.gaps[NEW.key], e.gain
    wanted = examples_to_show_gain(e.accuracies["federated"].value, d.value) if d else math.inf
    more = math.inf
    if gain and gain.value > 0:
        more = examples_to_show_gain(e.daily["federated"], gain.value)
    values = {
        "names": method_names((*e.missing, *e.other_settings), case.lang),
        "seeds": _number(case, SEEDS),
        "wanted": locale.number(wanted, case.lang),
        "daily": locale.number(_round_up(more), case.lang),
        **{m.key: measure_name(m, case.lang) for m in MEASURES},
    }
    # the missing comparison is what is asked for
    unknown = case.text("found.no_record") if e.missing else None
    open_rules = [rule for rule in found if not rule.met and rule.found != unknown]
    asked = sorted(open_rules, key=lambda rule: rule.effect != NO_GO)
    names = {"daily": "daily_more"} if e.test < more < MOST_TESTS else {}
    untold = all(math.isnan(client.alone) for client in e.clients)
    names |= {"nobody": "nobody_untold"} if untold else {}
    keys = [names.get(rule.key, rule.key) for rule in asked]
    return tuple(case.text(f"condition.{key}", **values) for key in keys[:MOST_CONDITIONS])


def next_steps(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> tuple[str, ...]:
    """Return the next steps, by verdict and by rules that are not met."""
    failed = {rule.key for rule in found if not rule.met}
    lines = [key for key in ("baselines", "seeds", "privacy") if key in failed]
    if verdict == NO_GO:
        alone = ["alone"] if case.evidence.best_alone else []
        lines = [*alone, "change", *lines]
    lines = [*lines, "assumptions", *(["pilot"] if verdict != NO_GO else [])]
    best = case.evidence.best_alone
    way = method_names([best], case.lang) if best else ""
    return tuple(
        case.text(f"next.{key}", seeds=_number(case, SEEDS), way=way) for key in lines[:MOST_STEPS]
    )


def meeting_phrases(case: RuleInputs, verdict: str, found: Sequence[Rule]) -> tuple[str, ...]:
    """Return sentences to say in a meeting, every number as on the page."""
    e = case.evidence
    values = {k: _accuracy(case, e.accuracies.get(k)) for k in ("federated", "local")}
    kept = {"promised": describe_promise(case)} if e.promise.given else {}
    told = {
        "result" if "local" in e.accuracies else "result_alone": values,
        "left": {"size": locale.data_size(e.up, case.lang)},
        "privacy" if kept else "privacy_none": kept,
        verdict: {"count": _count(case, [rule for rule in found if not rule.met])},
    }
    tests = _number(case, e.test)
    return tuple(case.text(f"phrase.{key}", n=tests, **more) for key, more in told.items())


def caveat_lines(case: RuleInputs) -> tuple[str, ...]:
    """Return what the numbers do not cover."""
    e = case.evidence
    told = {
        "one_seed": e.seeds == 1,
        "few_seeds": e.seeds != 1,
        "daily_one": bool(e.gain and "examples" in e.gain.over),
        "protected": bool(e.promise.given and e.partners),
        "picked": bool(e.left_out),
        "modelled": True,
        "money": True,
    }
    values = {
        "n": _number(case, e.seeds),
        "left": _number(case, e.left_out),
        "base": locale.data_size(e.base, case.lang),
    }
    return tuple(case.text(f"caveat.{key}", **values) for key, there in told.items() if there)


def source_lines(case: RuleInputs) -> tuple[str, ...]:
    """Return where every number is from: paths in run.json, and hashes of data and model."""
    run = case.evidence.run
    data, model = (
        printable_line(part.get("sha256") or "?", 64)[:16] for part in (run.data, run.model)
    )
    name = printable_line(run.model.get("name", "?"))
    kinds = ("results", "bytes", "promise", "money")
    shown = [case.text("source.data", sha=data), case.text("source.model", name=name, sha=model)]
    return (*shown, *(case.text(f"source.{kind}") for kind in kinds))


def _privacy_tile(case: RuleInputs) -> Fact:
    p, name = case.evidence.promise, case.text("tile.privacy")
    path = _path(case, "epsilon")
    if not p.given:
        note = case.text("tile.privacy_sums" if p.sealed else "tile.privacy_open")
        return Fact(name, case.text("tile.privacy_none"), note, path)
    unit = case.text(f"promise.{p.unit}") if p.unit in ("example", "client") else p.unit
    note = case.text("tile.privacy_note", unit=unit, delta=format_delta(p.delta))
    value = case.text("tile.privacy_value", epsilon=format_epsilon(p.epsilon))
    return Fact(name, value, note, path)


def _tuned(case: RuleInputs) -> str:
    """Return what is tuned: a plain name if there is one, else the specification."""
    tune = printable_line(case.evidence.run.config.get("tune", "?"))
    return case.text(f"tune.{tune}") if tune in ("head", "full") else tune


def _over(case: RuleInputs, mean: MeanOverSeeds) -> str:
    count, _, what = mean.over.partition(" ")
    if what.startswith("seed"):
        return case.text("over.seeds", n=count)
    return case.text("over.clients" if "client" in mean.over else "over.test")


def _profile(case: RuleInputs, kind: str, spec: str) -> str:
    known = f"{kind}.{spec}"
    return case.text(known) if known in STRINGS[case.lang] else printable_line(spec)


def _accuracy(case: RuleInputs, mean: MeanOverSeeds | None) -> str:
    return locale.percent(mean.value if mean else math.nan, case.lang)


def _path(case: RuleInputs, *names: str) -> str:
    """Return where in the record the sum of these results is."""
    return case.text("source.run", path=" + ".join(f"result.{name}" for name in names))


def _round_up(value: float) -> float:
    """Round up to two significant digits."""
    if not 0 < value < math.inf:
        return value
    step = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    return math.ceil(value / step) * step


def _number(case: RuleInputs, value: float) -> str:
    return locale.number(value, case.lang)


def _count(case: RuleInputs, items: Sequence[object]) -> str:
    return _number(case, len(items))
