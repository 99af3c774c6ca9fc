"""Test the commands on a tiny model and tiny data: output, files, exit codes and --help."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
import typer

from fedkit.cli import console, flags, main, next_steps
from fedkit.core.commands import command_line
from fedkit.core.config import RunConfig
from fedkit.core.record import Run
from fedkit.data.load import load_corpus

COMMANDS = (
    "run",
    "baselines",
    "compare",
    "brief",
    "sweep",
    "methods",
    "demo",
    "check",
    "data",
    "models",
    "doctor",
    "lab",
    "showcase",
)
SLOW_RUN = ["--rounds", "10", "--local-epochs", "2", "--batch-size", "4"]


@pytest.fixture(scope="module")
def settings(tiny_model, tiny_data) -> list[str]:
    return ["--data", tiny_data, "--model", tiny_model, "--client", "site", "--rounds", "2"]


@pytest.fixture(scope="module")
def run_folder(settings, tmp_path_factory) -> Path:
    """A finished run. Do not write to it."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    assert main.main(["run", *settings, "--out", str(folder)]) == 0
    return folder


def command(text: str, start: str) -> list[str]:
    """The words of the command line that `text` tells the user to type next."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    words = shlex.split(line.removeprefix(start))
    assert words[0] == "fedkit"
    return words[1:]


# ---- run, baselines, compare


@pytest.mark.slow
def test_run_then_what_it_says_to_type_next(fed, settings, tmp_path):
    """A newcomer follows the printed commands and ends at a page that compares all."""
    code, out, err = fed(
        "run", *settings, "--head-lr", "0.02", "--clients-per-round", "3", "--out", "my run"
    )
    assert code == 0
    record = Run.load(tmp_path / "my run")
    assert f"accuracy {100 * record.result['accuracy']:.1f} %" in out and "4 sites" in out
    assert "note: label column: guessed 'label'" in out
    assert "round 1/2" in err and "round 2/2" in err and "accuracy" not in err.splitlines()[0]
    assert {p.name for p in (tmp_path / "my run").iterdir()} >= {
        "run.json",
        "adapter_config.json",
        "head.safetensors",
    }

    code, out, _ = fed(*command(out, "next: "))
    assert code == 0 and "Local only" in out
    made = {p.parent.name: Run.load(p) for p in (tmp_path / "my run-baselines").glob("*/run.json")}
    assert set(made) == {"majority", "frozen-pooled", "frozen-local", "local", "pooled"}
    for other in made.values():
        assert other.config == record.config and other.data == record.data

    code, out, _ = fed(*command(out, "next: "))
    assert code == 0 and "Federated" in out and "Local only" in out
    assert (tmp_path / "runs" / "compare.html").stat().st_size > 1_000_000


def test_a_missed_wish_is_said_and_is_exit_code_1(fed, settings, tmp_path, monkeypatch):
    """All is written first. Nothing misses a wish, so some noise is taken off afterwards."""
    from fedkit.experiments import runner

    real = runner.privacy_result
    words = ["--privacy", "example:eps=8,rate=1", "--tune", "head", "--out", tmp_path / "run"]
    with monkeypatch.context() as changed:
        changed.setattr(
            runner, "privacy_result", lambda run, b: real(run, replace(b, noise=0.9 * b.noise))
        )
        code, out, _ = fed("run", *settings, *words)
    assert code == 1 and "missed: epsilon" in out and "is more than the 8 asked for" in out
    assert Run.load(tmp_path / "run").finished
    code, out, _ = fed("run", *settings, *words[:-1], tmp_path / "kept")
    assert code == 0 and "missed: epsilon" not in out


def test_run_json_is_the_record_and_nothing_else(fed, settings, tmp_path):
    code, out, err = fed("run", *settings, "--tune", "head", "--out", "r", "--json")
    values = json.loads(out)
    assert code == 0 and values.pop("out") == "r"
    written = json.loads((tmp_path / "r" / "run.json").read_text())
    assert len(written.pop("digest")) == 64 and values == written
    assert "round 1/2" in err


def test_run_without_out_makes_a_folder_of_its_own_below_runs(fed, settings, tmp_path):
    code, out, _ = fed("run", *settings, "--tune", "head")
    (made,) = (tmp_path / "runs").iterdir()
    assert code == 0 and re.fullmatch(r"tiny-\d{8}-\d{6}", made.name)
    assert f"record: runs/{made.name}/run.json" in out


def test_resume_needs_no_settings_and_a_finished_run_stays_as_it_is(fed, run_folder):
    before = (run_folder / "run.json").read_bytes()
    code, out, _ = fed("run", "--resume", "--out", run_folder)
    assert code == 0 and "accuracy" in out
    assert (run_folder / "run.json").read_bytes() == before


@pytest.mark.slow
def test_ctrl_c_in_a_run_is_one_line_and_the_run_goes_on(
    fed, settings, run_folder, tmp_path, monkeypatch
):
    class Stopping(console.ProgressLine):
        def __call__(self, now):
            if now.round == 2:
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(console, "ProgressLine", Stopping)
        code, out, err = fed("run", *settings, "--out", "r")
    assert (code, out, err.count("\n")) == (130, "", 1)
    assert err.startswith("fedkit: stopped; 1 of 2 rounds are kept in r; go on with: ")
    assert not Run.load(tmp_path / "r").finished

    code, _, _ = fed(*shlex.split(err.partition("go on with: fedkit ")[2]))
    assert code == 0
    for now, then in zip(Run.load(tmp_path / "r").rounds, Run.load(run_folder).rounds, strict=True):
        assert (now.accuracy, now.loss) == (then.accuracy, then.loss)


def test_ctrl_c_before_anything_is_kept(fed, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(
        console.ProgressLine, "update", lambda *_: signal.raise_signal(signal.SIGINT)
    )
    assert fed("run", *settings, "--out", "r") == (
        130,
        "",
        "fedkit: stopped before the first record was written; start again\n",
    )
    assert not (tmp_path / "r").exists()
    code, _, err = fed("baselines", *settings, "--out", "b")
    assert (
        code == 130
        and err == "fedkit: stopped before the first baseline was finished; start again\n"
    )


def test_ctrl_c_elsewhere(fed, tiny_data, monkeypatch):
    monkeypatch.setattr("fedkit.data.load.read_rows", lambda *_: signal.raise_signal(signal.SIGINT))
    assert fed("check", tiny_data) == (130, "", "fedkit: stopped\n")


def test_a_number_of_clients_that_is_not_used_is_said(fed, settings):
    code, out, _ = fed("run", *settings, "--clients", "3", "--tune", "head", "--out", "r")
    assert code == 0 and "note: clients 3 not used: the client column makes 4" in out


def test_baselines_as_json(fed, settings, tmp_path):
    code, out, err = fed(
        "baselines", *settings, "--which", "local, majority,local", "--out", "b", "--json"
    )
    values = json.loads(out)
    assert code == 0 and list(values["runs"]) == ["local", "majority"]
    for name, record in values["runs"].items():
        assert Run.load(tmp_path / "b" / name).to_dict() == Run.from_dict(record).to_dict()
    assert "local: round 1/1" in err


def test_compare_as_text_json_and_page(fed, run_folder, tmp_path):
    # the same run twice
    code, out, _ = fed("compare", run_folder, run_folder.parent, "--html", "new/page.html")
    assert (
        code == 0
        and out.count("Federated\n") + out.count("Federated ") >= 1
        and "page: new/page.html" in out
    )
    code, out, _ = fed("compare", run_folder, "--html", tmp_path, "--json")
    values = json.loads(out)
    assert code == 0 and len(values["scoreboard"]) == 1 and values["verdict"]
    assert values["html"] == str(tmp_path / "report.html")
    assert_self_contained(tmp_path / "new" / "page.html")


def assert_self_contained(page: Path) -> None:
    """Nothing in the page is fetched from anywhere, and what is drawn is inside."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(
        r"""<(script|img|iframe|link)\b[^>]*\b(src|href)\s*=|@import|url\(\s*["']?http""", text
    )
    assert "Plotly" in text


