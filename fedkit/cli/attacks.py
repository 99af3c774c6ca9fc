"""`fedkit attack`: what a server reads from an update; `fedkit audit`: does the promise hold?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fedkit.cli import console, flags
from fedkit.cli.flags import DEFAULTS
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError

if TYPE_CHECKING:
    from fedkit.audit.canary import AuditResult
    from fedkit.audit.membership import MembershipResult
    from fedkit.audit.recorded_run import AuditedPromise

TEXTS = 60  # texts of each client in the demo of an attack
MIN_TRIALS, MAX_TRIALS = 40, 100_000
DEFAULT_TRIALS = 500
TEXT = console.TEXT["audit"]
DEMO_DEFENCES = console.TEXT["attack"]["demo_defences"]
Found = tuple[list[str], dict[str, Any], bool]  # lines, values for JSON, not as promised


def attack_command(
    run: Path | None = None,
    demo: bool = False,
    batches: int | None = None,
    data: str | None = None,
    model: str | None = None,
    seed: int = DEFAULTS.seed,
    as_json: bool = False,
) -> None:
    """Attack what a site sends: which words, which labels, which whole texts can a curious server
    read from it?
    """
    if (run is None) != demo:
        raise FedkitError("give either a run's folder, as in `fedkit attack runs/mine`, or --demo")
    if batches is not None:
        flags.require_between("--batches", batches, 1, 1000)
    from fedkit.audit.leak import WORDS, report_lines
    from fedkit.audit.recorded_run import attack_run

    with console.progress_line("reading the data and the model ...") as line:
        rows = (
            _attack_demo(data, batches or 2, seed, line)
            if demo
            else attack_run(run, batches or 3, seed, flags.drop_missing(data=data, model=model))[1]
        )
    values = {"knew": WORDS["threat_model"], "note": WORDS["failure_note"], "rows": rows}
    console.print_result(as_json, values, report_lines(rows))


def _attack_demo(
    data: str | None, batches: int, seed: int, line: console.ProgressLine
) -> list[dict]:
    from fedkit.audit.leak import leak_table
    from fedkit.experiments.job import prepare

    given = {"data": data} if data else {"examples_per_client": TEXTS}
    job = prepare(RunConfig(**given, dtype="float32", seed=seed))
    return leak_table(job, defences=DEMO_DEFENCES, batches=batches, seed=seed, tell=line.update)


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
    with console.ProgressLine() as line:
        given = flags.drop_missing(data=data, model=model)
        lines, values, bad = (
            _audit_demo(trials, line)
            if demo
            else _audit_record(run, trials or DEFAULT_TRIALS, given, line)
        )
    console.print_result(as_json, values, lines)
    raise typer.Exit(1 if bad else 0)


def _audit_demo(trials: int | None, line: console.ProgressLine) -> Found:
    from fedkit.audit.recorded_run import audit_demo_mechanisms

    results = audit_demo_mechanisms(trials, tell=line.update)
    bad = any(r.caught == (r.broken is None) for r in results.values())
    values = {"settings": {n: asdict(r) for n, r in results.items()}, "as_expected": not bad}
    return [*_game_lines(results), TEXT["no_proof"]], values, bad


def _audit_record(
    folder: Path, trials: int, given: dict[str, str], line: console.ProgressLine
) -> Found:
    """given: data and model that the user repeated, see `recorded_config`."""
    from fedkit.audit.canary import audit_mechanism
    from fedkit.audit.recorded_run import attack_recorded_model, recorded_promise
    from fedkit.core.record import Run

    record = Run.load(folder)
    promise, result, attacks, reason = recorded_promise(record, trials), None, [], ""
    if promise and promise.setting:
        line.update(f"training {2 * trials} times, with and without a canary ...")
        result = audit_mechanism(promise.setting, trials)
    try:
        place = folder if folder.is_dir() else folder.parent
        attacks = attack_recorded_model(record, place, promise, line.update, given=given)
    except FedkitError as error:
        if promise is None:
            raise
        reason = str(error)
    lines = [*_promise_lines(promise, result), "", *_membership_lines(attacks, reason)]
    promised = promise and {n: getattr(promise, n) for n in ("epsilon", "delta", "unit")}
    values = {
        "run": str(folder),
        "promise": promised and {**promised, "note": promise.why},
        "game": result and asdict(result),
        "membership": [a.to_dict() for a in attacks],
        "skipped": reason,
    }
    return [*lines, TEXT["no_proof"]], values, bool(result and result.caught)


def _promise_lines(promise: AuditedPromise | None, result: AuditResult | None) -> list[str]:
    if promise is None:
        return ["The run was made without privacy: there is no promise to check."]
    lines = [
        f"promised: epsilon {promise.epsilon:.3g} at delta {promise.delta:g},"
        f" for one {promise.unit} added or removed"
    ]
    if result is None:
        return [*lines, f"The game was not played: {promise.why}."]
    if promise.why:
        lines.append(f"({promise.why}: 'promised' below is meant for what is played.)")
    return [*lines, *_game_lines({"this run's mechanism": result})]


def _game_lines(results: dict[str, AuditResult]) -> list[str]:
    """Return a head, one line for each game, and what its numbers mean."""
    width = max(map(len, results))
    head = "proven (at most)  if Gaussian  promised   TPR    FPR  trials  verdict"
    return [
        f"{'mechanism':{width}}  {head}",
        *(
            f"{name:{width}}  {r.lower:6.2f} ({r.most:5.2f})   {r.implied:10.2f}  {r.upper:8.2f} "
            f" {r.tpr:5.3f}  {r.fpr:5.3f}  {r.trials:6}  {r.verdict}"
            for name, r in results.items()
        ),
        "",
        TEXT["game"],
    ]


def _membership_lines(attacks: list[MembershipResult], reason: str) -> list[str]:
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
