"""Merkle arithmetic: published vectors, agreement with an independent package, and what must be refused."""

from __future__ import annotations

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import merkle
from certificates.errors import Untrusted

VECTOR_LEAVES = (
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    bytes(range(0x40, 0x44)),
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
)
VECTOR_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LARGEST = 40
SIZES = st.integers(min_value=1, max_value=LARGEST)


def leaves(count: int) -> list[bytes]:
    """Distinct leaf hashes."""
    return [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(count)]


ALL_LEAVES = leaves(LARGEST)
NODE = merkle.nodes_over(ALL_LEAVES)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_certificate_transparency_vectors(size: int) -> None:
    """Other logs' tools must reach the same roots from the same leaves."""
    hashes = [merkle.leaf_hash(leaf) for leaf in VECTOR_LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == VECTOR_ROOTS[size]
    assert merkle.root(size, merkle.nodes_over(hashes)).hex() == VECTOR_ROOTS[size]
    assert [root.hex() for root in merkle.roots_of(hashes)] == list(VECTOR_ROOTS[: size + 1])


def test_an_inclusion_path_is_the_one_that_rfc_6962_draws() -> None:
    """RFC 6962 section 2.1.3 names the nodes of the paths in a tree of seven leaves."""
    d = [merkle.leaf_hash(leaf) for leaf in VECTOR_LEAVES[:7]]
    g, h, i = (merkle.node_hash(d[at], d[at + 1]) for at in (0, 2, 4))
    k = merkle.node_hash(g, h)
    node = merkle.nodes_over(d)
    assert merkle.inclusion_proof(0, 7, node) == (d[1], h, merkle.node_hash(i, d[6]))
    assert merkle.inclusion_proof(3, 7, node) == (d[2], g, merkle.node_hash(i, d[6]))
    assert merkle.inclusion_proof(4, 7, node) == (d[5], d[6], k)
    assert merkle.inclusion_proof(6, 7, node) == (i, k)


def test_a_consistency_path_is_the_one_that_rfc_6962_draws() -> None:
    """RFC 6962 section 2.1.3 names the nodes of the proofs between sizes 3, 4, 6 and 7."""
    d = [merkle.leaf_hash(leaf) for leaf in VECTOR_LEAVES[:7]]
    g, h, i = (merkle.node_hash(d[at], d[at + 1]) for at in (0, 2, 4))
    k, last = merkle.node_hash(g, h), merkle.node_hash(i, d[6])
    node = merkle.nodes_over(d)
    assert merkle.consistency_proof(3, 7, node) == (d[2], d[3], g, last)
    assert merkle.consistency_proof(4, 7, node) == (last,)
    assert merkle.consistency_proof(6, 7, node) == (i, d[6], k)


@given(size=SIZES, data=st.data())
def test_an_independent_package_makes_the_same_inclusion_proofs(size: int, data: st.DataObject) -> None:
    """Two implementations that share no code agree, so an auditor need not trust ours."""
    index = data.draw(st.integers(0, size - 1))
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(size):
        other.append_entry(number.to_bytes(2, "big"))
    theirs = other.prove_inclusion(index + 1, size)
    assert other.get_root(size) == merkle.root(size, NODE)
    assert tuple(theirs.path[1:]) == merkle.inclusion_proof(index, size, NODE)


@given(old=SIZES, new=SIZES)
def test_an_independent_package_accepts_the_same_consistency(old: int, new: int) -> None:
    """The other package proves, ours checks nothing of it: both must tell the same roots for both sizes."""
    old, new = sorted((old, new))
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(new):
        other.append_entry(number.to_bytes(2, "big"))
    roots = merkle.root(old, NODE), merkle.root(new, NODE)
    pymerkle.verify_consistency(*roots, other.prove_consistency(old, new))
    merkle.check_consistency(old, new, *roots, merkle.consistency_proof(old, new, NODE))


def test_every_proof_in_every_small_tree_holds() -> None:
    """Exhaustive where it is cheap: all shapes of trees up to 40 leaves."""
    for size in range(1, LARGEST + 1):
        root = merkle.root(size, NODE)
        for index in range(size):
            path = merkle.inclusion_proof(index, size, NODE)
            merkle.check_inclusion(ALL_LEAVES[index], index, size, path, root)
        for old in range(size + 1):
            proof = merkle.consistency_proof(old, size, NODE)
            merkle.check_consistency(old, size, merkle.root(old, NODE), root, proof)


def test_appending_stores_what_every_proof_reads() -> None:
    """A log that keeps only what each append completes can answer for every size it ever had."""
    stored: dict[tuple[int, int], bytes] = {}

    def node(level: int, position: int) -> bytes:
        return stored[level, position]

    for index, leaf in enumerate(ALL_LEAVES):
        for level, value in enumerate(merkle.completed(index, leaf, node)):
            stored[level, index >> level] = value
        assert merkle.root(index + 1, node) == merkle.root_of(ALL_LEAVES[: index + 1])


def test_a_proof_in_a_log_of_ten_million_reads_few_nodes() -> None:
    """O(log n): the cost of a proof must not grow with the log (performance target 6)."""
    reads = []

    def node(level: int, position: int) -> bytes:
        reads.append((level, position))
        return merkle.leaf_hash(f"{level} {position}".encode())

    merkle.inclusion_proof(1_234_567, 10_000_003, node)
    merkle.consistency_proof(1_234_567, 10_000_003, node)
    assert len(reads) < 2 * (24 + 24)


@given(size=SIZES, data=st.data())
def test_no_other_leaf_index_or_length_passes_for_an_inclusion(size: int, data: st.DataObject) -> None:
    """A proof says one thing: this leaf, here, in this tree."""
    index = data.draw(st.integers(0, size - 1))
    leaf, root = ALL_LEAVES[index], merkle.root(size, NODE)
    path = merkle.inclusion_proof(index, size, NODE)
    for other in range(size):
        if other != index:
            with pytest.raises(Untrusted):
                merkle.check_inclusion(leaf, other, size, path, root)
    for wrong in ((*path, leaf), path[:-1] if path else (leaf,), tuple(item[:-1] for item in path) or (b"",)):
        with pytest.raises(Untrusted):
            merkle.check_inclusion(leaf, index, size, wrong, root)
    with pytest.raises(Untrusted):
        merkle.check_inclusion(merkle.leaf_hash(b"other"), index, size, path, root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (5, 3), (0, 1 << 63)])
