"""The showcase without a browser: words, shipped records as untrusted files, numbers, and a walk
through its five steps.
"""

from __future__ import annotations

import json
import re
import shutil
import string
import subprocess
import sys
from dataclasses import replace

import pytest
from factories.records import baseline

from fedkit.cli import showcase
from fedkit.core.errors import Cancelled, FedkitError
from fedkit.core.record import Run
from fedkit.results.difference import unpaired_difference
from fedkit.showcase import numbers, pages
from fedkit.showcase.pages import STRINGS, name_in_language, text
from fedkit.showcase.panel import Showcase
from fedkit.showcase.records import (
    BASELINES,
    CLIENT_COUNTS,
    FOLDER,
    LANG,
    LEVELS,
    LIVE_ROUNDS,
    LIVE_TUNE,
    ShowcaseRecords,
    all_files,
    load_showcase_records,
)

HEAVY = ("torch", "transformers", "sklearn", "peft", "pptx", "fedkit.experiments.runner")


@pytest.fixture(scope="module")
def records() -> ShowcaseRecords:
    return load_showcase_records()


@pytest.fixture
def demo(records, tmp_path) -> Showcase:
    return Showcase("en", records, tmp_path)


def places(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


# ---- words


def test_both_languages_have_the_same_keys_and_places():
    en, ja = STRINGS["en"], STRINGS["ja"]
    assert en.keys() == ja.keys()
    assert {k: places(v) for k, v in en.items()} == {k: places(v) for k, v in ja.items()}


def test_every_japanese_text_is_japanese():
    assert not [
        k for k, v in STRINGS["ja"].items() if not re.search("[\u3040-\u30ff\u4e00-\u9fff]", v)
    ]


def test_companies_and_labels_of_the_records_have_names_and_others_stand_as_they_are(records):
    run = records.live
    assert all(f"company.{c['id']}" in STRINGS["ja"] for c in run.data["clients"])
    assert all(f"label.{label}" in STRINGS["ja"] for label in run.data["labels"])
    assert (
        name_in_language("company", "bakery", "ja") == "製パン会社"
        and name_in_language("company", "a\nb", "en") == "a b"
    )


# ---- the shipped records


def test_the_shelf_holds_all_that_is_named_and_is_small():
    shipped = {path.name for path in FOLDER.glob("*.json")}
    assert shipped == set(all_files())
    assert sum(path.stat().st_size for path in FOLDER.glob("*")) < 1_200_000


def test_records_are_of_the_companies_and_settings_that_their_names_tell(records):
    for n in CLIENT_COUNTS:
        for level, spec in LEVELS.items():
            run = records.federated(n, level)
            assert len(run.data["clients"]) == n and run.data["test"] == 732
            assert run.config["privacy"] == spec and (run.result["epsilon"] is None) == (
                level == "none"
            )
        assert [run.method for run in records.baselines(n)] == list(BASELINES)
    assert [c["id"] for c in records.federated(2).data["clients"]] == ["bakery", "clinic"]
    assert records.live.config["tune"] == LIVE_TUNE and len(records.live.rounds) == LIVE_ROUNDS


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("not json"),
        lambda path: path.write_text('{"schema": "other"}'),
        lambda path: path.write_text(
            path.read_text().replace('"accuracy":0.', '"accuracy":"<b>0.', 1)
        ),
        lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "result": {}})),
        lambda path: path.write_text(" " * 2_000_001),
    ],
    ids=["missing", "no-json", "other-schema", "text-for-a-number", "unfinished", "too-large"],
)
def test_a_damaged_record_is_refused_in_one_line(tmp_path, damage):
    for name in all_files():
        (tmp_path / name).symlink_to(FOLDER / name)
    first = tmp_path / all_files()[0]
    first.unlink()
    shutil.copy(FOLDER / first.name, first)
    damage(first)
    with pytest.raises(FedkitError) as caught:
        load_showcase_records(tmp_path)
    assert "\n" not in str(caught.value)


