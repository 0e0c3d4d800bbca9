"""What is mounted, in every mount namespace that can be read, and what the kernel swaps to."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.machine import Machine, devno, devno_of_text, processes

WITHOUT_MEDIUM = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs"})
"""File systems that lie in memory alone."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo (proc_pid_mountinfo(5))."""

    device: int
    """Device number that files there report; major 0 where no single block device lies below."""
    root: str
    """Part of the file system that is mounted."""
    point: str
    """Where."""
    kind: str
    """File-system type."""
    source: str
    """What was mounted, as it was named."""
    options: tuple[str, ...]
    """Options of the mount and of the file system."""

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written there."""
        return "ro" in self.options


@dataclass(frozen=True, slots=True)
class Swap:
    """One swap area: a block device, or a file."""

    name: str
    """As /proc/swaps names it."""
    device: int | None
    """Number of the block device that is swapped to."""
    file: tuple[int, int] | None
    """Device and inode of the file that is swapped to."""


def mounts(machine: Machine, process: str = "self") -> tuple[Mount, ...]:
    """Mounts as one process sees them; none where that cannot be read."""
    try:
        text = (machine.proc / process / "mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ()
    return tuple(mount for line in text.splitlines() if (mount := mount_in(line)) is not None)


def all_mounts(machine: Machine) -> tuple[Mount, ...]:
    """Mounts of every namespace that can be read, each once."""
    found = dict.fromkeys(mounts(machine))
    seen = {_namespace(machine.proc / "self")}
    for process, folder in processes(machine):
        namespace = _namespace(folder)
        if namespace not in seen:
            seen.add(namespace)
            found.update(dict.fromkeys(mounts(machine, str(process))))
    return tuple(found)


def mount_of(machine: Machine, device: int) -> Mount | None:
    """The first mount whose files report the device number."""
    return next((mount for mount in mounts(machine) if mount.device == device), None)


def swaps(machine: Machine) -> tuple[Swap, ...]:
    """Swap areas in use."""
    try:
        lines = (machine.proc / "swaps").read_text("utf-8", "surrogateescape").splitlines()[1:]
    except OSError:
        return ()
    return tuple(_swap(machine, _unescaped(line.split()[0])) for line in lines if line.split())


def _swap(machine: Machine, name: str) -> Swap:
    path = Path(name)
    if name.startswith("/dev/"):
        path = machine.dev / name.removeprefix("/dev/")
    device = devno(path)
    try:
        found = os.stat(path)
    except OSError:
        return Swap(name, device, None)
    return Swap(name, device, None if device is not None else (found.st_dev, found.st_ino))


def _namespace(process: Path) -> str:
    try:
        return os.readlink(process / "ns" / "mnt")
    except OSError:
        return str(process)


def mount_in(line: str) -> Mount | None:
    """Return the mount that a line of mountinfo tells of; none for a line of another form."""
    before, separator, after = line.rstrip("\n").partition(" - ")
    first, last = before.split(" "), after.split(" ")
    device = devno_of_text(first[2]) if len(first) > 5 else None
    if not separator or device is None or len(last) < 3:
        return None
    options = (*first[5].split(","), *last[2].split(","))
    return Mount(device, _unescaped(first[3]), _unescaped(first[4]), last[0], _unescaped(last[1]), options)


def _unescaped(text: str) -> str:
    r"""The kernel writes blanks as `\040` and the like."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