# ---- check, data, models, doctor, lab


def reports(rows: int, start: int = 0) -> str:
    return "text,label\n" + "".join(
        f"report {i} about {'ab'[i % 2]},{'ab'[i % 2]}\n" for i in range(start, start + rows)
    )


def write_split(folder: Path, train: str, test: str) -> None:
    folder.mkdir()
    (folder / "train.csv").write_text(train)
    (folder / "test.csv").write_text(test)


def varied(rows: int, start: int = 0) -> str:
    """Texts that are unlike each other, of two labels with words of their own."""
    lines = []
    for i in range(start, start + rows):
        draw = random.Random(i)
        words = ["".join(draw.choices("abcdefghijklmnop", k=7)) for _ in range(7)]
        lines.append(f"{' '.join(words)} {('printer', 'invoice')[i % 2]},{'ab'[i % 2]}\n")
    return "text,label\n" + "".join(lines)


@pytest.mark.slow
def test_check_ready_although_columns_were_guessed(fed, tmp_path):
    write_split(tmp_path / "good", varied(100), varied(700, start=1000))
    code, out, _ = fed("check", "good", "--json")
    values = json.loads(out)
    assert code in (0, 1) and not [f for f in values["findings"] if f["level"] == "stop"]
    assert "guessed 'text'" in " ".join(values["notes"]) and values["exit"] == code
    assert values["labels"] == {"a": 50, "b": 50} and values["rows"] == 800


