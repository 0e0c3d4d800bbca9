"""Disks that come and go, as another machine's kernel would show them; and the name of the place where one sits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fake_machine import FakeMachine
from wipers.linux.hotplug import INTERVAL, Hotplug


@dataclass
class Ticking:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="fake")
def _fake(tmp_path: Path) -> FakeMachine:
    made = FakeMachine(tmp_path)
    made.disk("sda", "8:0", diskseq="1")
    return made


def test_a_disk_that_came_went_or_was_exchanged_is_noticed_without_any_event(fake: FakeMachine) -> None:
    """Events are lost when a bus resets, and in a container there are none."""
    clock = Ticking()
    plugs = Hotplug(fake.machine, clock, listens=False)

    def is_noticed() -> bool:
        clock.now += INTERVAL
        return plugs.has_changed()

    assert not is_noticed()
    folder = fake.disk("sdb", "8:16", diskseq="2")
    assert is_noticed()
    assert not is_noticed()
    (folder / "diskseq").write_text("3\n")
    assert is_noticed(), "another medium under the same name and of the same size"
    (fake.machine.sys / "block" / "sdb").unlink()
    shutil.rmtree(folder)
    assert is_noticed()


def test_the_list_is_not_read_again_at_every_question(fake: FakeMachine) -> None:
    """A bench asks five times a second."""
    clock = Ticking()
    plugs = Hotplug(fake.machine, clock, listens=False)
    fake.disk("sdb", "8:16", diskseq="2")
    clock.now = INTERVAL / 2
    assert not plugs.has_changed()
    clock.now = INTERVAL
    assert plugs.has_changed()


def test_a_bay_is_the_enclosures_slot_else_the_port_else_the_node(fake: FakeMachine) -> None:
    """What a person in front of the bench can find."""
    plugs = Hotplug(fake.machine, listens=False)
    location = str(fake.machine.dev / "sda")
    assert plugs.bay_of(location) == "sda"
    (fake.machine.dev / "sda").touch()
    by_path = fake.machine.dev / "disk" / "by-path"
    by_path.mkdir(parents=True)
    (by_path / "pci-0000:00:1f.2-ata-3").symlink_to("../../sda")
    assert plugs.bay_of(location) == "pci-0000:00:1f.2-ata-3"
    slot = fake.machine.sys / "class" / "enclosure" / "6:0:8:0" / "Slot 04" / "device" / "block" / "sda"
    slot.mkdir(parents=True)
    assert plugs.bay_of(location) == "6:0:8:0/Slot 04"
