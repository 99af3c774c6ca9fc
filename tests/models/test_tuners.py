"""Every tuner by the same contract: it trains what it says, federates, is saved and read back, and
says what it cannot.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories.records import forget_digests
from factories.refusals import refusal
from factories.tiny import write_architecture
from safetensors.torch import load_file
from torch import nn

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.spec import first_paragraph
from fedkit.experiments.job import Job, describe_model, prepare
from fedkit.experiments.runner import run
from fedkit.models.adapter_io import load_adapter, save_adapter
from fedkit.models.classifier import apply_merged, zero_merged
from fedkit.models.loading import load_model
from fedkit.models.tuners.by_peft import Ia3, LayerNorm, Prefix, Prompt, PTuning, max_positions
from fedkit.models.tuners.own import Adapter, BitFit, Last
from fedkit.models.tuners.registry import TUNERS, make_tuner

PEFT = {"lora", "rslora", "dora", "ia3", "prefix", "prompt", "ptuning", "layernorm"}
VIRTUAL = {"prefix", "prompt", "ptuning"}  # cannot start as a no-op
D, DEPTH, INNER = 32, 2, 64  # width, layers and feed-forward width of the tiny model
HEAD = 3 * D + 3
EMBEDDING = (30522 + 64 + 2) * D + 2 * D
LAYER = 4 * (D * D + D) + (D * INNER + INNER) + (INNER * D + D) + 4 * D
BASE = EMBEDDING + DEPTH * LAYER
COUNTS = {  # by hand, for the default parameters, without the head
    "lora": DEPTH * 2 * 8 * 2 * D,
    "rslora": DEPTH * 2 * 8 * 2 * D,
    "dora": DEPTH * 2 * (8 * 2 * D + D),
    "ia3": DEPTH * (D + D + D + INNER),  # keys, values, and what the two output matrices read
    "prefix": 10 * DEPTH * 2 * D,
    "prompt": 10 * D,
    "ptuning": 10 * D + (D * 64 + 64) + (64 * 64 + 64) + (64 * D + D),
    "adapter": DEPTH * (D * 16 + 16 + 16 * D + D),
    "bitfit": D + DEPTH * (4 * D + INNER + D + 2 * D),
    "layernorm": 2 * D + DEPTH * 4 * D,
    "last": LAYER,
    "head": 0,
    "full": BASE,
}


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    """Two clients of 40 texts each."""
    return tiny_config(
        partition="iid",
        clients=2,
        examples_per_client=40,
        rounds=2,
        local_epochs=4,
        loss="plain",
        head_start="zero",
    )


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """{tuner: (job after two rounds, its record, its folder, the encoder's tensors before)}, each
    made once.
    """
    made: dict[str, tuple] = {}

    def get(name: str) -> tuple[Job, object, Path, dict]:
        if name not in made:
            settings, out = replace(config, tune=name), tmp_path_factory.mktemp(name) / "run"
            job = prepare(settings)
            before = {n: t.clone() for n, t in job.model.module.named_parameters()}
            made[name] = (job, run(settings, out, job=job), out, before)
        return made[name]

    return get


@pytest.fixture(scope="module")
def untouched(config):
    return prepare(replace(config, tune="head")).model


# --- the contract


def test_every_tuner_is_in_the_contract():
    assert COUNTS.keys() == TUNERS.keys() and TUNERS.keys() > PEFT


@pytest.mark.parametrize("name", TUNERS)
def test_it_says_what_it_is(name):
    tuner = make_tuner(name)
    about = first_paragraph(TUNERS[name])
    assert about.endswith((".", ":")) or ":" in about
    assert tuner.needs and "\n" not in tuner.needs and 0 <= tuner.default_lr <= 0.1
    assert all(
        f.name in TUNERS[name].__doc__ or "as for lora" in TUNERS[name].__doc__
        for f in fields(tuner)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNERS)
def test_what_is_trained_is_counted(trained, name):
    model = trained(name)[0].model
    assert (
        model.num_trainable()
        == sum(t.numel() for t in model.params().values())
        == COUNTS[name] + HEAD
    )
    assert all(p.dtype == torch.float32 for p in model.trainable.values())
    said = describe_model(model)
    assert (said["parameters"], said["base_bytes"]) == (BASE, 4 * BASE)
    assert (said["trainable"], said["trainable_bytes"]) == (
        COUNTS[name] + HEAD,
        4 * (COUNTS[name] + HEAD),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNERS)
def test_training_changes_what_is_trained_and_nothing_else(trained, name):
    job, _, _, before = trained(name)
    for tensor_name, tensor in job.model.module.named_parameters():
        assert tensor.requires_grad or torch.equal(tensor, before[tensor_name]), tensor_name
    moved = [n for n, t in job.model.params().items() if not torch.equal(t, job.start[n])]
    unused = (
        {n for n in job.start if n.endswith("word_embeddings.weight")} if name == "full" else set()
    )
    still = set(job.start) - set(moved) - unused
    # a bias of the keys shifts all scores of a query alike, so that its gradient is rounding at
    # most
    assert all("key.bias" in n for n in still), still


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNERS)
def test_training_lowers_the_loss_in_a_federation(trained, name):
    first, second = trained(name)[1].rounds
    assert {c.status for r in (first, second) for c in r.clients} == {"ok"} and len(
        first.clients
    ) == 2
    assert second.loss < trained(name)[1].start.loss


@pytest.mark.parametrize("name", sorted(TUNERS.keys() - {"head"}))
@pytest.mark.slow
def test_the_encoder_itself_learns(config, name):
    """With a random head that stays, only the tuned part can lower the loss."""
    from itertools import repeat

    from fedkit.federated.local.train import Task, fit

    job = prepare(replace(config, tune=name, head_lr=1e-12))
    start = job.start | {
        "head.weight": torch.randn(3, D, generator=torch.Generator().manual_seed(0))
    }
    rows, examples = np.arange(16), job.clients[0].train
    losses = [
        fit(job.model, Task("x", start, examples, iter(list(repeat(rows, n)))), job.config).loss
        for n in (1, 12)
    ]
    assert losses[1] < losses[0], "a mean over twelve steps below the first"


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNERS)
def test_the_same_seed_gives_the_same_start_and_the_same_end(trained, config, name):
    job, record, _, _ = trained(name)
    again = prepare(replace(config, tune=name))
    assert all(torch.equal(again.start[n], t) for n, t in job.start.items())
    assert run(again.config, job=again).rounds[-1].loss == record.rounds[-1].loss


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TUNERS.keys() - VIRTUAL))
def test_it_starts_as_a_no_op(trained, untouched, name):
    job = trained(name)[0]
    job.model.load_params(job.start)
    assert np.abs(job.model.features(job.test) - untouched.features(job.test)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(VIRTUAL))
def test_virtual_tokens_are_no_no_op_and_padding_is_not_seen(trained, untouched, name):
    job = trained(name)[0]
    vectors = job.model.features(job.test)
    assert np.abs(vectors - untouched.features(job.test)).max() > 1e-3
    alone = np.concatenate([job.model.features(job.test.take([i])) for i in range(4)])
    assert np.abs(vectors[:4] - alone).max() < 1e-5


# --- saved and read back


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNERS)
def test_what_was_saved_is_read_back(trained, config, name):
    job, _, out, _ = trained(name)
    other = prepare(replace(config, tune=name)).model
    other.load_params(load_adapter(out, other))
    final = load_adapter(out, job.model)
    job.model.load_params(final)
    assert all(torch.equal(t, final[n]) for n, t in other.params().items())
    assert np.array_equal(other.predict(job.test), job.model.predict(job.test))
    files = {p.name for p in out.iterdir()} - {"run.json", "labels.json", "head.safetensors"}
    wanted = (
        {"adapter_config.json", "adapter_model.safetensors"}
        if name in PEFT
        else {"encoder.safetensors"}
    )
    assert files == (
        set()
        if name == "head"
        else wanted | ({"trained.safetensors"} if name in VIRTUAL else set())
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PEFT))
def test_peft_reads_it_without_fedkit(trained, tiny_model, name):
    from peft import PeftModel, get_peft_model_state_dict
    from transformers import AutoModel

    job, _, out, _ = trained(name)
    job.model.load_params(load_adapter(out, job.model))
    ids, mask = job.model.batch(job.test, np.arange(6))
    base = AutoModel.from_pretrained(tiny_model)
    encoder = PeftModel.from_pretrained(base, str(out)).eval()
    with torch.no_grad():
        hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, -ids.shape[1] :]
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        expected = job.model.module.features(ids, mask)
    assert (nn.functional.normalize(mean, dim=-1) - expected).abs().max() < 1e-5
    assert (
        get_peft_model_state_dict(job.model.module.encoder).keys()
        == load_file(out / "adapter_model.safetensors").keys()
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TUNERS.keys() - PEFT - {"head"}))
def test_the_others_leave_the_trained_tensors_alone(trained, name):
    job, _, out, _ = trained(name)
    kept = load_file(out / "encoder.safetensors")
    assert sum(t.numel() for t in kept.values()) == COUNTS[name]
    assert kept.keys() == {n for n in job.start if not n.startswith("head.")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ("lora", "dora"),
        ("lora", "rslora"),
        ("rslora", "lora"),
        ("prompt", "ptuning"),
        ("bitfit", "last"),
        ("head", "full"),
        ("ia3", "layernorm"),
        ("adapter", "bitfit"),
        ("prefix", "prompt"),
        ("full", "lora"),
    ],
)
def test_the_adapter_of_another_method_is_refused(trained, kept, asked):
    said = refusal(load_adapter, trained(kept)[2], trained(asked)[0].model)
    assert f"it was trained with tune '{kept}', and this model has '{asked}'" in said


@pytest.mark.slow
def test_without_the_note_peft_s_own_settings_tell_the_method(trained, tmp_path):
    import shutil

    from safetensors.torch import save_file

    shutil.copytree(trained("lora")[2], tmp_path / "copy")
    forget_digests(tmp_path / "copy")
    save_file(
        load_file(tmp_path / "copy" / "head.safetensors"), tmp_path / "copy" / "head.safetensors"
    )
    assert "use_rslora" in refusal(load_adapter, tmp_path / "copy", trained("rslora")[0].model)


@pytest.mark.slow
def test_saving_does_not_touch_the_model(trained, tmp_path):
    """The virtual tokens written are those of the tensors given, not of the model's own."""
    job = trained("ptuning")[0]
    job.model.load_params(job.start)
    other = {n: t + 1 for n, t in job.start.items()}
    for folder, params in (("a", job.start), ("b", other)):
        save_adapter(tmp_path / folder, job.model, params, list(job.corpus.labels))
    a, b = (
        load_file(tmp_path / f / "adapter_model.safetensors")["prompt_embeddings"] for f in "ab"
    )
    assert a.shape == (10, D) and not torch.equal(a, b)
    assert all(torch.equal(t, job.start[n]) for n, t in job.model.params().items())


# --- what it cannot do


SIZES = {
    "vocab_size": 300,
    "hidden_size": D,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "intermediate_size": INNER,
    "max_position_embeddings": 40,
}


def stranger(kind: str) -> nn.Module:
    """An encoder with random weights, of another architecture."""
    import transformers as hf

    more = {
        "DistilBert": {"dim": D, "n_layers": DEPTH, "n_heads": 2, "hidden_dim": INNER},
        "Albert": {"embedding_size": 16},
        "Electra": {"embedding_size": 16},
        "ModernBert": {
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "cls_token_id": 1,
            "sep_token_id": 2,
        },
        "GPT2": {"n_inner": INNER},
    }
    names = {"vocab_size": 300, "max_position_embeddings": 40} if kind == "DistilBert" else SIZES
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(hf, f"{kind}Model")(
            getattr(hf, f"{kind}Config")(**names, **more.get(kind, {}))
        ).eval()


def without_norms() -> nn.Module:
    bert = stranger("Bert")
    for name in [n for n, m in bert.named_modules() if isinstance(m, nn.LayerNorm)]:
        bert.set_submodule(name, nn.Identity())
    return bert


@pytest.mark.parametrize(
    ("tuner", "kind", "said"),
    [
        (Prefix(), "MPNet", "does not read past keys and values; choose lora"),
        (Prefix(), "DistilBert", "does not read past keys and values"),
        (Prefix(), "ModernBert", "does not read past keys and values"),
        (Prefix(), "Albert", "does not read past keys and values"),
        (
            Ia3(),
            "DistilBert",
            "PEFT does not know where it goes in a distilbert model; choose lora with targets",
        ),
        (Adapter(), "GPT2", "no feed-forward output named output.dense"),
        (Adapter(), "Albert", "no list of 2 layers"),
        (Last(), "Albert", "no list of 2 layers; choose"),
        (BitFit(), "ModernBert", "has no biases; choose layernorm"),
    ],
)
def test_a_method_that_a_model_has_no_place_for_is_refused(tuner, kind, said):
    assert said in refusal(tuner.attach, stranger(kind))


def test_a_model_without_norms_is_refused():
    assert "has no LayerNorm with weights; choose bitfit" in refusal(
        LayerNorm().attach, without_norms()
    )


@pytest.mark.parametrize(
    "kind", ["Bert", "Roberta", "XLMRoberta", "DistilBert", "MPNet", "Electra", "ModernBert"]
)
@pytest.mark.slow
def test_other_architectures_are_served_where_they_can_be(kind):
    """What is attached learns: every trained tensor, or for a start at zero its other half, gets a
    gradient.
    """
    refused = set()
    for tuner in (
        Ia3(),
        Adapter(r=2),
        Adapter(r=2, layers=1),
        Prompt(3),
        PTuning(3, 8),
        Prefix(3),
        BitFit(),
        LayerNorm(),
        Last(),
    ):
        try:
            encoder = tuner.attach(stranger(kind))
        except FedkitError:
            refused.add(type(tuner).__name__)
            continue
        ids = torch.randint(5, 250, (2, 6), generator=torch.Generator().manual_seed(0))
        mask = torch.ones_like(ids)
        mask[1, 4:] = 0
        hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, -6:]
        hidden.pow(3).sum().backward()
        touched = [p for p in encoder.parameters() if p.grad is not None and p.grad.any()]
        assert touched and all(p.requires_grad for p in touched)
    assert (
        refused
        == {
            "Bert": set(),
            "Roberta": set(),
            "XLMRoberta": set(),
            "Electra": set(),
            "MPNet": {"Ia3", "Prefix"},
            "DistilBert": {"Ia3", "Prefix"},
            "ModernBert": {"Ia3", "Prefix", "BitFit"},
        }[kind]
    )


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ("rslora:r=0", "tune 'rslora:r=0"),
        ("dora:r=33", "r must be from 1 to 32"),
        ("dora:layers=3", "has 2 layers, 0 means all"),
        ("adapter:r=0", "r must be from 1 to 32"),
        ("adapter:layers=3", "'adapter:layers=3' given; this model has 2 layers"),
        ("prompt:tokens=0", "tokens must be from 1 to 60"),
        ("prefix:tokens=61", "from 1 to 60"),
        ("ptuning:tokens=-1", "from 1 to 60"),
        ("ptuning:hidden=0", "hidden must be from 1"),
        ("last:k=0", "k must be from 1 to 2"),
        ("last:k=3", "k must be from 1 to 2"),
    ],
)
@pytest.mark.slow
def test_parameters_out_of_bounds_are_refused(config, tune, said):
    assert said in refusal(prepare, replace(config, tune=tune))


