"""What a run with a privacy promise publishes: every number of its record, and every reader."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from zipfile import ZipFile

import pytest

from fedkit.cli.summaries import run_summary
from fedkit.core.errors import FedkitError
from fedkit.core.record import Run
from fedkit.experiments.job import describe_data, prepare
from fedkit.experiments.privacy_report import PUBLIC, public_data
from fedkit.experiments.runner import run
from fedkit.federated.validation import check_methods
from fedkit.plots import who_has_what
from fedkit.reports.report import report_figures, write_report
from fedkit.reports.write_brief import write_brief
from fedkit.results import measures
from fedkit.widgets.bench.scene import Scene
from fedkit.widgets.bench.views import view_by_client

UNITS = {
    "site": {"privacy": "example:noise=1.5,rate=0.5,steps=3"},
    "lossy": {  # the time that decides who is late is modelled, and trains more than the head
        "privacy": "example:eps=8",
        "faults": "crash=0.2,late=0.2",
        "deadline": 5.0,
        "tune": "lora:r=2",
    },
    "sum": {"privacy": "example:eps=8,trust=sum", "secure": "masks"},
    "client": {"privacy": "client:eps=8,quantile=0.5", "weights": "uniform"},
    "sampled": {"privacy": "client:noise=1.5", "weights": "uniform", "clients_per_round": 0.5},
    "ftrl": {"privacy": "ftrl:eps=8", "weights": "uniform", "clients_per_round": 0.5},
    "dealt": {"privacy": "example:eps=8", "partition": "iid", "clients": 3},
}
# why a leaf may stand in the record
SETTING = "a setting of the user, or of the machine and the base model: no data in it"
CHARGED = "computed from settings and public numbers: what the budget charges"
RELEASED = "what the noisy model says of the public test examples"
SIZES, NAMES, PART, TEST, HASH, BYTES, MEASURED = PUBLISHED = (
    "how many examples each has",
    "names of labels",
    "sites' names and when each took part",
    "the test examples",
    "a hash of the whole data",
    "bytes",
    "seconds and memory as measured",
)
RANDOM = "a random name, under which the account of the data has this run"
NOTES = "sentences, checked one by one"
STATE = {  # of a round, and of the start
    "round": SETTING,
    "accuracy": RELEASED,
    "loss": RELEASED,
    "worst_client_accuracy": RELEASED,
    "client_accuracy.*": RELEASED,
    "aggregation_error": RELEASED,
    "epsilon": CHARGED,
    "noise": CHARGED,
    "seconds": MEASURED,
    "simulated_seconds": MEASURED,
    "clients.*.id": PART,
    "clients.*.status": PART,
    "clients.*.reason": PART,
    "clients.*.staleness": PART,
    "clients.*.delay": MEASURED,
    "clients.*.train_seconds": MEASURED,
    "clients.*.examples": SIZES,
    "clients.*.steps": SIZES,
    "clients.*.work_seconds": SIZES,
    "clients.*.uplink_bytes": BYTES,
    "clients.*.downlink_bytes": BYTES,
}
MAY_STAND = {
    "schema": SETTING,
    "method": SETTING,
    "digest": "a checksum of this record, which has nothing else in it",
    "files.*": "checksums of the adapter, which is released",
    "data.account": RANDOM,
    "config.*": SETTING,
    "environment.*": SETTING,
    "model.*": SETTING,
    "data.name": SETTING,
    "data.source": SETTING,
    "data.sha256": HASH,
    "data.labels.*": NAMES,
    "data.train": SIZES,
    "data.validation": SIZES,
    "data.test": TEST,
    "data.clients.*.id": PART,
    "data.clients.*.train": SIZES,
    "data.notes.*": NOTES,
    **{f"start.{name}": why for name, why in STATE.items()},
    **{f"rounds.*.{name}": why for name, why in STATE.items()},
    "result.accuracy": RELEASED,
    "result.accuracy_ci95.*": RELEASED,
    "result.accuracy_ci95_over": SETTING,
    "result.macro_f1": RELEASED,
    "result.worst_client_accuracy": RELEASED,
    "result.own_mix_accuracy": RELEASED,
    "result.own_mix_tests": TEST,
    "result.correct": RELEASED,
    "result.uplink_bytes": BYTES,
    "result.downlink_bytes": BYTES,
    "result.train_seconds": MEASURED,
    "result.simulated_seconds": MEASURED,
    "result.peak_rss_bytes": MEASURED,
    "result.steps": SIZES,
    "result.epsilon": CHARGED,
    "result.delta": SETTING,
    "result.privacy_unit": SETTING,
    "result.privacy.*": CHARGED,
}
# functions of the data that the promise does not cover: they may differ between neighbours
FREE = (RELEASED, MEASURED, HASH, RANDOM, MAY_STAND["digest"], MAY_STAND["files.*"])


@pytest.fixture(scope="module")
def settings(tiny_config):
    """The settings of a private run of a unit, by its name."""
    return {n: replace(tiny_config(rounds=2, tune="head"), **more) for n, more in UNITS.items()}


@pytest.fixture(scope="module")
def folders(settings, tmp_path_factory) -> dict[str, Path]:
    """The folder of a private run for each unit."""
    made = {name: tmp_path_factory.mktemp("private") / name for name in settings}
    for name, config in settings.items():
        run(config, made[name])
    return made


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield (path with * for places in lists, value) of all but null and empty text."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{place}")
    elif value is not None and value != "":
        yield path, value


def reason(path: str) -> str | None:
    """Return why a leaf may stand in the record of a private run; None if it may not."""
    generic = re.sub(r"\.\d+(?=\.|$)", ".*", path)
    return next((why for form, why in MAY_STAND.items() if fnmatchcase(generic, form)), None)


@pytest.mark.parametrize("unit", UNITS)
def test_nothing_stands_in_a_private_record_without_a_reason(folders, unit):
    """A number that nobody has classified fails here: classify it, protect it, or leave it out."""
    written = json.loads((folders[unit] / "run.json").read_text(encoding="utf-8"))
    unknown = [path for path, _ in leaves(written) if reason(path) is None]
    assert not unknown
    settled = ("privacy: ", "secure: ", "pace: ")  # of the settings alone
    notes = [note for note in written["data"]["notes"] if not note.startswith(settled)]
    assert not [note for note in notes if re.search(r"\d", re.sub("'[^']*'", "", note))]
    if unit in ("client", "sampled", "ftrl"):  # the server has seen updates without noise
        assert all(r["aggregation_error"] is None for r in (written["start"], *written["rounds"]))
    own = unit != "dealt"  # there the test set names no rows of the clients
    assert bool(written["rounds"][-1]["client_accuracy"]) is own
    assert (written["result"]["own_mix_accuracy"] is not None) is own


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_taken_as_public_is_said_beside_the_epsilon(folders, unit):
    """The list above and the record's own statement name the same things."""
    said = " ".join(Run.load(folders[unit]).result["privacy"]["notes"])
    assert all(line in said for line in PUBLIC)
    assert [thing for thing in PUBLISHED if thing not in said] == []
    assert ("readers of this record's rounds" in said) == (unit == "sampled")


