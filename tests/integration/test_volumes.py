"""Partitions on loop devices: the ordered one is overwritten from its first byte to its last, and nothing beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.measuring import measure
from certificates.errors import Refused
from certificates.statements import LuksIdentity, Outcome, VolumeIdentity, volume_of
from tests.support.bench import (
    MIB,
    Bench,
    RealRun,
    bench_in,
    carrier_of,
    full_of_needles,
    luks_format,
    luks_opens,
    luks_selector,
)
from tests.support.ext4_image import run

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

LINUX, BOOT = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
TABLE = f"label: gpt\nstart=2048,size=16384,type={LINUX}\nstart=18432,size=16384,type={BOOT}\n"
CONTAINER = "01234567-89ab-cdef-0123-456789abcdef"


@dataclass(frozen=True)
class Disk:
    """A loop device with partitions, full of what would be missed."""

    bench: Bench
    image: Path
    node: Path

    def part(self, number: int) -> Path:
        return Path(f"{self.node}p{number}")

    def identity(self, number: int) -> VolumeIdentity:
        return volume_of(self.bench.listed(self.part(number)).facts)

    def users(self, number: int, *, is_visited: bool = False) -> list[str]:
        found = self.bench.obstacles(self.part(number), is_visited=is_visited)
        return [dict(one.facts).get("by", one.reason) for one in found]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def disk_of(bench: Bench, name: str = "disk", table: str = TABLE) -> Disk:
    image = bench.image(name, 20 * MIB, full_of_needles(20 * MIB))
    subprocess.run(["sfdisk", "-q", image], input=table, text=True, check=True)
    node = bench.attach(image)
    # A kernel without partition parsers still takes the partitions that it is told of.
    run("partx", "--add", node)
    bench.held.callback(run, "partx", "--delete", node)
    return Disk(bench, image, node)


@pytest.fixture
def disk(bench: Bench) -> Disk:
    return disk_of(bench)


def test_a_partition_is_overwritten_and_nothing_beside_it(disk: Disk) -> None:
    """The table that names it stands in front of it, and somebody's file system behind it."""
    before = disk.image.read_bytes()
    identity = disk.identity(1)
    assert (identity.layer, identity.offset, identity.size) == ("partition", MIB, 8 * MIB)
    done = RealRun(disk.bench.host, carrier_of(identity))
    done.go()
    after = disk.image.read_bytes()
    assert done.claim.outcome is Outcome.PROVEN
    assert (after[:MIB], after[9 * MIB :]) == (before[:MIB], before[9 * MIB :])
    assert b"NEEDLE" not in after[MIB : 9 * MIB]
    assert disk.identity(1) == identity


def test_a_file_system_on_the_next_partition_is_in_nobodys_way(disk: Disk) -> None:
    """Erasing a part while the rest goes on serving is what an order for a partition is for."""
    run("mkfs.ext4", "-q", "-F", disk.part(2))
    disk.bench.mount(disk.part(2))
    assert disk.users(1) == []
    assert disk.users(2)[0].startswith("mounted at ")


def test_a_disk_that_is_used_as_a_whole_has_no_free_partition(disk: Disk) -> None:
    """A mapping, array or loop over the whole disk writes into each of its parts."""
    upper = disk.bench.attach(disk.node)
    assert disk.users(1) == [f"{upper} lies over it"]


def test_who_writes_to_the_whole_disk_is_named_and_who_reads_it_let_be(disk: Disk) -> None:
    """A monitor reads it for ever; an editor of partition tables is about to change what is where."""
    with disk.bench.opened_elsewhere(disk.node, "O_RDONLY"):
        assert disk.users(1) == []
    with disk.bench.opened_elsewhere(disk.node) as process:
        assert [user for user in disk.users(1, is_visited=True) if str(process) in user]


def test_a_partition_that_no_table_names_is_refused(disk: Disk) -> None:
    """What somebody told the kernel of is gone after the next boot, and its number is another's then."""
    run("partx", "--delete", disk.node)
    run("addpart", disk.node, "1", "4096", "8192")
    assert disk.bench.reasons(disk.part(1)) == ["volume-nameless"]
    run("partx", "--delete", disk.node)
    run("partx", "--add", disk.node)


def test_an_extended_partition_is_refused(bench: Bench) -> None:
    """Its two sectors hold the table of the logical ones."""
    table = "label: dos\nstart=2048,size=30720,type=5\nstart=4096,size=8192,type=83\n"
    disk = disk_of(bench, table=table)
    assert "partition-extended" in disk.bench.reasons(disk.part(1))
    assert disk.bench.reasons(disk.part(5)) == []
    assert disk.identity(5).uuid.endswith("-05")


def test_a_copy_of_the_disk_is_not_the_ordered_one(disk: Disk) -> None:
    """A clone repeats every id that the table gives; what it lies on tells it from the original."""
    identity = disk.identity(1)
    copy = disk.bench.image("copy", 20 * MIB, disk.image.read_bytes())
    run("partx", "--delete", disk.node)
    node = disk.bench.attach(copy)
    run("partx", "--add", node)
    try:
        assert disk.bench.host.find(carrier_of(identity), None) == ()
    finally:
        run("partx", "--delete", node)
        run("partx", "--add", disk.node)


def test_a_disk_that_came_anew_between_finding_and_opening_is_refused(disk: Disk) -> None:
    """Names and facts may all be the same: the kernel's own count of media is not."""
    carrier = carrier_of(disk.identity(1))
    (target,) = disk.bench.host.find(carrier, None)
    assert any(fact.name == "sequence" for fact in target.description)
    stale = tuple(replace(fact, value="1") if fact.name == "sequence" else fact for fact in target.description)
    with (
        pytest.raises(Refused, match="sequence"),
        disk.bench.host.open(replace(target, description=stale), carrier, None, resuming=False),
    ):
        pass


def test_a_clerk_names_a_partition_by_a_node(disk: Disk) -> None:
    """A link that survives a boot is what stands in a shell's history; it stays out of the order."""
    identity = {"kind": "volume", "node": str(disk.part(1))}
    found = measure(identity, {}, "c1")
    assert found.size == 8 * MIB
    assert found.identity["uuid"] == disk.identity(1).uuid
    assert "node" not in identity
    assert measure({"kind": "volume", "uuid": disk.identity(1).uuid}, {}, "c1") == found


def test_luks_in_a_partition_is_destroyed(disk: Disk) -> None:
    """The usual place of a container."""
    luks_format(disk.part(1), CONTAINER, options=("--luks2-metadata-size", "16k", "--luks2-keyslots-size", "256k"))
    before = disk.image.read_bytes()[9 * MIB :]
    ordered = carrier_of(LuksIdentity(CONTAINER, disk.identity(1)), "luks2-header")
    done = RealRun(disk.bench.host, ordered, luks_selector(None))
    done.go()
    assert not luks_opens(disk.part(1))
    assert disk.image.read_bytes()[9 * MIB :] == before
