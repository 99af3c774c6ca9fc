"""Words attack: find the words of the batch from the rows of the word embedding's gradient."""

from __future__ import annotations

from fedkit.audit.threat_model import AttackGuess, ObservedUpdate

OUTLIER_QUARTILE_RANGES = 8.0  # above the median: row lengths from there on are outliers


def words_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the tokens whose embedding row changed (Melis et al., 2019; Boenisch et al., 2023).

    Without noise all other rows are exactly zero. With noise nearly all of the V rows are noise, so
    an outlier is defined by their median and quartiles. The padding token never has a gradient.
    """
    rows = seen.tensor("word_embeddings.weight")
    if rows is None:
        return AttackGuess(why="the word embedding is not trained, so its rows are not sent")
    lengths = rows.norm(dim=1)
    low, middle, high = lengths.quantile(lengths.new_tensor([0.25, 0.5, 0.75]))
    found = (lengths > middle + OUTLIER_QUARTILE_RANGES * (high - low)).nonzero()[:, 0]
    return AttackGuess(tokens=frozenset(found.tolist()))
