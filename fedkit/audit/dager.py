"""Words and whole texts from the gradients of the embedding and of the first attention layer.

The vectors that enter a BERT-like encoder depend on token and position only, so all V x P of them
can be tried (DAGER: Petrov et al., 2024); the pairs found are then assembled into texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedkit.audit.threat_model import (
    MIN_FREE_DIRECTIONS,
    QKV_PARTS,
    AttackGuess,
    FirstLayerInputs,
    ObservedUpdate,
    base_encoder,
    row_space,
)

OUTLIER_QUARTILE_RANGES = 8.0  # above the median: row lengths from there on are outliers
SCREEN_DIRECTIONS = 16  # directions that all V x P vectors are tested against first
SPAN_TOLERANCE = 1e-4  # share of a vector's length that may lie outside of the span
MAX_PAIRS = 20_000  # that pass the first test
MAX_UNEXPLAINED = 1e-3  # share of the row space that a correct text may leave unexplained
MIN_RESIDUAL = 1e-4  # share of a vector's length below which the rest counts as zero
MAX_RESIDUAL = 1e-3  # share of a correct text's second-layer inputs outside that layer's span
MAX_SWEEPS = 24  # rounds of trying other tokens, for all texts together
CANDIDATES = 8  # tokens tried at each position
MIN_POSITION_SHARE = 0.12  # of a position's gradient, explained by a token of the initial text
MAX_REFINED_TEXTS = 4  # more would take minutes
# score of a token that explains all of a position's gradient; cosines within a text are about 0.2
POSITION_WEIGHT = 0.2
Text = tuple[int, ...]
NOT_SENT = "nothing of the first attention layer was sent, or zeros (LoRA's A in round 1)"


def words_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find the tokens whose embedding row changed (Melis et al., 2019; Boenisch et al., 2023).

    Without noise all other rows are exactly zero. With noise nearly all of the V rows are noise, so
    an outlier is defined by their median and quartiles. The padding token never has a gradient.
    """
    rows = seen.tensor("word_embeddings.weight")
    if rows is None:
        return AttackGuess(why="the word embedding is not trained, so its rows are not sent")
    lengths = rows.norm(dim=1)
    low, middle, high = lengths.quantile(lengths.new_tensor([0.25, 0.5, 0.75]))
    found = (lengths > middle + OUTLIER_QUARTILE_RANGES * (high - low)).nonzero()[:, 0]
    return AttackGuess(tokens=frozenset(found.tolist()))


