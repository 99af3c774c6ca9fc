"""DP-SGD at a client: Poisson batches, clipped per-example gradients, noise on their sum.

The sum is computed in three ways, tested against each other and against one-by-one autograd: in
closed form for the head alone, through the fast engine (every text as if it were a client with its
own adapters), and by Opacus' hooks for everything else.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.tensors import CENTRE_NAME, Params
from fedkit.federated.local.train import (
    FitResult,
    GradientCorrection,
    Task,
    learning_rates,
    select_tokens,
    sgd_momentum,
)
from fedkit.models.classifier import Model, without_peft
from fedkit.privacy.mechanisms import MAX_STEP, Budget
from fedkit.privacy.noise import CipherStream, add_discrete_noise

GRADIENT_TEXTS = 64  # texts whose separate gradients are held at once, at most
GRADIENT_VALUES = 16_000_000  # values of separate gradients held at once, at most
HEAD_SHARE = 0.8  # of the squared clip, where more than the head is trained
MIXED_GRADIENTS = "gradients of examples together differ from those alone"


def private_fit(
    model: Model, task: Task, config: RunConfig, tick: Callable[[], None] = lambda: None
) -> FitResult:
    """Train the model in place, from the task's start, by DP-SGD (Abadi et al., 2016).

    The plan is `task.private`. Plain gradient descent, with momentum under --optimizer
    sgd:momentum=M: under noise nothing else was better.
    """
    began, plan = time.perf_counter(), task.private
    assert plan is not None
    sizes = step_sizes(learning_rates(model, config), plan.head_lr, plan.scale, plan.clip)
    model.load_params(task.start)
    centre, correction = task.start.get(CENTRE_NAME), GradientCorrection(model.trainable, task)
    momentum = sgd_momentum(config) or 0.0
    noise, sampling = plan.key.stream("noise"), plan.key.stream("rows")
    expected, seen, total = plan.rate * len(task.examples), 0, 0.0
    velocity: Params = {}
    with per_example_gradients(model) as gradients:
        for rows in poisson_batches(len(task.examples), plan.rate, plan.steps, sampling):
            tick()
            texts = select_tokens(task.examples, rows)
            labels = torch.from_numpy(task.examples.labels[rows])
            clipped, loss = gradients(texts, labels, task.adjust, plan.clip, task.frozen, centre)
            if plan.sigma:
                clipped = add_discrete_noise(clipped, plan.sigma, plan.clip, noise)
            seen, total, mean = seen + len(rows), total + loss, clipped / expected
            if plan.only_gradient:
                continue
            parts = balance_bias(unflatten_params(mean, model.trainable), centre)
            for name, part in parts.items():
                model.trainable[name].grad = None if name in task.frozen else part
            correction.apply(model.trainable)
            velocity = _descend(model, sizes, momentum, velocity)
    given = None
    if plan.only_gradient:
        parts = unflatten_params(mean, model.trainable)
        given = {n: -t.float().cpu() for n, t in parts.items()}
    seconds = time.perf_counter() - began
    loss = total / max(seen, 1)
    # how many rows were drawn must stay secret: that makes the sampling count
    drawn = round(expected * plan.steps)
    return FitResult(model.params(), plan.steps, drawn, loss, seconds, given=given)


def step_sizes(
    rates: dict[str, float], head_lr: float, scale: float, clip: float
) -> dict[str, float]:
    """Return the factor of each tensor's mean clipped gradient in a step.

    rates: learning rates of the run. head_lr: replaces that of the head.
    """
    most = MAX_STEP / clip
    return {
        n: min(scale * (head_lr if n.startswith("head.") else rate), most)
        for n, rate in rates.items()
    }


def _descend(model: Model, sizes: dict[str, float], momentum: float, velocity: Params) -> Params:
    """Step against the gradients; return the new velocity."""
    new: Params = {}
    with torch.no_grad():
        for name, parameter in model.trainable.items():
            if parameter.grad is not None:
                new[name] = momentum * velocity.get(name, 0.0) + parameter.grad
                parameter.sub_(sizes[name] * new[name])
            parameter.grad = None
    return new


def balance_bias(gradient: Params, centre: Tensor | None) -> Params:
    """Set the bias gradient so that the logits of the mean text do not change.

    Reveals nothing new of the data. A head trained on vectors about their mean, W (z - centre),
    equals one on the vectors themselves with a bias of -W centre.
    """
    if centre is None:
        return gradient
    return gradient | {"head.bias": -gradient["head.weight"] @ centre.to(gradient["head.weight"])}


def server_step(
    mean: Params, centre: Tensor | None, budget: Budget, rates: dict[str, float], examples: float
) -> Params:
    """Return the server's step where clients only gave noisy gradients.

    mean: minus their mean per example.
    """
    sizes = step_sizes(rates, budget.head_lr, budget.scale * examples, budget.clip)
    return {n: sizes[n] * t for n, t in balance_bias(mean, centre).items()}


def poisson_batches(n: int, rate: float, steps: int, rng: CipherStream) -> Iterator[np.ndarray]:
    """Yield the row numbers of each step.

    Every row is drawn with probability `rate`, independently; a batch may be empty.
    """
    for _ in range(steps):
        yield np.flatnonzero(rng.random(n) < rate)


def clipped_sum(gradients: Tensor, clip: float) -> Tensor:
    """Return sum_i g_i min(1, clip / ||g_i||), shape (P,), of gradients (n, P)."""
    return (gradients * clip_factors(gradients.norm(dim=1), clip)[:, None]).sum(0)


def clipped_sum_by_groups(gradients: Tensor, head: Tensor, clip: float) -> Tensor:
    """Return the sum of gradients with head and body clipped separately, to shares of `clip`.

    Neither then crowds out the other, and a text's gradient is still no longer than `clip` (McMahan
    et al., 2018, "A general approach to adding differential privacy"). head: bool (P,).
    """
    if head.all() or not head.any():
        return clipped_sum(gradients, clip)
    out = torch.zeros_like(gradients[0])
    for part, share in ((head, HEAD_SHARE), (~head, 1 - HEAD_SHARE)):
        out[part] = math.sqrt(share) * clipped_sum(gradients[:, part], clip)
    return out


def clip_factors(norms: Tensor, clip: float) -> Tensor:
    """Return the factor that clips each gradient, shape (n,); 0 for one that is not finite."""
    return (clip / norms.clamp_min(1e-12)).clamp(max=1.0).where(norms.isfinite(), 0.0)


def clipped_head_sum(
    vectors: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor,
    clip: float,
    adjust: Tensor | None = None,
    centre: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return sums of clipped gradients of weight (labels, d) and bias (labels,), and losses (n,).

    The gradient of one example is (p - y) [z, 1]', so its norm is ||p - y|| sqrt(||z||^2 + 1), and
    no separate gradients are held (Goodfellow, 2015). About a centre it is (p - y) (z - centre)',
    and 0 for the bias. vectors: (n, d).
    """
    logits = vectors @ weight.T + bias
    logits = logits if adjust is None else logits + adjust
    loss = nn.functional.cross_entropy(logits, labels, reduction="none")
    wrong = logits.softmax(1)
    wrong[torch.arange(len(labels)), labels] -= 1.0
    about = vectors if centre is None else vectors - centre.to(vectors)
    norms = wrong.norm(dim=1) * (about.square().sum(1) + (centre is None)).sqrt()
    wrong = wrong.nan_to_num(0.0, 0.0, 0.0) * clip_factors(norms, clip)[:, None]
    return wrong.T @ about.nan_to_num(0.0, 0.0, 0.0), wrong.sum(0) * (centre is None), loss


