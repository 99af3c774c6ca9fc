"""The head start's statistics as a private release: bounded contributions, noise on their sum."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.tensors import CENTRE_NAME, Params, l2_norm
from fedkit.federated.local.train import count_labels
from fedkit.federated.methods import methods_of
from fedkit.federated.rounds.secure_sum import RequiredNoise
from fedkit.privacy.mechanisms import Budget
from fedkit.privacy.noise import NoiseKey, add_discrete_noise

# of the statistics released together: an example adds one to a count, and a vector of length 1 to
# each of the sums
STATISTIC_WEIGHTS = {"label_counts": 0.3, "feature_total": 0.4, "feature_sums": 1.0}


def bound_statistics(sent: Params, budget: Budget | None) -> Params:
    """Return a client's statistics, weighted, and clipped where whole clients are protected.

    An example, or the whole client, then moves them by at most `statistics_sensitivity`.
    """
    if budget is None:
        return sent
    weighed = {n: STATISTIC_WEIGHTS[n] * t for n, t in add_feature_total(sent).items()}
    if budget.unit == "example":
        return weighed
    norm = l2_norm(weighed)
    return {n: t / max(norm, 1.0) for n, t in weighed.items()}


def add_feature_total(sent: Params) -> Params:
    """Add the sum of all vectors (d,), which is less noisy than the sum of noisy sums per label."""
    return sent | {"feature_total": sent["feature_sums"].sum(0)} if "feature_sums" in sent else sent


def trains_about_centre(config: RunConfig) -> bool:
    """Return whether private training of the head uses vectors about the released mean vector."""
    return methods_of(config).privacy.unit == "example" and "feature_sums" in _released(config)


def released_centre(total: Params) -> Params:
    """Return {CENTRE_NAME: mean sentence vector (d,) of released statistics, at most length 1}."""
    mean = total["feature_total"] / total["label_counts"].sum().clamp_min(1.0)
    return {CENTRE_NAME: mean / mean.norm().clamp_min(1.0)}


def shift_to_centre(total: Params, centre: Tensor) -> Params:
    """Return the statistics with the sums per label taken of vectors about a centre."""
    return total | {"feature_sums": total["feature_sums"] - total["label_counts"][:, None] * centre}


def statistics_sensitivity(names: Params, budget: Budget) -> float:
    """Return the L2 sensitivity of all bounded statistics to one unit.

    Sentence vectors have length 1.
    """
    squares = sum(STATISTIC_WEIGHTS[n] ** 2 for n in names)
    return math.sqrt(squares) if budget.unit == "example" else 1.0


def unbound_statistics(total: Params, budget: Budget | None) -> Params:
    """Undo the weights of `bound_statistics`; counts are at least 0."""
    if budget is None:
        return total
    total = {n: t / STATISTIC_WEIGHTS[n] for n, t in total.items()}
    return total | {"label_counts": total["label_counts"].clamp_min(0.0)}


def required_noise(names: Params, budget: Budget | None, most: int) -> RequiredNoise | None:
    """Return the noise that a sealed sum of statistics must carry.

    None where the clients have added it themselves, or none is required. most: examples of the
    largest client.
    """
    if budget is None or not (budget.unit == "client" or budget.trust_sum):
        return None
    return RequiredNoise(
        statistics_sensitivity(names, budget), budget.start, most if budget.unit == "example" else 1
    )


def add_client_noise(sent: Params, budget: Budget | None, client: str, key: NoiseKey) -> Params:
    """Add a client's own noise to its bounded statistics, where nobody else is trusted."""
    if budget is None or budget.unit == "client" or budget.trust_sum:
        return sent
    return _noisy(sent, sent, budget, key.child("statistics", client))


def add_server_noise(
    total: Params, config: RunConfig, budget: Budget | None, key: NoiseKey
) -> Params:
    """Add the server's noise to the sum, where whole clients are protected and it is trusted."""
    if budget is None or budget.unit != "client" or config.secure != "none":
        return total
    return _noisy(total, total, budget, key.child("statistics of all"))


def released_label_counts(
    labels: np.ndarray,
    num_labels: int,
    config: RunConfig,
    budget: Budget,
    client: str,
    key: NoiseKey,
) -> Tensor:
    """Return the label counts (labels,) that a client released before round 1, for its own loss.

    Its loss must not use the true counts, on which every example's gradient would depend. All ones
    where nothing was released, or where the client added only a share of the noise.
    """
    if not budget.start or budget.trust_sum:
        return torch.ones(num_labels)
    bare = {"label_counts": STATISTIC_WEIGHTS["label_counts"] * count_labels(labels, num_labels)}
    names = dict.fromkeys(_released(config), torch.zeros(0))
    noisy = _noisy(bare, names, budget, key.child("statistics", client))
    return unbound_statistics(noisy, budget)["label_counts"]


def _released(config: RunConfig) -> tuple[str, ...]:
    sums = methods_of(config).head_start.sums
    return ("label_counts", *sums, *(["feature_total"] if "feature_sums" in sums else []))


def _noisy(params: Params, released: Params, budget: Budget, key: NoiseKey) -> Params:
    """Add noise. released: all statistics that are released together, by name."""
    bound = statistics_sensitivity(released, budget)
    part = bound / math.sqrt(len(released))  # all of them are rounded
    # a stream for each, so that one can be drawn again without the others
    return {
        name: add_discrete_noise(tensor, budget.start * bound, part, key.stream(name))
        for name, tensor in params.items()
    }
