"""`fedkit audit`: attacks on a run's mechanism and model, compared with what it promised."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError

if TYPE_CHECKING:
    from fedkit.audit.canary import AuditResult
    from fedkit.audit.membership import MembershipResult
    from fedkit.audit.recorded_run import AuditedPromise

MIN_TRIALS, MAX_TRIALS = 40, 100_000
DEFAULT_TRIALS = 500
TEXT = console.TEXT["audit"]


def audit_command(
    run: Path | None = None,
    demo: bool = False,
    trials: int | None = None,
    data: str | None = None,
    model: str | None = None,
    as_json: bool = False,
) -> None:
    """Play a distinguishing game against the run's privacy mechanism, and ask its model who was in
    the training data.

    Prints the epsilon that the game proves beside the largest it could have shown and the promised
    one.
    """
    if trials is not None:
        flags.require_between("--trials", trials, MIN_TRIALS, MAX_TRIALS)
    if (run is None) != demo:
        raise FedkitError("give either the folder of a run, or --demo")
    given = flags.drop_missing(data=data, model=model)
    lines, values, bad = (
        audit_demo(trials) if demo else audit_record(run, trials or DEFAULT_TRIALS, given)
    )
    console.print_result(as_json, values, lines)
    raise typer.Exit(1 if bad else 0)


def audit_demo(trials: int | None) -> tuple[list[str], dict[str, Any], bool]:
    """Return (lines, values for JSON, whether a result is not as expected) of the demonstration."""
    with console.ProgressLine() as line:
        from fedkit.audit.recorded_run import audit_demo_mechanisms

        results = audit_demo_mechanisms(trials, tell=line.update)
    bad = any(r.caught == (r.broken is None) for r in results.values())
    values = {name: asdict(r) for name, r in results.items()}
    return (
        [*game_table(results), "", TEXT["game"], TEXT["no_proof"]],
        {"settings": values, "as_expected": not bad},
        bad,
    )


def audit_record(
    folder: Path, trials: int, given: dict[str, str]
) -> tuple[list[str], dict[str, Any], bool]:
    """Return (lines, values for JSON, whether the promise is broken) of one run.

    given: data and model that the user repeated, see `recorded_config`.
    """
    with console.ProgressLine() as line:
        from fedkit.audit.canary import audit_mechanism
        from fedkit.audit.recorded_run import attack_recorded_model, recorded_promise
        from fedkit.core.record import Run

        record = Run.load(folder)
        promise, result, attacks, reason = recorded_promise(record, trials), None, [], ""
        if promise and promise.setting:
            line.update(f"training {2 * trials} times, with and without a canary ...")
            result = audit_mechanism(promise.setting, trials)
        try:
            attacks = attack_recorded_model(
                record,
                folder if folder.is_dir() else folder.parent,
                promise,
                line.update,
                given=given,
            )
        except FedkitError as error:
            if promise is None:
                raise
            reason = str(error)
    lines = [
        *audited_promise_lines(promise, result),
        "",
        *membership_lines(attacks, reason),
        TEXT["no_proof"],
    ]
    values = {
        "run": str(folder),
        "promise": promise and _promise_json(promise),
        "game": result and asdict(result),
        "membership": [a.to_dict() for a in attacks],
        "skipped": reason,
    }
    return lines, values, bool(result and result.caught)


def _promise_json(p: AuditedPromise) -> dict[str, Any]:
    return {"epsilon": p.epsilon, "delta": p.delta, "unit": p.unit, "note": p.why}


def audited_promise_lines(promise: AuditedPromise | None, result: AuditResult | None) -> list[str]:
    if promise is None:
        return ["The run was made without privacy: there is no promise to check."]
    lines = [
        f"promised: epsilon {promise.epsilon:.3g} at delta {promise.delta:g},"
        f" for one {promise.unit} added or removed"
    ]
    if result is None:
        return [*lines, f"The game was not played: {promise.why}."]
    part = (
        [f"({promise.why}: 'promised' below is meant for what is played.)"] if promise.why else []
    )
    return [*lines, *part, *game_table({"this run's mechanism": result}), "", TEXT["game"]]


def game_table(results: dict[str, AuditResult]) -> list[str]:
    """Return a head and one line for each game."""
    width = max(map(len, results))
    head = (
        f"{'mechanism':{width}}  proven (at most)  if Gaussian  promised   TPR    FPR  trials "
        " verdict"
    )
    return [
        head,
        *(
            f"{name:{width}}  {r.lower:6.2f} ({r.most:5.2f})   {r.implied:10.2f}  {r.upper:8.2f} "
            f" {r.tpr:5.3f}  {r.fpr:5.3f}  {r.trials:6}  {r.verdict}"
            for name, r in results.items()
        ),
    ]


def membership_lines(attacks: list[MembershipResult], reason: str) -> list[str]:
    if not attacks:
        return [f"Membership inference was left out: {reason}"]
    first = attacks[0]
    lines = [
        "Who was in the training data?"
        f" {first.members} training rows of the sites against {first.others} test rows.",
        TEXT["membership"],
        "attack                         AUC    advantage  TPR at 1 % FPR         TPR at 0.1 % FPR",
    ]
    for a in attacks:
        at = [f"{r.value:5.1%} [{r.low:.1%}, {r.high:.1%}]" for r in a.roc.at.values()]
        lines.append(
            f"{a.attack:29}  {a.roc.auc:5.3f}  {a.roc.advantage:9.3f}  {at[0]:21}  {at[1]}"
        )
    if first.allowed:
        most = " and ".join(f"{most:.1%} at {level:.1%}" for level, most in first.allowed.items())
        lines.append(f"The noise allows any attack, however good, a TPR of {most} FPR.")
    return lines
