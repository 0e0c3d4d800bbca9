"""RFC 6962 Merkle tree arithmetic over SHA-256: leaves, roots, inclusion, consistency.

Makers take a `Node`: a function that gives the hash of the *complete* subtree of `2**level` leaves at a position. A log
that stores those (each leaf completes two subtrees on average) answers every proof with O(log n) reads; `nodes_over`
makes one from a plain list of leaf hashes. Checkers take only what a stranger holds, and refuse a proof whose length is
not exactly the one that the sizes demand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from certificates.errors import Untrusted

HASH_SIZE = 32
MAX_SIZE = (1 << 63) - 1
"""More leaves than any log has; bounds the arithmetic on sizes that a stranger sent."""

EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""(level, position) -> hash of leaves [position << level, (position + 1) << level), all of which exist."""


def leaf_hash(data: bytes) -> bytes:
    """A leaf's hash, RFC 6962 section 2.1; the prefix keeps a leaf from passing for an inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """An inner node's hash, RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(index: int, leaf: bytes, node: Node) -> tuple[bytes, ...]:
    """The hashes of every subtree that leaf `index` completes, level 0 upwards: what a log stores when it appends.

    `node` is asked only for the left siblings, one a level.
    """
    hashes = [leaf]
    while index & 1:
        hashes.append(node_hash(node(len(hashes) - 1, index - 1), hashes[-1]))
        index >>= 1
    return tuple(hashes)


def nodes_over(leaves: Sequence[bytes]) -> Node:
    """A `Node` over leaf hashes held in memory; builds every level once."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return lambda level, position: levels[level][position]


def root(size: int, node: Node) -> bytes:
    """The root of the first `size` leaves; reads one node per set bit of `size`."""
    return _hash_range(0, size, node) if size else EMPTY_ROOT


def roots_of(leaves: Iterable[bytes]) -> Iterator[bytes]:
    """The root at every size from 0 on, over leaf hashes as they come, keeping log2(n) of them."""
    yield EMPTY_ROOT
    stack: list[bytes] = []
    for size, leaf in enumerate(leaves, start=1):
        stack.append(leaf)
        for _ in range(_trailing_zeros(size)):
            right = stack.pop()
            stack.append(node_hash(stack.pop(), right))
        yield _fold(stack)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, by no way that a log stores: the auditor's own recomputation."""
    level = list(leaves)
    while len(level) > 1:
        odd = level[len(level) & ~1 :]
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0] if level else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> tuple[bytes, ...]:
    """The path of leaf `index` in the tree of `size` leaves, leaf's sibling first (RFC 6962 section 2.1.1).

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return tuple(_siblings(index, 0, size, node))


def consistency_proof(old: int, new: int, node: Node) -> tuple[bytes, ...]:
    """That the first `old` of `new` leaves are the old tree (RFC 6962 section 2.1.2); empty for 0 and for equal sizes.

    Raises ValueError when `old` is larger than `new`.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no tree of {old} within a tree of {new}")
    if old in (0, new):
        return ()
    level = _trailing_zeros(old)
    path = _siblings(old - 1, level, new, node)
    return tuple(path) if old == 1 << level else (node(level, (old - 1) >> level), *path)


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Leaf hash `leaf` stands at `index` of the tree of `size` leaves with root `expected`, or Untrusted."""
    if not 0 <= index < size <= MAX_SIZE:
        raise _not_included(index, size)
    inner, border = _shape(index, 0, size)
    if len(proof) != inner + border or any(len(item) != HASH_SIZE for item in (leaf, *proof)):
        raise _not_included(index, size)
    if _climb(leaf, index, proof[:inner], proof[inner:]) != expected:
        raise _not_included(index, size)


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """The tree (`old`, `old_root`) is a prefix of (`new`, `new_root`), or Untrusted (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new <= MAX_SIZE:
        raise Untrusted("log-rolled-back", found=new, known=old)
    if any(len(item) != HASH_SIZE for item in (old_root, new_root, *proof)):
        holds = False
    elif old in (0, new):
        holds = not proof and (old_root == new_root if old == new else old_root == EMPTY_ROOT)
    else:
        holds = _is_consistent(old, new, old_root, new_root, proof)
    if not holds:
        raise Untrusted("log-inconsistent", detail=f"at size {new} it is no continuation of what it was at size {old}")


def _not_included(index: int, size: int) -> Untrusted:
    return Untrusted("receipt-wrong", detail=f"its path does not lead from entry {index} to the root of {size} entries")


def _is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    level = _trailing_zeros(old)
    if old != 1 << level:
        if not proof:
            return False
        seed, proof = proof[0], proof[1:]
    else:
        seed = old_root
    inner, border = _shape(old - 1, level, new)
    if len(proof) != inner + border:
        return False
    position = (old - 1) >> level
    below, beyond = proof[:inner], proof[inner:]
    # Within the old tree only the siblings on the left existed, so the old root is the same climb without the others.
    lefts = [item for bit, item in enumerate(below) if position >> bit & 1]
    return _climb(seed, position, below, beyond) == new_root and _climb(seed, 0, (), (*lefts, *beyond)) == old_root


def _shape(index: int, level: int, size: int) -> tuple[int, int]:
    """How many steps of a path from `level` lie below, and how many above, where leaf `index` joins the right edge."""
    inner = max((index ^ (size - 1)).bit_length() - level, 0)
    return inner, (index >> (level + inner)).bit_count()


def _climb(seed: bytes, position: int, inner: Sequence[bytes], border: Sequence[bytes]) -> bytes:
    """Hash upwards: the bits of `position` say on which side an inner sibling stands; border siblings are all left."""
    reached = seed
    for bit, sibling in enumerate(inner):
        reached = node_hash(sibling, reached) if position >> bit & 1 else node_hash(reached, sibling)
    for sibling in border:
        reached = node_hash(sibling, reached)
    return reached


def _siblings(index: int, level: int, size: int, node: Node) -> Iterator[bytes]:
    """The sibling at each level from `level` upwards; only the one that reaches the right edge can be incomplete."""
    top = (size - 1).bit_length()
    for height in range(level, top):
        sibling = (index >> height) ^ 1
        if sibling << height < size:
            yield _hash_range(sibling << height, min((sibling + 1) << height, size), node)


def _hash_range(begin: int, end: int, node: Node) -> bytes:
    """The RFC 6962 hash of leaves [begin, end), `begin` on a boundary of the next power of two, from complete nodes."""
    hashes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        hashes.append(node(level, begin >> level))
        begin += 1 << level
    return _fold(hashes)


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Join complete subtrees of falling size from the right, as RFC 6962 splits at the largest power of two."""
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = node_hash(left, joined)
    return joined


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1
