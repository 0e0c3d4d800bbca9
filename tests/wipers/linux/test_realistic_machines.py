"""Never the wrong disk, and never a refusal too many, on machines laid out as real ones are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from certificates.errors import Refused
from tests.campaigns import wrong_disk
from tests.support.machines.all import LAYOUTS
from tests.support.machines.kernel import numbered
from tests.support.machines.layouts import Layout, Verdict
from tests.support.machines.orders import Attempt, attempt, drive_named, order_for, volume_named
from tests.support.machines.rig import Rig
from tests.support.machines.surprises import SURPRISES, overtaken
from wipers.linux import blocks
from wipers.linux.host import LinuxHost

CASES = [(layout, name) for layout in LAYOUTS for name in layout.verdicts]


@contextmanager
def shown(layout: Layout) -> Iterator[Rig]:
    rig = layout.built()
    try:
        with rig.kernel.shown():
            yield rig
    finally:
        rig.kernel.close()


def test_there_are_many_layouts_and_each_speaks_of_all_its_drives() -> None:
    """A drive without a verdict would be one that nobody looked at."""
    assert len(LAYOUTS) >= 50
    for layout in LAYOUTS:
        assert set(layout.verdicts) >= set(layout.built().identities), layout.name


@pytest.mark.parametrize(("layout", "name"), CASES, ids=[f"{layout.name}-{name}" for layout, name in CASES])
def test_each_drive_of_a_real_layout_gets_its_verdict(layout: Layout, name: str) -> None:
    """What is in use, the system's or ambiguous is not even opened for writing; what is free is, and nothing else."""
    verdict = layout.verdicts[name]
    if verdict.outcome == "not-offered":
        assert not [node for node, _ in offered(layout.name) if f"/{node}".endswith(f"/{name}")]
        return
    with shown(layout) as rig:
        is_volume = name in rig.below and name not in rig.identities
        seen = attempt(rig, volume_named(rig, name) if is_volume else drive_named(rig, name))
        check(verdict, seen, rig, name)
    if verdict.outcome not in ("free", "ambiguous"):
        # What `targets` says against a drive, an order need not find.
        words = (seen.words, *(said for node, said in offered(layout.name) if node == name.replace("!", "/")))
        assert verdict.saying in " ".join(words)


@pytest.mark.parametrize("kind", sorted(SURPRISES))
def test_a_disk_that_changes_hands_at_any_moment_is_not_written(kind: str) -> None:
    """Between find and open, and after every few system calls of the open: the kernel's own lock is what holds."""
    layout = next(layout for layout in LAYOUTS if layout.name == "a_stick_as_the_only_root")
    ended = ""
    for calls in (None, *range(1, 700, 47)):
        with shown(layout) as rig:
            ended = overtaken(rig, "sda", drive_named(rig, "sda"), kind, calls)
    assert ended == "opened"


def test_a_path_that_comes_into_use_keeps_the_other_from_being_opened() -> None:
    """Two nodes without a map: the kernel locks each for itself, so nobody else can tell."""
    layout = next(layout for layout in LAYOUTS if layout.name == "two_paths_without_a_map")
    with shown(layout) as rig:
        host = LinuxHost(rig.kernel.machine.runs, rig.kernel.machine)
        carrier = order_for(drive_named(rig, "sdb"))
        one, _ = sorted(host.find(carrier, None), key=lambda target: target.location)
        rig.mount("sdc", "/late", "xfs")
        with pytest.raises(Refused), host.open(one, carrier, None, False):
            pass
        assert rig.kernel.opened_for_writing == ()


def test_a_slice_of_drawn_hosts_holds() -> None:
    """Nobody lays out by hand what chance does; the campaign `wrong_disk` draws 100,000 of these."""
    told = wrong_disk.run(seed=1, trials=100)
    for word in ("free", "refused", "ambiguous", "not-found", "mounted-between-refused"):
        assert word in told


def check(verdict: Verdict, seen: Attempt, rig: Rig, name: str) -> None:
    if verdict.outcome == "free":
        assert seen.refusal is None, seen.refusal
        node = verdict.saying or name
        unit = rig.kernel.media[numbered(rig.numbers[node])].unit
        assert [(opening.unit, opening.is_exclusive) for opening in seen.openings] == [(unit, True)]
        assert not verdict.saying or seen.openings[0].location.endswith(f"/{node}")
        return
    assert seen.openings == ()
    assert seen.refusal is not None
    assert not seen.is_late
    if verdict.outcome == "ambiguous":
        assert seen.refusal.reason == "carrier-ambiguous"


@cache
def offered(name: str) -> tuple[tuple[str, str], ...]:
    """Each node that `targets` shows on the layout of that name, and what it says against it; listed once for all."""
    layout = next(layout for layout in LAYOUTS if layout.name == name)
    with shown(layout) as rig:
        found = blocks.list_targets(rig.kernel.machine)
        return tuple(
            (one.location.removeprefix(f"{rig.kernel.machine.dev}/"), " ".join(map(str, one.obstacles)))
            for one in found
        )
