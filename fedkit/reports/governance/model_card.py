"""Document 7: the model card, under the headings of Mitchell et al. (2019), Model Cards for Model
Reporting.
"""

from __future__ import annotations

from fedkit.core import locale
from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.reports.governance import sections as sections_module
from fedkit.reports.governance.case import ROWS, Case, name_of
from fedkit.reports.governance.document import (
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Table,
)
from fedkit.reports.governance.risks import risks_shown
from fedkit.reports.text.model_card import WORDS
from fedkit.results import measures

UNTUNED = ("majority", "frozen-pooled", "frozen-local")  # train nothing of the base model


def card(case: Case) -> Document:
    """Model card of the shared adapter and head."""

    def part(key: str, *more: Block) -> list[Block]:
        return sections_module.section(case, WORDS, key, *more)

    sections = [
        part("details", *sections_module.hashes(case)),
        part("use"),
        part("factors"),
        part("metrics", sections_module.table(case, WORDS, "metrics_table")),
        part("evaluation"),
        part("training", *sections_module.labels(case), *_notes(case)),
        part("analyses", *_per_member(case), *_beside(case)),
        part("ethics", *sections_module.lines(case, "privacy")),
        part("caveats", Bullets(tuple(risks_shown(case)))),
        part("again", *_again(case)),
    ]
    return sections_module.document(case, "07_model_card", WORDS, sections, "{title}")


def _per_member(case: Case) -> list[Block]:
    """Accuracy of the shared model on test examples like each member's own."""
    rows = [
        (
            name_of(m.name, case.lang),
            case.number(m.train),
            case.number(len(m.labels)),
            case.percent(m.own),
        )
        for m in case.members[:ROWS]
    ]
    return [
        _headed(case, "per_member"),
        sections_module.table(case, WORDS, "members_table", rows),
        *sections_module._more(case, len(case.members)),
    ]


def _beside(case: Case) -> list[Block]:
    """What else was run: every record given, in the same order as everywhere."""
    said = WORDS[case.lang]
    rows = [
        (_method(case, run), _tuned(case, run), *_told(case, run)) for run in case.records[:ROWS]
    ]
    alone = [] if len({run.method for run in case.records}) > 1 else [Paragraph(said["alone"][0])]
    return [
        _headed(case, "beside"),
        sections_module.table(case, WORDS, "beside_table", rows),
        *alone,
    ]


def _method(case: Case, run: Run) -> str:
    known = dict(WORDS[case.lang]["methods"])
    return known.get(run.method) or name_of(run.method, case.lang)


def _tuned(case: Case, run: Run) -> str:
    """What is trained of the base model; a dash where nothing is, whatever stands in the config."""
    return "\u2013" if run.method in UNTUNED else name_of(run.config.get("tune"), case.lang)


def _told(case: Case, run: Run) -> tuple[str, str]:
    if not run.rounds and run.start is None and not run.finished:
        return (locale.UNKNOWN[case.lang],) * 2
    low, high, _ = measures.accuracy_interval(run)
    return case.percent(measures.accuracy(run)), locale.percent_range(low, high, case.lang)


def _notes(case: Case) -> list[Block]:
    """The record's own notes on the data: English sentences, shown as they are."""
    notes = tuple(
        name_of(note, case.lang) if len(str(note)) <= 60 else measures.tidy(note, 300)
        for note in (case.run.data.get("notes") or [])[:ROWS]
    )
    return [_headed(case, "notes"), Bullets(notes)] if notes else []


def _again(case: Case) -> list[Block]:
    """The command line that makes the run again, and the environment that it was made in."""
    env = case.run.environment
    rows = [
        (measures.tidy(key), measures.tidy(value, 60))
        for key, value in sorted(env.items(), key=str)[:ROWS]
    ]
    return [*_command(case), Table(tuple(WORDS[case.lang]["environment_table"][0]), tuple(rows))]


def _command(case: Case) -> list[Block]:
    try:
        return [Code(command_line("run", RunConfig.from_dict(case.run.config)))]
    except FedkitError:  # settings of another version
        return [Paragraph(case.say(WORDS[case.lang]["no_command"][0]))]


def _headed(case: Case, key: str) -> Heading:
    return Heading(WORDS[case.lang][key][0], 2)
