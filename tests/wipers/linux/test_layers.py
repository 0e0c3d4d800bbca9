"""What is stacked on drives: what may be ordered as a volume, and what keeps its blocks where no order reaches."""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates.statements import Media, volume_of
from tests.support.fake_machine import FakeMachine
from wipers.linux import blocks, mapper
from wipers.linux.contents import Content, contents_of
from wipers.linux.devices import list_devices
from wipers.linux.devicewriter import DeviceWriter
from wipers.linux.direct import Storage
from wipers.linux.formats import LAYERED, layered
from wipers.linux.makeup import makeup_of
from wipers.linux.mapper import Row
from wipers.linux.partitions import Part, read_part
from wipers.linux.superblocks import array_id
from wipers.linux.system import _named_node
from wipers.model import Lost, Target

LV = "LVM-" + "a" * 32 + "b" * 32
GIB = 1 << 30
SECTORS = GIB // 512
LINEAR = Row(0, SECTORS, "linear", "8:16 2048")
GPT_ID = "01234567-89ab-cdef-0123-456789abcdef"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    """The system lives in memory; two SATA drives, the first with a partition."""
    fake = FakeMachine(tmp_path)
    fake.mount("0:1", "/", "tmpfs")
    for name, number, serial in (("sda", "8:0", "S1"), ("sdb", "8:16", "S2")):
        fake.disk(name, number, 4 * GIB, "scsi", device__vendor="ATA", device__model="DISK", device__serial=serial)
    part(fake, "sda", 1, "8:1", 2048, SECTORS)
    return fake


def part(
    fake: FakeMachine, disk: str, number: int, node: str, start: int, size: int, kind: str = LINUX, own: str = GPT_ID
) -> None:
    fake.partition(disk, f"{disk}{number}", node, start=str(start), size=str(size))
    fake.properties[f"{disk}{number}"] = {"ID_PART_ENTRY_UUID": own, "ID_PART_ENTRY_TYPE": kind}


def shown(fake: FakeMachine, name: str) -> Target:
    (target,) = (one for one in blocks.list_targets(fake.machine) if one.location.endswith(f"/{name}"))
    return target


def reasons(fake: FakeMachine, name: str) -> list[str]:
    return [": ".join((one.reason, *dict(one.facts).values())) for one in shown(fake, name).obstacles]


def codes(fake: FakeMachine, name: str) -> list[str]:
    return [one.reason for one in shown(fake, name).obstacles]


def test_a_partition_is_named_by_its_table_and_its_drive(fake: FakeMachine) -> None:
    """Neither changes when the partition is overwritten, and it is made of what the drive is made of."""
    target = shown(fake, "sda1")
    found = volume_of(target.facts)
    assert (target.kind, target.media, target.obstacles) == ("volume", Media.FLASH, ())
    assert (found.layer, found.uuid, found.offset, found.size) == ("partition", GPT_ID, 2048 * 512, GIB)
    assert [getattr(one, "serial", "") for one in found.on] == ["S1"]
    assert "rest-of-disk" in [one.code for one in target.residual]


def test_a_logical_volume_is_named_by_the_id_that_lvm_gives_it(fake: FakeMachine) -> None:
    """Names of volumes change at will; the ids of group and volume do not."""
    fake.mapping("dm-0", "253:0", "sdb", LV, LINEAR)
    target = shown(fake, "dm-0")
    found = volume_of(target.facts)
    assert (found.layer, found.uuid, target.media, target.obstacles) == ("lvm", LV, Media.OPAQUE, ())
    assert codes(fake, "sdb") == ["in-use"]


def test_an_encrypting_mapping_is_named_without_the_name_it_was_opened_by(fake: FakeMachine) -> None:
    """The next boot opens it by another."""
    fake.mapping("dm-0", "253:0", "sda1", f"CRYPT-LUKS2-{'0' * 32}-cr_home", Row(0, 8, "crypt", "aes - 0 8:1 32768"))
    target = shown(fake, "dm-0")
    assert volume_of(target.facts).uuid == f"CRYPT-LUKS2-{'0' * 32}"
    assert target.obstacles == ()
    assert "encryption-header" in [one.code for one in target.residual]


