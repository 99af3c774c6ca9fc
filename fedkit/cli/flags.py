"""The command line's flags, each defined once and grouped in --help.

A flag is read into a value or one clear error. Nothing heavy is imported here, so that --help is
quick; a test checks that every entry of the kit's registries (TUNERS, PARTITIONS, LINKS, ...) is
named in the help of its flag.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fedkit.core.config import RunConfig, parse_cohort
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.files import make_folder

DEFAULTS = RunConfig()
GROUPS = (
    "Data",
    "Who has what",
    "Model",
    "Rounds and training",
    "Privacy",
    "What goes wrong (changes learning)",
    "Simulated sites (change seconds only, unless time decides who counts)",
    "This machine",
    "Where it goes",
)
DATA, DEALT, MODEL, TRAINING, PRIVATE, TROUBLE, WORLD, MACHINE, OUTPUT = GROUPS


class Command(TyperCommand):
    """A command whose --help shows its options in groups, and which Ctrl-C ends in one line."""

    def format_options(self, ctx, formatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if row := _row(param, ctx):
                groups.setdefault(_group(param), []).append(row)
        for name in sorted(groups, key=("Arguments", *GROUPS, "Options").index):
            with formatter.section(name):
                formatter.write_dl(groups[name])

    def collect_usage_pieces(self, ctx) -> list[str]:
        arguments = [
            p.metavar or p.name for p in self.get_params(ctx) if p.param_type_name == "argument"
        ]
        return [self.options_metavar or "", *arguments]

    def parse_args(self, ctx, args) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            # the parser does not always say whose --help to read
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx
            raise

    def invoke(self, ctx) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Cancelled("stopped") from None


def _group(param) -> str:
    return (
        "Arguments"
        if param.param_type_name == "argument"
        else getattr(param, "rich_help_panel", None) or "Options"
    )


def _row(param, ctx) -> tuple[str, str] | None:
    record = param.get_help_record(ctx)
    if record and param.param_type_name == "argument":
        return param.metavar or param.name, param.help or record[1]
    # some versions of typer escape it for rich
    return record and (record[0], record[1].replace("\\[", "["))


def parse_whole(text: Any) -> int:
    """Return a flag's value as a whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} given; write a whole number") from None


