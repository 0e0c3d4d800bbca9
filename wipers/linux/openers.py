"""Which other processes hold a block device or a file open, or have it mapped."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from wipers.linux.machine import Machine, attribute, entries, processes

# Descriptors of these are neither devices nor files; skipping them by name spares most of the work.
NO_STORAGE = ("socket:", "pipe:", "anon_inode:", "net:", "mnt:", "pid:", "user:", "uts:", "ipc:", "cgroup:", "time:")

FileNumber = tuple[int, int]
"""Device and inode."""


class Files(Protocol):
    """Files that are asked for."""

    def __contains__(self, file: object, /) -> bool:
        """Tell whether a file, by device and inode, is one of them."""
        ...


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


def openers(machine: Machine, files: Files = frozenset()) -> Openers:
    """Everybody who has a block device, or one of the files, open; what may not be read is not seen."""
    devices: dict[int, tuple[Opener, ...]] = {}
    found: dict[FileNumber, tuple[Opener, ...]] = {}
    for process, folder in processes(machine):
        if process == os.getpid():
            continue
        for status, may_write in _open_things(str(folder), mapped=files != frozenset()):
            is_device = stat.S_ISBLK(status.st_mode)
            number = (status.st_dev, status.st_ino)
            if not is_device and number not in files:
                continue
            opener = Opener(process, attribute(folder / "comm", "?"), may_write())
            if is_device:
                devices[status.st_rdev] = (*devices.get(status.st_rdev, ()), opener)
            else:
                found[number] = (*found.get(number, ()), opener)
    return Openers(devices, found)


def _open_things(folder: str, *, mapped: bool) -> Iterator[tuple[os.stat_result, Callable[[], bool]]]:
    """What a process has open, and mapped, each with the question whether it may write there.

    Thousands of descriptors are looked at for a handful that matter: hence strings, and a question instead of an
    answer.
    """
    for name in entries(f"{folder}/fd"):
        link = f"{folder}/fd/{name}"
        try:
            if os.readlink(link).startswith(NO_STORAGE):
                continue
            yield os.stat(link), partial(_may_write, f"{folder}/fdinfo/{name}")
        except OSError:
            continue
    for name in entries(f"{folder}/map_files") if mapped else ():
        link = f"{folder}/map_files/{name}"
        try:
            yield os.stat(link), partial(_is_mapped_writable, link)
        except OSError:
            continue


def _may_write(information: str) -> bool:
    """Whether a descriptor was opened for writing; one that cannot be looked at counts as such."""
    for line in attribute(Path(information)).splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return True


def _is_mapped_writable(link: str) -> bool:
    """Whether a mapping, which outlives its descriptor, may be written through."""
    try:
        return bool(os.lstat(link).st_mode & stat.S_IWUSR)
    except OSError:
        return True
