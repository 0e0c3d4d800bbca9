"""Files on a real ext4: their contents are nowhere on the raw image afterwards, and the read-back says so."""

from __future__ import annotations

import json
import mmap
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.statements import Residual
from tests.support.erasing import ZEROS, Ordered, erase, order_files, write_all
from tests.support.ext4_image import Mounted, ext4_image, run
from tests.support.scanner import total_found

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-%04d-7f3a9c"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with ext4_image(tmp_path) as found:
        yield found


def needle(number: int) -> bytes:
    return NEEDLE % number


def content(number: int, size: int) -> bytes:
    """Text full of one needle."""
    line = needle(number) + b" " + b"x" * 40 + b"\n"
    return (line * (size // len(line) + 1))[:size]


def order(disk: Mounted, *names: str, root: Path | None = None) -> Ordered:
    disk.sync()
    return order_files(root or disk.root / "in", names, disk.image.parent / "state")


def fill(folder: Path, sizes: tuple[int, ...]) -> list[bytes]:
    """Files of these sizes, each with its own needle."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(sizes):
        (folder / f"secret-{number}.txt").write_bytes(content(number, size))
    return [needle(number) for number in range(len(sizes))]


SIZES = (1, 60, 803, 4095, 4096, 4097, 70_000, 300_000, 2_000_003)


@pytest.mark.parametrize("block_size", [1024, 4096])
def test_no_content_is_left_on_the_raw_image(tmp_path: Path, block_size: int) -> None:
    """The one promise: what the files held is found before by an independent reader, and nowhere after."""
    with ext4_image(tmp_path, block_size=block_size) as disk:
        needles = fill(disk.root / "in" / "deep" / "er", SIZES)
        ordered = order(disk, "deep")
        assert total_found(disk.image, needles) > 1000
        target = ordered.target()
        assert (target.objects, target.obstacles) == (len(SIZES), ())
        erased = erase(ordered)
        disk.sync()
        assert total_found(disk.image, needles) == 0
        assert erased.readback.matched == target.size
        assert erased.readback.mismatched_size == erased.readback.unread_size == erased.unwritten == 0
        assert not (disk.root / "in" / "deep").exists()
        assert erased.names == len(SIZES) + 2


def test_a_constant_pass_leaves_nothing_either(disk: Mounted) -> None:
    """The pattern is the engine's matter; the blocks are the writer's."""
    needles = fill(disk.root / "in", SIZES)
    ordered = order(disk, *(f"secret-{number}.txt" for number in range(len(SIZES))))
    erased = erase(ordered, ZEROS)
    disk.sync()
    assert (erased.readback.unread_size, erased.readback.mismatched_size) == (0, 0)
    assert total_found(disk.image, needles) == 0
    assert list((disk.root / "in").iterdir()) == []


def test_neighbours_keep_every_byte(disk: Mounted) -> None:
    """What no order names is not touched, though it lies in the same directory."""
    fill(disk.root / "in", SIZES)
    kept = disk.root / "in" / "kept.txt"
    kept.write_bytes(content(77, 90_001))
    erase(order(disk, *(f"secret-{number}.txt" for number in range(len(SIZES)))))
    assert kept.read_bytes() == content(77, 90_001)
    assert [path.name for path in (disk.root / "in").iterdir()] == ["kept.txt"]


def test_attributes_are_said_not_to_be_reached(disk: Mounted) -> None:
    """They lie in the inode or in a block of their own, which no extent of the file names."""
    fill(disk.root / "in", SIZES)
    name = "secret-1.txt"
    os.setxattr(disk.root / "in" / name, "user.summary", b"SECRET-IN-AN-ATTRIBUTE" * 50)
    ordered = order(disk, name)
    assert Residual("extended-attributes") in ordered.target().residual
    erase(ordered)
    disk.sync()
    assert total_found(disk.image, [b"SECRET-IN-AN-ATTRIBUTE"]) > 0


def test_the_slack_behind_the_last_byte_is_overwritten(disk: Mounted) -> None:
    """A file cut short keeps its old bytes behind its end, in the block that is still its own."""
    folder = disk.root / "in"
    folder.mkdir()
    victim = folder / "short.txt"
    victim.write_bytes(content(5, 4096))
    disk.sync()
    offset = json.loads(extents_of(disk, "short.txt").splitlines()[0])["physical"]
    with disk.device.open("r+b", buffering=0) as raw:
        # Bytes behind the end, as an older kernel or another writer would leave them: ext4 itself clears them.
        os.truncate(victim, 100)
        disk.sync()
        raw.seek(offset + 200)
        raw.write(needle(6))
        os.fsync(raw.fileno())
    assert total_found(disk.image, [needle(6)]) == 1
    erase(order(disk, "short.txt"))
    disk.sync()
    assert total_found(disk.image, [needle(5), needle(6)]) == 0


def extents_of(disk: Mounted, *names: str) -> bytes:
    """The extents that a writer would address, without writing."""
    ordered = order(disk, *names)
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        return b"".join(writer.physical_extents() or ())


def test_blocks_reserved_beyond_the_end_are_overwritten(disk: Mounted) -> None:
    """fallocate hands out blocks with what others left in them; no reader of the file ever sees it."""
    folder = disk.root / "in"
    fill(folder, (3_000_000,))
    disk.sync()
    old = json.loads(extents_of(disk, "secret-0.txt").splitlines()[0])
    os.unlink(folder / "secret-0.txt")
    disk.sync()
    victim = folder / "reserved.txt"
    victim.write_bytes(content(1, 5000))
    run("fallocate", "--keep-size", "--length", "20MiB", victim)
    disk.sync()
    assert total_found(disk.image, [needle(0)]) > 0, "the old content lies in free or reserved blocks"
    assert victim.stat().st_size == 5000
    ordered = order(disk, "reserved.txt")
    assert ordered.target().size >= 20 << 20
    extents = [json.loads(line) for line in extents_of(disk, "reserved.txt").splitlines()]
    assert any(e["physical"] <= old["physical"] < e["physical"] + e["length"] for e in extents)
    erased = erase(ordered)
    disk.sync()
    assert erased.readback.matched == ordered_size(extents)
    assert total_found(disk.image, [needle(0), needle(1)]) == 0


def ordered_size(extents: list[dict[str, int]]) -> int:
    return sum(extent["length"] for extent in extents)


def test_holes_stay_holes(disk: Mounted) -> None:
    """Nothing is allocated for the erasure: a terabyte of nothing must not fill the disk."""
    folder = disk.root / "in"
    folder.mkdir()
    victim = folder / "sparse.txt"
    with victim.open("wb") as file:
        for place in (0, 10 << 20, 1 << 40):
            file.seek(place)
            file.write(content(3, 9000))
    ordered = order(disk, "sparse.txt")
    blocks = victim.stat().st_blocks
    assert ordered.target().size == 3 * 12288
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        for extent in writer.layout("whole"):
            writer.write(extent.stream, extent.offset, memoryview(bytes(extent.length)))
        writer.flush()
    assert victim.stat().st_blocks == blocks
    disk.sync()
    assert total_found(disk.image, [needle(3)]) == 0


def test_a_file_in_many_pieces_is_overwritten_whole(disk: Mounted) -> None:
    """The kernel tells extents in batches; those of a later batch hold content too."""
    victim = disk.root / "in" / "pieces.txt"
    victim.parent.mkdir()
    with victim.open("wb") as file:
        for number in range(100):
            file.seek(number * 8192)
            file.write(content(2, 4096))
    ordered = order(disk, "pieces.txt")
    assert ordered.target().size == 100 * 4096
    erased = erase(ordered)
    assert (erased.readback.matched, len(erased.extents.splitlines())) == (100 * 4096, 100)
    disk.sync()
    assert total_found(disk.image, [needle(2)]) == 0


def test_the_first_write_makes_a_file_as_long_as_its_blocks(disk: Mounted) -> None:
    """Blocks behind a file's end are otherwise out of reach for whoever writes them first."""
    victim = disk.root / "in" / "reserved.txt"
    victim.parent.mkdir()
    victim.write_bytes(content(1, 5000))
    run("fallocate", "--keep-size", "--length", "1MiB", victim)
    ordered = order(disk, "reserved.txt")
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        assert victim.stat().st_size == 5000
        writer.write(0, 0, memoryview(mmap.mmap(-1, 4096)))
        assert victim.stat().st_size == 1 << 20


def test_hard_links_inside_the_order_are_one_file(disk: Mounted) -> None:
    """Every inode is written once, and every ordered name of it goes."""
    folder = disk.root / "in" / "all"
    needles = fill(folder, (9000, 9000))
    os.link(folder / "secret-0.txt", folder / "again.txt")
    (folder / "below").mkdir()
    os.link(folder / "secret-0.txt", folder / "below" / "third.txt")
    ordered = order(disk, "all")
    assert (ordered.target().objects, ordered.reasons()) == (2, set())
    erased = erase(ordered)
    assert erased.names == 6
    disk.sync()
    assert total_found(disk.image, needles) == 0
    assert not folder.exists()


def test_links_and_special_files_go_with_their_directory_and_are_never_opened(disk: Mounted) -> None:
    """A link's target belongs to somebody else; a pipe that is opened blocks."""
    folder = disk.root / "in" / "all"
    needles = fill(folder, (9000,))
    outside = disk.root / "outside.txt"
    outside.write_bytes(content(9, 5000))
    (disk.root / "elsewhere").mkdir()
    (disk.root / "elsewhere" / "file.txt").write_bytes(content(9, 5000))
    (folder / "link").symlink_to(outside)
    (folder / "way-out").symlink_to(disk.root / "elsewhere", target_is_directory=True)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "door"))
    os.mknod(folder / "node", 0o020600, os.makedev(1, 5))
    ordered = order(disk, "all")
    assert (ordered.target().objects, ordered.reasons()) == (1, set())
    erased = erase(ordered)
    assert erased.names == 7
    assert not folder.exists()
    assert outside.read_bytes() == (disk.root / "elsewhere" / "file.txt").read_bytes() == content(9, 5000)
    disk.sync()
    assert total_found(disk.image, needles) == 0


