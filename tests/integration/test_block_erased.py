"""Loop devices and image files on this machine: overwritten, and proven by what lies on the storage below them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.rereading import Medium
from certificates.audit.patterns import expected as expected_bytes
from certificates.statements import Extent, FullReadBack, KeystreamPattern, Outcome, OverwriteRecord
from tests.support.bench import (
    MIB,
    Bench,
    RealRun,
    bench_in,
    carrier_of,
    full_of_needles,
    identity_of,
    image_identity,
    path_selector,
)
from tests.support.ext4_image import run
from wipers.linux import blocks
from wipers.linux.direct import Storage, open_descriptor, page_aligned
from wipers.linux.loops import cached_pages
from wipers.linux.machine import THIS_MACHINE
from wipers.model import MediumError

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def read_back(done: RealRun) -> FullReadBack:
    (check,) = done.evidence.checks
    assert isinstance(check, FullReadBack)
    return check


def key_of(done: RealRun) -> str:
    (record,) = done.evidence.records
    assert isinstance(record, OverwriteRecord)
    assert isinstance(record.pattern, KeystreamPattern)
    return record.pattern.key


@pytest.mark.parametrize("options", [(), ("--direct-io=on",), ("--sector-size", "4096")])
def test_a_loop_device_is_overwritten_and_proven(bench: Bench, options: tuple[str, ...]) -> None:
    """openssl alone regenerates what the backing file now holds, with the key from the evidence."""
    image = bench.image("image", 8 * MIB, full_of_needles(8 * MIB))
    device = bench.attach(image, *options)
    done = RealRun(bench.host, carrier_of(identity_of(bench.listed(device))))
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    assert (read_back(done).place, read_back(done).matched) == ("device", 8 * MIB)
    os.sync()
    assert b"NEEDLE" not in image.read_bytes()
    expected = subprocess.run(
        ["openssl", "enc", "-aes-256-ctr", "-K", key_of(done), "-iv", "0" * 32],
        input=bytes(8 * MIB),
        capture_output=True,
        check=True,
    ).stdout
    assert image.read_bytes() == expected


@pytest.mark.parametrize(("scheme", "passes"), [("ncsc-tg-025", 3), ("us-army-ar380-19", 3), ("gutmann-35", 35)])
def test_a_scheme_leaves_its_last_pass_on_a_loop_device(bench: Bench, scheme: str, passes: int) -> None:
    """Nothing is appended: the backing file holds what the last record says, byte for byte."""
    image = bench.image("image", 2 * MIB, full_of_needles(2 * MIB))
    device = bench.attach(image)
    done = RealRun(bench.host, carrier_of(identity_of(bench.listed(device)), scheme))
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    records = [record for record in done.evidence.records if isinstance(record, OverwriteRecord)]
    assert len(records) == passes
    assert read_back(done).compared_with == passes - 1
    os.sync()
    assert image.read_bytes() == expected_bytes(records[-1].pattern, 0, 2 * MIB)


def test_an_image_file_is_overwritten_with_its_holes_and_its_odd_tail(bench: Bench) -> None:
    """A hole has blocks of nobody's; once written it has its own, and they are read back below the file system."""
    image = bench.ext4() / "image"
    image.write_bytes(full_of_needles(MIB))
    os.truncate(image, 4 * MIB + 777)
    before = image.stat()
    done = RealRun(bench.host, carrier_of(image_identity(image)), path_selector(image))
    done.go()
    assert done.claim.outcome is Outcome.PROVEN
    check = read_back(done)
    assert (check.place, check.matched, check.unread_size) == ("below-file-system", 4 * MIB + 777, 0)
    assert check.extents is not None
    after = image.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert after.st_blocks * 512 >= 4 * MIB + 777
    assert b"NEEDLE" not in image.read_bytes()


def test_what_a_devices_sectors_do_not_cover_is_a_finding(bench: Bench) -> None:
    """Such a tail can be neither written nor read through the device; silence about it would be a lie."""
    image = bench.image("image", MIB + 1536, full_of_needles(MIB + 1536))
    device = bench.attach(image, "--sector-size", "4096")
    done = RealRun(bench.host, carrier_of(identity_of(bench.listed(device))))
    if done.plan.size % 4096 == 0:
        pytest.skip("this kernel rounds a loop device down to whole sectors")
    done.go()
    assert done.claim.outcome is Outcome.NOT_REACHED
    assert (read_back(done).matched, read_back(done).unread_size) == (MIB, 1536)


