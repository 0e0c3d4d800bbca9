"""Taking a MariaDB server's files: a further name for each before the server drops it, and none for what it keeps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from wipers.acts import Given, Halted
from wipers.linux.engines import room_missing
from wipers.linux.engines.mariadb_server import Server, files_open
from wipers.linux.held import Held
from wipers.linux.machine import Machine
from wipers.model import Lost

WATERMARK = 16 << 20
"""Bytes that nothing of our own takes: a server that cannot write waits for somebody to make room, or ends."""
WAIT_SECONDS = 60.0
"""Longest wait for the server to let go of what it dropped, or for old versions of rows to be cleared away."""


def _nothing() -> None: ...


class Taking:
    """What a withdrawal of this server has in hand: the session, the held directory, and whether to stop."""

    def __init__(self, server: Server, held: Held, given: Given, machine: Machine) -> None:
        """Take nothing yet."""
        self.server = server
        self.held = held
        self.given = given
        self.machine = machine
        self.left: set[str] = set()
        """Places that were not reached, by residual code."""
        self.counts: dict[str, int] = {}
        """What was written anew, or went with it, by code."""
        self.open = ExitStack()
        """What is closed when the withdrawal ends, well or not."""
        self.awaited: Callable[[], object] = _nothing
        """Waits for what still sees old versions of rows for our own ends."""
        self.gone_by: int | None = None
        """Number of the transactions that had begun when the rows were gone, where such a snapshot is at work."""

    def take(self, paths: Iterable[Path]) -> int:
        """Every file that is there has a further name in the held directory, once; return how many are on another file
        system, where no such name can be. What is taken is never put back: the server needs nothing of it."""
        folder = self.held.path
        if folder is None:
            raise RuntimeError("nothing is taken before the held directory is noted")
        known = {os.lstat(folder / name).st_ino for name in self.held.names()}
        device = folder.stat().st_dev
        found = {path: path.lstat() for path in paths if path.is_file() and not path.is_symlink()}
        near = [path for path, status in found.items() if status.st_dev == device and status.st_ino not in known]
        self.held.link(near)
        self.held.keep()
        return sum(status.st_dev != device for status in found.values())

    def drop(self, paths: Iterable[Path]) -> None:
        """No file that is held has one of these names any more; names of anything else stay."""
        folder = self.held.path
        if folder is None:
            return
        known = {os.lstat(folder / name).st_ino for name in self.held.names()}
        for path in paths:
            if path.lstat().st_ino in known and path.lstat().st_dev == folder.stat().st_dev:
                path.unlink()

    @property
    def where(self) -> Path:
        """The server's data directory."""
        return self.server.where

    def has_room(self, size: int) -> bool:
        """Whether so much may be written for our own ends, with enough left to the server and everybody else."""
        folder = self.held.path
        return folder is not None and room_missing(folder, size + WATERMARK) is None

    def count(self, code: str, number: int) -> None:
        """So many more of this were written anew, or went."""
        if number:
            self.counts[code] = self.counts.get(code, 0) + number

    def rest(self) -> None:
        """A place from which a resume can go on; raises Halted where the run is to stop."""
        if self.given.stop.is_set():
            raise Halted

    def wait(self, is_done: Callable[[], bool], detail: str, seconds: float = WAIT_SECONDS) -> None:
        """It is so; raises Lost, naming what was waited for, where it does not become so in time."""
        deadline = time.monotonic() + seconds
        while not is_done():
            self.rest()
            if time.monotonic() > deadline:
                raise self.server.lost(detail, 1205)
            time.sleep(0.05)

    def let_go(self) -> None:
        """No held file has another name, nor is one of them open in the server; names of files that the server still
        uses are given up, since they are the server's and not what was taken out."""
        folder = self.held.path
        if folder is None:
            return
        for name in self.held.linked_elsewhere():
            (folder / name).unlink()
        process = self.server.process()
        if process is None:
            raise Lost("engine-failed", where=str(folder.parent), detail="which process answers cannot be told")

        def is_free() -> bool:
            found = (os.lstat(folder / name) for name in self.held.names())
            return not {(status.st_dev, status.st_ino) for status in found} & files_open(self.machine, process)

        self.wait(is_free, "the server still has a file open that it dropped")
