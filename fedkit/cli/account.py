"""`fedkit account`: what all private runs on a data set have spent together, and its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError

if TYPE_CHECKING:
    from fedkit.experiments.account import Account

NOT_COUNTED = (
    "not counted: runs and baselines without privacy, and choices made by their results; runs on"
    " another computer or by another user, unless FEDKIT_ACCOUNTS names one folder for all"
)


def account_command(
    data: str | None = None,
    limit_example: float | None = None,
    limit_client: float | None = None,
    delta: float | None = None,
    as_json: bool = False,
) -> None:
    """What all private runs on a data set have spent together, run by run, and the owner's limit.

    Sweeps, second runs, stopped and discarded ones count. A data set is known by its bytes.
    """
    from fedkit.experiments import account

    given = flags.drop_missing(example=limit_example, client=limit_client)
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
