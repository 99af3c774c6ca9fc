"""From tokens at places to texts: which of them belong to one text, and in which order."""

from __future__ import annotations

from torch import Tensor

from fedkit.audit.seen import Guess, Seen


def assemble(seen: Seen, pairs: Tensor) -> Guess:
    """Texts of the pairs (token, place), (n, 2). With one token at each place there is nothing to decide."""
    places: dict[int, list[int]] = {}
    for token, place in pairs.tolist():
        places.setdefault(place, []).append(token)
    tokens = frozenset(pairs[:, 0].tolist())
    if seen.texts == 1 and all(len(t) == 1 for t in places.values()):
        return Guess(tokens, (tuple(places[p][0] for p in sorted(places)),))
    return Guess(tokens, why="several texts are mixed")
