"""A hunt on real file systems: what is left is found wherever it lies, and each find's place is told."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.encoding import digest
from certificates.statements import ResidueHunt
from tests.support import grounds
from tests.support.acting import Acting
from tests.support.ext4_image import run
from wipers.acts import Halted, Sample
from wipers.linux.extents import map_extents
from wipers.linux.filesystems import file_system_of
from wipers.linux.machine import Machine
from wipers.linux.needlebox import NeedleBox
from wipers.linux.residue import Ground, hunt_on, sample
from wipers.linux.whereabouts import Whereabouts, root_of
from wipers.needles import LENGTH, Needle

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

KEY = bytes(32)


def secret(number: int) -> bytes:
    """A value that stands nowhere by chance."""
    return hashlib.shake_128(f"secret {number}".encode()).digest(LENGTH)


def needle(number: int) -> Needle:
    return Needle(number, "contents", secret(number))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(runs=tmp_path / "runs")


@pytest.fixture
def box(machine: Machine, tmp_path: Path) -> Iterator[NeedleBox]:
    kept = NeedleBox(f"test-{digest(str(tmp_path).encode())[7:23]}", machine)
    assert kept.obstacle() is None, "these tests need /dev/shm, and no swap in the clear"
    yield kept
    kept.destroy()


def ground_of(root: Path, machine: Machine, **more: object) -> Ground:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        return Ground(file_system_of(descriptor, machine), **more)  # type: ignore[arg-type]
    finally:
        os.close(descriptor)


def hunted(
    ground: Ground, box: NeedleBox, machine: Machine, *needles: Needle, acting: Acting | None = None
) -> ResidueHunt:
    box.keep(needles, KEY)
    return hunt_on((ground,), (acting or Acting()).given(), box, KEY, machine)


def places(found: ResidueHunt) -> dict[str, int]:
    return {one.place: one.count for one in found.hits}


def deleted(root: Path, name: str, content: bytes) -> None:
    """A file that was written, synced and removed."""
    path = root / name
    path.write_bytes(content)
    run("sync", "--file-system", root)
    path.unlink()


def numbers(acting: Acting) -> dict[int, set[str]]:
    """Places of each needle's finds, as the evidence lists them."""
    found: dict[int, set[str]] = {}
    for line in acting.lines("hunt-1.jsonl"):
        found.setdefault(line["number"], set()).add(line["place"])
    return found


def lay_everywhere(root: Path) -> None:
    """A value in a live file, in one removed, behind the end of one, in a directory's block, and packed in a file."""
    # Enough of it that what is laid next cannot take all of its blocks.
    deleted(root, "gone", (secret(1) + bytes(5000)) * 50)
    (root / "live").write_bytes(b"x" * 100 + secret(2))
    slack = root / "slack"
    slack.write_bytes(b"y" * 200 + secret(3))
    run("sync", "--file-system", root)
    os.truncate(slack, 50)
    (root / "packed").write_bytes(zlib.compress(b"row " * 50 + secret(5)))
    (root / "ordered").write_bytes(secret(6))


IN_PLACE = {1: {"free"}, 2: {"other-file"}, 5: {"other-file"}, 6: {"engine"}}
"""Where each of those values lies; of what was cut off and of names the tests tell more."""


def hunted_everywhere(root: Path, name: bytes, machine: Machine, box: NeedleBox, acting: Acting) -> ResidueHunt:
    """A hunt for what was laid everywhere, and for a file's name."""
    ground = ground_of(root, machine, inodes={(root / "ordered").stat().st_ino: "engine"})
    wanted = (*map(needle, (1, 2, 3, 5, 6)), Needle(9, "names", name))
    return hunted(ground, box, machine, *wanted, acting=acting)


@pytest.mark.parametrize("options", [("-b", "1024"), ("-b", "4096"), ("-O", "^extents,^64bit,^flex_bg")])
def test_each_find_on_ext4_has_its_place(
    options: tuple[str, ...], tmp_path: Path, machine: Machine, box: NeedleBox
) -> None:
    """Free blocks, slack and files that nobody ordered are told apart, by the file system's own tables."""
    with grounds.ext4(*options)(tmp_path / "disk") as disk:
        lay_everywhere(disk.root)
        (disk.root / "secret-name-of-a-person-4711.txt").write_bytes(b"")
        run("sync", "--file-system", disk.root)
        acting = Acting()
        found = hunted_everywhere(disk.root, b"secret-name-of-a-person-4711.txt", machine, box, acting)
    told = numbers(acting)
    assert told | IN_PLACE == told
    # Cutting a file clears the rest of its last block where the file system writes it back; ext4 does not always.
    assert told.get(3, set()) <= {"slack", "free"}
    assert told[9] == {"directories", "file-system-journal"}
    assert (found.state, found.needles, found.names, found.size, found.unread_size) == ("made", 5, 1, 32 << 20, 0)
    assert found.located == digest(acting.evidence["hunt-1.jsonl"])
    assert acting.told[-1] == (found.size, found.size)


