"""The drives that QEMU plugs into the guest of the device tests, beside those that tests make for themselves there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import image

MIB = 1 << 20
SIZE = 8 * MIB


@contextmanager
def plugged_in() -> Iterator[tuple[str, ...]]:
    """QEMU's words for all of them; their image files are gone afterwards."""
    image.check_available()
    image.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="drives-", dir=image.FOLDER) as folder:
        yield _words(Path(folder))


def _words(folder: Path) -> tuple[str, ...]:
    return ()