def test_words_in_a_record_cannot_become_tags(records):
    evil = "<img src=x onerror=alert(1)>"
    data = {
        **records.live.data,
        "clients": [{**c, "id": evil + c["id"]} for c in records.live.data["clients"]],
        "labels": [evil, *records.live.data["labels"][1:]],
    }
    page = pages.data_page(replace(records.live, data=data), "en")
    assert "&lt;img" in page and "<img" not in page
    assert "<b>x" not in pages.status_line(text("run.failed", "en", reason="<b>x"))


# ---- numbers


def test_a_link_carries_traffic_and_nothing_else_changes(records):
    slow, fast = (
        numbers.numbers_at(records, numbers.SliderValues(speed=s)) for s in (64, 1_000_000)
    )
    assert (
        slow.seconds > fast.seconds
        and slow.together == fast.together
        and slow.traffic == fast.traffic
    )
    assert slow.base_seconds == pytest.approx(0.04 + 8 * slow.base / 64_000)


def test_the_gain_says_what_its_interval_allows():
    many, few, half = (baseline("local", share) for share in (0.9, 0.5, 0.52))
    assert unpaired_difference(many, few).verdict == "gain"
    assert unpaired_difference(few, many).verdict == "loss"
    close = unpaired_difference(half, few)
    assert close.verdict == "unclear" and close.low < 0.02 < close.high


def test_alone_is_local_training_at_every_setting(records):
    assert numbers.live_numbers(records).alone == local_of(records.live_baselines())
    for n in CLIENT_COUNTS:
        shown = numbers.numbers_at(records, numbers.SliderValues(n))
        assert shown.alone == local_of(records.baselines(n))


def local_of(baselines):
    return next(r.result["own_mix_accuracy"] for r in baselines if r.method == "local")


def test_a_weak_result_stays_visible(records, demo):
    demo.stage.companies.value, demo.stage.privacy.value = 2, 3
    assert (
        "Federation did not help here" in demo.stage.pages[4].value
        and "\u2212" in demo.stage.pages[4].value
    )


# ---- the walk


