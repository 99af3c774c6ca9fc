"""Settings and libraries that must not be used together are refused before any work."""

from __future__ import annotations

import pytest

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.federated import validation


@pytest.mark.parametrize(
    ("opacus", "peft", "refused"),
    [("1.5.4", "0.18.1", True), ("1.5.4", "0.13.2", False), ("1.6.0", "0.21.2", False)],
)
def test_private_training_with_libraries_that_are_known_wrong(monkeypatch, opacus, peft, refused):
    monkeypatch.setattr(validation, "version", {"opacus": opacus, "peft": peft}.__getitem__)
    assert bool(validation.opacus_problem()) is refused
    private = RunConfig(privacy="example:eps=8", tune="lora")
    if refused:
        with pytest.raises(
            FedkitError, match=f"opacus {opacus} with peft {peft}.*install opacus 1.6"
        ):
            validation.check_methods(private)
    else:
        validation.check_methods(private)
    validation.check_methods(RunConfig())  # without a promise the pair does no harm


def test_what_is_installed_here_may_train_privately():
    assert validation.opacus_problem() == ""
