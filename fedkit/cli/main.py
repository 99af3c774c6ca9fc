"""The commands; each imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedkit.cli import (
    account,
    attack,
    audit,
    brief,
    check,
    console,
    epsilon,
    flags,
    next_steps,
    showcase,
)
from fedkit.cli.flags import DEFAULTS, OUTPUT, WORLD, Command
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import REPOSITORY

ABOUT = """Learn, show and decide federated fine-tuning: several sites (clients) train one model
together, and no text leaves a site.

\b
Start with:
  fedkit doctor                        is this machine ready?
  fedkit demo                          the whole comparison, in minutes
Then, with data of your own:
  fedkit check my.csv --out checked    can this file be used? a cleaned copy
  fedkit run --data checked/my.clean.csv --out runs/mine
  fedkit baselines --data checked/my.clean.csv --out runs/mine-baselines
  fedkit brief runs/mine runs/mine-baselines    the decision on one page
"""
RUN = """\b
Examples:
  fedkit run                           six companies on the bundled data
  fedkit run --data my.csv --text report --label team --clients 4
  fedkit run --data banking77 --clients 10 --examples-per-client 200
             --partition dirichlet:0.3 --rounds 10 --out runs/banking
  fedkit run --tune head               send the last layer only
  fedkit run --resume --out runs/mine  go on with a run that was stopped
"""
BASELINES = """\b
Examples:
  fedkit baselines --out runs/mine-baselines
  fedkit baselines --data my.csv --which local,pooled
Give the same flags as to `fedkit run`, or the comparison is not fair.
`fedkit run` prints the exact command at its end.
"""
COMPARE = """\b
Examples:
  fedkit compare runs/mine runs/mine-baselines
  fedkit compare runs/demo --html demo.html
  fedkit compare runs/sweep            methods, their seeds, the Pareto front
"""
SWEEP = """\b
Examples:
  fedkit sweep --vary tune=lora --vary tune=head --seeds 0,1,2 --out runs/s
  fedkit sweep plan.toml --estimate    how long would it take?
  fedkit sweep plan.toml --out runs/s
  fedkit sweep --resume --out runs/s   go on with a sweep that was stopped
A plan is a TOML file:
  [settings]                           any setting of `fedkit run`, for all
  data = "banking77"
  [vary]                               every combination is run
  tune = ["lora:r=8", "head", "full"]
  seed = [0, 1, 2]
  [[also]]                             one more combination, for every seed
  tune = "lora:r=8"
  wire = "int4+ans"
Exit code: 0 all runs are there, 1 some were refused (sweep.json says why),
2 none could be made.
"""
DATA = """\b
Examples:
  fedkit data                          the known data sets
  fedkit data service_desk             which company has what
  fedkit data banking77 --clients 10 --partition dirichlet:0.3 --html who.html
"""
ADVISE = """\b
Examples:
  fedkit advise --memory 4GB --devices old-pc --link field-64k --hours 8
  fedkit advise --devices old-pc=0.7,laptop=0.3 --link dsl --examples 500
  fedkit advise --privacy sums-only    only what can be summed unread
  fedkit advise --data my.csv --measure  the pace of this machine, on your data
"""
REPLAY = """\b
Examples:
  fedkit replay runs/mine --link satellite
  fedkit replay runs/mine --devices old-pc=0.7,gpu-server=0.3 --html mine.html
  fedkit replay runs/mine --deadline 60