def parse_number(text: Any) -> float:
    """Return a flag's value as a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} given; write a number such as 0.001") from None
    return value


def _option(group: str, name: str, metavar: str | None, help: str, **more: Any) -> Any:
    return typer.Option(name, metavar=metavar, help=help, rich_help_panel=group, **more)


Data = Annotated[
    str,
    _option(
        DATA,
        "--data",
        "NAME|PATH",
        "A bundled set (service_desk),"
        " one from the hub (banking77, clinc150, ag_news, 20newsgroups, hub:OWNER/NAME),"
        " a file (.csv .tsv .xlsx .parquet .jsonl), or a folder with train.csv and test.csv.",
    ),
]
Text = Annotated[
    str | None,
    _option(
        DATA,
        "--text",
        "COL",
        "The column that holds the text. Not given: guessed, and the guess is said.",
    ),
]
Label = Annotated[
    str | None,
    _option(
        DATA,
        "--label",
        "COL",
        "The column that holds the label. Not given: guessed, and the guess is said.",
    ),
]
Client = Annotated[
    str | None,
    _option(
        DATA, "--client", "COL", "The column that says whose each row is (company, branch, ...)."
    ),
]
Encoding = Annotated[
    str | None,
    _option(
        DATA,
        "--encoding",
        "E",
        "Of text files, such as cp932 or latin-1. Not given: utf-8, then cp932.",
    ),
]

Clients = Annotated[
    int,
    _option(
        DEALT,
        "--clients",
        "N",
        "Number of sites. A partition by column takes its own number.",
        parser=parse_whole,
    ),
]
PerClient = Annotated[
    int | None,
    _option(
        DEALT,
        "--examples-per-client",
        "N",
        "Training examples per site, 8 or more. Not given: all there are.",
        parser=parse_whole,
    ),
]
Partition = Annotated[
    str,
    _option(
        DEALT,
        "--partition",
        "HOW",
        "auto (by the client column if there is one, else iid),"
        " iid (all alike), dirichlet:A (unlike label mixes, the smaller A the more),"
        " quantity:A (unlike sizes), column:COL (a site for each of its values).",
    ),
]

RecordedData = Annotated[
    str | None,
    _option(DATA, "--data", "NAME|PATH", "Repeats the run's, where only its record names it."),
]
RecordedModel = Annotated[
    str | None,
    _option(MODEL, "--model", "NAME|PATH", "Repeats the run's, where only its record names it."),
]
ModelName = Annotated[
    str,
    _option(
        MODEL,
        "--model",
        "NAME|PATH",
        "The base model that all share: minilm, a folder, or a hub id. See: fedkit models.",
    ),
]
Tune = Annotated[
    str,
    _option(
        MODEL,
        "--tune",
        "WHAT",
        "What is trained: lora[:r=8,alpha=16,layers=N]"
        " (small matrices beside the frozen model; layers: in its last N layers only),"
        " rslora, dora, ia3, prefix, prompt, ptuning, adapter, bitfit, layernorm,"
        " last (whole layers), head (the last layer only), full (everything). See: fedkit methods.",
    ),
]
Tokens = Annotated[
    int,
    _option(
        MODEL,
        "--max-tokens",
        "N",
        "Texts are cut after this many tokens (word pieces).",
        parser=parse_whole,
    ),
]

Rounds = Annotated[
    int,
    _option(TRAINING, "--rounds", "N", "How often the sites train and send.", parser=parse_whole),
]
Cohort = Annotated[
    str | None,
    _option(
        TRAINING,
        "--clients-per-round",
        "N|FRACTION",
        "Sites drawn for each round: a number (5) or a fraction (0.2). Not given: all.",
    ),
]
Epochs = Annotated[
    int,
    _option(
        TRAINING,
        "--local-epochs",
        "N",
        "Passes of a site over its own examples in a round.",
        parser=parse_whole,
    ),
]
Batch = Annotated[
    int, _option(TRAINING, "--batch-size", "N", "Examples per gradient step.", parser=parse_whole)
]
Rate = Annotated[
    float | None,
    _option(
        TRAINING,
        "--lr",
        "X",
        "Learning rate of what is tuned."
        " Not given: the method's own (0.003 for lora, 0.0001 for full).",
        parser=parse_number,
    ),
]
HeadRate = Annotated[
    float,
    _option(
        TRAINING, "--head-lr", "X", "Learning rate of the last layer (head).", parser=parse_number
    ),
]
HeadStart = Annotated[
    str,
    _option(
        TRAINING,
        "--head-start",
        "HOW",
        "class-means (the sites' mean vectors per label, exchanged once before round 1),"
        " analytic (a ridge regression on everybody's sentence vectors, exact in one exchange),"
        " discriminant (the same for a linear discriminant), or zero.",
    ),
]
Loss = Annotated[
    str,
    _option(
        TRAINING,
        "--loss",
        "NAME",
        "calibrated (evens out unlike label mixes),"
        " balanced (as if all labels were as common), plain (cross-entropy).",
    ),
]
Strategy = Annotated[
    str,
    _option(
        TRAINING,
        "--strategy",
        "NAME",
        "Against drift between sites, and what the server does with what they send:"
        " fedavg, fedprox, fedavgm, fedadagrad, fedadam,"
        " fedyogi, scaffold, fednova, fedlc, qfedavg, fedbuff (asynchronous). See: fedkit methods.",
    ),
]
Weights = Annotated[
    str,
    _option(
        TRAINING, "--weights", "NAME", "How much each site counts: examples, uniform, validation."
    ),
]
Robust = Annotated[
    str,
    _option(
        TRAINING,
        "--robust",
        "NAME",
        "Against updates that are not like the others:"
        " none, median, trimmed, clip, krum, multikrum, geomedian.",
    ),
]
Optimizer = Annotated[
    str,
    _option(
        TRAINING, "--optimizer", "NAME", "Of a site's gradient steps: adamw, or sgd[:momentum=0.9]."
    ),
]
Aggregate = Annotated[
    str,
    _option(
        TRAINING,
        "--aggregate",
        "NAME",
        "How the sites' LoRA pairs become one:"
        " mean, ffa, rolora, flora, fedex, flexlora, hetlora, fedsa.",
    ),
]
Share = Annotated[
    str,
    _option(
        TRAINING,
        "--share",
        "PATTERN",
        "Which trained tensors travel:"
        " all, or parts of their names such as 'lora_A|head'; the others stay at their site.",
    ),
]
Wire = Annotated[
    str,
    _option(
        TRAINING,
        "--wire",
        "STAGE+...",
        "How what travels is made small:"
        " none, or stages such as ef21+topk:0.05+int4+ans. See: fedkit methods.",
    ),
]
WireDown = Annotated[
    str | None,
    _option(
        TRAINING,
        "--wire-down",
        "STAGE+...",
        "The same for the way back. Not given: as --wire, where that can be.",
    ),
]
Privacy = Annotated[
    str,
    _option(
        PRIVATE,
        "--privacy",
        "UNIT:...",
        "Differential privacy: none; example:eps=8,delta=1e-5[,clip=1]"
        " (how well anyone can tell whether one text was there is bounded by eps);"
        " client (whether a site took part);"
        " ftrl (the same where sampling cannot be trusted). See: fedkit methods.",
    ),
]
Secure = Annotated[
    str,
    _option(
        PRIVATE,
        "--secure",
        "NAME",
        "So that the server reads the sum alone:"
        " none, masks (secure aggregation; not secure, for teaching),"
        " ckks (homomorphic encryption, by TenSEAL).",
    ),
]
Seed = Annotated[
    int,
    _option(TRAINING, "--seed", "N", "Same seed, same machine: same numbers.", parser=parse_whole),
]

Faults = Annotated[
    str,
    _option(
        TROUBLE,
        "--faults",
        "KIND=RATE,...",
        "How often, for every site and round alike:"
        " lost (upload), crash (in training), late (upload), away (this round), leave (for good),"
        " join (comes only later), twice (upload comes double). Such as lost=0.1,crash=0.05.",
    ),
]
Attack = Annotated[
    str,
    _option(
        TROUBLE,
        "--attack",
        "NAME:N",
        "N sites that send harm: sign-flip,"
        " scale, noise, label-flip, nan, inf, shape, name, truncate, bit-flip.",
    ),
]
Deadline = Annotated[
    float | None,
    _option(
        TROUBLE,
        "--deadline",
        "SECONDS",
        "Simulated seconds that the server waits in a round. Not given: for the last site.",
        parser=parse_number,
    ),
]
Late = Annotated[
    str,
    _option(
        TROUBLE,
        "--late",
        "WHAT",
        "Of an upload after the deadline: drop, or carry (it counts in the next round).",
    ),
]

LinkSpec = Annotated[
    str,
    _option(
        WORLD,
        "--link",
        "SPEED/DELAY",
        "Each site's line, DOWN[:UP]/LATENCY such as 20mbps:2mbps/60ms; or field-64k, 1mbit,"
        " dsl, office-10m, 4g, satellite, office-100m, lan-1g; or a mix such as dsl=0.5,4g=0.5.",
    ),
]
Devices = Annotated[
    str,
    _option(
        WORLD,
        "--devices",
        "NAME|MIX",
        "Each site's computer against this one:"
        " as-measured, half-speed, quarter-speed, tenth-speed, old-pc,"
        " laptop, workstation, gpu-server, phone; or a mix such as old-pc=0.7,gpu-server=0.3.",
    ),
]
ServerLink = Annotated[
    str | None,
    _option(
        WORLD,
        "--server-link",
        "SPEED",
        "The line that all sites share at the server. Not given: wide enough.",
    ),
]
Pace = Annotated[
    float | None,
    _option(
        WORLD,
        "--pace",
        "SECONDS",
        "Training seconds per example where time decides (deadline, faults, fedbuff)."
        " Not given: from the model's size.",
        parser=parse_number,
    ),
]

Device = Annotated[
    str, _option(MACHINE, "--device", "NAME", "Where to compute: auto, cpu, cuda, mps.")
]
Engine = Annotated[
    str,
    _option(
        MACHINE,
        "--engine",
        "NAME",
        "How sites are computed: fast (several in one batch), plain (one after another;"
        " equal but for rounding), auto (fast where it can be: not for full tuning).",
    ),
]

Resume = Annotated[
    bool,
    _option(OUTPUT, "--resume", None, "Go on with the run in --out, with the settings it has."),
]
Which = Annotated[
    str | None,
    _option(
        TRAINING,
        "--which",
        "A,B,...",
        "Some of: majority, frozen-pooled, frozen-local, local, pooled, full."
        " Not given: all but full, the longest.",
    ),
]
Json = Annotated[bool, _option(OUTPUT, "--json", None, "Print JSON for programs on stdout.")]


def read_settings(given: dict[str, Any]) -> RunConfig:
    """Return the settings among a command's parameters; FedkitError for what cannot be read."""
    values = {f.name: given[f.name] for f in fields(RunConfig) if f.name in given}
    if "clients_per_round" in values:
        values["clients_per_round"] = parse_cohort(values["clients_per_round"])
    return RunConfig(**values)


