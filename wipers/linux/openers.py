"""Which other processes hold a block device or a file open, or have it mapped."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.machine import Machine, attribute, entries, processes

# Descriptors of these are neither devices nor files; skipping them by name spares most of the work.
NO_STORAGE = ("socket:", "pipe:", "anon_inode:", "net:", "mnt:", "pid:", "user:", "uts:", "ipc:", "cgroup:", "time:")

FileNumber = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Opener:
    """A process that has something open."""

    process: int
    """Its id."""
    command: str
    """Its command's name."""
    is_writer: bool
    """Whether it may write through what it has open."""

    def __str__(self) -> str:
        return f"process {self.process} ({self.command})"


@dataclass(frozen=True, slots=True)
class Openers:
    """Who has what open, but for this process itself."""

    devices: dict[int, tuple[Opener, ...]]
    """By number of the block device."""
    files: dict[FileNumber, tuple[Opener, ...]]
    """By device and inode, of the files asked for."""


def openers(machine: Machine, files: frozenset[FileNumber] = frozenset()) -> Openers:
    """Everybody who has a block device, or one of the files, open; what may not be read is not seen."""
    devices: dict[int, tuple[Opener, ...]] = {}
    found: dict[FileNumber, tuple[Opener, ...]] = {}
    for process, folder in processes(machine):
        if process == os.getpid():
            continue
        for status, is_writer in _open_things(folder, files):
            opener = Opener(process, attribute(folder / "comm", "?"), is_writer)
            if stat.S_ISBLK(status.st_mode):
                devices[status.st_rdev] = (*devices.get(status.st_rdev, ()), opener)
            elif (number := (status.st_dev, status.st_ino)) in files:
                found[number] = (*found.get(number, ()), opener)
    return Openers(devices, found)


def _open_things(folder: Path, files: frozenset[FileNumber]) -> Iterator[tuple[os.stat_result, bool]]:
    for name in entries(folder / "fd"):
        link = folder / "fd" / name
        try:
            if os.readlink(link).startswith(NO_STORAGE):
                continue
            status = os.stat(link)
        except OSError:
            continue
        yield status, _may_write(folder / "fdinfo" / name)
    if files:
        yield from _mapped_files(folder)


def _may_write(information: Path) -> bool:
    """Whether a descriptor was opened for writing; one that cannot be looked at counts as such."""
    for line in attribute(information).splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return True


def _mapped_files(folder: Path) -> Iterator[tuple[os.stat_result, bool]]:
    """Files mapped into memory, which outlive their descriptors; shared writable ones count as written to."""
    for name in entries(folder / "map_files"):
        link = folder / "map_files" / name
        try:
            yield os.stat(link), bool(os.lstat(link).st_mode & stat.S_IWUSR)
        except OSError:
            continue
