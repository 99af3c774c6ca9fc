"""Records and assumptions in, the decision on one page out: the brief as data, in one language."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fedkit.core import locale
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.reports.brief import sentences
from fedkit.reports.brief.brief import Brief
from fedkit.reports.brief.evidence import Evidence, gather, hours
from fedkit.reports.brief.promise import left_lines, privacy_lines, stayed_lines
from fedkit.reports.brief.returns import Assumptions, returns
from fedkit.reports.brief.rules import RuleInputs, helped, rules, verdict
from fedkit.reports.text.brief import language, ui


def decide(
    records: Sequence[Run],
    lang: str = "en",
    assumptions: Assumptions | None = None,
    date: datetime.date | None = None,
) -> Brief:
    """The brief about the best federated method among `records`, compared with the baselines among
    them.

    Raises FedkitError without a finished federated run, for a damaged record, or for a language
    without words.
    """
    language(lang)
    assumed = assumptions or Assumptions()
    evidence = gather(records, assumed.privacy_needed)
    return brief(case_of(evidence, assumed, lang), date or datetime.date.today())


def case_of(evidence: Evidence, assumptions: Assumptions, lang: str) -> RuleInputs:
    """All that rules and sentences look at."""
    times = hours(evidence.run, assumptions.links, assumptions.devices)
    return RuleInputs(evidence, assumptions, returns(evidence, assumptions, lang), times, lang)


def brief(case: RuleInputs, day: datetime.date) -> Brief:
    """The page's parts, each in the case's language."""
    found, run, lang = rules(case), case.evidence.run, case.lang
    decided = verdict(found)
    head, rows = sentences.hours_table(case)
    sites, labels = (locale.number(n, lang) for n in (case.evidence.sites, case.evidence.labels))
    return Brief(
        lang=lang,
        title=case.says("brief.title", sites=sites),
        date=locale.date(day, lang),
        question=case.says("brief.question", sites=sites, labels=labels),
        verdict=decided,
        verdict_name=sentences.verdict_name(case, decided, found),
        headline=sentences.headline(case, decided, found),
        tiles=sentences.tiles(case),
        tried=sentences.tried(case),
        bars=sentences.bars(case),
        bars_sentence=sentences.bars_sentence(case),
        costs=sentences.costs(case),
        hours_head=head,
        hours_rows=rows,
        privacy=privacy_lines(run, lang),
        left=left_lines(run, lang),
        stayed=stayed_lines(run, lang),
        leaving=sentences.leaving(case),
        rules=found,
        conditions=sentences.conditions(case, found),
        returns=case.returns,
        next_steps=sentences.next_steps(case, decided, found),
        phrases=sentences.phrases(case, decided, found),
        caveats=sentences.caveats(case),
        sources=sentences.sources(case),
        ui=ui(lang),
        numbers=numbers(case),
    )


def numbers(case: RuleInputs) -> dict[str, Any]:
    """The same as plain numbers, for JSON and for charts: shares from 0 to 1, bytes, seconds,
    currency.
    """
    e, a, p = case.evidence, case.assumptions, case.evidence.promise
    return {
        "method": e.name,
        "seeds": sorted({r.config.get("seed") for r in e.runs}, key=str),
        "helped": helped(e),
        "sites": e.sites,
        "train": e.train,
        "test": e.test,
        "accuracy": {kind: asdict(mean) for kind, mean in e.ways.items()},
        "difference": {kind: asdict(d) for kind, d in e.differences.items()},
        "daily": {kind: value for kind, value in e.daily.items() if not math.isnan(value)},
        "daily_gain": asdict(e.gain) if e.gain else None,
        "best_alone": e.alone or None,
        "companies": [asdict(c) | {"gain": c.gain} for c in e.companies],
        "bytes_per_site": {"up": e.up, "down": e.down, "base_model_once": e.base},
        "bytes_all_sites": e.traffic,
        "train_seconds": e.train_seconds,
        "modelled_seconds": {d: dict(zip(a.links, row)) for d, row in zip(a.devices, case.hours)},
        "privacy": (
            {"epsilon": p.epsilon, "delta": p.delta, "unit": p.unit, "sums_only": p.sealed}
            if p.given
            else {"epsilon": None, "sums_only": p.sealed}
        ),
        "sha256": {
            k: printable_line(part.get("sha256") or "?", 64)
            for k, part in (("data", e.run.data), ("model", e.run.model))
        },
        "missing": list(e.missing),
        "other_settings": list(e.unlike),
        "records_not_used": e.left_out,
        "assumptions": {name: asdict(value) for name, value in a.numbers.items()},
    }