def test_check_with_care_writes_a_cleaned_copy_beside_the_original(fed, tmp_path):
    body = varied(200).rstrip() + "\n,a\n"
    (tmp_path / "blank.csv").write_text(body)
    code, out, _ = fed("check", "blank.csv", "--out", "checked")
    assert (
        code == 1
        and "verdict: usable with care" in out
        and "no text in column 'text'" in out
        and "row 202" in out
    )
    assert (tmp_path / "blank.csv").read_text() == body
    wrote = {path.name for path in (tmp_path / "checked").iterdir()}
    assert {"blank.clean.csv", "check.json", "check.html"} <= wrote
    assert (
        "next:" in out
        and "fedkit run --data checked/blank.clean.csv --text text --label label" in out
    )
    corpus = load_corpus(str(tmp_path / "checked" / "blank.clean.csv"))
    assert len(corpus.train) + len(corpus.test) == 200


@pytest.mark.slow
def test_check_not_yet(fed, tmp_path):
    write_split(tmp_path / "few", varied(100), varied(19, start=1000))
    code, out, _ = fed("check", "few")
    assert code == 3 and "verdict: not yet" in out and "19 test examples" in out


@pytest.mark.slow
def test_check_says_when_the_client_column_makes_no_sites(fed, tmp_path):
    lines = varied(100).splitlines()
    rows = [f"{line},{'two' if i == 50 else 'one'}" for i, line in enumerate(lines)]
    rows[0] = "text,label,company"
    write_split(tmp_path / "lonely", "\n".join(rows) + "\n", varied(200, start=1000))
    code, out, _ = fed("check", "lonely", "--client", "company")
    assert code == 3 and "1 client of 2" in out and "'two (1)'" in out


def test_check_refuses_what_cannot_be(fed, tmp_path):
    (tmp_path / "a.csv").write_text(varied(30))
    assert fed("check", "a.csv", "--mask")[::2] == (
        2,
        "fedkit: --mask given without --out; name the folder for the masked copy: --out DIR\n",
    )
    code, _, err = fed("check", "a.csv", "--sheet", "one")
    assert code == 2 and "is for .xlsx files" in err


@pytest.mark.slow
def test_what_a_file_says_cannot_steer_the_terminal(fed, tmp_path):
    rows = [
        {"text": f"report {i}", "label": ["fine", "red\x1b[31m\u202e\nnew"][i % 2]}
        for i in range(100)
    ]
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for words in (
        ("check", "bad.jsonl"),
        ("data", "bad.jsonl"),
        ("check", "bad.jsonl", "--text", "red\x1b[31m"),
    ):
        code, out, err = fed(*words)
        assert "red\ufffd[31m" in out or "red\\x1b[31m" in out + err
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", out + err), (words, code)


def test_data_lists_what_is_known(fed):
    code, out, _ = fed("data")
    assert code == 0 and all(
        name in out for name in ("service_desk", "banking77", "clinc150", "ag_news", "20newsgroups")
    )
    code, out, _ = fed("data", "--json")
    assert code == 0 and {("banking77", "hub"), ("service_desk_ja", "bundled")} <= {
        (d["name"], d["where"]) for d in json.loads(out)
    }