What only changes time is exact. Where learning would have been otherwise (who
is too late, an asynchronous order), the first lines say that it needs a new run.
"""

NOTEBOOKS = REPOSITORY / "notebooks"

app = typer.Typer(
    name="fedkit",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100, "help_option_names": ["--help", "-h"]},
)
Html = typer.Option(
    "--html",
    metavar="FILE",
    help="Where the page goes: a .html file.",
    rich_help_panel=OUTPUT,
    parser=flags.named_path,
)


@app.callback(invoke_without_command=True, help=ABOUT)
def main_help(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        import fedkit

        print(f"fedkit {fedkit.__version__}")
    elif ctx.invoked_subcommand is None:
        print(ctx.get_help())


@app.command(
    cls=Command, epilog=RUN, short_help="Train one model over several sites, and record it."
)
@flags.with_settings
def run(
    ctx: typer.Context,
    config: RunConfig,
    out: Annotated[
        Path | None,
        flags.out_option("Folder for run.json and the adapter. Not given: runs/DATA-TIME."),
    ] = None,
    resume: flags.Resume = False,
    as_json: flags.Json = False,
) -> None:
    """Train one model over several sites (federated averaging): their text stays, only what is
    tuned travels.

    Writes run.json, which holds every number, after each round, and at the end the adapter in
    PEFT's format.
    """
    if resume:
        config, out = _resumed_config(config, out, flags.given_names(ctx)), _require_out(out)
    out = out or _new_folder("runs", config.data)
    with console.ProgressLine() as line, console.on_stop(lambda: next_steps.after_stop(out)):
        line.update(f"reading {config.data} and the model {config.model} ...")
        from fedkit.cli.summaries import run_summary
        from fedkit.experiments.runner import run as start
        from fedkit.results.privacy_promise import missed_wish

        record = start(config, out, resume=resume, progress=line, tell=line.print)
    if as_json:
        console.print_json({"out": str(out), **record.to_dict()})
    else:
        console.print_lines(
            [
                *run_summary(record),
                f"record: {out / 'run.json'}",
                *next_steps.after_run(config, out),
            ]
        )
    raise typer.Exit(1 if missed_wish(record) else 0)


@app.command(
    cls=Command, epilog=BASELINES, short_help="What a federated run must beat, on the same data."
)
@flags.with_settings
def baselines(
    ctx: typer.Context,
    config: RunConfig,
    which: flags.Which = None,
    out: Annotated[
        Path | None, flags.out_option("Folder for all. Not given: runs/DATA-baselines-TIME.")
    ] = None,
    resume: flags.Resume = False,
    as_json: flags.Json = False,
) -> None:
    """What a federated run must beat, on the same data and with the same number of training steps.

    Always the commonest label (majority); logistic regression on the untouched model (frozen);
    every site alone (local); all text in one place (pooled, full). Each writes a record of the same
    form as `fedkit run`.
    """
    if resume:
        config = _resumed_config(config, out, flags.given_names(ctx), "*/run.json")
    out = out or _new_folder("runs", f"{config.data}-baselines")
    names = (
        None if which is None else list(dict.fromkeys(name.strip() for name in which.split(",")))
    )
    with (
        console.ProgressLine() as line,
        console.on_stop(lambda: next_steps.after_stopped_baselines(out, names)),
    ):
        line.update(f"reading {config.data} and the model {config.model} ...")
        from fedkit.experiments.baselines import run_baselines
        from fedkit.results.scoreboard import scoreboard, to_text

        records = run_baselines(config, out, names, progress=line, resume=resume)
    if as_json:
        console.print_json({"out": str(out), "runs": {n: r.to_dict() for n, r in records.items()}})
    else:
        notes = [f"note: {n}" for n in next(iter(records.values())).data["notes"]]
        if (config.privacy, config.secure) != ("none", "none"):
            notes.append("note: privacy and secure not used: baselines are without protection")
        table = to_text(scoreboard(records.values()))
        console.print_lines(
            [*notes, table, f"records: {out}", *next_steps.after_baselines(config, out)]
        )


@app.command(
    cls=Command, epilog=COMPARE, short_help="The scoreboard of runs, as a table and as a web page."
)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run folders, or folders that hold run folders."),
    ],
    html: Annotated[Path, Html] = Path("runs/compare.html"),
    as_json: flags.Json = False,
) -> None:
    """The scoreboard of several runs, in words, as a table, and as one web page that needs no
    network.

    Runs that differ only in their seed are one method. With several methods or seeds the board
    shows accuracy, bytes per client and round, load and privacy of each, and which are on the
    Pareto front of accuracy against bytes.
    """
    from fedkit.core.record import load_runs
    from fedkit.reports.report import write_report
    from fedkit.results.recommendation import describe_runs

    records = load_runs(runs)
    table, words, values = describe_runs(records)
    page = write_report(records, flags.page_path(html), "What the runs show")
    if as_json:
        console.print_json({"html": str(page), "verdict": words, **values})
    else:
        console.print_lines([table, *words, "", f"page: {page}"])


@app.command(
    cls=Command, epilog=SWEEP, short_help="Many runs of one plan: methods x settings x seeds."
)
@flags.with_settings
def sweep(
    ctx: typer.Context,
    config: RunConfig,
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN]", help="A TOML file; flags given beside it are settings for all."
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="SETTING=VALUE",
            help="A value to try; again for each. Every combination is run.",
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="N,N,...", help="Every combination is run for each.")
    ] = "0",
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines",
            metavar="A,B,...|none",
            help=(
                "Made once for each seed and data."
                " Not given: majority, frozen-pooled, frozen-local, local, pooled."
            ),
        ),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how long it would take.")
    ] = False,
    out: Annotated[
        Path | None, flags.out_option("Folder for all. Not given: runs/PLAN-TIME.")
    ] = None,
    resume: flags.Resume = False,
    as_json: flags.Json = False,
) -> None:
    """Run every combination of a plan, for every seed, with the baselines to beat; then compare
    them.

    What is finished is never made twice: stop it when you like, and go on. A combination that is
    refused is said and left out. Writes sweep.json and a folder for each run.
    """
    settings, given = vars(config), flags.given_names(ctx)
    with (
        console.ProgressLine() as line,
        console.on_stop(lambda: next_steps.after_stopped_sweep(out)),
    ):
        line.update("reading the plan and the data ...")
        from fedkit.experiments.estimate import estimate_sweep
        from fedkit.experiments.sweep import choose_plan, refused_runs, unfinished_entries
        from fedkit.experiments.sweep import sweep as start

        chosen = choose_plan(
            plan,
            {k: v for k, v in settings.items() if k in given},
            vary or [],
            seeds if "seeds" in given else None,
            baselines,
            _require_out(out) if resume else None,
        )
        out = out or _new_folder("runs", chosen.name)
        said = (
            (lambda folder, reason: line.print(f"would be refused: {folder}: {reason}"))
            if estimate
            else None
        )
        expected = estimate_sweep(
            unfinished_entries(chosen, out), line.update, *([said] if said else [])
        )
        if not (estimate and as_json):
            line.print(str(expected))
        records = (
            [] if estimate else start(chosen, out, line, tell=line.print, costs=expected.seconds)
        )
    if estimate:
        if as_json:
            console.print_json(expected.to_dict())
        return
    from fedkit.results.recommendation import describe_runs

    table, words, values = describe_runs(records)
    reasons = refused_runs(out)
    if as_json:
        console.print_json({"out": str(out), "verdict": words, **values, "refused": reasons})
    else:
        console.print_lines([table, *words, "", f"records: {out}", *next_steps.after_sweep(out)])
    raise typer.Exit(1 if reasons else 0)


@app.command(
    cls=Command, epilog=REPLAY, short_help="A finished run over other lines and computers, at once."
)
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    devices: Annotated[
        str | None,
        typer.Option(
            "--devices",
            metavar="NAME|MIX",
            help="Each site's computer, as in `fedkit run`. Not given: as recorded.",
            rich_help_panel=flags.WORLD,
        ),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(
            "--link",
            metavar="SPEED/DELAY|MIX",
            help="Each site's line, as in `fedkit run`. Not given: as recorded.",
            rich_help_panel=flags.WORLD,
        ),
    ] = None,
    deadline: Annotated[
        str,
        typer.Option(
            "--deadline",
            metavar="SECONDS|none",
            help="What the server waits at most in a round. Not given: as recorded.",
            rich_help_panel=flags.WORLD,
            show_default=False,
        ),
    ] = "recorded",
    server_link: Annotated[
        str,
        typer.Option(
            "--server-link",
            metavar="SPEED|none",
            help="The line that all sites share. Not given: as recorded.",
            rich_help_panel=flags.WORLD,
            show_default=False,
        ),
    ] = "recorded",
    html: Annotated[Path | None, Html] = None,
    as_json: flags.Json = False,
) -> None:
    """How long a recorded run would take over other lines, computers or deadlines. Nothing is
    trained.

    Prints when each round ends, who was last, and the total beside the recorded one.
    """
    from fedkit.reports.replay_report import replay_lines

    lines, values = replay_lines(
        run, link, devices, deadline, server_link, html and flags.page_path(html)
    )
    console.print_json(values) if as_json else console.print_lines(lines)


for name, command, epilog, words in (
    ("epsilon", epsilon.epsilon_command, epsilon.EPILOG, "How much privacy does noise buy?"),
    (
        "account",
        account.account_command,
        account.EPILOG,
        "What have all private runs on a data set spent together?",
    ),
    ("attack", attack.attack_command, attack.EPILOG, "What does an update tell whoever reads it?"),
    ("brief", brief.brief_command, brief.EPILOG, "The decision on one page, from run records."),
    ("audit", audit.audit_command, audit.EPILOG, "Does a run keep the privacy it promises?"),
):
    app.command(name=name, cls=Command, epilog=epilog, short_help=words)(command)


@app.command(cls=Command, short_help="Every method there is to choose from, with its parameters.")
def methods(as_json: flags.Json = False) -> None:
    """Every tuner, aggregation, wire stage and so on: what it does, its parameters, and what it
    needs.
    """
    from fedkit.cli.catalogue import list_methods, method_lines

    console.print_json(list_methods()) if as_json else console.print_lines(method_lines())


@app.command(cls=Command, short_help="Start here: centralized, alone, federated, side by side.")
def demo(
    ctx: typer.Context,
    out: Annotated[
        Path,
        flags.out_option("Folder for the records and the page. An earlier demo there is replaced."),
    ] = Path("runs/demo"),
    rounds: flags.Rounds = DEFAULTS.rounds,
    seed: flags.Seed = DEFAULTS.seed,
    resume: flags.Resume = False,
    as_json: flags.Json = False,
) -> None:
    """Train with all text in one place, then every company alone, then federated; on the bundled
    data, in minutes.

    Prints the scoreboard and what it says, and writes the records and index.html, a page to show to
    others.
    """
    config = RunConfig(rounds=rounds, seed=seed)
    if resume:
        config = _resumed_config(config, out, flags.given_names(ctx), "*/run.json")
    with (
        console.ProgressLine() as line,
        console.on_stop(lambda: next_steps.after_stopped_demo(out)),
    ):
        line.update("reading the bundled data and the model ...")
        from fedkit.cli.demo import run_demo

        page, lines, values = run_demo(out, config, line, line.print, resume)
    console.print_json(values) if as_json else console.print_lines([*lines, f"page: {page}"])


app.command(
    name="check",
    cls=Command,
    epilog=check.EPILOG,
    short_help="Can this file be used? Findings, a cleaned copy.",
)(check.check_command)


@app.command(cls=Command, epilog=DATA, short_help="The known data sets, and who would have what.")
def data(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|PATH]",
            help="What to look into. Not given: the known data sets are listed.",
        ),
    ] = None,
    text: flags.Text = None,
    label: flags.Label = None,
    client: flags.Client = None,
    encoding: flags.Encoding = None,
    clients: flags.Clients = DEFAULTS.clients,
    examples_per_client: flags.PerClient = None,
    partition: flags.Partition = DEFAULTS.partition,
    seed: flags.Seed = DEFAULTS.seed,
    html: Annotated[Path | None, Html] = None,
    as_json: flags.Json = False,
) -> None:
    """List the known data sets, or show which site would hold how many examples of each label."""
    from fedkit.cli.summaries import known_data, who_has_what_lines

    if source is None:
        facts, lines = known_data()
    else:
        given = {**locals(), "data": source}
        facts, lines = who_has_what_lines(
            flags.read_settings(given), html and flags.page_path(html)
        )
    console.print_json(facts) if as_json else console.print_lines(lines)


@app.command(cls=Command, short_help="The known base models, and whether they are here.")
def models(as_json: flags.Json = False) -> None:
    """The known base models, and whether their weights are here."""
    from fedkit.cli.summaries import known_models

    facts, lines = known_models()
    console.print_json(facts) if as_json else console.print_lines(lines)


@app.command(cls=Command, short_help="Is this machine ready? Says how to mend what is not.")
def doctor(
    model: flags.ModelName = DEFAULTS.model,
    out: Annotated[Path, flags.out_option("The folder that runs will be written to.")] = Path(
        "runs"
    ),
    as_json: flags.Json = False,
) -> None:
    """Check this machine: Python, packages, weights, memory, widgets. Exit code 1 if something must
    be mended.
    """
    from fedkit.cli.doctor import run_checks, to_json, to_table

    checks = run_checks(model, out)
    console.print_lines([to_json(checks) if as_json else to_table(checks)])
    raise typer.Exit(1 if any(c.ok is False for c in checks) else 0)


@app.command(cls=Command, short_help="Open the lessons in JupyterLab.")
def lab(
    port: Annotated[
        int, typer.Option("--port", metavar="N", parser=flags.parse_whole, help="1024 to 65535.")
    ] = 8888,
) -> None:
    """Open JupyterLab on the first lesson. It listens on this machine only and asks for
    its token.
    """
    import subprocess
    import sys

    if not 1024 <= port <= 65535:
        raise FedkitError(f"--port {port} given; write a whole number from 1024 to 65535")
    first = NOTEBOOKS / "00_start_here.ipynb"
    if not first.is_file():
        raise FedkitError(
            f"no lessons in {NOTEBOOKS};"
            " run this from a clone of the project that `make install` set up"
        )
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", str(first)]
    raise typer.Exit(subprocess.call(command, cwd=NOTEBOOKS))


app.command(
    name="showcase",
    cls=Command,
    epilog=showcase.EPILOG,
    short_help="The executive demo, without code.",
)(showcase.showcase_command)


@app.command(cls=Command, epilog=ADVISE, short_help="Which methods can your sites bear?")
def advise(
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Free to train in at a site, such as 4GB. Not given: what the computer has.",
            rich_help_panel=WORLD,
        ),
    ] = None,
    devices: flags.Devices = "old-pc",
    link: flags.LinkSpec = "dsl",
    hours: Annotated[
        float,
        typer.Option(
            "--hours",
            metavar="N",
            parser=flags.parse_number,
            help="Hours that a site may compute and send each night.",
            rich_help_panel=WORLD,
        ),
    ] = 8.0,
    examples: Annotated[
        int,
        typer.Option(
            "--examples",
            metavar="N",
            parser=flags.parse_whole,
            help="Training examples at each site.",
            rich_help_panel=WORLD,
        ),
    ] = 200,
    sites: Annotated[
        int,
        typer.Option(
            "--sites",
            metavar="N",
            parser=flags.parse_whole,
            help="How many sites take part.",
            rich_help_panel=WORLD,
        ),
    ] = 10,
    privacy: Annotated[
        str,
        typer.Option(
            "--privacy",
            metavar="WISH",
            help=(
                "none, text-stays, sums-only (for secure aggregation),"
                " differential (see the answer)."
            ),
            rich_help_panel=WORLD,
        ),
    ] = "none",
    labels: Annotated[
        int,
        typer.Option(
            "--labels",
            metavar="N",
            parser=flags.parse_whole,
            help="Labels to tell apart. With --data: those it has.",
            rich_help_panel=WORLD,
        ),
    ] = 12,
    rounds: flags.Rounds = DEFAULTS.rounds,
    model: flags.ModelName = DEFAULTS.model,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME|PATH",
            help="Takes labels and text lengths from it. Not given: those of the bundled reports.",
            rich_help_panel=flags.DATA,
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Time a few steps of each method here first (a few minutes).",
            rich_help_panel=flags.MACHINE,
        ),
    ] = False,
    as_json: flags.Json = False,
) -> None:
    """Rank the methods that sites can bear by what is known of their accuracy, and say why the
    others do not fit.

    Nothing is trained: memory, traffic and time are predicted from the model and from messages
    really encoded.
    """
    from fedkit.experiments import advise as adviser

    needs = adviser.Needs(
        adviser.parse_memory(memory),
        devices,
        link,
        hours,
        examples,
        sites,
        privacy,
        labels,
        rounds,
        model,
    )
    adviser.check_needs(needs)
    with console.ProgressLine() as line:
        line.update("reckoning memory, traffic and time ...")
        needs = needs if data is None else adviser.read_needs(needs, data)
        advices = adviser.advise(
            needs, adviser.measure_paces(needs, line.update) if measure else None
        )
    if as_json:
        methods = [a.to_dict() for a in advices]
        console.print_json(
            {
                "needs": vars(needs),
                "note": adviser.PRIVACY[privacy],
                "measured": measure,
                "command": adviser.best_command(needs, advices),
                "methods": methods,
            }
        )
    else:
        console.print_lines(adviser.advice_lines(needs, advices))
    raise typer.Exit(0 if advices[0].fits else 1)


def _require_out(out: Path | None) -> Path:
    if out is None:
        raise FedkitError(
            "--resume given without --out; name the folder of the run to go on with: --out DIR"
        )
    return out


def _resumed_config(
    config: RunConfig, out: Path | None, given: set[str], pattern: str = "run.json"
) -> RunConfig:
    """Return the settings that the runs in `out` began with, updated by those given now.

    The run itself refuses settings that may not change.
    """
    from fedkit.core.record import Run
    from fedkit.experiments.job import recorded_config

    # "full" has a tuner of its own
    there = [p for p in sorted(_require_out(out).glob(pattern)) if p.parent.name != "full"]
    if not there:
        if given - {"resume", "out", "as_json", "which"}:
            return config  # a whole command, whose run was stopped before its first record
        raise FedkitError(
            f"--resume given, and {out} holds no run to go on with;"
            " name its folder, or leave --resume out"
        )
    named = {name: getattr(config, name) for name in given if hasattr(config, name)}
    return recorded_config(Run.load(there[0]), named)


def _new_folder(root: str, name: str) -> Path:
    """Return a new folder name below `root`, from the data's name and the time."""
    from datetime import datetime

    stem = "".join(c if c.isalnum() else "-" for c in Path(name).stem).strip("-")[:40] or "run"
    return Path(root) / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"


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