def test_a_mapping_with_nothing_but_a_name_is_refused(fake: FakeMachine) -> None:
    """Plain dm-crypt keeps no id anywhere."""
    fake.mapping("dm-0", "253:0", "sdb", "CRYPT-PLAIN-secret", Row(0, 8, "crypt", "aes - 0 8:16 0"))
    assert codes(fake, "dm-0") == ["volume-nameless"]


@pytest.mark.parametrize(
    "target",
    [
        "snapshot-origin",
        "snapshot",
        "thin",
        "thin-pool",
        "cache",
        "writecache",
        "era",
        "verity",
        "vdo",
        "integrity",
        "new",
    ],
)
def test_a_mapping_that_puts_blocks_elsewhere_is_refused(fake: FakeMachine, target: str) -> None:
    """The origin of a snapshot copies the old block away before a write: the run would make the copy it should end."""
    fake.mapping("dm-0", "253:0", "sdb", LV, Row(0, SECTORS, target, "8:16 8"))
    assert codes(fake, "dm-0") == ["blocks-elsewhere"]


def test_what_lies_on_such_a_mapping_is_refused_too(fake: FakeMachine) -> None:
    """A container inside a thin volume moves with it."""
    fake.mapping("dm-0", "253:0", "sdb", LV, Row(0, SECTORS, "thin", "253:9 1"))
    fake.mapping("dm-1", "253:1", "dm-0", f"CRYPT-LUKS2-{'0' * 32}-x", Row(0, SECTORS, "crypt", "aes - 0 253:0 0"))
    assert codes(fake, "dm-1") == ["blocks-elsewhere"]


WHOLE = "raid1 2 AA 8192/8192 idle 0 0 -"


@pytest.mark.parametrize(("level", "is_refused"), [("raid1 3 0 region_size 1024 2", False), ("raid5_ls 3 128", True)])
def test_of_raid_below_a_volume_only_mirrors_are_written_whole(fake: FakeMachine, level: str, is_refused: bool) -> None:
    """Each leg of a mirror takes every write."""
    fake.mapping("dm-0", "253:0", "sdb", LV, Row(0, SECTORS, "raid", level, WHOLE))
    assert codes(fake, "dm-0") == (["blocks-elsewhere"] if is_refused else [])


@pytest.mark.parametrize(
    ("target", "status", "is_refused"),
    [
        ("raid", "raid1 2 AD 8192/8192 idle 0 0 -", True),
        ("raid", "raid1 2 Aa 4096/8192 recover 0 0 -", True),
        ("raid", "raid1 2 AA 8192/8192 repair 0 0 -", True),
        ("raid", "", True),
        ("mirror", "2 253:3 253:4 16/16 1 AA 3 disk 253:2 A", False),
        ("mirror", "2 253:3 253:4 16/16 1 AD 3 disk 253:2 A", True),
        ("mirror", "2 253:3 253:4 9/16 1 AA 1 core", True),
        ("mirror", "2 253:3", True),
    ],
)
def test_a_mirror_of_the_device_mapper_takes_part_only_whole(
    fake: FakeMachine, target: str, status: str, is_refused: bool
) -> None:
    """A leg that failed keeps what it held, while every write and every read succeeds."""
    fake.mapping("dm-0", "253:0", "sdb", LV, Row(0, SECTORS, target, "raid1 3 0 region_size 1024 2", status))
    assert set(codes(fake, "dm-0")) == ({"array-not-whole"} if is_refused else set())