def test_names_that_are_no_text_are_erased_too(disk: Mounted) -> None:
    """A file name is bytes."""
    folder = os.fsencode(disk.root / "in" / "all")
    os.makedirs(folder)
    for name in (b"\xff\xfe\x80", "数据.txt".encode(), b"line\nbreak", b"-rf", b"a" * 255):
        with open(folder + b"/" + name, "wb") as file:
            file.write(content(4, 6000))
    ordered = order(disk, "all")
    assert ordered.target().objects == 5
    erase(ordered)
    disk.sync()
    assert total_found(disk.image, [needle(4)]) == 0
    assert not os.path.exists(folder)


def test_an_empty_file_has_nothing_to_write_and_still_goes(disk: Mounted) -> None:
    """Its name is part of the order all the same."""
    fill(disk.root / "in", (0, 5000))
    erased = erase(order(disk, "secret-0.txt", "secret-1.txt"))
    assert (erased.names, erased.readback.unread_size) == (2, 0)
    assert list((disk.root / "in").iterdir()) == []


def test_the_physical_extents_are_those_of_filefrag(disk: Mounted) -> None:
    """An auditor re-reads the storage by this list; another program must come to the same places."""
    folder = disk.root / "in"
    fill(folder, (300_000,))
    lines = [json.loads(line) for line in extents_of(disk, "secret-0.txt").splitlines()]
    printed = run("filefrag", "-e", "-b1", folder / "secret-0.txt")
    rows = [row.replace(":", " ").replace("..", " ").split() for row in printed.splitlines()]
    told = [(int(row[1]), int(row[3]), int(row[5])) for row in rows if row and row[0].isdigit()]
    assert [(line["logical"], line["physical"], line["length"]) for line in lines] == told
    assert {key for line in lines for key in line} == {"stream", "logical", "physical", "length"}


