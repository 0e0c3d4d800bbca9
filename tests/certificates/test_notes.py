"""Signed notes, checkpoints and proofs: the examples that C2SP publishes, and every way to tamper with one."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from certificates import merkle, notes
from certificates.errors import Untrusted

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
ORIGIN = "registry.example/expunge"


def key_pair(name: str, seed: int, kind: int = notes.LOG_KEY) -> tuple[notes.NoteKey, Ed25519PrivateKey]:
    """A key made from a seed, so that every run sees the same texts."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return notes.NoteKey(name, private.public_key().public_bytes_raw(), kind), private


LOG, LOG_PRIVATE = key_pair(ORIGIN, 1)
WITNESS, WITNESS_PRIVATE = key_pair("witness.example/w1", 2, notes.COSIGNER_KEY)
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(5)]


def checkpoint_note(size: int = 5) -> notes.Note:
    """A log's checkpoint, signed."""
    checkpoint = notes.Checkpoint(ORIGIN, size, merkle.root_of(LEAVES[:size]))
    return notes.sign_note(notes.checkpoint_text(checkpoint), LOG, LOG_PRIVATE.sign)


def cosigned(note: notes.Note, stamp: int = 1_679_315_147) -> notes.Note:
    """The note with a witness's timestamped signature added."""
    signature = WITNESS_PRIVATE.sign(f"cosignature/v1\ntime {stamp}\n".encode() + note.text.encode())
    line = notes.Signature(WITNESS.name, WITNESS.key_id, stamp.to_bytes(8, "big") + signature)
    return notes.Note(note.text, (*note.signatures, line))


def proof_text(extra: bytes | None = bytes(32)) -> str:
    """A proof of the third of five leaves."""
    path = merkle.inclusion_proof(2, 5, merkle.nodes_over(LEAVES))
    return notes.encode_proof(notes.InclusionProof(extra, 2, path, checkpoint_note()))


def test_the_published_note_verifies_under_the_published_key() -> None:
    """The example of c2sp.org/signed-note, unchanged."""
    key = notes.parse_vkey(EXAMPLE_KEY)
    note = notes.parse_note(EXAMPLE_NOTE)
    assert notes.check_note(note, [key]) == key
    assert notes.encode_note(note) == EXAMPLE_NOTE
    assert key.vkey == EXAMPLE_KEY


def test_a_verifier_key_whose_id_is_not_its_hash_is_refused() -> None:
    """The id is derived: one that differs was mistyped or forged."""
    with pytest.raises(Untrusted):
        notes.parse_vkey(EXAMPLE_KEY.replace("530d903a", "530d903b"))


@pytest.mark.parametrize("text", ["", "name", "name+00000000", "name+00000000+", "a b+530d903a+AQ==", "name+1+2+3"])
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    """Trust files are typed by people."""
    with pytest.raises(Untrusted):
        notes.parse_vkey(text)


def test_a_checkpoint_survives_the_round_trip() -> None:
    """What the log signs is what the reader gets."""
    note = notes.parse_note(notes.encode_note(checkpoint_note()))
    checkpoint = notes.check_checkpoint(note, [LOG])
    assert checkpoint == notes.Checkpoint(ORIGIN, 5, merkle.root_of(LEAVES))


def test_a_cosignature_counts_when_its_key_was_given() -> None:
    """A witness signs a time and the same text (c2sp.org/tlog-cosignature)."""
    note = notes.parse_note(notes.encode_note(cosigned(checkpoint_note())))
    assert notes.check_checkpoint(note, [LOG], [WITNESS]).size == 5


def test_a_signature_by_an_unknown_key_is_refused() -> None:
    """Filed evidence holds nothing that nobody vouched for; C2SP's verifiers of live notes would skip the line."""
    with pytest.raises(Untrusted) as refusal:
        notes.check_note(cosigned(checkpoint_note()), [LOG])
    assert refusal.value.reason == "note-signer"


def test_a_cosigner_alone_does_not_make_a_checkpoint() -> None:
    """A witness says that the log was consistent, never that the log said so."""
    note = cosigned(checkpoint_note())
    with pytest.raises(Untrusted):
        notes.check_note(notes.Note(note.text, note.signatures[1:]), [LOG], [WITNESS])
    with pytest.raises(Untrusted):
        notes.check_note(notes.Note(note.text, note.signatures[::-1]), [LOG], [WITNESS])
    with pytest.raises(Untrusted):
        notes.check_note(notes.Note(note.text, ()), [LOG], [WITNESS])


def test_the_same_signature_twice_is_refused() -> None:
    """Each line is by a different key, so lines can be counted."""
    note = checkpoint_note()
    with pytest.raises(Untrusted):
        notes.check_note(notes.Note(note.text, note.signatures * 2), [LOG])


