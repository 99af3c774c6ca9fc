"""Data sets from the Hugging Face hub, read with `datasets` (pip install 'fedkit[hub]')."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.formatting import one_line_error, quote, quoted_list
from fedkit.data.limits import refuse_above
from fedkit.data.readers.files import STEMS
from fedkit.data.readers.parquet import name_classes
from fedkit.data.readers.table import cell_table, header_names

SPLIT_NAMES = {name: split for split, names in STEMS.items() for name in names}
_OFFLINE = (
    "to go on offline, give a folder holding train.csv and test.csv to --data, or set"
    " HF_HUB_OFFLINE=1 to use the cache"
)


@dataclass(frozen=True)
class HubSet:
    """A data set on the hub, and its text and label columns (None: guessed, and noted)."""

    path: str
    config: str | None = None
    text: str | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        return f"hub:{self.path}" + (f":{self.config}" if self.config else "")


HUB = {
    shortcut: HubSet(**found)
    for shortcut, found in read_packaged_table("fedkit.data.readers", "hub.toml").items()
}


def parse_hub_source(source: str) -> HubSet | None:
    """Return the set behind a shortcut or 'hub:owner/name[:config]'; None for any other source.

    Raises FedkitError for a malformed hub name, and if a folder of that name is here.
    """
    if source in HUB:
        return HUB[source]
    if not source.startswith("hub:"):
        return None
    if not (found := re.fullmatch(r"hub:([\w-][\w.-]*/[\w-][\w.-]*)(?::([\w.-]+))?", source)):
        raise FedkitError(
            f"malformed hub name {quote(source)}; write hub:owner/name or hub:owner/name:config"
        )
    if Path(found[1]).exists():
        raise FedkitError(
            f"{quote(source)}: a folder of that name is here; write ./{found[1]} to read it instead"
        )
    return HubSet(found[1], found[2])


def read_hub(wanted: HubSet, given: str) -> dict[str, pd.DataFrame]:
    """Return the splits of a hub data set as tables, class numbers replaced by their names.

    wanted.path may be a local folder in the hub's format. given: what the user called it, for
    messages. With HF_HUB_OFFLINE=1 only the local cache is used. Raises FedkitError if `datasets`
    is not installed, the hub is out of reach, or there is no train split.
    """
    name = wanted.name if given == wanted.name else f"{given}, {wanted.name}"
    loaded = _load(wanted, name)
    found = {SPLIT_NAMES[split]: rows for split, rows in loaded.items() if split in SPLIT_NAMES}
    if "train" not in found:
        raise FedkitError(f"{quote(name)} has no train split; it has: {quoted_list(loaded)}")
    return {split: _table(rows, f"{name}, {split}") for split, rows in found.items()}


def _load(wanted: HubSet, name: str) -> Any:
    try:
        import datasets
        from huggingface_hub import HfApi
    except ImportError:
        raise FedkitError(
            f"{quote(name)} needs the package datasets: pip install 'fedkit[hub]'; {_OFFLINE}"
        ) from None
    try:
        if not datasets.config.HF_HUB_OFFLINE and not Path(wanted.path).is_dir():
            HfApi().dataset_info(wanted.path, timeout=10)  # a closed network fails in seconds
        size = datasets.load_dataset_builder(wanted.path, wanted.config).info.dataset_size
        refuse_above("MAX_UNPACKED", size or 0, name)
        return datasets.load_dataset(wanted.path, wanted.config)
    except FedkitError:
        raise
    except Exception as error:  # network, hub, file format: each has its own family of exceptions
        raise FedkitError(
            f"cannot read {quote(name)} ({one_line_error(error)}); {_OFFLINE}"
        ) from None


def _table(rows: Any, name: str) -> pd.DataFrame:
    """Return one split as a table of its plain columns (no images, no lists)."""
    refuse_above("MAX_ROWS", len(rows), name)
    plain = [
        column
        for column, feature in rows.features.items()
        if type(feature).__name__ in ("Value", "ClassLabel")
    ]
    cells = rows.with_format("arrow")[:]
    columns = [
        name_classes(cells[column].to_pylist(), getattr(rows.features[column], "names", None))
        for column in plain
    ]
    return cell_table(list(zip(*columns)), header_names(plain, name), name)
