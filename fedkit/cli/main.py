"""The commands; each imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fedkit.cli import console, flags, next_steps
from fedkit.cli.attacks import attack_command, audit_command
from fedkit.cli.flags import DEFAULTS
from fedkit.cli.privacy import account_command, epsilon_command
from fedkit.cli.reports import brief_command, check_command
from fedkit.cli.showcase import lab_command, showcase_command
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError

app = typer.Typer(
    name="fedkit",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100, "help_option_names": ["--help", "-h"]},
)


@app.callback(invoke_without_command=True, help=flags.WORDS["about"])
def main_help(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        import fedkit

        print(f"fedkit {fedkit.__version__}")
    elif ctx.invoked_subcommand is None:
        print(ctx.get_help())


def run(
    ctx: typer.Context,
    config: RunConfig,
    out: Path | None = None,
    resume: bool = False,
    as_json: bool = False,
) -> None:
    """Train one model over several sites (federated averaging): their text stays, only what is
    tuned travels.

    Writes run.json, which holds every number, after each round, and at the end the adapter in
    PEFT's format.
    """
    if resume:
        config, out = _resumed_config(config, out, flags.given_names(ctx))
    out = out or _new_folder("runs", config.data)
    reading = f"reading {config.data} and the model {config.model} ..."
    with console.progress_line(reading, partial(next_steps.after_stop, out)) as line:
        from fedkit.cli.summaries import run_summary
        from fedkit.experiments.runner import run as start
        from fedkit.results.privacy_promise import missed_wish

        record = start(config, out, resume=resume, progress=line, tell=line.print)
    lines = [f"record: {out / 'run.json'}", *next_steps.after_run(config, out)]
    values = {"out": str(out), **record.to_dict()}
    console.print_result(as_json, values, [*run_summary(record), *lines])
    raise typer.Exit(1 if missed_wish(record) else 0)


def baselines(
    ctx: typer.Context,
    config: RunConfig,
    which: str | None = None,
    out: Path | None = None,
    resume: bool = False,
    as_json: bool = False,
) -> None:
    """What a federated run must beat, on the same data and with the same number of training steps.

    Always the commonest label (majority); logistic regression on the untouched model (frozen);
    every site alone (local); all text in one place (pooled, full). Each writes a record of the same
    form as `fedkit run`.
    """
    if resume:
        config, out = _resumed_config(config, out, flags.given_names(ctx), "*/run.json")
    out = out or _new_folder("runs", f"{config.data}-baselines")
    names = None if which is None else list(dict.fromkeys(n.strip() for n in which.split(",")))
    reading = f"reading {config.data} and the model {config.model} ..."
    stopped = partial(next_steps.after_stopped_baselines, out, names)
    with console.progress_line(reading, stopped) as line:
        from fedkit.experiments.baselines import run_baselines
        from fedkit.results.scoreboard import scoreboard, to_text

        records = run_baselines(config, out, names, progress=line, resume=resume)
    lines = [f"note: {n}" for n in next(iter(records.values())).data["notes"]]
    if (config.privacy, config.secure) != ("none", "none"):
        lines.append("note: privacy and secure not used: baselines are without protection")
    lines += [to_text(scoreboard(records.values())), f"records: {out}"]
    values = {"out": str(out), "runs": {n: r.to_dict() for n, r in records.items()}}
    console.print_result(as_json, values, [*lines, *next_steps.after_baselines(config, out)])


def compare(
    runs: list[Path], html: Path = Path("runs/compare.html"), as_json: bool = False
) -> None:
    """The scoreboard of several runs, in words, as a table, and as one web page that needs no
    network.

    Runs that differ only in their seed are one method. With several methods or seeds the board
    shows accuracy, bytes per client and round, load and privacy of each, and which are on the
    Pareto front of accuracy against bytes.
    """
    from fedkit.core.record import load_runs
    from fedkit.reports.report import write_report
    from fedkit.results.findings import describe_runs

    records = load_runs(runs)
    table, words, values = describe_runs(records)
    page = write_report(records, flags.page_path(html), "What the runs show")
    values = {"html": str(page), "verdict": words, **values}
    console.print_result(as_json, values, [table, *words, "", f"page: {page}"])


def sweep(
    ctx: typer.Context,
    config: RunConfig,
    plan: Path | None = None,
    vary: list[str] | None = None,
    seeds: str = "0",
    baselines: str | None = None,
    estimate: bool = False,
    out: Path | None = None,
    resume: bool = False,
    as_json: bool = False,
) -> None:
    """Run every combination of a plan, for every seed, with the baselines to beat; then compare
    them.

    What is finished is never made twice: stop it when you like, and go on. A combination that is
    refused is said and left out. Writes sweep.json and a folder for each run.
    """
    given, reading = flags.given_names(ctx), "reading the plan and the data ..."
    with console.progress_line(reading, lambda: next_steps.after_stopped_sweep(out)) as line:
        from fedkit.experiments.estimate import estimate_sweep
        from fedkit.experiments.sweep import choose_plan, refused_runs, unfinished_entries
        from fedkit.experiments.sweep import sweep as start

        settings = {k: v for k, v in vars(config).items() if k in given}
        if resume:
            out, settings = _go_to_start(_require_out(out), settings)
        several = seeds if "seeds" in given else None
        chosen = choose_plan(
            plan, settings, vary or [], several, baselines, out if resume else None
        )
        out = out or _new_folder("runs", chosen.name)

        def refuse(folder: str, reason: str) -> None:
            if estimate:
                line.print(f"would be refused: {folder}: {reason}")

        expected = estimate_sweep(unfinished_entries(chosen, out), line.update, refuse)
        if not (estimate and as_json):
            line.print(str(expected))
        if not estimate:
            records = start(chosen, out, line, tell=line.print, costs=expected.seconds)
    if estimate:
        return console.print_json(expected.to_dict()) if as_json else None
    from fedkit.results.findings import describe_runs

    table, words, values = describe_runs(records)
    reasons = refused_runs(out)
    values = {"out": str(out), "verdict": words, **values, "refused": reasons}
    lines = [table, *words, "", f"records: {out}", *next_steps.after_sweep(out)]
    console.print_result(as_json, values, lines)
    raise typer.Exit(1 if reasons else 0)


def replay(
    run: Path,
    devices: str | None = None,
    link: str | None = None,
    deadline: str | None = None,
    server_link: str | None = None,
    html: Path | None = None,
    as_json: bool = False,
) -> None:
    """How long a recorded run would take over other lines, computers or deadlines. Nothing is
    trained.

    Prints when each round ends, who was last, and the total beside the recorded one.
    """
    from fedkit.reports.replay_report import replay_lines

    page = html and flags.page_path(html)
    world = {"deadline": "recorded", "server_link": "recorded"}
    world |= flags.drop_missing(deadline=deadline, server_link=server_link)
    lines, values = replay_lines(run, link, devices, **world, html=page)
    console.print_result(as_json, values, lines)


def methods(as_json: bool = False) -> None:
    """Every tuner, aggregation, wire stage and so on: what it does, its parameters, and what it
    needs.
    """
    from fedkit.cli.summaries import list_methods, method_lines

    console.print_result(as_json, list_methods(), method_lines())


def demo(
    ctx: typer.Context,
    out: Path = Path("runs/demo"),
    rounds: int = DEFAULTS.rounds,
    seed: int = DEFAULTS.seed,
    resume: bool = False,
    as_json: bool = False,
) -> None:
    """Train with all text in one place, then every company alone, then federated; on the bundled
    data, in minutes.

    Prints the scoreboard and what it says, and writes the records and index.html, a page to show to
    others.
    """
    config = RunConfig(rounds=rounds, seed=seed)
    if resume:
        config, out = _resumed_config(config, out, flags.given_names(ctx), "*/run.json")
    stopped = partial(next_steps.after_stopped_demo, out)
    with console.progress_line("reading the bundled data and the model ...", stopped) as line:
        from fedkit.cli.demo import run_demo

        page, lines, values = run_demo(out, config, line, line.print, resume)
    console.print_result(as_json, values, [*lines, f"page: {page}"])


def data(
    source: str | None = None,
    text: str | None = None,
    label: str | None = None,
    client: str | None = None,
    encoding: str | None = None,
    clients: int = DEFAULTS.clients,
    examples_per_client: int | None = None,
    partition: str = DEFAULTS.partition,
    seed: int = DEFAULTS.seed,
    html: Path | None = None,
    as_json: bool = False,
) -> None:
    """List the known data sets, or show which site would hold how many examples of each label."""
    from fedkit.cli.summaries import known_data, who_has_what_lines

    if source is None:
        return console.print_result(as_json, *known_data())
    config = flags.read_settings({**locals(), "data": source})
    page = html and flags.page_path(html)
    console.print_result(as_json, *who_has_what_lines(config, page))


def models(as_json: bool = False) -> None:
    """The known base models, and whether their weights are here."""
    from fedkit.cli.summaries import known_models

    console.print_result(as_json, *known_models())


def doctor(model: str = DEFAULTS.model, out: Path = Path("runs"), as_json: bool = False) -> None:
    """Check this machine: Python, packages, weights, memory, widgets. Exit code 1 if something must
    be mended.
    """
    from fedkit.cli.doctor import run_checks, to_json, to_table

    checks = run_checks(model, out)
    console.print_lines([to_json(checks) if as_json else to_table(checks)])
    raise typer.Exit(1 if any(c.ok is False for c in checks) else 0)


def advise(
    memory: str | None = None,
    devices: str = "old-pc",
    link: str = "dsl",
    hours: float = 8.0,
    examples: int = 200,
    sites: int = 10,
    privacy: str = "none",
    labels: int = 12,
    rounds: int = DEFAULTS.rounds,
    model: str = DEFAULTS.model,
    data: str | None = None,
    measure: bool = False,
    as_json: bool = False,
) -> None:
    """Rank the methods that sites can bear by what is known of their accuracy, and say why the
    others do not fit.

    Nothing is trained: memory, traffic and time are predicted from the model and from messages
    really encoded.
    """
    from fedkit.cli.advice import advice_lines
    from fedkit.experiments import advise as adviser

    free = adviser.parse_memory(memory)
    given = devices, link, hours, examples, sites, privacy, labels, rounds, model
    needs = adviser.Needs(free, *given)
    adviser.check_needs(needs)
    with console.progress_line("reckoning memory, traffic and time ...") as line:
        needs = needs if data is None else adviser.read_needs(needs, data)
        paces = adviser.measure_paces(needs, line.update) if measure else None
        advices = adviser.advise(needs, paces)
    values = {
        "needs": vars(needs),
        "note": adviser.PRIVACY[privacy],
        "measured": measure,
        "command": adviser.best_command(needs, advices),
        "methods": [a.to_dict() for a in advices],
    }
    console.print_result(as_json, values, advice_lines(needs, advices))
    raise typer.Exit(0 if advices[0].fits else 1)


def _require_out(out: Path | None) -> Path:
    if out is None:
        raise FedkitError(
            "--resume given without --out; name the folder of the run to go on with: --out DIR"
        )
    return out


def _resumed_config(
    config: RunConfig, out: Path | None, given: set[str], pattern: str = "run.json"
) -> tuple[RunConfig, Path]:
    """Return the settings that the runs in `out` began with, updated by those given now, and `out`.

    The run itself refuses settings that may not change.
    """
    from fedkit.core.record import Run
    from fedkit.experiments.job import recorded_config

    # "full" has a tuner of its own
    there = [p for p in sorted(_require_out(out).glob(pattern)) if p.parent.name != "full"]
    if not there:
        if given - {"resume", "out", "as_json", "which"}:
            return config, out  # a whole command, whose run was stopped before its first record
        raise FedkitError(
            f"--resume given, and {out} holds no run to go on with;"
            " name its folder, or leave --resume out"
        )
    record = Run.load(there[0])
    named = {name: getattr(config, name) for name in given if hasattr(config, name)}
    out, named = _go_to_start(out, named)
    return recorded_config(record, named), out


def _go_to_start(out: Path, named: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Go to the folder where the runs in `out` were started, if their data or model is there.

    Relative paths lead on from it. Returns `out` and the settings `named` as seen from there.
    """
    from fedkit.core.record import Run

    found = [p for depth in ("", "*/", "*/*/") for p in out.glob(f"{depth}run.json")][:1]
    for record, folder in ((Run.load(path), path.parent.resolve()) for path in found):
        way, sources = record.environment.get("started_in", "/"), ("data", "model")
        start, here = (folder / way).resolve(), Path.cwd()
        is_there = any((start / str(record.config.get(name))).exists() for name in sources)
        if is_there and start != here and not Path(way).anchor:
            paths = {n: named[n] for n in sources if n in named and Path(named[n]).exists()}
            named = named | {name: str(here / path) for name, path in paths.items()}
            out = out.resolve()
            os.chdir(start)
            console.print_note(f"note: paths are as seen from {start}, where this was started")
    return out, named


def _new_folder(root: str, name: str) -> Path:
    """Return a new folder name below `root`, from the data's name and the time."""
    from datetime import datetime

    stem = "".join(c if c.isalnum() else "-" for c in Path(name).stem).strip("-")[:40] or "run"
    return Path(root) / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"


# all in the order of --help
RUNS = (run, baselines, compare, sweep, replay)
PROMISES = (epsilon_command, account_command, attack_command, brief_command, audit_command)
BASICS = (methods, demo, check_command, data, models, doctor)
for function in (*RUNS, *PROMISES, *BASICS, lab_command, showcase_command, advise):
    flags.add_command(app, function)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    command = typer.main.get_command(app)
    return console.run_command(
        lambda: command.main(argv, prog_name="fedkit", standalone_mode=False)
    )


def script() -> None:
    console.prepare_streams()
    raise SystemExit(main())


if __name__ == "__main__":
    script()
