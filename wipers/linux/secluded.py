"""Where a directory may stand so that only the system's own users can rename it, or put another in its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wipers.linux.beneath import mount_id, open_root
from wipers.linux.filesystems import inode_flags
from wipers.linux.room import project_of

INHERITED = 0x00000004 | 0x00000800 | 0x00004000 | 0x00800000 | 0x02000000 | 0x20000000 | 0x40000000
"""Flags of a directory that what is made in it has as well (linux/fs.h): compressed, encrypted, journaled, without
copy-on-write, direct access, its project's, of any case."""


def secluded(folder: Path) -> Path:
    """The nearest directory, from this one upwards, in which nobody but root and this user can rename what is theirs,
    and in which files are made and moved as in this one; this one where there is none. Raises OSError."""
    if _is_settled(folder):
        return folder
    here = _place_of(folder)
    for above in folder.parents:
        if _place_of(above) != here:
            return folder
        if _is_settled(above):
            return above
    return folder


def is_one_place(one: Path, other: Path) -> bool:
    """Tell whether files are moved from one directory to the other as they are; raises OSError."""
    return _place_of(one) == _place_of(other)


def _is_settled(folder: Path) -> bool:
    return all(_is_safe(one.lstat()) for one in (folder, *folder.parents))


def _is_safe(found: os.stat_result) -> bool:
    """Tell whether others can rename nothing there that is not theirs: what is everybody's has the sticky bit."""
    is_shut = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or bool(found.st_mode & stat.S_ISVTX)
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid()) and is_shut


def _place_of(folder: Path) -> tuple[int, ...]:
    """Mount, file system and project of a directory, which no rename leads out of, and what files in it inherit."""
    descriptor = open_root(str(folder))
    try:
        device, flags = os.fstat(descriptor).st_dev, inode_flags(descriptor)
        return mount_id(descriptor), device, project_of(descriptor), flags & INHERITED
    finally:
        os.close(descriptor)