def unflatten_params(flat: Tensor, like: Mapping[str, Tensor]) -> Params:
    """Return a vector (P,) as tensors with the names and shapes of `like`, in its order."""
    parts = flat.split([t.numel() for t in like.values()])
    return {
        n: part.view(t.shape).to(t.device, t.dtype) for (n, t), part in zip(like.items(), parts)
    }


def split_rows(rows: Tensor, like: Mapping[str, Tensor]) -> Params:
    """Return vectors (n, P) as tensors (n, *shape) with the names and shapes of `like`."""
    parts = rows.split([t.numel() for t in like.values()], 1)
    return {n: part.unflatten(1, t.shape) for (n, t), part in zip(like.items(), parts)}


@dataclass(frozen=True)
class Rows:
    """Examples of one step, and what becomes of their gradients.

    labels: (n,). adjust: added to the logits. frozen: names of tensors whose gradients are 0.
    centre: mean vector about which the head is trained.
    """

    texts: list
    labels: Tensor
    adjust: Tensor | None
    clip: float
    frozen: frozenset[str]
    centre: Tensor | None


@contextmanager
def per_example_gradients(model: Model) -> Iterator[Callable[..., tuple[Tensor, float]]]:
    """Yield a function that returns (sum of clipped gradients (P,), sum of losses).

    Its arguments are the fields of `Rows`.
    """
    engine = model.fast_encoder
    if engine is not None and engine.lowest_trained == len(engine.layers):
        yield lambda *given: _head(model, Rows(*given))
    elif engine is not None:
        yield lambda *given: _in_parts(model, partial(_stacked, model), Rows(*given))
    else:
        with opacus_hooks(model) as wrapped:
            yield lambda *given: _in_parts(model, partial(_hooked, model, wrapped), Rows(*given))


