"""fedkit: learn, show and decide federated fine-tuning of foundation models.

Importing this package is cheap: torch and transformers load when something first needs them.
"""

from __future__ import annotations

import importlib
import os

# No telemetry from the libraries.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Waiting threads spin briefly: longer gains about 10 % on a quiet machine and is several times
# slower on a busy one.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"

_PUBLIC = {
    "RunConfig": "fedkit.core.config",
    "FedkitError": "fedkit.core.errors",
    "Run": "fedkit.core.record",
    "load_corpus": "fedkit.data.load",
    "deal": "fedkit.data.partition",
    "load_model": "fedkit.models.loading",
    "prepare": "fedkit.experiments.job",
    "run": "fedkit.experiments.runner",
    "baseline": "fedkit.experiments.baselines",
    "run_baselines": "fedkit.experiments.baselines",
    "federate": "fedkit.federated.algorithm",
    "scoreboard": "fedkit.results.scoreboard",
    "to_text": "fedkit.results.scoreboard",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'fedkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
