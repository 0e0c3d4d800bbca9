"""Hosts drawn at random: disks, what is stacked on them, and who uses what; known here by what was drawn alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from certificates.statements import Layer
from tests.support.machines.kernel import ROOT, Link
from tests.support.machines.rig import ALIGNED, GIB, Rig

Identity = tuple[str, str, str, str, int]
"""Vendor, model, serial, WWN, size."""
ImageFacts = tuple[str, int, int]
"""Name of what the backing file lies on, its inode, its size."""
VolumeFacts = tuple[Layer, str, int, int]
"""Layer, id, first byte on its disk, size; an id that is empty names nothing."""
Kind = Literal["drive", "part", "layer", "map", "loop"]

SIZES = (64 * GIB, 128 * GIB, 500 * GIB)
FAR = ("mnt:[4026532001]", "mnt:[4026532002]")
CORNERS = ("sata", "sata", "sas", "usb", "nvme", "virtio", "paths", "twins", "shared", "mmc")


@dataclass(slots=True)
class Thing:
    """A block device of the host."""

    name: str
    kind: Kind
    below: tuple[str, ...] = ()
    """What it is made of: disks of an array, disk of a partition, device that a loop's file lies on."""
    unit: str = ""
    """Of a drive: the thing itself; two paths to it share this."""
    identity: Identity | None = None
    image: ImageFacts | None = None
    volume: VolumeFacts | None = None
    is_in_place: bool = True
    """Whether a write to it stays on what it shows."""
    is_read_only: bool = False
    is_whole_file: bool = True
    """Of a loop: whether it shows all of a file that is still where it was."""


@dataclass(slots=True)
class Host:
    """A machine, and what was drawn for it."""

    rig: Rig
    chance: Random
    things: dict[str, Thing] = field(default_factory=dict)
    leaves: list[str] = field(default_factory=list)
    """What nothing lies on yet."""
    mounted: list[str] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)
    opened: list[tuple[str, int]] = field(default_factory=list)
    """Device, and how it was opened."""
    filed: list[str] = field(default_factory=list)
    """Files opened for writing, by path."""
    system: list[str] = field(default_factory=list)
    """What the running system, its swap and this program's own files lie on."""
    is_sure: bool = True
    """Whether all of that can be told."""
    shared: set[str] = field(default_factory=set)
    """Devices on which the mappings over them cannot be told apart."""
    sees_all: bool = True
    """Whether this program sees every process."""
    serials: int = 0
    processes: int = 1000

    def drives(self) -> Iterator[Thing]:
        return (thing for thing in self.things.values() if thing.identity is not None)

    def volumes(self) -> Iterator[Thing]:
        return (thing for thing in self.things.values() if thing.volume is not None)

    def loops(self) -> Iterator[Thing]:
        return (thing for thing in self.things.values() if thing.kind == "loop")

    def add(self, thing: Thing, *, is_leaf: bool = True) -> str:
        self.things[thing.name] = thing
        if is_leaf:
            self.leaves.append(thing.name)
        return thing.name

    def take(self) -> str | None:
        """A leaf that is none any more."""
        return self.leaves.pop(self.chance.randrange(len(self.leaves))) if self.leaves else None

    def may(self, share: float) -> bool:
        return self.chance.random() < share


def draw(seed: str) -> Host:
    """The host of that seed."""
    host = Host(Rig(), Random(seed))
    _draw_disks(host)
    _draw_layers(host)
    _draw_system(host)
    _draw_use(host)
    return host


# Disks.


def _draw_disks(host: Host) -> None:
    letters = list("abcdefghijklmn")
    host.chance.shuffle(letters)
    numbers = list(range(8))
    host.chance.shuffle(numbers)
    for _ in range(host.chance.choice((1, 1, 2, 2, 2, 3, 3, 4))):
        kind = host.chance.choice(CORNERS)
        _DISKS[kind](host, letters, numbers)


def _serial(host: Host) -> str:
    host.serials += 1
    return f"SN{host.serials:04d}{host.chance.randrange(16**4):04X}"


