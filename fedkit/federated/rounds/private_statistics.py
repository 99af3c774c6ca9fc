"""The statistics of the head start as a private release: each unit's part bounded, noise of the
budget on the sum.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor

from fedkit.core.config import RunConfig
from fedkit.core.tensors import CENTRE, Params, norm_of, torch_rng
from fedkit.federated.local.train import counted
from fedkit.federated.rounds.secure_sum import Owed
from fedkit.privacy.mechanisms import Budget, make_privacy

# of what is released together: an example adds one to a count, and a vector of length 1 to each of
# the sums
WEIGHTS = {"label_counts": 0.3, "feature_total": 0.4, "feature_sums": 1.0}
STREAM = 17  # marks the generator of the start's noise


def bounded(sent: Params, budget: Budget | None) -> Params:
    """A site's statistics in units in which an example, or the whole site, moves them by at most
    `sensitivity`.
    """
    if budget is None:
        return sent
    weighed = {n: WEIGHTS[n] * t for n, t in with_total(sent).items()}
    if budget.unit == "example":
        return weighed
    norm = norm_of(weighed)
    return {n: t / max(norm, 1.0) for n, t in weighed.items()}


def with_total(sent: Params) -> Params:
    """With the sum of all vectors (d,), which is known better than from noisy sums per label."""
    return sent | {"feature_total": sent["feature_sums"].sum(0)} if "feature_sums" in sent else sent


def centred(config: RunConfig) -> bool:
    """Whether private training of the head is about the mean sentence vector, which the start
    releases.
    """
    return make_privacy(config.privacy).unit == "example" and "feature_sums" in _released(config)


def centre_of(total: Params) -> Params:
    """{CENTRE: the mean sentence vector (d,)} of released statistics, of length 1 at most."""
    mean = total["feature_total"] / total["label_counts"].sum().clamp_min(1.0)
    return {CENTRE: mean / mean.norm().clamp_min(1.0)}


def about_centre(total: Params, centre: Tensor) -> Params:
    """The statistics of vectors about a centre; only the sums per label."""
    return total | {"feature_sums": total["feature_sums"] - total["label_counts"][:, None] * centre}


def sensitivity(names: Params, budget: Budget) -> float:
    """L2: by how much one unit moves all bounded statistics together. Sentence vectors have length
    1.
    """
    return math.sqrt(sum(WEIGHTS[n] ** 2 for n in names)) if budget.unit == "example" else 1.0


def unbounded(total: Params, budget: Budget | None) -> Params:
    """The inverse of the units of `bounded`; counts are at least 0."""
    if budget is None:
        return total
    total = {n: t / WEIGHTS[n] for n, t in total.items()}
    return total | {"label_counts": total["label_counts"].clamp_min(0.0)}


def owed(names: Params, budget: Budget | None, most: int) -> Owed | None:
    """The noise that a sealed sum of statistics must carry; None where the sites have added it, or
    nobody owes any.

    most: examples of the largest site.
    """
    if budget is None or not (budget.unit == "client" or budget.trust_sum):
        return None
    return Owed(sensitivity(names, budget), budget.start, most if budget.unit == "example" else 1)


def at_site(sent: Params, budget: Budget | None, client: str, entropy: int) -> Params:
    """Bounded statistics with the site's own noise, where nobody else is trusted."""
    if budget is None or budget.unit == "client" or budget.trust_sum:
        return sent
    return _noisy(sent, budget, (entropy, 0, zlib.crc32(client.encode()), STREAM))


def at_server(total: Params, config: RunConfig, budget: Budget | None, entropy: int) -> Params:
    """The sum of bounded statistics with the server's noise, where whole sites are protected and
    the server is trusted.
    """
    if budget is None or budget.unit != "client" or config.secure != "none":
        return total
    return _noisy(total, budget, (entropy, 0, STREAM))


def known_counts(
    labels: np.ndarray,
    num_labels: int,
    config: RunConfig,
    budget: Budget,
    client: str,
    entropy: int,
) -> Tensor:
    """What a site may know in its training of its own label counts (labels,): what it released of
    them before round 1.

    Its loss must not use the true ones, on which every example's gradient would depend. All ones
    where nothing was released, or only a share of the noise was its own.
    """
    if not budget.start or budget.trust_sum:
        return torch.ones(num_labels)
    bare = {"label_counts": WEIGHTS["label_counts"] * counted(labels, num_labels)}
    names = dict.fromkeys(_released(config), torch.zeros(0))
    noisy = _noisy(
        bare, budget, (entropy, 0, zlib.crc32(client.encode()), STREAM), sensitivity(names, budget)
    )
    return unbounded(noisy, budget)["label_counts"]


def _released(config: RunConfig) -> tuple[str, ...]:
    from fedkit.models.head_starts import make_head_start

    sums = make_head_start(config.head_start).sums
    return ("label_counts", *sums, *(["feature_total"] if "feature_sums" in sums else []))


def _noisy(
    params: Params, budget: Budget, stream: tuple[int, ...], bound: float | None = None
) -> Params:
    bound = sensitivity(params, budget) if bound is None else bound
    out = {}
    # a generator for each, so that one can be drawn again without the others
    for name, tensor in params.items():
        generator = torch_rng(np.random.default_rng([*stream, zlib.crc32(name.encode())]))
        out[name] = tensor + budget.start * bound * torch.randn(tensor.shape, generator=generator)
    return out
