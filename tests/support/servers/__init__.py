"""Real servers that tests start in a folder of their own and give back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ext4_image import Mounted, ext4_image


@contextmanager
def disk_for_a_server(size: int) -> Iterator[Mounted]:
    """A mounted image of so many bytes where a server of another user can reach it: pytest's folders are closed to
    others, and closed again by every session that begins."""
    folder = Path(tempfile.mkdtemp(prefix="expunge-server-"))
    try:
        folder.chmod(0o755)
        with ext4_image(folder, size=size) as disk:
            yield disk
    finally:
        shutil.rmtree(folder, ignore_errors=True)
