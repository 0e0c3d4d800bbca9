"""Each error of the kernel is told apart: a bad range is a finding, a medium that is gone ends the run."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.statements import Extent
from wipers.linux.direct import Storage, page_aligned
from wipers.model import Lost, MediumError


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)) * 165)
    with Storage(os.open(path, os.O_RDWR), "the file", 16500, 512, stream=3) as found:
        yield found


@pytest.mark.parametrize("name", ["EIO", "ENODATA", "EREMOTEIO", "EILSEQ", "ETIMEDOUT", "EBADMSG", "ENOSPC"])
def test_a_bad_range_is_a_finding_with_its_name_and_place(storage: Storage, name: str) -> None:
    """NVMe and SCSI say ENODATA where others say EIO; all mean that this range is lost, and only this."""
    told = storage.told(OSError(getattr(errno, name), ""), 4096, 512)
    assert isinstance(told, MediumError)
    assert (told.error, told.extent) == (name, Extent(3, 4096, 512))


@pytest.mark.parametrize("name", ["ENODEV", "ENXIO", "ESTALE", "EBADF", "EINVAL", "ENOMEM"])
def test_anything_else_ends_the_run(storage: Storage, name: str) -> None:
    """Going on would list every sector of a device that was unplugged as a bad one."""
    told = storage.told(OSError(getattr(errno, name), ""), 4096, 512)
    assert isinstance(told, Lost)
    assert told.facts["detail"] == name


def test_a_medium_that_became_shorter_ends_the_run(storage: Storage) -> None:
    """Neither a bad sector nor a success: it is not what was planned any more."""
    os.ftruncate(storage.descriptor, 8192)
    with pytest.raises(Lost):
        storage.read(8192, page_aligned(4096))


@pytest.mark.parametrize(("offset", "length"), [(-512, 512), (16384, 512), (1 << 40, 1)])
def test_nothing_outside_is_read_or_written(storage: Storage, offset: int, length: int) -> None:
    """The last check before the system call."""
    for act in (storage.read, storage.write):
        with pytest.raises(ValueError, match="outside"):
            act(offset, page_aligned(length))


def test_any_part_of_it_can_be_read(storage: Storage) -> None:
    """The extents of files begin and end where their file system likes."""
    for offset, length in ((0, 16500), (511, 2), (513, 4000), (16000, 500)):
        buffer = page_aligned(length)
        storage.read(offset, buffer)
        assert bytes(buffer) == (bytes(range(100)) * 165)[offset : offset + length]


def test_a_thread_that_hangs_in_a_device_keeps_the_number_of_its_descriptor(tmp_path: Path) -> None:
    """It may wake up hours later and write on: into whatever file got that number meanwhile."""
    path = tmp_path / "file"
    path.write_bytes(bytes(8192))
    storage = Storage(os.open(path, os.O_RDWR), "the file", 8192, 512)
    with storage.used():
        storage.close()
        other = os.open(path, os.O_RDONLY)
        assert other != storage.descriptor
        os.fstat(storage.descriptor)
        os.close(other)
        with pytest.raises(Lost):
            storage.write(0, page_aligned(512))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(storage.descriptor)
