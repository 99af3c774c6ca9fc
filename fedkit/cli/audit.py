"""`fedkit audit`: attacks on a run's mechanism and model, compared with what it promised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedkit.cli import console, flags
from fedkit.core.errors import FedkitError

if TYPE_CHECKING:
    from fedkit.audit.canary import AuditResult
    from fedkit.audit.membership import MembershipResult
    from fedkit.audit.run_audit import AuditedPromise

MIN_TRIALS, MAX_TRIALS = 40, 100_000
DEFAULT_TRIALS = 500
EPILOG = """\b
Examples:
  fedkit audit runs/mine               the run's mechanism and its model
  fedkit audit runs/mine --trials 2000 --json
  fedkit audit --demo                  three promises kept, and faults that are caught
Exit code: 0 nothing speaks against the promise, 1 it is broken (or a fault of
the demo was not caught), 2 the run cannot be audited.
"""
NOT_A_PROOF = (
    "An attack that fails proves nothing; a lower bound above the promised epsilon proves a fault."
)


def audit_command(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A finished run's folder.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="No run: some promises kept, and some broken on purpose.")
    ] = False,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            metavar="N",
            parser=flags.parse_whole,
            help=(
                "Trainings with the canary, and as many without,"
                f" {MIN_TRIALS} or more. Not given: {DEFAULT_TRIALS}."
            ),
        ),
    ] = None,
    data: flags.RecordedData = None,
    model: flags.RecordedModel = None,
    as_json: flags.Json = False,
) -> None:
    """Play a distinguishing game against the run's privacy mechanism, and ask its model who was in
    the training data.

    Prints the epsilon that the game proves beside the largest it could have shown and the promised
    one.
    """
    if trials is not None and not MIN_TRIALS <= trials <= MAX_TRIALS:
        raise FedkitError(
            f"--trials {trials} given; write a whole number from {MIN_TRIALS} to {MAX_TRIALS}"
        )
    if (run is None) != demo:
        raise FedkitError("give either the folder of a run, or --demo")
    given = flags.named_sources(data, model)
    lines, values, bad = (
        audit_demo(trials) if demo else audit_record(run, trials or DEFAULT_TRIALS, given)
    )
    console.print_json(values) if as_json else console.print_lines(lines)
    raise typer.Exit(1 if bad else 0)


def audit_demo(trials: int | None) -> tuple[list[str], dict[str, Any], bool]:
    """Return (lines, values for JSON, whether a result is not as expected) of the demonstration."""
    with console.ProgressLine() as line:
        from fedkit.audit.run_audit import audit_demo_mechanisms

        results = audit_demo_mechanisms(trials, tell=line.update)
    bad = any(r.caught == (r.broken is None) for r in results.values())
    values = {name: result_json(r) for name, r in results.items()}
    return (
        [*game_table(results), "", *EXPLANATION, NOT_A_PROOF],
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
        from fedkit.audit.run_audit import attack_recorded_model, recorded_promise
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
        NOT_A_PROOF,
    ]
    values = {
        "run": str(folder),
        "promise": (
            promise
            and {
                "epsilon": promise.epsilon,
                "delta": promise.delta,
                "unit": promise.unit,
                "note": promise.why,
            }
        ),
        "game": result and result_json(result),
        "membership": [a.to_dict() for a in attacks],
        "skipped": reason,
    }
    return lines, values, bool(result and result.caught)


EXPLANATION = (
    (
        "proven: epsilon that the attack's error rates prove of any mechanism, at 95 %;"
        " the largest it could have shown with"
    ),
    (
        "so many trials is in brackets."
        " if Gaussian: what they prove of one that adds Gaussian noise and samples as promised."
    ),
    (
        "BROKEN if either is above the promise;"
        " weak test: so few trials could not have shown a fault. The game looks at each"
    ),
    (
        "step's sum: noise that repeats or that somebody else can draw again"
        " (from a seed that is known) is not what it finds."
    ),
)


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
    return [*lines, *part, *game_table({"this run's mechanism": result}), "", *EXPLANATION]


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
        (
            "Who was in the training data?"
            f" {first.members} training rows of the sites against {first.others} test rows."
        ),
        (
            "(Where the two differ in more than membership,"
            " such as their source, that shows here too. The shadow models are"
        ),
        (
            "heads on the finished encoder's vectors;"
            " the run's own rounds are not repeated, so a better attack may exist.)"
        ),
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


def result_json(result: AuditResult) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)
