"""The bench panel: change the clients and train again, or change the network and see it at once.

Training runs in a thread that sets widget values and never prints. `run(wait=True)` and `wait()`
raise what the thread raised, so an executed notebook fails when its training fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import plotly.graph_objects as go
from markupsafe import Markup

from fedkit.core import formatting
from fedkit.core.commands import command_line
from fedkit.core.config import DATA_SETTINGS, RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.formatting import printable_line
from fedkit.core.progress import BackgroundQueue, Progress
from fedkit.core.record import Run
from fedkit.data.load import load_corpus
from fedkit.data.partition import client_column, count_client_labels, deal
from fedkit.experiments import runner
from fedkit.experiments.estimate import estimate_run
from fedkit.experiments.job import prepare
from fedkit.plots import panel
from fedkit.plots.panel import sync_figure
from fedkit.widgets.bench.scene import Scene, World
from fedkit.widgets.bench.settings import describe_setting, name_configs, parse_settings
from fedkit.widgets.bench.views import draw_scene, scene_figure

RunRounds = Callable[..., Iterator[Run]]
MAX_RESULTS = 3  # shown in one figure


def bench_panel(config: RunConfig | None = None) -> BenchPanel | go.Figure:
    """Return the panel, or without widgets a static figure of one run, titled with the reason.

    config: the first settings; those that the panel does not offer (data, model, seed, ...) stay.
    """
    return panel.or_static(
        lambda: BenchPanel(config), lambda reason: static_figure(config or RunConfig(), reason)
    )


def static_figure(config: RunConfig, reason: str) -> go.Figure:
    """Train once with `config` and return a figure that needs no widgets, titled `reason`."""
    job = prepare(config)
    shown = (("", runner.run(config, job=job)),)
    frame = count_client_labels(job.corpus, job.clients)
    return panel.titled(draw_scene(Scene(frame, shown, World.of(config))), reason)


@dataclass
class BenchResult:
    """A run of the panel and its settings; the record grows while it trains."""

    config: RunConfig
    record: Run | None = None


class BenchPanel(panel.Panel):
    """Controls, a queue of one run, and one live figure.

    results: the last three, the latest last. rounds: the function that trains, with the arguments
    of `runner.run_rounds`.
    """

    def __init__(self, config: RunConfig | None = None, rounds: RunRounds = runner.run_rounds):
        # imported here: ImportError where there is no ipywidgets
        from fedkit.widgets.bench.controls import Controls

        config = config or RunConfig()
        self.corpus, self._run_rounds = _load_corpus(config), rounds
        self.results: list[BenchResult] = []
        self._updating, self._lock = False, threading.RLock()
        self.controls = Controls(config)
        self.queue = BackgroundQueue(self._train, self._show_queue, self._finish)
        self.frame = self._count_labels()
        # made last: a browser opens with what the figure holds now
        self.figure = go.FigureWidget(draw_scene(self.scene))
        self.view = self.controls.lay_out(self.figure)
        self._listen()

    # ---- the settings

    @property
    def settings(self) -> RunConfig:
        """The current settings of the controls, ready for `fedkit.run`."""
        return self.controls.settings()

    @property
    def command(self) -> str:
        """The command that trains with these settings outside of the notebook."""
        return command_line("run", self.settings)

    @property
    def record(self) -> Run | None:
        """The latest run, unfinished while it trains; None before the first."""
        return self.records[-1] if self.records else None

    @property
    def records(self) -> list[Run]:
        """The runs of the results, the latest last."""
        return [r.record for r in self.results if r.record is not None]

    def load(self, text: str) -> None:
        """Set every control to the settings in a TOML or JSON text.

        Raises FedkitError, and changes nothing, if the text holds no valid settings.
        """
        config = parse_settings(text)
        same = _corpus_settings(config) == _corpus_settings(self.settings)
        corpus = self.corpus if same else _load_corpus(config)
        with self._lock:
            self.corpus = corpus
            self._updating = True
            self.controls.set(config)
            self._updating = False
        self._on_train_setting()

    # ---- training

    @property
    def running(self) -> bool:
        return self.queue.running

    def run(self, wait: bool = False) -> None:
        """Train in a thread with the current settings; while a run trains, queue them as the next.

        wait: return only when nothing trains or waits, and raise what training raised.
        """
        answer = self.queue.submit(self.settings)
        if answer == "same":
            self.controls.show_status("These very settings train already.")
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until training has ended; raise what the thread raised, except for Cancel."""
        self.queue.wait()

    def cancel(self) -> None:
        """Stop before the next training step and empty the queue; finished rounds stay."""
        self.controls.show_status("Stopping before the next training step ...")
        self.queue.cancel()

    def _train(self, config: RunConfig, cancel: threading.Event) -> None:
        """Train one run of the queue, in the thread."""
        self.controls.show_status("Reading the base model ...", 0.0)
        result = BenchResult(config)
        same = _corpus_settings(config) == _corpus_settings(self.settings)
        job = prepare(config, self.corpus if same else None)
        for record in self._run_rounds(
            config, progress=self._show_progress, cancel=cancel, job=job
        ):
            result.record = record
            with self._lock:
                kept = [r for r in self.results if r is not result and r.record and r.record.rounds]
                self.results = [*kept[1 - MAX_RESULTS :], result]
            self._redraw()

    def _finish(self, error: Exception | None) -> None:
        """Show how a run ended; the panel stays usable after an error."""
        if isinstance(error, Cancelled):
            self.controls.show_status(f"Cancelled: {printable_line(error, 160)}.")
        elif error is not None:
            self.controls.show_error(error)
        elif not self.running:
            right = formatting.percent(self.record.rounds[-1].accuracy)
            took = formatting.seconds(sum(r.seconds for r in self.record.rounds))
            words = f"{right} of {self.record.data['test']:,} test examples are right"
            self.controls.show_status(f"Finished: {words}; {took} measured.", done=1.0)
        self._show_estimate()

    def _show_progress(self, now: Progress) -> None:
        seconds = now.remaining_seconds
        left = "" if seconds is None else f"{seconds:.0f} s left"
        right = "" if now.accuracy is None else f", {formatting.percent(now.accuracy)} right"
        sent = formatting.byte_size(now.nbytes)
        words = panel.macros("fedkit.widgets", "bench").progress(now, left, right, sent)
        self.controls.show_status(words, now.done)

    def _show_queue(self) -> None:
        now, waits = self.queue.current, self.queue.waiting
        both = waits is not None and now is not None
        self.controls.show_queue(now is not None, _describe_difference(now, waits) if both else "")

    # ---- the picture

    def _listen(self) -> None:
        press = {"run": self.run, "cancel": self.cancel, "load": self._on_load}
        self.controls.listen(self._on_train_setting, self._redraw, **press)
        self.controls.show_settings(self.settings, self.command)
        self._show_estimate()

    def _on_load(self) -> None:
        try:
            self.load(self.controls.pasted.value)
            self.controls.show_loaded(None)
        except FedkitError as error:
            self.controls.show_loaded(error)

    def _on_train_setting(self) -> None:
        """Deal the data anew after a setting of training changed; the curves wait for Run."""
        if self._updating:
            return
        try:
            self.frame = self._count_labels()
            if not self.running:
                ask = Markup("Press <b>Run</b> to train with these settings.")
                self.controls.show_status(ask, 0.0)
        except FedkitError as error:
            if not self.running:
                self.controls.show_error(error)
        self._redraw()
        self._show_estimate()

    def _redraw(self) -> None:
        """Redraw the recorded results, without training; called by the thread and by sliders."""
        if self._updating:
            return
        with self._lock:
            states = self.record.states if self.record else []
            self.controls.set_rounds([r.round for r in states if r.clients])
            sync_figure(self.figure, scene_figure(self.scene))
            self.controls.show_settings(self.settings, self.command)

    @property
    def scene(self) -> Scene:
        """What the figure shows now."""
        done = [r for r in self.results if r.record is not None]
        shown = []
        for result, name in zip(done, name_configs([r.config for r in done])):
            goes_on = result.record.finished or self._is_training(result)
            shown.append((name + ("" if goes_on else " (stopped)"), result.record))
        now, last = self.settings, done[-1].config if done else None
        ahead = bool(last) and any(getattr(last, k) != getattr(now, k) for k in DATA_SETTINGS)
        chosen = (self.controls.views.value, self.controls.round.value)
        return Scene(self.frame, tuple(shown), World.of(now), *chosen, ahead)

    def _is_training(self, result: BenchResult) -> bool:
        return self.running and result is self.results[-1] and result.config == self.queue.current

    def _show_estimate(self) -> None:
        """Show the time and memory that Run would take."""
        held = len(self.corpus.test)
        texts = self.corpus.test.texts[:200]
        words = sum(len(text.split()) for text in texts) / max(len(texts), 1)
        train = int(self.frame.to_numpy().sum())
        estimate = estimate_run(self.settings, train, held, words, self.records)
        self.controls.show_estimate(str(estimate))

    def _count_labels(self):
        """Return a frame of clients x labels: training examples, as they would be dealt now."""
        c = self.settings
        dealt = deal(self.corpus, c.partition, c.clients, c.examples_per_client, c.seed)
        return count_client_labels(self.corpus, dealt)


def _corpus_settings(config: RunConfig) -> tuple:
    """Return the settings that decide which corpus is read."""
    c = config
    return (c.data, c.text, c.label, client_column(c.partition, c.client), c.encoding, c.seed)


def _load_corpus(config: RunConfig):
    data, text, label, column, encoding, seed = _corpus_settings(config)
    return load_corpus(data, text, label, column, encoding, seed=seed)


def _describe_difference(now: RunConfig, waits: RunConfig) -> str:
    """Return in words how the settings of the queued run differ from those of the current one."""
    then, others = now.to_dict(), waits.to_dict()
    words = ", ".join(describe_setting(k, v) for k, v in others.items() if then[k] != v)
    return words or "the same once more"
