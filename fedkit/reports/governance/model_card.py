"""Document 7: the model card, with the headings of Mitchell et al. (2019)."""

from __future__ import annotations

from fedkit.core import locale
from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.record import Run
from fedkit.reports.governance import sections
from fedkit.reports.governance.case import ROWS, Case, display_name
from fedkit.reports.governance.document import (
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Table,
)
from fedkit.reports.governance.risks import risk_lines
from fedkit.reports.text.model_card import WORDS
from fedkit.results import measures

UNTUNED = ("majority", "frozen-pooled", "frozen-local")  # train nothing of the base model


def model_card(case: Case) -> Document:
    """Return the model card of the shared adapter and head."""

    def part(key: str, *more: Block) -> list[Block]:
        return sections.make_section(case, WORDS, key, *more)

    parts = [
        part("details", *sections.hashes_table(case)),
        part("use"),
        part("factors"),
        part("metrics", sections.make_table(case, WORDS, "metrics_table")),
        part("evaluation"),
        part("training", *sections.labels_table(case), *_notes(case)),
        part("analyses", *_per_client(case), *_other_records(case)),
        part("ethics", *sections.section_lines(case, "privacy")),
        part("caveats", Bullets(tuple(risk_lines(case)))),
        part("again", *_again(case)),
    ]
    return sections.make_document(case, "07_model_card", WORDS, parts, "{title}")


def _per_client(case: Case) -> list[Block]:
    """Return the table of the shared model's accuracy on test examples like each client's own."""
    rows = [
        (
            display_name(client.name, case.lang),
            case.number(client.train),
            case.about_labels(case.number(len(client.labels))),
            case.percent(client.own),
        )
        for client in case.clients[:ROWS]
    ]
    return [
        _heading(case, "per_member"),
        sections.make_table(case, WORDS, "members_table", rows),
        *sections.more_rows(case, len(case.clients)),
    ]


def _other_records(case: Case) -> list[Block]:
    """Return the table of every record given, in the usual order."""
    words = WORDS[case.lang]
    rows = [
        (_method(case, run), _tuned(case, run), *_accuracy_cells(case, run))
        for run in case.records[:ROWS]
    ]
    alone = [] if len({run.method for run in case.records}) > 1 else [Paragraph(words["alone"][0])]
    return [
        _heading(case, "beside"),
        sections.make_table(case, WORDS, "beside_table", rows),
        *alone,
    ]


def _method(case: Case, run: Run) -> str:
    known = dict(WORDS[case.lang]["methods"])
    return known.get(run.method) or display_name(run.method, case.lang)


def _tuned(case: Case, run: Run) -> str:
    """Return what is trained of the base model; a dash where nothing is, despite the config."""
    return "\u2013" if run.method in UNTUNED else display_name(run.config.get("tune"), case.lang)


def _accuracy_cells(case: Case, run: Run) -> tuple[str, str]:
    if not run.rounds and run.start is None and not run.finished:
        return (locale.UNKNOWN[case.lang],) * 2
    low, high, _ = measures.accuracy_interval(run)
    return case.percent(measures.accuracy(run)), locale.percent_range(low, high, case.lang)


def _notes(case: Case) -> list[Block]:
    """Return the record's notes on the data: English sentences, shown as they are."""
    notes = tuple(
        display_name(note, case.lang) if len(str(note)) <= 60 else printable_line(note, 300)
        for note in (case.run.data.get("notes") or [])[:ROWS]
    )
    return [_heading(case, "notes"), Bullets(notes)] if notes else []


def _again(case: Case) -> list[Block]:
    """Return the command line that repeats the run, and the environment that it ran in."""
    env = case.run.environment
    rows = [
        (printable_line(key), printable_line(value, 60))
        for key, value in sorted(env.items(), key=str)[:ROWS]
    ]
    return [*_command(case), Table(tuple(WORDS[case.lang]["environment_table"][0]), tuple(rows))]


def _command(case: Case) -> list[Block]:
    try:
        return [Code(command_line("run", RunConfig.from_dict(case.run.config)))]
    except FedkitError:  # settings of another version
        return [Paragraph(case.fill(WORDS[case.lang]["no_command"][0]))]


def _heading(case: Case, key: str) -> Heading:
    return Heading(WORDS[case.lang][key][0], 2)
