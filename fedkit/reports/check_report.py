"""The results of a check of data: lines for a terminal, files, a page, and the next command.

The page is a traffic light with reasons, then every finding by level. No script, no network;
personal data in examples is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedkit.core.commands import quote_command
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table, write_file, write_json
from fedkit.core.formatting import count_noun, printable_line, quote
from fedkit.data.columns import Columns
from fedkit.data.load import RawTable
from fedkit.quality.clean import clean_table, describe_guarded_cells, guard_cell, write_clean
from fedkit.quality.finding import Finding
from fedkit.quality.personal import mask_personal_data
from fedkit.reports.pages import render

if TYPE_CHECKING:
    from fedkit.quality.report import Quality

WORDS: dict[str, Any] = read_packaged_table("fedkit.reports.text", "check.toml")
LIGHTS, LEVELS, ANSWERS = WORDS["lights"], WORDS["levels"], WORDS["answers"]
ROWS, NAMES = 6, 12  # row numbers, labels or clients that are named on a line
PAGE_ROWS, BARS = 12, 30  # row numbers of a finding, labels or clients in a picture of the page


@dataclass(frozen=True)
class CheckFiles:
    """paths: the cleaned copy, rows to review (if any), check.json, check.html. changes: in
    sentences.
    """

    paths: tuple[Path, ...]
    changes: tuple[str, ...]

    @property
    def clean(self) -> Path:
        return self.paths[0]


def write_checked(table: RawTable, quality: Quality, out: Path, mask: bool = False) -> CheckFiles:
    """Write the cleaned copy, check.json and check.html into `out`.

    Raises FedkitError if they cannot be written or would overwrite the data.
    """
    from fedkit.quality.report import to_dict

    cleaned = clean_table(table, quality, mask)
    changes = [*cleaned.changes, *filter(None, [describe_guarded_cells(cleaned)])]
    page, values = out / "check.html", out / "check.json"
    if Path(table.source).expanduser().resolve() in (page.resolve(), values.resolve()):
        raise FedkitError(
            f"{quote(table.source)} would be written over by the report; choose another --out"
        )
    clean = write_clean(cleaned, table, out)
    to_review = clean.with_name(clean.name.replace(".clean.csv", ".review.csv"))
    review = [to_review] if to_review.exists() else []
    write_json(values, to_dict(quality) | {"mended": changes, "clean": clean.name})
    names = "".join(path.name for path in review)
    write_file(page, render_check(quality, changes, clean.name, names))
    return CheckFiles((clean, *review, values, page), tuple(changes))


def columns_in_copy(columns: Columns) -> Columns:
    """Return the columns under their names in the cleaned copy."""
    names = (columns.text, columns.label, columns.client)
    return Columns(*(guard_cell(name) if name else None for name in names))


def check_lines(quality: Quality, written: CheckFiles | None = None, given: Any = ()) -> list[str]:
    """Return the check for a terminal: the data, findings, verdict with reasons, files, next
    command. given: flags of this check, which the next one needs too.
    """
    columns = quality.columns
    roles = {"text": columns.text, "label": columns.label, "site": columns.client}
    used = ", ".join(f"{role} {quote(name, 40)}" for role, name in roles.items() if name)
    return [
        f"{quality.name}: {count_noun(quality.rows, 'row')}; {used}",
        _named("label", quality.labels),
        (
            _named("site", quality.clients)
            if quality.clients
            else "no client column: name one with --client, or let --partition deal"
        ),
        *(f"note: {note}" for note in quality.notes),
        *(line for finding in quality.findings for line in finding_lines(finding)),
        f"verdict: {WORDS['verdicts'][quality.verdict]}{_because(quality)}",
        *next_step_lines(quality, written, given),
    ]


def _because(quality: Quality) -> str:
    """Return what the verdict rests on: the number of findings above, which say it in full."""
    level = {"care": "care", "not yet": "stop"}.get(quality.verdict)
    number = sum(1 for finding in quality.findings if finding.level == level)
    if not level:
        return ", nothing was found that stands in the way"
    return f", because of {count_noun(number, 'finding')} marked `{level}` above"


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding in lines; a note takes only one."""
    rows = ", ".join(f"{row:,}" for row in finding.rows[:ROWS])
    rows += ", ..." if finding.count > ROWS else ""
    first = f"{finding.level}: {finding.what}" + (f" (row {rows})" if finding.rows else "")
    more = [f"      why: {finding.why}", f"      mend: {finding.mend}"]
    return [first, *(more if finding.level != "note" else ())]