def span_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find tokens whose first-layer inputs lie in the row space (DAGER: Petrov et al., 2024).

    dL/dW = sum_t dy_t x_t' for the query, key and value matrices of the first layer, and for A of
    LoRA once B is not zero. This works while the batch has fewer tokens than the width or, for
    LoRA, than the rows of all A that read the first layer's input.
    """
    rows = first_layer_gradients(seen)
    if rows is None:
        return AttackGuess(why=NOT_SENT)
    basis = row_space(rows)  # (d, rank)
    if basis.shape[1] > rows.shape[1] - MIN_FREE_DIRECTIONS:
        return AttackGuess(frozenset(), why="the gradient has full rank: too many tokens, or noise")
    pairs = pairs_in_span(seen.known.first_layer_inputs, basis)
    if not len(pairs):
        return AttackGuess(
            frozenset(), why="no token's vector lies in the span: more tokens than rank, or noise"
        )
    return assemble_texts(seen, pairs)


def pursuit_attack(seen: ObservedUpdate) -> AttackGuess:
    """Find one text whose first-layer inputs span the gradient's rows, one token per position.

    Every row of dL/dA = scale * B' sum_t dy_t x_t' is a combination of the text's few vectors out
    of V x P: sparse recovery with several measurements of one support, solved by rank-aware pursuit
    (Davies and Eldar, 2012). A text that leaves nothing unexplained is correct.
    """
    rows = first_layer_gradients(seen)
    if rows is None:
        return AttackGuess(why=NOT_SENT)
    if seen.texts > 1:
        return AttackGuess(frozenset(), why="made for one text alone")
    basis = row_space(rows)
    if basis.shape[1] > rows.shape[1] // 2:
        return AttackGuess(
            frozenset(), why="the gradient has nearly full rank: noise, or everything of a matrix"
        )
    # where the rank is large enough, the plain span test already finds all tokens
    inputs = seen.known.first_layer_inputs
    pairs = pairs_in_span(inputs, basis)
    places = pairs[:, 1].sort().values.tolist()
    if len(pairs) == basis.shape[1] and places == list(range(len(pairs))):
        text = tuple(pairs[pairs[:, 1].argsort(), 0].tolist())
        return AttackGuess(frozenset(text), (text,))
    tokenizer = seen.known.model.tokenizer
    text, left = greedy_pursuit(inputs, basis, tokenizer.cls_token_id, tokenizer.sep_token_id)
    doubt = f"{left:.0%} of the row space is not explained: likely wrong"
    return AttackGuess(frozenset(text), (text,), why="" if left < MAX_UNEXPLAINED else doubt)


def first_layer_gradients(seen: ObservedUpdate) -> Tensor | None:
    """Return the stacked gradients (rows, d), float64, of all matrices that read its input."""
    found = [
        seen.tensor(f"layer.0.attention.self.{p}.{kind}weight")
        for p in QKV_PARTS
        for kind in ("", "lora_A.")
    ]
    found = [t / t.norm() for t in found if t is not None]
    return torch.cat(found) if found else None


def pairs_in_span(inputs: FirstLayerInputs, basis: Tensor) -> Tensor:
    """Return pairs (token, position), (n, 2), whose vectors lie in the span of `basis` (d, rank).

    All vectors are tested against a few random directions of the complement, the rest against all.
    """
    free = torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :]  # (d, d - rank)
    width = free.shape[1]
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(width, min(SCREEN_DIRECTIONS, width), generator=generator)
    screen = free @ torch.linalg.qr(mix.double()).Q
    limit = SPAN_TOLERANCE**2 * inputs.squared_norms
    pairs = (inputs.projection_energy(screen) < limit).nonzero()[:MAX_PAIRS]
    left = (inputs.vectors(pairs[:, 0], pairs[:, 1]).double() @ free).square().sum(1)
    return pairs[left < limit[pairs[:, 0], pairs[:, 1]]]


def greedy_pursuit(
    inputs: FirstLayerInputs, basis: Tensor, cls_id: int, sep_id: int
) -> tuple[tuple[int, ...], float]:
    """Return (the text, the share of the row space that it leaves unexplained).

    basis: (d, rank), orthonormal. Starts with `cls_id` at position 0. Each step takes the token and
    position whose component outside of the span so far lies most inside the unexplained row space.
    Ends when all positions up to a `sep_id` token are filled, or nothing is left.
    """
    rank, taken = basis.shape[1], {0: cls_id}
    known = torch.linalg.qr(inputs.vectors(torch.tensor([cls_id]), torch.tensor([0])).double().T).Q
    inside = inputs.projection_energy(known)
    last = len(inputs.positions) - 1
    for _ in range(last):
        left = basis - known @ (known.T @ basis)
        u, sizes, _ = torch.linalg.svd(left, full_matrices=False)
        if not len(sizes) or sizes[0] < MAX_UNEXPLAINED:
            break
        rest = (inputs.squared_norms - inside).clamp_min(0)
        floor = MIN_RESIDUAL * inputs.squared_norms
        share = inputs.projection_energy(u[:, sizes > MAX_UNEXPLAINED]) / rest.clamp_min(floor)
        share[rest < floor] = 0
        share[:, list(taken)] = 0
        share[:, last + 1 :] = 0
        place = int(share.max(0).values.argmax())
        token = int(share[:, place].argmax())
        taken[place] = token
        if token == sep_id:
            last = min(last, place)
        fresh = inputs.vectors(torch.tensor([token]), torch.tensor([place])).double().T
        for _ in range(2):  # once more, for what rounding left
            fresh = fresh - known @ (known.T @ fresh)
        fresh /= fresh.norm()
        known, inside = torch.cat([known, fresh], 1), inside + inputs.projection_energy(fresh)
        if len(taken) == last + 1:
            break
    left = basis - known @ (known.T @ basis)
    return tuple(taken[p] for p in sorted(taken)), float(left.square().sum() / rank)


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
