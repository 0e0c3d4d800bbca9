"""Where a machine tells about itself; every path is an argument, so that tests can show another machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.mapper import Row, table_of
from wipers.linux.properties import properties_of

PAGE_SIZE = 4096
"""Alignment of buffers and of the extra sectors around a read; every drive's sector divides it."""


def untold(_: int) -> None:
    """Nobody wants to know how far a search has come."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The roots under which a kernel shows devices, processes and device nodes."""

    sys: Path = Path("/sys")
    """sysfs."""
    proc: Path = Path("/proc")
    """procfs."""
    dev: Path = Path("/dev")
    """Device nodes."""
    runs: Path = Path("/var/lib/expunge/runs")
    """Where a run keeps what it must know again after a crash, private to this host. What carries it, and the rest of
    the site above it, counts as the system's disk."""
    table: Callable[[int], tuple[Row, ...] | None] = table_of
    """What a mapping of the device mapper is made of, by its number; none where it cannot be read."""
    properties: Callable[[Path], Mapping[str, str]] = properties_of
    """What udev's database says of the device of a folder in sysfs; nothing where udev does not run."""
    met: Callable[[int], None] = untold
    """Told every thousand files how many a search for ordered files has met, since it may take minutes."""


THIS_MACHINE = Machine()


def attribute(path: Path, default: str = "") -> str:
    """Content of a kernel attribute without the blanks around it; the default where there is none."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\x00 \t\r\n")
    except OSError:
        return default


def number(path: Path, default: int = 0) -> int:
    """Content of a numeric kernel attribute; the default where there is none."""
    text = attribute(path)
    return int(text) if text.isascii() and text.isdigit() else default


def entries(path: Path | str) -> list[str]:
    """Names in a directory, sorted; none where it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def devno(path: Path) -> int | None:
    """Number of the block device that a node names; none where it names none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    is_block = (found.st_mode & 0o170000) == 0o060000
    return found.st_rdev if is_block else None


def devno_of_text(text: str) -> int | None:
    """Device number of `8:16` as the kernel writes it; none where the text is something else."""
    major, colon, minor = text.partition(":")
    return os.makedev(int(major), int(minor)) if colon and major.isdigit() and minor.isdigit() else None


def text_of_devno(device: int) -> str:
    """`8:16` for a device number."""
    return f"{os.major(device)}:{os.minor(device)}"


def sys_folder(machine: Machine, device: int) -> Path | None:
    """Folder in sysfs of a device or partition; none where the kernel knows no such block device."""
    folder = machine.sys / "dev" / "block" / text_of_devno(device)
    return folder.resolve() if folder.exists() else None


def whole_disk(folder: Path) -> Path:
    """Folder in sysfs of the disk that a partition belongs to; the folder itself where it is no partition."""
    return folder.parent if (folder / "partition").exists() else folder


def processes(machine: Machine) -> Iterator[tuple[int, Path]]:
    """Processes that can be seen, by id."""
    for name in entries(machine.proc):
        if name.isdigit():
            yield int(name), machine.proc / name