def nested(bench: Bench) -> tuple[Path, Path, Path]:
    """A loop device over a file of an ext4 on a loop device: the medium at the bottom, that file, the device on top."""
    inner = bench.ext4() / "inner"
    inner.write_bytes(full_of_needles(4 * MIB))
    os.sync()
    return bench.folder / "disk.img", inner, bench.attach(inner)


def test_the_page_cache_cannot_answer_for_the_medium(bench: Bench) -> None:
    """Two caches lie between this device and its medium: until `settle` they give back what was written, whatever
    became of it below."""
    medium, _, device = nested(bench)
    target = bench.listed(device)
    mark, buffer = b"\xa5WRITTEN" * 512, page_aligned(4096)
    with blocks.hold(target, THIS_MACHINE) as writer:
        buffer[:] = mark
        writer.write(0, MIB, buffer)
        writer.settle()
        writer.read(0, MIB, buffer)
        damage(medium, mark)
        writer.read(0, MIB, buffer)
        assert bytes(buffer) == mark, "the cache has to hold what was written, or this test shows nothing"
        writer.settle()
        writer.read(0, MIB, buffer)
        assert bytes(buffer[:8]) == b"\x5aROTTEN."


def test_an_audit_reads_the_medium_again_and_no_cache(bench: Bench) -> None:
    """`audit --against` opens the device without holding it, but reads it the same way."""
    medium, inner, device = nested(bench)
    mark, buffer = b"\xa5WRITTEN" * 512, page_aligned(4096)
    with inner.open("r+b") as file:
        file.write(mark)
        os.fsync(file.fileno())
    with Storage(open_descriptor(str(device), os.O_RDONLY), str(device), 4 * MIB, 512) as storage:
        storage.read(0, buffer)
        damage(medium, mark)
        storage.read(0, buffer)
        assert bytes(buffer) == mark, "the cache has to hold what was written, or this test shows nothing"
        again = Medium(storage, 4 * MIB)
        again.settle()
        again.read(0, 0, buffer)
        assert bytes(buffer[:8]) == b"\x5aROTTEN."


@pytest.mark.parametrize("is_attached", [True, False], ids=["device", "image"])
def test_no_cache_of_a_whole_stack_answers_for_the_medium(bench: Bench, *, is_attached: bool) -> None:
    """Loop over file over loop over file over loop: each file's cache could hide what the medium lost."""
    middle = bench.ext4(48 * MIB, "outer") / "middle"
    middle.touch()
    os.truncate(middle, 24 * MIB)
    run("mkfs.ext4", "-q", "-F", middle)
    image = bench.mount(bench.attach(middle), "inner") / "image"
    image.write_bytes(bytes(4 * MIB))
    identity = identity_of(bench.listed(bench.attach(image))) if is_attached else image_identity(image)
    carrier, selector = carrier_of(identity), None if is_attached else path_selector(image)
    (target,) = bench.host.find(carrier, selector)
    mark, buffer = b"\xa5WRITTEN" * 512, page_aligned(4096)
    with bench.host.open(target, carrier, selector, resuming=False) as writer:
        buffer[:] = mark
        writer.write(0, MIB, buffer)
        writer.settle()
        writer.read(0, MIB, buffer)
        damage(bench.folder / "outer.img", mark)
        writer.settle()
        writer.read(0, MIB, buffer)
        assert bytes(buffer[:8]) == b"\x5aROTTEN."


def test_no_cache_of_a_loop_over_a_loop_answers_for_the_medium(bench: Bench) -> None:
    """The upper loop goes through the lower device's cache, and that through the cache of its file."""
    outer = bench.image("outer.img", 24 * MIB)
    run("mkfs.ext4", "-q", "-F", outer)
    image = bench.mount(bench.attach(bench.attach(outer)), "inner") / "image"
    image.write_bytes(bytes(4 * MIB))
    carrier, selector = carrier_of(image_identity(image)), path_selector(image)
    (target,) = bench.host.find(carrier, selector)
    mark, buffer = b"\xa5WRITTEN" * 512, page_aligned(4096)
    with bench.host.open(target, carrier, selector, resuming=False) as writer:
        buffer[:] = mark
        writer.write(0, MIB, buffer)
        writer.settle()
        writer.read(0, MIB, buffer)
        damage(outer, mark)
        writer.settle()
        writer.read(0, MIB, buffer)
        assert bytes(buffer[:8]) == b"\x5aROTTEN."


