"""One round by client: what is drawn, what the title says, and of many clients which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories.figures import notes_of

from fedkit.core.errors import FedkitError
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.network import replay
from fedkit.plots.timeline import draw_round

LINE = "8mbps:4mbps/100ms"
A = ClientRecord("a", train_seconds=1.0, uplink_bytes=500_000, downlink_bytes=1_000_000)  # 3.2 s
B = ClientRecord("b", train_seconds=3.0, uplink_bytes=1_000_000, downlink_bytes=1_000_000)  # 6.2 s


def picture(*clients: ClientRecord, number: int | None = None, **world):
    run = Run(
        "federated",
        {"link": LINE},
        {},
        {},
        {},
        None,
        (RoundRecord(1, 0.5, 1.0, 0.5, clients=clients),),
    )
    return draw_round(replay(run, **world), number, devices=False)


def rows(fig) -> list[str]:
    return list(fig.layout.yaxis.ticktext)


def test_phases_lie_one_after_another_and_the_last_is_on_top():
    fig = picture(A, B)
    assert rows(fig) == ["b", "a"] and [part.name for part in fig.data] == [
        "download",
        "training",
        "upload",
        "waiting",
    ]
    assert [part.x[1] for part in fig.data] == pytest.approx([1.1, 1.0, 1.1, 3.0])
    assert [part.base[1] for part in fig.data] == pytest.approx([0.0, 1.1, 2.1, 3.2])
    assert fig.data[3].x[0] == 0, "nobody waits for itself"
    assert fig.layout.meta["sentence"] == "Round 1: b keeps the others waiting 3.0 s."
    assert "not measured" in fig.layout.meta["caption"] and "(s)" in fig.layout.xaxis.title.text


def test_those_who_do_not_arrive_are_marked_in_words_not_only_by_colour():
    crash = replace(A, id="c", status="lost", reason="crashed after 20 %", uplink_bytes=0)
    fig = picture(
        A,
        replace(A, id="l", status="lost", reason="the upload was lost"),
        crash,
        replace(A, id="r", status="rejected", reason="NaN"),
    )
    assert all(
        said in notes_of(fig) for said in ("crashed", "upload lost", "rejected")
    ) and "too late" not in notes_of(fig)
    assert fig.data[2].x[rows(fig).index("c")] == 0, "no upload"


def test_a_deadline_is_said_and_drawn_and_what_it_changes():
    fig = picture(A, B, deadline=5.0)
    assert fig.layout.meta["sentence"] == "Round 1: 1 of 2 clients missed the deadline of 5.0 s."
    assert "deadline: the round ends" in notes_of(fig) and "too late" in notes_of(fig)
    assert "Needs a new run: 1 upload that counted" in fig.layout.meta["caption"]
    wide = picture(A, B, deadline=8.0)
    assert "deadline" in notes_of(wide) and "Needs" not in wide.layout.meta["caption"]
    assert wide.layout.xaxis.range[1] > 8


@pytest.mark.parametrize(
    ("clients", "sentence"),
    [
        ((), "Round 1: nobody took part."),
        ((A,), "Round 1: a alone takes 3.2 s."),
        (
            (replace(A, status="lost"),),
            "Round 1: none of 1 client arrived; the server knew after 3.2 s.",
        ),
        (
            (A, A, A, B, replace(B, id="z")),
            "Round 1: half of the others wait 3.0 s or longer for z, the last.",
        ),
        (
            (replace(A, began=0.0), replace(B, began=1.0)),
            "Round 1: the server steps when b's update is there; nobody waits for anybody.",
        ),
    ],
)
def test_the_finding_in_a_sentence(clients, sentence):
    assert picture(*clients).layout.meta["sentence"] == sentence


def test_of_many_clients_the_slowest_and_the_quickest_are_drawn():
    many = [replace(A, id=f"c{i}", train_seconds=float(i)) for i in range(100)]
    fig = picture(*many)
    assert rows(fig) == [f"c{i}" for i in [*range(99, 79, -1), *range(19, -1, -1)]]
    assert "20 slowest and the 20 quickest of 100" in fig.layout.meta["caption"]
    assert len(rows(picture(*many[:40]))) == 40


def test_names_from_data_cannot_become_tags_and_an_unknown_round_is_refused():
    fig = picture(replace(A, id="<b>x</b>"), B)
    assert "<b>x" not in " ".join(rows(fig)) and "<b>x" not in fig.layout.title.text
    with pytest.raises(FedkitError, match="round 7 is not in this run"):
        picture(A, number=7)


def test_all_at_once_keep_nobody_waiting():
    from fedkit.core.record import ClientRecord, RoundRecord, Run
    from fedkit.network import replay

    same = tuple(
        ClientRecord(f"c{i}", train_seconds=0.1, uplink_bytes=1_000, downlink_bytes=1_000)
        for i in range(3)
    )
    rounds = tuple(RoundRecord(n, 0.5, 1.0, 0.5, clients=same) for n in (1, 2, 3))
    timeline = replay(Run("federated", {"link": "64kbps/40ms"}, {}, {}, {}, None, rounds))
    assert all(bar.began == when.began for when in timeline.rounds for bar in when.visits), (
        "to the bit"
    )
    assert "almost the same time" in draw_round(timeline, 3, devices=False).layout.title.text
