"""Test that a user's mistakes give one line on stderr, exit code 2 and no files.

Every case runs in a folder that must be the same before and after. Most run in this process; a few
as a real command.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories.refusals import assert_one_line

from fedkit.cli.main import main

SITES = "text,label,site\n" + "".join(
    f"report {i} about {'ab'[i % 2]},{'ab'[i % 2]},s{i % 3}\n" for i in range(60)
)
RUN = "run --data data --model model"
# root may write to read-only folders
NO_FOLDER = "/proc/fedkit" if sys.platform == "linux" else "data/train.csv/below"

# name: (command line, words that the message must have)
MODEL = {
    "unknown model": ("run --data data --model nope", "--model 'nope' minilm folder hub"),
    "hub model out of reach": (
        "run --data data --model nobody/nothing",
        "copy config.json models/nobody/nothing",
    ),
    "model folder without weights": (
        "run --data data --model no-weights",
        "no-weights lacks model.safetensors",
    ),
    "model folder without config": (
        "run --data data --model no-config",
        "no-config lacks config.json",
    ),
    "model weights are garbage": (
        "run --data data --model garbage",
        "garbage cannot copy model.safetensors anew",
    ),
    "tuner unknown": (f"{RUN} --tune lorra", "--tune 'lorra' lora head full"),
    "tuner empty": (f"{RUN} --tune=", "--tune '' lora head full"),
    "tuner option without value": (f"{RUN} --tune lora:r", "key=value 'r' lora:r=8"),
    "tuner option not a number": (f"{RUN} --tune lora:r=x", "--tune 'lora:r=x' number r=int"),
    "tuner option unknown": (f"{RUN} --tune lora:rank=8", "--tune 'rank' alpha targets"),
    "tuner option twice": (f"{RUN} --tune lora:r=8,r=4", "--tune r twice"),
    "tuner option twice, once bare": (f"{RUN} --tune lora:8,r=4", "--tune r twice"),
    "tuner option twice, the same": (f"{RUN} --tune lora:r=8,alpha=2,r=8", "--tune r twice"),
    "tuner option without a name": (f"{RUN} --tune lora:=8", "--tune key=value '=8'"),
    "wire option twice": (f"{RUN} --wire topk:0.1,share=0.2", "--wire share"),
    "privacy option twice": (f"{RUN} --privacy example:eps=8,eps=4", "--privacy eps twice"),
    "optimizer option twice": (f"{RUN} --optimizer sgd:momentum=0,momentum=0.9", "momentum twice"),
    "shares beyond all sites": (f"{RUN} --devices old-pc=0.7,laptop=0.7", "--devices 140"),
    "a sweep of seeds by vary": ("sweep --data data --vary seed=1", "--seeds 0,1,2"),
    "a sweep of nothing": ("sweep --data data", "--vary --seeds PLAN.toml"),
    "a partition by a column that is not there": (
        f"{RUN} --partition column:Tech",
        "'Tech' --partition column:COL site",
    ),
    "a data file in place of a run": ("compare garbage.csv", "no run fedkit run --out"),
    "tuner takes no option": (f"{RUN} --tune head:r=1", "--tune 'r' none"),
    "rank 0": (f"{RUN} --tune lora:r=0", "--tune r=0 from 1 to"),
    "rank beyond the model": (f"{RUN} --tune lora:r=1000000", "--tune r=1000000 from 1 to 32"),
    "layers beyond the model": (f"{RUN} --tune lora:layers=3", "--tune layers=3 2 layers 0"),
    "layers negative": (f"{RUN} --tune lora:layers=-1", "--tune layers=-1 2 layers"),
    "alpha not a number": (f"{RUN} --tune lora:alpha=nan", "--tune alpha=nan above 0"),
    "lora without such layers": (
        f"{RUN} --tune lora:targets=nothing",
        "targets='nothing' query value",
    ),
    "max-tokens 1": (f"{RUN} --max-tokens 1", "--max-tokens 1 from 4"),
    "max-tokens beyond the model": (f"{RUN} --max-tokens 65", "--max-tokens 65 at most 64"),
    "max-tokens not a number": (f"{RUN} --max-tokens many", "--max-tokens 'many' whole number"),
}
TRAINING = {
    "rounds 0": (f"{RUN} --rounds 0", "--rounds 0 from 1 to"),
    "rounds negative": (f"{RUN} --rounds -1", "--rounds -1 from 1 to"),
    "rounds a fraction": (f"{RUN} --rounds 1.5", "--rounds '1.5' whole number run --help"),
    "rounds a word": (f"{RUN} --rounds some", "--rounds 'some' whole number"),
    "rounds beyond all measure": (f"{RUN} --rounds 1000000000", "--rounds 1000000000 to 10000"),
    "local epochs 0": (f"{RUN} --local-epochs 0", "--local-epochs 0 from 1 to"),
    "batch size 0": (f"{RUN} --batch-size 0", "--batch-size 0 from 1 to"),
    "learning rate 0": (f"{RUN} --lr 0", "--lr 0 above 0"),
    "learning rate negative": (f"{RUN} --lr -0.1", "--lr -0.1 above 0"),
    "learning rate nan": (f"{RUN} --lr nan", "--lr 'nan' number such as"),
    "learning rate infinite": (f"{RUN} --lr inf", "--lr 'inf' number such as"),
    "learning rate a word": (f"{RUN} --lr fast", "--lr 'fast' number such as"),
    "head rate 0": (f"{RUN} --head-lr 0", "--head-lr 0 above 0"),
    "head rate nan": (f"{RUN} --head-lr nan", "--head-lr 'nan' number such as"),
    "head start unknown": (f"{RUN} --head-start random", "--head-start 'random' zero class-means"),
    "loss unknown": (f"{RUN} --loss mse", "--loss 'mse' calibrated plain"),
    "strategy unknown": (f"{RUN} --strategy fedsgd", "--strategy 'fedsgd' fedavg"),
    "strategy takes no option": (f"{RUN} --strategy fedavg:lr=1", "--strategy 'lr' none"),
    "aggregation unknown": (f"{RUN} --aggregate krum", "--aggregate 'krum' mean ffa fedex"),
    "aggregation of pairs without pairs": (
        f"{RUN} --aggregate flora --tune head",
        "--aggregate 'flora' 'head' --tune lora mean",
    ),
    "ranks that are no numbers": (
        f"{RUN} --aggregate hetlora:ranks=a",
        "--aggregate 'ranks=a' 2|4|8",
    ),
    "nothing is shared": (f"{RUN} --share nowhere", "--share 'nowhere' lora_A head"),
    "half of a pair shared": (
        f"{RUN} --aggregate fedex --share lora_A",
        "--share 'lora_A' both all",
    ),
    "weights unknown": (f"{RUN} --weights fame", "--weights 'fame' uniform"),
    "robust unknown": (f"{RUN} --robust hope", "--robust 'hope' median"),
    "robust with too few sites": (f"{RUN} --robust krum:f=9", "krum"),
    "privacy unknown": (f"{RUN} --privacy total", "--privacy 'total' example client"),
    "privacy with a typo": (
        f"{RUN} --privacy example:epsilon=8",
        "--privacy 'epsilon' eps delta clip",
    ),
    "privacy for nothing": (f"{RUN} --privacy example:eps=-2", "--privacy eps=-2 0 1000"),
    "privacy of shares in the clear": (
        f"{RUN} --privacy example:trust=sum",
        "--privacy trust=sum --secure masks",
    ),
    "privacy of clients who weigh unlike": (
        f"{RUN} --privacy client:eps=8",
        "--privacy --weights uniform",
    ),
    "privacy that shuffles": (
        f"{RUN} --privacy example:sampling=shuffle",
        "--privacy shuffled Poisson",
    ),
    "privacy without a round": (f"{RUN} --privacy example:noise=0.1,eps=1", "privacy round noise"),
    "secure unknown": (f"{RUN} --secure vault", "--secure 'vault' masks ckks"),
    "secure with a rule that compares": (
        f"{RUN} --secure masks --robust median",
        "--secure median sum",
    ),
    "attack unknown": (f"{RUN} --attack bribe:2", "--attack 'bribe' sign-flip"),
    "attack by more than there are": (f"{RUN} --attack sign-flip:99", "99 most"),
    "faults unknown": (f"{RUN} --faults stolen=0.1", "--faults stolen lost"),
    "faults beyond one": (f"{RUN} --faults lost=3", "--faults lost 0 1"),
    "deadline below nought": (f"{RUN} --deadline -1", "--deadline -1 above"),
    "deadline no number": (f"{RUN} --deadline soon", "--deadline 'soon' number"),
    "deadline without waiting": (
        f"{RUN} --strategy fedbuff --deadline 3",
        "--deadline fedbuff wait",
    ),
    "late unknown": (f"{RUN} --late never", "--late 'never' carry"),
    "late without a deadline": (f"{RUN} --late carry", "carry --deadline"),
    "optimizer unknown": (f"{RUN} --optimizer lion", "--optimizer 'lion' adamw"),
    "pace of nought": (f"{RUN} --pace 0", "--pace 0 above"),
    "server line unknown": (f"{RUN} --server-link fast", "--server-link 'fast'"),
    "devices unknown in a mix": (f"{RUN} --devices cray=1", "--devices cray old-pc"),
    "scaffold with stacking": (
        f"{RUN} --strategy scaffold --aggregate flora",
        "scaffold flora mean",
    ),
    "median with stacking": (f"{RUN} --robust median --aggregate flora", "median flora mean"),
    "wire unknown": (f"{RUN} --wire gzip", "--wire 'gzip' topk int4 ans"),
    "wire in a wrong order": (f"{RUN} --wire int4+topk", "order select quantise"),
    "wire without its share": (f"{RUN} --wire topk:lots", "--wire 'topk:lots' number"),
    "download that cannot be compressed": (
        f"{RUN} --aggregate fedex --wire-down int8",
        "--wire-down 'int8' 'fedex' none",
    ),
    "no client in a round": (
        f"{RUN} --clients-per-round 0",
        "--clients-per-round 0 whole number from 1 to 3",
    ),
    "more clients in a round than there are": (
        f"{RUN} --clients-per-round 4",
        "--clients-per-round 4 from 1 to 3",
    ),
    "one client and a half in a round": (
        f"{RUN} --clients-per-round 1.5",
        "--clients-per-round 1.5 fraction",
    ),
    "clients in a round a word": (
        f"{RUN} --clients-per-round few",
        "--clients-per-round 'few' fraction",
    ),
    "seed negative": (f"{RUN} --seed -1", "--seed '-1' from 0 to"),
    "seed too large": (f"{RUN} --seed 4294967296", "--seed '4294967296' from 0 to"),
    "device unknown": (f"{RUN} --device tpu", "--device 'tpu' auto cpu"),
    "engine unknown": (f"{RUN} --engine turbo", "--engine 'turbo' auto fast plain"),
    "engine that cannot": (
        f"{RUN} --engine fast --tune full",
        "--engine 'fast' 'full' whole model auto",
    ),
    "devices unknown": (f"{RUN} --devices slow", "--devices 'slow' half-speed"),
    "link not understood": (f"{RUN} --link fast", "--link 'fast' DOWN[:UP]/LATENCY dsl"),
    "link without speed": (f"{RUN} --link 0mbps/40ms", "--link '0mbps/40ms' 10mbps/40ms"),
}
DEALT = {
    "no client": (f"{RUN} --clients 0", "--clients 0 from 1 to"),
    "half a client": (f"{RUN} --clients 2.5", "--clients '2.5' whole number"),
    "more clients than examples": (
        f"{RUN} --partition iid --clients 1000",
        "1,000 clients fewer --clients",
    ),
    "more examples than there are": (
        f"{RUN} --partition iid --examples-per-client 1000",
        "1,000 examples fewer --examples-per-client",
    ),
    "too few examples for a client": (
        f"{RUN} --examples-per-client 3",
        "--examples-per-client '3' at least 8",
    ),
    "partition unknown": (f"{RUN} --partition random", "partition 'random' iid dirichlet:A"),
    "dirichlet without A": (
        f"{RUN} --partition dirichlet",
        "--partition 'dirichlet' dirichlet:0.3",
    ),
    "dirichlet 0": (f"{RUN} --partition dirichlet:0", "--partition 'dirichlet:0' above 0"),
    "dirichlet a word": (f"{RUN} --partition dirichlet:x", "--partition 'dirichlet:x' above 0"),
    "quantity negative": (f"{RUN} --partition quantity:-1", "--partition 'quantity:-1' above 0"),
    "iid takes no option": (f"{RUN} --partition iid:3", "partition 'iid:3' iid dirichlet:A"),
    "partition by a column that is not there": (
        f"{RUN} --partition column:shop",
        "'shop' --client 'text' 'site'",
    ),
    "two client columns": (
        f"{RUN} --partition column:site --client label",
        "--partition --client drop one",
    ),
    "client column with a site of one row each": (
        "run --data lonely.csv --model model",
        "client column --partition iid",
    ),
}
DATA = {
    "unknown data set": (
        "run --data nope --model model",
        "'nope' service_desk banking77 train.csv",
    ),
    "data set without a name": ("run --data= --model model", "'' service_desk"),
    "missing file": ("run --data nope.csv --model model", "'nope.csv' .csv train.csv"),
    "folder without train": ("run --data no-train --model model", "no train file 'test.csv'"),
    "empty folder": ("run --data empty --model model", "no train file nothing"),
    "one label only": ("run --data one-label.csv --model model", "one label only 'a' --label"),
    "blank file": ("run --data blank.csv --model model", "'blank.csv' is empty"),
    "header only": ("run --data header.csv --model model", "no rows add examples"),
    "too few rows": ("run --data few.csv --model model", "at least 10 add examples"),
    "label is free text": (
        "run --data data --model model --label text --text label",
        "free text --label",
    ),
    "no such text column": (f"{RUN} --text body", "'body' --text 'label'"),
    "no such label column": (f"{RUN} --label team", "'team' --label 'text'"),
    "no such client column": (f"{RUN} --client shop", "'shop' --client 'site'"),
    "text and label in one column": (
        f"{RUN} --text label --label label",
        "'label' cannot be columns",
    ),
    "unknown encoding": (f"{RUN} --encoding klingon", "--encoding 'klingon' utf-8 cp932"),
    "encoding that does not fit": (f"{RUN} --encoding ascii", "'ascii' leave --encoding out"),
    "another encoding": ("run --data latin.csv --model model", "latin.csv cp1252 --encoding"),
    "binary garbage": ("run --data garbage.csv --model model", "garbage.csv not a text file CSV"),
    "suffix nobody reads": ("run --data report.docx --model model", "'.docx' .csv save it as CSV"),
    "no Excel file": ("run --data fake.xlsx --model model", "fake.xlsx"),
    "no Parquet file": ("run --data fake.parquet --model model", "fake.parquet"),
    "no JSON Lines": ("run --data fake.jsonl --model model", "fake.jsonl line 1 not JSON"),
    "a row with a cell too many": (
        "run --data ragged.csv --model model",
        "ragged.csv line 3 mend quote",
    ),
    "malformed hub name": ("run --data hub:nothing --model model", "hub:owner/name"),
}
PLACES = {
    "out is a file": (f"{RUN} --out one-label.csv", "--out one-label.csv is a file folder"),
    "out below a file": (f"{RUN} --out data/train.csv/run", "--out is a file folder"),
    "out where nobody can write": (f"{RUN} --out {NO_FOLDER}/run", f"--out {NO_FOLDER}"),
    "out has a name too long": (f"{RUN} --out {'x' * 300}", "--out name too long choose a folder"),
    "out holds a run": (f"{RUN} --out kept", "kept already holds a run --resume --out"),
    "out holds what a run would overwrite": (
        f"{RUN} --out theirs",
        "--out theirs labels.json new folder",
    ),
    "resume nothing": (f"{RUN} --resume", "--resume --out DIR"),
    "resume where there is no run": ("run --resume --out nowhere", "--resume nowhere no run"),
    "resume with another setting": (
        "run --resume --out kept --rounds 3",
        "kept rounds was 1 is now 3 another --out",
    ),
    "resume with another tuner": (
        "run --resume --out kept --tune head",
        "kept tune 'lora:r=2' 'head'",
    ),
    "resume a damaged record": ("run --resume --out cut-short", "cannot read cut-short/run.json"),
    "resume with a setting nobody knows": (
        "run --resume --out strange",
        "unknown setting 'colour' known",
    ),
    "resume with a setting of another kind": ("run --resume --out wordy", "rounds"),
    "resume without its state": (
        "run --resume --out stateless",
        "stateless round-0000.safetensors missing --out",
    ),
    "baselines into a file": (
        "baselines --data data --model model --out one-label.csv",
        "is a file folder",
    ),
    "baselines over records": (
        "baselines --data data --model model --out done",
        "done/majority --resume --out",
    ),
    "baseline unknown": (
        "baselines --data data --model model --which best",
        "'best' majority pooled",
    ),
    "baseline without a name": (
        "baselines --data data --model model --which=",
        "'' majority pooled",
    ),
    "demo into a file": ("demo --out one-label.csv", "--out is a file folder"),
    "demo where nobody can write": (f"demo --out {NO_FOLDER}/demo", f"--out {NO_FOLDER}"),
    "demo into a folder of others": ("demo --out data", "data holds no demo --out DIR"),
    "demo into a folder with somebody's demo.json": (
        "demo --out strange",
        "strange holds no demo --out DIR",
    ),
    "demo without a round": ("demo --rounds 0", "--rounds 0 from 1 to"),
    "picture over a file of another kind": (
        "data data --html data/train.csv",
        "--html 'data/train.csv' .html",
    ),
    "page over a file of another kind": (
        "compare kept --html data/test.csv",
        "--html 'data/test.csv' .html",
    ),
    "page below a file": (
        "compare kept --html blank.csv/page.html",
        "cannot write blank.csv file choose another place",
    ),
    "page where nobody can write": (
        f"compare kept --html {NO_FOLDER}/page.html",
        f"cannot write {NO_FOLDER} choose another place",
    ),
}
RECORDS = {
    "compare nothing": ("compare", "RUN missing compare --help"),
    "compare a folder that is not there": ("compare nope", "no run record nope fedkit run"),
    "compare a folder without runs": ("compare data", "no run record data fedkit run"),
    "compare a file that is no record": (
        "compare data/train.csv",
        "cannot read data/train.csv: it is no run; give a folder that `fedkit run --out` wrote",
    ),
    "record cut short": ("compare cut-short", "cannot read cut-short/run.json"),
    "record of another kind": ("compare foreign", "not a fedkit run record schema 'something/1'"),
    "record is a list": ("compare listed", "not a fedkit run record"),
    "record without rounds": ("compare hollow", "damaged run record"),
    "record with words for numbers": ("compare wordy-round", "damaged run record accuracy"),
    "record nested too deep": ("compare deep", "cannot read deep/run.json"),
    "record with a number too long": ("compare long", "cannot read long/run.json"),
    "record in bytes": ("compare bytes", "cannot read bytes/run.json"),
}
WORDS = {
    "unknown command": ("trian", "no such command 'trian' fedkit --help"),
    "unknown flag": ("run --nope", "no such option --nope run --help"),
    "flag mistyped": ("run --round 3", "--round --rounds"),
    "flag without a value": (f"{RUN} --rounds", "--rounds requires an argument run --help"),
    "argument nobody asked for": ("run data", "unexpected argument data run --help"),
    "check nothing": ("check", "FILE missing check --help"),
    "check a file that is not there": ("check nope.csv", "'nope.csv'"),
    "check a blank file": ("check blank.csv", "'blank.csv' is empty"),
    "check binary garbage": ("check garbage.csv", "garbage.csv not a text file"),
    "check a column that is not there": ("check data --label team", "'team' --label 'text'"),
    "data under a partition unknown": ("data data --partition random", "partition 'random' iid"),
    "data with too many clients": (
        "data data --partition iid --clients 500",
        "500 clients fewer --clients",
    ),
    "data set unknown": ("data nope", "'nope' service_desk"),
    "models takes no argument": ("models minilm", "unexpected argument minilm models --help"),
    "doctor with a flag nobody knows": ("doctor --fix", "no such option --fix doctor --help"),
    "lab on a port of the system": ("lab --port 80", "--port 80 from 1024 to 65535"),
    "lab on a word": ("lab --port eight", "--port 'eight' whole number"),
}
CASES = MODEL | TRAINING | DEALT | DATA | PLACES | RECORDS | WORDS


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> Path:
    """A folder with everything that the cases name."""
    root = tmp_path_factory.mktemp("bad")
    write_data(root)
    write_models(root, Path(tiny_model))
    write_records(root)
    return root


def write_data(root: Path) -> None:
    for folder in ("data", "no-train", "empty", "theirs"):
        (root / folder).mkdir()
    texts = {
        "data/train.csv": SITES + "réclamation,a,s1\n",
        "data/test.csv": SITES.replace("report", "message"),
        "no-train/test.csv": SITES,
        "theirs/labels.json": "[]",
        "one-label.csv": "text,label\n" + "".join(f"report {i},a\n" for i in range(30)),
        "blank.csv": " \n\n",
        "header.csv": "text,label\n",
        "few.csv": "text,label\nx,a\ny,b\n",
        "lonely.csv": (
            "text,label,company\n"
            + "".join(f"report {i},{'ab'[i % 2]},c{i % 20}\n" for i in range(40))
        ),
        "report.docx": SITES,
        "fake.xlsx": SITES,
        "fake.parquet": SITES,
        "fake.jsonl": SITES,
        "ragged.csv": "text,label\nx,a\ny,b,c\n",
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "latin.csv").write_bytes("text,label\nnaïve ÿ\xff,a\n".encode("latin-1"))
    (root / "garbage.csv").write_bytes(bytes(range(256)) * 8)


def write_models(root: Path, tiny: Path) -> None:
    for name in ("model", "no-weights", "no-config", "garbage"):
        shutil.copytree(tiny, root / name)
    (root / "no-weights" / "model.safetensors").unlink()
    (root / "no-config" / "config.json").unlink()
    (root / "garbage" / "model.safetensors").write_bytes(b"garbage" * 100)


def write_records(root: Path) -> None:
    """A run of one round in 'kept' and 'done', and all the ways to spoil one."""
    settings = ["--data", "data", "--model", "model", "--rounds", "1", "--tune", "lora:r=2"]
    here = Path.cwd()
    os.chdir(root)
    try:
        assert main(["run", *settings, "--out", "kept"]) == 0
    finally:
        os.chdir(here)
    written = json.loads((root / "kept" / "run.json").read_text())
    # without the digests, which would be the only thing at fault
    good = {k: v for k, v in written.items() if k not in ("digest", "files")}
    unfinished = {**good, "rounds": [], "result": {}}
    spoilt = {
        "done/majority": good,
        "foreign": {**good, "schema": "something/1"},
        "listed": [good],
        "hollow": {k: v for k, v in good.items() if k != "rounds"},
        "wordy-round": {**good, "rounds": [{**good["rounds"][0], "accuracy": "high"}]},
        "strange": {**unfinished, "config": {**good["config"], "colour": "red"}},
        "wordy": {**unfinished, "config": {**good["config"], "rounds": "many"}},
        "stateless": unfinished,
    }
    texts = {name: json.dumps(values) for name, values in spoilt.items()}
    texts |= {"deep": "[" * 100_000, "cut-short": json.dumps(good)[:500], "long": "9" * 10_000}
    for name, text in texts.items():
        (root / name).mkdir(parents=True)
        (root / name / "run.json").write_text(text)
    (root / "strange" / "demo.json").write_text('{"schema": "mine"}')
    (root / "bytes").mkdir()
    (root / "bytes" / "run.json").write_bytes(b"\xff\xfe\x00garbage")


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Every path below `root` with what is in it."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


@pytest.mark.parametrize(("command", "words"), CASES.values(), ids=CASES)
def test_a_mistake_is_one_line_exit_code_2_and_leaves_nothing(
    place, monkeypatch, capfd, command, words
):
    monkeypatch.chdir(place)
    before = snapshot(place)
    assert main(command.split(" ")) == 2
    out, err = capfd.readouterr()
    assert_one_line(err, words)
    assert out == ""
    assert snapshot(place) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["unknown flag", "binary garbage", "record nested too deep", "out below a file"]
)
def test_the_same_from_the_shell(place, name):
    command, words = CASES[name]
    before = snapshot(place)
    done = subprocess.run(
        [sys.executable, "-m", "fedkit.cli.main", *command.split(" ")],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr, words)
    assert snapshot(place) == before


def test_every_flag_of_run_is_among_the_mistakes():
    import typer

    from fedkit.cli.main import app

    run = typer.main.get_command(app).commands["run"]
    flags = {flag for param in run.params for flag in param.opts if flag.startswith("--")}
    tried = " ".join(command for command, _ in CASES.values())
    assert {flag for flag in flags if flag not in tried} <= {"--json"}  # --json has no wrong value


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to read-only folders"
)
def test_a_read_only_folder(place, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(place)
    tmp_path.chmod(0o500)
    assert main(["run", "--data", "data", "--model", "model", "--out", str(tmp_path / "run")]) == 2
    assert_one_line(capfd.readouterr().err, "--out permission")
    assert not list(tmp_path.iterdir())
