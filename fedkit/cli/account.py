"""`fedkit account`: what all private runs on a data set have spent together, and its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError

if TYPE_CHECKING:
    from fedkit.experiments.account import Account

EPILOG = """\b
Examples:
  fedkit account                       every data set with private runs
  fedkit account my.csv                its runs; also a run's folder, or a sha256
  fedkit account my.csv --limit-example 8   as its owner: no run may go past that
Nothing that was spent can be taken back. Data of which one byte was changed is
other data here, with an account of its own: right for data that was replaced,
and a way around the limit for who may change the file.
"""
NOT_COUNTED = (
    "not counted: runs and baselines without privacy, and choices made by their results; runs on"
    " another computer or by another user, unless FEDKIT_ACCOUNTS names one folder for all"
)


LIMIT = "The most that all runs may spend together, per {}: a run past it is refused."


def account_command(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA|RUN]",
            help="A data set as in `fedkit run`, a run's folder, or the beginning of a sha256.",
        ),
    ] = None,
    limit_example: Annotated[
        float | None, flags.number_option("--limit-example", "EPS", LIMIT.format("example"))
    ] = None,
    limit_client: Annotated[
        float | None, flags.number_option("--limit-client", "EPS", LIMIT.format("client"))
    ] = None,
    delta: Annotated[
        float | None,
        flags.number_option(
            "--delta", "D", "Of the limit. Not given: as before, or the largest of the runs."
        ),
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """What all private runs on a data set have spent together, run by run, and the owner's limit.

    Sweeps, second runs, stopped and discarded ones count. A data set is known by its bytes.
    """
    from fedkit.experiments import account

    limits = {"example": limit_example, "client": limit_client}
    given = {unit: eps for unit, eps in limits.items() if eps is not None}
    if (given and data is None) or (delta is not None and not given):
        raise FedkitError(
            "a limit needs its data, and --delta a limit: fedkit account DATA --limit-example 8"
        )
    found = account.read_accounts() if data is None else [account.find_account(data)]
    for unit, eps in given.items():
        found = [account.set_limit(found[0], unit, eps, delta)]
    if as_json:
        values = [a.to_dict() for a in found]
        console.print_json(values if data is None else values[0])
        return
    lines = [line for a in found for line in _lines(a, data is not None)]
    folder = f"accounts: {account.accounts_folder()}"
    console.print_lines([*(lines or ["no private run has been made"]), NOT_COUNTED, folder])


def _lines(account: Account, each: bool) -> list[str]:
    """Return a line for each unit and, if wanted, one for each run."""
    from fedkit.experiments.account import spent
    from fedkit.results.privacy_promise import format_delta, format_epsilon

    if account.bundled:
        return [f"{account.name} is the kit's own, synthetic: nobody's, and no run is entered"]
    units = [u for u in ("example", "client") if u in account.limits or account.runs(u)]
    lines = [account.describe(unit) for unit in units or ["example"]]
    for e in account.entries if each else ():
        state = "finished" if e.finished else "not finished"
        seeded = "; its noise follows the seed, for study" if e.seeded else ""
        alone = format_epsilon(spent([e], e.delta))
        lines.append(
            f"  {e.when}  {e.privacy}: epsilon {alone} (delta {format_delta(e.delta)}), {state},"
            f" {e.what}{seeded}"
        )
    return lines
