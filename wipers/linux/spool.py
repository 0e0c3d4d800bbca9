"""Lists as long as a tree has files, of which memory holds a small part: the rest lies in a nameless encrypted file.

Names tell what was destroyed, so nothing legible may be left where they were kept: the key lives in this process alone.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import secrets
import struct
import sys
import tempfile
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice, pairwise
from typing import Generic, TypeVar

T = TypeVar("T")

BLOCK = 1 << 15
"""Bytes moved at once."""
IN_MEMORY = 16
"""Blocks that a list keeps before it needs a file: an ordinary order never makes one."""
CACHED = 6
"""Blocks of a list's file held ready: a few threads follow the list side by side."""
SORTED_AT_ONCE = 1 << 15
"""Records sorted in memory."""
PLACES = ("/var/tmp", None)  # noqa: S108 - the file never has a name there
"""Where nameless files lie: on a disk where there is one, since /tmp may be memory."""


class _File:
    """Blocks in a nameless file, unreadable without a key that this process never writes down."""

    def __init__(self) -> None:
        self._file = _nameless()
        self._key = secrets.token_bytes(32)

    def write(self, number: int, block: bytes) -> None:
        """Put a block at its place; raises OSError."""
        os.pwrite(self._file, self._changed(number, block), number * BLOCK)

    def read(self, number: int) -> bytes:
        """Return a block; raises OSError."""
        return self._changed(number, os.pread(self._file, BLOCK, number * BLOCK))

    def _changed(self, number: int, block: bytes) -> bytes:
        """Return a block enciphered, or deciphered; each is written once, under counters of its own."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        counter = (number * (BLOCK // 16)).to_bytes(16, "big")
        return Cipher(algorithms.AES(self._key), modes.CTR(counter)).encryptor().update(block)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self._file)


def _nameless() -> int:
    """Return a descriptor of a file that vanishes with it; raises OSError."""
    for place in PLACES:
        folder = place or tempfile.gettempdir()
        with contextlib.suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


class _Blocks(Generic[T]):
    """Full blocks by number, each decoded once as long as it is near. Thread-safe."""

    def __init__(self, decode: Callable[[bytes], T], in_memory: int) -> None:
        self._decode = decode
        self._in_memory = in_memory
        self._first: list[T] = []
        self._file: _File | None = None
        self._near: OrderedDict[int, T] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, block: bytes) -> None:
        """Take the next block; raises OSError where the file takes no more."""
        if self._count < self._in_memory:
            self._first.append(self._decode(block))
        else:
            if self._file is None:
                self._file = _File()
            self._file.write(self._count - self._in_memory, block)
        self._count += 1

    def get(self, number: int) -> T:
        """Return a block; raises OSError."""
        if number < self._in_memory:
            return self._first[number]
        with self._lock:
            found = self._near.get(number)
            if found is not None:
                self._near.move_to_end(number)
                return found
        found = self.load(number)
        with self._lock:
            self._near[number] = found
            if len(self._near) > CACHED:
                self._near.popitem(last=False)
        return found

    def load(self, number: int) -> T:
        """Return a block and hold nothing ready; raises OSError."""
        if number < self._in_memory:
            return self._first[number]
        if self._file is None:
            raise IndexError(number)
        return self._decode(self._file.read(number - self._in_memory))


class Numbers:
    """Whole numbers below 2^64 in a row."""

    _EACH = BLOCK // 8

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        """Hold none."""
        self._blocks: _Blocks[array[int]] = _Blocks(lambda block: array("Q", block), in_memory)
        self._tail = array("Q")
        self._full = 0

    def __len__(self) -> int:
        return self._full + len(self._tail)

    def __getitem__(self, place: int) -> int:
        if place < 0:
            place += len(self)
        if place >= self._full:
            return self._tail[place - self._full]
        return self._blocks.get(place // self._EACH)[place % self._EACH]

    def __contains__(self, number: object) -> bool:
        return any(number == one for one in self)

    def __iter__(self) -> Iterator[int]:
        for number in range(len(self._blocks)):
            yield from self._blocks.load(number)
        yield from self._tail

    def part(self, begin: int, end: int) -> list[int]:
        """Return those from one place up to another, at once."""
        found: list[int] = []
        while begin < min(end, self._full):
            first = begin // self._EACH * self._EACH
            stop = min(end, first + self._EACH)
            found += self._blocks.get(begin // self._EACH)[begin - first : stop - first]
            begin = stop
        return found + self._tail[begin - self._full : end - self._full].tolist() if begin < end else found

    def append(self, number: int) -> None:
        """Add one at the end."""
        self._tail.append(number)
        if len(self._tail) == self._EACH:
            self._blocks.add(self._tail.tobytes())
            self._full += self._EACH
            self._tail = array("Q")

    def extend(self, numbers: array[int]) -> None:
        """Add these at the end."""
        self._tail.extend(numbers)
        while len(self._tail) >= self._EACH:
            self._blocks.add(self._tail[: self._EACH].tobytes())
            self._full += self._EACH
            del self._tail[: self._EACH]


class Records:
    """Short runs of bytes in a row, each of its own length."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        """Hold none."""
        self._ends = Numbers(in_memory)
        self._blocks: _Blocks[bytes] = _Blocks(lambda block: block, in_memory)
        self._tail = bytearray()
        self._full = 0

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, record: bytes) -> None:
        """Add one at the end."""
        self._tail += record
        self._ends.append(self._full + len(self._tail))
        self._put_away()

    def extend(self, records: list[bytes]) -> None:
        """Add these at the end."""
        begin = self._full + len(self._tail)
        self._tail += b"".join(records)
        self._ends.extend(array("Q", accumulate(map(len, records), initial=begin))[1:])
        self._put_away()

    def extend_alike(self, records: bytes, length: int) -> None:
        """Add records of one length each, in one piece, at the end."""
        begin = self._full + len(self._tail)
        self._tail += records
        self._ends.extend(array("Q", range(begin + length, begin + len(records) + 1, length)))
        self._put_away()

    def _put_away(self) -> None:
        while len(self._tail) >= BLOCK:
            self._blocks.add(bytes(self._tail[:BLOCK]))
            del self._tail[:BLOCK]
            self._full += BLOCK

    def __getitem__(self, place: int) -> bytes:
        if place < 0:
            place += len(self)
        begin, end = self._ends[place - 1] if place else 0, self._ends[place]
        if begin >= self._full:
            return bytes(self._tail[begin - self._full : end - self._full])
        first = begin // BLOCK
        if end <= (first + 1) * BLOCK:
            return self._blocks.get(first)[begin - first * BLOCK : end - first * BLOCK]
        return self._across(begin, end)

    def part(self, begin: int, end: int) -> list[bytes]:
        """Return those from one place up to another, at once."""
        bounds, data = self._bounded(begin, end)
        return [data[one:two] for one, two in pairwise(bounds)]

    def part_of(self, begin: int, end: int, length: int) -> bytes | None:
        """Return those from one place up to another in one piece, if each has that length; none if not."""
        bounds, data = self._bounded(begin, end)
        return data if bounds == list(range(0, len(data) + 1, length)) else None

    def _bounded(self, begin: int, end: int) -> tuple[list[int], bytes]:
        """Return bytes of several records, and where in them each begins and the last ends."""
        ends = self._ends.part(max(begin - 1, 0), end)
        first = ends[0] if begin else 0
        bounds = [one - first for one in ends] if begin else [0, *ends]
        return bounds, self._across(first, first + bounds[-1])

    def __iter__(self) -> Iterator[bytes]:
        held, start, begin, number = b"", 0, 0, 0
        for end in self._ends:
            while end > start + len(held):
                more = self._blocks.load(number) if number < len(self._blocks) else bytes(self._tail)
                held, start, number = held[begin - start :] + more, begin, number + 1
            yield held[begin - start : end - start]
            begin = end

    def _across(self, begin: int, end: int) -> bytes:
        """Return bytes that lie in several blocks."""
        parts = bytearray()
        while begin < end and begin < self._full:
            number = begin // BLOCK
            stop = min(end, (number + 1) * BLOCK)
            parts += self._blocks.get(number)[begin - number * BLOCK : stop - number * BLOCK]
            begin = stop
        return bytes(parts + self._tail[begin - self._full : end - self._full]) if begin < end else bytes(parts)


_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


class Names:
    """Names of files in a row; those that are no UTF-8 too."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Hold these."""
        self._records = Records()
        self.extend(names)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, place: int) -> str:
        return os.fsdecode(self._records[place])

    def __iter__(self) -> Iterator[str]:
        return map(os.fsdecode, self._records)

    def part(self, begin: int, end: int) -> list[str]:
        """Return those from one place up to another, at once."""
        # As `os.fsdecode` does, which costs as much as all the rest of it.
        return [one.decode(_ENCODING, _ERRORS) for one in self._records.part(begin, end)]

    def part_encoded(self, begin: int, end: int) -> list[bytes]:
        """Return those from one place up to another, as the system has them."""
        return self._records.part(begin, end)

    def __reversed__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self) - 1, -1, -1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names | list | tuple) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def append(self, name: str) -> None:
        """Add one at the end."""
        self._records.append(os.fsencode(name))

    def extend(self, names: Iterable[str]) -> None:
        """Add these at the end."""
        for name in names:
            self.append(name)

    def extend_encoded(self, names: list[bytes]) -> None:
        """Add these, as the system has them, at the end."""
        self._records.extend(names)


