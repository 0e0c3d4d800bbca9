"""Machines that are none of metal, and systems that run from a stick or from memory alone."""

from __future__ import annotations

from tests.support.machines.kernel import Link
from tests.support.machines.layouts import FREE, NAMELESS, SYSTEM, layout
from tests.support.machines.rig import GIB, Rig

MIB = 1 << 20


@layout(vda=SYSTEM, vdb=FREE, vdc=NAMELESS)
def virtio_guest(rig: Rig) -> None:
    """Disks of QEMU: one with a serial that somebody typed, one without."""
    rig.virtio("vda", "root")
    rig.parts("vda", 512 * MIB, 0)
    rig.mount("vda1", "/boot")
    rig.mount("vda2", "/", "xfs")
    rig.virtio("vdb", "data-2026-07", slot=5)
    rig.virtio("vdc", "", slot=6)


@layout(xvda=SYSTEM, xvdb=NAMELESS)
def xen_guest(rig: Rig) -> None:
    """Disks of Xen name themselves by nothing."""
    for count, name in enumerate(("xvda", "xvdb")):
        place = f"vbd-{51712 + 16 * count}"
        rig.bus(place, "xen", devtype="vbd", nodename=f"device/vbd/{51712 + 16 * count}")
        rig.block(name, f"202:{16 * count}", f"{place}/block/{name}", 40 * GIB, device=place)
    rig.mount(rig.part("xvda", 1), "/")


@layout(nvme0n1=SYSTEM, nvme1n1=FREE)
def cloud_machine(rig: Rig) -> None:
    """Volumes of a cloud that look like NVMe drives; their serial is the volume's id."""
    model = "Amazon Elastic Block Store"
    for name, serial, slot in (("nvme0n1", "vol0a1b2c3d4e5f60718", 4), ("nvme1n1", "vol0f0e0d0c0b0a09080", 31)):
        wwid = f"nvme.1d0f-{serial.encode().hex()}-416d617a6f6e-00000001"
        rig.nvme(name, serial, 100 * GIB, pci=f"pci0000:00/0000:00:{slot:02x}.0", model=model, wwid=wwid)
    rig.parts("nvme0n1", MIB, 0)
    rig.mount("nvme0n1p2", "/", "xfs")


@layout(sda=FREE, nvme0n1=FREE, sdb=FREE)
def live_from_memory(rig: Rig) -> None:
    """A system like ShredOS that lives in memory: every disk is free, the stick it came from too."""
    rig.kernel.write("proc/self/mountinfo", "")
    rig.mount("0:2", "/", "rootfs", source="rootfs")
    rig.mount("0:21", "/proc", "proc")
    rig.mount("0:22", "/sys", "sysfs")
    rig.mount("0:5", "/dev", "devtmpfs")
    rig.sata("sda", "LIVE-A")
    rig.parts("sda", 512 * MIB, 0)
    rig.nvme("nvme0n1", "LIVE-N")
    rig.usb("sdb", "4C530001230101115343", vendor="SanDisk", model="Ultra Fit", removable="1")
    rig.part("sdb", 1)


@layout(sda=FREE, sdb=SYSTEM)
def live_from_a_stick(rig: Rig) -> None:
    """Root is an overlay over a squashfs on a loop over a file on the stick, which stays mounted."""
    rig.sata("sda", "DISK-A")
    rig.parts("sda", 512 * MIB, 0)
    rig.usb("sdb", "4C530001230101119999", vendor="SanDisk", model="Ultra Fit", removable="1")
    rig.parts("sdb", 8 * GIB, 0)
    rig.mount("sdb1", "/simulated/run/live/medium", "vfat", options="ro")
    rig.loop("loop0", "/simulated/run/live/medium/live/filesystem.squashfs", GIB, on="sdb1")
    rig.mount("loop0", "/simulated/run/live/rootfs/filesystem.squashfs", "squashfs", options="ro")
    rig.mount("0:30", "/simulated/run/live/overlay", "tmpfs", source="tmpfs")
    live = "/simulated/run/live"
    upper = f"upperdir={live}/overlay/rw,workdir={live}/overlay/work"
    layers = f"lowerdir={live}/rootfs/filesystem.squashfs/,{upper}"
    for folder in ("run/live/rootfs/filesystem.squashfs", "run/live/overlay/rw"):
        rig.kernel.folder(folder)
    rig.mount("0:40", "/", "overlay", source="overlay", options=f"rw,{layers}")


@layout(sda=FREE, sdb=SYSTEM)
def a_stick_as_the_only_root(rig: Rig) -> None:
    """An ordinary installation on a stick; the disk inside is somebody's to erase."""
    rig.sata("sda", "INSIDE-A")
    rig.parts("sda", 512 * MIB, 0)
    rig.usb("sdb", "4C530001230101110000", 128 * GIB, vendor="SanDisk", model="Extreme", removable="1")
    rig.parts("sdb", 512 * MIB, 0)
    rig.mount("sdb1", "/boot/efi", "vfat")
    rig.mount("sdb2", "/")


@layout(sda=SYSTEM, sdb=SYSTEM)
def a_container_whose_root_is_out_of_sight(rig: Rig) -> None:
    """An overlay whose layers belong to the host, whose processes are out of sight too: any disk may be in use."""
    rig.kernel.put("proc/self/ns/pid", Link("pid:[4026532777]"))
    rig.sata("sda", "CT-A")
    rig.medium(rig.part("sda", 1)).is_claimed = True
    rig.sata("sdb", "CT-B")
    host = "/var/lib/docker/overlay2"
    layers = f"lowerdir={host}/l/AAAA:{host}/l/BBBB,upperdir={host}/x/diff"
    rig.mount("0:60", "/", "overlay", source="overlay", options=f"rw,{layers}")


@layout(sda=FREE, vda=SYSTEM)
def guest_with_a_drive_passed_through(rig: Rig) -> None:
    """A guest on a virtual disk, with a real drive behind an emulated adapter."""
    rig.virtio("vda", "root")
    rig.mount(rig.part("vda", 1), "/")
    place = "pci0000:00/0000:00:08.0/virtio6/host6/target6:0:0/6:0:0:0"
    rig.scsi(
        "sda",
        place,
        4000 * GIB,
        vendor="SEAGATE",
        model="ST4000NM0023",
        serial="Z1Z0ABCD",
        wwid="naa.5000c50056789abc",
        queue__rotational="1",
    )


@layout(sda=FREE)
def root_from_the_network(rig: Rig) -> None:
    """A diskless machine: nothing of the system lies on a disk of its own."""
    rig.mount("0:33", "/", "nfs4", source="10.0.0.1:/export/root", options="rw,vers=4.2")
    rig.sata("sda", "NFS-A")


@layout(sda=SYSTEM, sdb=FREE)
def a_root_out_of_sight_with_every_process_in_sight(rig: Rig) -> None:
    """A system whose first root was moved away: what it lies on is held, so what nobody holds is none of it."""
    rig.sata("sda", "SW-A")
    rig.medium(rig.part("sda", 1)).is_claimed = True
    rig.sata("sdb", "SW-B")
    rig.mount("0:60", "/", "overlay", source="overlay", options="rw,lowerdir=/run/old/root,upperdir=/run/old/upper")
