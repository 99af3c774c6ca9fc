"""Two differentiable operations of the fast engine, with their derivatives written out."""

from __future__ import annotations

import torch
from torch import Tensor

from fedkit.model.packed import Block, Packed


class Adapted(torch.autograd.Function):
    """y = x W' + b, and in rows_j of the output + mask(x A_j') B_j': a frozen matrix with the adapters of G clients.

    x: (T, in). weight: (out, in), frozen. own: (T, G) of 0 and 1, or None for one client. rows: output rows of each of
    the J adapted layers. a: (J * G * r, in). b: J matrices (rows_j, G * r).
    """

    @staticmethod
    def forward(ctx, x, weight, bias, own, rows, a, *b):
        y = torch.addmm(bias, x, weight.t())
        low = _masked(x @ a.t(), own, len(b))
        for part, where, up in zip(low.chunk(len(b), 1), rows, b):
            y[:, where].addmm_(part, up.t())
        ctx.save_for_backward(x, weight, own, low, a, *b)
        ctx.rows = rows
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, own, low, a, *b = ctx.saved_tensors
        parts = [dy[:, where] for where in ctx.rows]
        dlow = _masked(torch.cat([part @ up for part, up in zip(parts, b)], 1), own, len(b))
        db = [part.t() @ left for part, left in zip(parts, low.chunk(len(b), 1))]
        dx = torch.addmm(dy @ weight, dlow, a) if ctx.needs_input_grad[0] else None
        return dx, None, None, None, None, dlow.t() @ x, *db


def _masked(low: Tensor, own: Tensor | None, adapted: int) -> Tensor:
    """Zero what belongs to another client than the token's own. low: (T, J * G * r)."""
    if own is not None:
        low.unflatten(1, (adapted, own.shape[1], -1)).mul_(own[:, None, :, None])
    return low


class Attention(torch.autograd.Function):
    """softmax(q k' / sqrt(d)) v within each text, block by block, the softmax in float32. (T, 3 h d) -> (T, h d)."""

    @staticmethod
    def forward(ctx, qkv, packed, heads):
        out, saved = qkv.new_empty(len(qkv), qkv.shape[1] // 3), []
        for block, mask in zip(packed.blocks, packed.masks):
            split = _by_head(qkv, block, 3, heads).contiguous()  # one copy, so that every product below reads plain memory
            q, k, v = split.flatten(1, 2)  # (rows * heads, length, d) each
            scores = torch.bmm(q, k.transpose(1, 2)).float().mul_(q.shape[-1] ** -0.5)
            if block.padded:
                scores.unflatten(0, (block.rows, heads)).masked_fill_(~mask[:, None, None, :], -torch.inf)
            weights = scores.softmax(-1).to(qkv.dtype)
            _by_head(out, block, 1, heads)[0].copy_(torch.bmm(weights, v).unflatten(0, (block.rows, heads)))
            saved += [split, weights]
        ctx.save_for_backward(*saved)
        ctx.packed, ctx.heads = packed, heads
        return out

    @staticmethod
    def backward(ctx, dout):
        dqkv, saved = dout.new_empty(len(dout), 3 * dout.shape[1]), ctx.saved_tensors
        for block, split, weights in zip(ctx.packed.blocks, saved[::2], saved[1::2]):
            q, k, v = split.flatten(1, 2)
            dsplit = torch.empty_like(split)
            dq, dk, dv = dsplit.flatten(1, 2)
            dy = _by_head(dout, block, 1, ctx.heads)[0].flatten(0, 1)
            torch.bmm(weights.transpose(1, 2), dy, out=dv)
            dweights = torch.bmm(dy, v.transpose(1, 2)).float()
            dscores = torch._softmax_backward_data(dweights, weights.float(), -1, torch.float32)
            dscores = dscores.mul_(q.shape[-1] ** -0.5).to(q.dtype)
            torch.bmm(dscores, k, out=dq)
            torch.bmm(dscores.transpose(1, 2), q, out=dk)
            _by_head(dqkv, block, 3, ctx.heads).copy_(dsplit)
        return dqkv, None, None


def _by_head(x: Tensor, block: Block, parts: int, heads: int) -> Tensor:
    """A view of a block's tokens (T, parts * heads * d) as (parts, rows, heads, length, d)."""
    return x[block.tokens].view(block.rows, block.length, parts, heads, -1).permute(2, 0, 3, 1, 4)
