"""Which layer of an overlay holds a file: written there, or still lying in a layer below that no write reaches."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable

from wipers.linux.beneath import mount_id, open_root
from wipers.linux.machine import Machine
from wipers.linux.mounts import Mount, mount_in

METACOPY = "trusted.overlay.metacopy"
"""Attribute of a file in the upper layer whose contents still lie below (overlayfs.rst, metadata only copy up)."""


def layers_of(root: int, machine: Machine, paths: Iterable[str]) -> dict[str, int]:
    """Return how many of the files below the root lie in the upper layer, in a lower one, or in one out of sight."""
    upper = _upper_folder(root, machine)
    if upper is None:
        return {"in-layer-unseen": count} if (count := sum(1 for _ in paths)) else {}
    try:
        return dict(Counter("in-upper-layer" if _is_in(upper, path) else "in-lower-layer" for path in paths))
    finally:
        os.close(upper)


def _upper_folder(root: int, machine: Machine) -> int | None:
    """Return a descriptor of the directory of the upper layer that stands for the root; none where it is not seen."""
    mount = _mount_of(root, machine)
    options = dict(one.partition("=")[::2] for one in mount.options) if mount is not None else {}
    if mount is None or not options.get("upperdir"):
        return None
    path = os.readlink(f"/proc/self/fd/{root}")
    inside = os.path.relpath(path, mount.point)
    try:
        return open_root(os.path.normpath(f"{options['upperdir']}/{inside}"))
    except OSError:
        return None


def _mount_of(root: int, machine: Machine) -> Mount | None:
    wanted = str(mount_id(root))
    with open(machine.proc / "self" / "mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return next((mount_in(line) for line in lines if line.split(" ", 1)[0] == wanted), None)


def _is_in(upper: int, path: str) -> bool:
    """Tell whether a regular file stands there with its contents; a link on the way leads nowhere."""
    try:
        found = os.stat(path, dir_fd=upper, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and not _is_hollow(upper, path)


def _is_hollow(upper: int, path: str) -> bool:
    try:
        os.getxattr(f"/proc/self/fd/{upper}/{path}", METACOPY, follow_symlinks=False)
    except OSError:
        return False
    return True
