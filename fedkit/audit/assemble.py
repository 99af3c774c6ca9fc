"""From tokens at places to texts: which of them belong to one text, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedkit.audit.atoms import base_of
from fedkit.audit.threat_model import AttackGuess, Seen

# share of its length that a right text's second-layer inputs may lie outside of that layer's span
SURE = 1e-3
# rounds of trying other tokens, for all texts together; and how many at each place
SWEEPS, TRIED = 24, 8
# of a place's gradient: what a token must explain to be put there before anything is tried
FIRST = 0.12
MENDED = 4  # texts at most for which tokens are tried: of more it takes minutes
# what counts a token that explains all of a place's gradient, beside a cosine of about 0.2 in one
# text
STANDS = 0.2
Text = tuple[int, ...]


@dataclass(frozen=True)
class Clues:
    """What the update says of each token found. tokens: (n,) ids. near: (n, texts), how alike a
    token's gradient is to those of each text. there: (n, P), how much it explains of a place's
    gradient, -inf where the span says no. begin, end: ids of the tokens that every text begins
    and ends with.
    """

    tokens: Tensor
    near: Tensor
    there: Tensor
    begin: int
    end: int


def assemble(seen: Seen, pairs: Tensor) -> AttackGuess:
    """Texts of the pairs (token, place), (n, 2). With one token at each place there is nothing to
    decide.

    Else tokens of one text are told by the gradients of their embedding rows, which are alike since
    all reach the loss through the same sentence vector; and a text is right if its inputs to the
    second layer lie in that layer's span.
    """
    tokens = frozenset(pairs[:, 0].tolist())
    places = pairs[:, 1].bincount()
    if seen.texts == 1 and bool((places == 1).all()):
        return AttackGuess(tokens, (tuple(pairs[pairs[:, 1].argsort(), 0].tolist()),))
    clues = clues_of(seen, pairs)
    if clues is None:
        return AttackGuess(
            tokens,
            why="several texts are mixed, and no embedding rows were sent to tell them apart",
        )
    texts = [read(clues, k) for k in range(seen.texts)]
    if seen.texts <= MENDED and (complement := second_span(seen)) is not None:
        texts = [mend(seen, clues, k, text, complement) for k, text in enumerate(texts)]
    return AttackGuess(tokens, tuple(texts))


def clues_of(seen: Seen, pairs: Tensor) -> Clues | None:
    """Clues of the pairs, or None where the embeddings' gradients were not sent."""
    words, rows = seen.tensor("word_embeddings.weight"), seen.tensor("position_embeddings.weight")
    if words is None or rows is None:
        return None
    tokens = pairs[:, 0].unique()
    tokens = tokens[words[tokens].norm(dim=1) > 0]
    there = torch.zeros(len(words), len(rows), dtype=torch.bool)
    there[pairs[:, 0], pairs[:, 1]] = True
    # a place's gradient is the sum of those of the tokens that stand there
    parts = rows @ torch.linalg.pinv(words[tokens], rtol=1e-10)  # (P, n)
    there = (STANDS * parts.T.clamp(0, 1)).masked_fill(~there[tokens], -torch.inf)
    tokenizer = seen.known.model.tokenizer
    begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    plain = torch.tensor([t not in seen.known.special for t in tokens.tolist()])
    return Clues(tokens, alike(words[tokens], plain, seen.texts), there, begin, end)


def alike(rows: Tensor, plain: Tensor, texts: int) -> Tensor:
    """Cosines (n, texts) of tokens' gradients (n, d) with the centres of as many clusters as there
    are texts.
    """
    from sklearn.cluster import KMeans

    unit = normalize(rows, dim=1)
    count = min(texts, int(plain.sum()))
    centres = KMeans(count, n_init=10, random_state=0).fit(unit[plain].numpy()).cluster_centers_
    return (
        unit
        @ normalize(torch.from_numpy(centres).double(), dim=1).T[
            :, [k % count for k in range(texts)]
        ]
    )


def read(clues: Clues, text: int) -> Text:
    """The text of one cluster: at each place the token most alike, up to the end at which most
    fits.
    """
    score = scores(clues, text)
    # at first only what its place speaks for
    likely = score.where(clues.there > FIRST * STANDS, score - 1.0)
    which = likely.argmax(0)
    near = clues.near[which, text]
    gain = (near - clues.near.topk(min(2, clues.near.shape[1]), dim=1).values.mean()).cumsum(0)
    end = max(ends(clues), key=lambda e: float(gain[e - 1]))
    return (clues.begin, *clues.tokens[which[1:end]].tolist(), clues.end)


