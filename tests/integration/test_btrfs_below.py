"""btrfs read below: a file stands where the chunks say, in every copy; what differs or moved is not read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support import grounds
from tests.support.ext4_image import run
from wipers.linux.chunks import ChunkStorage
from wipers.linux.direct import page_aligned
from wipers.linux.extents import Span, map_extents, open_below
from wipers.linux.filesystems import file_system_of
from wipers.model import MediumError

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

CONTENT = hashlib.shake_128(b"content").digest(3_000_003)


@contextmanager
def laid(folder: Path, profile: str) -> Iterator[tuple[grounds.Ground, ChunkStorage, tuple[Span, ...]]]:
    """A file that is written in place on a btrfs, and what lies below it."""
    make = ("mkfs.btrfs", "-q", "-f", "-m", "dup", "-d", profile)
    with ExitStack() as held:
        disk = held.enter_context(grounds.on_loop(folder, *make, size=320 << 20, prepare=grounds.without_cow))
        path = disk.root / "in" / "file"
        path.write_bytes(CONTENT)
        disk.sync()
        descriptor = os.open(path, os.O_RDONLY)
        held.callback(os.close, descriptor)
        storage = open_below(file_system_of(descriptor), descriptor)
        assert isinstance(storage, ChunkStorage)
        held.enter_context(storage)
        storage.settle()
        yield disk, storage, map_extents(descriptor).spans


def read(storage: ChunkStorage, span: Span) -> bytes:
    buffer = page_aligned(span.length)
    storage.read(span.physical, buffer)
    return bytes(buffer)


@pytest.mark.parametrize(("profile", "copies"), [("single", 1), ("dup", 2)])
def test_a_file_is_read_where_its_chunks_lie(profile: str, copies: int, tmp_path: Path) -> None:
    """FIEMAP's addresses are btrfs's own: read as they are, another file's bytes would be compared."""
    with laid(tmp_path / "disk", profile) as (_, storage, spans):
        for span in spans:
            expected = CONTENT[span.logical : span.logical + span.length]
            assert read(storage, span)[: len(expected)] == expected
            assert {len(one.places) for one in storage.map.segments(span.physical, span.length)} == {copies}


def test_copies_that_differ_are_not_read(tmp_path: Path) -> None:
    """One copy overwritten and one left over is no destruction; whichever is read first must not decide."""
    with laid(tmp_path / "disk", "dup") as (disk, storage, spans):
        (segment, *_) = storage.map.segments(spans[0].physical, 4096)
        with disk.storage[0].open("r+b") as image:
            image.seek(segment.places[1].offset)
            image.write(bytes(4096))
            os.fsync(image.fileno())
        storage.settle()
        with pytest.raises(MediumError) as caught:
            read(storage, Span(0, spans[0].physical, 4096))
    assert caught.value.error == "EUCLEAN"


def test_what_was_balanced_away_is_told(tmp_path: Path) -> None:
    """A balance copies a chunk elsewhere and leaves the old one as it was: what is read now is not what was there."""
    with laid(tmp_path / "disk", "single") as (disk, storage, spans):
        run("btrfs", "balance", "start", "--force", "-d", disk.root)
        storage.settle()
        with pytest.raises(MediumError) as caught:
            read(storage, spans[0])
        descriptor = os.open(disk.root / "in" / "file", os.O_RDONLY)
        try:
            now = map_extents(descriptor).spans
        finally:
            os.close(descriptor)
    assert caught.value.error in {"ENXIO", "ESTALE"}
    assert now != spans


def test_an_address_that_no_chunk_maps_is_not_read(tmp_path: Path) -> None:
    """It lies nowhere; zeros would be a lie."""
    with laid(tmp_path / "disk", "single") as (_, storage, _), pytest.raises(MediumError) as caught:
        read(storage, Span(0, storage.size, 4096))
    assert caught.value.error == "ENXIO"
