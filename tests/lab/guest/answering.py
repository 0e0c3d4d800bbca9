"""A SCSI disk whose every answer is the test's: the kernel's target passes each command on to this process (TCMU).

The kernel puts commands into a ring of memory that it shares through a UIO device, as <linux/target_core_user.h> lays
it out, and takes the answers from there; tcm_loop shows the result as a disk. What is tested against it goes the whole
way: SG_IO, the SCSI layer, a host adapter, and back with status, sense data and length.
"""

from __future__ import annotations

import itertools
import mmap
import os
import select
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.lab.guest.devices import CONFIG, settle
from tests.support.ext4_image import run
from tests.wipers.linux.recorded import INVALID_COMMAND, Said

COMMAND, RESPONSE, VECTORS = 8, 8, 48
"""Places in an entry of the ring: what is asked, where the answer goes, and where the data lie."""
HEAD, TAIL = 12, 64
"""Places in the mailbox: up to where the kernel has written, and up to where it was answered."""
PADDING, ASKED = 0, 1
"""Kinds of entry."""
LENGTH_IS_GIVEN, UNKNOWN = 0x02, 0x01
CHECK_CONDITION = 0x02
LENGTHS = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
"""Bytes of a command descriptor block, by the upper bits of its first byte."""
READS = {0x28: (">H", 7), 0x88: (">I", 10)}
"""READ(10) and (16): how the number of blocks is written, and where."""
NOTHING = Said()
REFUSED = Said(status=CHECK_CONDITION, sense=INVALID_COMMAND)
_numbers = itertools.count(1)


class Answering:
    """The process's side of the ring."""

    def __init__(self, device: Path, said: Mapping[bytes, Said], block_size: int) -> None:
        self.asked: list[bytes] = []
        self._said = said
        self._block_size = block_size
        self._descriptor = os.open(device, os.O_RDWR)
        size = int((Path("/sys/class/uio") / device.name / "maps" / "map0" / "size").read_text(), 16)
        self._ring = mmap.mmap(self._descriptor, size)
        self._start, self._size = struct.unpack_from("<II", self._ring, 4)
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_over = True
        self._thread.join(120)
        self._ring.close()
        os.close(self._descriptor)

    def _serve(self) -> None:
        while not self._is_over:
            if self._answered():
                os.write(self._descriptor, struct.pack("<i", 0))
            if select.select([self._descriptor], [], [], 0.2)[0]:
                os.read(self._descriptor, 4)

    def _answered(self) -> bool:
        """Everything in the ring has its answer; whether there was anything."""
        began = tail = self._number(TAIL)
        while tail != self._number(HEAD):
            at = self._start + tail
            word = self._number(at)
            if word & 7 == ASKED:
                self._answer(at)
            elif word & 7 != PADDING:
                self._ring[at + 7] |= UNKNOWN
            tail = (tail + (word & ~7)) % self._size
            struct.pack_into("<I", self._ring, TAIL, tail)
        return tail != began

    def _answer(self, at: int) -> None:
        vectors, place = self._number(at + COMMAND), struct.unpack_from("<Q", self._ring, at + 24)[0]
        cdb = self._ring[place : place + LENGTHS[self._ring[place] >> 5]]
        self.asked.append(cdb)
        said = self._reply(cdb)
        room = [struct.unpack_from("<QQ", self._ring, at + VECTORS + 16 * one) for one in range(vectors)]
        rest = said.data
        for base, length in room:
            part, rest = rest[:length], rest[length:]
            self._ring[base : base + len(part)] = part
        came = min(len(said.data), sum(length for _, length in room))
        struct.pack_into("<BxxxI", self._ring, at + RESPONSE, said.status, came)
        self._ring[at + 16 : at + 16 + len(said.sense)] = said.sense
        if said.status == 0:
            self._ring[at + 7] |= LENGTH_IS_GIVEN

    def _reply(self, cdb: bytes) -> Said:
        if cdb in self._said:
            return self._said[cdb]
        # The kernel asks for the same pages with other lengths.
        told = (3, cdb[4]) if cdb[0] == 0x12 else (2, len(cdb) * 2) if cdb[0] == 0x9E else None
        for known, said in self._said.items() if told is not None else ():
            if told is not None and known[: told[0]] == cdb[: told[0]]:
                return Said(said.data[: told[1]])
        if cdb[0] in READS:
            count, where = READS[cdb[0]]
            return Said(bytes(struct.unpack_from(count, cdb, where)[0] * self._block_size))
        return NOTHING if cdb[0] in {0x00, 0x1B, 0x35, 0x91} else REFUSED

    def _number(self, at: int) -> int:
        found: int = struct.unpack_from("<I", self._ring, at)[0]
        return found


@contextmanager
def answering(said: Mapping[bytes, Said], size: int, block_size: int = 512) -> Iterator[tuple[Path, Answering]]:
    """A disk that reads as zeros and answers with that, and the process's side of it."""
    run("modprobe", "-a", "uio", "target_core_user", "tcm_loop")
    number = next(_numbers)
    store = CONFIG / "target" / "core" / f"user_{number}" / "answers"
    fabric = CONFIG / "target" / "loopback" / f"naa.60014050000{number:05}"
    unit = fabric / "tpgt_1" / "lun" / "lun_0"
    before = set(os.listdir("/sys/block"))
    store.mkdir(parents=True)
    side: Answering | None = None
    try:
        (store / "control").write_text(f"dev_size={size},hw_block_size=512,dev_config=answers/{number}")
        (store / "enable").write_text("1")
        settle()
        side = Answering(_uio(number), said, block_size)
        unit.mkdir(parents=True)
        (fabric / "tpgt_1" / "nexus").write_text(f"naa.60014051000{number:05}")
        (unit / "port").symlink_to(store)
        yield _appeared(before), side
    finally:
        with suppress(FileNotFoundError):
            (unit / "port").unlink()
        for folder in (unit, fabric / "tpgt_1", fabric):
            with suppress(FileNotFoundError):
                folder.rmdir()
        # The disk is gone and asks no more; the ring goes with its store.
        if side is not None:
            side.close()
        store.rmdir()
        store.parent.rmdir()


def _uio(number: int) -> Path:
    names = {path.parent.name: path.read_text() for path in Path("/sys/class/uio").glob("*/name")}
    (found,) = (name for name, text in names.items() if f"answers/{number}" in text)
    return Path("/dev") / found


def _appeared(before: set[str]) -> Path:
    """The new disk, also one without capacity."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        new = sorted(name for name in set(os.listdir("/sys/block")) - before if name.startswith("sd"))
        if new and (Path("/dev") / new[0]).exists():
            settle()
            return Path("/dev") / new[0]
        time.sleep(0.05)
    raise AssertionError("no disk appeared")
