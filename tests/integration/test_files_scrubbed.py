"""Beyond contents: names, attributes, the journal and free space, each looked for on the raw storage by other code."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates.statements import FillRecord, NamesRecord
from tests.support.erasing import Acting, Erased, Ordered, erase_with, order_files
from tests.support.ext4_image import run
from tests.support.grounds import Ground, MakeGround, btrfs, ext4, without_cow, xfs
from wipers.acts import FillFree, Given, Halted, ScrubNames
from wipers.linux.directories import gaps_of, scrub
from wipers.model import Lost, Writer

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NAME = b"NAME-OF-A-SECRET-"
CONTENT = b"CONTENT-OF-A-SECRET-5b1d"
ATTRIBUTE = b"ATTRIBUTE-OF-A-SECRET-77"
HISTORY = b"HISTORY-OF-A-SECRET-2e0c"
COUNT = 120


@dataclass(frozen=True, slots=True)
class Case:
    """A tree on a ground, ordered with all that an order can want."""

    ground: Ground
    ordered: Ordered

    def names(self) -> int:
        return self.ground.hits(NAME)

    def contents(self) -> int:
        return self.ground.hits(CONTENT)


GROUNDS: dict[str, MakeGround] = {
    "ext4 of 1 KiB": ext4("-b", "1024"),
    "ext4 of 4 KiB": ext4("-b", "4096"),
    "ext4 data=journal": ext4("-b", "4096", options="data=journal"),
    "ext4 without journal": ext4("-b", "4096", "-O", "^has_journal"),
    "ext3": ext4("-b", "1024", "-O", "^extent,^64bit,^metadata_csum,^flex_bg"),
    "xfs": xfs(),
    "btrfs": btrfs("", without_cow),
}


@pytest.fixture(params=GROUNDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with GROUNDS[request.param](tmp_path) as ground:
        yield laid(ground, tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Case]:
    with ext4("-b", "4096", size=48 << 20)(tmp_path) as ground:
        yield laid(ground, tmp_path)


def laid(ground: Ground, folder: Path) -> Case:
    """Small files with names, contents and attributes to find, after others that are gone already."""
    root = ground.root / "in"
    root.mkdir(exist_ok=True)
    for number in range(30):
        (root / f"gone-{number}").write_bytes(HISTORY * 2000)
    ground.sync()
    for number in range(30):
        (root / f"gone-{number}").unlink()
    (root / "all" / "deep").mkdir(parents=True)
    for number in range(COUNT):
        path = root / "all" / ("deep" if number % 2 else "") / f"{NAME.decode()}{number:04d}"
        path.write_bytes(CONTENT * (1 + number * 2))
        os.setxattr(path, "user.note", ATTRIBUTE * 2)
    (root / "kept").write_bytes(b"kept" * 1000)
    ground.sync()
    assert ground.hits(NAME) > COUNT // 2
    assert ground.hits(CONTENT) > COUNT
    return Case(ground, order_files(root, ("all",), folder / "state", destroy=("names", "history")))


def acted(case: Case, then: Callable[[Writer, Given], None]) -> Erased:
    """Everything overwritten, read back and released, and what is done then."""
    target = case.ordered.target()
    assert target.obstacles == ()
    with case.ordered.host.open(target, case.ordered.carrier, case.ordered.selector, resuming=False) as writer:
        erased = erase_with(writer)
        then(writer, Acting().given())
    assert (erased.readback.matched, erased.names) == (target.size, COUNT + 2)
    assert (case.ground.root / "in" / "kept").read_bytes() == b"kept" * 1000
    return erased


def test_what_is_called_complete_left_nothing_on_the_storage(case: Case, request: pytest.FixtureRequest) -> None:
    """The record may say complete only where an independent reader of the raw image finds nothing, names or contents;
    where the file system has room that no file can be given, it says so instead."""
    kind = request.node.callspec.params["case"]

    def then(writer: Writer, given: Given) -> None:
        assert case.contents() == 0, "data=journal keeps what was overwritten, until the journal went round"
        scrubbed = writer.act(ScrubNames(), given)
        assert isinstance(scrubbed, NamesRecord)
        assert scrubbed.is_complete == (kind not in {"xfs", "btrfs"}) == (not scrubbed.left)
        if scrubbed.is_complete:
            assert case.names() == 0
        filled = writer.act(FillFree(), given)
        assert isinstance(filled, FillRecord)
        assert filled.is_complete == kind.startswith("ext"), filled
        assert filled.filled > 1 << 20
        if filled.is_complete:
            assert case.ground.hits(NAME, CONTENT, HISTORY, ATTRIBUTE) == 0
        assert case.ground.hits(CONTENT) == 0

    acted(case, then)
    assert sorted(path.name for path in (case.ground.root / "in").iterdir()) == ["kept"]


def test_attributes_and_access_lists_are_overwritten_before_they_go(plain: Case) -> None:
    """They lie in the inode, or in a block of their own that would be given back with all that stood in it."""
    root = plain.ground.root / "in" / "all"
    big, listed = root / "with-a-big-one", root / "with-a-list"
    for path in (big, listed):
        path.write_bytes(CONTENT)
    os.setxattr(big, "user.big", ATTRIBUTE * 100)
    os.setxattr(big, "trusted.big", ATTRIBUTE * 20)
    who = 0x5EC2E7AB
    entries = [
        (1, 6, 0xFFFFFFFF),
        (2, 7, who),
        (2, 5, who + 1),
        (4, 4, 0xFFFFFFFF),
        (16, 7, 0xFFFFFFFF),
        (32, 4, 0xFFFFFFFF),
    ]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(listed, "system.posix_acl_access", value)
    mark = struct.pack("<I", who)
    assert plain.ground.hits(mark) > 0
    assert plain.ground.hits(ATTRIBUTE) >= 120
    ordered = order_files(plain.ground.root / "in", ("all",), plain.ground.root.parent / "state", destroy=("names",))
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        erase_with(writer)
        writer.act(ScrubNames(), Acting().given())
    assert plain.ground.hits(ATTRIBUTE, mark) == 0


def test_times_of_what_is_gone_tell_nothing(plain: Case) -> None:
    """An inode that nobody has any more still holds when its file was read and written last."""
    victim = next(path for path in (plain.ground.root / "in" / "all").iterdir() if path.is_file())
    inode = victim.stat().st_ino
    os.utime(victim, (0x5EC2E7, 0x5EC2E8))
    acted(plain, lambda writer, given: None)
    plain.ground.sync()
    told = run("debugfs", "-R", f"stat <{inode}>", plain.ground.storage[0])
    assert "Links: 0" in told
    assert "1970" in told.split("mtime:")[1].splitlines()[0]


SEEDS = {
    1024: ("5f74798e-1c0d-4e57-9a3b-77d2c1a0b6e4", 0),
    # Four bytes of a name stand behind an entry that stays, where no entry fits: of every five seeds one has such.
    1025: ("9b810e76-6ec9-d286-63ca-828dd5f4b3b2", 1),
    4096: ("5f74798e-1c0d-4e57-9a3b-77d2c1a0b6e4", 0),
}
"""Of what the hashes of names start from, by size of block, and blocks that the directory grows by."""


@pytest.mark.parametrize("which", SEEDS)
def test_a_large_directory_that_stays_keeps_no_name_that_went(tmp_path: Path, which: int) -> None:
    """An indexed directory copies names aside when it splits a block; only a name with the right hash comes there. The
    directory grows only where no entry fits into a gap, and nothing stays in it that was not there."""
    (seed, growth), block_size = SEEDS[which], which & ~1
    with ext4("-b", str(block_size), "-N", "8192", "-E", f"hash_seed={seed}", size=48 << 20)(tmp_path) as ground:
        folder = ground.root / "in"
        count = 6000 if block_size == 4096 else 2500
        kept = emptied(ground, folder, NAME.decode(), count)
        size = folder.stat().st_size
        places = [int(one) for one in run("debugfs", "-R", "blocks /in", device_of(ground)).split()]
        assert names_in(ground, places, block_size) > 0
        assert scrubbed(ground, folder, block_size)
        ground.sync()
        places = [int(one) for one in run("debugfs", "-R", "blocks /in", device_of(ground)).split()]
        assert names_in(ground, places, block_size) == 0
        assert folder.stat().st_size == size + growth * block_size
        assert sorted(path.name for path in folder.iterdir()) == kept


def emptied(ground: Ground, folder: Path, name: str, count: int) -> list[str]:
    """A directory of so many names, two thirds of which are gone again; those that stay."""
    folder.mkdir()
    for number in range(count):
        (folder / (f"kept-{number}" if number % 3 == 0 else f"{name}{number:04d}")).touch()
    ground.sync()
    for number in range(count):
        if number % 3:
            (folder / f"{name}{number:04d}").unlink()
    ground.sync()
    return sorted(path.name for path in folder.iterdir())


def test_directories_of_every_layout_are_scrubbed_clean(tmp_path: Path) -> None:
    """Where a name comes to lie is the hash's choice: twenty sets of names stand for twenty seeds, and some of them
    leave bytes where no entry fits."""
    cramped = 0
    seed = "0d5c1b1e-53a1-4b0f-8a77-3f6c2d9e4b10"
    with ext4("-b", "1024", "-N", "16384", "-E", f"hash_seed={seed}", size=32 << 20)(tmp_path) as ground:
        for number in range(20):
            folder = ground.root / f"in-{number}"
            kept = emptied(ground, folder, f"{number:02d}-{NAME.decode()}", 500)
            descriptor, raw = os.open(folder, os.O_RDONLY), os.open(device_of(ground), os.O_RDONLY)
            try:
                before = gaps_of(descriptor, raw, 1024)
            finally:
                os.close(descriptor)
                os.close(raw)
            assert before is not None
            cramped += bool(before.cramped)
            assert scrubbed(ground, folder, 1024), number
            assert sorted(path.name for path in folder.iterdir()) == kept
    assert cramped > 0, "the layouts show what they are to show"


def names_in(ground: Ground, places: list[int], block_size: int) -> int:
    """How often a name stands in these blocks of the image."""
    with ground.storage[0].open("rb") as image:
        return sum(os.pread(image.fileno(), block_size, place * block_size).count(NAME) for place in places)


def test_a_gap_in_which_names_stand_is_filled(tmp_path: Path) -> None:
    """An older kernel clears nothing when it removes a name; what it left is found and written over."""
    with ext4("-b", "4096", "-O", "^metadata_csum", size=16 << 20)(tmp_path) as ground:
        folder, device = ground.root / "in", device_of(ground)
        folder.mkdir()
        for number in range(40):
            (folder / f"{NAME.decode()}{number:04d}").touch()
        (folder / "kept").touch()
        ground.sync()
        offset = int(run("debugfs", "-R", "blocks /in", device).split()[0]) * 4096
        before = block_at(ground, offset)
        for number in range(40):
            (folder / f"{NAME.decode()}{number:04d}").unlink()
        run("umount", device)
        try:
            now, kept = bytearray(block_at(ground, offset)), before.index(b"kept") - 8
            assert NAME not in now
            # Behind the number and length of an entry of nobody, what an older kernel leaves there.
            now[24 + 8 : kept] = before[24 + 8 : kept]
            with open(device, "r+b", buffering=0) as raw:
                raw.seek(offset)
                raw.write(now)
        finally:
            run("mount", device, ground.root)
        assert block_at(ground, offset).count(NAME) == 40
        assert scrubbed(ground, folder, 4096)
        ground.sync()
        assert NAME not in block_at(ground, offset)
        assert [path.name for path in folder.iterdir()] == ["kept"]


def scrubbed(ground: Ground, folder: Path, block_size: int) -> bool:
    """Whether nothing stands in the gaps of a directory once they were filled."""
    descriptor, raw = os.open(folder, os.O_RDONLY), os.open(device_of(ground), os.O_RDONLY)
    try:
        found = scrub(descriptor, raw, block_size)
        after = gaps_of(descriptor, raw, block_size)
        assert after is not None
        assert found == (after.stale == after.lost == 0), after
        return found
    finally:
        os.close(descriptor)
        os.close(raw)


def block_at(ground: Ground, offset: int) -> bytes:
    with ground.storage[0].open("rb") as image:
        image.seek(offset)
        return image.read(4096)


def test_contents_that_a_file_has_journaled_are_gone_from_the_journal(tmp_path: Path) -> None:
    """A file may ask for it alone (chattr +j needs more than root here), where allocation is not delayed: then the
    journal goes round for it."""
    with ext4("-b", "4096", size=24 << 20, options="nodelalloc")(tmp_path) as ground:
        folder, device = ground.root / "in", device_of(ground)
        folder.mkdir()
        (folder / "a").touch()
        run("umount", device)
        try:
            run("debugfs", "-w", "-R", "set_inode_field /in/a flags 0x84000", device)
        finally:
            run("mount", "--options", "nodelalloc", device, ground.root)
        (folder / "a").write_bytes(CONTENT * 2000)
        run("umount", device)
        run("mount", "--options", "nodelalloc", device, ground.root)
        assert ground.hits(CONTENT) > 3000, "in their place, and in the journal"
        ordered = order_files(folder, ("a",), tmp_path / "state")
        target = ordered.target()
        assert target.obstacles == ()
        with ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False) as writer:
            assert erase_with(writer).readback.matched == target.size
        assert ground.hits(CONTENT) == 0


def device_of(ground: Ground) -> str:
    return device_of_image(ground.storage[0])


def device_of_image(image: Path) -> str:
    return run("losetup", "--associated", image, "--output", "NAME", "--noheadings").strip()


def reserve_of(ground: Ground) -> Path:
    return Path("/sys/fs/ext4") / Path(device_of(ground)).name / "reserved_clusters"


def test_a_fill_that_is_stopped_gives_everything_back(plain: Case) -> None:
    """A person stops it: the machine has its free space and its reserve again, and a resume begins anew."""
    kept_back, free = reserve_of(plain.ground).read_text(), os.statvfs(plain.ground.root).f_bfree
    acting = Acting()

    def told(done: int, total: int) -> None:
        assert reserve_of(plain.ground).read_text() == "0\n"
        acting.stop.set()

    acting.told = told

    def then(writer: Writer, given: Given) -> None:
        with pytest.raises(Halted):
            writer.act(FillFree(), acting.given())

    acted(plain, then)
    assert reserve_of(plain.ground).read_text() == kept_back
    assert os.statvfs(plain.ground.root).f_bfree >= free
    assert [path.name for path in (plain.ground.root / "in").iterdir()] == ["kept"]


def killed_amid(case: Case) -> None:
    """A process that has everything overwritten and released, and is killed while it fills the last free space."""
    with case.ordered.host.open(
        case.ordered.target(), case.ordered.carrier, case.ordered.selector, resuming=False
    ) as writer:
        erase_with(writer)
        acting = Acting()
        acting.told = lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done > total // 2 else None
        writer.act(FillFree(), acting.given())


def test_a_fill_that_was_killed_leaves_its_space_free_and_is_completed(plain: Case) -> None:
    """Nobody may find the disk full after a crash, and the reserve comes back with the next run."""
    kept_back, free = reserve_of(plain.ground).read_text(), os.statvfs(plain.ground.root).f_bfree
    child = multiprocessing.get_context("fork").Process(target=killed_amid, args=(plain,))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    root = plain.ground.root / "in"
    assert reserve_of(plain.ground).read_text() == "0\n"
    assert os.statvfs(plain.ground.root).f_bfree > free // 2, "what had no name is free again"
    assert len(list(root.iterdir())) == 2, "the directory of links stays until the next run"
    ordered = plain.ordered
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=True) as writer:
        assert reserve_of(plain.ground).read_text() == kept_back
        filled = writer.act(FillFree(), Acting().given(resumed=True))
    assert isinstance(filled, FillRecord)
    assert filled.is_complete
    assert reserve_of(plain.ground).read_text() == kept_back
    assert [path.name for path in root.iterdir()] == ["kept"]
    assert plain.ground.hits(CONTENT, HISTORY, ATTRIBUTE) == 0


def test_blocks_that_another_file_never_wrote_are_named(plain: Case) -> None:
    """What stood in them before is behind zeros for every reader of the file, and no fill can reach it."""
    run("fallocate", "--length", "1MiB", plain.ground.root / "in" / "kept-too")

    def then(writer: Writer, given: Given) -> None:
        filled = writer.act(FillFree(), given)
        assert isinstance(filled, FillRecord)
        assert (filled.is_complete, filled.left) == (False, ("unwritten-extents",))

    acted(plain, then)


def test_a_file_system_that_became_read_only_ends_the_run(plain: Case) -> None:
    """Nothing was written from then on, and nothing says that it was."""
    ordered = plain.ordered
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        extents = list(writer.layout("whole"))
        writer.write(extents[0].stream, 0, memoryview(bytearray(extents[0].length)))
        writer.flush()
        run("mount", "--options", "remount,ro", device_of(plain.ground), plain.ground.root)
        try:
            with pytest.raises(Lost) as caught:
                writer.write(extents[1].stream, 0, memoryview(bytearray(extents[1].length)))
            assert caught.value.facts["detail"] == "EROFS"
            with pytest.raises(Lost):
                writer.act(FillFree(), Acting().given())
            with pytest.raises(Lost):
                writer.release()
        finally:
            run("mount", "--options", "remount,rw", device_of(plain.ground), plain.ground.root)
    assert len(list((plain.ground.root / "in" / "all").iterdir())) > COUNT // 2


def test_a_directory_that_went_unclean_is_remembered_through_a_crash(tmp_path: Path) -> None:
    """A resume finds it gone, and must not call complete what another process left."""
    with xfs()(tmp_path) as ground:
        case = laid(ground, tmp_path)
        ordered = case.ordered
        with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
            erase_with(writer)
            kept = sorted(path.suffix for path in (tmp_path / "state").iterdir())
            assert kept == [".released", ".unclean"]
            scrubbed = writer.act(ScrubNames(), Acting().given())
        assert isinstance(scrubbed, NamesRecord)
        assert scrubbed.left == ("names-in-directories",)
        assert list((tmp_path / "state").iterdir()) == []
