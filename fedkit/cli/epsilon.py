"""`fedkit epsilon`: the epsilon of a noise, or the noise for an epsilon; nothing is trained."""

from __future__ import annotations

import math
from typing import Any

from fedkit.cli import console
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

UNIT = (
    "whatever was clipped to the sensitivity that the noise is measured in:"
    " an example, or a client with all it has"
)
NAMES = {"pld": "PLD", "rdp": "RDP", "prv": "PRV"}


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
    values = compute_epsilon(rate, noise, steps, delta, target, n, batch, epochs, accountant)
    console.print_result(as_json, values, _lines(values))


def compute_epsilon(
    rate: float | None,
    noise: float | None,
    steps: int | None,
    delta: float,
    target: float | None,
    n: int | None,
    batch: float | None,
    epochs: float | None,
    accountant: str,
) -> dict[str, Any]:
    """Return what the command prints as JSON.

    Raises FedkitError for flags that are incomplete or contradict each other.
    """
    rate, rate_note = _sampling_rate(rate, n, batch)
    steps, steps_note = _num_steps(steps, epochs, rate)
    _check_one_given("--noise", noise, "--target", target)
    if target is not None:
        least = noise_for_epsilon(target, delta, lambda z: [Releases(z, rate, steps)], accountant)
        noise = _round_up(least)
        while epsilon([Releases(noise, rate, steps)], delta, accountant) > target:
            noise = _round_up(noise * 1.000001)
    blocks = [Releases(noise, rate, steps)]
    spent, beside = epsilon(blocks, delta, accountant), compare_accountants(blocks, delta)
    endless = "epsilon is without bound: no noise is added" if math.isinf(spent) else ""
    notes = [note for note in (rate_note, steps_note, endless) if note]
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
        "notes": [
            *notes,
            *explain_epsilon(delta, blocks, unit=UNIT, num_units=n, accountant=accountant),
        ],
    }


def _check_one_given(one: str, first: object, other: str, second: object) -> None:
    if (first is None) == (second is None):
        raise FedkitError(
            f"{'neither' if first is None else 'both'} of {one} and {other} given; give one of them"
        )


def _sampling_rate(rate: float | None, n: int | None, batch: float | None) -> tuple[float, str]:
    """Return the sampling rate, and a note where it was derived."""
    if n is not None and n < 1:
        raise FedkitError(f"--n {n} given; write how many units there are, 1 or more")
    if batch is None:
        return (
            (1.0, "rate 1: none was given, so everyone takes part in every step")
            if rate is None
            else (rate, "")
        )
    if rate is not None:
        raise FedkitError("both of --rate and --batch given; give one of them")
    if n is None:
        raise FedkitError("--batch given without --n; write how many units it is drawn from: --n N")
    if not 0 < batch <= n:
        raise FedkitError(f"--batch {batch:g} given; it is above 0 and at most --n {n}")
    return (
        batch / n,
        (
            f"rate {batch / n:.6g} = batch {batch:g} / n {n:,}"
            " (batches by Poisson sampling, so their size varies)"
        ),
    )


def _round_up(noise: float) -> float:
    """Return noise rounded up to the five digits that are printed."""
    unit = 10.0 ** (math.floor(math.log10(noise)) - 4)
    return float(f"{math.ceil(noise / unit - 1e-9) * unit:.5g}")


def _num_steps(steps: int | None, epochs: float | None, rate: float) -> tuple[int, str]:
    """Return the number of steps, and a note where it was derived."""
    _check_one_given("--steps", steps, "--epochs", epochs)
    if steps is not None:
        return steps, ""
    if not 0 < epochs < 1e6:
        raise FedkitError(f"--epochs {epochs:g} given; write a number above 0, such as 10")
    Releases(1.0, rate)  # a rate that cannot be is said first
    return (
        max(1, round(epochs / rate)),
        f"steps {max(1, round(epochs / rate)):,} = epochs {epochs:g} / rate {rate:.6g}",
    )


def _lines(values: dict[str, Any]) -> list[str]:
    """Return lines: epsilon, by each accountant, without amplification, and what it means."""
    named = (
        f"noise {values['noise']:.5g},"
        f" rate {values['rate']:.6g}, {values['steps']:,} steps, delta {values['delta']:g}"
    )
    wanted = values["target"]
    asked = (
        ""
        if wanted is None
        else f"noise {values['noise']:.5g} is the smallest for epsilon {wanted:g}\n"
    )
    return [
        f"{asked}epsilon {_format_epsilon(values['epsilon'])}"
        f" ({NAMES[values['accountant']]}; {named})",
        f"  by each accountant:    {_by_accountant(values['beside'])}",
        f"  without amplification: {_by_accountant(values['unamplified'])}",
        *values["notes"],
    ]


def _by_accountant(by_name: dict[str, float | None]) -> str:
    return ", ".join(f"{NAMES[name]} {_format_epsilon(spent)}" for name, spent in by_name.items())


def _format_epsilon(spent: float | None) -> str:
    if spent is None:
        return "cannot say"
    return (
        "without bound (no noise)"
        if math.isinf(spent)
        else f"{spent:.4f}"
        if spent < 100
        else f"{spent:,.0f}"
    )
