"""Needles are kept in memory alone, for their owner alone, and not where memory may reach a disk in the clear."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fake_machine import FakeMachine
from wipers.linux.needlebox import NO_PLACE, SWAPPED, NeedleBox, is_kept_secret
from wipers.needles import Needle, from_names

NEEDLES = (
    Needle(0, "contents", bytes(range(28)), 4, 100),
    *from_names([(b"a\xff.txt", 9)], "ext4", b"k"),
)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """A machine whose /dev/shm lies in memory, as far as its kernel says."""
    fake = FakeMachine(tmp_path)
    shm = tmp_path / "dev" / "shm"
    shm.mkdir()
    device = os.stat(shm).st_dev
    fake.mount(f"{os.major(device)}:{os.minor(device)}", str(shm), kind="tmpfs")
    return fake


def box(fake: FakeMachine, name: str = "one") -> NeedleBox:
    return NeedleBox(name, fake.machine, (fake.root / "dev" / "shm",))


def swap(fake: FakeMachine, path: str) -> None:
    (fake.root / "proc" / "swaps").write_text(f"Filename Type Size Used Priority\n{path} partition 1 0 -2\n")


def test_what_was_kept_is_had_again(machine: FakeMachine) -> None:
    """A run that was interrupted hunts for what it sampled before."""
    kept = box(machine)
    assert kept.obstacle() is None
    kept.keep(NEEDLES, b"key")
    again = box(machine).load()
    assert again is not None
    assert (again.needles, again.key) == (NEEDLES, b"key")


def test_nobody_else_may_read_it(machine: FakeMachine) -> None:
    """The file holds what the run destroys."""
    box(machine).keep(NEEDLES, b"key")
    folder = machine.root / "dev" / "shm" / "expunge"
    assert [oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())] == ["0o700", "0o600"]


def test_each_carrier_has_its_own(machine: FakeMachine) -> None:
    """Carriers of one run go on at once."""
    box(machine, "one").keep(NEEDLES, b"key")
    assert box(machine, "two").load() is None


def test_after_a_restart_nothing_is_there(machine: FakeMachine) -> None:
    """Memory forgets; the hunt says that it was not made."""
    assert box(machine).load() is None


def test_a_destroyed_box_is_gone_and_may_be_destroyed_again(machine: FakeMachine) -> None:
    """A run is forgotten once it has its certificate, however often."""
    kept = box(machine)
    kept.keep(NEEDLES, b"key")
    kept.destroy()
    kept.destroy()
    assert kept.load() is None
    assert list((machine.root / "dev" / "shm" / "expunge").iterdir()) == []


def test_no_place_in_memory_no_needles(tmp_path: Path) -> None:
    """On a disk they would be one more copy of what is to go."""
    fake = FakeMachine(tmp_path)
    (tmp_path / "dev" / "shm").mkdir()
    kept = box(fake)
    assert kept.obstacle() == NO_PLACE
    with pytest.raises(OSError, match=NO_PLACE):
        kept.keep(NEEDLES, b"key")
    assert kept.load() is None
    kept.destroy()


def test_swap_in_the_clear_forbids_them(machine: FakeMachine) -> None:
    """What lies in memory may be written to a disk, and stay there."""
    machine.disk("sda", "8:0")
    swap(machine, "/dev/sda")
    assert box(machine).obstacle() == SWAPPED


def test_swap_that_is_encrypted_or_in_memory_is_no_obstacle(machine: FakeMachine) -> None:
    """What is swapped out there can be read by nobody once the machine is off."""
    disk = machine.disk("sda", "8:0")
    crypt = machine.mapping("dm-0", "253:0", "sda", "CRYPT-PLAIN-swap")
    zram = machine.disk("zram0", "252:0", comp_algorithm="lzo", disksize="1024")
    written_back = machine.disk("zram1", "252:1", comp_algorithm="lzo", disksize="1024", backing_dev="/dev/sda")
    secret = {one.name: is_kept_secret(machine.machine, one) for one in (disk, crypt, zram, written_back)}
    assert secret == {"sda": False, "dm-0": True, "zram0": True, "zram1": False}


def test_a_folder_that_others_may_enter_is_not_used(machine: FakeMachine) -> None:
    """Anybody may make a directory in /dev/shm before we do."""
    folder = machine.root / "dev" / "shm" / "expunge"
    folder.mkdir()
    folder.chmod(0o755)
    assert box(machine).obstacle() == NO_PLACE
    with pytest.raises(FileNotFoundError, match=NO_PLACE):
        box(machine).keep(NEEDLES, b"key")


def test_a_link_in_its_place_is_not_followed(machine: FakeMachine) -> None:
    """Somebody could have it read, or written, elsewhere."""
    folder = machine.root / "dev" / "shm" / "expunge"
    folder.mkdir(mode=0o700)
    (folder / "one.needles").symlink_to("/etc/passwd")
    assert box(machine).load() is None
    with pytest.raises(OSError, match="Too many levels"):
        box(machine).destroy()
    with pytest.raises(OSError, match="Too many levels"):
        box(machine).keep(NEEDLES, b"key")


def test_what_is_no_box_of_ours_is_none(machine: FakeMachine) -> None:
    """A file cut short tells nothing; the hunt is not made."""
    box(machine).keep(NEEDLES, b"key")
    path = machine.root / "dev" / "shm" / "expunge" / "one.needles"
    path.write_text(path.read_text()[:40])
    assert box(machine).load() is None


@pytest.mark.needs_root
@pytest.mark.parametrize("taken_by", ["a-directory", "a-link", "an-open-directory"])
def test_whoever_takes_the_name_in_a_place_of_everybodys_keeps_no_run_from_its_samples(
    machine: FakeMachine, taken_by: str
) -> None:
    """Any user may make a directory there; no run would be proven on that machine any more."""
    shm, other = machine.root / "dev" / "shm", machine.root / "dev" / "run"
    other.mkdir()
    name = shm / "expunge"
    if taken_by == "a-link":
        name.symlink_to(machine.root)
    else:
        name.mkdir(mode=0o777 if taken_by == "an-open-directory" else 0o700)
    if taken_by == "a-directory":
        os.chown(name, 1000, 1000)
    if taken_by == "an-open-directory":
        name.chmod(0o777)
    kept = NeedleBox("one", machine.machine, (shm, other))
    assert kept.obstacle() is None
    kept.keep(NEEDLES, b"key")
    assert [path.name for path in (other / "expunge").iterdir()] == ["one.needles"]
    found = NeedleBox("one", machine.machine, (shm, other)).load()
    assert found is not None
    assert found.needles == NEEDLES
    kept.destroy()
    assert kept.load() is None
