"""Who uses a disk: what the kernel's files say is turned into a reason, with the user's name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fake_machine import FakeMachine
from wipers.linux import blocks
from wipers.linux.mounts import all_mounts, swaps
from wipers.linux.openers import openers
from wipers.linux.system import system_disks
from wipers.linux.usage import file_obstacles, observe


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    """A machine whose system lives in memory, and one disk with a partition that nobody uses."""
    fake = FakeMachine(tmp_path)
    fake.mount("0:1", "/", "tmpfs")
    fake.disk("sda", "8:0", device__serial="S1")
    fake.partition("sda", "sda1", "8:1")
    return fake


def said(fake: FakeMachine, name: str = "sda") -> list[str]:
    """Reason, and by whom, of every obstacle of a disk."""
    (target,) = (one for one in blocks.list_targets(fake.machine) if one.location.endswith(f"/{name}"))
    return [
        ": ".join([obstacle.reason, *filter(None, [dict(obstacle.facts).get("by")])]) for obstacle in target.obstacles
    ]


def test_a_disk_that_nobody_uses_is_free(fake: FakeMachine) -> None:
    """Otherwise every other test here would pass on a machine that refuses everything."""
    assert said(fake) == []


def test_a_mounted_partition_is_named_with_its_place(fake: FakeMachine) -> None:
    """The disk is what would be overwritten, and its partitions with it."""
    fake.mount("8:1", "/srv/my\\040data")
    assert said(fake) == ["in-use: mounted at /srv/my data"]


def test_a_mount_in_another_namespace_counts(fake: FakeMachine) -> None:
    """A container's mounts do not show in our own list."""
    fake.process(7, "runc", "mnt:[2]", "90 1 8:1 / /inside rw - ext4 /dev/sda1 rw")
    assert said(fake) == ["in-use: mounted at /inside"]


def test_a_namespace_is_read_once(fake: FakeMachine) -> None:
    """Thousands of processes share one; each mount is one finding."""
    for process in (7, 8):
        fake.process(process, "sh", "mnt:[2]", "90 1 8:1 / /inside rw - ext4 /dev/sda1 rw")
    assert [mount.point for mount in all_mounts(fake.machine)] == ["/", "/inside"]


def test_everything_stacked_on_a_disk_is_named(fake: FakeMachine) -> None:
    """LVM over dm-crypt over a partition: three layers up it is still that disk."""
    fake.disk("dm-0", "253:0", dm__name="crypt", dm__uuid="CRYPT-LUKS2-0123-crypt")
    fake.disk("dm-1", "253:1", dm__name="vg-lv", dm__uuid="LVM-abc")
    fake.stack("dm-0", "sda1")
    fake.stack("dm-1", "dm-0")
    fake.mount("253:1", "/srv")
    assert said(fake) == [
        "in-use: dm-0 holds it (CRYPT crypt)",
        "in-use: dm-1 holds it (LVM vg-lv)",
        "in-use: mounted at /srv",
    ]


def test_a_member_of_an_array_is_held(fake: FakeMachine) -> None:
    """md takes its members whole."""
    fake.disk("md0", "9:0", md__level="raid1")
    fake.stack("md0", "sda")
    assert said(fake) == ["in-use: md0 holds it (md raid1)"]


@pytest.mark.integration
def test_two_loops_over_one_file_name_each_other(fake: FakeMachine, tmp_path: Path) -> None:
    """Both would pass for the carrier, and what one overwrites the other still uses."""
    image = tmp_path / "image"
    image.write_bytes(bytes(8))
    fake.loop("loop0", "7:0", image)
    fake.loop("loop1", "7:1", image)
    assert said(fake, "loop0") == ["in-use: /dev/loop1 lies over the same backing file"]
    assert said(fake, "loop1") == ["in-use: /dev/loop0 lies over the same backing file"]


def test_a_loop_over_a_file_out_of_sight_is_refused(fake: FakeMachine, tmp_path: Path) -> None:
    """A deleted or replaced file cannot be identified, nor its cache be emptied."""
    fake.loop("loop0", "7:0", tmp_path / "gone (deleted)")
    assert said(fake, "loop0") == ["backing-file-gone"]


def test_a_read_only_disk_is_refused(fake: FakeMachine) -> None:
    """Before the run, not at its first write."""
    fake.disk("sdb", "8:16", device__serial="S2", ro="1")
    assert said(fake, "sdb") == ["read-only"]


