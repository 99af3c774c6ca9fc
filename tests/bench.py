"""How fast the kit is on this machine: the yardstick job beside a bare PEFT loop, interleaved, medians and ratios.

The job: 8 clients x 64 examples x 3 rounds of federated averaging, LoRA r=8 on query and value, batch 16, AdamW.
usage: python tests/bench.py [--data NAME|PATH] [--repeats 5] [--out runs/bench]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch

from fedkit.config import RunConfig
from fedkit.evaluate import score
from fedkit.federation import federate
from fedkit.job import Job, describe_environment, prepare
from fedkit.memory import peak_rss_bytes, reset_peak
from fedkit.server.start import start

JOB = RunConfig(clients=8, examples_per_client=64, rounds=3, partition="iid", batch_size=16)


def bare(job: Job) -> tuple[float, float]:
    """What anyone would write in twenty lines with PEFT: (seconds in the rounds, accuracy)."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path, config = job.model.source.location, job.config
    tokenizer = AutoTokenizer.from_pretrained(path)
    torch.manual_seed(config.seed)
    base = AutoModelForSequenceClassification.from_pretrained(path, num_labels=len(job.corpus.labels))
    lora = LoraConfig(
        r=8, lora_alpha=16, target_modules=["query", "value"], modules_to_save=["classifier"], task_type="SEQ_CLS"
    )
    model = get_peft_model(base, lora)
    tuned = {n: p for n, p in model.named_parameters() if p.requires_grad}
    shared = {n: p.detach().clone() for n, p in tuned.items()}
    began = time.perf_counter()
    for _ in range(config.rounds):
        total = {n: torch.zeros_like(p) for n, p in shared.items()}
        for client in job.clients:
            _copy(tuned, shared)
            optimizer = torch.optim.AdamW(tuned.values(), lr=1e-3)
            model.train()
            for j in range(0, len(client.train), config.batch_size):
                rows = slice(j, j + config.batch_size)
                x = tokenizer(
                    list(client.train.texts[rows]), truncation=True, max_length=64, padding=True, return_tensors="pt"
                )
                model(**x, labels=torch.from_numpy(client.train.labels[rows])).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            for n, p in tuned.items():
                total[n] += p.detach() / len(job.clients)
        shared = total
    seconds = time.perf_counter() - began
    _copy(tuned, shared)
    model.eval()
    logits = []
    with torch.inference_mode():
        for j in range(0, len(job.test), 64):
            x = tokenizer(
                list(job.test.texts[j : j + 64]), truncation=True, max_length=64, padding=True, return_tensors="pt"
            )
            logits.append(model(**x).logits)
    return seconds, score(torch.cat(logits).numpy(), job.test, job.clients).accuracy


def kit(job: Job) -> tuple[float, float]:
    """The same job by fedkit, the start exchange included: (seconds in the rounds, accuracy)."""
    began = time.perf_counter()
    job.model.load_params(job.start)
    shared, prior, _ = start(job.model, job.clients, job.config)
    for done in federate(job.model, job.clients, shared, job.config, prior):
        shared = done.shared
    seconds = time.perf_counter() - began
    job.model.load_params(shared)
    return seconds, score(job.model.predict(job.test), job.test, job.clients).accuracy


def matrix_rate(dtype: torch.dtype, size: int = 1536) -> float:
    """Best measured rate of a square matrix product, in GFLOP/s."""
    a = torch.randn(size, size).to(dtype)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds) / 1e9


def measure(name: str, function, job: Job) -> dict:
    reset_peak()
    seconds, accuracy = function(job)
    return {"what": name, "seconds": seconds, "accuracy": accuracy, "peak_rss_bytes": peak_rss_bytes()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=JOB.data)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    args = parser.parse_args()
    job = prepare(replace(JOB, data=args.data))
    contestants = {"bare PEFT loop": bare, "fedkit": kit}
    results = [measure(name, f, job) for _ in range(args.repeats) for name, f in contestants.items()]
    rates = {str(d): matrix_rate(d) for d in (torch.float32, torch.bfloat16)}
    middle = {
        n: {k: median(r[k] for r in results if r["what"] == n) for k in ("seconds", "accuracy", "peak_rss_bytes")}
        for n in contestants
    }
    examples = sum(len(c.train) for c in job.clients) * JOB.rounds
    for name, m in middle.items():
        print(f"{name:16s} {m['seconds']:7.2f} s  {examples / m['seconds']:6.0f} examples/s  accuracy {m['accuracy']:.1%}  "
              f"peak {m['peak_rss_bytes'] / 1e6:.0f} MB")  # fmt: skip
    pairs = [b["seconds"] / k["seconds"] for b, k in zip(results[::2], results[1::2])]
    print(f"bare PEFT loop / fedkit: median of {len(pairs)} pairs {median(pairs):.2f}; matrix rates in GFLOP/s: "
          + ", ".join(f"{d.removeprefix('torch.')} {r:.0f}" for d, r in rates.items()))  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"job": JOB.to_dict() | {"data": args.data}, "environment": describe_environment(job.model), "results": results,
              "ratios": pairs, "matrix_gflops": rates}  # fmt: skip
    path = args.out / f"{datetime.now():%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(record, indent=1))
    print(f"written: {path}")


def _copy(tuned: dict, values: dict) -> None:
    with torch.no_grad():
        for name, parameter in tuned.items():
            parameter.copy_(values[name])


if __name__ == "__main__":
    main()
