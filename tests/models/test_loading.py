"""Reading a base model: what is at fault is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories.refusals import refusal
from factories.tiny import ARCHITECTURES, write_architecture
from safetensors.torch import load_file, save_file

from fedkit.core.errors import FedkitError
from fedkit.data.corpus import Examples
from fedkit.experiments.job import prepare
from fedkit.models.base import find_model
from fedkit.models.geometry import model_geometry
from fedkit.models.loading import attach_engine, load_model


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        Exception("No such device or Cannot allocate memory (os error 12)"),
    ],
)
def test_short_memory_is_not_blamed_on_the_files(tiny_config, monkeypatch, error):
    import transformers

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", fail)
    with pytest.raises(FedkitError, match="not enough memory to read the model"):
        load_model(tiny_config(), ("a", "b"))


def test_damaged_files_are(tiny_config, monkeypatch):
    import transformers

    def fail(*_, **__):
        raise ValueError("header too large")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", fail)
    with pytest.raises(FedkitError, match="header too large; copy config"):
        load_model(tiny_config(), ("a", "b"))


# --- weights that do not fit the config


def rename(pattern: str):
    return lambda tensors: {pattern.format(name): t for name, t in tensors.items()}


def without(part: str):
    return lambda tensors: {name: t for name, t in tensors.items() if part not in name}


def again(part: str, other: str):
    """The tensors, and a copy of those with `part` in their names under another."""
    return lambda ts: ts | {n.replace(part, other): t.clone() for n, t in ts.items() if part in n}


def also(name: str):
    return lambda tensors: tensors | {name: torch.ones(3)}


WORD = "embeddings.word_embeddings.weight"
MISFITS = {  # what is done to the weights -> what the refusal says
    "DataParallel": (rename("module.{}"), "37 missing 39 unknown 'module.'"),
    "torch.compile": (rename("_orig_mod.{}"), "37 missing '_orig_mod.'"),
    "sentence-transformers": (rename("0.auto_model.{}"), "'0.auto_model.'"),
    "inside BERT's own prefix": (rename("bert.module.{}"), "'bert.module.'"),
    "a layer less": (without("layer.1."), "16 missing encoder.layer.1."),
    "one tensor less": (without("layer.0.output.dense.bias"), "1 missing output.dense.bias"),
    "a layer more": (again("layer.1.", "layer.2."), "16 unknown encoder.layer.2."),
    "an adapter in it": (also("encoder.layer.0.attention.self.query.lora_A"), "1 unknown lora_A"),
    "fewer words": (lambda ts: ts | {WORD: ts[WORD][:50].clone()}, "1 another size " + WORD),
    "a matrix on its side": (
        lambda ts: {
            n: t.T.contiguous() if "intermediate.dense.w" in n else t for n, t in ts.items()
        },
        "2 another size intermediate",
    ),
}
FITTING = {
    "as saved": rename("{}"),
    "with BERT's own prefix": rename("bert.{}"),
    "below a language model's head": lambda ts: (
        rename("bert.{}")(ts) | {"cls.predictions.bias": torch.ones(3)}
    ),
    "below a classifier": also("classifier.weight"),
    "without the pooler": without("pooler"),
    "with a buffer of older versions": also("embeddings.position_ids"),
    "LayerNorms named as in TensorFlow": lambda ts: {
        n.replace("LayerNorm.weight", "LayerNorm.gamma"): t for n, t in ts.items()
    },
    "half precision": lambda ts: {n: t.half() for n, t in ts.items()},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_architecture(tmp_path_factory.mktemp("arch") / "bert", "bert")


@pytest.fixture
def changed(small, tmp_path, tiny_config):
    """Load the small BERT with changed weights: its encoder's tensors."""

    def load(change):
        folder = shutil.copytree(small, tmp_path / "m")
        tensors = change(load_file(folder / "model.safetensors"))
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return load_model(tiny_config(model=str(folder), tune="head"), ("a", "b"))

    return load


@pytest.mark.parametrize("case", MISFITS)
def test_weights_that_do_not_fit_are_refused_with_names_and_counts(changed, case):
    change, said = MISFITS[case]
    message = refusal(changed, change)
    assert all(word in message for word in ["do not fit its config.json", *said.split()])


@pytest.mark.parametrize("case", FITTING)
def test_weights_that_fit_are_taken_however_they_were_saved(changed, small, case):
    encoder = changed(FITTING[case]).module.encoder
    for name, tensor in load_file(small / "model.safetensors").items():
        if not name.startswith("pooler."):
            assert torch.allclose(encoder.get_parameter(name), tensor, atol=1e-3)