def with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Return the command with a flag for every setting in place of its parameter `config`.

    `config` gets the settings that were read.
    """
    own = {
        n: p
        for n, p in inspect.signature(function, eval_str=True).parameters.items()
        if n != "config"
    }
    many = "seeds" in own  # a command for many seeds has no --seed
    setting_flags = {n: kind for n, kind in FLAGS.items() if not (many and n == "seed")}

    def command(**given: Any) -> None:
        chosen_now = read_settings({name: given.pop(name) for name in setting_flags})
        function(config=chosen_now, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    flags = [
        inspect.Parameter(n, keyword, default=getattr(DEFAULTS, n), annotation=kind)
        for n, kind in setting_flags.items()
    ]
    command.__signature__ = inspect.Signature(
        [*(p.replace(kind=keyword) for p in own.values()), *flags]
    )
    command.__annotations__ = {n: p.annotation for n, p in own.items()} | setting_flags
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    return command


def given_names(ctx: typer.Context) -> set[str]:
    """Return the names of the parameters that were given on the command line."""
    return {
        name
        for name in ctx.params
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


def out_option(help: str) -> Any:
    """Return the flag --out of a command."""
    return typer.Option(
        "--out", metavar="DIR", help=help, rich_help_panel=OUTPUT, parser=named_path
    )


def number_option(name: str, metavar: str, help: str) -> Any:
    """Return a flag that takes a number."""
    return typer.Option(name, metavar=metavar, parser=parse_number, help=help)


def whole_option(name: str, metavar: str, help: str) -> Any:
    """Return a flag that takes a whole number."""
    return typer.Option(name, metavar=metavar, parser=parse_whole, help=help)


def named_path(text: str) -> Path:
    """Return the path that was given; an empty one, as of an unset variable, is refused."""
    if not str(text).strip():
        raise typer.BadParameter("is empty; name a folder or a file, or '.' for this folder")
    return Path(text)


def page_path(path: Path) -> Path:
    """Return `path` with its folder made; FedkitError for a file that is not .html."""
    if path.suffix.lower() not in (".html", ".htm") and not path.is_dir():
        raise FedkitError(
            f"--html {str(path)!r} given; name a file that ends with .html, or a folder that exists"
        )
    make_folder(path.parent)
    return path


FLAGS: dict[str, Any] = {  # name in RunConfig -> flag
    "data": Data,
    "text": Text,
    "label": Label,
    "client": Client,
    "encoding": Encoding,
    "clients": Clients,
    "examples_per_client": PerClient,
    "partition": Partition,
    "model": ModelName,
    "tune": Tune,
    "max_tokens": Tokens,
    "rounds": Rounds,
    "clients_per_round": Cohort,
    "local_epochs": Epochs,
    "batch_size": Batch,
    "lr": Rate,
    "head_lr": HeadRate,
    "head_start": HeadStart,
    "loss": Loss,
    "optimizer": Optimizer,
    "strategy": Strategy,
    "weights": Weights,
    "robust": Robust,
    "aggregate": Aggregate,
    "share": Share,
    "wire": Wire,
    "wire_down": WireDown,
    "seed": Seed,
    "privacy": Privacy,
    "secure": Secure,
    "faults": Faults,
    "attack": Attack,
    "deadline": Deadline,
    "late": Late,
    "link": LinkSpec,
    "devices": Devices,
    "server_link": ServerLink,
    "pace": Pace,
    "device": Device,
    "engine": Engine,
}


def named_sources(data: str | None, model: str | None) -> dict[str, str]:
    """Return the data and the model that the user repeated, by setting."""
    return {k: v for k, v in (("data", data), ("model", model)) if v is not None}
