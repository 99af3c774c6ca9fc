"""What lesson 9 reckons: which sites a file allows, what fits into the time, what a difference is
worth.
"""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import REPOSITORY
from fedkit.data.corpus import Corpus, Examples
from fedkit.experiments.estimate import Speed
from fedkit.lessons import own_data as mine


def corpus(train: int, clients: tuple[str, ...] | None = None, test: int = 12) -> Corpus:
    def some(number, whose=None):
        return Examples(tuple(f"text {i}" for i in range(number)), np.arange(number) % 2, whose)

    return Corpus(
        "mine", ("a", "b"), some(train, clients), some(test), None, "mine.csv", "0" * 64, ()
    )


def test_a_column_with_two_large_sites_is_used():
    config = RunConfig(partition="column", client="Branch")
    same, said = mine.choose_partition(config, corpus(40, ("x", "y") * 20))
    assert same == config and said == "2 sites, as column 'Branch' says"


def test_where_no_column_helps_sites_are_made_up_and_it_is_said():
    config, said = mine.choose_partition(
        RunConfig(partition="column", client="Branch"), corpus(40, tuple(map(str, range(40))))
    )
    assert (
        (config.partition, config.clients) == ("iid", 4)
        and "made-up" in said
        and "0 clients of 40" in said
    )
    assert mine.choose_partition(RunConfig(partition="iid"), corpus(100))[0].clients == 6
    with pytest.raises(FedkitError):
        mine.choose_partition(RunConfig(partition="iid"), corpus(12))


def test_what_is_left_out_for_the_time_is_said():
    same, said = mine.limit_examples(corpus(40), 40, 12)
    assert len(same.train) == 40 and said == "all rows are used"
    less, said = mine.limit_examples(corpus(40), 10, 5)
    assert (len(less.train), len(less.test)) == (
        10,
        5,
    ) and "10 of 40 train examples, 5 of 12 test examples" in said


def test_seconds_are_steps_reads_and_rounds():
    clients = [SimpleNamespace(train=range(16), validation=range(0))] * 2
    job = SimpleNamespace(
        clients=clients, test=range(10), config=replace(RunConfig(), rounds=1, batch_size=16)
    )
    # 2 sites x 1 step, three times
    assert mine._estimate_seconds(job, None, Speed(1.0, 0.0, 0.0, 0), 0.0) == 6
    # a round, every text read once
    assert mine._estimate_seconds(job, 8, Speed(0.0, 0.0, 5.0, 0), 1.0) == 5 + 16 + 10
    assert (
        mine._estimate_seconds(job, None, Speed(0.0, 1.0, 0.0, 0), 0.0)
        == 32 + 2 * 10 + 10 + 2 * 10 + 2 * 42
    )


def test_the_rule_of_thumb_picks_and_a_wish_wins():
    head, lora = mine.TuningOption("head", None, 5.0), mine.TuningOption("lora:r=8", 64, 50.0)
    assert mine.choose_tuning([head, lora], "auto", 1000, 60)[0] is lora
    assert mine.choose_tuning([head, lora], "auto", 1000, 40)[0] is head
    assert mine.choose_tuning([head, lora], "auto", 299, 60)[0] is head
    assert mine.choose_tuning([head, lora], "lora", 10, 1) == (lora, "you named it")
    with pytest.raises(FedkitError, match="write auto, head, lora"):
        mine.choose_tuning([head, lora], "full", 10, 1)


def test_folders_are_never_reused(tmp_path):
    assert mine.new_run_folder(tmp_path).name == "run-1"
    (tmp_path / "run-1").mkdir()
    assert mine.new_run_folder(tmp_path).name == "run-2"


@pytest.mark.parametrize(
    "test, says", [(12, "no difference can be told"), (100, "is less than"), (2000, "is more than")]
)
def test_a_difference_is_held_against_what_the_test_can_show(test, says):
    runs = {
        name: SimpleNamespace(result={"accuracy": a}, data={"test": test}, rounds=())
        for name, a in (("federated", 0.8), ("local", 0.75))
    }
    said = mine.explain_difference(SimpleNamespace(verdict="not yet"), runs)
    assert "no result" in said[0] and "+5.0 points" in said[1] and says in said[2]


def test_the_clock_adds_up(capsys):
    clock = mine.TimeBudget(look=10, check=20)
    clock.print_step("look")
    assert (
        "look: 0 s of 10 s; in all 0 s of 30 s" in capsys.readouterr().out and 29 < clock.left <= 30
    )


def test_a_page_is_shown_in_a_frame_that_runs_nothing(tmp_path):
    (tmp_path / "a.html").write_text('<script>"x"</script>', encoding="utf-8")
    html = mine.FramedPage(tmp_path / "a.html")._repr_html_()
    assert 'sandbox=""' in html and "<script" not in html and "&lt;script&gt;&quot;" in html


def test_the_lesson_finds_its_file_wherever_it_was_copied_to(tmp_path, monkeypatch):
    lesson = json.loads((REPOSITORY / "notebooks/09_your_own_data.ipynb").read_text("utf-8"))
    first, second = ["".join(c["source"]) for c in lesson["cells"] if c["cell_type"] == "code"][:2]
    (tmp_path / "mine.csv").touch()
    for place, given, found in (
        (REPOSITORY / "notebooks", "", "../data/messy/branch_reports.xlsx"),
        (tmp_path, "", str(REPOSITORY / "data/messy/branch_reports.xlsx")),
        (tmp_path, "FILE = 'mine.csv'", "mine.csv"),
        (tmp_path, "FILE = 'missing.csv'", "missing.csv"),
    ):
        monkeypatch.chdir(place)
        names = {}
        exec("\n".join((first, given, second)), names)
        assert names["FILE"] == found
