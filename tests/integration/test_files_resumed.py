"""A run over files that was cut short: the same files have the same numbers, and what is gone counts as gone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Extent
from tests.support.erasing import KEYSTREAM, Ordered, erase_with, loop, order_files, write_all
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.scanner import total_found
from wipers.linux.release import passing_name
from wipers.model import MediumError, Writer
from wipers.readback import read_back_all

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-OF-RESUMING-9b2e"
COUNT = 12


@dataclass(frozen=True, slots=True)
class Case:
    disk: Mounted
    ordered: Ordered
    state: Path

    def kept(self) -> list[str]:
        """What the state directory holds."""
        return sorted(path.suffix for path in self.state.iterdir()) if self.state.exists() else []


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with ext4_image(tmp_path) as disk:
        folder = disk.root / "in" / "all"
        folder.mkdir(parents=True)
        for number in range(COUNT):
            (folder / f"private-name-{number}").write_bytes((NEEDLE + b"\n") * (40 + 97 * number))
        disk.sync()
        state = tmp_path / "state" / "runs"
        yield Case(disk, order_files(disk.root / "in", ("all",), state), state)


class Cut(BaseException):
    """The power goes."""


@contextmanager
def cut_short(case: Case) -> Iterator[Writer]:
    """A run that ends where the block ends, as by a power cut."""
    target = case.ordered.target()
    with (
        suppress(Cut),
        case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer,
    ):
        yield writer
        raise Cut


def write_some(case: Case, share: int) -> None:
    """Begin a run and cut it after so many extents."""
    with cut_short(case) as writer:
        for extent in islice(writer.layout("whole"), share):
            writer.write(extent.stream, extent.offset, memoryview(bytes(extent.length)))


def test_nothing_is_kept_before_the_first_write(case: Case) -> None:
    """A refusal leaves the host as it was."""
    target = case.ordered.target()
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False):
        pass
    assert case.kept() == []


def test_the_list_is_private_and_gone_after_the_release(case: Case) -> None:
    """It holds names: nobody else may read it, and nobody at all once the files are gone."""
    target = case.ordered.target()
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer:
        write_all(writer)
        assert case.kept() == [".streams"]
        (kept,) = case.state.iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert b"private-name" in kept.read_bytes()
        writer.settle()
        writer.release()
        assert case.kept() == [".released"]
        assert b"private" not in next(case.state.iterdir()).read_bytes()
    assert case.kept() == []


@pytest.mark.parametrize("share", [0, 1, 5, COUNT])
def test_a_run_cut_while_writing_is_finished_with_the_same_numbers(case: Case, share: int) -> None:
    """A byte of the pattern depends on the file's number; another number would make the read-back differ."""
    target = case.ordered.target()
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer:
        layout = list(writer.layout("whole"))
    write_some(case, share)
    again = case.ordered.target()
    assert (again.size, again.objects, again.facts, again.obstacles) == (target.size, COUNT, target.facts, ())
    with case.ordered.host.open(again, case.ordered.carrier, case.ordered.selector, resuming=True) as writer:
        assert list(writer.layout("whole")) == layout
        erased = erase_with(writer)
    assert (erased.readback.matched, erased.names) == (target.size, COUNT + 1)
    case.disk.sync()
    assert total_found(case.disk.image, [NEEDLE]) == 0
    assert case.kept() == []


def test_a_run_cut_while_releasing_is_finished(case: Case) -> None:
    """Some names are gone, one is cut short, one passes under another name: the rest goes, and the count is whole."""
    target = case.ordered.target()
    folder = case.disk.root / "in" / "all"
    with cut_short(case) as writer:
        write_all(writer)
        writer.settle()
    (kept,) = case.state.iterdir()
    seed = json.loads(kept.read_bytes().splitlines()[0])["seed"]
    (folder / "private-name-0").unlink()
    os.truncate(folder / "private-name-1", 0)
    (folder / "private-name-1").rename(folder / passing_name(seed, "1:0", "private-name-1"))
    # By bytes, private-name-10 and -11 come before -2.
    os.truncate(folder / "private-name-10", 0)
    again = case.ordered.target()
    assert (again.size, again.objects, again.facts, again.obstacles) == (target.size, COUNT, target.facts, ())
    with case.ordered.host.open(again, case.ordered.carrier, case.ordered.selector, resuming=True) as writer:
        assert writer.release() == COUNT + 1
        assert writer.facts() == target.facts
    assert list((case.disk.root / "in").iterdir()) == []
    assert case.kept() == []