@pytest.mark.parametrize("ground", [grounds.ext4(), grounds.xfs()], ids=["ext4", "xfs"])
def test_finds_have_their_places_however_many_blocks_they_stand_in(
    ground: grounds.MakeGround, tmp_path: Path, machine: Machine, box: NeedleBox
) -> None:
    """A table that was dropped leaves its values in thousands of free blocks: in no place unknown, which would say less
    of a destruction than is known."""
    count = 5000
    with ground(tmp_path / "disk") as disk:
        deleted(disk.root, "gone", (secret(1) + bytes(4096 - LENGTH)) * count)
        run("sync", "--file-system", disk.root)
        found = hunted(ground_of(disk.root, machine), box, machine, needle(1))
    assert places(found) == {"free": count}


def test_what_stands_in_the_journal_of_ext4_is_told(tmp_path: Path, machine: Machine, box: NeedleBox) -> None:
    """data=journal keeps contents there after they were overwritten in place."""
    with grounds.ext4(options="data=journal")(tmp_path / "disk") as disk:
        path = disk.root / "file"
        path.write_bytes(secret(1) * 100)
        disk.sync()
        with path.open("r+b") as file:
            file.write(bytes(28 * 100))
        disk.sync()
        run("umount", disk.root)
        run("mount", "-o", "data=journal", *_device_and_root(tmp_path))
        found = hunted(ground_of(disk.root, machine), box, machine, needle(1))
    assert set(places(found)) == {"file-system-journal"}


def _device_and_root(tmp_path: Path) -> tuple[str, Path]:
    device = run("losetup", "--associated", tmp_path / "disk" / "disk.img", "--output", "NAME", "--noheadings").strip()
    return device, tmp_path / "disk" / "disk"


def test_blocks_that_a_file_was_given_and_never_wrote_are_told(
    tmp_path: Path, machine: Machine, box: NeedleBox
) -> None:
    """They read as zeros through the file, and hold what was there before; no fill of free space reaches them."""
    with grounds.ext4()(tmp_path / "disk") as disk:
        deleted(disk.root, "gone", secret(1) * 300_000)
        run("sync", "--file-system", disk.root)
        descriptor = os.open(disk.root / "reserved", os.O_RDWR | os.O_CREAT)
        room = os.statvfs(disk.root)
        os.posix_fallocate(descriptor, 0, (room.f_bavail - 64) * room.f_frsize)
        os.close(descriptor)
        found = hunted(ground_of(disk.root, machine), box, machine, needle(1))
    assert "unwritten" in places(found)


@pytest.mark.parametrize("options", [(), ("-m", "rmapbt=1"), ("-m", "reflink=0")])
def test_each_find_on_xfs_has_its_place(
    options: tuple[str, ...], tmp_path: Path, machine: Machine, box: NeedleBox
) -> None:
    """The file system's map of its space tells what is free, and its files tell what is theirs."""
    with grounds.xfs(*options)(tmp_path / "disk") as disk:
        lay_everywhere(disk.root)
        many = disk.root / "many"
        many.mkdir()
        for number in range(300):
            (many / f"file-{number:03d}-of-somebody").touch()
        # What was removed is free for certain once the file system was taken away.
        run("umount", disk.root)
        run("mount", *_device_and_root(tmp_path))
        acting = Acting()
        hunted_everywhere(disk.root, b"file-150-of-somebody", machine, box, acting)
    told = numbers(acting)
    assert told | IN_PLACE == told
    # Whether a block in use that is in no file holds a directory, the file system does not always tell.
    assert told[9]
    assert told[9] <= {"directories", "file-system-journal", "unknown"}


