"""What an update gives away: exact on a tiny model, where the answer is the batch itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fedkit.audit.dager import (
    TokenEvidence,
    cluster_similarity,
    initial_text,
    pairs_in_span,
    span_attack,
    text_variants,
    words_attack,
)
from fedkit.audit.defences import DEFENCES, Defence, mean_gradient
from fedkit.audit.head_gradient import (
    fit_shares,
    matching_pursuit,
    project_onto_simplex,
    round_to_total,
    search_text,
)
from fedkit.audit.leak import (
    LEAK_METRICS,
    LEAKS,
    QUICK_ATTACKS,
    WORDS,
    _mean_metric,
    first_round_setup,
    leak_table,
    observe_batch,
    report_lines,
    setup_for_defence,
)
from fedkit.audit.threat_model import (
    AttackGuess,
    AttackScore,
    FirstLayerInputs,
    ObservedUpdate,
    attack_score,
    multiset_overlap,
    row_space,
    strip_special,
)
from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.data.corpus import Examples

KEYS = {
    "attack",
    "defence",
    "about",
    "tokens_recall",
    "tokens_precision",
    "sentences",
    "labels",
    "example_original",
    "example_recovered",
    "why",
    "batches",
    "texts",
    "seconds",
}


@pytest.fixture(scope="module")
def config(tiny_config):
    return tiny_config(
        tune="full", clients=3, partition="iid", engine="plain", max_tokens=24, loss="plain"
    )


@pytest.fixture(scope="module")
def first(job):
    return first_round_setup(job)


def seen_of(first, defence: Defence, number: int = 0) -> tuple[Examples, ObservedUpdate]:
    return observe_batch(defence, first, np.random.default_rng(number))


# --- scores, by hand


def test_scores_count_distinct_words_whole_texts_and_labels():
    batch = Examples(("a", "b"), np.array([0, 1]), tokens=((101, 7, 8, 102), (101, 9, 102)))
    guess = AttackGuess(texts=((101, 7, 8, 102), (101, 5, 102)), labels=(1, 1))
    found = attack_score(guess, batch, frozenset({101, 102}))
    assert (found.recall, found.precision, found.sentences, found.labels) == (
        2 / 3,
        2 / 3,
        0.5,
        0.5,
    )
    nothing = attack_score(AttackGuess(), batch, frozenset())
    assert (nothing.recall, nothing.precision, nothing.sentences, nothing.labels) == (
        None,
        None,
        None,
        None,
    )
    assert multiset_overlap([1, 1, 2], [1, 2, 2]) == 2 and strip_special(
        (101, 7, 102), {101, 102}
    ) == (7,)


def test_an_empty_claim_is_no_recall_and_no_precision():
    batch = Examples(("a",), np.array([0]), tokens=((101, 7, 102),))
    found = attack_score(AttackGuess(tokens=frozenset()), batch, frozenset({101, 102}))
    assert found.recall == 0 and found.precision is None


def test_a_batch_without_a_claim_lowers_every_mean_but_precision():
    scores = [AttackScore(1.0, 0.5, 1.0), AttackScore(0.0, None, None)]
    assert [_mean_metric(scores, f) for f in LEAK_METRICS] == [0.5, 0.5, 0.5, None]


# --- the parts


def test_atoms_are_the_inputs_of_the_first_layer(first):
    model, norm = first.job.model, "embeddings.LayerNorm."
    draw = {
        norm + n: torch.randn(32, generator=torch.Generator().manual_seed(i))
        for i, n in enumerate(("weight", "bias"))
    }
    atoms = FirstLayerInputs.from_model(model, first.known.shared | draw, 24)
    ids = torch.tensor([[101, 2054, 7592, 102]])
    with torch.no_grad():
        wanted = model.module.encoder.embeddings(input_ids=ids)[0]
    assert torch.allclose(atoms.vectors(ids[0], torch.arange(4)), wanted, atol=1e-5)
    assert torch.allclose(
        atoms.squared_norms[ids[0], torch.arange(4)], wanted.square().sum(1), rtol=1e-4
    )
    whole = atoms.projection_energy(torch.eye(32))
    assert torch.allclose(whole, atoms.squared_norms, rtol=1e-3)


def test_inside_finds_the_vectors_of_a_span_and_no_others(first):
    atoms: FirstLayerInputs = first.known.first_layer_inputs
    pairs = torch.tensor([[101, 0], [2054, 1], [7592, 2]])
    mixed = torch.randn(9, 3, generator=torch.Generator().manual_seed(1)).double()
    basis = row_space(mixed @ atoms.vectors(*pairs.T).double())
    assert basis.shape == (32, 3)
    assert pairs_in_span(atoms, basis).tolist() == pairs.tolist()


def test_counts_fit_on_the_simplex():
    assert project_onto_simplex(torch.tensor([2.0, 0.0])).tolist() == [1, 0]
    assert project_onto_simplex(torch.tensor([0.6, 0.6])).tolist() == pytest.approx([0.5, 0.5])
    design = torch.full((3, 3), 1 / 3).double() - torch.eye(3).double()
    shares = torch.tensor([0.25, 0.75, 0.0]).double()
    assert torch.allclose(fit_shares(design, shares @ design), shares, atol=1e-6)
    assert round_to_total(np.array([0.9, 2.4, 0.7]), 4).tolist() == [1, 2, 1]
    assert round_to_total(np.array([1.0, 2.0]), 3).tolist() == [1, 2]


def test_texts_are_read_from_clues_of_who_belongs_together():
    nowhere = -float("inf")
    # 5 6 are one text, 7 8 the other; both end at place 3
    tokens = torch.tensor([101, 102, 5, 6, 7, 8])
    near = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.9, 0.0], [0.8, 0.1], [0.0, 0.9], [0.1, 0.8]])
    there = torch.full((6, 4), nowhere)
    for token, place in ((0, 0), (1, 3), (2, 1), (3, 2), (4, 1), (5, 2)):
        there[token, place] = 0.1
    evidence = TokenEvidence(tokens, near, there, cls_id=101, sep_id=102)
    assert [initial_text(evidence, k) for k in (0, 1)] == [(101, 5, 6, 102), (101, 7, 8, 102)]
    assert sorted(text_variants(evidence, 0, (101, 5, 6, 102))) == [
        (101, 5, 8, 102),
        (101, 7, 6, 102),
    ]


def test_tokens_with_like_gradients_are_of_one_text():
    rng = torch.Generator().manual_seed(0)
    centre = torch.eye(16)[:2].double().repeat_interleave(5, 0)  # five tokens of each of two texts
    found = cluster_similarity(
        centre + 0.1 * torch.randn(10, 16, generator=rng).double(),
        torch.ones(10, dtype=torch.bool),
        2,
    )
    assert (
        found.argmax(1).bincount().tolist() == [5, 5]
        and len(set(found.argmax(1)[:5].tolist())) == 1
    )


@pytest.mark.slow
def test_two_mixed_texts_are_mended_by_the_second_layer():
    from fedkit.experiments.job import prepare

    stage = first_round_setup(
        prepare(RunConfig(tune="full", examples_per_client=10, dtype="float32"))
    )
    right = []
    for number in range(2):
        batch, seen = seen_of(stage, Defence(texts=2), number)
        right.append(attack_score(span_attack(seen), batch, stage.known.special).sentences)
    assert sum(right) >= 1.5


def test_pursue_takes_the_matrices_that_add_up():
    rng = torch.Generator().manual_seed(0)
    a, z = torch.randn(40, 3, generator=rng).double(), torch.randn(40, 8, generator=rng).double()
    total = sum(torch.outer(a[i], z[i]) for i in (3, 17, 29))
    assert sorted(matching_pursuit(a, z, total, 3)) == [3, 17, 29]


# --- the attacks, exact where nothing is done about them


@pytest.mark.parametrize("texts", [1, 6])
def test_words_are_exactly_those_of_the_batch(first, texts):
    batch, seen = seen_of(first, Defence(texts=texts))
    assert words_attack(seen).tokens == set().union(*batch.tokens)


def test_words_stand_out_of_weak_noise_and_drown_in_strong(first):
    batch, seen = seen_of(first, Defence())
    name = "embeddings.word_embeddings.weight"
    size = seen.gradient[name].norm(dim=1)
    for noise, wanted in (
        (float(size[size > 0].min()) / 100, set(batch.tokens[0])),
        (float(size.max()) * 10, set()),
    ):
        noisy = seen.gradient[name] + noise * torch.randn(
            seen.gradient[name].shape, generator=torch.Generator().manual_seed(0)
        )
        found = words_attack(ObservedUpdate({name: noisy}, 1, seen.known)).tokens
        assert found == wanted


@pytest.mark.parametrize("texts", [1, 2, 6])
def test_labels_are_right(first, texts):
    for number in range(3):
        batch, seen = seen_of(first, Defence(texts=texts), number)
        assert sorted(LEAKS["labels"].run(seen).labels) == sorted(batch.labels.tolist())


def test_the_head_alone_finds_listed_texts(first):
    batch, seen = seen_of(first, Defence(texts=2))
    assert sorted(LEAKS["lookup"].run(seen).texts) == sorted(batch.tokens)
    assert not set(LEAKS["topic"].run(seen).texts) & set(batch.tokens)


def test_a_search_brings_a_text_nearer_to_the_vector_seen(first):
    _, seen = seen_of(first, Defence())
    start = list(LEAKS["topic"].run(seen).texts[0])
    wanted = first.known.vectors[seen.batch_rows[0]]
    text, near = search_text(seen, start, wanted, steps=8)
    assert (
        near > search_text(seen, start, wanted, steps=0)[1]
        and text[0] == start[0]
        and text[-1] == start[-1]
    )
    assert not set(text[1:-1]) & first.known.special


def test_the_search_is_told_the_vector_by_the_head(first):
    batch, seen = seen_of(first, Defence())
    row = seen.tensor("head.weight")[batch.labels[0]]  # (p_y - 1) z
    assert torch.allclose(
        -row / row.norm(), first.known.vectors[seen.batch_rows[0]].double(), atol=1e-4
    )
    assert (
        LEAKS["matching"]
        .run(seen_of(first, Defence(texts=2))[1])
        .why.startswith("made for one text")
    )


def test_spans_read_one_text_word_for_word(first):
    batch, seen = seen_of(first, Defence())
    assert span_attack(seen).texts == batch.tokens


def test_spans_fail_under_noise_and_say_why(first):
    batch, seen = seen_of(first, Defence(privacy="example:noise=1"))
    guess = span_attack(seen)
    assert not guess.texts and not guess.tokens and "full rank" in guess.why
    assert attack_score(guess, batch, first.known.special).recall == 0


def test_a_sum_still_names_every_word_but_not_whose(first):
    batch, seen = seen_of(first, Defence(clients=4))
    found = words_attack(seen).tokens
    assert set(batch.tokens[0]) < found and seen.texts == 4
    assert found == set().union(*(first.known.listed.tokens[i] for i in seen.batch_rows))


def test_masked_uploads_tell_nothing_whatever_they_hide(first):
    one, other = (seen_of(first, Defence(masked=True), 5)[1].gradient for _ in range(2))
    assert all(torch.equal(one[n], other[n]) for n in one)
    _, seen = seen_of(first, Defence(masked=True))
    assert not words_attack(seen).tokens and not span_attack(seen).texts


def test_the_gradient_is_the_mean_over_texts(first):
    known, model = first.known, first.job.model
    whole = mean_gradient(model, known.shared, known.listed.take([0, 1]), None)
    parts = [mean_gradient(model, known.shared, known.listed.take([i]), None) for i in (0, 1)]
    assert torch.allclose(
        whole["head.weight"], (parts[0]["head.weight"] + parts[1]["head.weight"]) / 2, atol=1e-6
    )


def test_clipping_hides_no_word_and_one_step_of_adamw_none_either(first):
    for defence in (Defence(privacy="example:noise=1e-9"), Defence(optimizer="adamw")):
        batch, seen = seen_of(first, defence)
        assert words_attack(seen).tokens == set(batch.tokens[0])


@pytest.mark.parametrize(
    "defence", [Defence(privacy="client:noise=1"), Defence(privacy="client:noise=1", clients=3)]
)
def test_client_level_noise_is_in_the_sum_and_not_in_one_upload_in_the_clear(first, defence):
    batch, seen = seen_of(first, defence)
    assert (set(batch.tokens[0]) == words_attack(seen).tokens) == (defence.clients == 1)


@pytest.mark.slow
def test_lora_reads_a_text_longer_than_its_rank(job, first):
    early, later = (
        setup_for_defence(first, "lora:r=4,alpha=16", later=later) for later in (False, True)
    )
    assert "A in round 1" in LEAKS["pursuit"].run(seen_of(early, Defence(tune="lora"))[1]).why
    batch, seen = seen_of(later, Defence(tune="lora"))
    assert len(batch.tokens[0]) > 2 * 4 and not span_attack(seen).texts
    assert LEAKS["pursuit"].run(seen).texts == batch.tokens


# --- the table


def test_unknown_names_are_told(job):
    with pytest.raises(FedkitError, match="attack 'magic' is not known; choose from: words"):
        leak_table(job, attacks=["magic"])
    with pytest.raises(FedkitError, match="defence 'magic' is not known; choose from: none"):
        leak_table(job, defences=["magic"])


@pytest.mark.slow
def test_every_attack_meets_every_defence(job):
    rows = leak_table(job, batches=1)
    assert [(r["defence"], r["attack"]) for r in rows] == [
        (d, a) for d in DEFENCES for a in QUICK_ATTACKS
    ]
    for row in rows:
        assert set(row) == KEYS and row["batches"] == 1
        figures = [row[f] for f in ("tokens_recall", "tokens_precision", "sentences", "labels")]
        assert all(f is None or 0 <= f <= 1 for f in figures) and row["example_original"]
        assert row["why"] or any(f is not None for f in figures)
    said = "\n".join(report_lines(rows))
    assert WORDS["failure_note"] in said and rows[0]["example_original"] in said


def test_the_same_seed_gives_the_same_table(job):
    one, other = (
        leak_table(job, ["words", "labels"], {"mine": Defence("two", texts=2)}, 2, 3)
        for _ in range(2)
    )
    assert [{**r, "seconds": 0} for r in one] == [{**r, "seconds": 0} for r in other]


def test_a_model_of_another_build_is_refused_in_a_sentence(first):
    model = SimpleNamespace(
        module=SimpleNamespace(encoder=torch.nn.Linear(1, 1)),
        load_params=lambda p: None,
        source=SimpleNamespace(name="odd"),
    )
    with pytest.raises(FedkitError, match="odd is not built like BERT"):
        FirstLayerInputs.from_model(model, {}, 8)


@pytest.mark.slow
def test_minilm_gives_a_report_away_word_for_word():
    from fedkit.experiments.job import prepare

    job = prepare(RunConfig(examples_per_client=20, dtype="float32"))
    rows = leak_table(
        job, ["words", "spans", "pursuit"], ["none", "lora later", "eps 8"], batches=2
    )
    found = {(r["defence"], r["attack"]): r for r in rows}
    assert (
        found["none", "spans"]["sentences"] == 1 and found["none", "words"]["tokens_precision"] == 1
    )
    assert found["lora later", "pursuit"]["tokens_recall"] > 0.5
    assert found["eps 8", "spans"]["tokens_recall"] == found["eps 8", "words"]["tokens_recall"] == 0
