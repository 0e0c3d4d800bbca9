"""Blocks that a file system keeps back from every file: let go while its free space is filled, and given back after.

What was kept back is remembered on this host first: a crash must not leave a file system without its reserve.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wipers.linux.filesystems import FileSystem
from wipers.linux.machine import Machine, attribute, sys_folder
from wipers.verdicts import EXT

XFS_IOC_SET_RESBLKS = 0xC0105872
XFS_IOC_GET_RESBLKS = 0x80105873
"""_IOWR('X', 114) and _IOR('X', 115) of struct xfs_fsop_resblks: blocks wanted, blocks there (xfs_fs.h)."""
BLOCKS = struct.Struct("=QQ")
ASIDE = 0.1
"""Seconds between two looks at whether somebody else still fills."""


@contextmanager
def without_reserve(
    root: int, found: FileSystem, machine: Machine, pause: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[bool]:
    """Nothing is kept back meanwhile, and nobody else fills it: who does is waited for, and `pause` may raise; give
    whether that could be done; raises OSError."""
    machine.runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _turn(_place(found, machine).with_suffix(".filling"), pause) as turn:
        _give_back(root, found, machine)
        kept = _kept_back(root, found, machine)
        if kept:
            _remember(_place(found, machine), kept)
        try:
            yield kept is not None and (kept == 0 or _keep_back(root, found, machine, 0))
        finally:
            _give_back(root, found, machine)
            turn.unlink(missing_ok=True)


@contextmanager
def _turn(place: Path, pause: Callable[[int, int], None]) -> Iterator[Path]:
    """Nobody else fills meanwhile. Whoever was before us took the file away: a lock on what has no name keeps nobody
    out."""
    while True:
        with open(place, "a", encoding="ascii") as turn:
            while not _is_ours(turn.fileno()):
                pause(0, 0)
                time.sleep(ASIDE)
            if _is_at(place, turn.fileno()):
                yield place
                return


def _is_ours(turn: int) -> bool:
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


def give_back(root: int, found: FileSystem, machine: Machine) -> None:
    """The file system keeps back again what it kept back before a run that did not end; raises OSError."""
    place = _place(found, machine)
    try:
        with open(place.with_suffix(".filling"), encoding="ascii") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(place.with_suffix(".filling"), turn.fileno()):
                _give_back(root, found, machine)
                Path(turn.name).unlink(missing_ok=True)
    except FileNotFoundError:
        _give_back(root, found, machine)
    except (BlockingIOError, PermissionError):
        # Another run fills it right now, and gives back itself; or whoever asks may not look.
        return


def _give_back(root: int, found: FileSystem, machine: Machine) -> None:
    place = _place(found, machine)
    try:
        kept = int(json.loads(place.read_text(encoding="ascii"))["kept"])
    except (FileNotFoundError, PermissionError):
        return
    except (ValueError, KeyError, TypeError):
        # Cut short by a crash while it was written: nothing was let go yet.
        place.unlink(missing_ok=True)
        return
    # Where it cannot be given back now, the next run tries again.
    if _keep_back(root, found, machine, kept) or _kept_back(root, found, machine) == kept:
        place.unlink(missing_ok=True)


def _place(found: FileSystem, machine: Machine) -> Path:
    """Return where it is remembered: by the device too, since a copy of a file system has the same UUID. Mounted
    elsewhere, a file system has its reserve again."""
    return machine.runs / f"{found.uuid or 'unknown'}-{found.device:x}.reserve"


def _remember(place: Path, kept: int) -> None:
    with open(place, "w", encoding="ascii") as file:
        json.dump({"kept": kept}, file)
        file.flush()
        os.fsync(file.fileno())


def _kept_back(root: int, found: FileSystem, machine: Machine) -> int | None:
    """Return how many blocks (ext4: clusters) are kept back from the superuser too; none where that cannot be told."""
    if found.kind in EXT:
        text = attribute(_ext4(found, machine))
        return int(text) if text.isdigit() else None
    if found.kind == "xfs":
        answer = bytearray(BLOCKS.size)
        with suppress(OSError):
            fcntl.ioctl(root, XFS_IOC_GET_RESBLKS, answer)
            return int(BLOCKS.unpack(answer)[0])
    return None


def _keep_back(root: int, found: FileSystem, machine: Machine, blocks: int) -> bool:
    try:
        if found.kind in EXT:
            _ext4(found, machine).write_text(str(blocks), encoding="ascii")
        else:
            fcntl.ioctl(root, XFS_IOC_SET_RESBLKS, bytearray(BLOCKS.pack(blocks, 0)))
    except OSError:
        return False
    return True


def _ext4(found: FileSystem, machine: Machine) -> Path:
    folder = sys_folder(machine, found.device)
    return machine.sys / "fs" / "ext4" / (folder.name if folder is not None else "none") / "reserved_clusters"
