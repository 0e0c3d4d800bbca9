"""Runs on loop devices of 64 to 256 MiB, killed and resumed; the device may come back under another name."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.ext4_image import run as command
from tests.support.kills import campaign
from tests.support.real_site import Charge, RealSite, loop_carrier
from tests.support.scanner import total_found

FULL = 24
SLICE = 2
NEEDS_ROOT = True
SECTOR = 512
LARGEST = 256 << 20
NEEDLE = b"NEEDLE-OF-KILLED-RUNS-"
OPTIONS: tuple[tuple[str, ...], ...] = ((), ("--direct-io=on",), ("--sector-size", "4096"))


@functools.cache
def content() -> bytes:
    """256 MiB, in each sector of which a needle stands: a sector that was not overwritten shows."""
    return b"".join((NEEDLE + b"%09d" % number).ljust(SECTOR, b".") for number in range(LARGEST // SECTOR))


@dataclass
class LoopDevice:
    """A loop device over an image."""

    image: Path
    options: tuple[str, ...]
    device: Path | None = None

    def attach(self) -> None:
        self.device = Path(command("losetup", "--find", "--show", *self.options, self.image).strip())

    def detach(self) -> None:
        if self.device is not None:
            command("losetup", "--detach", self.device)
            self.device = None

    def charge(self, site: RealSite) -> Charge:
        return site.charge(loop_carrier(self.image))

    def left(self) -> int:
        assert self.device is not None
        with self.device.open("rb") as device:
            os.fsync(device.fileno())
        return total_found(self.image, [NEEDLE])

    def jolt(self) -> None:
        """The device goes, another takes its number, and it comes back under the next."""
        other = LoopDevice(self.image.with_name("other"), ())
        other.image.write_bytes(bytes(1 << 20))
        self.detach()
        other.attach()
        try:
            self.attach()
        finally:
            other.detach()

    def check_gone(self, site: RealSite) -> None:
        """Every byte is the keystream in the certificate; see test_stock_tools for how a stranger sees that."""


@contextmanager
def loop_device(folder: Path, chance: Random) -> Iterator[LoopDevice]:
    """A device full of needles, given back whatever happens."""
    found = LoopDevice(folder / "image", chance.choice(OPTIONS))
    size = chance.randrange(64 << 20, LARGEST, 4096)
    found.image.write_bytes(memoryview(content())[:size])
    found.attach()
    try:
        yield found
    finally:
        found.detach()


def run(seed: int, trials: int) -> str:
    """One line of results."""
    return campaign(loop_device, seed, trials)