def test_an_index_outside_the_tree_is_refused(index: int, size: int) -> None:
    """Sizes and indexes come from strangers."""
    with pytest.raises(Untrusted):
        merkle.check_inclusion(ALL_LEAVES[0], index, size, (), ALL_LEAVES[0])


@given(old=SIZES, new=SIZES, bit=st.integers(0, 255))
def test_a_changed_bit_or_length_breaks_a_consistency_proof(old: int, new: int, bit: int) -> None:
    """A log that rewrote its past cannot find a proof by editing one."""
    old, new = sorted((old, new))
    roots = merkle.root(old, NODE), merkle.root(new, NODE)
    proof = merkle.consistency_proof(old, new, NODE)
    variants = [(*proof, roots[0]), *([proof[:-1]] if proof else [])]
    variants += [(*proof[:at], flipped(item, bit), *proof[at + 1 :]) for at, item in enumerate(proof)]
    for variant in variants:
        with pytest.raises(Untrusted):
            merkle.check_consistency(old, new, *roots, variant)
    with pytest.raises(Untrusted):
        merkle.check_consistency(old, new, flipped(roots[0], bit), roots[1], proof)
    with pytest.raises(Untrusted):
        merkle.check_consistency(old, new, roots[0], flipped(roots[1], bit), proof)


def test_a_smaller_tree_is_never_consistent_with_a_larger_one() -> None:
    """A truncated log must not pass for a newer one."""
    with pytest.raises(Untrusted):
        merkle.check_consistency(5, 4, merkle.root(5, NODE), merkle.root(4, NODE), ())


def test_the_empty_tree_is_consistent_only_as_itself() -> None:
    """Size 0 needs no proof, but it has one root only, and carries nothing along."""
    root = merkle.root(3, NODE)
    merkle.check_consistency(0, 3, merkle.EMPTY_ROOT, root, ())
    with pytest.raises(Untrusted):
        merkle.check_consistency(0, 3, root, root, ())
    with pytest.raises(Untrusted):
        merkle.check_consistency(0, 3, merkle.EMPTY_ROOT, root, (root,))


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3)])
def test_a_proof_for_a_leaf_that_is_not_there_is_a_programming_error(index: int, size: int) -> None:
    """The maker knows its own log; only checkers face strangers."""
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(index, size, NODE)
    with pytest.raises(ValueError, match="no tree"):
        merkle.consistency_proof(size + 1, size, NODE)


def flipped(value: bytes, bit: int) -> bytes:
    """`value` with one bit turned over."""
    return bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(value))
