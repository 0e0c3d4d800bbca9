"""A file system's reserve is given back to the very file system that it was taken from, and not forgotten before."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from wipers.linux.filesystems import FileSystem
from wipers.linux.machine import Machine
from wipers.linux.reserves import give_back, without_reserve

FOUND = FileSystem(
    kind="ext4",
    device=os.makedev(7, 1),
    uuid="5f74798e-1c0d-4e57-9a3b-77d2c1a0b6e4",
    node=None,
    block_size=4096,
    sector_size=512,
    data_mode="ordered",
    has_clusters=False,
    is_read_only=False,
    is_raw_readable=True,
)
COPY = replace(FOUND, device=os.makedev(7, 2))
"""Another device with the same file system, as a copied image has it."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Two file systems of one UUID that keep 100 and 200 clusters back."""
    for number, kept in ((1, "100"), (2, "200")):
        folder = tmp_path / "sys" / "fs" / "ext4" / f"loop{number}"
        folder.mkdir(parents=True)
        (folder / "reserved_clusters").write_text(kept)
        device = tmp_path / "sys" / "devices" / f"loop{number}"
        device.mkdir(parents=True)
        (tmp_path / "sys" / "dev" / "block").mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / "dev" / "block" / f"7:{number}").symlink_to(device)
    return Machine(sys=tmp_path / "sys", runs=tmp_path / "runs")


def kept_back(machine: Machine, number: int) -> Path:
    return machine.sys / "fs" / "ext4" / f"loop{number}" / "reserved_clusters"


def cut(machine: Machine, found: FileSystem) -> None:
    """A run that let the reserve go, and was killed."""
    held = without_reserve(-1, found, machine)
    assert held.__enter__()
    note = next(machine.runs.glob("*.reserve"))
    kept = note.read_bytes()
    held.__exit__(None, None, None)
    note.write_bytes(kept)


def test_a_copy_of_the_file_system_is_not_given_the_others_reserve(machine: Machine) -> None:
    """Both are mounted at once, and one run on the first was cut."""
    cut(machine, FOUND)
    kept_back(machine, 1).write_text("0")
    give_back(-1, COPY, machine)
    assert (kept_back(machine, 1).read_text(), kept_back(machine, 2).read_text()) == ("0", "200")
    give_back(-1, FOUND, machine)
    assert (kept_back(machine, 1).read_text(), kept_back(machine, 2).read_text()) == ("100", "200")
    assert list(machine.runs.glob("*.reserve")) == []


def test_what_cannot_be_given_back_now_is_given_back_later(machine: Machine) -> None:
    """A file system that turned read-only takes no setting."""
    cut(machine, FOUND)
    there = kept_back(machine, 1)
    there.unlink()
    there.mkdir()
    give_back(-1, FOUND, machine)
    there.rmdir()
    there.write_text("0")
    give_back(-1, FOUND, machine)
    assert there.read_text() == "100"


def test_a_note_that_was_cut_short_let_nothing_go(machine: Machine) -> None:
    """It is durable before the reserve is."""
    cut(machine, FOUND)
    (note,) = machine.runs.glob("*.reserve")
    note.write_text(json.dumps({"kept": 100})[:4])
    give_back(-1, FOUND, machine)
    assert (kept_back(machine, 1).read_text(), note.exists()) == ("100", False)


def test_a_plan_gives_nothing_back_while_the_second_of_two_fillings_goes_on(machine: Machine) -> None:
    """The first took the file with the lock away, under the feet of the second, who had waited for it: a lock on a file
    without a name kept nobody out, and the last blocks would have been left alone, unsaid."""
    waits, is_in, may_end = threading.Event(), threading.Event(), threading.Event()

    def fill() -> None:
        with without_reserve(-1, FOUND, machine, pause=lambda done, total: waits.set()):
            is_in.set()
            assert may_end.wait(120)

    with without_reserve(-1, FOUND, machine):
        second = threading.Thread(target=fill)
        second.start()
        # It has the file open, and does not get the lock.
        assert waits.wait(120)
    assert is_in.wait(120)
    give_back(-1, FOUND, machine)
    while_filling = kept_back(machine, 1).read_text()
    may_end.set()
    second.join()
    assert (while_filling, kept_back(machine, 1).read_text()) == ("0", "100")
