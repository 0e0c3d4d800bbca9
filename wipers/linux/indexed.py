"""Names that an indexed directory of ext4 puts where they are wanted: its tree of hashes, and the hash itself.

Half of MD4 over the name in parts of 32 bytes, started from the file system's seed (linux/fs/ext4/hash.c); for names of
ASCII the signed and the unsigned kind are the same.
"""

from __future__ import annotations

import secrets
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

HALF_MD4 = frozenset({1, 4})
"""Versions of the hash that are known here: as made by default, signed and unsigned."""
START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
"""Where the hash starts where the file system has no seed."""
ALL = 0xFFFFFFFF
LONGEST = 264
"""Bytes of the longest entry."""
ROUNDS = (
    (0, (0, 1, 2, 3, 4, 5, 6, 7), (3, 7, 11, 19)),
    (0x5A827999, (1, 3, 5, 7, 0, 2, 4, 6), (3, 5, 9, 13)),
    (0x6ED9EBA1, (3, 7, 2, 6, 1, 5, 0, 4), (3, 9, 11, 15)),
)
"""Of each round: what is added, the order of the words, how far is turned."""


def hash_of(name: bytes, seed: tuple[int, ...]) -> int:
    """Return the hash of a name of ASCII, by which it is found in the tree."""
    state = seed if any(seed) else START
    for at in range(0, len(name), 32):
        state = _mixed(state, _words(name[at : at + 32], len(name) - at))
    return state[1] & ~1


def _words(part: bytes, length: int) -> list[int]:
    """Return eight words of at most 32 bytes, the last of them filled with the length of what was left."""
    pad = (length | length << 8) & ALL
    pad = (pad | pad << 16) & ALL
    words = []
    for at in range(0, 32, 4):
        value = pad
        for byte in part[at : at + 4]:
            value = (byte + (value << 8)) & ALL
        words.append(value)
    return words


def _mixed(state: tuple[int, ...], words: list[int]) -> tuple[int, ...]:
    a, b, c, d = state
    for number, (constant, order, turns) in enumerate(ROUNDS):
        for step, which in enumerate(order):
            if number == 0:
                mixed = d ^ (b & (c ^ d))
            elif number == 1:
                mixed = ((b & c) + ((b ^ c) & d)) & ALL
            else:
                mixed = b ^ c ^ d
            value = (a + mixed + words[which] + constant) & ALL
            turn = turns[step % 4]
            a, b, c, d = d, (value << turn | value >> (32 - turn)) & ALL, b, c
    return tuple((old + new) & ALL for old, new in zip(state, (a, b, c, d), strict=True))


@dataclass(slots=True)
class Gap:
    """Room behind an entry, or in its place."""

    size: int
    """Bytes that an entry can take."""
    is_stale: bool
    """Whether something stands there still."""


class Tree:
    """Which block of an indexed directory a hash leads to."""

    def __init__(self, hashes: list[int], blocks: list[int]) -> None:
        """Take the first hash of each leaf, in order, and its number."""
        self._hashes = hashes
        self._blocks = blocks

    def leaf_of(self, number: int) -> int:
        """Return the number of the block."""
        return self._blocks[bisect_right(self._hashes, number) - 1]


def tree_of(blocks: dict[int, bytes]) -> Tree | None:
    """Return the tree by its own blocks, by their numbers: the root is 0; none where its hash is not known here."""
    root = blocks[0]
    version, _, levels = struct.unpack_from("<BBB", root, 0x1C)
    if version not in HALF_MD4:
        return None
    found = list(_entries(root, 0x20))
    for _ in range(levels):
        found = [
            (max(first, begin), leaf)
            for begin, node in found
            for first, leaf in (_entries(blocks[node], 8) if node in blocks else ())
        ]
    return Tree([first for first, _ in found], [leaf for _, leaf in found])


def _entries(block: bytes, begin: int) -> Iterator[tuple[int, int]]:
    """Yield the first hash and the block of each entry of a block of the index."""
    _, count = struct.unpack_from("<HH", block, begin)
    for at in range(begin, begin + 8 * count, 8):
        first, leaf = struct.unpack_from("<II", block, at)
        yield (0 if at == begin else first), leaf & 0x0FFFFFFF


def names_into(tree: Tree, gaps: dict[int, list[Gap]], seed: tuple[int, ...], tries: int) -> Iterator[str]:
    """Yield names that take every gap in which something stands, none of which makes a block too full; no more than
    so many are tried, since chance alone finds them. The gaps are those of every leaf, and change as names are
    yielded."""
    waiting = [leaf for leaf, found in gaps.items() if any(gap.is_stale for gap in found)]
    while waiting and tries:
        tries -= 1
        length = _length_for(gaps[waiting[tries % len(waiting)]])
        name = secrets.token_hex(length)[:length]
        leaf = tree.leaf_of(hash_of(name.encode(), seed))
        if leaf in waiting and _take(gaps[leaf], (8 + length + 3) & ~3):
            yield name
            if not any(gap.is_stale for gap in gaps[leaf]):
                waiting.remove(leaf)


def names_beyond(tree: Tree, gaps: dict[int, list[Gap]], seed: tuple[int, ...], tries: int) -> Iterator[str]:
    """Yield the longest names for each of these leaves until one fits into no gap of it, for which the file system
    splits the block; no more than so many are tried. The gaps change as names are yielded."""
    waiting = set(gaps)
    while waiting and tries:
        tries -= 1
        name = secrets.token_hex(LONGEST // 2)[: LONGEST - 9]
        leaf = tree.leaf_of(hash_of(name.encode(), seed))
        if leaf in waiting:
            yield name
            if not _put(gaps[leaf], LONGEST):
                waiting.remove(leaf)


def _length_for(gaps: list[Gap]) -> int:
    """Return how long a name is that takes the largest gap which is in the way of one in which something stands."""
    largest = max(gap.size for gap in _before_the_last_stale(gaps))
    return min(largest - 8, 255)


def _before_the_last_stale(gaps: list[Gap]) -> list[Gap]:
    last = max(number for number, gap in enumerate(gaps) if gap.is_stale)
    return gaps[: last + 1]


def _take(gaps: list[Gap], size: int) -> bool:
    """Put an entry where the file system would, the first gap that it fits into; tell false, and do nothing, where that
    is behind all in which something stands, or nowhere."""
    return _put(_before_the_last_stale(gaps), size)


def _put(gaps: list[Gap], size: int) -> bool:
    """Put an entry into the first of the gaps that it fits into; tell false where there is none."""
    for gap in gaps:
        if gap.size >= size:
            gap.size -= size
            gap.is_stale = False
            return True
    return False
