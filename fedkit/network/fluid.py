"""A line that many transfers share: max-min fair rates, as a fluid; exact, and for many rounds at once."""

from __future__ import annotations

import numpy as np


def share(starts: np.ndarray, bits: np.ndarray, caps: np.ndarray, capacity: float) -> np.ndarray:
    """When each transfer ends, (rounds, n) seconds, where those of a round share `capacity` bits per second.

    starts, bits, caps: (rounds, n); start inf: there is no such transfer, and its end is inf. caps: bits per second
    that a transfer can take at most. Rates are max-min fair (Bertsekas and Gallager, Data Networks, 1992, 6.5.2): nobody
    can get more without taking from somebody who has less. Between two events, a start or an end, rates do not change.
    All with one cap get one rate, so each cap has a clock in bits (`served`), by which a transfer's end is known when it
    starts; every step takes every round to its next event, and there are 2n of them.
    """
    speeds, kind = np.unique(caps, return_inverse=True)
    kind, rows = kind.reshape(caps.shape), np.arange(len(starts))
    order = np.argsort(starts, axis=1, kind="stable")
    queue = np.pad(np.take_along_axis(starts, order, 1), ((0, 0), (0, 1)), constant_values=np.inf)
    order = np.pad(order, ((0, 0), (0, 1)))
    due = np.full((len(speeds), *starts.shape), np.inf)  # (kinds, rounds, n): where `served` will be at its end
    there, served = np.zeros((2, len(starts), len(speeds)))  # transfers under way and bits given to each, by kind
    now, begun, ends = np.zeros(len(starts)), np.zeros(len(starts), int), np.full(starts.shape, np.inf)
    for _ in range(2 * starts.shape[1]):
        rate = np.minimum(speeds, level(there, speeds, capacity)[:, None])
        first = due.argmin(axis=2)  # (kinds, rounds)
        left = np.take_along_axis(due, first[:, :, None], 2)[:, :, 0].T - served
        wait = np.maximum(left, 0.0) / rate  # (rounds, kinds); inf where none is under way
        soonest = wait.argmin(axis=1)
        ending, coming = now + wait[rows, soonest], queue[rows, begun]
        starting, after = coming <= ending, np.minimum(coming, ending)
        some = np.isfinite(after)
        if not some.any():
            break
        served += rate * np.where(some, after - now, 0.0)[:, None]
        now = np.where(some, after, now)
        (a,) = np.nonzero(some & starting)
        who = order[a, begun[a]]
        of = kind[a, who]
        due[of, a, who] = served[a, of] + bits[a, who]
        there[a, of] += 1
        begun[a] += 1
        (b,) = np.nonzero(some & ~starting)
        of = soonest[b]
        who = first[of, b]
        ends[b, who], due[of, b, who] = now[b], np.inf
        there[b, of] -= 1
    return ends


def level(there: np.ndarray, speeds: np.ndarray, capacity: float) -> np.ndarray:
    """The fair rate of those that can take it, (rounds,); who cannot has its own cap.

    there: transfers by cap, (rounds, kinds); speeds: the caps, ascending. Were the caps below the k-th served in full,
    the others would have (capacity - theirs) / number of others; the largest of these over k is the level.
    """
    taken = there * speeds
    below = taken.cumsum(axis=1) - taken
    others = there[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.max((capacity - below) / np.maximum(others, 1), axis=1, where=others > 0, initial=capacity / 1e9)
