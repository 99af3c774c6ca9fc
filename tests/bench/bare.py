"""What anyone would write in a few lines with PEFT: federated averaging in one process, float32, as
the libraries come.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from jobs import JOBS, config_of


class World:
    """Data and model as a peer holds them; the texts, clients and steps are those of the
    kit's job.
    """

    def __init__(self, name: str, data: str):
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from fedkit.data.load import load_corpus
        from fedkit.data.partition import deal
        from fedkit.models.base import find_model

        self.config, job = config_of(name, data), JOBS[name]
        corpus = load_corpus(data, seed=self.config.seed)
        self.clients = deal(
            corpus, "iid", self.config.clients, self.config.examples_per_client, self.config.seed
        )
        self.test = corpus.test
        path = find_model(self.config.model).location
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        torch.manual_seed(self.config.seed)
        self.model = AutoModelForSequenceClassification.from_pretrained(
            path, num_labels=len(corpus.labels)
        )
        layers = self.model.config.num_hidden_layers
        if job.layers:
            top = list(range(layers - job.layers, layers))
            self.model = get_peft_model(
                self.model,
                LoraConfig(
                    r=8,
                    lora_alpha=16,
                    target_modules=["query", "value"],
                    layers_to_transform=top,
                    modules_to_save=["classifier"],
                    task_type="SEQ_CLS",
                ),
            )
        else:
            self.model.requires_grad_(False)
            self.model.classifier.requires_grad_(True)
        self.tuned = {n: p for n, p in self.model.named_parameters() if p.requires_grad}

    def shared(self) -> dict[str, torch.Tensor]:
        return {n: p.detach().clone() for n, p in self.tuned.items()}

    @torch.no_grad()
    def load(self, values: dict[str, torch.Tensor]) -> None:
        for name, parameter in self.tuned.items():
            parameter.copy_(values[name])

    def train(self, client: int) -> int:
        """`local_epochs` over a client's examples, from what is loaded; the steps taken."""
        train, size, steps = self.clients[client].train, self.config.batch_size, 0
        optimizer = torch.optim.AdamW(self.tuned.values(), lr=1e-3)
        self.model.train()
        for _ in range(self.config.local_epochs):
            for j in range(0, len(train), size):
                labels = torch.from_numpy(train.labels[j : j + size])
                self.model(**self.read(train.texts[j : j + size]), labels=labels).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                steps += 1
        return steps

    def read(self, texts) -> dict[str, torch.Tensor]:
        return self.tokenizer(
            list(texts), truncation=True, max_length=64, padding=True, return_tensors="pt"
        )

    @torch.inference_mode()
    def accuracy(self) -> tuple[float, float]:
        """(share of right answers on the test set, seconds it took to find out)."""
        began = time.perf_counter()
        self.model.eval()
        texts = self.test.texts
        logits = [
            self.model(**self.read(texts[j : j + 64])).logits for j in range(0, len(texts), 64)
        ]
        right = torch.cat(logits).argmax(1).numpy() == self.test.labels
        return float(right.mean()), time.perf_counter() - began


def bare(name: str, data: str, judge: bool) -> dict:
    """The job in a plain loop."""
    from fedkit.core.memory import peak_rss_bytes

    world = World(name, data)
    shared, steps = world.shared(), 0
    began = time.perf_counter()
    for _ in range(world.config.rounds):
        locals_ = []
        for client in range(world.config.clients):
            world.load(shared)
            steps += world.train(client)
            locals_.append(world.shared())
        shared = {n: torch.stack([local[n] for local in locals_]).mean(0) for n in shared}
    seconds, peak = time.perf_counter() - began, peak_rss_bytes()
    world.load(shared)
    accuracy, judged = world.accuracy() if judge else (None, 0.0)
    seen = (
        world.config.rounds
        * world.config.local_epochs
        * int(np.sum([len(c.train) for c in world.clients]))
    )
    return {
        "seconds": seconds,
        "judging_seconds": judged,
        "accuracy": accuracy,
        "peak_rss_bytes": peak,
        "examples": seen,
        "steps": steps,
    }
