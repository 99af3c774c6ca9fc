"""The brief: decide from records and assumptions; page, slides and JSON for each language.

Beside them the assumptions to edit, and the governance pack.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fedkit.core import locale
from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file, write_json
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.network import replay
from fedkit.reports.brief import sentences
from fedkit.reports.brief.brief import Brief
from fedkit.reports.brief.promise import left_lines, meets_need, privacy_lines, stayed_lines
from fedkit.reports.brief.returns import Assumptions, compute_returns
from fedkit.reports.brief.rules import RuleInputs, apply_rules, combine_effects
from fedkit.reports.text.brief import require_language, ui_texts
from fedkit.results.verdict import HELPED, UNKNOWN, Verdict, judge_best

SCHEMA = "fedkit.brief/1"


def decide(
    records: Sequence[Run],
    lang: str = "en",
    assumptions: Assumptions | None = None,
    date: datetime.date | None = None,
) -> Brief:
    """Return the brief on the best federated method in `records`, compared with their baselines.

    Raises FedkitError without a finished federated run, for a damaged record, or for an unknown
    language.
    """
    require_language(lang)
    assumed = assumptions or Assumptions()
    evidence = judge_best(records, lambda promise: meets_need(promise, assumed.privacy_needed))
    return assemble_brief(rule_inputs(evidence, assumed, lang), date or datetime.date.today())


def rule_inputs(evidence: Verdict, assumptions: Assumptions, lang: str) -> RuleInputs:
    """Return all that rules and sentences read."""
    times = modelled_seconds(evidence.run, assumptions.links, assumptions.devices)
    returns = compute_returns(evidence, assumptions, lang)
    return RuleInputs(evidence, assumptions, returns, times, lang)


def modelled_seconds(run: Run, links: Sequence[str], devices: Sequence[str]) -> list[list[float]]:
    """Return modelled seconds of the whole run, a row per device and a column per link.

    The download of the base model is not included.
    """
    try:
        return [[replay(run, link, device).seconds for link in links] for device in devices]
    except OverflowError:
        raise FedkitError(
            "damaged run record: a time in its rounds or its deadline is beyond all bounds"
        ) from None


def assemble_brief(case: RuleInputs, day: datetime.date) -> Brief:
    """Return the brief: each part in the language of `case`."""
    found, run, lang = apply_rules(case), case.evidence.run, case.lang
    decided = combine_effects(found)
    head, rows = sentences.hours_table(case)
    sites, labels = (
        locale.number(n, lang) for n in (case.evidence.n_clients, case.evidence.labels)
    )
    return Brief(
        lang=lang,
        title=case.text("brief.title", sites=sites),
        date=locale.date(day, lang),
        question=case.text("brief.question", sites=sites, labels=labels),
        verdict=decided,
        verdict_name=sentences.verdict_name(case, decided),
        headline=sentences.headline(case, decided, found),
        tiles=sentences.brief_tiles(case),
        tried=sentences.trial_lines(case),
        bars=sentences.method_bars(case),
        bars_sentence=sentences.bars_sentence(case),
        costs=sentences.cost_facts(case),
        hours_head=head,
        hours_rows=rows,
        privacy=privacy_lines(run, lang),
        left=left_lines(run, lang),
        stayed=stayed_lines(run, lang),
        leaving=sentences.leaving_lines(case),
        rules=found,
        conditions=sentences.condition_lines(case, found),
        returns=case.returns,
        next_steps=sentences.next_steps(case, decided, found),
        phrases=sentences.meeting_phrases(case, decided, found),
        caveats=sentences.caveat_lines(case),
        sources=sentences.source_lines(case),
        ui=ui_texts(lang),
        numbers=brief_numbers(case),
    )


def brief_numbers(case: RuleInputs) -> dict[str, Any]:
    """Return plain numbers for JSON and charts: shares from 0 to 1, bytes, seconds, currency."""
    e, a, p = case.evidence, case.assumptions, case.evidence.promise
    shown = (("data", e.run.data), ("model", e.run.model))
    gaps = {kind: e.difference(kind) for kind in e.partners}
    return {
        "method": e.method.name,
        "seeds": e.method.seeds,
        "verdict": e.kind,
        "helped": None if e.kind == UNKNOWN else e.kind in HELPED,
        "sites": e.n_clients,
        "train": e.train,
        "test": e.test,
        "accuracy": {kind: asdict(mean) for kind, mean in e.accuracies.items()},
        "difference": {kind: asdict(d) for kind, d in gaps.items() if d is not None},
        "daily": {kind: value for kind, value in e.daily.items() if not math.isnan(value)},
        "daily_gain": asdict(e.gain) if e.gain else None,
        "best_alone": e.best_alone or None,
        "companies": [asdict(c) | {"own": c.together, "gain": c.gain} for c in e.clients],
        "bytes_per_site": {"up": e.up, "down": e.down, "base_model_once": e.base},
        "bytes_all_sites": e.traffic,
        "train_seconds": e.train_seconds,
        "modelled_seconds": {d: dict(zip(a.links, row)) for d, row in zip(a.devices, case.hours)},
        "privacy": (
            {"epsilon": p.epsilon, "delta": p.delta, "unit": p.unit, "sums_only": p.sealed}
            if p.given
            else {"epsilon": None, "sums_only": p.sealed}
        ),
        "sha256": {k: printable_line(part.get("sha256") or "?", 64) for k, part in shown},
        "missing": list(e.missing),
        "other_settings": list(e.other_settings),
        "records_not_used": e.left_out,
        "assumptions": {name: asdict(value) for name, value in a.numbers.items()},
    }


# ---- files


def write_brief(
    records: Sequence[Run],
    out: Path,
    langs: Sequence[str] = ("en",),
    assumptions: Assumptions | None = None,
) -> list[Path]:
    """Write brief.LANG.html, .pptx and .json for each language, assumptions.toml and the governance
    pack.

    Returns their paths. All languages are decided before the first file is written. Raises
    FedkitError as `decide` does, or if a file cannot be written.
    """
    out, assumed = Path(out), assumptions or Assumptions()
    briefs = [decide(records, lang, assumed) for lang in dict.fromkeys(langs)]
    return write_briefs(briefs, records, out, assumed)


def write_briefs(
    briefs: Sequence[Brief], records: Sequence[Run], out: Path, assumptions: Assumptions
) -> list[Path]:
    """Write the files of `write_brief` for briefs that have been decided; return their paths."""
    from fedkit.reports.governance.pack import write_pack

    written = [path for brief in briefs for path in _write_one(brief, out)]
    written.append(_write_assumptions(out / "assumptions.toml", assumptions))
    return [*written, *(path for brief in briefs for path in write_pack(records, out, brief.lang))]


def brief_to_dict(brief: Brief) -> dict:
    """Return the brief as JSON values: every string and number of its page."""
    return {"schema": SCHEMA, **asdict(brief)}


def _write_one(brief: Brief, out: Path) -> list[Path]:
    from fedkit.reports.brief.page import render_brief
    from fedkit.reports.brief.slides import write_slides

    page, slides, values = (out / f"brief.{brief.lang}.{end}" for end in ("html", "pptx", "json"))
    write_file(page, render_brief(brief))
    write_slides(brief, slides)
    return [page, slides, write_json(values, brief_to_dict(brief))]


def _write_assumptions(path: Path, assumptions: Assumptions) -> Path:
    """Write the assumptions to edit; beside a file that has other content."""
    words = assumptions.to_toml()
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != words:
        path = path.with_name("assumptions.used.toml")
    return write_file(path, words)
