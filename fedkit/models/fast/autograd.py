"""Two differentiable operations of the fast engine, with explicit derivatives."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

from fedkit.models.fast.packing import WindowBlock


class FrozenLinear:
    """A frozen matrix and bias in a fast layout: `forward` is x W' + b, `backward` is dy W.

    weight: (out, in). bias: (out,). In bfloat16 on a CPU the matrix is kept in oneDNN's own order,
    once for each direction, which is 10 to 20 % faster than torch's products with a plain matrix.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        self.weight, self.bias, self.packed = weight, bias, None
        half = weight.dtype == torch.bfloat16 and weight.device.type == "cpu"
        if half and torch.backends.mkldnn.is_available():
            with contextlib.suppress(AttributeError, RuntimeError):  # not in every build of torch
                reorder = torch.ops.mkldnn._reorder_linear_weight
                self.packed = reorder(weight), reorder(weight.t().contiguous())
                self.forward(weight.new_zeros(2, weight.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        if self.packed is None:
            return torch.addmm(self.bias, x, self.weight.t())
        return torch.ops.mkldnn._linear_pointwise(x, self.packed[0], self.bias, "none", [], "")

    def backward(self, dy: Tensor) -> Tensor:
        if self.packed is None:
            return dy @ self.weight
        return torch.ops.mkldnn._linear_pointwise(dy, self.packed[1], None, "none", [], "")


class AdaptedLinear(torch.autograd.Function):
    """A frozen matrix with LoRA pairs of G clients: y = x W' + b, plus mask(x A_j') B_j' in rows_j.

    x: (T, in). frozen: W (out, in) and b. owner_mask: (T, G * r) of 0 and 1, or None for one
    client. rows: output rows of each of the J adapted layers. a: (J * G * r, in), None if J is 0.
    b: J matrices (rows_j, G * r).
    """

    @staticmethod
    def forward(ctx, x, frozen, owner_mask, rows, a, *b):
        y, low = frozen.forward(x), None
        if b:
            low = _mask_other_clients(x @ a.t(), owner_mask, len(b))
            for part, where, up in zip(low.chunk(len(b), 1), rows, b):
                y[:, where].addmm_(part, up.t())
        ctx.save_for_backward(x if b else None, owner_mask, low, a, *b)
        ctx.frozen, ctx.rows = frozen, rows
        return y

    @staticmethod
    def backward(ctx, dy):
        x, owner_mask, low, a, *b = ctx.saved_tensors
        dx = ctx.frozen.backward(dy) if ctx.needs_input_grad[0] else None
        if not b:
            return dx, None, None, None, None
        parts = [dy[:, where] for where in ctx.rows]
        dlow = torch.cat([part @ up for part, up in zip(parts, b)], 1)
        dlow = _mask_other_clients(dlow, owner_mask, len(b))
        db = [part.t() @ left for part, left in zip(parts, low.chunk(len(b), 1))]
        return dx if dx is None else dx.addmm_(dlow, a), None, None, None, dlow.t() @ x, *db


def _mask_other_clients(low: Tensor, owner_mask: Tensor | None, adapted: int) -> Tensor:
    """Set the entries of clients other than the token's to zero, in place. low: (T, J * G * r)."""
    if owner_mask is not None:
        low.unflatten(1, (adapted, -1)).mul_(owner_mask[:, None])
    return low


class WindowAttention(torch.autograd.Function):
    """softmax(q k' / sqrt(d) + bias) v within each window: (T, 3 * heads * d) -> (T, heads * d).

    biases: one per block, see `WindowBlock.bias`.
    """

    @staticmethod
    def forward(ctx, qkv, blocks, heads, *biases):
        out, saved = qkv.new_empty(len(qkv), qkv.shape[1] // 3), []
        for block, bias in zip(blocks, biases):
            split = _by_head(qkv, block, 3, heads).contiguous()
            q, k, v = split.flatten(1, 2)  # (windows * heads, width, d) each
            scores = torch.baddbmm(bias, q.mul_(q.shape[-1] ** -0.5), k.transpose(1, 2))
            weights = scores.softmax(-1)
            mixed = torch.bmm(weights, v).unflatten(0, (block.windows, heads))
            _by_head(out, block, 1, heads).copy_(mixed.unsqueeze(0))
            saved += [split, weights]
        ctx.save_for_backward(*saved)
        ctx.blocks, ctx.heads = blocks, heads
        return out

    @staticmethod
    def backward(ctx, dout):
        dqkv, saved = dout.new_empty(len(dout), 3 * dout.shape[1]), ctx.saved_tensors
        for block, split, weights in zip(ctx.blocks, saved[::2], saved[1::2]):
            q, k, v = split.flatten(1, 2)
            dsplit = torch.empty_like(split)
            dq, dk, dv = dsplit.flatten(1, 2)
            dy = _by_head(dout, block, 1, ctx.heads).flatten(0, 2)
            torch.bmm(weights.transpose(1, 2), dy, out=dv)
            dweights = torch.bmm(dy, v.transpose(1, 2))
            dscores = torch._softmax_backward_data(dweights, weights, -1, weights.dtype)
            torch.bmm(dscores, k, out=dq).mul_(q.shape[-1] ** -0.5)
            torch.bmm(dscores.transpose(1, 2), q, out=dk)
            _by_head(dqkv, block, 3, ctx.heads).copy_(dsplit)
        return dqkv, None, None, *[None] * len(ctx.blocks)


def _by_head(x: Tensor, block: WindowBlock, parts: int, heads: int) -> Tensor:
    """View a block's tokens (T, parts * heads * d) as (parts, windows, heads, width, d)."""
    return x[block.rows].view(block.windows, block.width, parts, heads, -1).permute(2, 0, 3, 1, 4)
