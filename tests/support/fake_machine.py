"""A machine as its kernel would show it in sysfs and procfs, written into a directory."""

from __future__ import annotations

import os
from pathlib import Path

from wipers.linux.machine import Machine
from wipers.linux.mapper import Row

SECTOR = 512


class FakeMachine:
    """Disks, stacked devices, mounts and processes; nothing of it is real."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tables: dict[int, tuple[Row, ...]] = {}
        """Mappings of the device mapper, by device number."""
        self.properties: dict[str, dict[str, str]] = {}
        """What udev says, by kernel name."""
        self.machine = Machine(
            sys=root / "sys",
            proc=root / "proc",
            dev=root / "dev",
            runs=root / "runs",
            table=self.tables.get,
            properties=lambda folder: self.properties.get(folder.name, {}),
        )
        self._mounts: list[str] = []
        for folder in ("sys/block", "sys/class/block", "sys/dev/block", "sys/fs/btrfs", "proc/self", "dev", "runs"):
            (root / folder).mkdir(parents=True)
        self._write("proc/swaps", "Filename Type Size Used Priority")

    def disk(self, name: str, number: str, size: int = 1 << 30, bus: str = "", **attributes: str) -> Path:
        """A whole disk; attributes by their path below its folder, `__` for a slash."""
        folder = self.root / "sys" / "devices" / name
        (folder / "queue").mkdir(parents=True)
        (folder / "holders").mkdir()
        (folder / "slaves").mkdir()
        (folder / "device").mkdir()
        self._attributes(folder, {"dev": number, "size": str(size // SECTOR), "queue__rotational": "0", **attributes})
        if bus:
            (self.root / "sys" / "bus" / bus).mkdir(parents=True, exist_ok=True)
            (folder / "device" / "subsystem").symlink_to(self.root / "sys" / "bus" / bus)
        self._link("block", name, folder)
        self._link("class/block", name, folder)
        self._link("dev/block", number, folder)
        return folder

    def partition(self, disk: str, name: str, number: str, **attributes: str) -> Path:
        """A partition, of no size unless one is given."""
        folder = self.root / "sys" / "devices" / disk / name
        (folder / "holders").mkdir(parents=True)
        self._attributes(folder, {"dev": number, "partition": "1", **attributes})
        self._link("class/block", name, folder)
        self._link("dev/block", number, folder)
        return folder

    def mapping(self, name: str, number: str, below: str, uuid: str, *rows: Row, size: int = 1 << 30) -> Path:
        """A mapping of the device mapper over one device."""
        folder = self.disk(name, number, size, dm__name=f"{name}-name", dm__uuid=uuid)
        self.stack(name, below)
        major, _, minor = number.partition(":")
        self.tables[os.makedev(int(major), int(minor))] = rows
        return folder

    def stack(self, above: str, below: str) -> None:
        """`above` is made of `below`."""
        top = (self.root / "sys" / "class" / "block" / above).resolve()
        base = (self.root / "sys" / "class" / "block" / below).resolve()
        (base / "holders" / above).symlink_to(top)
        (top / "slaves" / below).symlink_to(base)

    def loop(self, name: str, number: str, backing: Path) -> None:
        self.disk(name, number, loop__backing_file=str(backing), loop__offset="0", loop__sizelimit="0")

    def mount(self, number: str, point: str, kind: str = "ext4", source: str = "none", options: str = "rw") -> None:
        self._mounts.append(f"{30 + len(self._mounts)} 1 {number} / {point} rw - {kind} {source} {options}")
        self._write("proc/self/mountinfo", "\n".join(self._mounts))

    def swap(self, name: str) -> None:
        self._write("proc/swaps", f"Filename Type Size Used Priority\n{name} file 8 0 -2")

    def process(self, number: int, command: str, namespace: str = "mnt:[1]", mountinfo: str = "") -> Path:
        folder = self.root / "proc" / str(number)
        (folder / "fd").mkdir(parents=True)
        (folder / "fdinfo").mkdir()
        (folder / "ns").mkdir()
        (folder / "ns" / "mnt").symlink_to(namespace)
        (folder / "comm").write_text(command + "\n")
        (folder / "mountinfo").write_text(mountinfo)
        return folder

    def opens(self, process: int, descriptor: int, path: Path, flags: int = os.O_RDWR) -> None:
        folder = self.root / "proc" / str(process)
        (folder / "fd" / str(descriptor)).symlink_to(path)
        (folder / "fdinfo" / str(descriptor)).write_text(f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t30\n")

    def _attributes(self, folder: Path, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(value + "\n")

    def _link(self, where: str, name: str, folder: Path) -> None:
        (self.root / "sys" / where / name).symlink_to(folder)

    def _write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text + "\n")
