"""The saved model: it loads without fedkit, in plain PEFT and transformers, and gives the same
logits.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.experiments.job import Job, prepare
from fedkit.experiments.runner import run
from fedkit.models.adapter_io import load_adapter, save_adapter
from fedkit.models.tuners.registry import TUNERS

TEXTS = ["the printer in room 3 is out of toner", "who pays this invoice?", "a leak"]


@pytest.fixture(scope="module")
def config(tiny_config) -> RunConfig:
    """Rates so strong that an adapter left out would be noticed."""
    return tiny_config(rounds=2, lr=0.02, head_lr=0.1)


def trained(config: RunConfig, tune: str, out: Path) -> Job:
    config = replace(config, tune=tune)
    job = prepare(config)
    run(config, out, job=job)
    return job


@pytest.fixture(scope="module")
def lora(config, tmp_path_factory) -> tuple[Job, Path]:
    out = tmp_path_factory.mktemp("lora") / "run"
    return trained(config, "lora:r=4,alpha=8,targets=query|output.dense", out), out


def logits_without_fedkit(encoder, tokenizer, folder: Path) -> np.ndarray:
    """What save_adapter's docstring promises: normalised mean of the last hidden states, times the
    head.
    """
    head = load_file(folder / "head.safetensors")
    out = []
    for text in TEXTS:
        with torch.no_grad():
            # (tokens, d)
            hidden = encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        vector = torch.nn.functional.normalize(hidden.mean(0), dim=0)
        out.append((head["weight"] @ vector + head["bias"]).tolist())
    return np.array(out)


def logits_of_fedkit(job: Job) -> np.ndarray:
    examples = job.model.tokenize(
        replace(job.test.take([0, 1, 2]), texts=tuple(TEXTS), tokens=None), 32
    )
    return job.model.predict(examples)


def test_a_saved_lora_adapter_loads_in_plain_peft_and_gives_the_same_logits(lora, tiny_model):
    from peft import PeftModel
    from transformers import AutoModel, AutoTokenizer

    job, out = lora
    base, tokenizer = (
        AutoModel.from_pretrained(tiny_model),
        AutoTokenizer.from_pretrained(tiny_model),
    )
    before = logits_without_fedkit(base, tokenizer, out)
    encoder = PeftModel.from_pretrained(base, str(out)).eval()
    wanted = logits_of_fedkit(job)
    assert np.abs(logits_without_fedkit(encoder, tokenizer, out) - wanted).max() < 1e-5
    assert np.abs(before - wanted).max() > 0.01, (
        "the adapter made no difference: nothing was tested"
    )


def test_the_adapter_keeps_its_settings(lora):
    config = json.loads((lora[1] / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 8)
    assert config["target_modules"] == ["output.dense", "query"]
    assert json.loads((lora[1] / "labels.json").read_text()) == ["money", "printing", "roof"]


def test_the_settings_are_written_in_the_same_order_in_every_process(config, tmp_path):
    places = [
        "attention.output.dense",
        "intermediate.dense",
        "key",
        "query",
        "value",
        "word_embeddings",
    ]
    job = prepare(replace(config, tune="lora:r=2,targets=" + "|".join(reversed(places))))
    save_adapter(tmp_path, job.model, job.start, list(job.corpus.labels))
    assert json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"] == places


@pytest.mark.slow
def test_a_fully_tuned_encoder_loads_in_plain_transformers(config, tmp_path, tiny_model):
    from transformers import AutoModel, AutoTokenizer

    job = trained(config, "full", tmp_path / "run")
    encoder = AutoModel.from_pretrained(tiny_model).eval()
    missing, unexpected = encoder.load_state_dict(
        load_file(tmp_path / "run" / "encoder.safetensors"), strict=False
    )
    assert not unexpected and all(name.startswith("pooler.") for name in missing)
    logits = logits_without_fedkit(
        encoder, AutoTokenizer.from_pretrained(tiny_model), tmp_path / "run"
    )
    assert np.abs(logits - logits_of_fedkit(job)).max() < 1e-5
    assert not (tmp_path / "run" / "adapter_config.json").exists()


def test_head_only_leaves_a_head_only(config, tmp_path, tiny_model):
    from transformers import AutoModel, AutoTokenizer

    job = trained(config, "head", tmp_path / "run")
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "run.json",
        "labels.json",
        "head.safetensors",
    }
    base, tokenizer = (
        AutoModel.from_pretrained(tiny_model).eval(),
        AutoTokenizer.from_pretrained(tiny_model),
    )
    assert (
        np.abs(
            logits_without_fedkit(base, tokenizer, tmp_path / "run") - logits_of_fedkit(job)
        ).max()
        < 1e-5
    )


@pytest.mark.parametrize("tune", TUNERS)
@pytest.mark.slow
def test_what_was_saved_is_what_is_loaded(config, tmp_path, tune):
    job = prepare(replace(config, tune=tune))
    params = {
        n: torch.randn(t.shape, generator=torch.Generator().manual_seed(1))
        for n, t in job.start.items()
    }
    save_adapter(tmp_path, job.model, params, list(job.corpus.labels))
    loaded = load_adapter(tmp_path, job.model)
    assert loaded.keys() == params.keys() and all(torch.equal(loaded[n], params[n]) for n in params)


# --- strangers


def rewrite(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def tampered(path: Path, **tensors) -> None:
    save_file(load_file(path) | tensors, path)


STRANGE = {
    "no head": lambda f: (f / "head.safetensors").unlink(),
    "no adapter": lambda f: (f / "adapter_model.safetensors").unlink(),
    "no labels": lambda f: (f / "labels.json").unlink(),
    "no settings": lambda f: (f / "adapter_config.json").unlink(),
    "labels in another order": (
        lambda f: (f / "labels.json").write_text('["roof", "money", "printing"]')
    ),
    "labels no JSON": lambda f: (f / "labels.json").write_text("roof"),
    "another scale": lambda f: rewrite(f / "adapter_config.json", lora_alpha=99),
    "settings a list": lambda f: (f / "adapter_config.json").write_text("[]"),
    "a head for more labels": lambda f: tampered(f / "head.safetensors", weight=torch.zeros(9, 32)),
    "NaN in the head": lambda f: tampered(
        f / "head.safetensors", bias=torch.full((3,), float("nan"))
    ),
    "a tensor too many": lambda f: tampered(f / "adapter_model.safetensors", extra=torch.zeros(1)),
    "half a file": (
        lambda f: (f / "head.safetensors").write_bytes((f / "head.safetensors").read_bytes()[:50])
    ),
    "a pickle": lambda f: (f / "adapter_model.safetensors").write_bytes(b"\x80\x04]q\x00."),
    "an empty folder": lambda f: [p.unlink() for p in list(f.iterdir())],
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_strangers_adapter_is_refused(lora, tmp_path, case):
    job, out = lora
    shutil.copytree(out, tmp_path / "copy")
    assert load_adapter(tmp_path / "copy", job.model).keys() == job.start.keys()
    (tmp_path / "copy" / "run.json").unlink()  # and with it the digests
    STRANGE[case](tmp_path / "copy")
    with pytest.raises(FedkitError, match="no adapter for this model") as error:
        load_adapter(tmp_path / "copy", job.model)
    assert "\n" not in str(error.value)


def test_an_adapter_of_another_rank_is_refused(lora, config):
    other = prepare(replace(config, tune="lora:r=8,alpha=8,targets=query|output.dense"))
    with pytest.raises(FedkitError, match="lora_A"):
        load_adapter(lora[1], other.model)