@pytest.mark.parametrize("name", sorted(VIRTUAL))
@pytest.mark.slow
def test_virtual_tokens_and_text_must_fit_together(config, name):
    said = refusal(prepare, replace(config, tune=f"{name}:tokens=33"))
    assert "max-tokens 32 given" in said and "at most 31" in said and f"'{name}:tokens=33'" in said
    prepare(replace(config, tune=f"{name}:tokens=32"))


@pytest.mark.parametrize(
    ("kind", "places"), [("Bert", 40), ("Roberta", 38), ("DistilBert", 40), ("ModernBert", 40)]
)
def test_positions_are_those_a_text_can_take(kind, places):
    encoder = stranger(kind)
    assert max_positions(encoder) == places
    ids = torch.full((1, places), 7)
    assert encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.shape == (
        1,
        places,
        D,
    )


def test_adapters_in_the_last_layers_only(config):
    for tune in ("adapter:layers=1", "dora:layers=1", "last:k=1"):
        names = [n for n in prepare(replace(config, tune=tune)).start if not n.startswith("head.")]
        assert names and all(".layer.1." in n for n in names)


# --- where LoRA goes

TARGETS = {
    "bert": "query|value",
    "distilbert": "q_lin|v_lin",
    "mpnet": "q|v",
    "albert": "query|value",
    "modernbert": "Wqkv",
    "funnel": "q_head|v_head",
    "gpt2": "c_attn",
    "llama": "q_proj|v_proj",
    "phi3": "qkv_proj",
}


