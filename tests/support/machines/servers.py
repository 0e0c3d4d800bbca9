"""Servers and what is attached to them: arrays, several paths, controllers of RAID, storage over a network."""

from __future__ import annotations

import os

from tests.support.machines.kernel import ROOT
from tests.support.machines.layouts import AMBIGUOUS, ELSEWHERE, FREE, NOT_OFFERED, SYSTEM, free_through, layout, used
from tests.support.machines.rig import GIB, Rig

MIB = 1 << 20
RAID_PCI = "pci0000:3a/0000:3a:00.0/0000:3b:00.0"


def root_on(rig: Rig, name: str, serial: str = "ROOT0001") -> None:
    """A plain system disk, so that the rest of the machine is data."""
    rig.sata(name, serial)
    rig.parts(name, 512 * MIB, 0)
    first, second = f"{name}1", f"{name}2"
    rig.mount(first, "/boot/efi", "vfat")
    rig.mount(second, "/")


@layout(
    sda=SYSTEM, sdb=SYSTEM, md0=SYSTEM, md1=SYSTEM, sdc=used("mounted at /srv"), sdc1=used("mounted at /srv"), sdd=FREE
)
def md_mirror_as_root(rig: Rig) -> None:
    """Two arrays over the same two disks, a data disk, a disk for the taking."""
    for name in ("sda", "sdb", "sdc", "sdd"):
        rig.sata(name, f"MD-{name}")
    for name in ("sda", "sdb"):
        rig.parts(name, GIB, 0)
    rig.md("md0", "raid1", "sda1", "sdb1")
    rig.md("md1", "raid1", "sda2", "sdb2")
    rig.mount("md0", "/boot")
    rig.mount("md1", "/")
    rig.mount(rig.part("sdc", 1), "/srv", "xfs")


