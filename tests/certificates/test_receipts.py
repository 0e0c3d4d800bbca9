"""Receipts: each bit counts, and a log that forks, truncates or rolls back is caught."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from certificates import merkle, notes, receipts
from certificates.errors import Untrusted

ORIGIN = "registry.example/expunge"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
LOG = notes.NoteKey(ORIGIN, PRIVATE.public_key().public_bytes_raw())


def digest(value: bytes) -> str:
    """A digest in the form that documents use."""
    return "sha256:" + hashlib.sha256(value).hexdigest()


PAYLOAD, ENVELOPE, SALT = digest(b"payload"), digest(b"envelope"), bytes(range(32))
LEAF = merkle.leaf_hash(receipts.leaf_data(SALT, PAYLOAD, ENVELOPE))


def log_of(*words: str) -> list[bytes]:
    """Leaf hashes of a log; the word `ours` stands for our document."""
    return [LEAF if word == "ours" else merkle.leaf_hash(word.encode()) for word in words]


def signed(leaves: list[bytes]) -> notes.Note:
    """The checkpoint over leaves."""
    return notes.sign_note(
        notes.checkpoint_text(notes.Checkpoint(ORIGIN, len(leaves), merkle.root_of(leaves))), LOG, PRIVATE.sign
    )


def receipt(leaves: list[bytes], salt: bytes = SALT) -> str:
    """The receipt of our document in a log."""
    index = leaves.index(LEAF)
    path = merkle.inclusion_proof(index, len(leaves), merkle.nodes_over(leaves))
    return notes.encode_proof(notes.InclusionProof(salt, index, path, signed(leaves)))


def checkpoint(leaves: list[bytes]) -> notes.Checkpoint:
    """What an agent keeps of the last receipt."""
    return notes.check_checkpoint(signed(leaves), [LOG])


def consistency(old: int, leaves: list[bytes]) -> str:
    """The body a registry sends: its log from size `old` on."""
    path = merkle.consistency_proof(min(old, len(leaves)), len(leaves), merkle.nodes_over(leaves))
    return notes.encode_consistency(notes.ConsistencyProof(old, path, signed(leaves)))


HISTORY = log_of("a", "b", "ours", "c", "d", "e")
TEXT = receipt(HISTORY)


def test_a_receipt_names_the_entry_and_the_checkpoint() -> None:
    """What the agent files and the auditor prints."""
    entry = receipts.check_receipt(TEXT, PAYLOAD, ENVELOPE, [LOG])
    assert (entry.index, entry.leaf, entry.checkpoint) == (2, LEAF, checkpoint(HISTORY))


def test_every_single_flipped_bit_of_a_receipt_fails() -> None:
    """Any byte that could change unnoticed could carry a lie."""
    raw = TEXT.encode()
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(Untrusted):
            receipts.check_receipt(text, PAYLOAD, ENVELOPE, [LOG])


@pytest.mark.parametrize(
    ("payload", "envelope"),
    [(digest(b"other"), ENVELOPE), (PAYLOAD, digest(b"other")), (ENVELOPE, PAYLOAD)],
    ids=["other payload", "other envelope", "exchanged"],
)
def test_a_receipt_holds_for_one_payload_in_one_envelope(payload: str, envelope: str) -> None:
    """A receipt must not be moved to another certificate, nor to the same one with other signatures."""
    with pytest.raises(Untrusted) as refusal:
        receipts.check_receipt(TEXT, payload, envelope, [LOG])
    assert refusal.value.reason == "receipt-wrong"


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_a_salt_of_another_size_is_refused(salt: bytes) -> None:
    """A salt of free length could shift bytes between itself and the digests."""
    with pytest.raises(Untrusted, match="a salt of"):
        receipts.check_receipt(receipt(HISTORY, salt), PAYLOAD, ENVELOPE, [LOG])


ODD_DIGESTS = ["", "sha256:", "sha256:" + "g" * 64, "sha256:" + "A" * 64, "sha3:" + "0" * 64, "0" * 64]


@pytest.mark.parametrize("odd", ODD_DIGESTS)
def test_a_digest_in_another_form_is_refused(odd: str) -> None:
    """Leaves are built from digests of exactly one kind."""
    with pytest.raises(Untrusted):
        receipts.leaf_data(SALT, odd, ENVELOPE)


def test_a_receipt_by_an_unknown_log_is_refused() -> None:
    """A registry that the keyring does not list can sign what it likes."""
    other = Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32).public_key().public_bytes_raw()
    with pytest.raises(Untrusted):
        receipts.check_receipt(TEXT, PAYLOAD, ENVELOPE, [notes.NoteKey(ORIGIN, other)])
    with pytest.raises(Untrusted):
        receipts.check_receipt(TEXT, PAYLOAD, ENVELOPE, [])


def test_a_log_that_grew_is_consistent() -> None:
    """The honest case: the agent moves on to the newer checkpoint."""
    new = receipts.check_consistency_text(consistency(3, HISTORY), checkpoint(HISTORY[:3]), [LOG])
    assert new.size == 6


@pytest.mark.parametrize("kept", range(1, 7))
@pytest.mark.parametrize("replaced", range(6))
def test_a_forked_log_is_caught(kept: int, replaced: int) -> None:
    """A registry that shows a different past to somebody cannot prove that it extends ours."""
    forked = [*HISTORY[:replaced], merkle.leaf_hash(b"forged"), *HISTORY[replaced + 1 :]]
    if replaced >= kept:
        receipts.check_consistency_text(consistency(kept, forked), checkpoint(HISTORY[:kept]), [LOG])
        return
    with pytest.raises(Untrusted) as refusal:
        receipts.check_consistency_text(consistency(kept, forked), checkpoint(HISTORY[:kept]), [LOG])
    assert refusal.value.reason == "log-inconsistent"


@pytest.mark.parametrize("left", range(1, 6))
def test_a_truncated_or_rolled_back_log_is_caught(left: int) -> None:
    """A registry restored from an old backup forgot certificates that the agent holds receipts for."""
    with pytest.raises(Untrusted) as refusal:
        receipts.check_consistency_text(consistency(6, HISTORY[:left]), checkpoint(HISTORY), [LOG])
    assert refusal.value.reason == "log-rolled-back"


def test_a_log_rolled_back_and_grown_again_is_caught() -> None:
    """The size alone would look right."""
    regrown = [*HISTORY[:3], *log_of("x", "y", "z", "more")]
    with pytest.raises(Untrusted):
        receipts.check_consistency_text(consistency(6, regrown), checkpoint(HISTORY), [LOG])


def test_a_proof_from_another_size_than_ours_is_refused() -> None:
    """A proof from an older tree than the one we hold says nothing about the entries between."""
    with pytest.raises(Untrusted):
        receipts.check_consistency_text(consistency(3, HISTORY), checkpoint(HISTORY[:4]), [LOG])


def test_two_logs_are_never_consistent() -> None:
    """Equal roots under two names are two logs."""
    ours = checkpoint(HISTORY)
    with pytest.raises(Untrusted):
        receipts.check_consistency(notes.Checkpoint("other", ours.size, ours.root), ours, ())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_salts_hide_the_document_behind_a_leaf(first: bytes, second: bytes) -> None:
    """The same document under two salts gives two leaves that nobody can tell to be one document's."""
    same = receipts.leaf_data(first, PAYLOAD, ENVELOPE) == receipts.leaf_data(second, PAYLOAD, ENVELOPE)
    assert same == (first == second)
