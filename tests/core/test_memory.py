"""Memory: one copy of the base model, nothing that grows with the number of clients, and a meter to
be believed.
"""

from __future__ import annotations

import csv
import gc
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkit.core.config import RunConfig
from fedkit.core.memory import peak_rss_bytes, release_free_memory, reset_peak
from fedkit.experiments.job import prepare
from fedkit.federated.algorithm import federate

WORDS = {
    "printing": "printer toner paper",
    "money": "invoice payment budget",
    "roof": "leak ceiling window",
}
LIMIT = 1.2  # how much more memory 1,000 clients may take than 10 with as many examples


# --- the meter


@pytest.mark.slow
def test_the_peak_is_of_this_process_and_in_bytes():
    release_free_memory()  # or the block may lie in what earlier tests have freed
    reset_peak()
    before = peak_rss_bytes()
    block = np.ones(12_500_000)  # 100 MB
    during = peak_rss_bytes()
    assert 20e6 < before < 20e9 and 98.5e6 < during - before < 130e6
    del block
    assert peak_rss_bytes() > during - 5e6, (
        "a peak does not fall by itself (Linux counts pages a little late)"
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak can be reset on Linux only"
)
def test_a_new_measurement_forgets_the_old_peak():
    release_free_memory()
    block = np.ones(12_500_000)
    high = peak_rss_bytes()
    del block
    # a block that lies among what was freed earlier is not handed back by itself
    release_free_memory()
    reset_peak()
    assert peak_rss_bytes() < high - 90e6


# --- one base model


def parameters_alive() -> int:
    """Numbers held by all parameters alive since gc.freeze, each storage once."""
    gc.collect()
    alive = [o for o in gc.get_objects() if type(o) is torch.nn.Parameter]
    return sum({p.untyped_storage().data_ptr(): p.numel() for p in alive}.values())


def held_while_training(config: RunConfig, clients: int) -> tuple[int, int]:
    """(parameters alive after loading, most of them alive while the clients train)."""
    gc.collect()
    gc.freeze()  # what is alive now is left out
    try:
        job = prepare(replace(config, clients=clients))
        seen = [parameters_alive()]
        list(
            federate(
                job.model,
                job.clients,
                job.start,
                job.config,
                tick=lambda *_: seen.append(parameters_alive()),
            )
        )
    finally:
        gc.unfreeze()
    assert len(job.clients) == clients and len(seen) == 1 + clients
    return seen[0], max(seen)


@pytest.mark.slow
@pytest.mark.parametrize("tune", ["lora:r=4,alpha=8", "full"])
def test_there_is_one_copy_of_the_base_model_whatever_the_number_of_clients(tiny_config, tune):
    config = tiny_config(
        partition="iid", rounds=1, examples_per_client=8, batch_size=8, tune=tune, loss="plain"
    )
    two, eight = held_while_training(config, 2), held_while_training(config, 8)
    assert two[0] == two[1] == eight[0] == eight[1], "a client brought parameters of its own"
    assert 990_000 < two[0] < 1_010_000, "the tiny model has about a million"


# --- many clients


def write_data(folder: Path, rows: int, test_rows: int = 60) -> str:
    """`rows` different short texts with three labels, and a small test set."""
    folder.mkdir()
    names = list(WORDS)
    for split, count in (("train", rows), ("test", test_rows)):
        with open(folder / f"{split}.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["text", "label"])
            out.writerows(
                (f"{WORDS[names[i % 3]].split()[i // 3 % 3]} {split} {i}", names[i % 3])
                for i in range(count)
            )
    return str(folder)


def write_wide_model(tiny: str, folder: Path, width: int = 128) -> str:
    """The tiny model, wider, so that an adapter for it is worth counting."""
    from transformers import BertConfig, BertModel

    shutil.copytree(tiny, folder)
    BertModel(
        BertConfig.from_pretrained(tiny, hidden_size=width, intermediate_size=width)
    ).save_pretrained(folder)
    return str(folder)


def peak_of(out: Path, *flags: str) -> int:
    """Peak memory of `fedkit run` in a process of its own, as its record has it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "fedkit.cli.main",
            "run",
            "--partition",
            "iid",
            "--rounds",
            "1",
            "--out",
            str(out),
            *flags,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "FEDKIT_CACHE": str(out.parent)},
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((out / "run.json").read_text())
    assert {c["status"] for c in record["rounds"][0]["clients"]} == {"ok"}
    return record["result"]["peak_rss_bytes"]


@pytest.mark.slow
def test_a_thousand_clients_take_the_memory_of_ten(tiny_model, tmp_path, capsys):
    """16,000 examples either way. An update has 0.8 MB here: a thousand of them kept would double
    the peak.
    """
    data, model = (
        write_data(tmp_path / "data", 20_000),
        write_wide_model(tiny_model, tmp_path / "model"),
    )
    flags = [
        "--data",
        data,
        "--model",
        model,
        "--max-tokens",
        "8",
        "--lr",
        "0.0001",
        "--tune",
        "lora:r=128,alpha=128,targets=query|key|value",
    ]
    # probes the processor, once
    peak_of(tmp_path / "first", *flags, "--clients", "2", "--examples-per-client", "16")
    few = peak_of(tmp_path / "few", *flags, "--clients", "10", "--examples-per-client", "1600")
    many = peak_of(tmp_path / "many", *flags, "--clients", "1000", "--examples-per-client", "16")
    with capsys.disabled():
        print(
            f"\n  peak memory: 10 x 1,600 {few / 1e6:.0f} MB, 1,000 x 16 {many / 1e6:.0f} MB:"
            f" {many / few:.2f} x"
        )
    assert many < LIMIT * few
