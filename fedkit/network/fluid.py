"""A line that many transfers share: max-min fair rates, as a fluid; exact, and for many rounds at once."""

from __future__ import annotations

import numpy as np

NO_ONE = 1e-9  # transfers, where there is none: a division gives a rate that no cap reaches


def share(starts: np.ndarray, bits: np.ndarray, caps: np.ndarray, capacity: float) -> np.ndarray:
    """When each transfer ends, (rounds, n) seconds, where those of a round share `capacity` bits per second.

    starts, bits, caps: (rounds, n); start inf: there is no such transfer, and its end is inf. caps: bits per second
    that a transfer can take at most. Rates are max-min fair (Bertsekas and Gallager, Data Networks, 1992, 6.5.2): nobody
    can get more without taking from somebody who has less. Between two events, a start or an end, rates do not change.
    All with one cap get one rate, so each cap has a clock in bits (`served`), by which a transfer's end is known when it
    starts; every step takes every round to its next event, and there are at most 2n of them.
    """
    speeds, kind = np.unique(caps, return_inverse=True)
    kind, n = _with_nobody(kind.reshape(caps.shape), 0), starts.shape[1]
    starts, ends = _with_nobody(starts, np.inf), np.full((len(starts), n + 1), np.inf)
    bits = np.where(starts < np.inf, _with_nobody(bits, np.inf), np.inf)
    kinds, rows = np.arange(len(speeds)), np.arange(len(starts))
    order = np.argsort(starts, axis=1, kind="stable")
    queue = np.take_along_axis(starts, order, 1)
    at_once = (starts == 0) & (kind == kinds[:, None, None])
    due = np.where(at_once, bits, np.inf)  # (kinds, rounds, n + 1): where `served` will be at its end
    there = at_once.sum(axis=2).T.astype(float)  # (rounds, kinds): under way
    begun, now, served = there.sum(axis=1).astype(int), np.zeros(len(starts)), np.zeros(there.shape)
    while True:
        rate = np.minimum(speeds, level(there, speeds, capacity)[:, None])
        first = due.argmin(axis=2)  # (kinds, rounds)
        wait = np.maximum(due[kinds[:, None], rows, first].T - served, 0.0) / rate  # inf where none is under way
        soonest = wait.argmin(axis=1)
        ending, coming = now + wait[rows, soonest], queue[rows, begun]
        starting, after = coming <= ending, np.minimum(coming, ending)
        some = after < np.inf
        if not some.any():
            return ends[:, :n]
        served += rate * np.where(some, after - now, 0.0)[:, None]
        now = np.where(some, after, now)
        who = np.where(starting, order[rows, begun], first[soonest, rows])  # in a round that is over: nobody
        of = np.where(starting, kind[rows, who], soonest)
        due[of, rows, who] = np.where(starting, served[rows, of] + bits[rows, who], np.inf)
        ends[rows, who] = np.where(starting, np.inf, now)
        there[rows, of] += np.where(starting, some, -1.0)
        begun += starting & some


def level(there: np.ndarray, speeds: np.ndarray, capacity: float) -> np.ndarray:
    """The fair rate of those that can take it, (rounds,); who cannot has its own cap.

    there: transfers by cap, (rounds, kinds); speeds: the caps, ascending. Were the caps below the k-th served in full,
    the others would have (capacity - theirs) / number of others; the largest of these over k is the level.
    """
    before = np.triu(np.ones((len(speeds),) * 2), 1)
    below, others = there @ (speeds[:, None] * before), there @ (1.0 - before)
    return ((capacity - below) / np.maximum(others, NO_ONE)).max(axis=1)


def _with_nobody(table: np.ndarray, value: float) -> np.ndarray:
    """One more column, for rounds in which nothing is left to happen."""
    return np.pad(table, ((0, 0), (0, 1)), constant_values=value)
