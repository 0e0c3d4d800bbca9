"""Machines of one person: desktops, laptops, boards, and what is plugged into them."""

from __future__ import annotations

import os
from typing import Any

from tests.support.machines.layouts import AMBIGUOUS, FREE, NAMELESS, NOT_OFFERED, SYSTEM, layout, used
from tests.support.machines.rig import EFI_SYSTEM, GIB, Rig

MIB = 1 << 20
VMD = "pci0000:00/0000:00:0e.0/pci10000:e0"


@layout(sda=SYSTEM, sda2=SYSTEM, sda3=SYSTEM, sdb=FREE, sdb1=FREE, sdb2=FREE)
def sata_desktop(rig: Rig) -> None:
    """Root and EFI on one SSD, an unused disk beside it."""
    rig.sata("sda", "S5Y1NG0R512345")
    rig.parts("sda", 512 * MIB, 400 * GIB, 0)
    rig.mount("sda1", "/boot/efi", "vfat")
    rig.mount("sda2", "/")
    rig.swap("/dev/sda3")
    rig.sata(
        "sdb",
        "WD-WCC4E1234567",
        2000 * GIB,
        model="WDC WD20EFRX-68E",
        wwid="naa.50014ee2b1234567",
        queue__rotational="1",
    )
    rig.parts("sdb", 1000 * GIB, 0)


@layout(nvme0n1=SYSTEM, dm__0=SYSTEM, dm__1=SYSTEM, dm__2=SYSTEM, sda=FREE, sda1=FREE)
def luks_laptop(rig: Rig) -> None:
    """NVMe with LVM in LUKS, and a stick whose serial only the USB device tells."""
    rig.nvme("nvme0n1", "S64ANS0T412345")
    rig.parts("nvme0n1", 512 * MIB, GIB, 0)
    rig.mount("nvme0n1p1", "/boot/efi", "vfat")
    rig.mount("nvme0n1p2", "/boot")
    rig.dm("dm-0", "nvme0n1p3_crypt", "CRYPT-LUKS2-5f0e6c1a7b8d4c3e9a2f1d4b6e8c0a57-nvme0n1p3_crypt", "nvme0n1p3")
    rig.dm(
        "dm-1",
        "vg-root",
        "LVM-h4qwOTOOuBsBhbMzH24uA0lmnDlA6u0vGgzFNEN8qeHpIngzHUwzkD6AE5aAWzd0",
        "dm-0",
        size=900 * GIB,
    )
    rig.dm(
        "dm-2",
        "vg-swap_1",
        "LVM-h4qwOTOOuBsBhbMzH24uA0lmnDlA6u0vpTtxHY43tRa0Ulb85xekKJoECQL1tDFz",
        "dm-0",
        size=8 * GIB,
    )
    rig.mount("dm-1", "/", source="/dev/mapper/vg-root")
    rig.swap("/dev/dm-2")
    rig.usb("sda", "E0D55EA574E1F3C0A9A81234", removable="1")
    rig.part("sda", 1)


@layout(nvme0n1=SYSTEM, nvme1n1=FREE)
def intel_vmd(rig: Rig) -> None:
    """NVMe behind Intel's volume management device: a PCI domain of its own, 10000 and up.

    Paths as udevadm shows them for a KIOXIA KXG70PNV2T04 in a laptop of 2023; ledmon's issue 56 shows the same for a
    server (10001).
    """
    rig.nvme(
        "nvme0n1", "12KFC0BAFTW5", pci=f"{VMD}/10000:e0:06.0/10000:e1:00.0", model="KXG70PNV2T04 NVMe KIOXIA 2048GB"
    )
    rig.parts("nvme0n1", 512 * MIB, 0)
    rig.mount("nvme0n1p1", "/boot/efi", "vfat")
    rig.mount("nvme0n1p2", "/", "xfs")
    rig.nvme("nvme1n1", "S6B0NL0T800123", pci=f"{VMD}/10000:e0:1d.0/10000:e2:00.0")


