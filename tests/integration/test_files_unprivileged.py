"""An ordinary user's files: they are destroyed all the same, and nothing is said to have been read that was not."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.erasing import KEYSTREAM, Ordered, erase, order_files
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.scanner import total_found
from wipers.patterns import fill

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-OF-A-USER-02ad"
NOBODY = 65534


@pytest.fixture
def disk() -> Iterator[Mounted]:
    """A mounted image in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="expunge-user-"))
    folder.chmod(0o755)
    try:
        with ext4_image(folder) as found:
            (found.root / "home").mkdir()
            for name in ("a.txt", "b.txt"):
                (found.root / "home" / name).write_bytes((NEEDLE + b"\n") * 3000)
                os.chown(found.root / "home" / name, NOBODY, NOBODY)
            os.chown(found.root / "home", NOBODY, NOBODY)
            found.sync()
            yield found
    finally:
        shutil.rmtree(folder)


def as_nobody(deed: Callable[[], Any]) -> Any:
    """What the deed returns in a process without any right; an exception there fails here."""
    # The interpreter itself may lie where nobody may read: what is loaded late is loaded now.
    importlib.import_module("wipers.linux.files")
    fill(KEYSTREAM, 0, 0, memoryview(bytearray(64)))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            told = json.dumps(deed())
        except BaseException as error:  # noqa: BLE001 - the parent raises it
            told = json.dumps(f"{type(error).__name__}: {error}")
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    return json.loads(told)


def order(disk: Mounted, *names: str) -> Ordered:
    state = Path(tempfile.mkdtemp(dir=disk.image.parent))
    os.chown(state, NOBODY, NOBODY)
    return order_files(disk.root / "home", names, state)


def test_what_cannot_be_read_below_is_said_to_be_unread(disk: Mounted) -> None:
    """The work is done; the proof needs rights that this user has not, so the claim must stay unknown."""
    ordered = order(disk, "a.txt", "b.txt")
    assert total_found(disk.image, [NEEDLE]) == 6000

    def deed() -> list[object]:
        target = ordered.target()
        erased = erase(ordered)
        errors = sorted({failure.error for failure in erased.readback.unread})
        codes = [residual.code for residual in target.residual]
        sizes = [target.size, erased.unwritten, erased.readback.unread_size, erased.readback.matched]
        return [[one.reason for one in target.obstacles], codes, sizes, errors, erased.names]

    obstacles, codes, (size, unwritten, unread, matched), errors, names = as_nobody(deed)
    assert obstacles == []
    assert "raw-storage-not-readable" in codes
    assert (unwritten, unread, matched, errors, names) == (0, size, 0, ["EACCES"], 2)
    disk.sync()
    assert total_found(disk.image, [NEEDLE]) == 0


@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_this_user_may_not_change_is_refused(disk: Mounted, what: str) -> None:
    """Better before the first write than in the middle."""
    if what == "file":
        (disk.root / "home" / "b.txt").chmod(0o444)
    else:
        os.chown(disk.root / "home", 0, 0)
    ordered = order(disk, "a.txt", "b.txt")
    assert as_nobody(lambda: sorted(ordered.reasons())) == ["files-not-accessible"]


def test_a_directory_that_this_user_may_not_read_is_refused(disk: Mounted) -> None:
    """What lies in it was not counted."""
    (disk.root / "home" / "all" / "closed").mkdir(parents=True)
    os.chown(disk.root / "home" / "all", NOBODY, NOBODY)
    (disk.root / "home" / "all" / "closed").chmod(0o700)
    ordered = order(disk, "all")
    assert as_nobody(lambda: sorted(ordered.reasons())) == ["files-not-accessible"]
