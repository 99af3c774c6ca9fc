"""The contract of every registry: each entry is built by name, says what it is, and refuses what it
cannot be.
"""

from __future__ import annotations

from dataclasses import fields

import pytest

from fedkit.cli.summaries import REGISTRIES, list_methods
from fedkit.core.errors import FedkitError
from fedkit.core.spec import build_entry, describe_entries, parameter_types
from fedkit.federated.aggregation.aggregators import AGGREGATORS
from fedkit.federated.aggregation.robust import ROBUST
from fedkit.federated.aggregation.weighting import WEIGHTS
from fedkit.federated.rounds.attacks import ATTACKS
from fedkit.federated.strategies import STRATEGIES
from fedkit.models.head_starts import HEAD_STARTS
from fedkit.models.tuners.registry import TUNERS
from fedkit.wire.pipeline import STAGES

BUILT = {
    "tune": TUNERS,
    "head-start": HEAD_STARTS,
    "aggregate": AGGREGATORS,
    "wire": STAGES,
    "strategy": STRATEGIES,
    "weights": WEIGHTS,
    "robust": ROBUST,
    "attack": ATTACKS,
}
ENTRIES = [(kind, name) for kind, registry in BUILT.items() for name in registry]


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_is_built_by_its_name_alone_and_by_all_its_parameters(kind, name):
    entry = build_entry(kind, BUILT[kind], name)
    assert entry == BUILT[kind][name]()
    written = ",".join(f"{key}={getattr(entry, key)}" for key in parameter_types(type(entry)))
    assert build_entry(kind, BUILT[kind], f"{name}:{written}") == entry


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_refuses_what_it_does_not_have_in_one_line(kind, name):
    with pytest.raises(FedkitError, match="no parameter 'colour'") as error:
        build_entry(kind, BUILT[kind], f"{name}:colour=red")
    assert "\n" not in str(error.value)
    numbers = [
        f.name for f in fields(BUILT[kind][name]) if f.init and not isinstance(f.default, str)
    ]
    for key in numbers:
        with pytest.raises(FedkitError, match="not a number"):
            build_entry(kind, BUILT[kind], f"{name}:{key}=many")


@pytest.mark.parametrize("kind", BUILT)
def test_says_in_one_sentence_what_each_is(kind):
    for entry in describe_entries(BUILT[kind]):
        assert entry["about"].endswith((".", ")")) and len(entry["about"]) <= 140, entry
        assert isinstance(entry["needs"], str) and "\n" not in entry["needs"]
    assert len({e["about"] for e in describe_entries(BUILT[kind])}) == len(BUILT[kind]), (
        "two say the same of themselves"
    )


@pytest.mark.parametrize("kind", BUILT)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(kind):
    with pytest.raises(FedkitError) as error:
        build_entry(kind, BUILT[kind], "nothing")
    assert all(name in str(error.value) for name in BUILT[kind])


def test_every_registry_is_listed_and_none_is_empty():
    listed = list_methods()
    assert set(listed) == set(REGISTRIES) and all(listed.values())
    for kind, registry in BUILT.items():
        assert [e["name"] for e in listed[kind.replace("-", "_")]] == list(registry)