@contextmanager
def opened(fake: FakeMachine, path: Path) -> Iterator[DeviceWriter]:
    """A writer that holds the device of that name: a file's own device number is 0:0."""
    path.write_bytes(bytes(4096))
    with Storage(os.open(path, os.O_RDWR), str(path), 4096, 512) as storage:
        yield DeviceWriter(fake.machine, storage)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LINEAR, Row(0, SECTORS, "linear", "8:16 4096")),
        (
            Row(0, SECTORS, "raid", "raid1 3 0 region_size 1024 2", WHOLE),
            Row(0, SECTORS, "raid", "raid1 3 0 region_size 1024 2", WHOLE.replace("AA", "AD")),
        ),
    ],
    ids=["moved", "leg lost"],
)
def test_a_volume_that_is_moved_on_its_own_drive_during_a_run_ends_it(
    fake: FakeMachine, tmp_path: Path, before: Row, after: Row
) -> None:
    """Its facts stay what they were, and what was not overwritten yet stays where it lay, in no volume any more."""
    fake.mapping("dm-0", "0:0", "sdb", LV, before)
    facts = shown(fake, "dm-0").facts
    with opened(fake, tmp_path / "dm-0") as writer:
        fake.tables[0] = (after,)
        assert shown(fake, "dm-0").facts == facts
        with pytest.raises(Lost) as lost:
            writer.facts()
    assert "changed under it" in lost.value.facts["detail"]


def test_a_partition_that_was_mounted_by_another_path_since_it_was_found_is_in_use(fake: FakeMachine) -> None:
    """Two cables to one drive, and no multipath over them: the kernel keeps no node from the other."""
    words = {"device__vendor": "ATA", "device__model": "DISK", "device__serial": "S9", "device__wwid": "naa.5"}
    for disk, node, own in (("sdx", "65:112", "65:113"), ("sdy", "65:128", "65:129")):
        fake.disk(disk, node, 4 * GIB, "scsi", **words)
        part(fake, disk, 1, own, 2048, SECTORS)
    assert len({shown(fake, name).unit for name in ("sdx1", "sdy1")}) == 1
    found = os.makedev(65, 113)
    assert blocks._obstacles_now(fake.machine, "/dev/sdx1", found) == ()
    fake.mount("65:129", "/srv")
    (obstacle,) = blocks._obstacles_now(fake.machine, "/dev/sdx1", found)
    assert obstacle.reason == "in-use"


def test_a_map_that_loses_a_path_during_a_run_is_still_that_drive(fake: FakeMachine) -> None:
    """Multipath exchanges the table whenever a cable is pulled; the blocks lie where they lay."""
    fake.mapping("mpatha", "0:0", "sdb", "mpath-1", Row(0, SECTORS, "multipath", "0 0 1 1 round-robin 0 2 1 8:16 8:32"))
    before = makeup_of(fake.machine, 0)
    fake.tables[0] = (Row(0, SECTORS, "multipath", "0 0 1 1 round-robin 0 1 1 8:16"),)
    assert makeup_of(fake.machine, 0) == before == ()


def test_an_array_member_that_gathers_bad_blocks_keeps_them_from_the_run(fake: FakeMachine) -> None:
    """md notes a block that a member could not write, and calls the write done: the old block stays on the member."""
    array(fake)
    before = makeup_of(fake.machine, os.makedev(9, 0))
    (fake.root / "sys" / "devices" / "md0" / "md" / "dev-sdb" / "bad_blocks").write_text("2048 8\n")
    assert codes(fake, "md0") == ["array-not-whole"]
    assert makeup_of(fake.machine, os.makedev(9, 0)) != before


def test_a_mapping_whose_table_cannot_be_read_is_refused(fake: FakeMachine) -> None:
    """Its id says who made it, and not what became of it since."""
    fake.mapping("dm-0", "253:0", "sdb", LV)
    assert codes(fake, "dm-0") == ["layer-unclear"]


def test_a_hidden_part_of_a_volume_is_no_volume(fake: FakeMachine) -> None:
    """The first leg of a mirror is not the mirror."""
    fake.mapping("dm-0", "253:0", "sdb", f"{LV}-real", LINEAR)
    assert codes(fake, "dm-0") == ["volume-internal"]


