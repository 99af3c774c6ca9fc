"""The showcase: five steps in two languages; it only sets values of widgets.

A thread trains the run that a visitor starts, another writes the brief. What trains is imported
only there; nothing is printed.
"""

from __future__ import annotations

import base64
import logging
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fedkit.core import locale
from fedkit.core.errors import Cancelled
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS
from fedkit.core.progress import BackgroundQueue
from fedkit.core.record import Run
from fedkit.plots.panel import Panel, on_change, on_press
from fedkit.showcase import numbers, pages
from fedkit.showcase.layout import NOW, Layout, mark
from fedkit.showcase.make_records import live_config
from fedkit.showcase.pages import name_in_language, text
from fedkit.showcase.records import (
    FOLDER,
    LANG,
    LEVELS,
    LIVE_ROUNDS,
    ShowcaseRecords,
    load_showcase_records,
)

SOON = 0.15  # share of the run before which no remaining time is shown
RUNS = FOLDER.parents[1] / "runs"
# {button of `Layout`: its words}
BUTTONS = {
    "go": "run.go",
    "stop": "run.cancel",
    "recorded": "run.replay",
    "make": "brief.make",
    "back": "back",
}
KINDS = {
    "html": "text/html;charset=utf-8",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


def showcase(
    lang: str | None = None, records: ShowcaseRecords | None = None, runs: Path = RUNS
) -> Showcase:
    """Return the demo for a notebook. lang: "en" or "ja"; None: as the command set it."""
    asked = lang or os.environ.get(LANG, "en")
    return Showcase(asked if asked in LANGS else "en", records or load_showcase_records(), runs)


class Showcase(Panel):
    """The demo. step: 1 to 5. lang: of all words. record: the run of step 3, or None.

    recorded: whether that run is the shipped one.
    """

    missing, remedy = "showcase", "fedkit showcase"

    def __init__(self, lang: str, records: ShowcaseRecords, runs: Path):
        self.lang, self.records, self.runs, self.step = lang, records, runs, 1
        self.record: Run | None = None
        self.recorded, self._status, self._bad = False, ("run.ready", {}), False
        self._brief: tuple[str, dict[str, Any]] | None = None
        self._links: tuple[Path, list[dict[str, Any]]] | None = None
        self._lock = threading.RLock()
        enable = self._enable_buttons
        self.queue = BackgroundQueue(self._train, enable, self._on_run_ended)
        self.writing = BackgroundQueue(self._write, enable, self._on_brief_written)
        self._live = numbers.live_numbers(records)
        self.stage = Layout()
        self.view = self.stage.view
        self._connect()
        self._update_all()

    # ---- what a visitor does

    @property
    def setting(self) -> numbers.SliderValues:
        """The values of the sliders of step 4."""
        stage = self.stage
        level, speed = list(LEVELS)[stage.privacy.value], numbers.SPEEDS[stage.speed.value]
        return numbers.SliderValues(stage.companies.value, level, speed)

    def show_step(self, step: int) -> None:
        """Show a step, 1 to 5."""
        self.step = min(max(step, 1), 5)
        self.stage.show_step(self.step)
        self._update_buttons()

    def set_language(self, lang: str) -> None:
        """Show all words in `lang`; a finished brief stays in its language."""
        self.lang = lang
        self._update_all()

    def run(self, wait: bool = False) -> None:
        """Train in a thread. wait: until it has ended, and raise its error."""
        self.queue.submit("live")
        if wait:
            self.queue.wait()

    def cancel(self) -> None:
        """Stop before the next training step."""
        if self.queue.running:
            self._set_status("run.cancelling")
            self.queue.cancel()

    def show_recorded(self) -> None:
        """Show the shipped record of the live run at once."""
        self.record, self.recorded = self.records.live, True
        self._set_status("run.recorded", done=1.0)
        self._update_run()

    def make_brief(self, wait: bool = False) -> None:
        """Write the brief in a thread. wait: until it is written, and raise its error."""
        self._brief, self._links = ("brief.making", {}), None
        self._update_brief()
        self.writing.submit((self.lang, self.brief_runs))
        if wait:
            self.writing.wait()

    @property
    def brief_runs(self) -> tuple[Run, ...]:
        """The records of the brief: a federated run and its baselines."""
        records, here = self.records, self.setting
        if self.stage.about.value == "run":
            done = self.record is not None and self.record.finished
            return (self.record if done else records.live, *records.live_baselines())
        return (records.federated(here.clients, here.level), *records.baselines(here.clients))

    # ---- what the threads do

    def _train(self, item: str, cancel: threading.Event) -> None:
        self.record, self.recorded, self._began = None, False, time.monotonic()
        self._set_status("run.loading", done=0.0)
        self._update_run()
        train_live(self._on_progress, self._on_record, cancel)

    def _on_record(self, record: Run) -> None:
        self.record = record
        if not record.rounds:
            self._set_status("run.start")
        self._update_run()

    def _on_progress(self, now: Any) -> None:
        # the first steps say little about the rest
        left = now.remaining_seconds if now.done > SOON else None
        key = "run.progress" if now.client else "run.judging"
        values = {"round": now.round, "rounds": now.rounds, "company": now.client, "left": left}
        self._set_status(key, done=now.done, **values)

    def _on_run_ended(self, error: Exception | None) -> None:
        if error is None:
            self._set_status("run.finished", done=1.0, took=time.monotonic() - self._began)
            return
        self.record = None
        if isinstance(error, Cancelled):
            self._set_status("run.cancelled", done=0.0)
        else:
            self._set_status("run.failed", done=0.0, bad=True, reason=_reason(error))
        self._update_run()

    def _write(self, item: tuple[str, tuple[Run, ...]], cancel: threading.Event) -> None:
        lang, records = item
        self._links = brief_files(records, lang, self.runs)

    def _on_brief_written(self, error: Exception | None) -> None:
        self._brief = ("brief.ready", {})
        if error is not None:
            self._brief = ("brief.failed", {"reason": _reason(error)})
        self._update_brief()

    # ---- the words

    def _connect(self) -> None:
        stage = self.stage
        steps = {b: partial(self.show_step, place) for place, b in enumerate(stage.steps, 1)}
        langs = {b: partial(self.set_language, lang) for lang, b in stage.langs.items()}
        moves = {
            stage.next: lambda: self.show_step(self.step + 1),
            stage.back: lambda: self.show_step(self.step - 1),
        }
        work = {stage.go: self.run, stage.stop: self.cancel, stage.recorded: self.show_recorded}
        on_press(steps | langs | moves | work | {stage.make: self.make_brief})
        on_change(stage.sliders.values(), self._update_what)

    def _update_all(self) -> None:
        lang, stage = self.lang, self.stage
        with self._lock:
            stage.pages[1].value = pages.question_page(self._live, lang)
            stage.pages[2].value = pages.data_page(self.records.live, lang)
            for step, name in ((3, "run"), (5, "brief")):
                head = pages.page("head", lang, step=name, rounds=LIVE_ROUNDS)
                stage.pages[step].value = head
                words = text(f"{name}.caveat", lang)
                stage.caveats[step].value = pages.page("caveat", lang, words=words)
        self._update_buttons()
        self._enable_buttons()
        self._set_status(*self._status[:1], bad=self._bad, **self._status[1])
        self._update_run()
        self._update_what()
        self._update_brief()

    def _update_buttons(self) -> None:
        lang, stage = self.lang, self.stage
        for place, button in enumerate(stage.steps, 1):
            button.description = text(f"step{place}", lang)
            mark(button, NOW, place == self.step)
        for name, button in stage.langs.items():
            mark(button, NOW, name == lang)
        for name, key in BUTTONS.items():
            getattr(stage, name).description = text(key, lang)
        following = text(f"step{min(self.step + 1, 5)}", lang)
        stage.next.description = text("next", lang, step=following[1:].strip())
        stage.next.layout.visibility = "visible" if self.step < 5 else "hidden"
        stage.back.layout.visibility = "visible" if self.step > 1 else "hidden"

    def _enable_buttons(self) -> None:
        """Enable the buttons that can be pressed now."""
        stage, runs = self.stage, self.queue.running
        stage.go.disabled = stage.recorded.disabled = runs
        stage.stop.disabled, stage.make.disabled = not runs, self.writing.running

    def _set_status(
        self, key: str, done: float | None = None, bad: bool = False, **values: Any
    ) -> None:
        """Set the line of step 3 and keep it, to repeat it in the other language."""
        with self._lock:
            self._status, self._bad = (key, values), bad
            self.stage.status.value = pages.status_line(_status_text(key, values, self.lang), bad)
            if done is not None:
                self.stage.bar.value = done

    def _update_run(self) -> None:
        run, lang = self.record, self.lang
        states = numbers.own_accuracy_by_round(run) if run else []
        right = states[-1][1] if states else None
        sent = run.total("uplink_bytes") + run.total("downlink_bytes") if run else None
        with self._lock:
            self.stage.tiles.value = pages.page("run_tiles", lang, accuracy=right, nbytes=sent)
            rounds, alone = LIVE_ROUNDS, self._live.alone
            self.stage.draw_figure(3, pages.run_picture(states, rounds, alone, lang))

    def _update_what(self) -> None:
        here, lang, stage = self.setting, self.lang, self.stage
        shown, level = numbers.numbers_at(self.records, here), text(f"level.{here.level}", lang)
        with self._lock:
            stage.pages[4].value = pages.page("what", lang, shown=shown)
            stage.caveats[4].value = pages.what_if_caveat(shown, lang)
            companies = text("what.n", lang, n=here.clients)
            values = (companies, level, pages.speed_name(here.speed))
            for name, value in zip(("companies", "privacy", "speed"), values):
                stage.labels[name].value = pages.page("slider", lang, name=name, value=value)
            of_what = text("brief.of_what", lang, n=here.clients, level=level)
            stage.set_brief_options(text("brief.of_run", lang), of_what)
            stage.draw_figure(4, pages.what_picture(self.records, here, lang))

    def _update_brief(self) -> None:
        key, values = self._brief or ("", {})
        lang, stage = self.lang, self.stage
        stage.about_words.value = pages.page("lead", lang, words=text("brief.about", lang))
        words = text(key, lang, **values) if key else ""
        stage.brief_status.value = pages.status_line(words, key == "brief.failed") if key else ""
        stage.links.value = ""
        if self._links is not None:
            folder, files = self._links
            place = f"{folder.parent.name}/{folder.name}"
            stage.links.value = pages.page("links", lang, files=files, folder=place)


def train_live(
    on_progress: Callable[[object], None], on_record: Callable[[Run], None], cancel: threading.Event
) -> None:
    """Train with the live settings.

    on_progress: called a few times a second. on_record: called after the start and after every
    round. Raises Cancelled when `cancel` is set, FedkitError for errors that a user can fix.
    """
    # output of the thread belongs to no cell
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from fedkit.experiments.runner import run_rounds

    if cancel.is_set():
        raise Cancelled("stopped before the first round")
    for record in run_rounds(live_config(), progress=on_progress, cancel=cancel):
        on_record(record)
        if cancel.is_set() and not record.finished:
            raise Cancelled(f"stopped after round {len(record.rounds)}")


def brief_files(
    records: Sequence[Run], lang: str, runs: Path = RUNS
) -> tuple[Path, list[dict[str, Any]]]:
    """Write the brief of `records` into a new folder below `runs`; return the folder and its files.

    Of each file its kind (html | pptx), the name to save it under, its nbytes and a data: uri.
    Raises FedkitError as `write_brief` does.
    """
    from fedkit.reports.write_brief import write_brief

    runs.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="showcase-", dir=runs))
    write_brief(records, folder, langs=(lang,))
    files = []
    for kind, mime in KINDS.items():
        content = (folder / f"brief.{lang}.{kind}").read_bytes()
        uri = f"data:{mime};base64,{base64.b64encode(content).decode()}"
        name = f"fedkit-brief.{lang}.{kind}"
        files.append({"kind": kind, "name": name, "nbytes": len(content), "uri": uri})
    return folder, files


def _status_text(key: str, values: dict[str, Any], lang: str) -> str:
    """Return a status with its values in local form."""
    given = dict(values)
    left, took = given.pop("left", None), given.pop("took", None)
    if given.get("company"):
        given["company"] = name_in_language("company", given["company"], lang)
    if took is not None:
        given["seconds"] = locale.seconds(took, lang)
    words = text(key, lang, **given)
    if left is None:
        return words
    rest = text("run.left", lang, seconds=locale.seconds(max(left, 1.0), lang))
    return words + (", " if lang == "en" else "、") + rest


def _reason(error: Exception) -> str:
    """Return the first line of an error, made printable."""
    return printable_line((str(error).strip() or type(error).__name__).splitlines()[0], 200)