def _enter(host: Host, name: str, unit: str, *, is_divided: bool | None = None) -> None:
    """The drive is known, and perhaps divided."""
    told = host.rig.medium(name)
    host.add(Thing(name, "drive", (), unit, host.rig.identities[name], is_read_only=told.is_read_only))
    if host.may(0.45) if is_divided is None else is_divided:
        host.leaves.remove(name)
        count = host.chance.choice((1, 2, 2, 3))
        for part in host.rig.parts(name, *[told.size // 5] * (count - 1), 0):
            _enter_part(host, name, part)


def _enter_part(host: Host, disk: str, name: str) -> None:
    guid, start = host.rig.table[name]
    told = host.rig.medium(name)
    facts: VolumeFacts = ("partition", guid, start, told.size)
    host.add(Thing(name, "part", (disk,), volume=facts, is_read_only=told.is_read_only))


def _ro(host: Host) -> str:
    return "1" if host.may(0.03) else "0"


def _draw_sata(host: Host, letters: list[str], _numbers: list[int]) -> None:
    name = f"sd{letters.pop()}"
    serial = _serial(host)
    host.rig.sata(name, serial, host.chance.choice(SIZES), ro=_ro(host))
    _enter(host, name, serial)


def _draw_sas(host: Host, letters: list[str], numbers: list[int]) -> None:
    name = f"sd{letters.pop()}"
    serial = _serial(host)
    host.rig.sas(name, serial, host.chance.choice(SIZES), host=1, end=numbers[0] + len(letters) * 8)
    _enter(host, name, serial)


def _draw_usb(host: Host, letters: list[str], _numbers: list[int]) -> None:
    letter = letters.pop()
    serial = "" if host.may(0.2) else _serial(host)
    page = "" if host.may(0.5) else f"P{serial}"
    host.rig.usb(f"sd{letter}", serial, host.chance.choice(SIZES), port=ord(letter) - 96, page=page if serial else "")
    _enter(host, f"sd{letter}", f"usb {letter}")


def _draw_nvme(host: Host, _letters: list[str], numbers: list[int]) -> None:
    number, serial = numbers.pop(), _serial(host)
    name, place = f"nvme{number}n1", f"pci0000:00/0000:00:1d.{number}/0000:0{number}:00.0"
    controller = f"nvme{(number + host.chance.choice((0, 3))) % 8}"
    host.rig.nvme(name, serial, host.chance.choice(SIZES), pci=place, controller=controller)
    _enter(host, name, serial)


def _draw_shared(host: Host, _letters: list[str], numbers: list[int]) -> None:
    number, serial = numbers.pop(), _serial(host)
    ports = {
        f"nvme{20 + 2 * number + side}": f"pci0000:8{side}/0000:8{side}:0{number}.0/0000:9{number}:00.{side}"
        for side in (0, 1)
    }
    host.rig.nvme_shared(f"nvme{number}n1", serial, ports, host.chance.choice(SIZES))
    _enter(host, f"nvme{number}n1", serial)


def _draw_virtio(host: Host, letters: list[str], _numbers: list[int]) -> None:
    letter = letters.pop()
    host.rig.virtio(
        f"vd{letter}", "" if host.may(0.3) else _serial(host), slot=ord(letter) - 90, size=host.chance.choice(SIZES)
    )
    _enter(host, f"vd{letter}", f"virtio {letter}")


def _draw_mmc(host: Host, _letters: list[str], numbers: list[int]) -> None:
    number, serial = numbers.pop(), f"0x{host.chance.randrange(16**8):08x}"
    name = f"mmcblk{number}"
    host.rig.mmc(name, serial, host.chance.choice(SIZES))
    host.rig.identities[name] = ("", "DG4064", serial, "", host.rig.medium(name).size)
    _enter(host, name, serial)


def _draw_paths(host: Host, letters: list[str], numbers: list[int]) -> None:
    """One drive behind two adapters, with a map over both or without."""
    one, two, serial = f"sd{letters.pop()}", f"sd{letters.pop()}", _serial(host)
    size = host.chance.choice(SIZES)
    for side, name in enumerate((one, two)):
        host.rig.sas(name, serial, size, host=1 + side, end=numbers[0] + len(letters) * 8, unit=serial)
        _enter(host, name, serial, is_divided=False)
    if host.may(0.5):
        host.leaves.remove(one)
        host.leaves.remove(two)
        number = _next_dm(host)
        table = f"multipath 0 0 1 1 service-time 0 2 2 {host.rig.numbers[one]} 1 {host.rig.numbers[two]} 1"
        mark = f"mpath-3{host.rig.identities[one][3].removeprefix('naa.')}"
        host.rig.dm(f"dm-{number}", f"mpath{number}", mark, one, two, size=size, table=table)
        host.rig.medium(f"dm-{number}").unit = serial
        host.add(Thing(f"dm-{number}", "map", (one, two), serial))


def _draw_twins(host: Host, letters: list[str], _numbers: list[int]) -> None:
    """Two USB disks that call themselves alike, or but for one fact."""
    serial, size, differs = _serial(host), host.chance.choice(SIZES), host.chance.choice(("", "", "size", "model"))
    for side in (0, 1):
        letter = letters.pop()
        own = size * 2 if differs == "size" and side else size
        model = "DataTraveler 4.0" if differs == "model" and side else "DataTraveler 3.0"
        host.rig.usb(f"sd{letter}", serial, own, port=ord(letter) - 96, model=model)
        _enter(host, f"sd{letter}", f"usb {letter}")


_DISKS: dict[str, Callable[[Host, list[str], list[int]], None]] = {
    "sata": _draw_sata,
    "sas": _draw_sas,
    "usb": _draw_usb,
    "nvme": _draw_nvme,
    "shared": _draw_shared,
    "virtio": _draw_virtio,
    "mmc": _draw_mmc,
    "paths": _draw_paths,
    "twins": _draw_twins,
}


# Layers.


def _next_dm(host: Host) -> int:
    return sum(name.startswith("dm-") for name in host.rig.numbers)


def _draw_layers(host: Host) -> None:
    for _ in range(host.chance.choice((0, 0, 1, 2, 3))):
        kind = host.chance.choice(sorted(_LAYERS))
        wanted = 2 if kind in {"md", "bcache", "lvm"} and host.may(0.7) else 1
        below = [leaf for _ in range(wanted) if (leaf := host.take())]
        if below:
            _stacked(host, kind, tuple(below))


def _stacked(host: Host, kind: str, below: tuple[str, ...]) -> None:
    is_read_only = any(host.rig.medium(name).is_read_only for name in below)
    _LAYERS[kind](host, below, {"ro": "1" if is_read_only else "0"})


def _enter_layer(
    host: Host, name: str, below: tuple[str, ...], layer: Layer, mark: str, *, in_place: bool = True
) -> None:
    told = host.rig.medium(name)
    facts: VolumeFacts = (layer, mark, 0, told.size)
    thing = Thing(name, "layer", below, volume=facts, is_in_place=in_place, is_read_only=told.is_read_only)
    host.add(thing)


def _array(host: Host, below: tuple[str, ...], told: dict[str, Any]) -> None:
    rig = host.rig
    name = rig.md(f"md{120 + len(host.things)}", "raid1", *below, **told)
    _enter_layer(host, name, below, "md", rig.told(f"{rig.paths[name]}/md/uuid"))
    if host.may(0.3):
        host.leaves.remove(name)
        _enter_part(host, name, rig.part(name, 1))


def _cached(host: Host, below: tuple[str, ...], told: dict[str, Any]) -> None:
    name, size = f"bcache{len(host.things)}", host.rig.medium(below[0]).size - 8192
    told = {"bcache__state": "clean", **told}
    host.rig.block(name, f"252:{len(host.things) * 16}", f"virtual/block/{name}", size, **told)
    host.rig.stack(name, *below)
    host.add(Thing(name, "layer", below, is_in_place=False, is_read_only=told["ro"] == "1"))


def _group(host: Host, below: tuple[str, ...], told: dict[str, Any]) -> None:
    """A volume for each physical one at the least; now and then a thin one."""
    for count in range(max(len(below), host.chance.choice((1, 2, 3)))):
        number, under = _next_dm(host), below[count % len(below)]
        size = host.rig.medium(under).size // 8 // ALIGNED * ALIGNED
        start = 2048 + count * size // 512
        table = f"linear {host.rig.numbers[under]} {start}"
        is_thin = host.may(0.1)
        if is_thin:
            table = f"thin {host.rig.numbers[under]} {count}"
        mark = f"LVM-{'g' * 32}{number:032d}"
        name = host.rig.dm(f"dm-{number}", f"vg-lv{number}", mark, under, size=size, table=table, **told)
        _enter_layer(host, name, (under,), "lvm", mark, in_place=not is_thin)
        if is_thin:
            # What a thin volume maps cannot be told, so another volume on that disk may map the same blocks.
            host.shared.add(under)


def _encrypted(host: Host, below: tuple[str, ...], told: dict[str, Any]) -> None:
    number = _next_dm(host)
    mark = f"CRYPT-LUKS2-{number:032d}"
    name = host.rig.dm(f"dm-{number}", f"c{number}", f"{mark}-c{number}", below[0], **told)
    _enter_layer(host, name, below[:1], "dm-crypt", mark)
    host.leaves.extend(below[1:])


def _mapped(host: Host, below: tuple[str, ...], told: dict[str, Any]) -> None:
    """A mapping that bears no id."""
    number = _next_dm(host)
    name = host.rig.dm(f"dm-{number}", f"m{number}", "", below[0], **told)
    _enter_layer(host, name, below[:1], "device-mapper", "")
    host.leaves.extend(below[1:])


_LAYERS: dict[str, Callable[[Host, tuple[str, ...], dict[str, Any]], None]] = {
    "md": _array,
    "bcache": _cached,
    "lvm": _group,
    "crypt": _encrypted,
    "linear": _mapped,
}


# The running system.


def _draw_system(host: Host) -> None:
    if host.may(0.3):
        # The first root of every system, which the real one is mounted over.
        host.rig.mount("0:2", "/", "rootfs", source="rootfs")
    style = host.chance.choice(
        ("plain", "plain", "plain", "plain", "btrfs", "memory", "memory", "live", "nfs", "zfs", "hidden", "container")
    )
    leaf = host.take() if style in {"plain", "btrfs", "live", "zfs"} else None
    if leaf is None:
        _root_without_a_disk(host, style)
    else:
        _ROOTS[style](host, leaf)
    for point in ("/boot", "/boot/efi", "/usr"):
        if host.may(0.12) and (other := host.take()):
            _mount(host, other, point)
            host.system.append(other)
    if host.may(0.12) and (other := host.take()):
        # This program keeps what it must know after a crash there.
        _mount(host, other, ROOT)
        host.system.append(other)
    _draw_swap(host)


def _root_without_a_disk(host: Host, style: str) -> None:
    if style == "nfs":
        host.rig.mount("0:33", "/", "nfs4", source="10.0.0.1:/root")
    elif style in {"hidden", "container"}:
        host.rig.mount("0:60", "/", "overlay", options="rw,lowerdir=/out/of/sight,upperdir=/out/of/sight")
        host.is_sure = False
        host.sees_all = style == "hidden"
        if not host.sees_all:
            host.rig.kernel.put("proc/self/ns/pid", Link("pid:[4026532777]"))
    else:
        host.rig.memory("/")


def _plain_root(host: Host, leaf: str) -> None:
    _mount(host, leaf, "/")
    host.system.append(leaf)


def _btrfs_root(host: Host, leaf: str) -> None:
    members = [leaf, *(other for other in (host.take(),) if other and host.may(0.9))]
    host.rig.btrfs("2f1c0a52-6c0a-4cde-9f0b-1c8b6a7d9e10", *members)
    host.rig.mount("0:25", "/", "btrfs", source=f"/dev/{leaf}", options="rw,subvol=/@")
    host.mounted.extend(members)
    host.system.extend(members)


def _zfs_root(host: Host, leaf: str) -> None:
    host.rig.medium(leaf).is_claimed = True
    host.rig.mount("0:25", "/", "zfs", source="rpool/ROOT")
    host.mounted.append(leaf)
    host.is_sure = False


def _live_root(host: Host, leaf: str) -> None:
    rig, medium = host.rig, f"{ROOT}/live/medium"
    _mount(host, leaf, medium)
    name = _loop(host, f"{medium}/root.squashfs", leaf)
    host.leaves.remove(name)
    _mount(host, name, f"{ROOT}/live/layer")
    rig.mount("0:31", f"{ROOT}/live/upper", "tmpfs")
    for folder in ("live/layer", "live/upper"):
        rig.kernel.folder(folder)
    rig.mount("0:40", "/", "overlay", options=f"rw,lowerdir={ROOT}/live/layer,upperdir={ROOT}/live/upper")
    host.system.append(name)


_ROOTS: dict[str, Callable[[Host, str], None]] = {
    "plain": _plain_root,
    "btrfs": _btrfs_root,
    "zfs": _zfs_root,
    "live": _live_root,
}


def _draw_swap(host: Host) -> None:
    if host.may(0.15) and (leaf := host.take()):
        host.rig.swap(f"/dev/{leaf}")
        host.swapped.append(leaf)
        host.system.append(leaf)
    here = [name for name in host.mounted if name in host.things]
    if here and host.may(0.08):
        on = host.chance.choice(here)
        host.rig.swap("/swap/file", on=on)
        host.swapped.append(on)
        host.system.append(on)


# Who else uses what.


def _mount(host: Host, name: str, point: str, process: str = "self") -> None:
    host.rig.mount(name, point, host.chance.choice(("ext4", "xfs", "vfat")), process=process)
    host.mounted.append(name)


def _process(host: Host, namespace: str = "mnt:[4026531840]") -> int:
    host.processes += 1
    return host.rig.process(host.processes, host.chance.choice(("sh", "qemu", "dd", "a b) c")), namespace)


def _draw_use(host: Host) -> None:
    for leaf in [*host.leaves]:
        if host.may(0.2):
            host.leaves.remove(leaf)
            far = host.may(0.4)
            process = str(_process(host, host.chance.choice(FAR))) if far else "self"
            _mount(host, leaf, f"/data/{leaf}", process)
    for _ in range(host.chance.choice((0, 0, 0, 1, 2))):
        name = _loop(
            host, f"/srv/image-{len(host.things)}", host.chance.choice([*host.mounted, ""]) if host.mounted else ""
        )
        if host.may(0.3):
            host.leaves.remove(name)
            _mount(host, name, f"/data/{name}")
    if host.leaves and host.may(0.05):
        _loop_on_a_device(host, host.leaves.pop())
    if host.may(0.06) and (held := host.take()):
        # Unmounted lazily while files were open, or exported to others: in no list, and the kernel holds it.
        host.rig.medium(held).is_claimed = True
        host.mounted.append(held)
    for _ in range(host.chance.choice((0, 0, 0, 0, 1, 2))):
        _open_something(host)
    if host.may(0.1):
        host.rig.closed(f"proc/{_process(host, FAR[0])}/{host.chance.choice(('fd', 'mountinfo', 'ns'))}")


def _loop(host: Host, path: str, on: str) -> str:
    """A loop over a file: now and then a second one over the same, one over a part, or over a file that is gone."""
    number = sum(name.startswith("loop") for name in host.rig.numbers)
    loops = [thing for thing in host.loops() if thing.image is not None and thing.is_whole_file]
    name, partial, gone = f"loop{number}", 0, host.may(0.06)
    inode, size = 1000 + number, host.chance.choice((1, 2)) * GIB
    if loops and host.may(0.15):
        other = host.chance.choice(loops)
        assert other.image is not None
        (on, inode, size), path, gone = other.image, host.rig.medium(other.name).unit, False
    elif host.may(0.06):
        partial = 4096
    host.rig.loop(name, f"{path} (deleted)" if gone else path, size, on=on, inode=inode, partial=partial)
    thing = Thing(name, "loop", (on,) if on else (), "", None, (on, inode, size), is_whole_file=not (gone or partial))
    return host.add(thing)


def _loop_on_a_device(host: Host, below: str) -> None:
    number = sum(name.startswith("loop") for name in host.rig.numbers)
    name, size = f"loop{number}", host.rig.medium(below).size
    host.rig.loop(name, f"/dev/{below}", size, inode=5)
    del host.rig.kernel.files[f"/dev/{below}"]
    backing = host.rig.medium(name).backing
    assert backing is not None
    backing.block_device = host.rig.devno(below)
    host.rig.medium(below).is_claimed = True
    host.add(Thing(name, "loop", (below,), "", None, None, is_whole_file=False))


def _open_something(host: Host) -> None:
    process = _process(host)
    files = [host.rig.medium(loop.name).unit for loop in host.loops() if loop.image is not None and loop.is_whole_file]
    if files and host.may(0.25):
        path = host.chance.choice(files)
        flags = host.chance.choice((os.O_RDONLY, os.O_RDWR))
        host.rig.opens(process, path, flags=flags)
        if flags == os.O_RDWR:
            host.filed.append(path)
        return
    name = host.chance.choice([*host.things])
    flags = host.chance.choice((os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_EXCL))
    if host.rig.kernel.is_claimed(host.rig.devno(name)):
        flags &= ~os.O_EXCL
    host.rig.opens(process, name, flags=flags)
    host.opened.append((name, flags))
