"""List every method that can be chosen, from the registries, for `fedkit methods`."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any

from fedkit.core.spec import describe_entries, first_paragraph

REGISTRIES = {  # setting: (what it decides, module, registry)
    "tune": ("what is trained and sent", "fedkit.models.tuners.registry", "TUNERS"),
    "aggregate": (
        "how the sites' LoRA pairs become one",
        "fedkit.federated.aggregation.aggregators",
        "AGGREGATORS",
    ),
    "wire": (
        "how what travels is made small; stages joined by +",
        "fedkit.wire.pipeline",
        "STAGES",
    ),
    "head_start": ("what the head starts from", "fedkit.models.head_starts", "HEAD_STARTS"),
    "loss": ("what a site's training minimises", "fedkit.federated.rounds.head_start", "LOSSES"),
    "strategy": (
        "against drift, and what the server does with the mean",
        "fedkit.federated.strategies",
        "STRATEGIES",
    ),
    "weights": ("how much each site counts", "fedkit.federated.aggregation.weighting", "WEIGHTS"),
    "robust": (
        "against updates that are not like the others",
        "fedkit.federated.aggregation.robust",
        "ROBUST",
    ),
    "privacy": ("what nobody can tell from what is sent", "fedkit.privacy.mechanisms", "PRIVACY"),
    "secure": ("who can read an upload", "fedkit.wire.secure_aggregation.registry", "LOCKS"),
    "faults": (
        "how often, KIND=RATE joined by commas, of every site alike",
        "fedkit.federated.rounds.faults",
        "FAULTS",
    ),
    "attack": (
        "what hostile or broken sites do, NAME:N for N of them",
        "fedkit.federated.rounds.attacks",
        "ATTACKS",
    ),
    "partition": ("who has what", "fedkit.data.partition", "PARTITIONS"),
    "link": (
        "each site's line, or DOWN[:UP]/LATENCY[/jitter=J][/loss=P], or a mix NAME=SHARE,...",
        "fedkit.network",
        "LINKS",
    ),
    "devices": ("each site's computer, or a mix NAME=SHARE,...", "fedkit.network", "DEVICES"),
    "baseline": (
        "what a federated run must beat (--which, --baselines)",
        "fedkit.experiments.baselines",
        "BASELINES",
    ),
    "engine": ("how sites are computed on this machine", "fedkit.experiments.job", "ENGINES"),
}
WORDS = {  # descriptions of entries that are names only
    "calibrated": "Logits are evened out by the label mix of all sites, which they exchange once.",
    "balanced": "Cross-entropy as if all labels were as common.",
    "plain": "Cross-entropy.",
}
ENGINE_WORDS = {
    "auto": "fast where it can be, else plain.",
    "fast": "Several sites in one batch.",
    "plain": "One site after another; equal to fast but for rounding.",
}
BASELINE_WORDS = {  # where the function's docstring builds on that of the entry before
    "frozen-local": (
        "Logistic regression on the frozen encoder's sentence vectors,"
        " every site on its own data alone."
    ),
    "full": (
        "Full tuning on all data in one place,"
        " with the federated run's total number of gradient steps."
    ),
}
ARGUMENTS = {  # of partitions, written after a colon
    "dirichlet": {"A": "a number above 0"},
    "quantity": {"A": "a number above 0"},
    "column": {"COL": "a column's name"},
}


def list_methods() -> dict[str, list[dict[str, Any]]]:
    """Return {setting: [{name, about, parameters, needs}]}, with parameters {name: default}."""
    return {setting: _entries(setting, *place) for setting, (_, *place) in REGISTRIES.items()}


def method_lines(width: int = 100) -> list[str]:
    """Return the methods as text: a group for each setting, at most `width` columns."""
    out = []
    for setting, entries in list_methods().items():
        out += ["", f"{setting.replace('_', '-')}: {REGISTRIES[setting][0]}"]
        for entry in entries:
            words = [entry["about"]]
            words += [f"limits: {entry['needs']}"] if entry["needs"] else []
            values = ", ".join(f"{k}={_short(v)}" for k, v in entry["parameters"].items())
            words += [f"parameters: {values}"] if values else []
            out += _rows(entry["name"], words, width)
    return out[1:]


def _entries(setting: str, module: str, name: str) -> list[dict[str, Any]]:
    registry = getattr(importlib.import_module(module), name)
    if isinstance(registry, Mapping) and all(
        isinstance(e, type) and is_dataclass(e) for e in registry.values()
    ):
        return describe_entries(dict(registry))
    values = registry if isinstance(registry, Mapping) else dict.fromkeys(registry)
    return [
        {
            "name": entry,
            "about": _about(setting, entry, value),
            "parameters": ARGUMENTS.get(entry, {}),
            "needs": "",
        }
        for entry, value in values.items()
    ]


def _about(setting: str, name: str, value: Any) -> str:
    from fedkit.network import Device, Link, profiles

    if setting == "baseline" and name in BASELINE_WORDS:
        return BASELINE_WORDS[name]
    if isinstance(value, str):
        return value
    if isinstance(value, Link):
        return f"{profiles.describe_link(name).partition(': ')[2]}: {value.about}."
    if isinstance(value, Device):
        room = "" if value.memory is None else f", {value.memory / 1e9:g} GB to train in"
        return f"{value.slowdown:g} times the training seconds{room}: {value.basis}."
    if inspect.isfunction(value):
        return first_paragraph(value)
    return (ENGINE_WORDS if setting == "engine" else WORDS).get(name, "")


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rows(name: str, words: Iterable[str], width: int) -> list[str]:
    indent = 17
    lines = [
        line
        for part in words
        for line in textwrap.wrap(part, width - indent - 2, subsequent_indent="  ")
    ]
    first = f"  {name:<{indent - 2}}"
    return [
        f"{first if i == 0 else ' ' * indent}{line}".rstrip()
        for i, line in enumerate(lines or [""])
    ]
