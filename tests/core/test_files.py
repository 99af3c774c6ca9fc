"""The one way to write: whole or not at all, never through a link, and one process at a time."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import threading

import pytest
from factories.refusals import refusal

from fedkit.core import files
from fedkit.core.errors import FedkitError
from fedkit.core.files import (
    LOCK,
    PRIVATE,
    hold_lock,
    leftovers,
    lock_folder,
    make_folder,
    refuse_links,
    write_file,
    write_json,
)


def test_text_bytes_and_a_function_are_written(tmp_path):
    assert write_file(tmp_path / "new" / "a", "ü").read_text(encoding="utf-8") == "ü"
    assert write_file(tmp_path / "b", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert write_file(tmp_path / "c", lambda file: file.write(b"x" * 9)).read_bytes() == b"x" * 9
    assert write_file(tmp_path / "d", "a\udc80").read_bytes() == b"a?"


def test_the_mode_is_the_wish_less_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        paths = [write_file(tmp_path / "a", ""), write_file(tmp_path / "b", "", PRIVATE)]
    finally:
        os.umask(before)
    assert [stat.S_IMODE(p.stat().st_mode) for p in paths] == [0o640, 0o600]
    write_file(paths[0], "again", PRIVATE)
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o600


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_after_a_failure_the_old_file_is_whole_and_nothing_else_is_there(
    tmp_path, monkeypatch, call
):
    path = write_file(tmp_path / "x", "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, call, full)
    assert "No space left on device; make room" in refusal(write_file, path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_function_that_fails_leaves_the_old_file(tmp_path):
    path = write_file(tmp_path / "x", "old")

    def half(file):
        file.write(b"ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(path, half)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    other = write_file(tmp_path / "other", "theirs")
    (tmp_path / "x").symlink_to(other)
    (tmp_path / "y").symlink_to(tmp_path / "nowhere")
    write_file(tmp_path / "x", "mine")
    write_json(tmp_path / "y", 1)
    assert other.read_text() == "theirs" and (tmp_path / "x").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists() and not (tmp_path / "y").is_symlink()


def test_a_linked_folder_below_is_refused_and_one_above_is_not(tmp_path):
    make_folder(tmp_path / "elsewhere" / "deep")
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "state").symlink_to(tmp_path)
    out = tmp_path / "out"
    refuse_links(out, out)
    refuse_links(out / "deep" / "not-yet", out)
    for place in (out / "state", out / "state" / "deep"):
        assert f"{out / 'state'} is a link" in refusal(refuse_links, place, out)


@pytest.mark.parametrize("kind", ["a file", "a link to what is not there"])
def test_a_folder_below_what_is_none_is_refused_and_named(kind, tmp_path):
    place = tmp_path / "place"
    if kind == "a file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "gone")
    with pytest.raises(FedkitError, match=f"below {place}: it is {kind}; choose another place"):
        files.make_folder(place)


def test_readers_never_see_half_a_file(tmp_path):
    """Two writers and a reader at the same time."""
    path, stop, torn = write_json(tmp_path / "run.json", {"a": 0}), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                torn.append(error)

    def write(number: int) -> None:
        try:
            for size in range(40):
                write_json(path, {"a": [number] * size * 50})
        except FedkitError as error:
            torn.append(error)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(n,)) for n in (1, 2)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(60)
    stop.set()
    reader.join(60)
    assert not torn and list(tmp_path.iterdir()) == [path]


def test_leftovers_are_those_of_the_file_alone(tmp_path):
    ours = write_file(tmp_path / ".run.json.12-0123abcd.tmp", "{")
    write_file(tmp_path / ".other.json.12-0123abcd.tmp", "{")
    write_file(tmp_path / "run.json.tmp", "theirs")
    assert leftovers(tmp_path / "run.json") == [ours]


# --- locks


def test_the_second_is_told_who_holds_the_folder(tmp_path):
    out = tmp_path / "out"
    with hold_lock(out / LOCK):  # as another process would
        said = refusal(lambda: lock_folder(out).__enter__())
        assert f"process {os.getpid()} on {socket.gethostname()}" in said
        assert str(out / LOCK) in said
        write_file(out / "x", "")
    with lock_folder(out):
        pass
    assert [p.name for p in out.iterdir()] == ["x"]


def test_a_folder_in_which_nothing_was_written_is_removed_again(tmp_path):
    with pytest.raises(FedkitError), lock_folder(tmp_path / "a" / "b"):
        raise FedkitError("refused")
    assert not (tmp_path / "a").exists()
    (tmp_path / "mine").mkdir()
    with lock_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    write_file(tmp_path / LOCK, f"{os.getpid()} {socket.gethostname()}")  # nobody holds it
    with lock_folder(tmp_path):
        pass
    write_file(tmp_path / LOCK, "")
    with lock_folder(tmp_path):
        pass


def test_a_lock_of_another_computer_is_left_alone(tmp_path):
    write_file(tmp_path / LOCK, "12 far-away")
    assert "process 12 on far-away" in (said := refusal(lambda: lock_folder(tmp_path).__enter__()))
    assert f"delete {tmp_path / LOCK}" in said
    assert (tmp_path / LOCK).read_text() == "12 far-away"


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs /proc to know who lives")
def test_where_there_are_no_locks_the_process_is_looked_for(tmp_path, monkeypatch):
    import fcntl

    def none(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", none)
    with hold_lock(tmp_path / "out" / LOCK):
        assert "in use" in refusal(lambda: lock_folder(tmp_path / "out").__enter__())
    write_file(tmp_path / LOCK, f"999999999 {socket.gethostname()}")
    with lock_folder(tmp_path):
        pass


def test_a_waiting_writer_comes_next(tmp_path):
    path, order = tmp_path / "x.lock", []

    def other() -> None:
        with hold_lock(path, wait=60):
            order.append("other")

    with hold_lock(path):
        thread = threading.Thread(target=other)
        thread.start()
        order.append("first")
    thread.join(60)
    assert order == ["first", "other"] and not path.exists()


def test_a_lock_that_is_a_link_or_a_pipe_is_refused(tmp_path):
    other = write_file(tmp_path / "other", "theirs")
    (tmp_path / LOCK).symlink_to(other)
    refusal(lambda: lock_folder(tmp_path).__enter__())
    assert other.read_text() == "theirs"
    (tmp_path / LOCK).unlink()
    os.mkfifo(tmp_path / LOCK)
    refusal(lambda: lock_folder(tmp_path).__enter__())
