"""Which words were in the batch: their rows of the word embedding have a gradient, and no others
have.
"""

from __future__ import annotations

from fedkit.audit.threat_model import AttackGuess, Seen

BEYOND = 8.0  # how many quartile distances above the median a row must be long to stand out


def words(seen: Seen) -> AttackGuess:
    """Tokens whose embedding row changed (as in Melis et al., 2019; Boenisch et al., 2023).

    Without noise all other rows are exactly zero. With noise nearly all of V rows are noise, so
    their own median and quartiles say how long a row must be to stand out. The padding token never
    has a gradient.
    """
    rows = seen.tensor("word_embeddings.weight")
    if rows is None:
        return AttackGuess(why="the word embedding is not trained, so its rows are not sent")
    lengths = rows.norm(dim=1)
    low, middle, high = lengths.quantile(lengths.new_tensor([0.25, 0.5, 0.75]))
    return AttackGuess(
        tokens=frozenset((lengths > middle + BEYOND * (high - low)).nonzero()[:, 0].tolist())
    )
