"""The privacy account of a data set: the private releases of all its runs, and their epsilon.

A file for each data set, named by its sha256, in the user's folder. A round is charged before it is
computed, so that a stop never understates. Without sampling the sum also holds where results of one
run choose the next (Smith and Thakurta, "Fully adaptive composition for Gaussian differential
privacy", 2022); with sampling, it is proven for runs planned beforehand.
"""

from __future__ import annotations

import os
import re
import secrets
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat, TypeAdapter

from fedkit.core.errors import FedkitError
from fedkit.core.files import PRIVATE, hold_lock, write_json
from fedkit.core.formatting import count_noun, printable_line, quote
from fedkit.core.record import RoundRecord, Run
from fedkit.data.load import BUNDLED, BUNDLED_FOLDER, load_corpus, read_raw
from fedkit.experiments.job import Job
from fedkit.privacy.accounting import Releases, epsilon
from fedkit.privacy.mechanisms import visit_noises
from fedkit.results.privacy_promise import format_delta, format_epsilon

Unit = Literal["example", "client"]


@dataclass(frozen=True)
class Limit:
    """What the owner of the data allows all runs together."""

    eps: FiniteFloat
    delta: float


@dataclass(frozen=True)
class Entry:
    """What one run released, for the client that released the most; the next round is included.

    what: its folder. finished: False also after a stop. seeded: its record can repeat its noise.
    """

    id: str
    when: str
    what: str
    privacy: str
    unit: Unit
    delta: float
    blocks: list[Releases]
    finished: bool = False
    seeded: bool = False

    def counts(self, unit: Unit) -> bool:
        """Return whether the run counts for a unit: one that hides clients does for examples."""
        return unit in (self.unit, "example")

    def counted(self, unit: Unit) -> Entry:
        """Return the entry as it counts for a unit.

        One example changes its client's clipped update by at most twice the clip: as a release of
        examples, that of clients has half the noise.
        """
        if unit == self.unit:
            return self
        return replace(self, blocks=[replace(b, noise=b.noise / 2) for b in self.blocks])


@dataclass(frozen=True)
class Account:
    """The private runs on one data set, and the owner's limit for each unit."""

    sha256: str
    name: str
    limits: dict[Unit, Limit] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    schema: Literal["fedkit.account/1"] = "fedkit.account/1"

    @property
    def path(self) -> Path:
        """The file. Raises FedkitError where the sha256, as of a strange record, is none."""
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise FedkitError(f"{quote(self.sha256)} is not the sha256 of data; no account of it")
        return accounts_folder() / f"{self.sha256}.json"

    @property
    def bundled(self) -> bool:
        """Whether it is the kit's own data or a copy: synthetic, so that no run is entered."""
        return self.sha256 in bundled_hashes()

    def runs(self, unit: Unit, but: Entry | None = None) -> list[Entry]:
        """Return the entries that count for a unit, without one."""
        return [
            e.counted(unit) for e in self.entries if e.counts(unit) and e.id != (but and but.id)
        ]

    def add(self, entry: Entry) -> Account:
        """Return the account with the entry, in place of the one with its id."""
        return replace(self, entries=[e for e in self.entries if e.id != entry.id] + [entry])

    def delta(self, unit: Unit) -> float:
        """Return the delta of the limit, else the largest of the runs."""
        deltas = [e.delta for e in self.runs(unit)]
        return self.limits[unit].delta if unit in self.limits else max(deltas, default=1e-5)

    def to_dict(self) -> dict[str, Any]:
        """Return what the file holds, and what is spent by unit."""
        at = {unit: self.delta(unit) for unit in ("example", "client")}
        sums = {unit: {"eps": spent(self.runs(unit), d), "delta": d} for unit, d in at.items()}
        return {**asdict(self), "spent": sums, "bundled": self.bundled}

    def check_limits(self, plan: Entry) -> None:
        """Raise FedkitError if a planned run would spend more than the owner allows."""
        for unit, limit in self.limits.items():
            together = [*self.runs(unit, plan), plan.counted(unit)]
            if plan.counts(unit) and spent(together, limit.delta) > limit.eps * (1 + 1e-9):
                raise FedkitError(
                    f"{self.describe(unit, plan)}, set by the owner of the data; use a smaller"
                    " eps, or ask the owner (fedkit account --help)"
                )

    def describe(self, unit: Unit, plan: Entry | None = None) -> str:
        """Return a sentence: what is spent, what a planned run adds to it, the limit."""
        before, delta = self.runs(unit, plan), (self.add(plan) if plan else self).delta(unit)
        words = f"epsilon {format_epsilon(spent(before, delta))} spent in"
        words += f" {count_noun(len(before), 'run')} (per {unit}, delta {format_delta(delta)})"
        if plan is not None:
            plan = plan.counted(unit)
            words += f", this run adds up to {format_epsilon(spent([plan], delta))}:"
            words += f" {format_epsilon(spent([*before, plan], delta))} in all"
        limit = f"limit {self.limits[unit].eps:g}" if unit in self.limits else "no limit"
        return f"privacy account of {self.name}: {words}; {limit}"