def test_data_shows_who_has_what(fed, tiny_data, tmp_path):
    code, out, _ = fed("data", tiny_data, "--client", "site", "--html", "who/page.html")
    assert code == 0 and "site-3" in out and "printing" in out and "picture: who/page.html" in out
    assert_self_contained(tmp_path / "who" / "page.html")
    code, out, _ = fed(
        "data", tiny_data, "--partition", "dirichlet:0.3", "--clients", "5", "--json"
    )
    counts = json.loads(out)["clients"]
    assert code == 0 and len(counts) == 5
    assert all(
        sum(labels.values()) >= 8 and set(labels) == {"money", "printing", "roof"}
        for labels in counts.values()
    )


def test_models_says_what_is_here(fed):
    code, out, _ = fed("models")
    assert code == 0 and "minilm" in out and "here, sha256 53aa51172d14 as tested" in out
    code, out, _ = fed("models", "--json")
    assert code == 0 and json.loads(out)[0]["here"] is True


def test_doctor_exit_code_and_json(fed, tiny_model, tmp_path):
    code, out, _ = fed("doctor", "--model", tiny_model, "--out", "runs", "--json")
    values = json.loads(out)
    assert code == (0 if values["ok"] else 1) and len(values["checks"]) == 12
    (tmp_path / "empty").mkdir()
    code, out, _ = fed("doctor", "--model", "empty")
    assert code == 1 and "FAIL" in out and "-> copy config.json" in out
    assert not (tmp_path / "runs").exists()


def test_lab_without_lessons_says_what_to_do(fed, tmp_path, monkeypatch):
    monkeypatch.setattr("fedkit.cli.showcase.NOTEBOOKS", tmp_path / "notebooks")
    code, out, err = fed("lab")
    assert (
        (code, out, err.count("\n")) == (2, "", 1)
        and "no lessons in" in err
        and "make install" in err
    )


# ---- help