def scores(clues: Clues, text: int) -> Tensor:
    """How well each token stands at each place of a text, (n, P); -inf where it cannot."""
    score = clues.near[:, text, None] + clues.there
    score[(clues.tokens == clues.begin) | (clues.tokens == clues.end)] = -torch.inf
    return score


def ends(clues: Clues) -> list[int]:
    """Places at which a text may end."""
    found = clues.there[clues.tokens == clues.end].isfinite().any(0).nonzero()[:, 0].tolist()
    return [e for e in found if e > 1] or [clues.there.shape[1] - 1]


def second_span(seen: Seen) -> Tensor | None:
    """Directions (d, free) that no input of the second layer has a part in, or None."""
    from fedkit.audit.atoms import FREE, PARTS, row_space

    found = [seen.tensor(f"layer.1.attention.self.{p}.weight") for p in PARTS]
    if any(t is None for t in found):
        return None
    basis = row_space(torch.cat([t / t.norm() for t in found]))
    if basis.shape[1] > len(basis) - FREE:
        return None
    return torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :].float()


def outside(seen: Seen, texts: list[Text], complement: Tensor) -> Tensor:
    """For each text (all of one length), the share of its second-layer inputs that lies outside the
    span: (n,).
    """
    base = base_of(seen.known.model)
    with torch.no_grad():
        ids = torch.tensor(texts, device=seen.known.model.device)
        hidden = base.encoder.layer[0](base.embeddings(input_ids=ids), None)
        # (n, tokens, d)
        hidden = (hidden[0] if isinstance(hidden, tuple) else hidden).float().cpu()
    return ((hidden @ complement).square().sum((1, 2)) / hidden.square().sum((1, 2))).sqrt()


def mend(seen: Seen, clues: Clues, number: int, text: Text, complement: Tensor) -> Text:
    """The text with tokens put in, left out or changed as long as that brings it nearer to the
    second layer's span.
    """
    left = float(outside(seen, [text], complement)[0])
    for _ in range(SWEEPS // seen.texts):
        if left < SURE:
            break
        tries = variants(clues, number, text)
        rests = torch.cat(
            [outside(seen, group, complement) for group in same_length(tries)] or [torch.ones(1)]
        )
        tries = [t for group in same_length(tries) for t in group]
        if not tries or float(rests.min()) >= left:
            break
        text, left = together(seen, text, tries, rests, left, complement)
    return text


def together(
    seen: Seen, text: Text, tries: list[Text], rests: Tensor, left: float, complement: Tensor
) -> tuple[Text, float]:
    """The best single change, or all places' best changes at once if that is better still; and what
    is left outside.
    """
    best = tries[int(rests.argmin())]
    every, seen_places = list(text), set()
    for i in rests.argsort().tolist():
        changed = [
            p for p in range(len(text)) if len(tries[i]) == len(text) and tries[i][p] != text[p]
        ]
        if rests[i] < left and changed and changed[0] not in seen_places:
            seen_places.add(changed[0])
            every[changed[0]] = tries[i][changed[0]]
    all_at_once = float(outside(seen, [tuple(every)], complement)[0])
    return (
        (tuple(every), all_at_once)
        if all_at_once < float(rests.min())
        else (best, float(rests.min()))
    )


def variants(clues: Clues, number: int, text: Text) -> list[Text]:
    """Texts that differ in one place, or end elsewhere."""
    score = scores(clues, number)
    best, which = score.topk(min(TRIED, len(score)), dim=0)
    found = [
        (*text[:p], int(clues.tokens[w]), *text[p + 1 :])
        for p in range(1, len(text) - 1)
        for b, w in zip(best[:, p], which[:, p])
        if b.isfinite() and int(clues.tokens[w]) != text[p]
    ]
    whole = [clues.begin, *clues.tokens[which[0, 1:]].tolist()]
    for end in ends(clues):
        if end != len(text) - 1:
            found.append((*text[: min(end, len(text) - 1)], *whole[len(text) - 1 : end], clues.end))
    return found


def same_length(texts: list[Text]) -> list[list[Text]]:
    """The texts in groups of one length."""
    groups: dict[int, list[Text]] = {}
    for text in texts:
        groups.setdefault(len(text), []).append(text)
    return list(groups.values())