@pytest.mark.parametrize("name", TARGETS)
def test_lora_finds_query_and_value_of_every_architecture(name, config, tmp_path):
    folder = str(write_architecture(tmp_path / "m", name))
    job = prepare(replace(config, model=folder, tune="lora:r=4", max_tokens=32))
    places = {n.split(".lora_")[0].rsplit(".", 1)[-1] for n in job.model.trainable if "lora_" in n}
    assert places == set(TARGETS[name].split("|"))
    told = any(f"targets={TARGETS[name]} " in note for note in job.notes)
    assert told == (name not in ("bert", "gpt2", "llama")), "said where PEFT's table does not"
    if name in ("gpt2", "llama", "modernbert"):  # their layers have no name before them
        last = load_model(replace(job.config, tune="lora:r=4,layers=1"), ("a", "b")).trainable
        assert {n.split(".")[3] for n in last if "lora_" in n} == {"1"}


@pytest.mark.parametrize(
    ("name", "said"), [("xlnet", "targets=layer_1|layer_2'"), ("fnet", "targets=dense|projection'")]
)
def test_a_model_without_such_layers_is_refused_with_the_names_it_has(name, said, config, tmp_path):
    folder = str(write_architecture(tmp_path / "m", name))
    assert said in refusal(load_model, replace(config, model=folder, tune="lora"), ("a", "b"))


def test_what_an_aggregation_adds_fits_the_matrices_of_gpt2(config, tmp_path):
    folder = str(write_architecture(tmp_path / "m", "gpt2"))
    model = load_model(replace(config, model=folder, tune="lora:r=4"), ("a", "b"))
    layers = [n for n, m in model.module.encoder.named_modules() if hasattr(m, "lora_A")]
    added = zero_merged(model, layers)
    assert {tuple(t.shape) for t in added.values()} == {(96, 32)}
    before = model.module.encoder.get_submodule(layers[0]).base_layer.weight.clone()
    apply_merged(model, {n: t + 1 for n, t in added.items()})
    after = model.module.encoder.get_submodule(layers[0]).base_layer.weight
    assert torch.allclose(after, before + 1)