def _head(model: Model, rows: Rows) -> tuple[Tensor, float]:
    """Return the sum of clipped gradients where only the head is trained."""
    if not rows.texts:
        return torch.zeros(model.num_trainable(), device=model.device), 0.0
    assert model.fast_encoder is not None
    vectors = model.fast_encoder.features(rows.texts, {}).float()
    weight, bias = (model.trainable[n].detach() for n in ("head.weight", "head.bias"))
    adjust = None if rows.adjust is None else rows.adjust.to(model.device)
    labels = rows.labels.to(model.device)
    *sums, losses = clipped_head_sum(vectors, labels, weight, bias, rows.clip, adjust, rows.centre)
    parts = dict(zip(("head.weight", "head.bias"), sums))
    return torch.cat([parts[n].flatten() for n in model.trainable]), float(losses.sum())


def _in_parts(model: Model, each: Callable, rows: Rows) -> tuple[Tensor, float]:
    """Return the sum of clipped gradients, computed for a few texts of similar length at a time."""
    total, loss = torch.zeros(model.num_trainable(), device=model.device), 0.0
    size = max(1, min(GRADIENT_TEXTS, GRADIENT_VALUES // model.num_trainable()))
    order = np.argsort([len(t) for t in rows.texts], kind="stable")
    still = _mask(model, lambda name: name in rows.frozen)
    head = _mask(model, lambda name: name.startswith("head."))
    for start in range(0, len(order), size):
        some = order[start : start + size]
        labels = rows.labels[some].to(model.device)
        gradient, losses = each([rows.texts[i] for i in some], labels, rows.adjust)
        if rows.frozen:
            gradient = gradient.masked_fill(still.to(gradient.device), 0.0)
        if rows.centre is not None:
            gradient = _about(gradient, model, rows.centre)
        total = total + clipped_sum_by_groups(gradient, head, rows.clip)
        loss += float(losses.sum())
    return total, loss


def _mask(model: Model, chosen: Callable[[str], bool]) -> Tensor:
    """Return which of all trained values belong to the chosen tensors, bool (P,)."""
    return torch.cat([torch.full((p.numel(),), chosen(n)) for n, p in model.trainable.items()])


def _about(gradient: Tensor, model: Model, centre: Tensor) -> Tensor:
    """Return gradients (n, P) of a head on vectors about a centre: (weight - bias centre', 0)."""
    parts = split_rows(gradient, model.trainable)
    bias = parts["head.bias"]
    weight = parts["head.weight"] - bias[:, :, None] * centre.to(gradient)
    parts |= {"head.weight": weight, "head.bias": torch.zeros_like(bias)}
    return torch.cat([part.flatten(1) for part in parts.values()], 1)


def _stacked(
    model: Model, texts: list, labels: Tensor, adjust: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return (gradients (n, P), losses (n,)) by the fast engine, each text as one client."""
    assert model.fast_encoder is not None
    values = torch.cat([p.detach().flatten() for p in model.trainable.values()])
    leaf = values.expand(len(texts), -1).clone().requires_grad_()
    with torch.enable_grad():
        params = split_rows(leaf, model.trainable)
        vectors = model.fast_encoder.features(texts, params, np.arange(len(texts)))
        logits = torch.einsum("nd,nkd->nk", vectors, params["head.weight"]) + params["head.bias"]
        losses = _losses(logits, labels, adjust)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return gradient, losses.detach()


def _hooked(
    model: Model, wrapped: nn.Module, texts: list, labels: Tensor, adjust: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return (gradients (n, P), losses (n,)) by Opacus' hooks, which set `grad_sample`."""
    with torch.enable_grad():
        with model.precision():
            logits = wrapped(*model.pad_batch(texts)).float()
        losses = _losses(logits, labels, adjust)
        losses.sum().backward()
    rows = []
    for parameter in model.trainable.values():
        sample: Any = getattr(parameter, "grad_sample", None)
        if sample is None:  # not part of what was computed, such as a frozen tensor
            sample = parameter.new_zeros(len(texts), parameter.numel())
        sample = sum(sample) if isinstance(sample, list) else sample
        rows.append(sample.flatten(1))
        _clear_gradients(parameter)
    return torch.cat(rows, 1).float(), losses.detach()


def _losses(logits: Tensor, labels: Tensor, adjust: Tensor | None) -> Tensor:
    adjusted = logits if adjust is None else logits + adjust.to(logits.device)
    return nn.functional.cross_entropy(adjusted, labels, reduction="none")


@contextmanager
def opacus_hooks(model: Model) -> Iterator[nn.Module]:
    """Yield the model's module with Opacus' hooks, and remove them afterwards.

    Raises FedkitError where they give wrong gradients.
    """
    from opacus.grad_sample import GradSampleModule

    try:
        wrapped = GradSampleModule(model.module, loss_reduction="sum", strict=False)
    except (NotImplementedError, ValueError) as error:
        raise _impossible(model, str(error).splitlines()[0]) from None
    was = model.module.training
    # Opacus looks at modules in training only; nothing may be dropped at random
    for module in wrapped.modules():
        module.training = any(p.requires_grad for p in module.parameters(recurse=False))
    places = model.module.encoder.register_forward_pre_hook(separate_positions, with_kwargs=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            _check(model, wrapped)
            yield wrapped
    finally:
        places.remove()
        wrapped.remove_hooks()
        model.module.train(was)
        for parameter in model.module.parameters():
            parameter.grad_sample = None  # type: ignore[attr-defined]  # set by Opacus


def separate_positions(encoder: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Give every text its own positions and types; one row for all would mix their gradients."""
    base = without_peft(encoder)
    embeddings, ids = getattr(base, "embeddings", None), kwargs["input_ids"]
    if getattr(embeddings, "token_type_embeddings", None) is not None:
        kwargs = kwargs | {"token_type_ids": torch.zeros_like(ids)}
    if getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", 0) is None:
        places = torch.arange(ids.shape[1], device=ids.device)
        kwargs = kwargs | {"position_ids": places.expand(ids.shape)}
    return args, kwargs


def _check(model: Model, wrapped: nn.Module) -> None:
    """Check, once for each model, that texts have the same gradients in a batch as alone."""
    if getattr(model, "hooks_checked", False):
        return
    texts, labels = [(5, 6, 7, 8), (9, 10, 11)], torch.tensor([0, 1]).to(model.device)
    try:
        together, _ = _hooked(model, wrapped, texts, labels, None)
    except RuntimeError:  # of tensors that do not fit: a parameter has one gradient for all
        raise _impossible(model, MIXED_GRADIENTS) from None
    trained = list(model.trainable.values())
    close = 1e-3 if model.dtype == torch.float32 else 0.1
    for i in range(2):
        with torch.enable_grad(), model.precision():
            logits = model.module(*model.pad_batch([texts[i]])).float()
            loss = _losses(logits, labels[[i]], None).sum()
        found = zip(torch.autograd.grad(loss, trained, allow_unused=True), trained)
        alone = torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in found])
        if not (together[i] - alone.float()).norm() <= close * alone.norm():
            raise _impossible(model, MIXED_GRADIENTS)
    for parameter in model.module.parameters():
        _clear_gradients(parameter)
    model.hooks_checked = True  # type: ignore[attr-defined]  # a note for this module only


def _clear_gradients(parameter: nn.Parameter) -> None:
    parameter.grad_sample = parameter.grad = None  # type: ignore[attr-defined]  # set by Opacus


def _impossible(model: Model, why: str) -> FedkitError:
    return FedkitError(
        f"privacy needs each example's own gradient, and tune {model.tune!r} on {model.source.name}"
        f" has none ({why}); use --tune lora or --tune head"
    )