_TRIPLE = struct.Struct("=QQQ")


class Triples:
    """Short rows of three numbers each in a row: what a file's blocks are told by."""

    def __init__(self) -> None:
        """Hold none."""
        self._records = Records()

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, place: int) -> Iterator[tuple[int, int, int]]:
        return _TRIPLE.iter_unpack(self._records[place])

    def part(self, begin: int, end: int) -> list[tuple[tuple[int, int, int], ...]]:
        """Return the rows of those from one place up to another, at once."""
        alike = self._records.part_of(begin, end, _TRIPLE.size)
        if alike is not None:
            # Nearly every file of a tree has one extent.
            return [(row,) for row in _TRIPLE.iter_unpack(alike)]
        return [tuple(_TRIPLE.iter_unpack(record)) for record in self._records.part(begin, end)]

    def append(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Add the rows of one file at the end."""
        self._records.append(b"".join(_TRIPLE.pack(*row) for row in rows))

    def extend_alike(self, rows: array[int]) -> None:
        """Add files of one row each at the end, their rows in one piece."""
        self._records.extend_alike(rows.tobytes(), _TRIPLE.size)


def in_order(records: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the records in the order of their bytes; of many, sorted stretches lie in files while they are merged."""
    waiting = iter(records)
    stretch = sorted(islice(waiting, SORTED_AT_ONCE))
    if len(stretch) < SORTED_AT_ONCE:
        yield from stretch
        return
    spilled: list[Records] = []
    while stretch:
        spilled.append(Records(in_memory=0))
        for record in stretch:
            spilled[-1].append(record)
        stretch = sorted(islice(waiting, SORTED_AT_ONCE))
    yield from heapq.merge(*spilled)
