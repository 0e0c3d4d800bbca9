"""What this machine refuses to touch, and that it names the reason and the user; nothing is written in any of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import Carrier
from tests.support.bench import (
    MIB,
    OPENER,
    Bench,
    RealRun,
    bench_in,
    carrier_of,
    full_of_needles,
    identity_of,
    image_identity,
    path_selector,
)
from tests.support.ext4_image import run
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.system import system_disks
from wipers.model import Lost, Target

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


@pytest.fixture
def image(bench: Bench) -> Path:
    return bench.image("image", 8 * MIB, full_of_needles(8 * MIB))


@pytest.fixture
def device(bench: Bench, image: Path) -> Path:
    return bench.attach(image)


def refusal(bench: Bench, carrier: Carrier, image: Path | None = None) -> Refused:
    """How `plan` refuses."""
    with pytest.raises(Refused) as caught:
        RealRun(bench.host, carrier, path_selector(image) if image else None)
    return caught.value


def users(target: Target) -> list[str]:
    """By whom it is in use."""
    return [dict(one.facts)["by"] for one in target.obstacles if one.reason == "in-use"]


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_mounted_device_is_refused_with_its_mount_point(bench: Bench, image: Path, device: Path) -> None:
    """nwipe wiped mounted file systems for years; O_EXCL would say busy, but not where."""
    run("mkfs.ext4", "-q", "-F", device)
    point = bench.mount(device)
    before = digest_of(image)
    refused = refusal(bench, carrier_of(identity_of(bench.listed(device))))
    assert refused.reason == "in-use"
    assert str(point) in str(refused)
    assert digest_of(image) == before


def test_a_mounted_partition_refuses_the_whole_device(bench: Bench, image: Path) -> None:
    """The order names the disk; its user sits on a part of it."""
    device = bench.attach(image, "--partscan")
    # A kernel without partition parsers still takes a partition that it is told of.
    run("addpart", device, "1", "2048", str(6 * 2048))
    partition = Path(f"{device}p1")
    run("mkfs.ext4", "-q", "-F", partition)
    point = bench.mount(partition)
    assert [dict(one.facts)["by"] for one in bench.obstacles(device)] == [f"mounted at {point}"]


@pytest.mark.parametrize("options", [(), ("--offset", "1048576")])
def test_two_loops_over_one_file_are_refused_and_named(
    bench: Bench, image: Path, device: Path, options: tuple[str, ...]
) -> None:
    """Whatever one overwrites, the other may still be using; at another offset too."""
    identity = identity_of(bench.listed(device))
    second = bench.attach(image, *options)
    before = digest_of(image)
    refused = refusal(bench, carrier_of(identity))
    assert refused.reason == "in-use"
    assert f"{second} lies over the same backing file" in users(bench.listed(device))
    assert f"{device} lies over the same backing file" in users(bench.listed(second))
    assert digest_of(image) == before


def test_a_process_that_has_the_device_open_is_named(bench: Bench, device: Path) -> None:
    """O_EXCL does not see those who did not ask for it."""
    identity = identity_of(bench.listed(device))
    with bench.opened_elsewhere(device, "O_RDONLY") as process:
        assert f"process {process} (python" in str(refusal(bench, carrier_of(identity)))
    RealRun(bench.host, carrier_of(identity))


def test_a_visitor_that_leaves_at_once_is_waited_for(bench: Bench, device: Path) -> None:
    """udev looks into every device that appears or was written to; a plan must not fail for that."""
    identity = identity_of(bench.listed(device))
    leaving = OPENER.format("O_RDONLY").replace("time.sleep(600)", "input(); time.sleep(0.3)")
    command = [sys.executable, "-c", leaving, str(device)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as visitor:
        assert visitor.stdin is not None
        assert visitor.stdout is not None
        visitor.stdout.readline()
        assert bench.reasons(device, is_visited=True) == ["in-use"]
        visitor.stdin.write(b"\n")
        visitor.stdin.flush()
        RealRun(bench.host, carrier_of(identity))


def test_a_device_that_somebody_holds_is_refused_when_opened(bench: Bench, image: Path, device: Path) -> None:
    """Free at plan, taken at run: the check is made again."""
    run_ = RealRun(bench.host, carrier_of(identity_of(bench.listed(device))))
    target = bench.listed(device)
    before = digest_of(image)
    with bench.opened_elsewhere(device, "O_EXCL") as process:
        with pytest.raises(Refused) as caught, bench.host.open(target, run_.carrier, None, resuming=False):
            pass
        assert f"process {process}" in str(caught.value)
    assert digest_of(image) == before


def test_our_own_hold_keeps_a_second_run_out(bench: Bench, device: Path) -> None:
    """Two runs over one device would prove nothing for either."""
    carrier, target = carrier_of(identity_of(bench.listed(device))), bench.listed(device)
    with bench.host.open(target, carrier, None, resuming=False):
        with pytest.raises(Refused) as caught, bench.host.open(target, carrier, None, resuming=False):
            pass
        assert caught.value.reason == "in-use"
        assert refusal(bench, carrier).reason == "in-use"


def test_a_device_swapped_between_plan_and_open_is_refused(bench: Bench, image: Path, device: Path) -> None:
    """Same name, same size, another file: /dev/loop0 identifies nothing."""
    target = bench.listed(device)
    other = bench.image("other", 8 * MIB, full_of_needles(8 * MIB))
    before = digest_of(other)
    run("losetup", "--detach", device)
    run("losetup", device, other)
    with (
        pytest.raises(Refused) as caught,
        bench.host.open(target, carrier_of(identity_of(target)), None, resuming=False),
    ):
        pass
    assert (caught.value.reason, caught.value.facts["fact"]) == ("identity-changed", "inode")
    assert digest_of(other) == before


def test_a_device_that_shows_another_part_of_its_file_is_no_longer_the_same(
    bench: Bench, image: Path, device: Path
) -> None:
    """LOOP_SET_STATUS moves the window while we hold it."""
    target = bench.listed(device)
    with bench.host.open(target, carrier_of(identity_of(target)), None, resuming=False) as writer:
        assert writer.facts() == target.facts
        run("losetup", "--set-capacity", device)
        os.truncate(image, 4 * MIB)
        run("losetup", "--set-capacity", device)
        assert writer.facts() != target.facts


def test_a_backing_file_that_was_deleted_ends_the_run(bench: Bench, image: Path, device: Path) -> None:
    """Then its cache cannot be emptied any more, and nothing can be proven; a new name alone does no harm."""
    target = bench.listed(device)
    with bench.host.open(target, carrier_of(identity_of(target)), None, resuming=False) as writer:
        image.rename(image.with_name("moved"))
        writer.settle()
        assert writer.facts() == target.facts
        image.with_name("moved").unlink()
        assert writer.facts() != target.facts
        with pytest.raises(Lost):
            writer.settle()


def test_a_deleted_backing_file_is_refused(bench: Bench, image: Path, device: Path) -> None:
    """Nothing says any more what it is."""
    image.unlink()
    assert bench.reasons(device) == ["backing-file-gone"]


def test_a_read_only_device_is_refused(bench: Bench, image: Path) -> None:
    """At plan, not at the first write."""
    device = bench.attach(image, "--read-only")
    assert refusal(bench, carrier_of(identity_of(bench.listed(device)))).reason == "read-only"


def test_the_systems_disk_is_refused(bench: Bench) -> None:
    """Two developers of another eraser wiped their own machines in 2026. Nothing here opens it."""
    names = system_disks(THIS_MACHINE).names
    targets = [target for target in bench.host.list_targets() if Path(target.location).name in names]
    if not targets:
        pytest.skip("this machine's system lies on no disk of its own")
    for target in targets:
        assert "system-disk" in [obstacle.reason for obstacle in target.obstacles]
        assert refusal(bench, carrier_of(identity_of(target))).reason in {
            "system-disk",
            "device-nameless",
            "carrier-not-found",
        }


def test_what_the_order_does_not_name_is_not_found(bench: Bench, device: Path) -> None:
    """One fact off is another thing."""
    carrier = carrier_of(replace(identity_of(bench.listed(device)), size=4 * MIB))
    assert refusal(bench, carrier).reason == "carrier-not-found"


class TestImageFile:
    """A plain image: O_EXCL sees none of its users."""

    @pytest.fixture
    def plain(self, bench: Bench) -> Path:
        path = bench.ext4() / "image"
        path.write_bytes(full_of_needles(4 * MIB))
        return path

    def test_one_that_backs_a_loop_is_refused(self, bench: Bench, plain: Path) -> None:
        """The loop device is another carrier."""
        device = bench.attach(plain)
        refused = refusal(bench, carrier_of(image_identity(plain)), plain)
        assert f"{device} lies over it" in str(refused)

    def test_one_that_is_open_for_writing_is_refused(self, bench: Bench, plain: Path) -> None:
        """A virtual machine may be running from it."""
        with bench.opened_elsewhere(plain) as process:
            refused = refusal(bench, carrier_of(image_identity(plain)), plain)
            assert f"process {process}" in str(refused)

    def test_one_that_is_only_read_is_not(self, bench: Bench, plain: Path) -> None:
        """Somebody's backup changes nothing."""
        with bench.opened_elsewhere(plain, "O_RDONLY"):
            RealRun(bench.host, carrier_of(image_identity(plain)), path_selector(plain)).go()

    def test_one_that_became_used_since_the_plan_is_refused_at_open(self, bench: Bench, plain: Path) -> None:
        """Looked at again on the very descriptor that is written through."""
        planned = RealRun(bench.host, carrier_of(image_identity(plain)), path_selector(plain))
        before = digest_of(plain)
        target = planned.host.find(planned.carrier, planned.selector)[0]
        bench.attach(plain)
        with pytest.raises(Refused) as caught, planned.host.open(target, planned.carrier, planned.selector, False):
            pass
        assert caught.value.reason == "in-use"
        assert digest_of(plain) == before

    def test_one_behind_a_link_is_not_found(self, bench: Bench, plain: Path) -> None:
        """Links are not followed, wherever in the path they stand."""
        link = plain.with_name("link")
        link.symlink_to(plain)
        folder = bench.folder / "folder-link"
        folder.symlink_to(plain.parent)
        for path in (link, folder / plain.name):
            assert refusal(bench, carrier_of(image_identity(plain)), path).reason == "carrier-not-found"

    def test_another_file_at_the_same_path_is_not_found(self, bench: Bench, plain: Path) -> None:
        """The path is where it lay; the inode is what it is."""
        carrier = carrier_of(image_identity(plain))
        other = plain.with_name("other")
        shutil.copyfile(plain, other)
        before = digest_of(other)
        other.rename(plain)
        assert refusal(bench, carrier, plain).reason == "carrier-not-found"
        assert digest_of(plain) == before

    def test_another_file_put_there_since_the_plan_is_refused_at_open(self, bench: Bench, plain: Path) -> None:
        """Found again by its path, known again by its inode."""
        planned = RealRun(bench.host, carrier_of(image_identity(plain)), path_selector(plain))
        target = planned.host.find(planned.carrier, planned.selector)[0]
        other = plain.with_name("other")
        shutil.copyfile(plain, other)
        before = digest_of(other)
        other.rename(plain)
        with pytest.raises(Refused) as caught, planned.host.open(target, planned.carrier, planned.selector, False):
            pass
        assert (caught.value.reason, caught.value.facts["fact"]) == ("identity-changed", "inode")
        assert digest_of(plain) == before

    def test_one_in_memory_is_refused(self, bench: Bench) -> None:
        """tmpfs has no storage below it to read back from."""
        point = bench.folder / "memory"
        point.mkdir()
        run("mount", "-t", "tmpfs", "none", point)
        bench.held.callback(run, "umount", point)
        image = point / "image"
        image.write_bytes(bytes(MIB))
        (found,) = bench.host.find(carrier_of(in_memory(bench, image)), path_selector(image))
        assert [one.reason for one in found.obstacles] == ["file-system-in-memory"]


def in_memory(bench: Bench, image: Path):
    """tmpfs tells its UUID to nobody but the kernel's own call."""
    from certificates.statements import ImageIdentity
    from wipers.linux.inplace import find_file

    found = find_file(str(image), THIS_MACHINE)
    assert found is not None
    return ImageIdentity(found.file_system.uuid or "", image.stat().st_ino, found.size, attached=False)
