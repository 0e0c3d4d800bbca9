"""Building a machine: each kind of device is shown in sysfs as its driver shows it.

Where a driver's attributes stand is documented in Linux' Documentation/ABI (sysfs-block, sysfs-block-dm,
sysfs-class-scsi_host, testing/sysfs-nvme) and filesystems/proc.rst (mountinfo, swaps); the paths of real machines are
cited where they are used, in the modules beside this one.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.support.machines.kernel import ROOT, Backing, File, Kernel, Link, Medium, Node, Unreadable, numbered
from wipers.linux.mapper import Row

SECTOR = 512
GIB = 1 << 30
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
"""Types of partitions (UAPI discoverable partitions; UEFI 2.10, table 5.7)."""
ALIGNED = 1 << 20
"""Where partitioning programs put the first byte of a partition."""


def partition_name(disk: str, part: int) -> str:
    """`sda1`, `nvme0n1p1`: a `p` stands between where the disk's name ends in a digit."""
    return f"{disk}p{part}" if disk[-1].isdigit() else f"{disk}{part}"


class Rig:
    """One machine in the making."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.numbers: dict[str, str] = {}
        """Device numbers as text by kernel name."""
        self.paths: dict[str, str] = {}
        """Folder in sysfs by kernel name."""
        self.identities: dict[str, tuple[str, str, str, str, int]] = {}
        """Vendor, model, serial, WWN and size of each drive, as it tells them itself."""
        self.below: dict[str, tuple[str, ...]] = {}
        """What each partition, array and mapping lies on directly, by kernel name."""
        self.table: dict[str, tuple[str, int]] = {}
        """GUID and first byte of each partition, by kernel name."""
        self._mounts: dict[str, list[str]] = {}
        self._swaps: list[str] = []
        self._extended = 0
        self._sequence = 0
        for folder in ("sys/block", "sys/class/block", "sys/dev/block", "sys/fs/btrfs", "proc/self/ns", "dev", "runs"):
            self.kernel.folder(folder)
        self.kernel.put("proc/self/ns/mnt", Link("mnt:[4026531840]"))
        self.kernel.put("proc/self/ns/pid", Link("pid:[4026531836]"))
        self.kernel.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self.kernel.write("proc/self/mountinfo", "")

    # Block devices.

    def block(
        self,
        name: str,
        number: str,
        path: str,
        size: int,
        *,
        sector: int = SECTOR,
        physical: int = 0,
        unit: str = "",
        device: str = "",
        **attributes: str,
    ) -> str:
        """A whole disk in the folder below sys/devices; `device`: the folder of what drives it. `__` for a slash."""
        folder = f"sys/devices/{path}"
        self.paths[name], self.numbers[name] = folder, number
        node = name.replace("!", "/")
        told = {
            "dev": number,
            "size": str(size // SECTOR),
            "ro": "0",
            "removable": "0",
            "hidden": "0",
            "queue__rotational": "0",
            "queue__logical_block_size": str(sector),
            "queue__physical_block_size": str(physical or sector),
            "queue__zoned": "none",
            "diskseq": str(self._next_sequence()),
            "uevent": _uevent(number, f"DEVNAME={node}", "DEVTYPE=disk"),
            **attributes,
        }
        self._told(folder, told)
        for empty in ("holders", "slaves"):
            self.kernel.folder(f"{folder}/{empty}")
        self.kernel.link(f"{folder}/subsystem", "sys/class/block")
        if device:
            self.kernel.link(f"{folder}/device", f"sys/devices/{device}")
        for place, key in (("block", name), ("class/block", name), ("dev/block", number)):
            self.kernel.link(f"sys/{place}/{key}", folder)
        medium = Medium(unit or name, size, sector, is_read_only=told["ro"] == "1", sequence=self._sequence)
        if told["hidden"] != "1":
            self.kernel.put(f"dev/{node}", Node(numbered(number)))
        self.kernel.media[numbered(number)] = medium
        return name

    def bus(self, folder: str, bus: str, *, kind: str = "bus", **attributes: str) -> None:
        """A device that is no block device: on which bus it is, and its attributes."""
        self.kernel.folder(f"sys/{kind}/{bus}")
        self.kernel.link(f"sys/devices/{folder}/subsystem", f"sys/{kind}/{bus}")
        if kind == "class":
            self.kernel.link(f"sys/class/{bus}/{folder.rpartition('/')[2]}", f"sys/devices/{folder}")
        self._told(f"sys/devices/{folder}", attributes)

    def part(self, disk: str, part: int, size: int = 0, *, start: int = 0, kind: str = LINUX) -> str:
        """A partition of that type; without a size it takes the rest of the disk."""
        own = partition_name(disk, part)
        whole = self.medium(disk)
        start = start or ALIGNED
        size = (size or whole.size - start - ALIGNED) // ALIGNED * ALIGNED
        major, minor = self.numbers[disk].split(":")
        number = f"{major}:{int(minor) + part}"
        if major in {"259", "9", "253"} or part > self._most_minors(disk):
            self._extended += 1
            number = f"259:{500 + self._extended}"
        folder = f"{self.paths[disk]}/{own}"
        self.paths[own], self.numbers[own] = folder, number
        guid = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{whole.unit} {part}"))
        lines = (f"DEVNAME={own.replace('!', '/')}", "DEVTYPE=partition", f"PARTN={part}", f"PARTUUID={guid}")
        told = {
            "dev": number,
            "partition": str(part),
            "start": str(start // SECTOR),
            "size": str(size // SECTOR),
            "ro": "1" if whole.is_read_only else "0",
            "uevent": _uevent(number, *lines),
        }
        self._told(folder, told)
        self.kernel.folder(f"{folder}/holders")
        self.kernel.link(f"{folder}/subsystem", "sys/class/block")
        self.kernel.link(f"sys/class/block/{own}", folder)
        self.kernel.link(f"sys/dev/block/{number}", folder)
        self.kernel.put(f"dev/{own.replace('!', '/')}", Node(numbered(number)))
        self.kernel.media[numbered(number)] = Medium(
            f"{whole.unit} part {part}", size, whole.sector, whole.is_read_only, whole=numbered(self.numbers[disk])
        )
        _enter(whole, part, start, size, guid, kind)
        self.table[own] = (guid, start)
        self.below[own] = (disk,)
        return own

    def parts(self, disk: str, *sizes: int) -> tuple[str, ...]:
        """Partitions one behind the other; a size of 0 takes the rest."""
        found, start = [], ALIGNED
        for part, size in enumerate(sizes, start=1):
            taken = (size or self.medium(disk).size - start - ALIGNED) // ALIGNED * ALIGNED
            found.append(self.part(disk, part, taken, start=start))
            start += taken
        return tuple(found)

    def medium(self, name: str) -> Medium:
        return self.kernel.media[numbered(self.numbers[name])]

    def devno(self, name: str) -> int:
        return numbered(self.numbers[name])

    def told(self, path: str) -> str:
        """Content of an attribute."""
        found = self.kernel.found(f"{ROOT}/{path}", follows=True)
        assert isinstance(found, File), path
        return found.content.decode().strip()

    def stack(self, above: str, *below: str) -> str:
        """`above` is made of `below`, which is held for it."""
        for name in below:
            self.kernel.link(f"{self.paths[name]}/holders/{above}", self.paths[above])
            self.kernel.link(f"{self.paths[above]}/slaves/{name}", self.paths[name])
            self.medium(name).is_claimed = True
        self.below[above] = (*self.below.get(above, ()), *below)
        return above

    def dm(
        self, name: str, label: str, mark: str, *below: str, size: int = 0, table: str = "", **attributes: Any
    ) -> str:
        """A mapping of the device mapper: kernel name, its own name, its id. `table`: type and parameters of its one
        row; by default those of dm-crypt where the id says so, else a linear row for each device below."""
        size = (size or sum(self.medium(one).size - 16 * ALIGNED for one in below)) // ALIGNED * ALIGNED
        told: dict[str, Any] = {"dm__name": label, "dm__uuid": mark, "dm__suspended": "0", **attributes}
        self.block(name, f"253:{name.removeprefix('dm-')}", f"virtual/block/{name}", size, **told)
        self.kernel.link(f"dev/mapper/{label}", f"dev/{name}")
        if not table and mark.startswith("CRYPT"):
            table = f"crypt aes-xts-plain64 - 0 {self.numbers[below[0]]} 32768"
        self.kernel.tables[self.devno(name)] = (
            (Row(0, size // SECTOR, *_type_and_rest(table)),) if table else tuple(self._linear(size, below))
        )
        return self.stack(name, *below)

    def _linear(self, size: int, below: Iterable[str]) -> Iterator[Row]:
        at = 0
        for one in below:
            length = min(self.medium(one).size // SECTOR - 16 * ALIGNED // SECTOR, size // SECTOR - at)
            if length > 0:
                yield Row(at, length, "linear", f"{self.numbers[one]} 2048")
            at += length

    def md(self, name: str, level: str, *below: str, size: int = 0, **attributes: Any) -> str:
        """An array of the kernel's own RAID."""
        size = size or self.medium(below[0]).size - 128 * ALIGNED
        mark = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {' '.join(self.medium(one).unit for one in below)}"))
        told: dict[str, Any] = {
            "md__level": level,
            "md__raid_disks": str(len(below)),
            "md__array_state": "clean",
            "md__metadata_version": "1.2",
            "md__uuid": mark,
            **attributes,
        }
        self.block(name, f"9:{name.removeprefix('md')}", f"virtual/block/{name}", size, **told)
        for slot, one in enumerate(below):
            self._told(f"{self.paths[name]}/md/dev-{one}", {"state": "in_sync", "slot": str(slot)})
        return self.stack(name, *below)

    def loop(self, name: str, path: str, size: int, *, on: str = "", inode: int = 0, partial: int = 0) -> str:
        """A loop device over a file on the device of that kernel name; without one, in memory."""
        device = self.devno(on) if on else numbered("0:30")
        inode = inode or 1000 + int(name.removeprefix("loop"))
        told: dict[str, Any] = {"loop__backing_file": path, "loop__offset": str(partial), "loop__sizelimit": "0"}
        self.block(name, f"7:{name.removeprefix('loop')}", f"virtual/block/{name}", size, unit=f"{path}", **told)
        if not path.endswith(" (deleted)"):
            self.kernel.files[path] = File(b"", device, inode)
        self.medium(name).backing = Backing(device, inode, partial)
        self.kernel.uuids.setdefault(device, uuid.uuid5(uuid.NAMESPACE_OID, on or "memory").bytes)
        return name

    # Drives, by what they are attached to.

    def scsi(self, name: str, place: str, size: int, *, vendor: str, model: str, **told: Any) -> str:
        """A SCSI disk in its folder H:C:T:L. `serial`: of VPD page 80h; `wwid`: what page 83h says."""
        serial, wwid, rev = told.pop("serial", ""), told.pop("wwid", ""), told.pop("rev", "0001")
        sector, physical = int(told.pop("sector", SECTOR)), int(told.pop("physical", 0))
        unit, number = told.pop("unit", ""), told.pop("number", "")
        words = {"vendor": f"{vendor:<8}"[:8], "model": f"{model:<16}"[:16], "rev": f"{rev:<4}"[:4], "type": "0"}
        self.bus(place, "scsi", **words, state="running", **({"wwid": wwid} if wwid else {}))
        if serial:
            page = serial.rjust(20) if vendor == "ATA" else serial
            self.kernel.write(f"sys/devices/{place}/vpd_pg80", b"\0\x80" + struct.pack(">H", len(page)) + page.encode())
        self.identities[name] = (vendor[:8], model[:16].strip(), serial, wwid, size)
        return self.block(
            name,
            number or _sd_number(name),
            f"{place}/block/{name}",
            size,
            sector=sector,
            physical=physical,
            unit=unit or f"{vendor} {model} {serial} {wwid}",
            device=place,
            **told,
        )

    def sata(self, name: str, serial: str, size: int = 500 * GIB, *, port: int = 0, **told: Any) -> str:
        """A drive on the chipset's own ports."""
        port = port or ord(name[-1]) - ord("a") + 1
        host = port - 1
        place = f"pci0000:00/0000:00:17.0/ata{port}/host{host}/target{host}:0:0/{host}:0:0:0"
        return self.scsi(name, place, size, **{"vendor": "ATA", "serial": serial, **_sata_words(serial), **told})

    def sas(self, name: str, serial: str, size: int = 8000 * GIB, *, host: int = 0, end: int = 0, **told: Any) -> str:
        """A drive behind a SAS adapter; the same drive seen through two of them is one unit."""
        port = f"host{host}/port-{host}:0/expander-{host}:0/port-{host}:0:{end}/end_device-{host}:0:{end}"
        place = f"pci0000:00/0000:00:0{host + 1}.0/0000:0{host + 1}:00.0/{port}/target{host}:0:{end}/{host}:0:{end}:0"
        words = {
            "vendor": "SEAGATE",
            "model": "ST8000NM0075",
            "serial": serial,
            "wwid": f"naa.5000c500{_hex(serial, 8)}",
            "queue__rotational": "1",
        }
        return self.scsi(name, place, size, **{**words, **told})

    def usb(self, name: str, serial: str, size: int = 32 * GIB, *, port: int = 1, lun: int = 0, **told: Any) -> str:
        """A disk behind USB mass storage: `serial` is the USB device's, which is all that many bridges tell."""
        bridge = f"pci0000:00/0000:00:14.0/usb2/2-{port}"
        host = 10 + port
        words = {"idVendor": "0951", "idProduct": "1666", **_of_usb(told)}
        self.bus(bridge, "usb", **words, **({"serial": serial} if serial else {}))
        self.bus(f"{bridge}/2-{port}:1.0", "usb", bInterfaceClass="08")
        place = f"{bridge}/2-{port}:1.0/host{host}/target{host}:0:0/{host}:0:0:{lun}"
        page = told.pop("page", "")
        words = {"vendor": "Kingston", "model": "DataTraveler 3.0", "unit": f"usb {port} {lun} {serial}"}
        self.scsi(name, place, size, **{**words, "serial": page, **told})
        vendor, model, _, wwn, _ = self.identities[name]
        self.identities[name] = (vendor, model, page or serial, wwn, size)
        return name

    def nvme(
        self,
        name: str,
        serial: str,
        size: int = 1000 * GIB,
        *,
        pci: str = "pci0000:00/0000:00:1d.0/0000:01:00.0",
        controller: str = "",
        **told: Any,
    ) -> str:
        """A namespace of a controller, whose own number need not be the namespace's."""
        controller = controller or name.partition("n1")[0]
        place = f"{pci}/nvme/{controller}"
        wwid = told.pop("wwid", f"eui.0025385{_hex(serial, 9)}")
        self.bus(place, "nvme", kind="class", **_controller(serial, pci.rpartition("/")[2], told))
        return self._namespace(name, f"{place}/{name}", place, size, serial, wwid, told)

    def nvme_shared(self, name: str, serial: str, paths: Mapping[str, str], size: int = 3000 * GIB, **told: Any) -> str:
        """A namespace behind several controllers, by name and PCI folder: the kernel shows the subsystem's head alone.

        Paths as in systemd's pull request 24766 and libnvme's issue 978.
        """
        subsystem = f"virtual/nvme-subsystem/nvme-subsys{name[4]}"
        words = _controller(serial, "", told)
        wwid = told.pop("wwid", f"eui.0025385{_hex(serial, 9)}")
        self.bus(subsystem, "nvme-subsystem", kind="class", **{**words, "iopolicy": "numa", "subsystype": "nvm"})
        for remove in ("transport", "address", "cntlid", "state"):
            self.kernel.remove(f"sys/devices/{subsystem}/{remove}")
        self._namespace(name, f"{subsystem}/{name}", subsystem, size, serial, wwid, told)
        for count, (controller, pci) in enumerate(paths.items()):
            place = f"{pci}/nvme/{controller}"
            self.bus(place, "nvme", kind="class", **{**words, "address": pci.rpartition("/")[2], "cntlid": str(count)})
            self.kernel.link(f"sys/devices/{subsystem}/{controller}", f"sys/devices/{place}")
            path = f"{name[:5]}c{controller[4:]}{name[5:]}"
            hidden: dict[str, Any] = {"hidden": "1", "wwid": wwid, "nsid": "1", "ana_state": "optimized"}
            self.block(path, f"0:{90 + count}", f"{place}/{path}", size, device=place, **hidden)
            self.kernel.remove(f"sys/devices/{place}/{path}/dev")
            self.kernel.link(f"{self.paths[name]}/multipath/{path}", self.paths[path])
        return name

    def _namespace(
        self, name: str, path: str, device: str, size: int, serial: str, wwid: str, told: dict[str, Any]
    ) -> str:
        minor = told.pop("minor", str(sum(one.startswith("259:") for one in self.numbers.values())))
        sector = int(told.pop("sector", SECTOR))
        unit = told.pop("unit", f"nvme {serial} {wwid}")
        model = told.pop("shown_model", "SAMSUNG MZVL21T0HCLR-00B00")
        self.identities[name] = ("", model, serial, wwid, size)
        told = {"nsid": name.rpartition("n")[2], **({"wwid": wwid} if wwid else {}), **told}
        return self.block(name, f"259:{minor}", path, size, sector=sector, unit=unit, device=device, **told)

    def virtio(self, name: str, serial: str = "", size: int = 40 * GIB, *, slot: int = 4, **told: Any) -> str:
        """A disk of QEMU, whose serial is what its owner typed, or nothing."""
        place = f"pci0000:00/0000:00:{slot:02x}.0/virtio{slot - 2}"
        self.bus(place, "virtio", vendor="0x1af4", device="0x0002")
        number = f"254:{(ord(name[-1]) - ord('a')) * 16}"
        told = {"serial": serial, "queue__rotational": "1", "unit": f"virtio {name} {serial}", **told}
        self.identities[name] = ("", "", serial, "", size)
        return self.block(name, number, f"{place}/block/{name}", size, device=place, **told)

    def mmc(self, name: str, serial: str, size: int = 64 * GIB, *, kind: str = "MMC", **told: Any) -> str:
        """Flash soldered on or in a slot; a path as in disko's pull request 97."""
        host = name.removeprefix("mmcblk")
        place = f"platform/soc/3f202000.mmc/mmc_host/mmc{host}/mmc{host}:0001"
        words = {"name": "DG4064", "serial": serial, "type": kind, "manfid": "0x000045", "oemid": "0x0100"}
        self.bus(place, "mmc", cid=f"450100444734303634{_hex(serial, 14)}", **words)
        number = f"179:{int(host) * 8}"
        return self.block(name, number, f"{place}/block/{name}", size, device=place, unit=f"mmc {serial}", **told)

    # Who uses it.

    def mount(
        self, on: str, point: str, kind: str = "ext4", *, source: str = "", options: str = "rw", process: str = "self"
    ) -> None:
        """Mounted from the device of that kernel name, or from a number of no device such as `0:25`."""
        number = self.numbers.get(on, on)
        if on in self.numbers:
            self.medium(on).is_claimed = True
        lines = self._mounts.setdefault(process, [])
        source = source or (f"/dev/{on}" if on in self.numbers else kind)
        lines.append(
            f"{30 + len(lines)} 1 {number} / {point} {options.split(',', maxsplit=1)[0]} - {kind} {source} {options}"
        )
        self.kernel.write(f"proc/{process}/mountinfo", "".join(f"{line}\n" for line in lines))

    def memory(self, *points: str) -> None:
        """File systems without a medium: a system that runs from memory."""
        for point in points or ("/",):
            self.mount("0:2", point, "tmpfs", source="none")

    def swap(self, name: str, *, on: str = "", inode: int = 77) -> None:
        """Swap on a node below /dev, or in a file on a device."""
        self._swaps.append(f"{name}\t{'file' if on else 'partition'}\t8388604\t0\t-2\n")
        self.kernel.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n" + "".join(self._swaps))
        if on:
            self.kernel.files[name] = File(b"", self.devno(on), inode)
        elif name.startswith("/dev/"):
            found = self.kernel.found(f"{ROOT}{name}", follows=True)
            assert isinstance(found, Node), name
            self.kernel.media[found.number].is_claimed = True

    def btrfs(self, mark: str, *devices: str) -> None:
        """A btrfs over several devices, as /sys/fs/btrfs lists it."""
        for name in devices:
            self.kernel.link(f"sys/fs/btrfs/{mark}/devices/{name}", self.paths[name])
            self.medium(name).is_claimed = True

    def process(self, number: int, command: str, namespace: str = "mnt:[4026531840]") -> int:
        """A process, in the first mount namespace unless it says otherwise."""
        for folder in ("fd", "fdinfo", "ns", "map_files"):
            self.kernel.folder(f"proc/{number}/{folder}")
        self.kernel.put(f"proc/{number}/ns/mnt", Link(namespace))
        self.kernel.write(f"proc/{number}/comm", command + "\n")
        self.kernel.write(f"proc/{number}/mountinfo", "")
        return number

    def opens(self, process: int, what: str, *, flags: int = os.O_RDWR, descriptor: int = 3) -> None:
        """The process has a device, by kernel name, or a file, by path, open."""
        target = f"{ROOT}/dev/{what.replace('!', '/')}" if what in self.numbers else what
        self.kernel.put(f"proc/{process}/fd/{descriptor}", Link(target))
        self.kernel.write(f"proc/{process}/fdinfo/{descriptor}", f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t30\n")
        if flags & os.O_EXCL and what in self.numbers:
            self.medium(what).is_claimed = True

    def udev(self, name: str, **properties: str) -> None:
        """What udev's database says of a device."""
        self.kernel.properties.setdefault(f"{ROOT}/{self.paths[name]}", {}).update(properties)

    def closed(self, path: str) -> None:
        """What stands there may not be read by anybody here."""
        self.kernel.put(path, Unreadable())

    def unplug(self, name: str) -> None:
        """The disk leaves the machine, its partitions with it."""
        for own in [one for one in self.paths if self.paths[one].startswith(f"{self.paths[name]}/")] + [name]:
            number = self.numbers.pop(own)
            for place in (f"sys/block/{own}", f"sys/class/block/{own}", f"sys/dev/block/{number}"):
                self.kernel.remove(place)
            self.kernel.remove(f"dev/{own.replace('!', '/')}")
            self.kernel.remove(self.paths.pop(own))
            self.kernel.media[numbered(number)].is_gone = True

    def _told(self, folder: str, attributes: Mapping[str, str]) -> None:
        for name, value in attributes.items():
            within, _, last = name.replace("__", "/").rpartition("/")
            self.kernel.folder(f"{folder}/{within}" if within else folder)[last] = File(f"{value}\n".encode())

    def _next_sequence(self) -> int:
        """Number that the kernel gives a medium when it appears (Documentation/ABI/testing/sysfs-block, diskseq)."""
        self._sequence += 1
        return self._sequence

    def _most_minors(self, disk: str) -> int:
        return 7 if disk.startswith("mmcblk") else 15


def _uevent(number: str, *lines: str) -> str:
    major, _, minor = number.partition(":")
    return "\n".join((f"MAJOR={major}", f"MINOR={minor}", *lines))


def _enter(disk: Medium, part: int, start: int, size: int, guid: str, kind: str) -> None:
    """The partition is entered in the disk's GPT (UEFI 2.10, 5.3)."""
    sector = disk.sector
    table = bytearray(disk.content.get(2 * sector, bytes(128 * 128)))
    first, last = start // sector, (start + size) // sector - 1
    entry = struct.pack("<16s16sQQQ72s", uuid.UUID(kind).bytes_le, uuid.UUID(guid).bytes_le, first, last, 0, b"")
    table[(part - 1) * 128 : part * 128] = entry
    own = uuid.uuid5(uuid.NAMESPACE_OID, f"table {disk.unit}").bytes_le
    end = disk.size // sector
    fields = [b"EFI PART", 0x10000, 92, 0, 0, 1, end - 1, 34, end - 34, own, 2, 128, 128, zlib.crc32(table)]
    header = struct.pack("<8sIIIIQQQQ16sQIII", *fields)
    fields[3] = zlib.crc32(header)
    disk.content[sector] = struct.pack("<8sIIIIQQQQ16sQIII", *fields)
    disk.content[2 * sector] = bytes(table)
    protective = bytearray(512)
    protective[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1, min(end - 1, 0xFFFFFFFF))
    protective[510:] = b"\x55\xaa"
    disk.content[0] = bytes(protective)


def _type_and_rest(table: str) -> tuple[str, str]:
    kind, _, rest = table.partition(" ")
    return kind, rest


def _of_usb(told: dict[str, Any]) -> dict[str, str]:
    """Attributes of the USB device, taken out of those of the disk."""
    return {name.removeprefix("usb_"): told.pop(name) for name in [*told] if name.startswith("usb_")}


def _sata_words(serial: str) -> dict[str, str]:
    return {"model": "Samsung SSD 870 EVO 500GB", "wwid": f"naa.5002538{_hex(serial, 9)}", "rev": "2B6Q"}


def _controller(serial: str, address: str, told: dict[str, Any]) -> dict[str, str]:
    model = told.pop("model", "SAMSUNG MZVL21T0HCLR-00B00")
    told["shown_model"] = model
    return {
        "model": f"{model:<40}",
        "serial": f"{serial:<20}",
        "firmware_rev": told.pop("firmware", "GXA7801Q"),
        "transport": told.pop("transport", "pcie"),
        "address": told.pop("address", address),
        "subsysnqn": told.pop("subsysnqn", f"nqn.1994-11.com.samsung:nvme:980PRO:M.2:{serial}"),
        "cntlid": "6",
        "state": "live",
    }


def _hex(text: str, digits: int) -> str:
    """Digits that stand for a text, always the same."""
    return uuid.uuid5(uuid.NAMESPACE_OID, text).hex[:digits]


def _sd_number(name: str) -> str:
    """8:0 for sda, 8:240 for sdp, 65:0 for sdq (Documentation/admin-guide/devices.txt)."""
    index = 0
    for letter in name.removeprefix("sd"):
        index = index * 26 + ord(letter) - ord("a") + 1
    index -= 1
    major = 8 if index < 16 else 64 + index // 16
    return f"{major}:{index % 16 * 16}"