@layout(nvme0n1=FREE, nvme1n1=SYSTEM, nvme2n1=FREE)
def controllers_numbered_otherwise(rig: Rig) -> None:
    """nvme-cli's issue 455: a namespace bears the subsystem's number, a controller its own, and they need not agree."""
    rig.nvme("nvme0n1", "PHLN000000000A", controller="nvme2", pci="pci0000:3a/0000:3a:00.0/0000:3b:00.0", wwid="eui.0a")
    rig.nvme("nvme1n1", "PHLN000000000B", controller="nvme0", pci="pci0000:3a/0000:3a:01.0/0000:3c:00.0", wwid="eui.0b")
    rig.nvme("nvme2n1", "PHLN000000000C", controller="nvme1", pci="pci0000:3a/0000:3a:02.0/0000:3d:00.0", wwid="eui.0c")
    rig.part("nvme1n1", 1)
    rig.mount("nvme1n1p1", "/")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def btrfs_over_two_disks(rig: Rig) -> None:
    """A btrfs reports a number of no device; /sys/fs/btrfs lists what it lies on."""
    rig.sata("sda", "BTRFS0001")
    rig.sata("sdb", "BTRFS0002")
    rig.sata("sdc", "BTRFS0003")
    rig.parts("sda", 512 * MIB, 0)
    rig.mount("sda1", "/boot/efi", "vfat")
    rig.btrfs("2f1c0a52-6c0a-4cde-9f0b-1c8b6a7d9e10", "sda2", "sdb")
    rig.mount("0:25", "/", "btrfs", source="/dev/sda2", options="rw,subvolid=256,subvol=/@")
    rig.mount("0:25", "/home", "btrfs", source="/dev/sda2", options="rw,subvolid=257,subvol=/@home")


@layout(sda=SYSTEM, sdb=used("mounted at /data"), sdc=used("mounted at /data"), sdd=FREE)
def btrfs_for_data(rig: Rig) -> None:
    """The second device of a mounted btrfs has no mount, no holder and no number of its own anywhere in mountinfo."""
    for name in ("sda", "sdb", "sdc", "sdd"):
        rig.sata(name, f"BTR-{name}")
    rig.mount("sda", "/")
    rig.btrfs("7d1a9f33-1d8e-4bd2-8d8e-9d1f44f5f001", "sdb", "sdc")
    rig.mount("0:41", "/data", "btrfs", source="/dev/sdb", options="rw,space_cache=v2,subvolid=5,subvol=/")


@layout(sda=SYSTEM, nvme0n1=SYSTEM, sdb=SYSTEM, sdc=FREE)
def bcache_root(rig: Rig) -> None:
    """A disk with a cache before it: lsblk shows bcache0 under both (LXD's issue 16347)."""
    rig.sata("sda", "BACKING1", 8000 * GIB, queue__rotational="1")
    rig.nvme("nvme0n1", "CACHE1", 400 * GIB)
    rig.block("bcache0", "252:0", "virtual/block/bcache0", 8000 * GIB - 8192, bcache__state="clean")
    rig.stack("bcache0", "sda", "nvme0n1")
    rig.mount("bcache0", "/")
    rig.sata("sdb", "BOOT1", 100 * GIB)
    rig.mount(rig.part("sdb", 1), "/boot")
    rig.sata("sdc", "UNUSED1")


@layout(sda=SYSTEM, sdb=used("bcache1"), nvme0n1=used("bcache1"), sdc=FREE)
def bcache_without_a_mount(rig: Rig) -> None:
    """A cache that is attached holds both, mounted or not."""
    rig.sata("sda", "ROOT2")
    rig.mount(rig.part("sda", 1), "/")
    rig.sata("sdb", "BACKING2", 8000 * GIB, queue__rotational="1")
    rig.nvme("nvme0n1", "CACHE2")
    rig.parts("nvme0n1", 100 * GIB, 0)
    rig.block("bcache1", "252:128", "virtual/block/bcache1", 8000 * GIB - 8192, bcache__state="dirty")
    rig.stack("bcache1", "sdb", "nvme0n1p2")
    rig.sata("sdc", "UNUSED2")


@layout(sda=SYSTEM, sda1=used("system"), sda2=SYSTEM, sda3=FREE)
def efi_partition_not_mounted(rig: Rig) -> None:
    """A system need not mount what it starts from: on its disk, a part that boots is none for the taking."""
    rig.sata("sda", "ESP-A")
    rig.part("sda", 1, 512 * MIB, kind=EFI_SYSTEM)
    rig.mount(rig.part("sda", 2, 100 * GIB, start=GIB), "/")
    rig.part("sda", 3, start=101 * GIB)


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def efi_on_another_disk(rig: Rig) -> None:
    """Without its EFI partition the machine does not come up again."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"EFI-{name}")
    rig.mount(rig.part("sda", 1), "/")
    rig.mount(rig.part("sdb", 1), "/boot/efi", "vfat")


@layout(sda=SYSTEM, sdb=used("swap /dev/sdb1"), sdc=FREE)
def hibernation_swap_elsewhere(rig: Rig) -> None:
    """The image of a sleeping machine goes to its swap partition, here on a disk of its own."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"SWAP-{name}")
    rig.mount(rig.part("sda", 1), "/")
    rig.parts("sdb", 16 * GIB, 0)
    rig.swap("/dev/sdb1")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def swap_with_a_random_key(rig: Rig) -> None:
    """dm-crypt in plain mode, keyed anew at every start."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"RAND-{name}")
    rig.mount(rig.part("sda", 1), "/")
    rig.part("sdb", 1)
    rig.dm("dm-0", "cswap", "CRYPT-PLAIN-cswap", "sdb1")
    rig.swap("/dev/dm-0")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def swap_in_a_file_on_another_disk(rig: Rig) -> None:
    """Swap in a file needs its disk as much as swap on a partition."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"FILE-{name}")
    rig.mount(rig.part("sda", 1), "/")
    rig.mount(rig.part("sdb", 1), "/srv")
    rig.swap("/srv/swapfile", on="sdb1")


