"""What `fedkit advise` prints: the ranked table, why others do not fit, the command of the best."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from fedkit.cli.console import TEXT
from fedkit.core.config import RunConfig
from fedkit.core.formatting import byte_size, format_table, seconds
from fedkit.experiments.advise import (
    BOARD,
    PRIVACY,
    TUNES,
    WIRES,
    Advice,
    Needs,
    adjust_rounds,
    best_command,
    slowest_visit,
)
from fedkit.models.geometry import model_geometry

WORDS = TEXT["advice"]


def advice_lines(needs: Needs, advices: Sequence[Advice], most: int = 12) -> list[str]:
    """Return the ranked table, the reasons of what does not fit, and the command of the best."""
    good, needs = [a for a in advices if a.fits], adjust_rounds(needs)
    lines = textwrap.wrap(PRIVACY[needs.privacy], 98)
    if good:
        rows = [_row(i, a) for i, a in enumerate(good[:most], 1)]
        lines.append(
            format_table(WORDS["heads"], rows, (WORDS["key"].format(needs, BOARD),)).rstrip("\n")
        )
        lines += _first_traffic(needs, good[0])
    if len(good) > most:
        lines.append(f"{len(good) - most} more fit; --json lists them all")
    if refused := refusal_lines(advices):
        lines += ["", "do not fit:", *(f"  {line}" for line in refused)]
    lines.append("")
    if good and needs.data == RunConfig.data:
        lines.append(WORDS["bundled"])
    return [*lines, f"try the best: {best_command(needs, advices)}" if good else WORDS["nothing"]]


def refusal_lines(advices: Sequence[Advice]) -> list[str]:
    """Return why methods do not fit, a line for each reason, with the methods that share it."""
    order = [(tune, wire) for tune in TUNES for wire in WIRES]
    wires: dict[tuple[str, str], list[str]] = {}
    for a in sorted(advices, key=lambda a: order.index((a.tune, a.wire))):
        for reason in a.reasons:
            wires.setdefault((a.tune, reason), []).append(a.wire)
    tunes: dict[tuple[str, str], list[str]] = {}
    for (tune, reason), over in wires.items():
        those = "any wire" if len(over) == len(WIRES) else " or ".join(over)
        tunes.setdefault((those, reason), []).append(tune)
    return [
        f"{'every method' if len(members) == len(TUNES) else ', '.join(members)} with {over}:"
        f" {reason}"
        for (over, reason), members in tunes.items()
    ]


def _first_traffic(needs: Needs, best: Advice) -> list[str]:
    """Return the lines about traffic before any round: base model and head start."""
    model = 4 * model_geometry(needs.model, best.tune, needs.labels)[0].values
    start = max(best.total_bytes - needs.rounds * (best.up_bytes + best.down_bytes), 0)
    took = seconds(slowest_visit(needs, model, 0.0, start)[2])
    sent = byte_size(start)
    base = f"once, not in the columns: the base model, {byte_size(model)} down, and for the"
    line = f"  for the start of the head, before round 1: {took} over the slowest line"
    return [f"{base} best {sent} up", line]


def _row(place: int, a: Advice) -> list[str]:
    return [
        f"{place}. {a.tune} {a.wire}",
        f"{a.round_seconds:,.1f}",
        f"{a.night_bytes / 1e6:,.3g}",
        str(a.nights),
        f"{a.memory_bytes / 1e6:,.0f}",
        f"{a.night_train_seconds:,.1f}",
        f"{a.accuracy:.1f}{'' if a.known else '*'}",
    ]