# --- split weights


@pytest.fixture
def split(small, tmp_path) -> Path:
    from transformers import AutoModel

    folder = shutil.copytree(small, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    AutoModel.from_pretrained(small).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def test_a_split_model_is_read_and_every_part_is_in_its_hash(split, small, tiny_config):
    one, two = (
        load_model(tiny_config(model=str(m), tune="head"), ("a", "b")) for m in (small, split)
    )
    for (name, a), b in zip(one.module.named_parameters(), two.module.parameters()):
        assert torch.equal(a, b), name
    last = sorted(split.glob("model-*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:-4] + b"\0\0\0\0")
    assert len(two.source.sha256) == 64 and find_model(str(split)).sha256 != two.source.sha256


def test_a_part_that_is_missing_is_named(split):
    part = sorted(split.glob("model-*.safetensors"))[1]
    part.unlink()
    message = refusal(find_model, str(split))
    assert f"lacks {part.name}: " in message and "copy it and every part there" in message


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": {}}', '{"weight_map": {"a": 5}}'])
def test_an_index_without_parts_is_refused(split, text):
    (split / "model.safetensors.index.json").write_text(text)
    assert "names 0" in refusal(find_model, str(split))


def test_parts_without_an_index_are_refused_and_the_index_is_named(split):
    (split / "model.safetensors.index.json").unlink()
    message = refusal(find_model, str(split))
    assert "lacks model.safetensors.index.json" in message and "copy it" in message


# --- shapes and architectures


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_is_read_also_with_few_words_and_nothing_cached(
    name, tmp_path, tiny_config, monkeypatch
):
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path / "cache"))
    config = tiny_config(model=str(write_architecture(tmp_path / "m", name)), tune="head")
    if name == "t5":
        assert "encoder-decoder" in refusal(load_model, config, ("a", "b"))
        return
    job = prepare(config)
    vectors = job.model.features(job.test)
    attach_engine(job.model, "plain")
    job.model.fast_encoder = None
    assert np.isfinite(vectors).all() and vectors.std(0).max() > 0
    assert np.allclose(job.model.features(job.test), vectors, atol=1e-5), "either engine"


def test_a_tokenizer_with_more_words_than_the_embedding_is_refused(small, tmp_path, tiny_config):
    folder = write_architecture(tmp_path / "m", "bert", words=60)
    shutil.copy(small / "tokenizer.json", folder / "tokenizer.json")
    config = tiny_config(model=str(folder), tune="head")
    assert "knows 90 tokens and its embedding 66" in refusal(load_model, config, ("a", "b"))


@pytest.mark.parametrize("name", ["bert", "roberta", "electra"])
@pytest.mark.parametrize("word", [1, 20, 60])
def test_a_config_that_calls_a_word_padding_gives_the_same_vectors_in_either_engine(
    name, word, tmp_path, tiny_config
):
    folder = write_architecture(tmp_path / "m", name)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"pad_token_id": word}))
    config = tiny_config(model=str(folder), tune="head", max_tokens=4)
    job = prepare(config)
    texts = Examples(
        ("",) * 3, np.zeros(3, np.int64), tokens=((2, word, 9), (word, 3), (7, 8, 9, word))
    )
    found = job.model.features(texts)
    job.model.fast_encoder = None
    assert np.allclose(job.model.features(texts), found, atol=1e-5)


def test_a_number_format_that_a_model_cannot_compute_in_is_refused_in_one_line(
    tmp_path, tiny_config, monkeypatch
):
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path / "cache"))
    config = tiny_config(model=str(write_architecture(tmp_path / "m", "fnet")), dtype="bfloat16")
    config = replace(config, tune="head")
    assert "dtype 'bfloat16' given; a fnet model cannot" in refusal(prepare, config)
    assert prepare(replace(config, dtype="auto")).model.dtype == torch.float32


def test_a_model_without_a_table_of_words_is_refused_by_run_and_by_advise(tmp_path, tiny_config):
    from transformers import CanineConfig, CanineModel

    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    folder = shutil.copytree(write_architecture(tmp_path / "bert", "bert"), tmp_path / "m")
    CanineModel(CanineConfig(hidden_size=32, **sizes)).save_pretrained(folder)
    said = "a canine model has no table of word vectors"
    assert said in refusal(load_model, tiny_config(model=str(folder)), ("a", "b"))
    assert said in refusal(model_geometry, str(folder), "head", 2)
