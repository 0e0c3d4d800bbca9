"""Needles: short samples of what is to be destroyed, taken before the first write, to be looked for afterwards."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, Protocol

from wipers.searching import Pattern, escaped

Sort = Literal["contents", "names"]

LENGTH = 28
"""Bytes of a sample; a shorter value is taken whole."""
SHORTEST = 8
"""Fewest bytes of a needle: less stands on a large storage by chance."""
MOST = 2000
"""Needles of one sort that are kept, whatever there is to sample."""
EACH = 8
"""Most samples of one file."""
BLOCK = 512
"""Bytes that are read for one sample, of which the most telling part is kept."""
ATTEMPTS = 4
"""Places of one section that are tried until one tells enough."""


@dataclass(frozen=True, slots=True)
class Needle:
    """One sample, by the number that alone appears in evidence."""

    number: int
    """Its number among all of the run."""
    sort: Sort
    """Part of a content, or a name."""
    value: bytes
    """The bytes themselves: they never leave this host."""
    stream: int = 0
    """Number of the file it was taken from, where it was taken from a file."""
    offset: int = 0
    """First byte of it in that file."""
    shapes: tuple[Pattern, ...] = ()
    """What else is looked for in its place, where the value alone is too short to be told from chance."""


class Draw:
    """Chance from a key, the same for the same key."""

    def __init__(self, key: bytes) -> None:
        """Begin with the first number."""
        self._key = key
        self._count = 0

    def below(self, bound: int) -> int:
        """Return the next number from 0 up to the bound, without it."""
        self._count += 1
        return int.from_bytes(hashlib.blake2b(self._count.to_bytes(8, "big"), key=self._key).digest()[:16]) % bound


def is_telling(value: bytes) -> bool:
    """Tell whether the bytes are so many and so different that they hardly stand anywhere by chance."""
    enough = 5 if len(value) < 16 else 8
    return len(value) >= SHORTEST and len(set(value)) >= enough and not _counts(value)


def _counts(value: bytes) -> bool:
    """Tell whether the bytes are numbers of one, two or four bytes that grow by the same: tables of a file system or of
    a database hold such as well."""
    for width in (1, 2, 4):
        steps = {(after - before) & 0xFF for before, after in zip(value, value[width:], strict=False)}
        # One byte of each number grows, the others stay or take what is carried; fewer than six may be alike by chance.
        if len(value) >= 6 * width and len(steps) <= (1 if width == 1 else 3):
            return True
    return False


def most_telling(block: bytes) -> tuple[int, bytes] | None:
    """Return the part of a block with the most different bytes, and where it begins; none where none tells enough."""
    if len(block) <= LENGTH:
        return (0, block) if is_telling(block) else None
    begin = max(range(0, len(block) - LENGTH + 1, 4), key=lambda at: len(set(block[at : at + LENGTH])))
    value = block[begin : begin + LENGTH]
    return (begin, value) if is_telling(value) else None


class Sizes(Protocol):
    """Bytes of each file, by its number."""

    def __len__(self) -> int: ...

    def __getitem__(self, stream: int, /) -> int: ...


Read = Callable[[int, int, int], bytes]
"""Takes the number of a file, an offset and a length, and returns the bytes there, or nothing where it cannot."""


def from_streams(read: Read, sizes: Sizes, key: bytes, most: int = MOST, each: int = EACH) -> tuple[Needle, ...]:
    """Return samples of numbered files, from every section of every file, or of as many files from every section of
    their list as there may be needles. What several samples have in common is kept of none."""
    draw = Draw(key)
    taken = (_sample(read, stream, section, draw) for stream, section in _sections(sizes, draw, most, each))
    return _numbered(_only_once(one for one in taken if one is not None))


def _sections(sizes: Sizes, draw: Draw, most: int, each: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the files to sample, each with a section of it as begin and length."""
    count = len(sizes)
    chosen = range(count)
    per_file = max(1, min(each, most // max(count, 1)))
    bounds = [count * at // most for at in range(most + 1)] if count > most else []
    for stream in chosen if not bounds else _one_of_each(bounds, draw):
        size = sizes[stream]
        parts = max(1, min(per_file, size // BLOCK))
        for part in range(parts if size >= SHORTEST else 0):
            begin = size * part // parts
            yield stream, (begin, size * (part + 1) // parts - begin)


def _one_of_each(bounds: list[int], draw: Draw) -> Iterator[int]:
    for begin, end in pairwise(bounds):
        yield begin + draw.below(end - begin)


def _sample(read: Read, stream: int, section: tuple[int, int], draw: Draw) -> Needle | None:
    begin, length = section
    for _ in range(ATTEMPTS):
        offset = begin + draw.below(max(length - BLOCK, 0) + 1)
        found = most_telling(read(stream, offset, min(BLOCK, length)))
        if found is not None:
            return Needle(0, "contents", found[1], stream, offset + found[0])
        if length <= BLOCK:
            return None
    return None


def from_values(values: Iterable[bytes], key: bytes, most: int = MOST) -> tuple[Needle, ...]:
    """Return samples of values, short ones whole, of long ones one part each; of many values a fair choice. Values
    that tell too little are left out."""
    draw = Draw(key)
    kept: list[bytes] = []
    seen = 0
    for value in values:
        part = _part(value, draw)
        if part is None:
            continue
        seen += 1
        if len(kept) < most:
            kept.append(part)
        elif (place := draw.below(seen)) < most:
            kept[place] = part
    return _numbered(Needle(0, "contents", value) for value in dict.fromkeys(kept))


def _part(value: bytes, draw: Draw) -> bytes | None:
    if len(value) > BLOCK:
        begin = draw.below(len(value) - BLOCK + 1)
        found = most_telling(value[begin : begin + BLOCK])
        if found is not None:
            return found[1]
    found = most_telling(value[:BLOCK])
    return found[1] if found is not None else None


def from_names(names: Iterable[tuple[bytes, int]], kind: str, key: bytes, most: int = MOST) -> tuple[Needle, ...]:
    """Return names as needles, each given with the inode that it leads to: a short one only in the shape of the
    directory entry of that kind of file system, where that is known; of many names a fair choice."""
    draw = Draw(key)
    kept: list[Needle] = []
    seen = 0
    for name, inode in names:
        shapes = directory_entries(kind, name, inode)
        if not is_telling(name) and not shapes:
            continue
        seen += 1
        needle = Needle(0, "names", name, shapes=shapes)
        if len(kept) < most:
            kept.append(needle)
        elif (place := draw.below(seen)) < most:
            kept[place] = needle
    return _numbered(kept)


def directory_entries(kind: str, name: bytes, inode: int) -> tuple[Pattern, ...]:
    """Return how a name stands in a directory of that kind of file system, beside what it leads to; nothing where that
    is not known (linux/fs/ext4/ext4.h ext4_dir_entry_2; xfs_da_format.h xfs_dir2_data_entry, xfs_dir2_sf_entry;
    btrfs_tree.h btrfs_dir_item)."""
    size = len(name)
    if kind in {"ext2", "ext3", "ext4"}:
        head = escaped(inode.to_bytes(4, "little")) + b".." + escaped(bytes((size,))) + b"[\\x00-\\x07]"
        return (Pattern(head + escaped(name), 8 + size),)
    if kind == "xfs":
        # A mark of free room takes the first half of the inode's number, and leaves the name.
        low, named = inode.to_bytes(8, "big")[4:], escaped(bytes((size,)))
        beside = named + b".." + escaped(name) + b"."
        return (
            Pattern(escaped(low) + named + escaped(name), 5 + size),
            Pattern(beside + escaped(low), 8 + size),
            Pattern(beside + b"...." + escaped(low), 12 + size),
        )
    if kind == "btrfs":
        head = escaped(inode.to_bytes(8, "little") + b"\x01" + bytes(8)) + b"." * 8 + escaped(bytes(2))
        return (Pattern(head + escaped(size.to_bytes(2, "little")) + b"." + escaped(name), 30 + size),)
    return ()


def renumbered(needles: Iterable[Needle], first: int) -> tuple[Needle, ...]:
    """Return the needles with numbers from `first` on."""
    return tuple(replace(needle, number=first + at) for at, needle in enumerate(needles))


def label(key: bytes, value: bytes) -> str:
    """Return the HMAC-SHA-256 by which the owner of the key, and nobody else, can tell what the needle was."""
    return hmac.new(key, value, hashlib.sha256).hexdigest()


def labels_of(values: Iterable[bytes], key: bytes) -> Iterator[frozenset[str]]:
    """Yield, of each value from which a needle may be taken, the labels that such needles would have: of a long one
    only those that a choice of engines and of `from_values` takes from a value as it is."""
    for value in values:
        last = max(len(value) - LENGTH, 0)
        parts = {value[begin : begin + LENGTH] for begin in (0, last // 2, last)}
        whole = most_telling(value[:BLOCK])
        parts |= {whole[1]} if whole is not None else set()
        if telling := [part for part in parts if is_telling(part)]:
            yield frozenset(label(key, part) for part in telling)


def _only_once(needles: Iterable[Needle]) -> Iterator[Needle]:
    """Yield what no two samples share: a form letter's text says nothing of one letter."""
    found: dict[bytes, list[Needle]] = {}
    for needle in needles:
        found.setdefault(needle.value, []).append(needle)
    for same in found.values():
        if len({(one.stream, one.offset) for one in same}) == 1:
            yield same[0]


def _numbered(needles: Iterable[Needle]) -> tuple[Needle, ...]:
    return renumbered(needles, 0)
