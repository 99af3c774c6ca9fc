"""The bench panel: change who has what and train again, or change the network and see it at once.

Training runs in a thread that sets widget values and nothing else: it never prints. `run(wait=True)` and `wait()` raise
what the thread raised, so an executed notebook fails when its training fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import plotly.graph_objects as go

from fedkit import runner
from fedkit.config import RunConfig
from fedkit.data.load import load_corpus
from fedkit.data.partition import client_column, deal, describe
from fedkit.errors import Cancelled, FedkitError
from fedkit.job import prepare
from fedkit.nextsteps import command
from fedkit.progress import Progress
from fedkit.record import Run
from fedkit.studio import say
from fedkit.studio.theme import plain
from fedkit.studio.widget_figure import SKEWS, draw, sync

Rounds = Callable[..., Iterator[Run]]


def bench_panel(config: RunConfig | None = None) -> BenchPanel | go.Figure:
    """The panel; where widgets cannot run, a static figure of one run, with the reason as its title.

    config: the settings that the panel does not offer (data, model, rounds, examples per client, seed, ...).
    """
    try:
        return BenchPanel(config)
    except ImportError as error:  # plotly's live figure needs anywidget, the controls need ipywidgets
        reason = str(error).strip().splitlines()[0]
        return static(config or RunConfig(), f"No sliders here: {reason} To mend it, see `fedkit doctor`.")


def static(config: RunConfig, reason: str) -> go.Figure:
    """One run with the settings as they are, as a figure that needs no widgets. reason: its title."""
    job = prepare(config)
    shown = [("", runner.run(config, job=job))]
    fig = draw(describe(job.corpus, job.clients), shown, config.link, config.devices)
    return fig.update_layout(title_text=plain(reason, 160))


class BenchPanel:
    """Controls, a progress bar, and one live figure.

    record: the latest run, unfinished while it trains. rounds: what trains, with the arguments of `runner.rounds`.
    """

    def __init__(self, config: RunConfig | None = None, rounds: Rounds = runner.rounds):
        from fedkit.studio.widget_controls import Controls  # ImportError where there is no ipywidgets

        self.config, self._rounds = config or RunConfig(), rounds
        c = self.config
        column = client_column(c.partition, c.client)
        self.corpus = load_corpus(c.data, c.text, c.label, column, c.encoding, seed=c.seed)
        self.controls, self.record, self._shown = Controls(c), None, []
        self._thread, self._error = None, None
        self._cancel, self._lock = threading.Event(), threading.RLock()
        self.frame = self._dealt()
        self.figure = go.FigureWidget(self._picture())  # wrapped last: what it holds now is what a browser opens with
        self.view = self.controls.around(self.figure)
        self._listen()

    def _repr_mimebundle_(self, **kwargs):
        bundle = self.view._repr_mimebundle_(**kwargs)
        missing = "<p><b>No sliders here:</b> this page has no widget support. Run <code>fedkit doctor</code>.</p>"
        return {**bundle, "text/html": missing}  # shown only where a widget cannot be

    # ---- the settings

    @property
    def settings(self) -> RunConfig:
        """The settings as the controls stand, ready for `fedkit.run`."""
        return replace(self.config, **self.controls.values())

    @property
    def command(self) -> str:
        """The command that trains with these settings outside of the notebook."""
        return command("run", self.settings)

    def _dealt(self):
        """Clients x labels, as they would be dealt now."""
        c = self.settings
        return describe(self.corpus, deal(self.corpus, c.partition, c.clients, c.examples_per_client, c.seed))

    # ---- training

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def run(self, wait: bool = False) -> None:
        """Train in a thread with the settings as they stand. wait: until it has ended, and raise what it raised."""
        if not self.running:
            self._cancel, self._error = threading.Event(), None
            self.controls.busy(True)
            self._thread = threading.Thread(target=self._work, args=(self.settings, self._cancel), daemon=True)
            self._thread.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until training has ended. Raises what the thread raised; that somebody pressed Cancel is no error."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Stop before the next training step; finished rounds stay."""
        self._cancel.set()
        self.controls.say("Stopping before the next training step ...")

    def _work(self, config: RunConfig, cancel: threading.Event) -> None:
        """What the thread does. However it ends, the panel can be used again."""
        try:
            self.controls.say("Reading the base model ...")
            self._train(config, cancel)
        except Cancelled as stopped:
            self.controls.say(f"Cancelled: {stopped}.")
        except Exception as error:
            self._error = error
            self.controls.fail(error)
        finally:
            self.controls.busy(False)

    def _train(self, config: RunConfig, cancel: threading.Event) -> None:
        before, name = self._shown[-1:], _name(config)
        job = prepare(config, self.corpus)
        for record in self._rounds(config, progress=self._tell, cancel=cancel, job=job):
            self.record, self._shown = record, [*before, (name, record)]
            self._redraw()
        right = say.percent(self.record.rounds[-1].accuracy)
        self.controls.say(f"Finished: {right} of {self.record.data['test']:,} test examples are right.", done=1.0)

    def _tell(self, now: Progress) -> None:
        left = "" if now.remaining_seconds is None else f" &nbsp; <b>{now.remaining_seconds:.0f} s left</b>"
        good = "" if now.accuracy is None else f", {say.percent(now.accuracy)} right"
        where = f"Round {now.round} of {now.rounds}, {plain(now.client)}{good}, {say.megabytes(now.nbytes / 1e6)} sent"
        self.controls.say(where + left, now.done)

    # ---- the picture

    def _listen(self) -> None:
        self.controls.on_run(self.run)
        self.controls.on_cancel(self.cancel)
        self.controls.on_deal(self._deal_again)
        self.controls.on_world(self._redraw)
        self.controls.show_command(self.command)

    def _deal_again(self) -> None:
        """Clients or skew moved: the table is dealt anew at once; the curve waits for Run."""
        try:
            self.frame = self._dealt()
            self.controls.say("Press <b>Run</b> to train with these clients.", 0.0)
        except FedkitError as error:
            self.controls.fail(error)
        self._redraw()

    def _redraw(self) -> None:
        """From the records there are; nothing is trained. Called from the thread and from the sliders."""
        with self._lock:
            sync(self.figure, self._picture())
            self.controls.show_command(self.command)

    def _picture(self) -> go.Figure:
        world = self.controls.values()
        return draw(self.frame, self._shown, world["link"], world["devices"])


def _name(config: RunConfig) -> str:
    """'6 clients, unlike'."""
    words = {spec: word for word, spec in SKEWS.items()}
    return f"{config.clients} clients, {words.get(config.partition, config.partition)}"
