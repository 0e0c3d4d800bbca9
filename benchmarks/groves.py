"""An ext4 on a loop device of its own, files to destroy on it, and orders for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.beds import bed_in, ext4_on, output_of
from certificates.statements import Carrier, FilesIdentity, FilesSelector, FullVerification, Level, Selector
from wipers.linux import LinuxHost
from wipers.linux.filesystems import file_system_of
from wipers.model import Target, Writer

A_FOLDER = 1000
"""Files in one directory."""


@dataclass(slots=True)
class Grove:
    """A mounted file system; what is to go lies in `in/all`."""

    root: Path
    state: Path
    number: int = 0
    host: LinuxHost = field(init=False)

    def __post_init__(self) -> None:
        """Runs keep their state outside of what is measured."""
        self.host = LinuxHost(self.state)

    @property
    def top(self) -> Path:
        return self.root / "in"

    def paths(self, count: int) -> Iterator[Path]:
        """So many names as documents have them, a thousand a directory."""
        for number in range(count):
            yield self.top / "all" / f"{number // A_FOLDER:04}" / f"contract-2021-{number:07}.docx"

    def lay(self, count: int, size: int) -> None:
        """So many files of random bytes, all on the disk."""
        content = os.urandom(size)
        for number, path in enumerate(self.paths(count)):
            if number % A_FOLDER == 0:
                path.parent.mkdir(parents=True)
            path.write_bytes(content)
        self.sync()

    def sync(self) -> None:
        """Everything is on the disk, so that nobody's flush is counted for somebody else."""
        output_of("sync", "--file-system", str(self.root))

    def order(self) -> tuple[Carrier, Selector]:
        """What an order for `in/all` says."""
        self.number += 1
        descriptor = os.open(self.top, os.O_RDONLY)
        try:
            uuid = file_system_of(descriptor).uuid or ""
        finally:
            os.close(descriptor)
        carrier = Carrier(
            id=f"bench-{self.number}",
            label="bench",
            assets=("bench",),
            identity=FilesIdentity(uuid, self.top.stat().st_ino, 1, 1 << 30, 1 << 50),
            hosts=("sha256:" + "0" * 64,),
            level=Level.CLEAR,
            verification=FullVerification(),
            destination="storage",
        )
        return carrier, Selector(carrier.id, "11" * 32, FilesSelector(str(self.top), ("all",), "22" * 32))

    def find(self, carrier: Carrier, selector: Selector) -> Target:
        """The files as a run finds them; refused is a failure of the benchmark."""
        (target,) = self.host.find(carrier, selector)
        if target.obstacles:
            raise SystemExit(f"refused: {target.obstacles}")
        return target

    @contextmanager
    def opened(self, target: Target, carrier: Carrier, selector: Selector) -> Iterator[Writer]:
        """The files as a run holds them."""
        with self.host.open(target, carrier, selector, resuming=False) as writer:
            yield writer


@contextmanager
def grove_in(folder: Path, size: int, inodes: int, *options: str, flush: float = 0.0) -> Iterator[Grove]:
    """A fresh ext4 over a fully written image in the folder; all of it is gone afterwards. A flush takes so
    many seconds or more."""
    with ExitStack() as held:
        bed = held.enter_context(bed_in(folder, size, *options, flush=flush))
        root = held.enter_context(ext4_on(bed, "-N", str(inodes)))
        (root / "in").mkdir()
        yield Grove(root, bed.folder / "state")
