"""The device mapper's own tables, which say what a mapping is made of and where its blocks go."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass, replace

CONTROL = "/dev/mapper/control"
DM_TABLE_STATUS = 0xC138FD0C
"""_IOWR(0xfd, 12, struct dm_ioctl) (linux/dm-ioctl.h)."""
HEADER = struct.Struct("=3I I I I i I I I Q 128s 129s 7x")
"""struct dm_ioctl: version, size of all, start of data, targets, opens, flags, event, padding, device, name, uuid."""
TARGET = struct.Struct("=QQiI16s")
"""struct dm_target_spec: first sector, sectors, status, offset of the next, type."""
STATUS_TABLE = 1 << 4
"""Asks for the table, not for how it fares."""
SECURE_DATA = 1 << 15
"""Has the kernel forget its own copy of the answer: a crypt target's table holds its key."""
BUFFER_FULL = 1 << 8
"""Says that the answer did not fit."""
MIRRORS = frozenset({"raid", "mirror"})
"""Types that go on without one of their devices."""
ROOM = (1 << 14, 1 << 18, 1 << 22)
"""Sizes of the answer to try, in bytes: a stripe over many drives takes few hundred, a table of extents many more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stretch of a mapping."""

    start: int
    """First sector of 512 bytes."""
    length: int
    """Sectors of 512 bytes."""
    target: str
    """Type of target, e.g. linear."""
    parameters: str
    """What it is made of, as `dmsetup table` shows it, but for the key of a crypt target."""
    status: str = ""
    """How a mirror fares, as `dmsetup status` shows it; empty for other types."""

    @property
    def spans(self) -> tuple[tuple[str, int, int], ...] | None:
        """Device as `major:minor`, first sector and sectors of each piece below; none where the type does not tell."""
        words = self.parameters.split()
        try:
            match self.target:
                case "linear" | "delay" | "flakey":
                    return ((words[0], int(words[1]), self.length),)
                case "crypt":
                    return ((words[3], int(words[4]), self.length),)
                case "striped":
                    pairs = zip(words[2::2], words[3::2], strict=False)
                    return tuple((device, int(start), self.length // int(words[0])) for device, start in pairs)
                case "error" | "zero":
                    return ()
        except (IndexError, ValueError):
            return None
        return None

    @property
    def lacking(self) -> tuple[str, ...]:
        """What keeps a mirror from being whole: a leg that fails or lags keeps old blocks, and every write succeeds."""
        if self.target not in MIRRORS:
            return ()
        words = self.status.split()
        try:
            legs, filled, doing = _of_raid(words) if self.target == "raid" else _of_mirror(words)
        except (IndexError, ValueError):
            return ("how its legs fare cannot be read",)
        bad = len(legs) - legs.count("A")
        found = [f"{bad} of its {len(legs)} legs fail or lag behind"] if bad or not legs else []
        done, _, total = filled.partition("/")
        found += ["its legs are being filled"] if done != total else []
        found += [f"it is busy with: {doing}"] if doing not in {"idle", "frozen"} else []
        return tuple(found)


def _of_raid(words: list[str]) -> tuple[str, str, str]:
    """Letters of the legs, how much is filled, and what it does (Documentation/device-mapper/dm-raid)."""
    return words[2], words[3], words[4]


def _of_mirror(words: list[str]) -> tuple[str, str, str]:
    """The same of the older type (drivers/md/dm-raid1.c): devices, how much is filled, then one word of letters."""
    count = int(words[0])
    return words[count + 3], words[count + 1], "idle"


def table_of(device: int) -> tuple[Row, ...] | None:
    """The live table of a mapping by its device number; none where there is none, or it may not be read."""
    try:
        control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        rows = _asked(control, device, STATUS_TABLE)
        if rows is None or not any(row.target in MIRRORS for row in rows):
            return rows
        states = _asked(control, device, 0) or ()
        return tuple(
            replace(row, status=state.parameters) if row.target in MIRRORS else row
            for row, state in zip(rows, states, strict=True)
        )
    except (OSError, ValueError):
        # The second answer has other rows than the first where the table was exchanged meanwhile.
        return None
    finally:
        os.close(control)


def _asked(control: int, device: int, kind: int) -> tuple[Row, ...] | None:
    """The table, or how it fares; raises OSError."""
    return next((rows for size in ROOM if (rows := _ask(control, device, size, kind)) is not None), None)


def _ask(control: int, device: int, size: int, kind: int) -> tuple[Row, ...] | None:
    """The same, if it fits into the room for it; raises OSError."""
    answer = bytearray(size)
    HEADER.pack_into(answer, 0, 4, 0, 0, size, HEADER.size, 0, 0, kind | SECURE_DATA, 0, 0, device, b"", b"")
    fcntl.ioctl(control, DM_TABLE_STATUS, answer)
    fields = HEADER.unpack_from(answer)
    rows = None if fields[7] & BUFFER_FULL else _rows(answer, start=fields[4], count=fields[5])
    answer[:] = bytes(len(answer))
    return rows


def _rows(answer: bytearray, start: int, count: int) -> tuple[Row, ...]:
    found, at = [], start
    for _ in range(count):
        first, length, _, following, kind = TARGET.unpack_from(answer, at)
        end = answer.index(0, at + TARGET.size)
        name = kind.rstrip(b"\0").decode("ascii", "replace")
        told = answer[at + TARGET.size : end].decode("utf-8", "replace")
        found.append(Row(first, length, name, _without_key(told) if name == "crypt" else told))
        at = start + following
    return tuple(found)


def _without_key(parameters: str) -> str:
    """A crypt target names its cipher first, then its key."""
    words = parameters.split(" ")
    return " ".join((words[0], "-", *words[2:]))
