"""The output of `fedkit replay`: the time axis of a run over other networks and devices."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fedkit.core import formatting
from fedkit.core.errors import FedkitError
from fedkit.core.files import write_file
from fedkit.core.formatting import count_noun
from fedkit.core.record import Run
from fedkit.network import RECORDED, RoundTime, Timeline, profiles
from fedkit.network import replay as redraw
from fedkit.plots.accuracy import replay_world
from fedkit.reports.pages import render_figures
from fedkit.results import measures

MODELLED = (
    "Modelled, not measured: recorded bytes and training seconds, over these lines and computers."
)


def replay_lines(
    folder: Path,
    link: str | None,
    devices: str | None,
    deadline: str,
    server_link: str,
    html: Path | None,
) -> tuple[list[str], dict[str, Any]]:
    """Return (lines for people, values for programs) of the run in `folder`, and write a page to
    `html`.

    deadline, server_link: as typed; 'recorded': the run's own, 'none': without. html: None: no
    page. Raises FedkitError for bad input.
    """
    (run,) = measures.check_runs([Run.load(folder)])
    if not run.rounds and run.start is None:
        raise FedkitError(f"the record in {folder} holds no round yet; run it first")
    line = None if server_link == "none" else server_link
    timeline = redraw(run, link, devices, _deadline(deadline), line)
    recorded, reasons = recorded_seconds(run), timeline.needs_new_run
    then = "not recorded" if recorded is None else formatting.seconds(recorded)
    lines = [
        *(f"needs a new run: {reason}; only the time axis is redrawn" for reason in reasons),
        *_world(run, link, devices, deadline, server_link),
        "",
        *_table(run, timeline),
        "",
        f"total: {formatting.seconds(timeline.seconds)} simulated; recorded: {then}",
    ]
    values = {**timeline.to_dict(), "recorded_seconds": recorded}
    if html:
        values["html"] = str(_page(run, timeline, html, lines))
        lines += ["", f"page: {html}"]
    return lines, values


def recorded_seconds(run: Run) -> float | None:
    """Return the simulated seconds that the record itself holds; None where a round has none."""
    every = [r.simulated_seconds for r in run.states]
    return None if None in every else math.fsum(every)


def _deadline(text: str) -> float | str | None:
    if text in (RECORDED, "none"):
        return None if text == "none" else RECORDED
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise FedkitError(f"deadline {text!r} given; write seconds above 0 such as 60, or none")
    return value


def _world(
    run: Run, link: str | None, devices: str | None, deadline: str, server_link: str
) -> list[str]:
    link, devices = replay_world(run, link, devices)
    waits = run.config.get("deadline") if deadline == RECORDED else deadline
    shared = run.config.get("server_link") if server_link == RECORDED else server_link
    out = [f"lines: {profiles.describe_link(link)}"]
    out += [f"computers: {profiles.describe_device(devices)}"]
    out += [f"deadline: {float(waits):g} s"] if waits not in (None, "none") else []
    return out + ([f"line of the server: {shared}"] if shared not in (None, "none") else [])


def _table(run: Run, timeline: Timeline) -> list[str]:
    own = redraw(run)
    size, unit = formatting.time_unit(max(timeline.seconds, own.seconds))
    head = f"{'round':>6}  {'took':>10}  {'ends at':>10}  {'as recorded':>11}"
    pairs = [
        (new, old) for new, old in zip(timeline.rounds, own.rounds) if new.visits or new.number
    ]
    return [f"{head}  last ({unit}, simulated)", *(_row(new, old, size) for new, old in pairs)]


def _row(new: RoundTime, old: RoundTime, size: float) -> str:
    visit = new.last_visit
    last = f"{visit.client} ({visit.device})" if visit else "nobody took part"
    for status in ("late", "lost", "crashed"):
        missing = sum(bar.status == status for bar in new.visits)
        last += f"; {missing} of {len(new.visits)} {status}" if missing else ""
    took, ended, recorded = (new.ended - new.began) / size, new.ended / size, old.ended / size
    return f"{new.number or 'start':>6}  {took:10,.2f}  {ended:10,.2f}  {recorded:11,.2f}  {last}"


def _page(run: Run, timeline: Timeline, path: Path, lines: list[str]) -> Path:
    """Write a self-contained page with figures of the longest and of the last round."""
    from fedkit.plots.timeline import draw_round

    path = path / "replay.html" if path.is_dir() else path
    rounds = [r for r in timeline.rounds if r.visits]
    longest_and_last = [max(rounds, key=lambda r: r.ended - r.began), rounds[-1]] if rounds else []
    numbers = dict.fromkeys(r.number for r in longest_and_last)
    figures = [draw_round(timeline, number, devices=False) for number in numbers]
    title, words = f"{count_noun(len(run.rounds), 'round')} replayed", "\n".join(lines)
    bare = {"displayModeBar": False}
    return write_file(path, render_figures(title, figures, MODELLED, words, bare))