def test_a_name_that_somebody_else_took_is_left_to_him(case: Case) -> None:
    """A new file under an old name is not what was overwritten; it stays, and so does its directory."""
    target = case.ordered.target()
    newcomer = case.disk.root / "in" / "all" / "private-name-3"
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer:
        write_all(writer)
        writer.settle()
        (case.disk.root / "kept").write_bytes(b"new")
        (case.disk.root / "kept").rename(newcomer)
        assert writer.release() == COUNT - 1
    assert newcomer.read_bytes() == b"new"


def test_a_run_cut_after_the_release_still_finds_what_it_was(case: Case) -> None:
    """The journal may not have learned of the release: asking again must not fail, nor count again."""
    target = case.ordered.target()
    with cut_short(case) as writer:
        write_all(writer)
        writer.settle()
        assert writer.release() == COUNT + 1
    assert case.kept() == [".released"]
    again = case.ordered.target()
    assert (again.size, again.objects, again.facts, again.obstacles) == (target.size, COUNT, target.facts, ())
    with case.ordered.host.open(again, case.ordered.carrier, case.ordered.selector, resuming=True) as writer:
        assert writer.release() == COUNT + 1
        assert writer.facts() == target.facts
    assert case.kept() == []


def test_a_list_that_outlived_its_release_is_destroyed(case: Case) -> None:
    """A crash between the mark of the release and the end of the list must not leave names on the host."""
    with cut_short(case) as writer:
        write_all(writer)
        writer.settle()
        (live,) = case.state.iterdir()
        content = live.read_bytes()
        writer.release()
    for left in (live, live.with_name(live.name + ".new")):
        left.write_bytes(content)
    again = case.ordered.target()
    with case.ordered.host.open(again, case.ordered.carrier, case.ordered.selector, resuming=True) as writer:
        assert writer.release() == COUNT + 1
    assert case.kept() == []


def test_a_list_that_was_damaged_is_refused(case: Case) -> None:
    """Guessing the numbers anew could release files that were never overwritten."""
    write_some(case, 3)
    (kept,) = case.state.iterdir()
    kept.write_bytes(kept.read_bytes()[:200])
    with pytest.raises(Refused) as caught:
        case.ordered.find()
    assert caught.value.reason == "run-state-unreadable"


def test_a_file_that_moved_below_is_unread(case: Case) -> None:
    """A defragmenter copied it: what lies where the content was is not known any more."""
    victim = case.disk.root / "in" / "all" / "private-name-0"
    target = case.ordered.target()
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer:
        write_all(writer)
        writer.flush()
        content = victim.read_bytes()
        os.truncate(victim, 0)
        subprocess.run(["fallocate", "--length", "1MiB", str(victim.parent.parent / "in-the-way")], check=True)
        with victim.open("r+b") as file:
            file.write(content)
        writer.settle()
        findings = read_back_all(writer, writer.layout("whole"), KEYSTREAM, loop())
        assert findings.unread_size > 0
        assert {failure.error for failure in findings.unread} == {"ESTALE"}


def test_a_file_without_an_address_is_unread(case: Case) -> None:
    """Bytes that are not allocated cannot have been read below the file system."""
    target = case.ordered.target()
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer:
        with pytest.raises(MediumError) as caught:
            writer.read(0, 1 << 30, memoryview(bytearray(512)))
        assert caught.value.extent == Extent(0, 1 << 30, 512)
        lines = [json.loads(line) for line in b"".join(writer.physical_extents() or ()).splitlines()]
        assert {line["stream"] for line in lines} == set(range(COUNT))


def test_what_a_withheld_release_leaves_known_is_forgotten_at_the_end(case: Case) -> None:
    """The list of names serves a resume alone; once the run has its certificate nobody needs it."""
    write_some(case, COUNT)
    assert case.kept() == [".streams"]
    for _ in range(2):
        case.ordered.host.forget(case.ordered.carrier)
        assert case.kept() == []
