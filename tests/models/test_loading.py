"""Reading a base model: what is at fault is said."""

from __future__ import annotations

import pytest

from fedkit.core.errors import FedkitError
from fedkit.models.loading import load_model


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        Exception("No such device or Cannot allocate memory (os error 12)"),
    ],
)
def test_short_memory_is_not_blamed_on_the_files(tiny_config, monkeypatch, error):
    import transformers

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", fail)
    with pytest.raises(FedkitError, match="not enough memory to read the model"):
        load_model(tiny_config(), ("a", "b"))


def test_damaged_files_are(tiny_config, monkeypatch):
    import transformers

    def fail(*_, **__):
        raise ValueError("header too large")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", fail)
    with pytest.raises(FedkitError, match="header too large; it needs"):
        load_model(tiny_config(), ("a", "b"))