class Charges:
    """What one run is charged; nothing without privacy, or on the kit's own synthetic data.

    before: the record from which a run goes on: it goes on with its entry, too.
    """

    def __init__(self, job: Job, out: str | Path | None = None, before: Run | None = None):
        self.budget, self.plan = job.budget, None
        self.account = Account(job.corpus.sha256, job.corpus.name)
        # without a hash: made in memory, such as the part of the data that time is measured on
        if self.budget is None or not job.corpus.sha256 or self.account.bundled:
            return
        name = before and before.data.get("account")
        # the entry of a run that has finished stays: another copy of it goes on
        if not name or name in [e.id for e in read_account(self.account).entries if e.finished]:
            name = secrets.token_hex(8)
        # fewer visits where the run stops because its own budget is spent
        allows, noise = self.budget.allows, self.budget.noise
        visits = bisect_left(range(job.config.rounds), True, key=lambda n: not allows([noise] * n))
        self.plan = Entry(
            str(name),
            datetime.now().astimezone().isoformat(timespec="seconds"),
            "in memory" if out is None else str(Path(out).absolute()),
            job.config.privacy,
            self.budget.unit,
            self.budget.delta,
            self.budget.planned(visits),
            seeded=self.budget.privacy.noise_from == "seed",
        )

    def begin(self, rounds: Iterable[RoundRecord], tell: Callable[[str], None]) -> None:
        """Charge the head start and the next round, and tell what is spent."""
        self.charge(rounds)
        if self.plan is not None:
            tell(read_account(self.account).describe(self.plan.unit, self.plan))

    def mark(self, record: Run) -> Run:
        """Return the record with the name of the entry."""
        return replace(record, data=record.data | ({"account": self.plan.id} if self.plan else {}))

    def charge(self, rounds: Iterable[RoundRecord], finished: bool = False) -> None:
        """Enter what `rounds` released and, unless finished, what the next round will.

        Raises FedkitError instead if the owner does not allow what is planned; in the middle of a
        run, if another has spent it meanwhile.
        """
        if self.plan is None:
            return
        visits = [*visit_noises(rounds, self.budget), *([] if finished else [self.budget.noise])]
        entry = replace(self.plan, blocks=self.budget.blocks(visits), finished=finished)
        with hold_lock(self.account.path.with_suffix(".lock"), wait=60):
            account = read_account(self.account)
            for planned in () if finished else (self.plan, entry):
                account.check_limits(planned)
            write_json(account.path, asdict(account.add(entry)), PRIVATE)


def spent(entries: Iterable[Entry], delta: float) -> float:
    """Return the epsilon of all these runs together."""
    blocks = [block for entry in entries for block in entry.blocks]
    try:
        return epsilon(blocks, delta)
    except FedkitError:  # too much for pld; rdp is looser, and as true
        return epsilon(blocks, delta, "rdp")


@lru_cache(maxsize=1)
def bundled_hashes() -> frozenset[str | None]:
    """Return the sha256 of each bundled set that is here."""
    here = [name for name, (folder, _) in BUNDLED.items() if (BUNDLED_FOLDER / folder).is_dir()]
    return frozenset(read_raw(name, []).sha256 for name in here)


def accounts_folder() -> Path:
    """Return the folder of all accounts: FEDKIT_ACCOUNTS, or in the user's folder of data."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("FEDKIT_ACCOUNTS") or Path(data) / "fedkit" / "accounts")


def read_account(blank: Account) -> Account:
    """Return the account that is kept of this data, else `blank`. Raises FedkitError."""
    try:
        account = TypeAdapter(Account).validate_json(blank.path.read_bytes())
        if account.sha256 != blank.sha256:
            raise ValueError("it is of other data")
        return account
    except FileNotFoundError:
        return blank
    except (OSError, ValueError) as error:
        why = printable_line(str(error).partition("\n")[2].split(" [type=")[0] or error, 60)
        raise FedkitError(
            f"cannot read the privacy account {blank.path} ({why}); put back a good copy, or ask"
            " the owner of the data"
        ) from None


def read_accounts() -> list[Account]:
    """Return all accounts, the data's names in order. Raises FedkitError for a damaged one."""
    files = accounts_folder().glob("[0-9a-f]*.json")
    return sorted((read_account(Account(p.stem, "")) for p in files), key=lambda a: a.name)


def find_account(target: str) -> Account:
    """Return the account of a run's folder, of a data set, or whose sha256 begins with `target`.

    Raises FedkitError where there is no such thing.
    """
    if os.path.isfile(os.path.join(target, "run.json")):
        data = Run.load(target).data
        return read_account(Account(str(data.get("sha256")), str(data.get("name"))))
    hexadecimal = re.fullmatch("[0-9a-f]{6,64}", target)
    if found := [a for a in read_accounts() if hexadecimal and a.sha256.startswith(target)]:
        return found[0]
    raw = read_raw(target, [])
    return read_account(Account(raw.sha256 or load_corpus(target).sha256, raw.name))


def set_limit(account: Account, unit: Unit, eps: float, delta: float | None) -> Account:
    """Return the account with a new limit of its owner, written. Raises FedkitError."""
    if not eps > 0 or account.bundled:
        raise FedkitError(
            f"limit {eps:g} for {account.name} given; write an epsilon above 0, such as 8, for data"
            " that does not come with the kit"
        )
    with hold_lock(account.path.with_suffix(".lock"), wait=60):
        now = read_account(account)
        limit = Limit(eps, now.delta(unit) if delta is None else delta)
        changed = replace(now, limits=now.limits | {unit: limit})
        changed.describe(unit)  # refuses a delta that cannot be
        write_json(changed.path, asdict(changed), PRIVATE)
    return changed
