"""Where needles are kept while a run lasts: in memory alone, readable by their owner, gone after a restart."""

from __future__ import annotations

import json
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certificates.statements import Carrier
from wipers.linux.layers import all_below, layer_of
from wipers.linux.machine import Machine, attribute, sys_folder
from wipers.linux.mounts import WITHOUT_MEDIUM, mount_of, swaps
from wipers.needles import Needle
from wipers.searching import Pattern

FORMAT = "needles-1"
FOLDER = "expunge"
"""Name of the directory of boxes."""
NO_PLACE = "no-memory-file-system"
"""Why nothing can be kept: there is no file system in memory."""
SWAPPED = "swap-not-encrypted"
"""Why nothing can be kept: what lies in memory may be written to a disk."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a box holds."""

    needles: tuple[Needle, ...]
    key: bytes
    """What the choice of the samples came from, used once."""


class NeedleBox:
    """The needles of one carrier's run: a file of mode 0600 in memory."""

    def __init__(self, name: str, machine: Machine, places: Sequence[Path] | None = None) -> None:
        """Name the file after the selector's commitment, as the run's other notes are; keep nothing yet."""
        self._name = f"{name}.needles"
        self._machine = machine
        self._places = (machine.dev / "shm", Path("/run")) if places is None else tuple(places)

    def obstacle(self) -> str | None:
        """Return why no needle may be kept here; none where it may."""
        if self._place() is None:
            return NO_PLACE
        return SWAPPED if any(not is_kept_secret(self._machine, one) for one in _swapped_to(self._machine)) else None

    def keep(self, needles: Sequence[Needle], key: bytes) -> None:
        """The needles stand in the box, in place of earlier ones; raises OSError."""
        folder = self._folder()
        if folder is None:
            raise FileNotFoundError(NO_PLACE)
        self.destroy()
        path = folder / self._name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            json.dump({"format": FORMAT, "key": key.hex(), "needles": [_row(one) for one in needles]}, file)

    def load(self) -> Kept | None:
        """Return what is kept; none where nothing is, or the machine was restarted, or it is not ours."""
        place = self._place()
        if place is None:
            return None
        try:
            descriptor = os.open(place / FOLDER / self._name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, encoding="ascii") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    return None
                found = json.load(file)
            return Kept(tuple(_needle(row) for row in found["needles"]), bytes.fromhex(found["key"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def destroy(self) -> None:
        """Nothing is kept; idempotent."""
        place = self._place()
        if place is None:
            return
        path = place / FOLDER / self._name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        finally:
            os.close(descriptor)
        path.unlink()

    def _place(self) -> Path | None:
        """Return the first place that lies in memory and where nobody else has taken our directory's name: anybody may
        make one in a place that is everybody's."""
        return next((one for one in self._places if _is_in_memory(self._machine, one) and _is_free(one / FOLDER)), None)

    def _folder(self) -> Path | None:
        """Return the directory of boxes, ours alone; raises OSError where somebody else made it."""
        place = self._place()
        if place is None:
            return None
        folder = place / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_free(folder):
            raise PermissionError(f"{folder} is somebody else's")
        return folder


def box_of(carrier: Carrier, machine: Machine) -> NeedleBox:
    """Return the box of a carrier's run."""
    commitment = carrier.selector.commitment if carrier.selector is not None else ""
    return NeedleBox(commitment.removeprefix("sha256:") or "none", machine)


def is_kept_secret(machine: Machine, folder: Path) -> bool:
    """Tell whether what is written to the block device can be read by nobody once the machine is off."""
    if layer_of(folder) == "zram":
        return attribute(folder / "backing_dev", "none") == "none"
    return any(layer_of(one) == "dm-crypt" for one in (folder, *all_below(machine, folder)))


def _swapped_to(machine: Machine) -> list[Path]:
    """Return the folder in sysfs of each device that memory may be written to."""
    devices = [swap.device if swap.device is not None else (swap.file or (0, 0))[0] for swap in swaps(machine)]
    return [sys_folder(machine, device) or machine.sys for device in devices]


def _is_free(folder: Path) -> bool:
    """Tell whether a directory is ours alone, or is not there."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077


def _is_in_memory(machine: Machine, place: Path) -> bool:
    try:
        mount = mount_of(machine, os.stat(place).st_dev)
    except OSError:
        return False
    return mount is not None and mount.kind in WITHOUT_MEDIUM and mount.kind != "devtmpfs"


def _row(needle: Needle) -> list[Any]:
    shapes = [[shape.regex.decode("ascii"), shape.size] for shape in needle.shapes if shape.regex.isascii()]
    value = b64encode(needle.value).decode("ascii")
    return [needle.number, needle.sort, value, needle.stream, needle.offset, shapes]


def _needle(row: list[Any]) -> Needle:
    number, sort, value, stream, offset, shapes = row
    patterns = tuple(Pattern(regex.encode("ascii"), size) for regex, size in shapes)
    return Needle(number, sort, b64decode(value), stream, offset, patterns)
