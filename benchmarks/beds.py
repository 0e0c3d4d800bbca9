"""Loop devices to measure on: made, written throughout, opened as a run opens them, and gone afterwards."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates.statements import Carrier, FullVerification, ImageIdentity, Level
from tests.support.served_image import served_image
from wipers.linux import LinuxHost
from wipers.model import Writer


@dataclass(frozen=True, slots=True)
class Bed:
    """A loop device, and a folder for what a run or a peer leaves behind."""

    device: str
    size: int
    """Bytes."""
    folder: Path

    @contextmanager
    def opened(self) -> Iterator[Writer]:
        """The device as a run holds it: found by identity, opened exclusively."""
        host = LinuxHost(self.folder / "state")
        listed = next(one for one in host.list_targets() if one.location == self.device)
        facts = {fact.name: fact.value for fact in listed.facts}
        identity = ImageIdentity(facts["filesystem"], int(facts["inode"]), int(facts["size"]), attached=True)
        carrier = Carrier(
            id="bench",
            label="bench",
            assets=("bench",),
            identity=identity,
            hosts=("sha256:" + "0" * 64,),
            level=Level.CLEAR,
            verification=FullVerification(),
            destination="storage",
        )
        (target,) = host.find(carrier, None)
        with host.open(target, carrier, None, resuming=False) as writer:
            yield writer


@contextmanager
def bed_in(folder: Path, size: int, *options: str, flush: float = 0.0) -> Iterator[Bed]:
    """A loop device over a fully written image in the folder; both are gone afterwards. A flush takes so many
    seconds or more."""
    with ExitStack() as held:
        below = Path(held.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="expunge-benchmark-")))
        image = below / "image"
        _write_throughout(image, size)
        if flush:
            image = held.enter_context(served_image(below / "served", image, flush)).path
        device = output_of("losetup", "--find", "--show", *options, str(image)).strip()
        held.callback(output_of, "losetup", "--detach", device)
        yield Bed(device, size, below)


@contextmanager
def ext4_on(bed: Bed, *options: str) -> Iterator[Path]:
    """A fresh ext4 on the device, mounted, with every inode table written: the kernel would do that beside a run."""
    root = bed.folder / "mounted"
    root.mkdir()
    output_of("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0", *options, bed.device)
    output_of("mount", bed.device, str(root))
    try:
        yield root
    finally:
        output_of("umount", str(root))


def _write_throughout(image: Path, size: int) -> None:
    """Every extent is written and on the disk: writing into a hole, or beside writeback, would measure the hole."""
    with image.open("wb") as file:
        for _ in range(size >> 20):
            file.write(b"\xa5" * (1 << 20))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def output_of(*command: str) -> str:
    """What the program prints; raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
