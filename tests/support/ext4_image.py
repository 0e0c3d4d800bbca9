"""An ext4 in an image file on a loop device, mounted for one test, and given back whatever happens."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mounted:
    """A mounted image."""

    image: Path
    device: Path
    root: Path

    def sync(self) -> None:
        """Everything written stands in the image file; no other file system is waited for."""
        run("sync", "--file-system", self.root)

    def fill(self) -> None:
        """What was deleted before stands in no free block any more."""
        filling = self.root / "filling"
        with filling.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 20)):
                pass
        self.sync()
        filling.unlink()


def unmount(place: str | Path) -> None:
    """Nothing is mounted there any more. Whoever lists loop devices holds each open for a moment, and so the file below
    it, which may lie here."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.05)
    run("umount", place)


def run(*command: str | Path) -> str:
    """What the program printed; its failure is the test's."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@contextmanager
def ext4_image(
    folder: Path, *, size: int = 32 << 20, block_size: int = 4096, options: str = "", features: str = ""
) -> Iterator[Mounted]:
    """A fresh file system, mounted below the folder."""
    image, root = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", "-b", str(block_size), *(("-O", features) if features else ()), image)
    with mounted(image, root, options) as found:
        yield found


@contextmanager
def mounted(image: Path, root: Path, options: str = "") -> Iterator[Mounted]:
    """The image on a loop device of its own, mounted; both are given back."""
    root.mkdir(exist_ok=True)
    device = run("losetup", "--find", "--show", image).strip()
    try:
        run("mount", "-t", "ext4", *(("-o", options) if options else ()), device, root)
        try:
            yield Mounted(image, Path(device), root)
        finally:
            # By the device: a folder may have been moved meanwhile.
            unmount(device)
    finally:
        run("losetup", "--detach", device)
