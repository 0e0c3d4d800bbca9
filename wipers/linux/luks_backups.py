"""Header backups that an order names: files that must prove to be backups of this container before they are touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wipers.linux.inplace import FoundFile, find_file
from wipers.linux.loops import file_of
from wipers.linux.luks_header import Read, find_headers
from wipers.linux.machine import Machine
from wipers.linux.openers import FileNumber
from wipers.model import Obstacle

if TYPE_CHECKING:
    from wipers.linux.luks_state import Begun

BEYOND_REACH = frozenset({"file-system-not-supported", "extents-not-provable"})
"""Obstacles that make a backup unreached, to be said so, rather than the whole run impossible."""


FileMark = tuple[str, int]
"""What a file is known by after a restart: UUID of its file system, and inode."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A header backup that can be overwritten in place and read back."""

    found: FoundFile
    """The file."""

    @property
    def mark(self) -> FileMark:
        """What a run knows it by when it is taken up again."""
        return self.found.file_system.uuid or "", self.found.number[1]


@contextmanager
def header_reader(path: str) -> Iterator[tuple[Read, int, FileNumber]]:
    """Bytes of a device or file, its size, and which file it is; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        status = os.fstat(descriptor)
        size = os.lseek(descriptor, 0, os.SEEK_END)
        yield lambda offset, length: os.pread(descriptor, length, offset), size, (status.st_dev, status.st_ino)
    finally:
        os.close(descriptor)


def find_backups(
    paths: tuple[str, ...], container: str, uuid: str, begun: Begun | None, machine: Machine
) -> tuple[tuple[Backup, ...], tuple[Obstacle, ...]]:
    """The backups within reach, and why the run must not begin: one in use, or a file that is something else.

    A file that is missing, or lies where nothing can be proven below the file system, is left alone: unreached.
    """
    backups: list[Backup] = []
    obstacles: list[Obstacle] = []
    seen: set[FileNumber | None] = {file_of(container)}
    for path in paths:
        found = find_file(path, machine)
        if found is None or not found.file_system.is_raw_readable or _is_beyond_reach(found):
            continue
        backup = Backup(found)
        is_begun = begun is not None and backup.mark in begun.backups
        if found.number in seen or not (is_begun or _is_backup(found, uuid)):
            obstacles.append(Obstacle("header-backup-wrong", (("where", path),)))
            continue
        seen.add(found.number)
        obstacles += found.obstacles
        backups.append(backup)
    return tuple(backups), tuple(obstacles)


def _is_beyond_reach(found: FoundFile) -> bool:
    return any(obstacle.reason in BEYOND_REACH for obstacle in found.obstacles)


def _is_backup(found: FoundFile, uuid: str) -> bool:
    """Whether the very file that was found, and no other that has its name by now, holds an intact header of the
    container, and so is no other thing that a slip of the pen named."""
    try:
        with header_reader(found.path) as (read, size, number):
            headers = find_headers(read, size) if number == found.number else ()
    except OSError:
        return False
    return any(header.offset == 0 and header.is_intact and header.uuid == uuid for header in headers)