def test_writers_of_an_image_are_named_and_readers_let_be(fake: FakeMachine, tmp_path: Path) -> None:
    """A backup that reads does no harm; what writes would write over the pattern."""
    image = tmp_path / "image"
    image.write_bytes(bytes(8))
    fake.process(7, "qemu")
    fake.process(8, "cat")
    fake.opens(7, 3, image, os.O_RDWR)
    fake.opens(8, 3, image, os.O_RDONLY)
    number = (image.stat().st_dev, image.stat().st_ino)
    found = file_obstacles("image", number, observe(fake.machine, frozenset({number})))
    assert [dict(obstacle.facts)["by"] for obstacle in found] == ["process 7 (qemu)"]


def test_an_unreadable_descriptor_counts_as_a_writer(fake: FakeMachine, tmp_path: Path) -> None:
    """Unsure is never free."""
    image = tmp_path / "image"
    image.write_bytes(bytes(8))
    (fake.process(7, "qemu") / "fd" / "3").symlink_to(image)
    number = (image.stat().st_dev, image.stat().st_ino)
    assert [opener.is_writer for opener in openers(fake.machine, frozenset({number})).files[number]] == [True]


def test_a_swap_file_is_known_by_its_inode(fake: FakeMachine, tmp_path: Path) -> None:
    """An image that the kernel swaps to has no other user that shows."""
    image = tmp_path / "swap"
    image.write_bytes(bytes(8))
    fake.swap(str(image))
    number = (image.stat().st_dev, image.stat().st_ino)
    assert [swap.file for swap in swaps(fake.machine)] == [number]
    assert len(file_obstacles("image", number, observe(fake.machine))) == 1


class TestSystemDisk:
    """No flag lifts this refusal, so it must be right, and unsure means yes."""

    @pytest.fixture
    def bare(self, tmp_path: Path) -> FakeMachine:
        fake = FakeMachine(tmp_path / "bare")
        fake.disk("sda", "8:0", device__serial="S1")
        fake.partition("sda", "sda2", "8:2")
        fake.disk("sdb", "8:16", device__serial="S2")
        return fake

    def test_root_on_a_partition(self, bare: FakeMachine) -> None:
        """The plainest case."""
        bare.mount("8:2", "/", source="/dev/sda2")
        assert system_disks(bare.machine).names == {"sda"}
        assert said(bare, "sda")[0] == "system-disk"
        assert said(bare, "sdb") == []

    def test_root_through_every_layer(self, bare: FakeMachine) -> None:
        """A volume on a container on a partition: the disk at the bottom is the one that must not go."""
        bare.disk("dm-0", "253:0", dm__name="crypt")
        bare.disk("dm-1", "253:1", dm__name="root")
        bare.stack("dm-0", "sda2")
        bare.stack("dm-1", "dm-0")
        bare.mount("253:1", "/", source="/dev/mapper/root")
        assert system_disks(bare.machine).names == {"dm-1", "dm-0", "sda"}

    def test_boot_on_another_disk(self, bare: FakeMachine) -> None:
        """Without it the machine does not come up again."""
        bare.mount("0:1", "/", "tmpfs")
        bare.mount("8:16", "/boot", source="/dev/sdb")
        assert system_disks(bare.machine).names == {"sdb"}

    def test_a_live_systems_medium(self, bare: FakeMachine, tmp_path: Path) -> None:
        """Root is an overlay over a squashfs on a loop over a file on the stick."""
        layer, image = tmp_path / "layer", tmp_path / "image"
        layer.mkdir()
        image.write_bytes(b"")
        number = image.stat().st_dev
        bare.disk("stick", f"{os.major(number)}:{os.minor(number)}")
        bare.loop("loop0", "7:0", image)
        bare.mount("7:0", str(layer), "squashfs", "/dev/loop0")
        bare.mount("0:40", "/", "overlay", "overlay", f"rw,lowerdir={layer},upperdir={layer}")
        assert system_disks(bare.machine).names == {"loop0", "stick"}

    @pytest.mark.parametrize("kind", ["overlay", "zfs", "unheard-of"])
    def test_a_root_that_cannot_be_traced_makes_every_disk_the_systems(self, bare: FakeMachine, kind: str) -> None:
        """Better a refusal too many than the running system."""
        bare.mount("0:40", "/", kind, "rpool/root", "rw,lowerdir=/nowhere/to/be/seen")
        assert not system_disks(bare.machine).is_sure
        assert [said(bare, name) for name in ("sda", "sdb")] == [["system-disk"], ["system-disk"]]

    @pytest.mark.integration
    def test_a_loop_over_a_file_in_sight_is_not_an_untraceable_root(self, bare: FakeMachine, tmp_path: Path) -> None:
        """In a container the root cannot be traced, but it surely is not on a file that we made."""
        image = tmp_path / "image"
        image.write_bytes(bytes(8))
        bare.loop("loop0", "7:0", image)
        bare.mount("0:40", "/", "overlay", "overlay", "rw,lowerdir=/nowhere")
        assert said(bare, "loop0") == []