@pytest.mark.parametrize("profile", ["single", "dup"])
def test_each_find_on_btrfs_has_its_place_in_every_copy(
    profile: str, tmp_path: Path, machine: Machine, box: NeedleBox
) -> None:
    """Its files show addresses of its own: each find is turned back into one, and every copy is found."""
    make = ("mkfs.btrfs", "-q", "-f", "-m", "single", "-d", profile)
    with grounds.on_loop(tmp_path / "disk", *make, size=256 << 20) as disk:
        deleted(disk.root, "gone", secret(1) + bytes(9000))
        (disk.root / "live").write_bytes(b"x" * 9000 + secret(2))
        (disk.root / "ordered").write_bytes(bytes(9000) + secret(6))
        run("sync", "--file-system", disk.root)
        ordered = {(disk.root / "ordered").stat().st_ino: "engine"}
        acting = Acting()
        hunted(ground_of(disk.root, machine, inodes=ordered), box, machine, *map(needle, (1, 2, 6)), acting=acting)
        found = acting.lines("hunt-1.jsonl")
    copies = {"single": 1, "dup": 2}[profile]
    for number, place in ((1, "free"), (2, "other-file"), (6, "engine")):
        assert [line["place"] for line in found if line["number"] == number] == [place] * copies


def test_a_find_in_the_blocks_of_the_order_is_told_first(tmp_path: Path, machine: Machine, box: NeedleBox) -> None:
    """Whatever became of the blocks since: that is where it was to be gone from."""
    with grounds.ext4()(tmp_path / "disk") as disk:
        path = disk.root / "file"
        path.write_bytes(secret(1) + bytes(9000))
        with path.open("rb") as file:
            spans = tuple(("carrier", span.physical, span.length) for span in map_extents(file.fileno()).spans)
        path.unlink()
        found = hunted(ground_of(disk.root, machine, spans=spans), box, machine, needle(1))
    assert places(found) == {"carrier": 1}


def test_samples_are_kept_and_their_labels_alone_are_evidence(tmp_path: Path, machine: Machine, box: NeedleBox) -> None:
    """What was sampled leaves the host in no form that tells it."""
    acting = Acting(number=3)
    needles = (needle(0), needle(1), Needle(2, "names", b"a-name-that-tells.txt"))
    record = sample(Sample(names=True), acting.given(), box, lambda key: needles, KEY)
    assert (record.step, record.needles, record.names, record.impossible) == (3, 2, 1, None)
    kept = box.load()
    assert kept is not None
    assert kept.needles == needles
    lines = acting.lines("needles-3.jsonl")
    assert [line["number"] for line in lines] == [0, 1, 2]
    told = acting.evidence["needles-3.jsonl"]
    assert not any(one.value in told or one.value.hex().encode() in told for one in needles)


def test_names_are_left_out_where_nobody_asked(machine: Machine, box: NeedleBox) -> None:
    """A name that is found again would speak against a claim that never spoke of it."""
    needles = (needle(0), Needle(1, "names", b"a-name-that-tells.txt"))
    record = sample(Sample(names=False), Acting().given(), box, lambda key: needles, KEY)
    assert (record.needles, record.names) == (1, 0)


def test_nothing_telling_is_no_sample_and_no_hunt(tmp_path: Path, machine: Machine, box: NeedleBox) -> None:
    """Zeros cannot be looked for; the certificate says so, and says nothing of their absence."""
    record = sample(Sample(names=False), Acting().given(), box, lambda key: (), KEY)
    assert (record.needles, record.impossible) == (0, "nothing-telling")
    with grounds.ext4()(tmp_path / "disk") as disk:
        found = hunt_on((ground_of(disk.root, machine),), Acting().given(), box, KEY, machine)
    assert (found.state, found.needles, found.size) == ("needles-lost", 0, 0)


def test_what_has_no_storage_that_can_be_read_is_not_hunted_on(
    tmp_path: Path, machine: Machine, box: NeedleBox
) -> None:
    """A file system in memory has nothing below it."""
    with grounds.tmpfs(tmp_path) as memory:
        found = hunted(ground_of(memory.root, machine), box, machine, needle(1))
    assert found.state == "storage-not-readable"


def test_a_hunt_that_is_stopped_leaves_its_needles(tmp_path: Path, machine: Machine, box: NeedleBox) -> None:
    """A resume hunts again, from the first byte on."""
    acting = Acting()
    acting.stop.set()
    with grounds.ext4()(tmp_path / "disk") as disk, pytest.raises(Halted):
        hunted(ground_of(disk.root, machine), box, machine, needle(1), acting=acting)
    assert box.load() is not None


def test_places_are_unknown_where_nothing_can_be_asked(tmp_path: Path, machine: Machine) -> None:
    """Unsure is unknown, and never free."""
    with grounds.tmpfs(tmp_path) as memory:
        ground = ground_of(memory.root, machine)
        root = root_of(ground.file_system, machine)
        try:
            assert Whereabouts(ground, root).places((0, 4096)) == {0: "unknown", 4096: "unknown"}
        finally:
            os.close(root or 0)
