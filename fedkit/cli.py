"""The command line. Every command imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from fedkit import console
from fedkit.config import RunConfig, parse_cohort
from fedkit.errors import FedkitError

app = typer.Typer(
    name="fedkit", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Learn, show and decide federated fine-tuning of foundation models. Start with: fedkit demo",
)  # fmt: skip

D = RunConfig()
Opt = typer.Option
Data = Annotated[str, Opt("--data", help="Bundled set, hub name, file (csv tsv xlsx parquet jsonl), or folder with train.csv and test.csv.")]
Text = Annotated[Optional[str], Opt("--text", help="Text column; guessed, and said, if not given.")]  # noqa: UP045
Label = Annotated[Optional[str], Opt("--label", help="Label column; guessed, and said, if not given.")]  # noqa: UP045
Client = Annotated[Optional[str], Opt("--client", help="Column that says whose each row is.")]  # noqa: UP045
Encoding = Annotated[Optional[str], Opt("--encoding", help="Of text files; default: utf-8, then cp932.")]  # noqa: UP045
ModelName = Annotated[str, Opt("--model", help="Base model: minilm, a folder, or a hub id (see: fedkit models).")]
Clients = Annotated[int, Opt("--clients", help="Number of sites (a column partition takes its own).")]
PerClient = Annotated[Optional[int], Opt("--examples-per-client", help="Training examples per site; default: all there are.")]  # noqa: UP045
Partition = Annotated[str, Opt("--partition", help="Who has what: auto, iid, dirichlet:A, quantity:A, column:COL.")]
Cohort = Annotated[Optional[str], Opt("--clients-per-round", help="A count (5) or a fraction (0.2); default: everyone.")]  # noqa: UP045
Rounds = Annotated[int, Opt("--rounds", help="Rounds of federated averaging.")]
Epochs = Annotated[int, Opt("--local-epochs", help="Passes over a site's own data per round.")]
Batch = Annotated[int, Opt("--batch-size", help="Examples per gradient step.")]
Tokens = Annotated[int, Opt("--max-tokens", help="Longer texts are cut.")]
Rate = Annotated[Optional[float], Opt("--lr", help="Learning rate of the tuned part; default: the tuner's own.")]  # noqa: UP045
HeadRate = Annotated[float, Opt("--head-lr", help="Learning rate of the head.")]
HeadStart = Annotated[str, Opt("--head-start", help="zero, or class-means (one exchange before round 1).")]
Tune = Annotated[str, Opt("--tune", help="What is trained: lora:r=8,alpha=16 | head | full.")]
Loss = Annotated[str, Opt("--loss", help="calibrated (for unlike label mixes) or plain cross-entropy.")]
Strategy = Annotated[str, Opt("--strategy", help="How the server combines updates: fedavg.")]
LinkSpec = Annotated[str, Opt("--link", help="A site's line, DOWN[:UP]/LATENCY: 10mbps/40ms, or a profile. Changes seconds only.")]
Devices = Annotated[str, Opt("--devices", help="How slow a site's computer is, a profile. Changes seconds only.")]
Device = Annotated[str, Opt("--device", help="Where this machine computes: auto, cpu, cuda, mps.")]
Engine = Annotated[str, Opt("--engine", help="auto or plain.")]
Seed = Annotated[int, Opt("--seed", help="Same seed, same machine: same numbers.")]
Json = Annotated[bool, Opt("--json", help="Print JSON for programs on stdout.")]


@app.command()
def run(
    out: Annotated[Optional[Path], Opt("--out", help="Folder for run.json and the adapter; default: runs/DATA-TIME.")] = None,  # noqa: UP045
    resume: Annotated[bool, Opt("--resume", help="Go on with the run in --out.")] = False,
    data: Data = D.data, text: Text = None, label: Label = None, client: Client = None, encoding: Encoding = None,
    model: ModelName = D.model, clients: Clients = D.clients, examples_per_client: PerClient = None,
    partition: Partition = D.partition, clients_per_round: Cohort = None, rounds: Rounds = D.rounds,
    local_epochs: Epochs = D.local_epochs, batch_size: Batch = D.batch_size, max_tokens: Tokens = D.max_tokens,
    lr: Rate = None, head_lr: HeadRate = D.head_lr, head_start: HeadStart = D.head_start, tune: Tune = D.tune,
    loss: Loss = D.loss, strategy: Strategy = D.strategy, link: LinkSpec = D.link, devices: Devices = D.devices,
    device: Device = D.device, engine: Engine = D.engine, seed: Seed = D.seed, as_json: Json = False,
) -> None:  # fmt: skip
    """Train federated on your data or a bundled set; writes run.json and the adapter into --out."""
    from fedkit.runner import run as start
    from fedkit.studio.summary import summary

    config = _config(locals())
    out, line = out or _fresh("runs", data), console.Line()
    record = start(config, out, resume=resume, progress=line)
    line.close()
    if as_json:
        console.show_json({"out": str(out), **record.to_dict()})
    else:
        print("\n".join([*summary(record), f"record: {out}/run.json   next: fedkit baselines, then fedkit compare {out} ..."]))


@app.command()
def baselines(
    out: Annotated[Optional[Path], Opt("--out", help="Folder; each baseline gets its own below. Default: runs/DATA-baselines-TIME.")] = None,  # noqa: UP045
    which: Annotated[Optional[str], Opt("--which", help="Comma-separated: majority,frozen-pooled,frozen-local,local,pooled,full. Default: all but full.")] = None,  # noqa: UP045
    data: Data = D.data, text: Text = None, label: Label = None, client: Client = None, encoding: Encoding = None,
    model: ModelName = D.model, clients: Clients = D.clients, examples_per_client: PerClient = None,
    partition: Partition = D.partition, clients_per_round: Cohort = None, rounds: Rounds = D.rounds,
    local_epochs: Epochs = D.local_epochs, batch_size: Batch = D.batch_size, max_tokens: Tokens = D.max_tokens,
    lr: Rate = None, head_lr: HeadRate = D.head_lr, head_start: HeadStart = D.head_start, tune: Tune = D.tune,
    loss: Loss = D.loss, strategy: Strategy = D.strategy, link: LinkSpec = D.link, devices: Devices = D.devices,
    device: Device = D.device, engine: Engine = D.engine, seed: Seed = D.seed, as_json: Json = False,
) -> None:  # fmt: skip
    """What a federated run must beat: majority, frozen encoder, local only, pooled. Same flags as run."""
    from fedkit.baselines import run_baselines as compute
    from fedkit.studio.table import scoreboard, to_text

    config = _config(locals())
    out, line = out or _fresh("runs", f"{data}-baselines"), console.Line()
    records = compute(config, out, which.split(",") if which else None, progress=line)
    line.close()
    if as_json:
        console.show_json({"out": str(out), "runs": {n: r.to_dict() for n, r in records.items()}})
    else:
        print(to_text(scoreboard(records.values())))
        print(f"records: {out}/")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders that hold run folders.")],
    html: Annotated[Path, Opt("--html", help="Where the page goes.")] = Path("runs/compare.html"),
    as_json: Json = False,
) -> None:
    """The scoreboard of several runs, as a table and as one self-contained HTML page."""
    from fedkit.studio.report import write_report
    from fedkit.studio.table import scoreboard, to_text
    from fedkit.studio.verdict import verdict

    records = collect(runs)
    page = write_report(records, html, "What the runs show")
    table, words = scoreboard(records), verdict(records)
    if as_json:
        console.show_json({"html": str(page), "verdict": words, "scoreboard": table.to_dict(orient="records")})
    else:
        print("\n".join([to_text(table), "", *words, f"page: {page}"]))


@app.command()
def demo(
    out: Annotated[Path, Opt("--out", help="Folder for the records and the page; an earlier demo there is replaced.")] = Path("runs/demo"),
    rounds: Rounds = D.rounds, seed: Seed = D.seed, as_json: Json = False,
) -> None:  # fmt: skip
    """Centralized, local only, federated on the bundled data: a scoreboard and a page, in minutes, on a laptop."""
    from fedkit.demo import demo as show

    line = console.Line()
    page, lines, values = show(out, RunConfig(rounds=rounds, seed=seed), line)
    line.close()
    console.show_json(values) if as_json else print("\n".join([*lines, f"page: {page}"]))


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A file or folder of your own, or a bundled name.")],
    text: Text = None, label: Label = None, client: Client = None, encoding: Encoding = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Can this file be used? Exit code 0: ready, 1: with care (see the notes), 2: not as it is."""
    from fedkit.studio.summary import data_summary

    from fedkit.data.load import load_corpus

    corpus = load_corpus(file, text, label, client, encoding)
    facts, lines = data_summary(corpus)
    console.show_json(facts) if as_json else print("\n".join(lines))
    raise typer.Exit(1 if corpus.notes else 0)


