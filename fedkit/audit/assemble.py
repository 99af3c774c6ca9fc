"""Assemble recovered (token, position) pairs into texts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedkit.audit.threat_model import (
    MIN_FREE_DIRECTIONS,
    QKV_PARTS,
    AttackGuess,
    ObservedUpdate,
    base_encoder,
    row_space,
)

MAX_RESIDUAL = 1e-3  # share of a correct text's second-layer inputs outside that layer's span
MAX_SWEEPS = 24  # rounds of trying other tokens, for all texts together
CANDIDATES = 8  # tokens tried at each position
MIN_POSITION_SHARE = 0.12  # of a position's gradient, explained by a token of the initial text
MAX_REFINED_TEXTS = 4  # more would take minutes
# score of a token that explains all of a position's gradient; cosines within a text are about 0.2
POSITION_WEIGHT = 0.2
Text = tuple[int, ...]


@dataclass(frozen=True)
class TokenEvidence:
    """What the update tells about n recovered tokens.

    tokens: (n,) ids. similarity: (n, texts), cosine of a token's gradient with each text's cluster.
    placement: (n, P), how much of a position's gradient it explains; -inf outside the span.
    cls_id, sep_id: ids of the tokens that every text begins and ends with.
    """

    tokens: Tensor
    similarity: Tensor
    placement: Tensor
    cls_id: int
    sep_id: int

    def scores(self, text: int) -> Tensor:
        """Return how well each token fits each position of a text, (n, P); -inf where it cannot."""
        score = self.similarity[:, text, None] + self.placement
        score[(self.tokens == self.cls_id) | (self.tokens == self.sep_id)] = -torch.inf
        return score

    def end_positions(self) -> list[int]:
        """Return the positions at which a text may end."""
        possible = self.placement[self.tokens == self.sep_id].isfinite().any(0)
        found = possible.nonzero()[:, 0].tolist()
        return [e for e in found if e > 1] or [self.placement.shape[1] - 1]


def assemble_texts(seen: ObservedUpdate, pairs: Tensor) -> AttackGuess:
    """Assemble texts from `pairs` (n, 2) of (token, position).

    With one token at each position the text is given. Otherwise tokens are clustered by the
    gradients of their embedding rows, which are similar within a text since all reach the loss
    through one sentence vector. A text is correct if its second-layer inputs lie in that layer's
    span.
    """
    tokens = frozenset(pairs[:, 0].tolist())
    places = pairs[:, 1].bincount()
    if seen.texts == 1 and bool((places == 1).all()):
        return AttackGuess(tokens, (tuple(pairs[pairs[:, 1].argsort(), 0].tolist()),))
    evidence = token_evidence(seen, pairs)
    if evidence is None:
        why = "several texts are mixed, and no embedding rows were sent to tell them apart"
        return AttackGuess(tokens, why=why)
    texts = [initial_text(evidence, k) for k in range(seen.texts)]
    complement = second_layer_complement(seen) if seen.texts <= MAX_REFINED_TEXTS else None
    if complement is not None:
        texts = [refine_text(seen, evidence, k, text, complement) for k, text in enumerate(texts)]
    return AttackGuess(tokens, tuple(texts))


def token_evidence(seen: ObservedUpdate, pairs: Tensor) -> TokenEvidence | None:
    """Return the evidence for the pairs; None if no gradients of the embeddings were sent."""
    words, rows = seen.tensor("word_embeddings.weight"), seen.tensor("position_embeddings.weight")
    if words is None or rows is None:
        return None
    tokens = pairs[:, 0].unique()
    tokens = tokens[words[tokens].norm(dim=1) > 0]
    there = torch.zeros(len(words), len(rows), dtype=torch.bool)
    there[pairs[:, 0], pairs[:, 1]] = True
    # a position's gradient is the sum over its tokens
    parts = rows @ torch.linalg.pinv(words[tokens], rtol=1e-10)  # (P, n)
    placement = (POSITION_WEIGHT * parts.T.clamp(0, 1)).masked_fill(~there[tokens], -torch.inf)
    plain = torch.tensor([t not in seen.known.special for t in tokens.tolist()])
    similarity = cluster_similarity(words[tokens], plain, seen.texts)
    tokenizer = seen.known.model.tokenizer
    ends = tokenizer.cls_token_id, tokenizer.sep_token_id
    return TokenEvidence(tokens, similarity, placement, *ends)


def cluster_similarity(rows: Tensor, plain: Tensor, texts: int) -> Tensor:
    """Return cosines (n, texts) of gradients `rows` (n, d) with cluster centres, one per text.

    plain: bool (n,), the tokens that are clustered (not special ones).
    """
    from sklearn.cluster import KMeans

    unit = normalize(rows, dim=1)
    count = min(texts, int(plain.sum()))
    centres = KMeans(count, n_init=10, random_state=0).fit(unit[plain].numpy()).cluster_centers_
    centres = normalize(torch.from_numpy(centres).double(), dim=1)
    return unit @ centres.T[:, [k % count for k in range(texts)]]


def initial_text(evidence: TokenEvidence, text: int) -> Text:
    """Return the text of one cluster: the best token at each position, up to the best end."""
    score = evidence.scores(text)
    # prefer tokens that their position's gradient supports
    likely = score.where(evidence.placement > MIN_POSITION_SHARE * POSITION_WEIGHT, score - 1.0)
    which = likely.argmax(0)
    near = evidence.similarity[which, text]
    best_two = evidence.similarity.topk(min(2, evidence.similarity.shape[1]), dim=1).values
    gain = (near - best_two.mean()).cumsum(0)
    end = max(evidence.end_positions(), key=lambda e: float(gain[e - 1]))
    return (evidence.cls_id, *evidence.tokens[which[1:end]].tolist(), evidence.sep_id)


def second_layer_complement(seen: ObservedUpdate) -> Tensor | None:
    """Return directions (d, free) orthogonal to all second-layer inputs; None if unknown."""
    found = [seen.tensor(f"layer.1.attention.self.{p}.weight") for p in QKV_PARTS]
    if any(t is None for t in found):
        return None
    basis = row_space(torch.cat([t / t.norm() for t in found]))
    if basis.shape[1] > len(basis) - MIN_FREE_DIRECTIONS:
        return None
    return torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :].float()


def residual_share(seen: ObservedUpdate, texts: list[Text], complement: Tensor) -> Tensor:
    """Return the share of each text's second-layer inputs outside the span, (n,).

    texts: n texts of equal length. complement: (d, free), see `second_layer_complement`.
    """
    base = base_encoder(seen.known.model)
    with torch.no_grad():
        ids = torch.tensor(texts, device=seen.known.model.device)
        hidden = base.encoder.layer[0](base.embeddings(input_ids=ids), None)
        # (n, tokens, d)
        hidden = (hidden[0] if isinstance(hidden, tuple) else hidden).float().cpu()
    return ((hidden @ complement).square().sum((1, 2)) / hidden.square().sum((1, 2))).sqrt()


def refine_text(
    seen: ObservedUpdate, evidence: TokenEvidence, number: int, text: Text, complement: Tensor
) -> Text:
    """Insert, drop or replace tokens while the text gets closer to the second layer's span."""
    left = float(residual_share(seen, [text], complement)[0])
    for _ in range(MAX_SWEEPS // seen.texts):
        if left < MAX_RESIDUAL:
            break
        groups: dict[int, list[Text]] = {}  # by length
        for changed in text_variants(evidence, number, text):
            groups.setdefault(len(changed), []).append(changed)
        tries = [changed for group in groups.values() for changed in group]
        if not tries:
            break
        rests = torch.cat([residual_share(seen, group, complement) for group in groups.values()])
        if float(rests.min()) >= left:
            break
        together = combine_changes(text, tries, rests, left)
        at_once = float(residual_share(seen, [together], complement)[0])
        text, left = tries[int(rests.argmin())], float(rests.min())
        if at_once < left:
            text, left = together, at_once
    return text


def combine_changes(text: Text, tries: list[Text], rests: Tensor, left: float) -> Text:
    """Return `text` with the best change of each position that lowers the residual `left`."""
    together: dict[int, int] = {}  # position -> token
    for i in rests.argsort().tolist():
        if rests[i] < left and len(tries[i]) == len(text):
            changed = [p for p in range(len(text)) if tries[i][p] != text[p]]
            if changed:
                together.setdefault(changed[0], tries[i][changed[0]])
    return tuple(together.get(p, token) for p, token in enumerate(text))


def text_variants(evidence: TokenEvidence, number: int, text: Text) -> list[Text]:
    """Return texts that differ at one position, or end elsewhere."""
    score = evidence.scores(number)
    best, which = score.topk(min(CANDIDATES, len(score)), dim=0)
    found = [
        (*text[:p], int(evidence.tokens[w]), *text[p + 1 :])
        for p in range(1, len(text) - 1)
        for b, w in zip(best[:, p], which[:, p])
        if b.isfinite() and int(evidence.tokens[w]) != text[p]
    ]
    whole = [evidence.cls_id, *evidence.tokens[which[0, 1:]].tolist()]
    last = len(text) - 1
    for end in evidence.end_positions():
        if end != last:
            found.append((*text[: min(end, last)], *whole[last:end], evidence.sep_id))
    return found
