"""The files of a Redis server: held, and written anew by the server itself."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wipers.acts import Given, Halted
from wipers.linux.engines import Request
from wipers.linux.engines.redis_server import Server
from wipers.linux.held import Held
from wipers.model import Lost

WAIT_SECONDS = 600.0
"""Longest wait for the server to write a file anew."""


def files(server: Server, request: Request) -> tuple[Path, ...]:
    """The server's files that hold data: the snapshot, the parts of the log, and what was begun and left."""
    return tuple(sorted(path for path in _names(server, request) if path.is_file() and not path.is_symlink()))


def links(server: Server, request: Request) -> tuple[Path, ...]:
    """Symbolic links where the server has its files: it puts new files in their places, and nobody would hold what they
    lead to."""
    return tuple(sorted(path for path in _names(server, request) if path.is_symlink()))


def _names(server: Server, request: Request) -> set[Path]:
    where = request.where
    folder = where / (server.setting("appenddirname") or "appendonlydir")
    found = {where / (server.setting("dbfilename") or "dump.rdb"), *where.glob("temp-*.rdb"), *where.glob("temp-*.aof")}
    return found | {where / (server.setting("appendfilename") or "appendonly.aof"), folder, *folder.glob("*")}


def appended(listed: bytes) -> Iterator[bytes]:
    """Yield the names of a log's parts that are appended to, out of its manifest; an odd name stands in quotes, its odd
    bytes as the server spells them (sdscatrepr)."""
    for found in re.finditer(rb'^file (?:"((?:[^"\\]|\\.)*)"|(\S+)) .*type i\s*$', listed, re.MULTILINE):
        if found[2] is not None:
            yield found[2]
        else:
            yield re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", _spelled, found[1])


def _spelled(found: re.Match[bytes]) -> bytes:
    text = found[1]
    if len(text) == 3:
        return bytes([int(text[1:], 16)])
    return {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}.get(text, text)


class Writing:
    """The server's files while they are written anew."""

    def __init__(self, server: Server, request: Request, held: Held, given: Given, folder: Path) -> None:
        self.server = server
        self.request = request
        self.held = held
        self.given = given
        self._folder = folder

    def take(self) -> None:
        """Every file that holds data has a further name in the held directory, once."""
        known = self._inodes()
        self.held.link(
            path for path in files(self.server, self.request) if path.is_file() and path.lstat().st_ino not in known
        )
        self.held.keep()

    def idle(self) -> None:
        """The server writes no file anew."""
        self._wait(lambda: not self._is_writing(), "the server goes on writing a file")

    def anew(self) -> int:
        """No file of the server is one that is held; return how many it has now."""
        server, request = self.server, self.request
        is_logged = server.setting("appendonly") == "yes"
        log = request.where / (server.setting("appenddirname") or "appendonlydir")
        if (request.where / (server.setting("dbfilename") or "dump.rdb")).exists() or server.setting("save"):
            self._write("BGSAVE", "rdb_last_bgsave_status")
        if is_logged:
            self._write("BGREWRITEAOF", "aof_last_bgrewrite_status")
            if self._inodes() & {path.lstat().st_ino for path in self._appended(log)}:
                # A server that died amid such a rewrite takes up the file that it had begun then, which is held.
                self._write("BGREWRITEAOF", "aof_last_bgrewrite_status")
        for path in files(server, request):
            # A log that is switched off, and what a server that died had begun, is of no use to anybody.
            if path.name.startswith("temp-") or (path.parent == log and not is_logged):
                path.unlink()
        held = self._inodes()
        kept = [path.name for path in files(server, request) if path.is_file()]
        self._wait(
            lambda: not held & {path.lstat().st_ino for path in files(server, request) if path.is_file()},
            "a file of the server was not written anew",
        )
        return len(kept)

    def _inodes(self) -> set[int]:
        """What is held."""
        return {(self._folder / name).lstat().st_ino for name in self.held.names()}

    def _appended(self, log: Path) -> Iterator[Path]:
        """Yield the parts of the log that the server appends to, as it lists them itself (since 7.0)."""
        listed = log / f"{self.server.setting('appendfilename')}.manifest"
        for name in appended(listed.read_bytes()) if listed.is_file() else ():
            if (part := log / os.fsdecode(name)).is_file():
                yield part

    def let_go(self) -> None:
        """No held file has another name, and the server has none of them open."""
        folder = self.request.machine.proc / str(self.server.process()) / "fd"

        def is_free() -> bool:
            opened = set()
            for name in os.listdir(folder):
                try:
                    found = (folder / name).stat()
                except OSError:
                    continue
                opened.add((found.st_dev, found.st_ino))
            held = [(self._folder / name).lstat() for name in self.held.names()]
            return not self.held.linked_elsewhere() and not opened & {(one.st_dev, one.st_ino) for one in held}

        self._wait(is_free, "the server still has a file that it wrote anew")

    def _is_writing(self) -> bool:
        told = self.server.info("persistence")
        marks = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled", "loading")
        return any(told.get(mark) == "1" for mark in marks) or self._is_left_writing()

    def _is_left_writing(self) -> bool:
        """Whether a process that a server left behind when it died writes on: it gives what it wrote the snapshot's
        name at its end, and all keys of before are in it."""
        ours = self.request.where.stat()
        for process in self.request.machine.proc.glob("[0-9]*"):
            try:
                found = (process / "cwd").stat()
                if (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino):
                    continue
                opened = [os.readlink(one) for one in (process / "fd").iterdir()]
            except OSError:
                continue
            if any(Path(one).name.startswith("temp-") for one in opened):
                return True
        return False

    def _write(self, command: str, status: str) -> None:
        """The server wrote a file anew, begun after now; raises Lost where it failed."""
        self.idle()
        self.server.do(command)
        self.idle()
        if self.server.info("persistence").get(status) != "ok":
            raise Lost("engine-failed", where=str(self.request.where), detail=f"{command} failed")

    def _wait(self, is_done: Callable[[], bool], detail: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_done():
            if self.given.stop.is_set():
                raise Halted
            if time.monotonic() > deadline:
                raise Lost("records-in-use", where=str(self.request.where), detail=detail)
            time.sleep(0.02)