def test_two_mappings_over_the_same_stretch_name_each_other(fake: FakeMachine) -> None:
    """What is written through one appears in the other."""
    fake.mapping("dm-0", "253:0", "sdb", LV, LINEAR)
    fake.mapping("dm-1", "253:1", "sdb", GPT_ID, Row(0, 8, "linear", "8:16 4096"))
    fake.mapping("dm-2", "253:2", "sdb", LV.replace("b", "c"), Row(0, 8, "linear", f"8:16 {2048 + SECTORS}"))
    assert reasons(fake, "dm-0") == ["in-use: dm-1 maps the same blocks: /dev/dm-0"]
    assert codes(fake, "dm-2") == []


def test_partitions_that_overlap_share_their_users(fake: FakeMachine) -> None:
    """Two tables on one disk may disagree, and the kernel shows what it read."""
    part(fake, "sda", 2, "8:2", 4096, 8192)
    part(fake, "sda", 3, "8:3", 2048 + SECTORS, 8192)
    fake.mount("8:2", "/srv")
    assert reasons(fake, "sda1") == ["in-use: mounted at /srv: /dev/sda1"]
    assert codes(fake, "sda3") == []


def test_a_partition_of_a_disk_held_whole_is_refused(fake: FakeMachine) -> None:
    """The array writes into all of it."""
    fake.disk("md0", "9:0", md__level="raid1")
    fake.stack("md0", "sda")
    assert codes(fake, "sda1") == ["in-use"]


@pytest.mark.parametrize(("kind", "is_refused"), [(LINUX, False), (ESP, True), ("", True)])
def test_on_the_systems_disk_only_a_partition_for_data_may_go(fake: FakeMachine, kind: str, is_refused: bool) -> None:
    """What boots the machine is mounted nowhere while it runs."""
    part(fake, "sda", 2, "8:2", 2048 + SECTORS, 8192, kind, "11111111-89ab-cdef-0123-456789abcdef")
    fake.mount("8:1", "/usr")
    assert codes(fake, "sda1")[0] == "system-disk"
    assert codes(fake, "sda2") == (["beside-system"] if is_refused else [])


def test_what_the_system_will_mount_at_its_next_start_is_its_own(fake: FakeMachine, tmp_path: Path) -> None:
    """A boot partition that is mounted for updates alone shows in its table of file systems. Here no node tells the
    number, so only the way to it is looked at."""
    part(fake, "sda", 2, "8:2", 2048 + SECTORS, 8192)
    fake.mount("8:1", "/usr")
    table = tmp_path / "proc" / "self" / "root" / "etc"
    table.mkdir(parents=True)
    (table / "fstab").write_text("# nothing\nUUID=none /boot ext4 noauto 0 2\n/dev/sda2 /boot ext4 noauto 0 2\n")
    assert codes(fake, "sda2") == []
    assert _named_node(fake.machine, "UUID=ab") == fake.machine.dev / "disk" / "by-uuid" / "ab"
    assert _named_node(fake.machine, "tmpfs") is None


def array(fake: FakeMachine, **attributes: str) -> None:
    known = {"md__level": "raid1", "md__array_state": "clean", "md__uuid": GPT_ID, "md__sync_action": "idle"}
    fake.disk("md0", "9:0", GIB, **(known | attributes))
    for place, name in enumerate(("sda1", "sdb")):
        fake.stack("md0", name)
        member = fake.root / "sys" / "devices" / "md0" / "md" / f"dev-{name}"
        member.mkdir()
        (member / "state").write_text("in_sync\n")
        (member / "slot").write_text(f"{place}\n")


def test_an_array_is_named_by_its_id_and_its_members(fake: FakeMachine) -> None:
    """Whoever takes a drive out of it takes blocks away that the order was about."""
    array(fake)
    target = shown(fake, "md0")
    assert target.obstacles == ()
    found = volume_of(target.facts)
    assert (found.layer, found.uuid, len(found.on)) == ("md", GPT_ID, 2)
    assert "array-members" in [one.code for one in target.residual]