def _named(what: str, counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{quote(name, 40)} {n:,}" for name, n in list(counts.items())[:NAMES])
    more = f" and {len(counts) - NAMES} more" if len(counts) > NAMES else ""
    return f"{count_noun(len(counts), what)}: {listed}{more}"


def next_step_lines(quality: Quality, written: CheckFiles | None, given: Any = ()) -> list[str]:
    """Return what was written, and the next command."""
    if written is None:
        return [
            "next, for a report and a cleaned copy:",
            f"  {quote_command('fedkit', 'check', quality.source, *given, '--out', 'checked')}",
        ]
    columns = columns_in_copy(quality.columns)
    flags = ["--text", columns.text, "--label", columns.label]
    flags += ["--client", columns.client, "--partition", "column"] if columns.client else []
    changes = [f"cleaned copy: {line}" for line in written.changes]
    wrote = f"written: {', '.join(str(path) for path in written.paths)}"
    named = any(f.kind == "personal-data" for f in quality.findings)
    warned = []
    if named and not any("masked" in line for line in written.changes):
        warned = [
            "personal data is still in the cleaned copy;"
            " add --mask to put [email], [phone] and so on in its place"
        ]
    later = ", once what is marked `stop` above is mended" if quality.verdict == "not yet" else ""
    command = quote_command("fedkit", "run", "--data", written.clean, *flags, "--out", "runs/mine")
    return [*changes, wrote, *warned, f"next{later}:", f"  {command}"]


def render_check(
    quality: Quality, did: Sequence[str] = (), clean: str = "", review: str = ""
) -> str:
    """Return the page as text.

    did: changes of the cleaned copy, in sentences. clean, review: names of the files in its folder.
    """
    light, name = LIGHTS[quality.verdict], printable_line(quality.name, 80)
    columns = quality.columns
    roles = {"Text": columns.text, "label": columns.label, "site": columns.client}
    clients = count_noun(len(quality.clients), "site") if quality.clients else ""
    named = [f"{role}: column {printable_line(name)}" for role, name in roles.items() if name]
    return render(
        "reports/check.html.j2",
        title=f"Can {name} be used?",
        name=name,
        size=count_noun(quality.rows, "row"),
        roles=", ".join(named),
        light=light,
        lamps=[light[0] if word == quality.verdict else "" for word in reversed(LIGHTS)],
        answer=ANSWERS[quality.verdict],
        reasons=quality.reasons,
        smallest=_smallest(quality),
        groups=_grouped_findings(quality.findings),
        labels=_bars(quality.labels),
        sites=_bars(quality.clients),
        labels_title=count_noun(len(quality.labels), "label"),
        sites_title=clients or "No column says whose a row is",
        did=list(did),
        clean=clean,
        review=review,
        done="mended in the cleaned copy" if clean else "a cleaned copy mends this",
        notes=quality.notes,
        sha256=quality.sha256 or "not known",
    )


def _bars(counts: Mapping[str, int]) -> tuple[list[tuple[str, str, float]], int]:
    """Return (name, number, width in per cent) of the most frequent, and how many are not shown."""
    top = max(counts.values(), default=1) or 1
    shown = list(counts.items())[:BARS]
    bars = [(printable_line(name, 32), f"{n:,}", round(100 * n / top, 1)) for name, n in shown]
    return bars, len(counts) - len(shown)


def _smallest(quality: Quality) -> str:
    points = quality.smallest_difference
    is_finding = any(f.kind == "few-examples" for f in quality.findings)
    if points is None or is_finding or not points < 100:
        return ""
    return (
        f"differences in accuracy of about {points:.1f} points or more;"
        " smaller ones it cannot tell from chance."
    )


def _grouped_findings(findings: Sequence[Finding]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return (heading, findings) by level; those that the cleaned copy does not fix come first."""
    out = []
    for level, title in WORDS["groups"].items():
        found = sorted((f for f in findings if f.level == level), key=lambda f: f.mended)
        out += [(title, [_finding_values(f) for f in found])] if found else []
    return out


def _finding_values(f: Finding) -> dict[str, Any]:
    rows = ", ".join(f"{row:,}" for row in f.rows[:PAGE_ROWS])
    rows += f" and {f.count - PAGE_ROWS:,} more" if f.count > PAGE_ROWS else ""
    return {
        "colour": LEVELS[f.level][0],
        "mended": f.mended,
        "what": f.what,
        "why": f.why,
        "mend": f.mend,
        "rows": rows if f.rows else "",
        "examples": [mask_personal_data(example) for example in f.examples],
    }
