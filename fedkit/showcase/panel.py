"""The showcase: five steps in two languages; it only sets values of widgets."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from fedkit.core import locale
from fedkit.core.errors import Cancelled
from fedkit.core.formatting import printable_line
from fedkit.core.locale import LANGS
from fedkit.core.progress import BackgroundQueue
from fedkit.core.record import Run
from fedkit.showcase import files, numbers, pages, pictures, settings
from fedkit.showcase.layout import Layout
from fedkit.showcase.records import ShowcaseRecords, load_showcase_records
from fedkit.showcase.text import name_in_language, text

SOON = 0.15  # share of the run before which no remaining time is shown


def showcase(
    lang: str | None = None, records: ShowcaseRecords | None = None, runs: Path = files.RUNS
) -> Showcase:
    """Return the demo for a notebook. lang: "en" or "ja"; None: as the command set it."""
    asked = lang or os.environ.get(settings.LANG, "en")
    return Showcase(asked if asked in LANGS else "en", records or load_showcase_records(), runs)


class Showcase:
    """The demo. step: 1 to 5. lang: of all words. record: the run of step 3, or None.

    recorded: whether that run is the shipped one.
    """

    def __init__(self, lang: str, records: ShowcaseRecords, runs: Path):
        self.lang, self.records, self.runs, self.step = lang, records, runs, 1
        self.record: Run | None = None
        self.recorded, self._status, self._bad = False, ("run.ready", {}), False
        self._brief: tuple[str, dict[str, Any]] | None = None
        self._links: tuple[Path, list[files.BriefFile]] | None = None
        self._lock = threading.RLock()
        self.queue: BackgroundQueue[str] = BackgroundQueue(
            self._train, self._enable_buttons, self._on_run_ended
        )
        self.writing: BackgroundQueue[tuple[str, tuple[Run, ...]]] = BackgroundQueue(
            self._write, self._enable_buttons, self._on_brief_written
        )
        alone = numbers.live_numbers(records).alone
        self.stage = Layout(
            pictures.run_picture([], settings.LIVE_ROUNDS, alone, lang),
            pictures.what_picture(records, self.setting, lang),
        )
        self._connect()
        self._update_all()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = self.stage.view._repr_mimebundle_(**kwargs)
        missing = (
            "<p><b>No showcase here:</b> this page has no widget support."
            " Run <code>fedkit showcase</code>.</p>"
        )
        return {**bundle, "text/html": missing}  # shown only where a widget cannot be

    # ---- what a visitor does

    @property
    def setting(self) -> numbers.SliderValues:
        """The values of the sliders of step 4."""
        stage = getattr(self, "stage", None)
        if stage is None:
            return numbers.SliderValues()
        return numbers.SliderValues(
            stage.companies.value,
            list(settings.LEVELS)[stage.privacy.value],
            numbers.SPEEDS[stage.speed.value],
        )

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
        if self.stage.about.value == "run":
            run = (
                self.record
                if self.record is not None and self.record.finished
                else self.records.live
            )
            return (run, *self.records.live_baselines())
        here = self.setting
        return (
            self.records.federated(here.clients, here.level),
            *self.records.baselines(here.clients),
        )

    # ---- what the threads do

    def _train(self, item: str, cancel: threading.Event) -> None:
        from fedkit.showcase.live import train_live

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
        if isinstance(error, Cancelled):
            self.record = None
            self._set_status("run.cancelled", done=0.0)
            self._update_run()
        elif error is not None:
            self.record = None
            self._set_status("run.failed", done=0.0, bad=True, reason=_reason(error))
            self._update_run()
        else:
            self._set_status("run.finished", done=1.0, took=time.monotonic() - self._began)

    def _write(self, item: tuple[str, tuple[Run, ...]], cancel: threading.Event) -> None:
        lang, records = item
        self._links = files.brief_files(records, lang, self.runs)
        self._made = lang

    def _on_brief_written(self, error: Exception | None) -> None:
        self._brief = (
            ("brief.ready", {}) if error is None else ("brief.failed", {"reason": _reason(error)})
        )
        self._update_brief()

    # ---- the words

    def _connect(self) -> None:
        stage = self.stage
        for place, button in enumerate(stage.steps, 1):
            button.on_click(lambda _, place=place: self.show_step(place))
        for lang, button in stage.langs.items():
            button.on_click(lambda _, lang=lang: self.set_language(lang))
        stage.next.on_click(lambda _: self.show_step(self.step + 1))
        stage.back.on_click(lambda _: self.show_step(self.step - 1))
        for button, call in (
            (stage.go, self.run),
            (stage.stop, self.cancel),
            (stage.recorded, self.show_recorded),
            (stage.make, self.make_brief),
        ):
            button.on_click(lambda _, call=call: call())
        for slider in (stage.companies, stage.privacy, stage.speed):
            slider.observe(lambda _: self._update_what(), names="value")

    def _update_all(self) -> None:
        lang, stage = self.lang, self.stage
        with self._lock:
            stage.pages[1].value = pages.question_page(numbers.live_numbers(self.records), lang)
            stage.pages[2].value = pages.data_page(self.records.live, lang)
            stage.pages[3].value = pages.run_heading(lang)
            stage.pages[5].value = pages.brief_heading(lang)
            stage.caveats[3].value = pages.caveat_line(text("run.caveat", lang), lang)
            stage.caveats[5].value = pages.caveat_line(text("brief.caveat", lang), lang)
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
            stage.mark_current(button, place == self.step)
        for name, button in stage.langs.items():
            stage.mark_current(button, name == lang)
        stage.go.description = text("run.go", lang)
        stage.stop.description = text("run.cancel", lang)
        stage.recorded.description = text("run.replay", lang)
        stage.make.description = text("brief.make", lang)
        following = text(f"step{min(self.step + 1, 5)}", lang)
        stage.next.description = text("next", lang, step=following[1:].strip())
        stage.back.description = text("back", lang)
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
        sent = run.total("uplink_bytes") + run.total("downlink_bytes") if run else None
        with self._lock:
            self.stage.tiles.value = pages.live_run_tiles(
                states[-1][1] if states else None, sent, lang
            )
            alone = numbers.live_numbers(self.records).alone
            self.stage.draw_figure(
                3, pictures.run_picture(states, settings.LIVE_ROUNDS, alone, lang)
            )

    def _update_what(self) -> None:
        here, lang, stage = self.setting, self.lang, self.stage
        shown, level = numbers.numbers_at(self.records, here), pages.level_name(here.level, lang)
        with self._lock:
            stage.pages[4].value = pages.what_if_page(shown, here, lang)
            stage.caveats[4].value = pages.what_if_caveat(shown, lang)
            values = {
                "companies": text("what.n", lang, n=here.clients),
                "privacy": level,
                "speed": pictures.speed_name(here.speed),
            }
            for name, value in values.items():
                stage.labels[name].value = pages.slider_label(name, value, lang)
            stage.set_brief_options(
                text("brief.of_run", lang), text("brief.of_what", lang, n=here.clients, level=level)
            )
            stage.draw_figure(4, pictures.what_picture(self.records, here, lang))

    def _update_brief(self) -> None:
        key, values = self._brief or ("", {})
        lang, stage = self.lang, self.stage
        stage.about_words.value = pages.lead_line(text("brief.about", lang), lang)
        stage.brief_status.value = (
            pages.status_line(text(key, lang, **values), key == "brief.failed") if key else ""
        )
        stage.links.value = "" if self._links is None else self._links_html()

    def _links_html(self) -> str:
        folder, made = self._links
        named_ = [
            (
                text(f"brief.{f.kind}", self.lang, size=locale.data_size(f.nbytes, self.lang)),
                f.name,
                f.uri,
            )
            for f in made
        ]
        return pages.download_links(named_, f"{folder.parent.name}/{folder.name}", self.lang)


def _status_text(key: str, values: dict[str, Any], lang: str) -> str:
    """Return a status with its values in local form."""
    left, took = values.get("left"), values.get("took")
    given = {k: v for k, v in values.items() if k not in ("left", "took")}
    given |= (
        {"company": name_in_language("company", values["company"], lang)}
        if values.get("company")
        else {}
    )
    given |= {} if took is None else {"seconds": locale.seconds(took, lang)}
    words = text(key, lang, **given)
    if left is None:
        return words
    return (
        words
        + (", " if lang == "en" else "、")
        + text("run.left", lang, seconds=locale.seconds(max(left, 1.0), lang))
    )


def _reason(error: Exception) -> str:
    """Return the first line of an error, made printable."""
    return printable_line((str(error).strip() or type(error).__name__).splitlines()[0], 200)
