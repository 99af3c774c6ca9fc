"""The command line's flags: parameters with words from help.toml, grouped in --help.

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
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from fedkit.core.config import RunConfig
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.files import make_folder, read_packaged_table

DEFAULTS = RunConfig()
WORDS = read_packaged_table("fedkit.cli", "help.toml")
GROUPS: dict[str, str] = WORDS["groups"]


class Command(TyperCommand):
    """A command whose --help shows its options in groups, and which Ctrl-C ends in one line."""

    def format_options(self, ctx, formatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if row := _row(param, ctx):
                group = getattr(param, "rich_help_panel", None) or GROUPS["options"]
                is_argument = param.param_type_name == "argument"
                groups.setdefault(GROUPS["arguments"] if is_argument else group, []).append(row)
        for name in sorted(groups, key=list(GROUPS.values()).index):
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


def named_path(text: str) -> Path:
    """Return the path that was given; an empty one, as of an unset variable, is refused."""
    if not str(text).strip():
        raise typer.BadParameter("is empty; name a folder or a file, or '.' for this folder")
    return Path(text)


# by type, or by name
PARSERS = {int: parse_whole, float: parse_number, "out": named_path, "html": named_path}


def _by_name(tables: dict[str, Any]) -> dict[str, tuple]:
    """Return {parameter: (group, metavar, help)} of the groups among `tables`."""
    return {
        name: (group, *(words if isinstance(words, list) else (None, words)))
        for group in GROUPS
        for name, words in tables.get(group, {}).items()
    }


def _setting(name: str) -> inspect.Parameter:
    field = RunConfig.__dataclass_fields__[name]
    kind = str | None if "parse" in field.metadata else get_type_hints(RunConfig)[name]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=kind
    )


SETTINGS = {name: _setting(name) for name in _by_name(WORDS["settings"])}
SHARED_WORDS = _by_name(WORDS["settings"]) | _by_name(WORDS["shared"])


def read_settings(given: dict[str, Any]) -> RunConfig:
    """Return the settings among a command's parameters; FedkitError for what cannot be read."""
    known = [f for f in fields(RunConfig) if f.name in given]
    parsed = {f.name: f.metadata["parse"](given[f.name]) for f in known if "parse" in f.metadata}
    return RunConfig(**({f.name: given[f.name] for f in known} | parsed))


def add_command(app: typer.Typer, function: Callable[..., None]) -> None:
    """Add a function to `app` as a command that has a flag or an argument for each parameter.

    The words come from help.toml, parsing and default from the parameter. A parameter `config`
    becomes a flag for every setting of RunConfig, and gets the settings that were read.
    """
    name = function.__name__.removesuffix("_command")
    words = WORDS["commands"][name]
    own = dict(inspect.signature(function, eval_str=True).parameters)
    settings: dict[str, inspect.Parameter] = {}
    if own.pop("config", None):
        settings = {n: p for n, p in SETTINGS.items() if not (n == "seed" and "seeds" in own)}

    def command(**given: Any) -> None:
        if settings:
            given["config"] = read_settings({n: given.pop(n) for n in settings})
        function(**given)

    described = SHARED_WORDS | _by_name(words)
    parameters = [_with_words(p, described) for p in (own | settings).values()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = function.__doc__
    app.command(name, cls=Command, epilog=words.get("epilog"), short_help=words["short"])(command)


def _with_words(parameter: inspect.Parameter, described: dict[str, tuple]) -> inspect.Parameter:
    """Return a parameter as a keyword with the option or argument that typer makes of it."""
    name, kind = parameter.name, parameter.annotation
    if kind is not typer.Context:
        group, metavar, help = described[name]
        parsers = [PARSERS[k] for k in (kind, *get_args(kind), name) if k in PARSERS]
        words: dict[str, Any] = {"metavar": metavar, "help": help, "parser": (*parsers, None)[0]}
        flag = "--" + name.removeprefix("as_").replace("_", "-")
        option = typer.Option(flag, rich_help_panel=GROUPS[group], **words)
        kind = Annotated[kind, typer.Argument(**words) if group == "arguments" else option]
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind)


def given_names(ctx: typer.Context) -> set[str]:
    """Return the names of the parameters that were given on the command line."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {n for n, source in sources.items() if getattr(source, "name", "") == "COMMANDLINE"}


def page_path(path: Path) -> Path:
    """Return `path` with its folder made; FedkitError for a file that is not .html."""
    if path.suffix.lower() not in (".html", ".htm") and not path.is_dir():
        raise FedkitError(
            f"--html {str(path)!r} given; name a file that ends with .html, or a folder that exists"
        )
    make_folder(path.parent)
    return path


def drop_missing(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def require_between(flag: str, value: int, low: int, high: int) -> None:
    """Raise FedkitError for a value outside of low to high."""
    if not low <= value <= high:
        raise FedkitError(f"{flag} {value} given; write a whole number from {low} to {high}")
