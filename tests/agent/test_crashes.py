"""A process killed between two acts of the agent itself, when nothing is being written to the target."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.runs import DISCLOSED, SELECTOR
from certificates import bundle
from certificates.encoding import encode
from certificates.errors import Interrupted
from certificates.selectors import commitment
from certificates.statements import (
    Carrier,
    ImageIdentity,
    Media,
    Outcome,
    PathSelector,
    Selector,
    SelectorCommitment,
)
from tests.support.agent_site import FACTS, Agent, agent, approved, carrier, order
from tests.support.simulated_host import Simulated, Storage
from wipers.model import Target

SECRET = Selector("C-1", "11" * 32, PathSelector("/secret/name", "22" * 32))
SELECTORS = {"C-1": SECRET}


def hidden(**changes: Any) -> Carrier:
    """A carrier whose path stands in a selector alone."""
    identity = ImageIdentity("01234567-89ab-cdef-0123-456789abcdef", 12, 65536, attached=False)
    return carrier(identity=identity, selector=SelectorCommitment(commitment(SECRET), 1, 65536), **changes)


def cut_last_entry(desk: Agent) -> None:
    """The journal as it was before its last entry."""
    path = desk.folder / "journal" / "00000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert b'"certified"' in lines[-1]
    path.write_bytes(b"".join(lines[:-1]))


@pytest.mark.parametrize("left", [None, os.urandom(40)], ids=["removed", "overwritten"])
def test_a_run_cut_while_it_forgot_the_names_is_ended_without_them(tmp_path: Path, left: bytes | None) -> None:
    """The certificate is fixed by then: what a warrant needs must not be asked for again."""
    desk = agent(tmp_path)
    desk.line.is_cut = True
    desk.site = replace(desk.site, config=replace(desk.site.config, policy=replace(desk.policy, has_register=False)))
    desk.run(approved(order(hidden(), witnesses=())), selectors=SELECTORS)
    before = desk.site.waiting(1).read_bytes()
    cut_last_entry(desk)
    if left is not None:
        (tmp_path / "runs" / "00000001" / SELECTOR).write_bytes(left)
    desk.line.is_cut = False
    (result,) = desk.resume()
    assert result.claim is not None
    assert (result.failure, result.claim.outcome) == (None, Outcome.PROVEN)
    assert bundle.unpack(desk.site.bundle(1, "C-1").read_bytes())[bundle.CERTIFICATE] == before
    assert not (tmp_path / "runs" / "00000001" / SELECTOR).exists()


def test_what_a_start_that_never_was_left_behind_goes_into_no_other_bundle(tmp_path: Path) -> None:
    """Its selector was to be disclosed by its own order; the next order, in the same folder, says nothing of it."""
    desk = agent(tmp_path)
    folder = desk.site.folder(1)
    folder.make()
    for name in (SELECTOR, DISCLOSED):
        folder.write(name, encode(SECRET))
    (result,) = desk.run(approved(order(witnesses=())))
    assert result.failure is None
    assert result.sequence == 1
    assert b"/secret/name" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_journal_without_an_entry_is_no_journal(tmp_path: Path) -> None:
    """Killed between making the file and its first line: the chain goes on from the journal before."""
    desk = agent(tmp_path, "C-1", "C-2")
    desk.run(approved(order(witnesses=())))
    head, last = desk.site.journals.read(1).head, desk.site.journals.last_at
    (tmp_path / "journal" / "00000002.jsonl").touch()
    assert desk.site.journals.last_at == last
    assert desk.site.journals.next() == (2, head)
    (result,) = desk.run(approved(order(carrier("C-2"), witnesses=(), id="2026-0118")))
    assert result.sequence == 2
    assert desk.site.journals.read(2).opened.previous == head


def test_a_runs_folder_is_closed_to_others(tmp_path: Path) -> None:
    """It holds names for as long as the run needs them."""
    desk = agent(tmp_path)
    desk.run(approved(order(witnesses=())))
    folder = tmp_path / "runs" / "00000001"
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))} == {0}


class Twin(Simulated):
    """Another unit with the same facts."""

    def target(self) -> Target:
        return replace(Simulated.target(self), location="/simulated/A", unit="twin")


def test_a_resume_does_not_choose_between_two_disks_that_bear_one_identity(tmp_path: Path) -> None:
    """Bridges that all report one serial number: the twin was plugged in after the plug was pulled, and comes first."""
    desk = agent(tmp_path)
    desk.stop.set()
    (result,) = desk.run(approved(order(witnesses=())))
    (begun,) = desk.machine.carriers["C-1"]
    desk.machine.carriers["C-1"] = (Twin("image", media=Media.OPAQUE, serial="C-1", more=FACTS), begun)
    opened = desk.machine.opened
    (result,) = desk.resume()
    assert isinstance(result.failure, Interrupted)
    assert "/simulated/A" in result.failure.tell()
    assert desk.machine.opened == opened
    desk.machine.carriers["C-1"] = (begun,)
    (result,) = desk.resume()
    assert result.failure is None


def test_a_resume_leaves_a_twin_alone_while_the_disk_that_was_begun_is_unplugged(tmp_path: Path) -> None:
    """Found alone, it bears every planned fact; what the journal says was written is not on it."""
    desk = agent(tmp_path)
    (begun,) = desk.machine.carriers["C-1"]
    # Written and flushed by then: it goes away amid the read-back.
    begun.lies.lost_at = 4
    (result,) = desk.run(approved(order(witnesses=())))
    assert isinstance(result.failure, Interrupted)
    assert begun.storage.sectors_left() == 0
    begun.lies.lost_at = None
    twin = Simulated("image", media=Media.OPAQUE, serial="C-1", more=FACTS)
    twin.storage = Storage.holding(twin.sizes, seed=99)
    desk.machine.carriers["C-1"] = (twin,)
    (result,) = desk.resume()
    assert isinstance(result.failure, Interrupted)
    assert result.failure.reason == "target-unwritten"
    assert twin.asked == []
    desk.machine.carriers["C-1"] = (begun,)
    (result,) = desk.resume()
    assert result.failure is None
