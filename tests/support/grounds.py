"""File systems of every sort, each fresh on storage of its own that is read below it by nobody but the test."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.ext4_image import run, unmount
from tests.support.scanner import needles_found

FS_IOC_ADD_ENCRYPTION_KEY = 0xC0506617
FS_IOC_SET_ENCRYPTION_POLICY = 0x800C6613
FS_IOC_GET_ENCRYPTION_POLICY_EX = 0xC0096616
FS_IOC_REMOVE_ENCRYPTION_KEY = 0xC0406618
# mkfs.xfs makes nothing below 300 MB unless its own test suite asks for it.
SMALL_XFS = {"TEST_DIR": "1", "TEST_DEV": "1", "QA_CHECK_FS": "1"}


@dataclass(frozen=True, slots=True)
class Ground:
    """A mounted file system."""

    root: Path
    """Where files are laid."""
    storage: tuple[Path, ...]
    """What lies below, raw; nothing where there is nothing that could be read."""

    def sync(self) -> None:
        """Everything written stands in the storage."""
        # This file system alone: what else the machine has to write would keep every look waiting.
        run("sync", "--file-system", self.root)

    def hits(self, *needles: bytes) -> int:
        """How often they stand in the storage."""
        self.sync()
        return sum(sum(needles_found(image, needles).values()) for image in self.storage)


Prepare = Callable[[Path], None]
"""What is done to the mounted file system before anything is laid there."""
MakeGround = Callable[[Path], AbstractContextManager[Ground]]


def nothing(root: Path) -> None:
    """The file system stays as it was made."""


@contextmanager
def on_loop(
    folder: Path, *make: str, size: int = 32 << 20, options: str = "", prepare: Prepare = nothing
) -> Iterator[Ground]:
    """The file system that the command makes, on a loop device over an image; both are given back."""
    image, root = folder / "disk.img", folder / "disk"
    root.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(size)
    run("env", *(f"{name}={value}" for name, value in SMALL_XFS.items()), *make, image)
    with ExitStack() as held:
        device = run("losetup", "--find", "--show", image).strip()
        held.callback(run, "losetup", "--detach", device)
        run("mount", *(("-o", options) if options else ()), device, root)
        # By the device: a folder may have been moved meanwhile.
        held.callback(unmount, device)
        prepare(root)
        yield Ground(root, (image,))


def ext4(*more: str, options: str = "", prepare: Prepare = nothing, size: int = 32 << 20) -> MakeGround:
    """An ext4 with these options of mkfs."""
    return partial(_made, ("mkfs.ext4", "-q", "-F", *more), size, options, prepare)


def xfs(*more: str, prepare: Prepare = nothing) -> MakeGround:
    """A small xfs."""
    return partial(_made, ("mkfs.xfs", "-q", "-f", *more), 64 << 20, "", prepare)


def btrfs(options: str = "", prepare: Prepare = nothing, *more: str) -> MakeGround:
    """A btrfs with one copy of its metadata."""
    return partial(_made, ("mkfs.btrfs", "-q", "-f", "-m", "single", *more), 192 << 20, options, prepare)


def _made(
    make: tuple[str, ...], size: int, options: str, prepare: Prepare, folder: Path
) -> AbstractContextManager[Ground]:
    return on_loop(folder, *make, size=size, options=options, prepare=prepare)


@contextmanager
def overlay(folder: Path) -> Iterator[Ground]:
    """An overlay whose layers lie on an ext4: what is laid there lies in the upper one."""
    with ExitStack() as held:
        below = held.enter_context(ext4()(folder / "below"))
        root = folder / "merged"
        for path in (below.root / "lower", root):
            path.mkdir()
        _mount_overlay(root, below.root / "lower", below.root / "upper")
        held.callback(run, "umount", root)
        yield Ground(root, below.storage)


def lay_over(root: Path, lower: Path, upper: Path) -> None:
    """What was the upper layer is the lower one from now on, below a fresh one."""
    run("umount", root)
    _mount_overlay(root, lower, upper)


def _mount_overlay(root: Path, lower: Path, upper: Path) -> None:
    work = upper.with_name(f"work-of-{upper.name}")
    for path in (upper, work):
        path.mkdir()
    run("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", root)


@contextmanager
def tmpfs(folder: Path) -> Iterator[Ground]:
    """Files in memory, below which there is nothing."""
    root = folder / "memory"
    root.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", root)
    try:
        yield Ground(root, ())
    finally:
        run("umount", root)


def encrypted(root: Path) -> None:
    """What is laid in `in` from now on is encrypted by the kernel (fscrypt, policy 2), under a key that it holds."""
    folder = root / "in"
    folder.mkdir()
    key = os.urandom(64)
    asked = bytearray(struct.pack("<II32xII32x", 2, 0, len(key), 0) + key)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_ADD_ENCRYPTION_KEY, asked)
        policy = struct.pack("<BBBB4x16s", 2, 1, 4, 3, bytes(asked[8:24]))
        fcntl.ioctl(descriptor, FS_IOC_SET_ENCRYPTION_POLICY, policy)
    finally:
        os.close(descriptor)


def lock(root: Path) -> None:
    """The kernel has the key of what is encrypted in `in` no longer."""
    descriptor = os.open(root / "in", os.O_RDONLY)
    try:
        policy = bytearray(struct.pack("<Q24x", 24))
        fcntl.ioctl(descriptor, FS_IOC_GET_ENCRYPTION_POLICY_EX, policy)
    finally:
        os.close(descriptor)
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_REMOVE_ENCRYPTION_KEY, bytearray(struct.pack("<II16s40x", 2, 0, policy[16:32])))
    finally:
        os.close(descriptor)


def without_cow(root: Path) -> None:
    """What is laid in `in` from now on is written in place (btrfs, attribute C)."""
    (root / "in").mkdir()
    run("chattr", "+C", root / "in")