def test_no_command_shows_the_help_and_version_the_version(fed):
    code, out, err = fed()
    assert (
        (code, err) == (0, "")
        and "fedkit demo" in out
        and all(f"\n  {name}" in out for name in COMMANDS)
    )
    assert fed("--version") == (0, "fedkit 0.1.0\n", "")


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_flag_and_fits(fed, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = fed(name, "--help")
    assert (code, err) == (0, "") and out == fed(name, "-h")[1]
    for param in typer.main.get_command(main.app).commands[name].params:
        assert (
            f"  {param.opts[0] if param.param_type_name == 'option' else param.human_readable_name}"
            in out
        )
        assert len(param.help) > 8
    assert max(map(len, out.splitlines())) <= width
    assert "Usage: fedkit " + name in out and "{" not in out


def test_the_flags_that_scripts_rely_on():
    words = """--data --text --label --client --encoding --model --clients --examples-per-client
        --partition --clients-per-round --rounds --local-epochs --batch-size --max-tokens --lr
        --head-lr --head-start --tune --strategy --link --device --seed --engine --out --json --loss
        --devices --aggregate --share --wire --wire-down --privacy --secure --optimizer --weights
        --robust --faults --attack --deadline --late --server-link --pace"""
    wanted = words.split()
    commands = typer.main.get_command(main.app).commands
    flags = {
        name: {flag for param in commands[name].params for flag in param.opts}
        for name in ("run", "baselines")
    }
    assert flags["run"] == {*wanted, "--resume"}
    assert flags["baselines"] == {*wanted, "--which", "--resume"}


def test_help_names_every_choice_there_is():
    """A new tuner, loss, link or partition must be in the help of its flag."""
    from fedkit.cli.summaries import ABOUT
    from fedkit.data.load import BUNDLED
    from fedkit.data.partition import PARTITIONS
    from fedkit.data.readers.files import SUFFIXES
    from fedkit.data.readers.hub import HUB
    from fedkit.experiments.baselines import BASELINES
    from fedkit.experiments.job import ENGINES
    from fedkit.federated.aggregation.aggregators import AGGREGATORS
    from fedkit.federated.aggregation.robust import ROBUST
    from fedkit.federated.aggregation.weighting import WEIGHTS
    from fedkit.federated.rounds.attacks import ATTACKS
    from fedkit.federated.rounds.faults import Faults
    from fedkit.federated.rounds.head_start import LOSSES
    from fedkit.federated.strategies import STRATEGIES
    from fedkit.federated.validation import LATE
    from fedkit.models.base import MODELS
    from fedkit.models.head_starts import HEAD_STARTS
    from fedkit.models.tuners.registry import TUNERS
    from fedkit.network import DEVICES, LINKS

    choices = {
        "tune": TUNERS,
        "partition": PARTITIONS,
        "link": LINKS,
        "devices": DEVICES,
        "strategy": STRATEGIES,
        "loss": LOSSES,
        "head_start": HEAD_STARTS,
        "aggregate": AGGREGATORS,
        "engine": ENGINES,
        "model": MODELS,
        "weights": WEIGHTS,
        "robust": ROBUST,
        "attack": [a for a in ATTACKS if a != "none"],
        "late": LATE,
        "faults": list(vars(Faults())),
        "optimizer": ["adamw", "sgd"],
        "data": [*HUB, "service_desk", *(s for s in SUFFIXES if s != ".json")],
        "device": ["auto", "cpu", "cuda", "mps"],
    }
    commands = typer.main.get_command(main.app).commands
    help = {param.name: param.help for param in commands["run"].params}
    for name, entries in choices.items():
        assert [
            e for e in entries if not re.search(rf"(?<![\w-]){re.escape(e)}(?![\w-])", help[name])
        ] == [], name
    which = next(p.help for p in commands["baselines"].params if p.name == "which")
    assert [name for name in BASELINES if name not in which] == []
    assert set(ABOUT) == {*BUNDLED, *HUB}
    for name, rate in (("lora", "0.003"), ("full", "0.0001")):
        assert f"{rate} for {name}" in help["lr"] and TUNERS[name].default_lr == float(rate)


def test_help_has_words_for_every_parameter_and_no_others():
    from fedkit.cli.attacks import DEFAULT_TRIALS, MIN_TRIALS

    names = {f.name for f in fields(RunConfig) if f.metadata.get("flag", True)}
    assert set(flags.SETTINGS) == names
    commands = typer.main.get_command(main.app).commands
    assert set(flags.WORDS["commands"]) == set(commands)
    used = {p.name for command in commands.values() for p in command.params}
    assert {name for group in flags.WORDS["shared"].values() for name in group} <= used
    for name, command in commands.items():
        groups = [g for g in flags.WORDS["commands"][name].values() if isinstance(g, dict)]
        assert {word for group in groups for word in group} <= {p.name for p in command.params}
    trials = next(p.help for p in commands["audit"].params if p.name == "trials")
    assert f"{MIN_TRIALS} or more. Not given: {DEFAULT_TRIALS}." in trials


def test_help_and_import_are_light():
    code = """if True:
        import sys, fedkit
        from fedkit.cli.main import main
        for words in (["--help"], ["run", "--help"], ["run", "--rounds", "x"], ["data", "--help"]):
            main(words)
        heavy = {"torch", "transformers", "pandas", "plotly", "numpy", "sklearn", "peft"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


# ---- how it speaks


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(28, "No space left on device", "/x/run.json"),
            "/x/run.json: No space left on device; check",
        ),
        (MemoryError(), "out of memory; use a smaller --batch-size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            "out of memory; use",
        ),
        (
            console.FedkitError("seed '1'\n is\x1b[2J " + "long " * 400),
            "--seed '1' is\ufffd[2J long",
        ),
    ],
)
def test_what_the_system_refuses_is_one_line_too(capfd, error, said):
    def fails():
        raise error

    assert console.run_command(fails) == 2
    line = capfd.readouterr().err
    assert line.startswith("fedkit: " + said) and line.count("\n") == 1 and len(line) < 1_100


def test_a_defect_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        console.run_command(lambda: 1 / 0)


@pytest.mark.slow
def test_a_reader_of_the_pipe_may_leave_early():
    code = "from fedkit.cli.main import main; import sys; sys.exit(main(['data']))"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"'{sys.executable}' -c \"{code}\" | true"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 1) and done.stderr == ""


def test_a_terminal_that_knows_no_unicode(monkeypatch):
    """Labels may be Japanese, and a Windows console may not."""
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    console.print_lines(["総務 12"])
    console.print_json({"label": "総務"})
    narrow.flush()
    first, *rest = narrow.buffer.getvalue().decode("ascii").split("\n")
    assert first == "?? 12" and json.loads("\n".join(rest)) == {"label": "総務"}


def test_the_progress_line_of_a_terminal_is_cleared_also_by_an_error(monkeypatch):
    from fedkit.core.progress import Progress

    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    with pytest.raises(ValueError), console.ProgressLine() as line:
        line(Progress("federated", 1, 5, "s\x1b[2J" + "x" * 500, 0.5, 10**6, 0.1, 9.0))
        line.print("step 2")
        raise ValueError
    assert screen.getvalue().startswith(
        "\r\x1b[Kfederated: round 1/5"
    ) and screen.getvalue().endswith("\r\x1b[K")
    assert (
        "\x1b[2J" not in screen.getvalue()
        and "\nfed" not in screen.getvalue()
        and "step 2\n" in screen.getvalue()
    )


def test_commands_to_paste_hold_what_is_not_default_and_are_quoted():
    config = RunConfig(
        data="my file.csv", clients_per_round=3.0, lr=1.5e-05, tune="head", clip_norm=2.0
    )
    line = command_line("baselines", config, "--out", Path("a b"))
    want = [
        "--data",
        "my file.csv",
        "--tune",
        "head",
        "--clients-per-round",
        "3",
        "--lr",
        "1.5e-05",
        "--out",
        "a b",
    ]
    assert shlex.split(line) == ["fedkit", "baselines", *want]


def test_next_commands_leave_out_what_is_there(tmp_path):
    mine, others = tmp_path / "mine", tmp_path / "mine-baselines"
    assert [line.split(" ")[2] for line in next_steps.after_run(RunConfig(), mine)] == [
        "baselines",
        "compare",
        "brief",
    ]
    assert [line.split(" ")[2] for line in next_steps.after_baselines(RunConfig(), others)] == [
        "run",
        "compare",
        "brief",
    ]
    for place in (mine, others / "local"):
        place.mkdir(parents=True)
        (place / "run.json").touch()
    want = [
        f"next: fedkit compare {mine} {others}",
        f"then: fedkit brief {mine} {others} --out {mine}-brief",
    ]
    assert (
        next_steps.after_run(RunConfig(), mine)
        == next_steps.after_baselines(RunConfig(), others)
        == want
    )
    assert next_steps.after_run(RunConfig(), Path("."))[-2] == "then: fedkit compare . baselines"
    assert (
        next_steps.after_baselines(RunConfig(), Path("b"))[-1]
        == "then: fedkit brief b-run b --out b-run-brief"
    )


# ---- slow: a real process, a real signal


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_sigint_to_the_real_command_and_resume(settings, tmp_path):
    fedkit = [sys.executable, "-m", "fedkit.cli.main"]
    words = ["run", *settings[:-2], *SLOW_RUN]
    process = subprocess.Popen(
        [*fedkit, *words, "--out", "r"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(1_200):
        time.sleep(0.05)
        if (tmp_path / "r" / "run.json").exists() and len(Run.load(tmp_path / "r").rounds) >= 2:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    *progress, last = err.splitlines()
    assert (process.returncode, out) == (130, "")
    assert all(line.startswith("federated: round ") for line in progress)
    assert re.fullmatch(
        r"fedkit: stopped; \d+ of 10 rounds are kept in r; go on with: fedkit run --resume --out r",
        last,
    )
    stopped = Run.load(tmp_path / "r")
    assert 2 <= len(stopped.rounds) < 10

    for end in (["run", "--resume", "--out", "r"], [*words, "--out", "whole"]):
        done = subprocess.run(
            [*fedkit, *end], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    resumed, whole = Run.load(tmp_path / "r"), Run.load(tmp_path / "whole")
    assert [(r.accuracy, r.loss) for r in resumed.rounds] == [
        (r.accuracy, r.loss) for r in whole.rounds
    ]
    assert resumed.rounds[: len(stopped.rounds)] == stopped.rounds