@pytest.mark.parametrize(
    "attributes",
    [{"md__degraded": "1"}, {"md__sync_action": "recover"}, {"md__array_state": "inactive"}],
    ids=["degraded", "rebuilding", "inactive"],
)
def test_an_array_that_is_not_whole_is_refused(fake: FakeMachine, attributes: dict[str, str]) -> None:
    """A member that is out of it keeps what it held."""
    array(fake, **attributes)
    assert codes(fake, "md0") == ["array-not-whole"]


def test_a_hot_spare_is_no_part_of_the_identity_and_is_named_as_not_reached(fake: FakeMachine) -> None:
    """It may hold what it held before it came into the array."""
    array(fake)
    before = volume_of(shown(fake, "md0").facts)
    fake.disk("sdc", "8:32", 4 * GIB, "scsi", device__vendor="ATA", device__model="DISK", device__serial="S3")
    fake.stack("md0", "sdc")
    member = fake.root / "sys" / "devices" / "md0" / "md" / "dev-sdc"
    member.mkdir()
    (member / "state").write_text("spare\n")
    target = shown(fake, "md0")
    assert volume_of(target.facts) == before
    assert [(one.code, one.count) for one in target.residual if one.code == "array-members"] == [("array-members", 1)]
    assert [fact.value for fact in target.description if fact.name == "members-not-reached"] == ["sdc (spare)"]


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.2", "00010203:04050607:08090a0b:0c0d0e0f"), ("0.90", "03020100:07060504:0b0a0908:0f0e0d0c")],
)
def test_every_source_spells_an_arrays_id_alike(fake: FakeMachine, version: str, told: str) -> None:
    """mdadm turns the words of an old superblock round; a rescue system reads the superblock itself."""
    array(fake, md__uuid="", md__metadata_version=version)
    fake.properties["md0"] = {"MD_UUID": told}
    assert array_id(fake.machine, fake.root / "sys" / "devices" / "md0") == "00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize("name", ["bcache0", "drbd0", "zd0"])
def test_other_drivers_that_put_blocks_elsewhere_are_refused(fake: FakeMachine, name: str) -> None:
    """None of them is of the device mapper, and none shows a table."""
    folder = fake.disk(name, "250:0")
    (folder / "device").rmdir()
    (folder / "bcache").mkdir()
    assert "blocks-elsewhere" in codes(fake, name)


def test_compressed_memory_is_named_by_this_boot(fake: FakeMachine, tmp_path: Path) -> None:
    """It does not outlive it."""
    boot = tmp_path / "proc" / "sys" / "kernel" / "random"
    boot.mkdir(parents=True)
    (boot / "boot_id").write_text(f"{GPT_ID}\n")
    fake.disk("zram0", "252:0", comp_algorithm="lzo", disksize="1073741824", backing_dev="none")
    target = shown(fake, "zram0")
    assert (volume_of(target.facts).uuid, volume_of(target.facts).on) == (f"{GPT_ID}+0", ())
    assert target.obstacles == ()


class TestPaths:
    """Several ways to one unit."""

    @pytest.fixture
    def shelf(self, fake: FakeMachine) -> FakeMachine:
        for name, number in (("sdc", "8:32"), ("sdd", "8:48")):
            words = {"device__vendor": "SEAGATE", "device__model": "ST8000", "device__serial": "M1"}
            fake.disk(name, number, GIB, "scsi", device__wwid="naa.5000c500a1b2c3d4", queue__rotational="1", **words)
        fake.mapping("dm-0", "253:0", "sdc", "mpath-35000c500a1b2c3d4", Row(0, SECTORS, "multipath", "0 0 1 1"))
        fake.stack("dm-0", "sdd")
        return fake

    def test_the_map_stands_for_its_paths(self, shelf: FakeMachine) -> None:
        """One drive is listed once, under the node that goes on when a path fails, and it is still a drive."""
        names = [Path(one.location).name for one in blocks.list_targets(shelf.machine)]
        assert "dm-0" in names
        assert not {"sdc", "sdd"} & set(names)
        target = shown(shelf, "dm-0")
        assert (target.kind, target.media, target.obstacles) == ("device", Media.MAGNETIC, ())
        assert {fact.name: fact.value for fact in target.facts}["serial"] == "M1"

    def test_a_mount_of_the_map_or_of_a_path_counts(self, shelf: FakeMachine) -> None:
        """Whoever mounts one sees what is written through the other."""
        shelf.mount("8:48", "/srv")
        assert reasons(shelf, "dm-0") == ["in-use: mounted at /srv: /dev/dm-0"]

    def test_paths_to_different_drives_are_no_map(self, shelf: FakeMachine) -> None:
        """A map made by hand may lead anywhere."""
        (shelf.root / "sys" / "devices" / "sdd" / "device" / "serial").write_text("M2\n")
        assert codes(shelf, "dm-0") == ["paths-differ"]