def test_rows_that_were_drawn_are_not_counted(folders):
    """Their number would tell who was drawn; the record has the expected one."""
    record = Run.load(folders["site"])
    sizes = {c["id"]: c["train"] for c in record.data["clients"]}
    for c in (c for r in record.rounds for c in r.clients):
        assert c.examples == round(0.5 * sizes[c.id] * 3)


ROW = 5  # of a site, which it trains on


def change_rows(source: str, folder: Path, site: str, change: str) -> Path:
    """Copy the tiny data and change training rows of one site; sizes are kept."""
    shutil.copytree(source, folder)
    with open(folder / "train.csv", encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    mine = [row for row in rows if row[2] == site]
    if change == "a longer text":
        mine[ROW][0] += " and soon" * 20
    elif change == "two labels swapped":
        one, other = mine[ROW], next(row for row in mine if row[1] != mine[ROW][1])
        one[1], other[1] = other[1], one[1]
    else:
        for row in [mine[ROW]] if change == "one label" else mine:
            row[1] = "roof" if row[1] != "roof" else "money"
    with open(folder / "train.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return folder


@pytest.mark.parametrize(
    "change", ["one label", "two labels swapped", "all labels", "a longer text"]
)
@pytest.mark.parametrize("unit", UNITS)
def test_a_neighbouring_data_set_changes_only_what_the_released_model_says(
    folders, settings, tiny_data, tmp_path, unit, change
):
    """Exact functions of the clients' data would differ."""
    data = change_rows(tiny_data, tmp_path / Path(tiny_data).name, "site-1", change)
    other = tmp_path / "run"
    run(replace(settings[unit], data=str(data)), other)
    one, two = (
        dict(leaves(json.loads((f / "run.json").read_text(encoding="utf-8"))))
        for f in (folders[unit], other)
    )
    one, two = (
        {p: v for p, v in found.items() if reason(p) not in FREE and "source" not in p}
        for found in (one, two)
    )
    for found in (one, two):
        found.pop("config.data")
    assert one == two
    assert one["data.clients.1.train"] > 0


@pytest.mark.parametrize("change", ["one label", "a longer text"])
def test_the_changed_row_is_trained_on(settings, tiny_data, tmp_path, change):
    """Else the test above would see nothing."""
    config = replace(settings["site"], privacy="none")
    data = change_rows(tiny_data, tmp_path / "data", "site-1", change)
    before, after = (prepare(replace(config, data=str(d))).clients[1] for d in (tiny_data, data))
    assert sorted(before.train.labels) != sorted(after.train.labels) or (
        sum(map(len, before.train.tokens)) < sum(map(len, after.train.tokens))
    )
    assert len(before.train) == len(after.train)


def test_notes_that_count_rows_are_not_published(settings, tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    with open(data / "train.csv", "a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["a rare text", "roof", "site-0"]] * 4 + [["", "roof", "s"]])
    config = replace(settings["site"], data=str(data))
    job = prepare(config)
    dropped = [note for note in job.notes if "dropped" in note]
    assert len(dropped) == 2
    told = describe_data(job)["notes"]
    assert not [note for note in told if note.startswith("train")]
    assert any("guessed 'label'" in note for note in told)  # what was chosen for the user stays
    open_job = replace(job, config=replace(config, privacy="none"))
    assert set(dropped) <= set(describe_data(open_job)["notes"])


def test_notes_are_kept_where_a_number_only_stands_in_a_name():
    data = {"clients": [], "notes": ["label column: guessed 'level 2'", "4 clients", "3 rows gone"]}
    kept = public_data(data, ["label column: guessed 'level 2'", "3 rows gone"])["notes"]
    assert kept == ["label column: guessed 'level 2'", "4 clients"]


def test_how_few_examples_a_client_has_that_is_left_out_is_not_in_the_record(tiny_config, tmp_path):
    with Path(tiny_config().data, "train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    few = [row for row in rows if row["site"] != "site-0"] + rows[:1]
    few[-1]["site"] = "tiny (5)"
    with (tmp_path / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(few[0]))
        writer.writeheader()
        writer.writerows(few)
    shutil.copy(Path(tiny_config().data, "test.csv"), tmp_path)
    config = tiny_config(data=str(tmp_path), privacy="example:eps=8", tune="head")
    told = [note for note in prepare(config).notes if "left out" in note]
    kept = [note for note in describe_data(prepare(config))["notes"] if "left out" in note]
    assert told == ["client 'tiny (5)' left out: too few training examples (1)"]
    assert kept == ["client 'tiny (5)' left out: too few training examples"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"wire": "topk:0.1+zstd"}, "how short an update becomes"),
        ({"share": "head"}, "stays at a site is trained without noise"),
        ({"aggregate": "fedsa", "tune": "lora:r=2"}, "stays at a site is trained without noise"),
    ],
)
def test_what_would_publish_bare_updates_of_clients_is_refused(tiny_config, more, why):
    config = tiny_config(weights="uniform", privacy="client:eps=8", **more)
    with pytest.raises(FedkitError, match=why):
        check_methods(config)


LABELS = {"alpha": (211, 83), "beta": (97, 167), "gamma": (131, 89)}  # rows of two sites


@pytest.fixture(scope="module")
def counted(tiny_config, tmp_path_factory) -> tuple[Path, Path, set[int]]:
    """Folders of a private run and of its twin without a promise, and the numbers of labels in the
    twin's record: by client, and of all.
    """
    data = tmp_path_factory.mktemp("counted")
    for split in ("train", "test"):
        with open(data / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(["text", "label", "site"])
            for label, sizes in LABELS.items():
                for site, size in zip(("east", "west"), sizes):
                    n = size if split == "train" else 7
                    out.writerows([f"{label} {split} {site} {i}", label, site] for i in range(n))
    config = tiny_config(data=str(data), tune="head", rounds=1)
    folders = (data / "private", data / "open")
    run(replace(config, privacy="example:eps=8,steps=1"), folders[0])
    run(config, folders[1])
    twin = Run.load(folders[1])
    frame = measures.client_labels(twin)
    numbers = {int(n) for n in (*frame.to_numpy().ravel(), *frame.sum(axis=0))}
    return *folders, numbers


def texts_of(folder: Path, out: Path) -> dict[str, str]:
    """Return what pack, briefs, slides and comparison page say about a run, by file."""
    record = [Run.load(folder)]
    written = write_brief(record, out, ("en", "ja"))
    write_report(record, out / "compare.html")
    said = {
        str(path.relative_to(out)): read_words(path) for path in (*written, out / "compare.html")
    }
    figures = [fig.to_plotly_json() for fig in report_figures(record)]
    return said | {"figures": json.dumps(figures, default=str)}


def read_words(path: Path) -> str:
    """Return the text of a page, a document, or slides; without scripts, tags and attributes."""
    if path.suffix in (".docx", ".pptx"):
        with ZipFile(path) as parts:
            names = [n for n in parts.namelist() if n.endswith(".xml")]
            return " ".join(re.sub("<[^>]*>", " ", parts.read(n).decode()) for n in names)
    text = path.read_text(encoding="utf-8")
    return re.sub(r"<script.*?</script>", "", text, flags=re.S)


def find_numbers(numbers: set[int], text: str) -> set[int]:
    """Return those of the numbers that stand in the text as whole numbers."""
    return {n for n in numbers if re.search(rf"(?<![\w.,]){n}(?![\w]|[.,]\d)", text)}


@pytest.mark.slow
def test_pack_brief_and_page_of_a_private_run_tell_no_counts_of_labels(counted, tmp_path):
    private, twin, numbers = counted
    assert len(numbers) >= 8
    told = texts_of(twin, tmp_path / "open")
    assert find_numbers(numbers, " ".join(told.values())) == numbers  # the search does find them
    kept = texts_of(private, tmp_path / "private")
    assert {name: found for name, t in kept.items() if (found := find_numbers(numbers, t))} == {}
    assert kept.keys() == told.keys()
    for lang, words in {"en": "is not told", "ja": "記載しない"}.items():
        card = next(t for name, t in kept.items() if name.endswith(f"{lang}/07_model_card.md"))
        assert words in card
    assert "No label is lost" not in " ".join(kept.values())


def test_the_console_and_the_replay_of_a_private_run_tell_no_counts_of_labels(
    counted, fed, tmp_path
):
    private, twin, numbers = counted
    for folder in (private, twin):
        config = Run.load(folder).config
        words = ("--data", config["data"], "--model", config["model"], "--rounds", 1)
        words += ("--tune", "head", "--max-tokens", 32, "--privacy", config["privacy"])
        code, out, err = fed("run", *words, "--out", tmp_path / folder.name)
        assert code == 0, err
        assert not find_numbers(numbers, out + err)
        code, out, err = fed("replay", folder, "--html", tmp_path / f"{folder.name}.html")
        assert code == 0, err
        assert not find_numbers(numbers, out + err)


@pytest.mark.slow
def test_readers_cope_with_a_record_that_tells_no_labels_and_no_accuracy_of_clients(
    folders, tmp_path
):
    record = Run.load(folders["dealt"])
    assert not measures.tells_labels(record)
    with pytest.raises(FedkitError, match="count_client_labels"):
        who_has_what(record)
    said = texts_of(folders["dealt"], tmp_path)
    assert "not known" in said["brief.en.html"]
    words = "on own daily texts not known, worst client not known"
    assert any(words in line for line in run_summary(record)), "the measure stands beside it"
    frame = measures.client_labels(record)
    view = view_by_client(Scene(frame, (("a run", record),)))
    assert "Not told under a privacy promise" in view.sentence


def test_a_private_run_is_compared_with_its_baselines_and_its_open_twin(tiny_config):
    """The private record counts no labels; it is of the same data and clients all the same."""
    from fedkit.experiments.baselines import run_baselines
    from fedkit.results.difference import find_comparable
    from fedkit.results.findings import verdict
    from fedkit.results.privacy_curve import Curve

    config = tiny_config(tune="head", rounds=2, privacy="example:eps=8")
    private, plain = run(config), run(replace(config, privacy="none"))
    baselines = run_baselines(config, which=["majority", "local"])
    for name in baselines:
        assert find_comparable(private, list(baselines.values()), name) is baselines[name]
    assert "other data or other clients" not in " ".join(verdict([private, *baselines.values()]))
    curve = Curve.from_runs([private, plain, *baselines.values()])
    assert curve.none and curve.levels()
    other = run(replace(config, partition="iid", clients=3))
    assert find_comparable(other, list(baselines.values()), "local") is None
