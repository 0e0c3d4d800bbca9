"""An ext4 in an image file that can be unmounted and come back on another loop device, as after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ext4_image import Mounted, run


@dataclass
class KeptDisk:
    """An image, mounted or about to be."""

    image: Path
    root: Path
    device: Path | None = None
    is_mounted: bool = False

    def mount(self) -> None:
        self.device = Path(run("losetup", "--find", "--show", self.image).strip())
        run("mount", self.device, self.root)
        self.is_mounted = True

    def release(self) -> None:
        """Nothing is mounted or attached any more."""
        if self.is_mounted:
            run("umount", self.root)
            self.is_mounted = False
        if self.device is not None:
            run("losetup", "--detach", self.device)
            self.device = None

    def remount(self) -> None:
        """The disk comes back with another device number."""
        other = self.image.with_name("other")
        other.write_bytes(bytes(1 << 20))
        self.release()
        taken = run("losetup", "--find", "--show", other).strip()
        try:
            self.mount()
        finally:
            run("losetup", "--detach", taken)

    def sync(self) -> None:
        """Everything written stands in the image file."""
        assert self.device is not None
        Mounted(self.image, self.device, self.root).sync()


@contextmanager
def kept_disk(folder: Path, *, size: int) -> Iterator[KeptDisk]:
    """A fresh file system, mounted below the folder; unmounted and detached whatever happens."""
    with on_format(folder, size=size) as disk:
        yield disk


@contextmanager
def on_format(folder: Path, *made: str, size: int) -> Iterator[KeptDisk]:
    """The same, made with these options of mkfs.ext4."""
    disk = KeptDisk(folder / "disk.img", folder / "disk")
    disk.root.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", *made, disk.image)
    try:
        disk.mount()
        yield disk
    finally:
        disk.release()