def test_a_namespace_behind_several_controllers_is_as_local_as_they_are(fake: FakeMachine) -> None:
    """With native multipath it hangs below its subsystem, which has no transport of its own."""
    folder = fake.disk("nvme0n1", "259:0", GIB, "nvme-subsystem", device__model="SAMSUNG", device__serial="N1")
    for controller, transport in (("nvme3", "pcie"), ("nvme5", "pcie")):
        (folder / "device" / controller).mkdir()
        (folder / "device" / controller / "transport").write_text(f"{transport}\n")
    (device,) = (one for one in list_devices(fake.machine) if one.name == "nvme0n1")
    assert (device.media, device.bus) == (Media.FLASH, "nvme-pcie")
    (folder / "device" / "nvme5" / "transport").write_text("tcp\n")
    (device,) = (one for one in list_devices(fake.machine) if one.name == "nvme0n1")
    assert (device.media, device.bus) == (Media.OPAQUE, "nvme-pcie+tcp")


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("DELL", "PERC H730P"),
        ("HP", "LOGICAL VOLUME"),
        ("LSI", "Logical Volume"),
        ("AVAGO", "MR9361-8i"),
        ("Adaptec", "x"),
    ],
)
def test_members_behind_a_controller_are_listed_as_not_reached(fake: FakeMachine, vendor: str, model: str) -> None:
    """Spares, members and the controller's cache keep what the volume does not show."""
    fake.disk("sdc", "8:32", GIB, "scsi", device__vendor=vendor, device__model=model, device__wwid="naa.6")
    target = shown(fake, "sdc")
    assert target.media is Media.OPAQUE
    assert "controller-members" in [one.code for one in target.residual]


def test_what_a_card_keeps_beside_its_disk_is_not_reached(fake: FakeMachine) -> None:
    """The loader of a board lies in areas that are disks of their own, and no order can name those."""
    folder = fake.disk("mmcblk0", "179:0", GIB, "mmc", device__name="SEM32G", device__serial="0x1234abcd")
    (folder / "mmcblk0boot0").mkdir()
    (folder / "device" / "raw_rpmb_size_mult").write_text("0x20\n")
    target = shown(fake, "mmcblk0")
    assert {fact.name: fact.value for fact in target.facts}["model"] == "SEM32G"
    assert {"boot-partitions", "rpmb"} <= {one.code for one in target.residual}