@layout(sda=SYSTEM, sdb=FREE)
def zram_swap(rig: Rig) -> None:
    """Swap in compressed memory lies on no disk."""
    rig.sata("sda", "ZRAM-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.block("zram0", "251:0", "virtual/block/zram0", 8 * GIB, disksize=str(8 * GIB), initstate="1")
    rig.swap("/dev/zram0")
    rig.sata("sdb", "ZRAM-B")


@layout(sda=SYSTEM, sdb=FREE, loop9=FREE)
def snaps_on_loops(rig: Rig) -> None:
    """A dozen read-only squashfs on loops, each mounted, and one loop over an image that nobody uses."""
    rig.sata("sda", "SNAP-A")
    rig.mount(rig.part("sda", 1), "/")
    for count in range(8):
        rig.loop(f"loop{count}", f"/var/lib/snapd/snaps/core_{count}.snap", 64 * MIB, on="sda1")
        rig.kernel.write(f"{rig.paths[f'loop{count}']}/ro", "1\n")
        rig.mount(f"loop{count}", f"/snap/core/{count}", "squashfs", options="ro,nodev")
    rig.sata("sdb", "SNAP-B")
    rig.loop("loop9", "/srv/images/old-disk.img", 4 * GIB, on="sda1")


@layout(sda=SYSTEM, sdb=FREE, sr0=NOT_OFFERED, fd0=NOT_OFFERED)
def empty_removable_drives(rig: Rig) -> None:
    """An optical drive and a floppy drive with nothing in them have no size."""
    rig.sata("sda", "OPT-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.sata("sdb", "OPT-B")
    place = "pci0000:00/0000:00:17.0/ata4/host3/target3:0:0/3:0:0:0"
    rig.scsi("sr0", place, 0, vendor="HL-DT-ST", model="DVDRAM GH24NSD1", number="11:0", removable="1")
    rig.block("fd0", "2:0", "platform/floppy.0/block/fd0", 0, device="platform/floppy.0", removable="1")


@layout(mmcblk0=SYSTEM, mmcblk1=FREE, mmcblk0boot0=NAMELESS, mmcblk0boot1=NAMELESS, sda=NOT_OFFERED)
def board_with_emmc(rig: Rig) -> None:
    """Root on soldered flash, whose boot areas are disks of their own (ReaR's issue 2087), a card, an empty reader."""
    rig.mmc("mmcblk0", "0x0f3c8d21")
    rig.parts("mmcblk0", 256 * MIB, 0)
    rig.mount("mmcblk0p1", "/boot", "vfat")
    rig.mount("mmcblk0p2", "/")
    for count in (0, 1):
        own = f"mmcblk0boot{count}"
        rig.block(own, f"179:{32 + 32 * count}", f"{rig.paths['mmcblk0'][12:]}/{own}", 4 * MIB, ro="1")
    rig.mmc("mmcblk1", "0x61a8c1d4", 32 * GIB, kind="SD", removable="1")
    rig.part("mmcblk1", 1)
    rig.usb("sda", "058F63666485", 0, vendor="Generic", model="Storage Device", removable="1")


@layout(sda=SYSTEM, sdb=AMBIGUOUS, sdc=AMBIGUOUS, sdd=FREE)
def two_enclosures_of_one_serial(rig: Rig) -> None:
    """Bridges that answer with a number of their maker's, equal in every box (openmediavault's issues 896 and 1051)."""
    rig.sata("sda", "ENC-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.usb("sdb", "20170331000C3", 4000 * GIB, port=2, vendor="External", model="USB3.0")
    rig.usb("sdc", "20170331000C3", 4000 * GIB, port=3, vendor="External", model="USB3.0")
    rig.usb("sdd", "20170331000C3", 2000 * GIB, port=4, vendor="External", model="USB3.0")


@layout(sda=SYSTEM, sdb=FREE, sdc=FREE)
def two_bays_of_one_bridge(rig: Rig) -> None:
    """A bridge with two bays: one serial, told apart by model and size (unassigned.devices' issue 66)."""
    rig.sata("sda", "BAY-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.usb("sdb", "202006054D01", 500 * GIB, port=3, lun=0, vendor="Samsung", model="SSD 850 EVO 500G")
    rig.usb("sdc", "202006054D01", 1000 * GIB, port=3, lun=1, vendor="Samsung", model="SSD 860 EVO 1T")


@layout(sda=SYSTEM, sdb=NAMELESS)
def stick_without_a_serial(rig: Rig) -> None:
    """What says nothing of itself cannot be told from the next one of its make."""
    rig.sata("sda", "ANON-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.usb("sdb", "", 8 * GIB, vendor="Generic", model="Flash Disk", removable="1")


@layout(sda=SYSTEM, sdb=FREE, sdc=FREE)
def a_bridge_that_passes_the_drives_own_words(rig: Rig) -> None:
    """A UAS bridge answers page 80h with the drive's serial while the USB device bears another."""
    rig.sata("sda", "UAS-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.usb(
        "sdb",
        "DD564198838B8",
        4000 * GIB,
        port=2,
        vendor="WD",
        model="My Passport 25E2",
        page="WX21D1234567",
        wwid="naa.50014ee21234567a",
    )
    rig.usb(
        "sdc",
        "DD564198838B8",
        4000 * GIB,
        port=3,
        vendor="WD",
        model="My Passport 25E2",
        page="WX21D7654321",
        wwid="naa.50014ee27654321a",
    )


@layout(sda=SYSTEM, sdb=AMBIGUOUS, sdc=AMBIGUOUS)
def two_bridges_of_one_wwn(rig: Rig) -> None:
    """Bridges that answer page 83h alike as well: USB knows no second path, so these are two disks."""
    rig.sata("sda", "WWN-A")
    rig.mount(rig.part("sda", 1), "/")
    for name, port in (("sdb", 2), ("sdc", 3)):
        words: dict[str, Any] = {
            "vendor": "ASMT",
            "model": "2115",
            "page": "00000000000000000000",
            "wwid": "naa.5000000000000001",
        }
        rig.usb(name, "00000000000000000000", 1000 * GIB, port=port, **words)


@layout(sda=SYSTEM, sdb=used("mounted at /media/usb"), sdc=used("process 4711 (dd)"))
def in_somebody_elses_hands(rig: Rig) -> None:
    """A stick mounted in another namespace, and a disk that a program reads."""
    rig.sata("sda", "HAND-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.usb("sdb", "E0D55E000001", port=2)
    rig.part("sdb", 1)
    rig.process(900, "udisksd", "mnt:[4026532500]")
    rig.mount("sdb1", "/media/usb", "vfat", process="900")
    rig.sata("sdc", "HAND-C")
    rig.process(4711, "dd")
    rig.opens(4711, "sdc", flags=os.O_RDONLY)


@layout(sda=SYSTEM, sdb=FREE)
def optical_disc_inside(rig: Rig) -> None:
    """Root from a disk; an installation disc is in the drive and mounted."""
    rig.sata("sda", "DISC-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.sata("sdb", "DISC-B")
    place = "pci0000:00/0000:00:17.0/ata4/host3/target3:0:0/3:0:0:0"
    rig.scsi(
        "sr0",
        place,
        GIB,
        vendor="HL-DT-ST",
        model="DVDRAM",
        number="11:0",
        removable="1",
        ro="1",
        sector="2048",
        type="5",
    )
    rig.mount("sr0", "/media/cdrom", "iso9660", options="ro")
    del rig.identities["sr0"]


@layout(
    sda=SYSTEM,
    loop0=used("loop-not-whole-file"),
    loop1=used("backing-file-gone"),
    loop2=used("same backing file"),
    loop3=used("same backing file"),
    loop4=used("writes to its backing file"),
    loop5=used("loop-not-whole-file"),
    loop6=FREE,
    sdb=used("loop5 lies over it"),
)
def loops_of_every_sort(rig: Rig) -> None:
    """Over a part of a file, over a deleted one, two over one file, over a file that a program writes, over a disk."""
    rig.sata("sda", "LOOPS-A")
    rig.mount(rig.part("sda", 1), "/")
    rig.sata("sdb", "LOOPS-B")
    rig.loop("loop0", "/srv/disk.img", GIB, on="sda1", partial=MIB)
    rig.loop("loop1", "/srv/gone.img (deleted)", GIB, on="sda1")
    rig.loop("loop2", "/srv/twice.img", GIB, on="sda1", inode=77)
    rig.loop("loop3", "/srv/twice.img", GIB, on="sda1", inode=77)
    rig.loop("loop4", "/srv/guest.img", GIB, on="sda1")
    rig.opens(rig.process(4712, "qemu-system-x86"), "/srv/guest.img")
    rig.loop("loop5", "/dev/sdb", 500 * GIB, on="sda1", inode=5)
    del rig.kernel.files["/dev/sdb"]
    backing = rig.medium("loop5").backing
    assert backing is not None
    backing.block_device = rig.devno("sdb")
    rig.medium("sdb").is_claimed = True
    rig.loop("loop6", "/srv/old.img", GIB, on="sda1")