def test_a_cosigners_timestamp_is_signed() -> None:
    """Moving a witness's clock breaks the witness's signature."""
    note = cosigned(checkpoint_note())
    line = note.signatures[1]
    moved = notes.Signature(line.name, line.key_id, (1).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(Untrusted):
        notes.check_note(notes.Note(note.text, (note.signatures[0], moved)), [LOG], [WITNESS])


def test_a_checkpoint_of_another_origin_under_a_known_key_is_refused() -> None:
    """One key must not speak for two logs."""
    text = notes.checkpoint_text(notes.Checkpoint("other.example/log", 5, merkle.root_of(LEAVES)))
    with pytest.raises(Untrusted) as refusal:
        notes.check_checkpoint(notes.sign_note(text, LOG, LOG_PRIVATE.sign), [LOG])
    assert refusal.value.reason == "note-origin"


def test_a_log_keys_signature_is_not_a_cosignature() -> None:
    """The key id binds the kind of signature: the same key under another kind is another key."""
    as_cosigner = notes.NoteKey(ORIGIN, LOG.public, notes.COSIGNER_KEY)
    assert as_cosigner.key_id != LOG.key_id
    with pytest.raises(Untrusted):
        notes.check_note(checkpoint_note(), [as_cosigner])


SMALL_ROOT = base64.b64encode(bytes(32)).decode()
ODD_BODIES = {
    "leading zero": f"{ORIGIN}\n05\n{SMALL_ROOT}\n",
    "plus sign": f"{ORIGIN}\n+5\n{SMALL_ROOT}\n",
    "negative": f"{ORIGIN}\n-5\n{SMALL_ROOT}\n",
    "other digits": f"{ORIGIN}\n\N{ARABIC-INDIC DIGIT FIVE}\n{SMALL_ROOT}\n",
    "too large": f"{ORIGIN}\n{1 << 63}\n{SMALL_ROOT}\n",
    "no origin": f"\n5\n{SMALL_ROOT}\n",
    "extension line": f"{ORIGIN}\n5\n{SMALL_ROOT}\nmore\n",
    "short root": f"{ORIGIN}\n5\n{SMALL_ROOT[:-4]}\n",
    "root with stray bits": f"{ORIGIN}\n5\n{SMALL_ROOT[:-2]}B=\n",
    "root missing": f"{ORIGIN}\n5\n",
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_a_checkpoint_in_any_other_form_is_refused_though_signed(body: str) -> None:
    """One meaning, one text: otherwise two readers could understand two things under one signature."""
    with pytest.raises(Untrusted):
        notes.check_checkpoint(notes.sign_note(body, LOG, LOG_PRIVATE.sign), [LOG])


EDITS: dict[str, Callable[[str], str]] = {
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "no final newline": lambda text: text[:-1],
    "an extra newline": lambda text: text + "\n",
    "a hyphen for the dash": lambda text: text.replace("—", "-"),
    "two spaces": lambda text: text.replace("— ", "—  "),
    "a space at the end": lambda text: text[:-1] + " \n",
    "a line separator": lambda text: text.replace("\n—", "\u2028—"),
    "a null": lambda text: text.replace("5\n", "5\x00\n", 1),
    "no signature": lambda text: text[: text.index("—")],
    "empty": lambda text: "",
    "only a signature": lambda text: text[text.index("\n\n") :],
    "larger than any": lambda text: text + "x" * notes.MAX_TEXT,
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_note_in_any_other_form_is_refused(edit: Callable[[str], str]) -> None:
    """The text must be byte for byte what its meaning encodes to."""
    with pytest.raises(Untrusted):
        notes.check_checkpoint(notes.parse_note(edit(notes.encode_note(checkpoint_note()))), [LOG])


@pytest.mark.parametrize("extra", [None, b"", bytes(32)], ids=["no extra", "empty extra", "salt"])
def test_a_proof_survives_the_round_trip(extra: bytes | None) -> None:
    """The extra line is optional in tlog-proof, and empty is not absent."""
    text = proof_text(extra)
    assert notes.encode_proof(notes.parse_proof(text)) == text
    assert notes.parse_proof(text).extra == extra


PROOF_EDITS: dict[str, Callable[[str], str]] = {
    "another version": lambda text: text.replace("@v1", "@v2"),
    "extra after index": lambda text: swap_lines(text, 1, 2),
    "two extras": lambda text: text.replace("extra ", "extra AAAA\nextra ", 1),
    "index with a zero in front": lambda text: text.replace("index 2", "index 02"),
    "no index": lambda text: text.replace("index 2\n", ""),
    "a word for the index": lambda text: text.replace("index 2", "index two"),
    "unpadded base64": lambda text: text.replace("=\n", "\n", 1),
    "a short hash": lambda text: text.replace("index 2\n", "index 2\nAAAA\n"),
    "a blank line more": lambda text: text.replace("\n\n", "\n\n\n", 1),
    "nothing": lambda text: "",
    "the header alone": lambda text: text.split("\n")[0],
}


@pytest.mark.parametrize("edit", PROOF_EDITS.values(), ids=PROOF_EDITS.keys())
def test_a_proof_in_any_other_form_is_refused(edit: Callable[[str], str]) -> None:
    """Receipts are kept for decades: they have one form."""
    with pytest.raises(Untrusted):
        notes.parse_proof(edit(proof_text()))


def test_a_consistency_body_survives_the_round_trip() -> None:
    """The body is the one that witnesses are sent (c2sp.org/tlog-witness)."""
    path = merkle.consistency_proof(3, 5, merkle.nodes_over(LEAVES))
    text = notes.encode_consistency(notes.ConsistencyProof(3, path, checkpoint_note()))
    assert text.startswith("old 3\n")
    assert notes.encode_consistency(notes.parse_consistency(text)) == text


@pytest.mark.parametrize("text", ["", "old", "old 03\n\n", "new 3\n\n", "old 3\nAAAA\n\n", "old 3"])
def test_what_is_no_consistency_body_is_refused(text: str) -> None:
    """It comes from the network."""
    with pytest.raises(Untrusted):
        notes.parse_consistency(text)


@given(st.text())
def test_arbitrary_text_is_refused_and_nothing_else_happens(text: str) -> None:
    """Whatever a stranger sends, the parsers answer with the one family of errors."""
    for parse in (notes.parse_note, notes.parse_proof, notes.parse_consistency, notes.parse_vkey):
        with pytest.raises(Untrusted):
            parse(text)


def swap_lines(text: str, first: int, second: int) -> str:
    """The text with two lines exchanged."""
    lines = text.split("\n")
    lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)