@app.command()
def data(
    source: Annotated[Optional[str], typer.Argument(help="A data set to look into; without it: the list of known ones.")] = None,  # noqa: UP045
    text: Text = None, label: Label = None, client: Client = None, encoding: Encoding = None,
    clients: Clients = D.clients, examples_per_client: PerClient = None, partition: Partition = D.partition,
    seed: Seed = D.seed,
    html: Annotated[Optional[Path], Opt("--html", help="Write the picture of who has what here.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:  # fmt: skip
    """List the known data sets, or show who would have what under a partition."""
    from fedkit.studio.summary import known_data, who_has_what_lines

    if source is None:
        facts, lines = known_data()
    else:
        config = RunConfig(data=source, text=text, label=label, client=client, encoding=encoding, clients=clients,
                           examples_per_client=examples_per_client, partition=partition, seed=seed)  # fmt: skip
        facts, lines = who_has_what_lines(config, html)
    console.show_json(facts) if as_json else print("\n".join(lines))


@app.command()
def models(as_json: Json = False) -> None:
    """The known base models, and whether their weights are here."""
    from fedkit.studio.summary import known_models

    facts, lines = known_models()
    console.show_json(facts) if as_json else print("\n".join(lines))


@app.command()
def doctor(
    model: ModelName = D.model,
    out: Annotated[Path, Opt("--out", help="Folder that runs will be written to.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """Check this machine: Python, packages, weights, memory, widgets; says how to mend what fails."""
    from fedkit.doctor import check as look
    from fedkit.doctor import to_json, to_table

    checks = look(model, out)
    print(to_json(checks) if as_json else to_table(checks))
    raise typer.Exit(1 if any(c.ok is False for c in checks) else 0)


@app.command()
def lab(port: Annotated[int, Opt("--port", help="Port on this machine only.")] = 8888) -> None:
    """Open JupyterLab on the first lesson; it listens on this machine only and asks for its token."""
    import subprocess
    import sys

    notebooks = Path(__file__).resolve().parents[1] / "notebooks"
    first = notebooks / "00_start_here.ipynb"
    if not first.is_file():
        raise FedkitError(f"no lessons at {notebooks}; run this from a clone of the project, set up with `make install`")
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", str(first)]
    raise typer.Exit(subprocess.call(command, cwd=notebooks))


def collect(paths: list[Path]) -> list:
    """The records at `paths`: run folders, or folders holding some. Raises FedkitError when there is none."""
    from fedkit.record import Run

    found = []
    for path in paths:
        below = sorted(path.glob("*/run.json")) if path.is_dir() and not (path / "run.json").exists() else [path]
        if not below:
            raise FedkitError(f"no run record in {path}; give folders that `fedkit run --out` or `fedkit baselines --out` wrote")
        found += [Run.load(p) for p in below]
    return found


def _config(given: dict) -> RunConfig:
    values = {k: v for k, v in given.items() if k in D.to_dict()}
    return RunConfig(**{**values, "clients_per_round": parse_cohort(values["clients_per_round"])})


def _fresh(root: str, name: str) -> Path:
    """A new folder name below `root`, from the data's name and the time."""
    from datetime import datetime

    stem = "".join(c if c.isalnum() else "-" for c in Path(name).stem)[:40]
    return Path(root) / f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"


def main(argv: list[str] | None = None) -> int:
    """The entry point: returns the exit code."""
    command = typer.main.get_command(app)
    return console.call(lambda: command.main(argv, prog_name="fedkit", standalone_mode=False))


def script() -> None:
    raise SystemExit(main())


if __name__ == "__main__":
    script()
