"""`fedkit epsilon`: what a noise buys; `fedkit account`: what all runs on a data set have spent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError
from fedkit.privacy.accounting import (
    ADJACENCY,
    Releases,
    compare_accountants,
    describe_sampling,
    epsilon,
    explain_epsilon,
    noise_for_epsilon,
)

if TYPE_CHECKING:
    from fedkit.experiments.account import Account

NAMES = {"pld": "PLD", "rdp": "RDP", "prv": "PRV"}
TEXT = console.TEXT["privacy"]


def epsilon_command(
    rate: float | None = None,
    noise: float | None = None,
    steps: int | None = None,
    delta: float = 1e-5,
    target: float | None = None,
    n: int | None = None,
    batch: float | None = None,
    epochs: float | None = None,
    accountant: str = "pld",
    as_json: bool = False,
) -> None:
    """How much privacy a noise buys, by three accountants; or, with --target, how much noise an
    epsilon needs.

    For noisy sums of clipped gradients or updates, published once a step. Nothing is trained or
    read.
    """
    rate, rate_note = _sampling_rate(rate, n, batch)
    steps, steps_note = _num_steps(steps, epochs, rate)
    _check_one_given("--noise", noise, "--target", target)
    values = compute_epsilon(rate, noise, steps, delta, target, n, accountant)
    values["notes"] = [note for note in (rate_note, steps_note) if note] + values["notes"]
    console.print_result(as_json, values, _epsilon_lines(values))


def compute_epsilon(
    rate: float,
    noise: float | None,
    steps: int,
    delta: float,
    target: float | None = None,
    num_units: int | None = None,
    accountant: str = "pld",
) -> dict[str, Any]:
    """Return what the command prints as JSON; with a target, of the smallest noise for it."""
    if target is not None:
        least = noise_for_epsilon(target, delta, lambda z: [Releases(z, rate, steps)], accountant)
        noise = _round_up(least)
        while epsilon([Releases(noise, rate, steps)], delta, accountant) > target:
            noise = _round_up(noise * 1.000001)
    blocks = [Releases(noise, rate, steps)]
    spent, beside = epsilon(blocks, delta, accountant), compare_accountants(blocks, delta)
    endless = ["epsilon is without bound: no noise is added"] if math.isinf(spent) else []
    meant = explain_epsilon(
        delta, blocks, unit=TEXT["unit"], num_units=num_units, accountant=accountant
    )
    return {
        "epsilon": spent,
        "noise": noise,
        "rate": rate,
        "steps": steps,
        "delta": delta,
        "accountant": accountant,
        "target": target,
        "beside": beside["amplified"],
        "unamplified": beside["unamplified"],
        "adjacency": ADJACENCY,
        "sampling": describe_sampling(blocks),
        "notes": [*endless, *meant],
    }


def _check_one_given(one: str, first: object, other: str, second: object) -> None:
    if (first is None) == (second is None):
        given = "neither" if first is None else "both"
        raise FedkitError(f"{given} of {one} and {other} given; give one of them")


def _sampling_rate(rate: float | None, n: int | None, batch: float | None) -> tuple[float, str]:
    """Return the sampling rate, and a note where it was derived."""
    if n is not None and n < 1:
        raise FedkitError(f"--n {n} given; write how many units there are, 1 or more")
    if batch is None:
        everyone = "rate 1: none was given, so everyone takes part in every step"
        return (1.0, everyone) if rate is None else (rate, "")
    if rate is not None:
        raise FedkitError("both of --rate and --batch given; give one of them")
    if n is None:
        raise FedkitError("--batch given without --n; write how many units it is drawn from: --n N")
    if not 0 < batch <= n:
        raise FedkitError(f"--batch {batch:g} given; it is above 0 and at most --n {n}")
    how = "(batches by Poisson sampling, so their size varies)"
    return batch / n, f"rate {batch / n:.6g} = batch {batch:g} / n {n:,} {how}"


def _num_steps(steps: int | None, epochs: float | None, rate: float) -> tuple[int, str]:
    """Return the number of steps, and a note where it was derived."""
    _check_one_given("--steps", steps, "--epochs", epochs)
    if steps is not None:
        return steps, ""
    if not 0 < epochs < 1e6:
        raise FedkitError(f"--epochs {epochs:g} given; write a number above 0, such as 10")
    Releases(1.0, rate)  # a rate that cannot be is said first
    steps = max(1, round(epochs / rate))
    return steps, f"steps {steps:,} = epochs {epochs:g} / rate {rate:.6g}"


def _round_up(noise: float) -> float:
    """Return noise rounded up to the five digits that are printed."""
    unit = 10.0 ** (math.floor(math.log10(noise)) - 4)
    return float(f"{math.ceil(noise / unit - 1e-9) * unit:.5g}")


def _epsilon_lines(values: dict[str, Any]) -> list[str]:
    """Return lines: epsilon, by each accountant, without amplification, and what it means."""
    noise, wanted = f"noise {values['noise']:.5g}", values["target"]
    rest = f"rate {values['rate']:.6g}, {values['steps']:,} steps, delta {values['delta']:g}"
    asked = "" if wanted is None else f"{noise} is the smallest for epsilon {wanted:g}\n"
    spent, accountant = _format_epsilon(values["epsilon"]), NAMES[values["accountant"]]
    return [
        f"{asked}epsilon {spent} ({accountant}; {noise}, {rest})",
        f"  by each accountant:    {_by_accountant(values['beside'])}",
        f"  without amplification: {_by_accountant(values['unamplified'])}",
        *values["notes"],
    ]


def _by_accountant(by_name: dict[str, float | None]) -> str:
    return ", ".join(f"{NAMES[name]} {_format_epsilon(spent)}" for name, spent in by_name.items())


def _format_epsilon(spent: float | None) -> str:
    if spent is None:
        return "cannot say"
    if math.isinf(spent):
        return "without bound (no noise)"
    return f"{spent:.4f}" if spent < 100 else f"{spent:,.0f}"


# ---- what has been spent


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
        return console.print_json(values if data is None else values[0])
    lines = [line for a in found for line in _account_lines(a, data is not None)]
    folder = f"accounts: {account.accounts_folder()}"
    console.print_lines([*(lines or ["no private run has been made"]), TEXT["not_counted"], folder])


def _account_lines(account: Account, each: bool) -> list[str]:
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
        alone = f"epsilon {format_epsilon(spent([e], e.delta))} (delta {format_delta(e.delta)})"
        lines.append(f"  {e.when}  {e.privacy}: {alone}, {state}, {e.what}{seeded}")
    return lines