@layout(sda=SYSTEM, sdb=used("md5"), sdc=used("md5"), sdd=used("md5"), sde=used("md5"), sdf=FREE)
def md_raid5_with_a_spare(rig: Rig) -> None:
    """A spare is a member: `mdadm --add` makes a holder of it at once (util-linux' issue 874)."""
    root_on(rig, "sda")
    for name in ("sdb", "sdc", "sdd", "sde", "sdf"):
        rig.sata(name, f"R5-{name}", 4000 * GIB, queue__rotational="1")
    rig.md("md5", "raid5", "sdb", "sdc", "sdd", size=8000 * GIB)
    rig.stack("md5", "sde")
    rig.kernel.write(f"{rig.paths['md5']}/md/dev-sde/state", "spare\n")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def lvm_on_luks_on_md(rig: Rig) -> None:
    """Four layers up it is still those two disks."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"DEEP-{name}")
    for name in ("sda", "sdb"):
        rig.parts(name, GIB, 0)
    rig.md("md126", "raid1", "sda2", "sdb2")
    rig.dm("dm-0", "md_crypt", "CRYPT-LUKS2-c0ffee00c0ffee00c0ffee00c0ffee00-md_crypt", "md126")
    rig.dm("dm-1", "vg0-root", "LVM-" + "a" * 32 + "b" * 32, "dm-0", size=100 * GIB)
    rig.dm("dm-2", "vg0-swap", "LVM-" + "a" * 32 + "c" * 32, "dm-0", size=8 * GIB)
    rig.mount("dm-1", "/", source="/dev/mapper/vg0-root")
    rig.swap("/dev/dm-2")
    rig.md("md127", "raid1", "sda1", "sdb1")
    rig.mount("md127", "/boot")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def imsm_array(rig: Rig) -> None:
    """Intel's firmware RAID by md: a container md127 and the array md126, partitioned (ReaR's pull request 2702)."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"IMSM-{name}", 400 * GIB)
    rig.block("md127", "9:127", "virtual/block/md127", 0, md__level="container", md__metadata_version="external:imsm")
    rig.stack("md127", "sda", "sdb")
    rig.md("md126", "raid1", "sda", "sdb", md__metadata_version="external:/md127/0")
    rig.parts("md126", 600 * MIB, GIB, 0)
    rig.mount("md126p1", "/boot/efi", "vfat")
    rig.mount("md126p2", "/boot", "xfs")
    rig.dm("dm-0", "rhel-root", "LVM-" + "d" * 32 + "e" * 32, "md126p3", size=70 * GIB)
    rig.mount("dm-0", "/", "xfs", source="/dev/mapper/rhel-root")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def firmware_raid_by_dmraid(rig: Rig) -> None:
    """The same firmware RAID as dmraid maps it (kiwi's issue 1181)."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"DMR-{name}", 931 * GIB)
    table = "mirror core 2 131072 nosync 2 8:0 0 8:16 0 1 handle_errors"
    rig.dm(
        "dm-0",
        "isw_dijefbbidg_Volume1",
        "DMRAID-isw_dijefbbidg_Volume1",
        "sda",
        "sdb",
        size=931 * GIB - MIB,
        table=table,
    )
    rig.dm("dm-1", "isw_dijefbbidg_Volume1p1", "DMRAID-isw_dijefbbidg_Volume1p1", "dm-0")
    rig.mount("dm-1", "/", source="/dev/mapper/isw_dijefbbidg_Volume1p1")


@layout(sda=SYSTEM, sdb=SYSTEM, sdc=FREE)
def zfs_root(rig: Rig) -> None:
    """A pool reports a number of no device and lists its disks nowhere in sysfs, but holds them exclusively."""
    for name in ("sda", "sdb", "sdc"):
        rig.sata(name, f"ZFS-{name}")
    for name in ("sda", "sdb"):
        rig.parts(name, 512 * MIB, 0)
        rig.medium(f"{name}2").is_claimed = True
    rig.mount("sda1", "/boot/efi", "vfat")
    rig.mount("0:25", "/", "zfs", source="rpool/ROOT/debian", options="rw,xattr,posixacl")


@layout(sda=SYSTEM, sdb=used("the kernel"), sdc=used("the kernel"), sdd=FREE)
def zfs_for_data(rig: Rig) -> None:
    """Members of a pool that carries no system: the kernel alone knows, and refuses to hand them out."""
    root_on(rig, "sda")
    for name in ("sdb", "sdc", "sdd"):
        rig.sata(name, f"POOL-{name}", 4000 * GIB, queue__rotational="1")
    for name in ("sdb", "sdc"):
        rig.parts(name, 3000 * GIB, 0)
        rig.medium(f"{name}1").is_claimed = True
    rig.mount("0:44", "/tank", "zfs", source="tank")


@layout(
    sda=SYSTEM,
    sdb=free_through("dm-0"),
    sdc=free_through("dm-0"),
    sdd=used("mounted at /srv"),
    sde=used("mounted at /srv"),
)
def multipath_shelf(rig: Rig) -> None:
    """A shelf on two adapters: every drive twice, mapped once (paths in util-linux' issues 616 and 1533)."""
    root_on(rig, "sda")
    for count, (one, two) in enumerate((("sdb", "sdc"), ("sdd", "sde"))):
        serial = f"ZA1{count}AB34"
        rig.sas(one, serial, host=1, end=count, unit=f"drive {count}")
        rig.sas(two, serial, host=2, end=count, unit=f"drive {count}")
        wwid = rig.identities[one][3].replace("naa.", "3")
        paths = f"{rig.numbers[one]} 1 {rig.numbers[two]} 1"
        table = f"multipath 0 0 1 1 service-time 0 2 2 {paths}"
        size = rig.medium(one).size
        rig.dm(f"dm-{count}", f"mpath{'ab'[count]}", f"mpath-{wwid}", one, two, size=size, table=table)
        rig.medium(f"dm-{count}").unit = f"drive {count}"
    rig.dm("dm-2", "mpathb-part1", f"part1-{rig.kernel.tables[rig.devno('dm-1')] and 'mpath-35000c500x'}", "dm-1")
    rig.mount("dm-2", "/srv", "xfs", source="/dev/mapper/mpathb-part1")


@layout(sda=SYSTEM, sdb=FREE, sdc=FREE, sdd=used("mounted at /srv"), sde=used("mounted at /srv"))
def two_paths_without_a_map(rig: Rig) -> None:
    """The same shelf where multipathd does not run: two nodes for one drive are one candidate, and in use together."""
    root_on(rig, "sda")
    for count, (one, two) in enumerate((("sdb", "sdc"), ("sdd", "sde"))):
        rig.sas(one, f"ZA2{count}AB34", host=1, end=count, unit=f"drive {count}")
        rig.sas(two, f"ZA2{count}AB34", host=2, end=count, unit=f"drive {count}")
    rig.mount("sdd", "/srv", "xfs")


@layout(nvme0n1=SYSTEM, nvme1n1=FREE, nvme2n1=used("mounted at /srv"))
def nvme_with_two_ports(rig: Rig) -> None:
    """Dual-ported drives: the kernel joins the paths, nvme1c2n1 and the like are hidden (libnvme's issue 978)."""
    rig.nvme("nvme0n1", "S0NVME")
    rig.mount(rig.part("nvme0n1", 1), "/")
    ports = "pci0000:80/0000:80:01.0/0000:8{}:00.0"
    rig.nvme_shared("nvme1n1", "S1NVME", {"nvme1": ports.format(1), "nvme2": ports.format(2)})
    rig.nvme_shared("nvme2n1", "S2NVME", {"nvme3": ports.format(3), "nvme4": ports.format(4)})
    rig.mount("nvme2n1", "/srv", "xfs")


@layout(nvme0n1=SYSTEM, nvme1n1=FREE, nvme1n2=used("mounted at /srv"))
def namespaces_of_one_controller(rig: Rig) -> None:
    """Two namespaces without ids of their own: the kernel makes one of serial, model and number (`wwid_show`)."""
    rig.nvme("nvme0n1", "S3NVME")
    rig.mount(rig.part("nvme0n1", 1), "/")
    place = "pci0000:00/0000:00:1c.0/0000:02:00.0"
    for count in (1, 2):
        wwid = f"nvme.144d-53344e564d45-4d4f44454c-0000000{count}"
        rig.nvme(f"nvme1n{count}", "S4NVME", pci=place, controller="nvme1", wwid=wwid, size=400 * GIB)
    rig.mount("nvme1n2", "/srv", "xfs")


@layout(sda=SYSTEM, sdb=FREE)
def megaraid_volumes(rig: Rig) -> None:
    """Two virtual disks of one controller, at channel 2; no host sees what lies below."""
    for name, target, serial in (
        ("sda", 0, "00a1b2c3d4e5f60718293a4b5c6d7e8f"),
        ("sdb", 1, "00ffb2c3d4e5f60718293a4b5c6d7e8f"),
    ):
        place = f"{RAID_PCI}/host0/target0:2:{target}/0:2:{target}:0"
        wwid = f"naa.6{serial[:31]}"
        rig.scsi(
            name,
            place,
            4000 * GIB,
            vendor="DELL",
            model="PERC H730 Mini",
            serial=serial,
            wwid=wwid,
            queue__rotational="1",
        )
    rig.mount(rig.part("sda", 1), "/")


@layout(cciss__c0d0=SYSTEM, cciss__c0d1=FREE)
def smart_array_by_cciss(rig: Rig) -> None:
    """Names with a slash: /dev/cciss/c0d0, in sysfs `cciss!c0d0` (openvstorage's issue 1496, CoreOS' bug 1037)."""
    for count in (0, 1):
        name, place = f"cciss!c0d{count}", f"pci0000:00/0000:00:03.0/0000:06:00.0/cciss0/c0d{count}"
        words = {
            "vendor": "HP",
            "model": "LOGICAL VOLUME",
            "serial": f"PA6C90K9SUC0{count}",
            "wwid": f"naa.600508b10010353935202020202{count}0005",
        }
        rig.scsi(name, place, 146 * GIB, number=f"104:{16 * count}", **words)
    rig.part("cciss!c0d0", 1)
    rig.mount("cciss!c0d0p1", "/", source="/dev/cciss/c0d0p1")


@layout(sda=SYSTEM, sdb=AMBIGUOUS, sdc=AMBIGUOUS)
def smart_array_of_equal_serials(rig: Rig) -> None:
    """A P410 whose volumes all bear the controller's serial (disklocation's issue 191), and no id of their own."""
    root_on(rig, "sda")
    for count, name in enumerate(("sdb", "sdc")):
        place = f"pci0000:00/0000:00:03.0/0000:06:00.0/host4/target4:0:0/4:0:0:{count + 1}"
        rig.scsi(
            name, place, 300 * GIB, vendor="HP", model="LOGICAL VOLUME", serial="PACCR9SYK0N3", unit=f"volume {count}"
        )


@layout(sda=FREE, sdb=SYSTEM)
def fusion_mpt_volume(rig: Rig) -> None:
    """An IR volume; the disks below it have no /dev/sd of their own (smartmontools' issue 569)."""
    place = "pci0000:00/0000:00:01.0/0000:01:00.0/host0/target0:1:0/0:1:0:0"
    rig.scsi(
        "sdb",
        place,
        900 * GIB,
        vendor="LSILOGIC",
        model="Logical Volume",
        serial="0912345678",
        wwid="naa.600508e000000000a1b2c3d4e5f60718",
    )
    rig.mount(rig.part("sdb", 1), "/")
    for target in (1, 2):
        rig.bus(
            f"pci0000:00/0000:00:01.0/0000:01:00.0/host0/target0:0:{target}/0:0:{target}:0",
            "scsi",
            vendor="SEAGATE ",
            type="0",
        )
    rig.sata("sda", "BESIDE-A")


@layout(sda=SYSTEM, sdb=FREE, sdc=used("mounted at /san"))
def iscsi_luns(rig: Rig) -> None:
    """LUNs of a network target; the initiator makes a session below a platform host."""
    root_on(rig, "sda")
    for lun, name in enumerate(("sdb", "sdc"), start=1):
        place = f"platform/host8/session1/target8:0:0/8:0:0:{lun}"
        serial = f"4db17aa5-bd26-4ca0-bcb1-98b17b44a75{lun}"
        rig.scsi(
            name,
            place,
            10 * GIB,
            vendor="LIO-ORG",
            model="lun",
            serial=serial,
            wwid=f"naa.600140500000000000000000000000{lun}0",
        )
    rig.mount("sdc", "/san", "xfs")


@layout(sda=SYSTEM, nvme0n1=FREE)
def nvme_over_tcp(rig: Rig) -> None:
    """A namespace of another machine, below the fabrics' own folder (systemd's issue 27391)."""
    root_on(rig, "sda")
    rig.nvme(
        "nvme0n1",
        "a1b2c3d4e5f6a7b8",
        pci="virtual/nvme-fabrics/ctl",
        transport="tcp",
        address="traddr=192.168.0.50,trsvcid=4420",
        model="Linux",
    )
    rig.kernel.link("sys/devices/virtual/nvme-fabrics/ctl/nvme0", "sys/devices/virtual/nvme-fabrics/ctl/nvme/nvme0")


@layout(sda=SYSTEM, sdb=used("vg-pool_tdata"), sdc=used("vg-thin1"), dm__2=ELSEWHERE, dm__3=ELSEWHERE, sdd=FREE)
def lvm_thin(rig: Rig) -> None:
    """A thin pool over two disks: every thin volume's blocks are anywhere on them."""
    root_on(rig, "sda")
    for name in ("sdb", "sdc", "sdd"):
        rig.sata(name, f"THIN-{name}")
    mark = "LVM-" + "t" * 32
    rig.dm("dm-0", "vg-pool_tmeta", f"{mark}{'m' * 32}-tmeta", "sdb", size=GIB)
    rig.dm("dm-1", "vg-pool_tdata", f"{mark}{'d' * 32}-tdata", "sdb", "sdc", size=900 * GIB)
    rig.dm(
        "dm-2",
        "vg-pool-tpool",
        f"{mark}{'p' * 32}-tpool",
        "dm-0",
        "dm-1",
        size=900 * GIB,
        table="thin-pool 253:0 253:1 128 0 0",
    )
    rig.dm("dm-3", "vg-thin1", f"{mark}{'1' * 32}", "dm-2", size=50 * GIB, table="thin 253:2 1")


@layout(sda=SYSTEM, sdb=used("vg-home-cow"), dm__0=used("vg-before"), dm__1=ELSEWHERE, dm__3=ELSEWHERE, sdc=FREE)
def lvm_snapshot(rig: Rig) -> None:
    """A classic snapshot: origin, its real blocks, and the exceptions, all on one disk."""
    root_on(rig, "sda")
    rig.sata("sdb", "SNAPLV-B")
    rig.sata("sdc", "SNAPLV-C")
    mark = "LVM-" + "s" * 32
    rig.dm("dm-0", "vg-home-real", f"{mark}{'h' * 32}-real", "sdb", size=100 * GIB)
    rig.dm("dm-1", "vg-home", f"{mark}{'h' * 32}", "dm-0", size=100 * GIB, table="snapshot-origin 253:0")
    rig.dm("dm-2", "vg-home-cow", f"{mark}{'c' * 32}-cow", "sdb", size=20 * GIB)
    rig.dm("dm-3", "vg-before", f"{mark}{'c' * 32}", "dm-0", "dm-2", size=100 * GIB, table="snapshot 253:0 253:2 P 8")


@layout(sda=SYSTEM, sdb=used("mounted at /vm"), dm__3=ELSEWHERE, nvme0n1=used("vg-fast_cpool_cdata"), sdc=FREE)
def lvm_cache(rig: Rig) -> None:
    """A disk with an NVMe drive as its cache by dm-cache: what was written lies on either."""
    root_on(rig, "sda")
    rig.sata("sdb", "SLOW-B", 8000 * GIB, queue__rotational="1")
    rig.nvme("nvme0n1", "FAST-N")
    rig.sata("sdc", "CACHE-C")
    mark = "LVM-" + "q" * 32
    rig.dm("dm-0", "vg-fast_cpool_cdata", f"{mark}{'d' * 32}-cdata", "nvme0n1", size=200 * GIB)
    rig.dm("dm-1", "vg-fast_cpool_cmeta", f"{mark}{'m' * 32}-cmeta", "nvme0n1", size=GIB)
    rig.dm("dm-2", "vg-vm_corig", f"{mark}{'o' * 32}-real", "sdb", size=7000 * GIB)
    rig.dm(
        "dm-3",
        "vg-vm",
        f"{mark}{'v' * 32}",
        "dm-1",
        "dm-0",
        "dm-2",
        size=7000 * GIB,
        table="cache 253:1 253:0 253:2 128 1 writeback smq 0",
    )
    rig.mount("dm-3", "/vm", "xfs", source="/dev/mapper/vg-vm")


@layout(sda=SYSTEM, sdb=used("CRYPT"), dm__1=ELSEWHERE, sdc=FREE)
def luks_with_integrity(rig: Rig) -> None:
    """dm-crypt over dm-integrity, whose id is CRYPT-INTEGRITY or, from cryptsetup 2.8 on, CRYPT-SUBDEV
    (coreos-installer's pull request 1681)."""
    root_on(rig, "sda")
    rig.sata("sdb", "INTEG-B")
    rig.sata("sdc", "INTEG-C")
    rig.dm(
        "dm-0",
        "safe_dif",
        "CRYPT-SUBDEV-ef0561fda2cf4f8eb9fd729f4cd3e0c7-safe_dif",
        "sdb",
        table="integrity 8:16 0 28 J 6",
    )
    rig.dm("dm-1", "safe", "CRYPT-LUKS2-ef0561fda2cf4f8eb9fd729f4cd3e0c7-safe", "dm-0")


@layout(sda=SYSTEM, sdb=used("drbd0"), dm__0=used("drbd0"), sdc=FREE)
def drbd_on_lvm(rig: Rig) -> None:
    """A replicated device over a volume: mounted there or on the other machine alone, the volume is in use."""
    root_on(rig, "sda")
    rig.sata("sdb", "DRBD-B")
    rig.sata("sdc", "DRBD-C")
    rig.dm("dm-0", "data-vm--140--disk--2", "LVM-" + "r" * 32 + "b" * 32, "sdb", size=40 * GIB)
    rig.block("drbd0", "147:0", "virtual/block/drbd0", 40 * GIB)
    rig.stack("drbd0", "dm-0")


@layout(sda=SYSTEM, sdb=used("process 800 (drbd_a_r0)"), sdc=FREE)
def drbd_without_a_link(rig: Rig) -> None:
    """Older drivers link no holder; a program that has the disk open says so all the same."""
    root_on(rig, "sda")
    rig.sata("sdb", "DRBD8-B")
    rig.sata("sdc", "DRBD8-C")
    rig.block("drbd0", "147:0", "virtual/block/drbd0", 40 * GIB)
    rig.process(800, "drbd_a_r0")
    rig.opens(800, "sdb", flags=os.O_RDWR | os.O_EXCL)


@layout(sda=SYSTEM, sdb=FREE, sdc=FREE)
def zoned_and_4kn(rig: Rig) -> None:
    """A host-managed SMR disk and one with 4096-byte sectors; sysfs counts in units of 512 all the same."""
    root_on(rig, "sda")
    rig.sas(
        "sdb",
        "ZBC00001",
        14000 * GIB,
        end=1,
        vendor="HGST",
        model="HSH721414ALN6M0",
        queue__zoned="host-managed",
        sector="4096",
    )
    rig.sas("sdc", "4KN00001", 8000 * GIB, end=2, vendor="SEAGATE", model="ST8000NM0065", sector="4096")


@layout(sda=SYSTEM, sdb=NOT_OFFERED, sdc=FREE)
def sectors_of_520_bytes(rig: Rig) -> None:
    """A disk out of an array: the kernel does not know its sectors and gives it no size (nwipe's issue 197)."""
    root_on(rig, "sda")
    rig.sas("sdb", "NETAPP01", 0, end=1, vendor="NETAPP", model="X423_HCOBE900A10")
    rig.sas("sdc", "PLAIN520", 900 * GIB, end=2)


@layout(sda=SYSTEM, sdb=used("mounted at /var/crash"), sdc=FREE)
def kdump_disk(rig: Rig) -> None:
    """Dumps of a crashed kernel go to a disk of their own."""
    root_on(rig, "sda")
    rig.sata("sdb", "KDUMP-B")
    rig.sata("sdc", "KDUMP-C")
    rig.mount(rig.part("sdb", 1), "/var/crash", "xfs")


@layout(sda=SYSTEM, sdb=used("mounted at /var/lib/postgresql"), sdc=used("process 5000 (qemu-system-x86)"), sdd=FREE)
def container_host(rig: Rig) -> None:
    """A mount that only a container's namespace shows, and a disk handed to a guest."""
    root_on(rig, "sda")
    for name in ("sdb", "sdc", "sdd"):
        rig.sata(name, f"HOST-{name}")
    rig.process(2000, "postgres", "mnt:[4026533000]")
    rig.mount("0:60", "/", "overlay", process="2000", options="rw,lowerdir=/l/AAAA:/l/BBBB,upperdir=/u,workdir=/w")
    rig.mount(rig.part("sdb", 1), "/var/lib/postgresql", process="2000")
    rig.process(5000, "qemu-system-x86")
    rig.opens(5000, "sdc", flags=os.O_RDWR)


@layout(sda=SYSTEM, sdb=used("loop0"), sdc=FREE, loop0=used("mounted at /mnt"))
def an_image_on_a_data_disk(rig: Rig) -> None:
    """A loop over a file keeps the disk below it in use, though that disk's mount is in no list any more."""
    root_on(rig, "sda")
    for name in ("sdb", "sdc"):
        rig.sata(name, f"IMG-{name}")
    rig.loop("loop0", "/srv/image", 4 * GIB, on="sdb")
    rig.mount("loop0", "/mnt")


@layout(
    sda=SYSTEM,
    sda2=SYSTEM,
    sda3=FREE,
    sdb=used("vg-old"),
    dm__0=FREE,
    dm__1=used("mounted at /srv"),
    md5=FREE,
    sdc=used("md5"),
    sdd=used("md5"),
    dm__2=FREE,
    sde=used("c-old"),
)
def volumes_for_the_taking(rig: Rig) -> None:
    """What an order can name besides drives: a part beside the root, a volume beside a mounted one, an array, a
    mapping."""
    rig.sata("sda", "VOL-A")
    rig.parts("sda", 512 * MIB, 100 * GIB, 0)
    rig.mount("sda1", "/boot/efi", "vfat")
    rig.mount("sda2", "/")
    for name in ("sdb", "sdc", "sdd", "sde"):
        rig.sata(name, f"VOL-{name}")
    mark = "LVM-" + "v" * 32
    rig.dm("dm-0", "vg-old", f"{mark}{'o' * 32}", "sdb", size=10 * GIB, table="linear 8:16 2048")
    rig.dm("dm-1", "vg-srv", f"{mark}{'s' * 32}", "sdb", size=10 * GIB, table=f"linear 8:16 {2048 + 20 * GIB // 512}")
    rig.mount("dm-1", "/srv", source="/dev/mapper/vg-srv")
    rig.md("md5", "raid1", "sdc", "sdd")
    rig.dm("dm-2", "c-old", "CRYPT-LUKS2-aaaabbbbccccddddeeeeffff00001111-c-old", "sde")


@layout(sda=SYSTEM, sdb=used("read-only"), sdc=SYSTEM)
def write_protected_and_our_own(rig: Rig) -> None:
    """A disk that takes no writes is refused before anything is written; so is the one with this program's files."""
    root_on(rig, "sda")
    rig.sata("sdb", "RO-B", ro="1")
    rig.sata("sdc", "OWN-C")
    rig.mount(rig.part("sdc", 1), ROOT)


@layout(
    sda=SYSTEM, sdb=used("vg-one"), dm__0=used("dm-1 maps the same blocks"), dm__1=used("dm-0 maps the same blocks")
)
def two_mappings_of_the_same_blocks(rig: Rig) -> None:
    """What is written to one would appear in the other, though nobody holds it."""
    root_on(rig, "sda")
    rig.sata("sdb", "SAME-B")
    for number, label in enumerate(("one", "two")):
        mark = f"LVM-{'w' * 32}{label * 10}xx"
        rig.dm(f"dm-{number}", f"vg-{label}", mark, "sdb", size=10 * GIB, table=f"linear 8:16 {2048 + number * 4096}")
