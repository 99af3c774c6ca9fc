"""From clean tables to the splits of a corpus, without leakage or labels unknown to train."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.formatting import count_noun, quote, quoted_list
from fedkit.data.cleaning import Notes, drop_rows
from fedkit.data.corpus import Examples

TEST_SHARE = 0.2


def check_seed(seed: int) -> int:
    """Return `seed` if it is a whole number from 0 to 2**32 - 1. Raises FedkitError otherwise."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise FedkitError(
            f"seed {quote(seed)} is not allowed; give a whole number from 0 to {2**32 - 1}"
        )
    return int(seed)


def split_off_test(frame: pd.DataFrame, seed: int, notes: Notes) -> dict[str, pd.DataFrame]:
    """Split off 20 % of the rows for test, drawn by `seed`, with equal label shares if possible.

    A label with one example stays in train.
    """
    from sklearn.model_selection import train_test_split

    lonely = frame["label"].map(frame["label"].value_counts()) < 2
    rest = frame[~lonely]
    how = "with equal label shares"
    try:
        train, test = train_test_split(
            rest, test_size=TEST_SHARE, random_state=seed, stratify=rest["label"]
        )
    except ValueError:  # fewer test rows than labels
        how = "at random, since there are too few rows to keep label shares equal"
        train, test = train_test_split(rest, test_size=TEST_SHARE, random_state=seed)
    train = pd.concat([train, frame[lonely]]).sort_index()  # back in the order of the file
    notes.append(
        f"one table only: split into {count_noun(len(train), 'row')} for train and {len(test):,}"
        f" for test (80/20, seed {seed}), {how}"
    )
    return {"train": train, "test": test.sort_index()}


def drop_leaked_rows(splits: dict[str, pd.DataFrame], notes: Notes) -> dict[str, pd.DataFrame]:
    """Drop texts that are in two splits, so that nothing leaks; how many is added to `notes`.

    Such a text stays where it is measured: in test, else in validation.
    """
    kept = dict(splits)
    for split, held_out in (("train", "test"), ("train", "validation"), ("validation", "test")):
        if split in kept and held_out in kept:
            leaked = kept[split]["text"].isin(kept[held_out]["text"])
            kept[split] = drop_rows(
                kept[split], leaked, split, f"the same text is in {held_out} (leakage)", notes
            )
    return kept


def drop_unknown_labels(splits: dict[str, pd.DataFrame], notes: Notes) -> dict[str, pd.DataFrame]:
    """Drop validation and test rows whose label never occurs in train.

    Raises FedkitError when test is left with no rows.
    """
    kept = dict(splits)
    for split in [s for s in ("validation", "test") if s in kept]:
        strange = ~kept[split]["label"].isin(kept["train"]["label"])
        why = (
            "label never occurs in train"
            f" ({quoted_list(sorted(kept[split]['label'][strange].unique()), 3)})"
        )
        kept[split] = drop_rows(kept[split], strange, split, why, notes)
    if not len(kept["test"]):
        raise FedkitError(
            "no usable rows are left in test; its labels must be those of train, and its cells not"
            " blank"
        )
    return kept


def note_doubtful_labels(train: pd.DataFrame, notes: Notes) -> None:
    """Count texts with several labels and labels with one example; they are kept."""
    labels_per_text = train.groupby("text")["label"].nunique()
    if torn := int((labels_per_text > 1).sum()):
        notes.append(
            f"train: {count_noun(torn, 'text')} with different labels on different rows, kept;"
            " look at them"
        )
    sizes = train["label"].value_counts()
    if lonely := sorted(sizes.index[sizes == 1]):
        notes.append(
            f"train: {count_noun(len(lonely), 'label')} with one example only"
            f" ({quoted_list(lonely, 3)})"
        )


def label_names(train: pd.DataFrame) -> tuple[str, ...]:
    """Return the labels of train, sorted as numbers if all are whole numbers, else as text."""
    names = train["label"].unique()
    numbers = all(name.removeprefix("-").isdecimal() and name.isascii() for name in names)
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else None))


def to_examples(frame: pd.DataFrame, labels: tuple[str, ...]) -> Examples:
    """Return the rows of a clean table as Examples; labels become indices into `labels`."""
    index = {name: i for i, name in enumerate(labels)}
    clients = tuple(frame["client"]) if "client" in frame else None
    return Examples(tuple(frame["text"]), frame["label"].map(index).to_numpy(np.int64), clients)
