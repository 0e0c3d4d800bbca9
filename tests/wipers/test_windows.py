"""One larger read may stand for many small ones, as long as nobody could tell the difference."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import cast

import pytest

from certificates.statements import Extent
from wipers.linux.direct import Storage
from wipers.linux.windows import WINDOW, Windows
from wipers.model import MediumError

SECTOR = 512


class Medium:
    """A storage in memory with bad sectors, that counts how often it is read."""

    def __init__(self, size: int, bad: frozenset[int] = frozenset()) -> None:
        self.size = size
        self.content = random.Random(1).randbytes(size)
        self.bad = bad
        self.reads = 0

    def read(self, offset: int, buffer: memoryview) -> None:
        self.reads += 1
        if any(offset <= place * SECTOR < offset + len(buffer) for place in self.bad):
            raise MediumError("EIO", Extent(0, offset, len(buffer)))
        buffer[:] = self.content[offset : offset + len(buffer)]


def windows(medium: Medium) -> Windows:
    return Windows(cast(Storage, medium))


def read(found: Windows, offset: int, length: int = 4096) -> bytes:
    buffer = bytearray(length)
    found.read(offset, memoryview(buffer))
    return bytes(buffer)


def test_small_reads_in_sequence_are_one_read() -> None:
    """The third file of a directory costs no trip to the medium."""
    medium = Medium(4 * WINDOW)
    found = windows(medium)
    for offset in range(0, WINDOW, 8192):
        assert read(found, offset) == medium.content[offset : offset + 4096]
    assert medium.reads <= 3


@pytest.mark.parametrize("seed", range(20))
def test_every_read_is_what_the_medium_holds(seed: int) -> None:
    """At any offset and length, in any order, also at the medium's end."""
    chance = random.Random(seed)
    medium = Medium(WINDOW + 3 * SECTOR)
    found = windows(medium)
    offset = 0
    for _ in range(300):
        length = SECTOR * chance.choice((1, 2, 8, 300))
        offset = offset + SECTOR * chance.randrange(9) if chance.random() < 0.8 else SECTOR * chance.randrange(2000)
        offset = min(offset, medium.size - length)
        assert read(found, offset, length) == medium.content[offset : offset + length]
        offset += length


def test_a_bad_sector_costs_itself_alone() -> None:
    """A window that cannot be filled must not take its good sectors along."""
    medium = Medium(WINDOW, bad=frozenset({80}))
    found = windows(medium)
    lost = []
    for offset in range(0, WINDOW, SECTOR):
        try:
            assert read(found, offset, SECTOR) == medium.content[offset : offset + SECTOR]
        except MediumError as error:
            lost.append(error.extent)
    assert lost == [Extent(0, 80 * SECTOR, SECTOR)]


def test_nothing_read_before_is_answered_after_a_settling() -> None:
    """The next pass was written in between."""
    medium = Medium(WINDOW)
    found = windows(medium)
    for offset in range(0, 65536, 4096):
        read(found, offset)
    medium.content = bytes(WINDOW)
    found.forget()
    assert read(found, 65536) == bytes(4096)
    assert read(found, 4096) == bytes(4096)


def test_threads_share_what_is_read() -> None:
    """Were each to read for itself, four would read everything four times."""
    medium = Medium(16 * WINDOW)
    found = windows(medium)
    handful = 16 * 4096
    with ExitStack() as held:
        threads = itertools.cycle([held.enter_context(ThreadPoolExecutor(1)) for _ in range(4)])
        for first, thread in zip(range(0, medium.size, handful), threads, strict=False):
            for offset in range(first, first + handful, 4096):
                # One after the other: how threads fall over each other is no part of the question.
                assert thread.submit(read, found, offset).result() == medium.content[offset : offset + 4096]
    assert medium.reads <= 16 + 4


def test_threads_that_fall_over_each_other_read_what_the_medium_holds() -> None:
    """A stretch may be dropped for another while somebody waits for it."""
    medium = Medium(16 * WINDOW)
    found = windows(medium)
    waiting = iter(range(0, medium.size, 4096))

    def wrong() -> list[int]:
        return [one for one in waiting if read(found, one) != medium.content[one : one + 4096]]

    with ThreadPoolExecutor(8) as threads:
        assert [one.result() for one in [threads.submit(wrong) for _ in range(8)]] == [[]] * 8