def test_the_read_back_is_not_answered_by_a_cache(disk: Mounted) -> None:
    """Below a loop device the image file has a cache of its own, which would repeat what was written."""
    fill(disk.root / "in", (300_000,))
    ordered = order(disk, "secret-0.txt")
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        write_all(writer)
        writer.flush()
        assert cached(disk.image) >= 300_000
        writer.settle()
        assert cached(disk.image) == 0


def cached(image: Path) -> int:
    """Bytes of a file that are in memory, as another program tells."""
    return int(run("fincore", "--bytes", "--noheadings", "--output", "RES", image))


def test_many_small_files_share_one_barrier(disk: Mounted) -> None:
    """A barrier for each file would make the run hundreds of times slower; all are gone after one."""
    needles = fill(disk.root / "in" / "many", (4000,) * 300)
    ordered = order(disk, "many")
    target = ordered.target()
    open_before = len(os.listdir("/proc/self/fd"))
    with ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False) as writer:
        for extent in writer.layout("whole"):
            writer.write(extent.stream, extent.offset, memoryview(bytes(extent.length)))
        writer.flush()
        assert len(os.listdir("/proc/self/fd")) - open_before < 100
        writer.settle()
        assert total_found(disk.image, needles) == 0
        assert writer.release() == 301
    assert list((disk.root / "in").iterdir()) == []