def test_an_answer_of_the_device_mapper_is_read_without_its_keys() -> None:
    """The layout is that of dm-ioctl.h: targets one behind the other, each saying where the next begins."""
    rows = [("linear", 0, 8, b"8:16 2048"), ("crypt", 8, 16, b"aes-xts-plain64 00ff00ff 0 8:32 4096 1 allow_discards")]
    data, places = bytearray(512), []
    at = mapper.HEADER.size
    for target, start, length, told in rows:
        end = -(-(at + mapper.TARGET.size + len(told) + 1) // 8) * 8
        mapper.TARGET.pack_into(data, at, start, length, 0, end - mapper.HEADER.size, target.encode())
        data[at + mapper.TARGET.size : at + mapper.TARGET.size + len(told)] = told
        places.append(at)
        at = end
    first, second = mapper._rows(data, mapper.HEADER.size, len(rows))
    assert (first.target, first.spans) == ("linear", (("8:16", 2048, 8),))
    assert "00ff" not in second.parameters
    assert second.spans == (("8:32", 4096, 16),)
    assert Row(0, 64, "striped", "2 8 8:0 0 8:16 32").spans == (("8:0", 0, 32), ("8:16", 32, 32))
    assert Row(0, 64, "linear", "8:0").spans is None


def test_each_partition_table_gives_its_parts_ids() -> None:
    """As Linux spells them, so that an order drawn up with udev fits where it does not run."""
    gpt = bytearray(64 * 512)
    struct.pack_into("<8sIIIIQQQQ16sQIII", gpt, 512, b"EFI PART", 0, 92, 0, 0, 1, 63, 34, 60, bytes(16), 2, 4, 128, 0)
    entry = struct.pack("<16s16sQQ", uuid.UUID(LINUX).bytes_le, uuid.UUID(GPT_ID).bytes_le, 40, 50)
    gpt[1024 + 128 : 1024 + 128 + len(entry)] = entry
    assert read_part(lambda at, length: bytes(gpt[at : at + length]), 2, 512) == Part(GPT_ID, LINUX, 40 * 512)
    assert read_part(lambda at, length: bytes(gpt[at : at + length]), 1, 512) is None
    mbr = bytearray(64 * 512)
    mbr[440:444], mbr[510:512] = b"\x78\x56\x34\x12", b"\x55\xaa"
    struct.pack_into("<B3sB3sII", mbr, 446 + 16, 0, bytes(3), 5, bytes(3), 10, 50)
    mbr[10 * 512 + 510 : 10 * 512 + 512] = mbr[20 * 512 + 510 : 20 * 512 + 512] = b"\x55\xaa"
    struct.pack_into("<B3sB3sII", mbr, 10 * 512 + 446, 0, bytes(3), 0x83, bytes(3), 2, 4)
    struct.pack_into("<B3sB3sII", mbr, 10 * 512 + 462, 0, bytes(3), 5, bytes(3), 10, 20)
    struct.pack_into("<B3sB3sII", mbr, 20 * 512 + 446, 0, bytes(3), 0x8E, bytes(3), 2, 4)
    read = lambda at, length: bytes(mbr[at : at + length])  # noqa: E731
    assert read_part(read, 6, 512) == Part("12345678-06", "0x8e", 22 * 512)
    assert read_part(read, 7, 512) is None


def test_what_lies_on_a_device_is_told_by_its_signature(fake: FakeMachine) -> None:
    """For people who look for the right disk, where udev does not run."""
    (device,) = (one for one in list_devices(fake.machine) if one.name == "sdb")
    node = fake.machine.dev / "sdb"
    assert contents_of(fake.machine, device) is None
    ext = bytearray(1 << 20)
    ext[1080:1082], ext[1024 + 96], ext[1144:1148] = b"\x53\xef", 0x40, b"data"
    node.write_bytes(ext)
    assert contents_of(fake.machine, device) == (Content("ext4", "data"),)
    zfs = bytearray(1 << 20)
    zfs[(128 << 10) + 3 * 1024 : (128 << 10) + 3 * 1024 + 8] = b"\x0c\xb1\xba\x00\x00\x00\x00\x00"
    node.write_bytes(zfs)
    assert contents_of(fake.machine, device) == (Content("zfs_member"),)


@pytest.mark.parametrize(("name", "offset", "mark"), LAYERED)
def test_every_layered_format_is_known_by_its_mark(name: str, offset: int, mark: bytes) -> None:
    """And only where the mark has to stand."""
    assert layered((bytes(offset) + mark).ljust(512, b".")) == name
    assert layered((bytes(offset + 1) + mark).ljust(512, b".")) == ""
