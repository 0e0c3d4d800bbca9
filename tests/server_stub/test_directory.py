"""The data directory: keys that only their owner reads, nothing replaced in place, and the last checkpoint kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates import merkle, notes
from certificates.errors import Failure
from certificates.notes import Checkpoint
from server_stub.directory import HOLD_KEY, LOG_KEY, DataDirectory
from server_stub.serving import open_registry
from tests.server_stub.world import ORIGIN, SOME, Desk


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    found = DataDirectory(tmp_path / "data")
    found.initialise(ORIGIN)
    return found


def test_keys_are_readable_by_their_owner_only(directory: DataDirectory) -> None:
    """From the first moment on: the directory is closed as well."""
    assert (directory.path / LOG_KEY).stat().st_mode & 0o777 == 0o600
    assert (directory.path / HOLD_KEY).stat().st_mode & 0o777 == 0o600
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert directory.signer(LOG_KEY).key_id != directory.signer(HOLD_KEY).key_id


def test_a_key_that_others_may_read_is_refused(directory: DataDirectory) -> None:
    """It may have been copied."""
    (directory.path / LOG_KEY).chmod(0o640)
    with pytest.raises(Failure) as refusal:
        directory.log_signer()
    assert refusal.value.reason == "key-unreadable"


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(directory: DataDirectory, content: bytes) -> None:
    """A damaged file is told as such."""
    (directory.path / HOLD_KEY).write_bytes(content)
    with pytest.raises(Failure) as refusal:
        directory.signer(HOLD_KEY)
    assert refusal.value.reason == "key-unreadable"


def test_a_registry_is_set_up_once(directory: DataDirectory) -> None:
    """A second `init` would orphan everything that the first keys signed."""
    before = (directory.path / LOG_KEY).read_bytes()
    with pytest.raises(Failure) as refusal:
        directory.initialise("other.example/log")
    assert refusal.value.reason == "registry-exists"
    with pytest.raises(Failure):
        directory.make_key(LOG_KEY)
    assert (directory.path / LOG_KEY).read_bytes() == before
    assert directory.origin == ORIGIN


@pytest.mark.parametrize("origin", ["", "with space", "with+plus", "line\nbreak"])
def test_an_origin_that_no_note_could_carry_is_refused(tmp_path: Path, origin: str) -> None:
    """Before any key is made."""
    directory = DataDirectory(tmp_path / "data")
    with pytest.raises(Failure):
        directory.initialise(origin)
    assert not (directory.path / LOG_KEY).exists()


def test_a_root_is_pinned_for_good(directory: DataDirectory) -> None:
    """Whoever could move it could exchange every person in the keyring."""
    with pytest.raises(Failure) as missing:
        _ = directory.root
    assert missing.value.reason == "registry-not-ready"
    directory.pin_root(SOME)
    directory.pin_root(SOME)
    assert directory.root == SOME
    with pytest.raises(Failure) as refusal:
        directory.pin_root(Desk().root)
    assert refusal.value.reason == "registry-exists"


def test_a_root_is_a_digest(directory: DataDirectory) -> None:
    """Pinned for good, so read twice."""
    with pytest.raises(Failure):
        directory.pin_root("version 1")


def test_the_head_only_moves_on(directory: DataDirectory) -> None:
    """Two processes may tell it of their checkpoints in either order."""
    head, voice = directory.head(), directory.log_signer()
    texts = []
    for size in (0, 1, 2):
        text = notes.checkpoint_text(Checkpoint(ORIGIN, size, merkle.EMPTY_ROOT))
        texts.append(notes.encode_note(notes.sign_note(text, voice.key, voice.sign)))
    assert head.read() is None
    for text in (texts[1], texts[2], texts[0]):
        head.advance(text)
    assert head.read() == texts[2]
    assert sorted(path.name for path in directory.path.iterdir() if path.name.startswith(".")) == []


def test_a_registry_before_init_is_not_ready(tmp_path: Path) -> None:
    """The message says what to run."""
    with pytest.raises(Failure) as refusal:
        open_registry(DataDirectory(tmp_path))
    assert refusal.value.reason in ("registry-not-ready", "key-unreadable")