@pytest.mark.slow
def test_opens_without_importing_what_trains():
    code = (
        "import sys; from fedkit.showcase.panel import showcase; showcase('ja'); print([m"
        f" for m in {HEAVY} if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert said.stdout.strip() == "[]", said.stderr


def test_shows_one_step_at_a_time(demo):
    for step in (2, 3, 4, 5, 9, 0):
        demo.show_step(step)
        seen = [
            place for place, box in demo.stage.boxes.items() if "fk-off" not in box._dom_classes
        ]
        assert seen == [min(max(step, 1), 5)] == [demo.step]
    demo.stage.next.click()
    assert demo.step == 2


def test_all_words_change_with_the_language(demo):
    demo.show_recorded()
    demo.show_step(4)
    demo.set_language("ja")
    stage = demo.stage
    said = [
        *stage.pages.values(),
        *stage.caveats.values(),
        stage.status,
        stage.tiles,
        *stage.labels.values(),
    ]
    english = [
        s
        for s in said
        if re.search(r"\b(the|of|and|each|together|companies)\b", re.sub(r"<[^>]+>", "", s.value))
    ]
    assert not english
    assert (
        stage.go.description == "実行"
        and stage.frames[4].children[0].layout.annotations[0].text == "<b>正答率（%）</b>"
    )
    demo.set_language("en")
    assert "Recorded run" in stage.status.value


def test_sliders_change_numbers_and_the_live_figure(demo):
    demo.show_step(4)
    figure, stage = demo.stage.frames[4].children[0], demo.stage
    before, labels = stage.pages[4].value, stage.labels["speed"].value
    stage.companies.value = 3
    assert (
        stage.pages[4].value != before
        and figure.data[4].x == (3,)
        and figure._widget_data[4]["x"] == [3]
    )
    stage.speed.value = 0
    assert (
        stage.labels["speed"].value != labels
        and "64 kbit/s" in stage.labels["speed"].value
        and figure.data[7].x == (64,)
    )
    together = figure.data[3].y
    stage.privacy.value = 3
    assert (
        figure.data[3].y != together
        and "strong" in stage.labels["privacy"].value
        and "not secure" in stage.caveats[4].value
    )
    assert "3 companies, privacy: strong" in stage.about.options[0][0]


def test_replay_shows_the_shipped_run_at_once(demo):
    demo.show_recorded()
    assert demo.recorded and demo.record == demo.records.live
    assert "83.5%" in demo.stage.tiles.value and "nothing was computed" in demo.stage.status.value


def test_cancel_and_failure_leave_it_usable(demo, monkeypatch):
    def stopped(tell, keep, cancel):
        cancel.wait(10)
        raise Cancelled("stopped")

    def failed(tell, keep, cancel):
        raise FedkitError("no <b>room</b>")

    monkeypatch.setattr("fedkit.showcase.panel.train_live", stopped)
    demo.run()
    assert demo.stage.go.disabled and not demo.stage.stop.disabled
    demo.cancel()
    demo.queue.wait()
    assert (
        "Cancelled" in demo.stage.status.value
        and not demo.stage.go.disabled
        and demo.record is None
    )
    monkeypatch.setattr("fedkit.showcase.panel.train_live", failed)
    with pytest.raises(FedkitError):
        demo.run(wait=True)
    assert "no &lt;b&gt;room" in demo.stage.status.value and "fk-bad" in demo.stage.status.value


def test_the_brief_is_about_what_was_chosen(demo):
    demo.stage.companies.value, demo.stage.privacy.value = 4, 1
    here = demo.brief_runs
    assert here[0] is demo.records.federated(4, "eps8") and {run.method for run in here} == {
        "federated",
        *BASELINES,
    }
    demo.stage.about.value = "run"
    assert demo.brief_runs[0] is demo.records.live


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_brief_is_written_and_handed_over_as_data(demo, lang, tmp_path):
    demo.set_language(lang)
    demo.make_brief(wait=True)
    links = re.findall(r'download="([^"]+)" href="(data:[^;]+)', demo.stage.links.value)
    assert [name for name, _ in links] == [f"fedkit-brief.{lang}.html", f"fedkit-brief.{lang}.pptx"]
    assert len(list(tmp_path.glob("showcase-*"))) == 1


@pytest.mark.slow
def test_a_real_run_ends_with_its_record(demo):
    demo.run(wait=True)
    assert demo.record.finished and demo.record.data == {
        **demo.records.live.data,
        "notes": demo.record.data["notes"],
    }
    assert (
        abs(numbers.own_accuracy(demo.record) - numbers.own_accuracy(demo.records.live)) < 0.03
        and "Finished" in demo.stage.status.value
    )


# ---- the command


def test_the_token_is_in_no_list_of_processes_and_the_server_on_loopback():
    line = showcase.server_command(8866)
    assert (
        "--Voila.ip=127.0.0.1" in line
        and "--Voila.auto_token=True" in line
        and "--Voila.port_retries=0" in line
    )
    assert not [part for part in line if "secret" in part]
    env = showcase.server_environment("secret", "ja")
    assert env["JUPYTER_TOKEN"] == "secret" and env[LANG] == "ja"


def test_a_busy_port_and_an_unknown_language_are_one_line():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FedkitError, match="in use"):
            showcase.check_arguments(port, "en")
    with pytest.raises(FedkitError, match="en, ja"):
        showcase.check_arguments(8866, "fr")
    with pytest.raises(FedkitError, match="1024"):
        showcase.check_arguments(80, "en")


def test_records_hold_no_text_of_the_data():
    assert all('"texts"' not in (FOLDER / name).read_text() for name in all_files())
    assert isinstance(Run.load(FOLDER / "live.federated.json"), Run)