def damage(medium: Path, mark: bytes) -> None:
    """The medium loses what was written to it, and tells nobody."""
    with medium.open("r+b") as file:
        file.seek(medium.read_bytes().index(mark))
        file.write(b"\x5aROTTEN.")


def test_settling_leaves_no_page_of_the_backing_file_in_memory(bench: Bench) -> None:
    """fincore counts them without any code of ours."""
    _, inner, device = nested(bench)
    with blocks.hold(bench.listed(device), THIS_MACHINE) as writer:
        buffer = page_aligned(MIB)
        writer.read(0, 0, buffer)
        assert run("fincore", "--noheadings", "--bytes", "--output", "PAGES", inner).strip() != "0"
        writer.settle()
        assert run("fincore", "--noheadings", "--bytes", "--output", "PAGES", inner).strip() == "0"


def test_an_image_is_read_back_where_it_lies(bench: Bench) -> None:
    """What the storage below lost is seen, though the file system would still show what was written."""
    image = bench.ext4() / "image"
    image.write_bytes(bytes(MIB))
    target = bench.host.find(carrier_of(image_identity(image)), path_selector(image))[0]
    mark, buffer = b"\xa5WRITTEN" * 512, page_aligned(4096)
    carrier, selector = carrier_of(image_identity(image)), path_selector(image)
    with bench.host.open(target, carrier, selector, resuming=False) as writer:
        buffer[:] = mark
        writer.write(0, 8192, buffer)
        writer.settle()
        assert image.read_bytes()[8192:12288] == mark
        damage(bench.folder / "disk.img", mark)
        writer.settle()
        writer.read(0, 8192, buffer)
        assert bytes(buffer[:8]) == b"\x5aROTTEN."


def test_a_range_that_cannot_be_read_is_a_finding(bench: Bench) -> None:
    """A loop device over a file that was cut short answers EIO behind its end."""
    image = bench.image("image", 4 * MIB)
    device = bench.attach(image)
    with blocks.hold(bench.listed(device), THIS_MACHINE) as writer:
        os.truncate(image, 2 * MIB)
        writer.read(0, MIB, page_aligned(4096))
        with pytest.raises(MediumError) as caught:
            writer.read(0, 3 * MIB, page_aligned(4096))
    assert (caught.value.error, caught.value.extent) == ("EIO", Extent(0, 3 * MIB, 4096))


def test_a_medium_that_runs_out_of_blocks_is_never_proven(bench: Bench) -> None:
    """A thin device has no block for every sector; the run goes on, and says which it could not write."""
    small = bench.ext4(16 * MIB)
    thin = small / "thin"
    thin.touch()
    os.truncate(thin, 24 * MIB)
    device = bench.attach(thin, "--direct-io=on")
    done = RealRun(bench.host, carrier_of(identity_of(bench.listed(device))))
    done.go()
    assert done.claim.outcome is not Outcome.PROVEN
    (record,) = done.evidence.records
    assert isinstance(record, OverwriteRecord)
    assert record.failed_size > 0
    assert record.written + record.failed_size == 24 * MIB


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_RDWR | os.O_DIRECT])
def test_storage_reads_what_was_written_without_direct_access_too(bench: Bench, flags: int) -> None:
    """Where a file system refuses it, the cache is emptied around each read instead."""
    path = bench.image("file", MIB + 100, full_of_needles(MIB))
    with Storage(os.open(path, flags), "file", MIB + 100, 512) as storage:
        assert storage.is_direct == bool(flags & os.O_DIRECT)
        buffer = page_aligned(8192)
        buffer[:] = b"w" * 8192
        tail = buffer[: 7680 + 100]
        storage.write(MIB - 7680, tail)
        storage.settle()
        assert cached_pages(storage.descriptor) == 0
        buffer[:] = bytes(8192)
        storage.read(MIB - 7680, tail)
        assert bytes(tail) == b"w" * len(tail)
        storage.read(1000, buffer[:77])
        assert bytes(buffer[:77]) == full_of_needles(MIB)[1000:1077]


def test_nothing_is_written_behind_the_end(bench: Bench) -> None:
    """A file would grow, and the neighbour of a partition would suffer."""
    path = bench.image("file", 8192)
    with Storage(os.open(path, os.O_RDWR), "file", 8192, 512) as storage, pytest.raises(ValueError, match="outside"):
        storage.write(8192, page_aligned(512))
    assert path.stat().st_size == 8192
