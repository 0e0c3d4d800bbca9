"""Key files are written once, for their owner alone, and read with a clear word on what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.keys import generate, load_key, load_public, load_signer, parse_public, public_path, write_key
from certificates.errors import Refused
from certificates.signers import key_id_of
from certificates.statements import Algorithm
from tests.support.screens import invoke, tree


@pytest.mark.parametrize("kind", list(Algorithm))
def test_a_key_is_read_back_as_it_was_made(tmp_path: Path, kind: Algorithm) -> None:
    """Both halves name the same key."""
    key_id = write_key(tmp_path / "key", generate(kind))
    spki, algorithm = load_public(tmp_path / "key.pub")
    assert load_signer(tmp_path / "key").key_id == key_id == key_id_of(spki)
    assert algorithm is kind


def test_only_its_owner_reads_a_key(tmp_path: Path) -> None:
    """Neither at first nor later; a key that others can read is refused rather than used."""
    write_key(tmp_path / "key", generate(Algorithm.ED25519))
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(Refused, match="others may read it"):
        load_key(tmp_path / "key")


@pytest.mark.parametrize("standing", ["key", "key.pub"])
def test_a_key_is_never_written_over(tmp_path: Path, standing: str) -> None:
    """Neither half: what is signed with a lost key can never be signed again."""
    (tmp_path / standing).write_text("precious")
    with pytest.raises(Refused, match="exists"):
        write_key(tmp_path / "key", generate(Algorithm.ED25519))
    assert [path.name for path in tmp_path.iterdir()] == [standing]


def test_a_link_is_no_free_place(tmp_path: Path) -> None:
    """A key must not land where a dangling link leads."""
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="exists"):
        write_key(tmp_path / "key", generate(Algorithm.ED25519))


def test_a_locked_key_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    """And says so when it cannot ask for one."""
    write_key(tmp_path / "key", generate(Algorithm.P256), "correct horse")
    assert load_key(tmp_path / "key", lambda path: "correct horse")
    for ask in (None, lambda path: "wrong"):
        with pytest.raises(Refused, match="passphrase"):
            load_key(tmp_path / "key", ask)


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    """Only what every auditor can check."""
    others: tuple[Any, ...] = (ec.generate_private_key(ec.SECP384R1()), ed448.Ed448PrivateKey.generate())
    for number, key in enumerate(others):
        path = tmp_path / str(number)
        path.touch(0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with pytest.raises(Refused, match="neither Ed25519 nor P-256"):
            load_key(path)


@pytest.mark.parametrize("text", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: bytes) -> None:
    """With the name of the file."""
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_bytes(text)
    for load in (load_key, load_public):
        with pytest.raises(Refused, match=str(tmp_path / "key")):
            load(tmp_path / "key")
    with pytest.raises(Refused, match="base64"):
        parse_public(text.decode())


def test_the_command_makes_both_halves(tmp_path: Path) -> None:
    """And prints the id that goes into reports."""
    told = tree("key", "new", tmp_path / "key", "--kind", "p256")
    assert told["key"] == load_signer(tmp_path / "key").key_id
    assert public_path(tmp_path / "key").exists()


def test_the_command_asks_twice_for_a_passphrase(tmp_path: Path) -> None:
    """A mistyped passphrase locks its owner out."""
    assert invoke("key", "new", tmp_path / "a", "--passphrase", typed="one\ntwo\n").exit_code != 0
    assert invoke("key", "new", tmp_path / "b", "--passphrase", typed="one\none\n").exit_code == 0
    assert load_key(tmp_path / "b", lambda path: "one")
