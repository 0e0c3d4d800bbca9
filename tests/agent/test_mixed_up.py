"""A site's folders after a backup was put back in part, or somebody tidied up: nothing is done on another run's papers,
and one run that cannot go on keeps no other one back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.lines import locked, read_lines
from agent.runs import PAYLOAD, PLAN
from agent.standing import State, standings
from certificates import bundle
from certificates.errors import Interrupted, Refused
from tests.support.agent_site import Agent, agent, approved, carrier, order

NAMES = ("C-1", "C-2")
BOTH = order(*(carrier(name) for name in NAMES), witnesses=())
SECTORS = 65536 // 512
Deed = Callable[[Path, Path], object]
"""What somebody did to the first run's folder; the second one is the other run's."""


@pytest.fixture
def desk(tmp_path: Path) -> Agent:
    """A site with two runs that a stop ended before their first write."""
    made = agent(tmp_path, *NAMES)
    made.stop.set()
    assert {type(one.failure) for one in made.run(approved(BOTH))} == {Interrupted}
    return made


def removed(name: str) -> Deed:
    return lambda own, other: (own / name).unlink()


def another_runs(name: str) -> Deed:
    return lambda own, other: shutil.copy(other / name, own / name)


def torn(name: str) -> Deed:
    return lambda own, other: (own / name).write_bytes((own / name).read_bytes()[:40])


def a_folder(name: str) -> Deed:
    def deed(own: Path, other: Path) -> None:
        (own / name).unlink()
        (own / name).mkdir()

    return deed


DEEDS: dict[str, Deed] = {
    f"{deed.__name__} {name}": deed(name)
    for name in (PLAN, bundle.START, bundle.ORDER)
    for deed in (removed, another_runs, torn, a_folder)
    # Both carriers are of one order.
    if (deed, name) != (another_runs, bundle.ORDER)
} | {
    "no folder": lambda own, other: shutil.rmtree(own),
    "no certificate": lambda own, other: (own / PAYLOAD).write_bytes(b"{}"),
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=list(DEEDS))
def test_a_run_whose_papers_are_not_its_own_stays_as_it_is_and_the_other_ends(desk: Agent, deed: Deed) -> None:
    """Under another run's Start it would be carried out all the same, and no auditor would take what it certifies."""
    deed(desk.folder / "runs" / "00000001", desk.folder / "runs" / "00000002")
    shown = standings(desk.site)
    assert (shown[0].state, shown[0].detail.split(",")[0]) == (State.INTERRUPTED, "run-state-unreadable")
    first, second = desk.resume()
    assert (first.carrier, first.sequence, first.bundle) == ("C-1", 1, None)
    assert isinstance(first.failure, Interrupted)
    assert first.failure.reason == "late-refusal"
    assert desk.machine.carriers["C-1"][0].secrets_left() == SECTORS
    assert second.failure is None
    assert desk.machine.carriers["C-2"][0].secrets_left() == 0


def test_another_runs_certificate_is_not_sealed_for_this_one(desk: Agent) -> None:
    """What is fixed is what gets sealed: nobody looks at the journal again."""
    _, second = desk.resume()
    third = approved(order(carrier("C-1"), witnesses=(), id="another"))
    shutil.copy(desk.folder / "runs/00000002" / PAYLOAD, desk.folder / PAYLOAD)
    assert second.failure is None
    desk.stop.set()
    desk.run(third)
    shutil.copy(desk.folder / PAYLOAD, desk.folder / "runs/00000003" / PAYLOAD)
    (left,) = desk.resume()
    assert isinstance(left.failure, Interrupted)
    assert "another run's" in str(left.failure)


def test_the_number_of_a_run_whose_journal_is_gone_is_not_used_again(desk: Agent) -> None:
    """Two runs under one number look like a host put back from a backup, and the folder of the first would be taken."""
    (desk.folder / "journal" / "00000002.jsonl").unlink()
    with pytest.raises(Refused) as refused:
        desk.run(approved(BOTH))
    assert refused.value.reason == "order-spent"
    assert [path.name for path in desk.site.journals.names()] == ["00000001.jsonl", "00000003.jsonl"]
    kept = desk.folder / "runs" / "00000002" / bundle.START
    before = kept.read_bytes()
    desk.stop.clear()
    (result,) = desk.run(approved(order(carrier("C-2"), witnesses=(), id="another")))
    assert (result.failure, result.sequence) == (None, 4)
    assert kept.read_bytes() == before


def test_what_cannot_be_read_or_locked_is_a_refusal(tmp_path: Path) -> None:
    """A folder where a file should be, a link, a file system that went away: never a bug, and nothing is begun."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(Refused) as unread:
        read_lines(tmp_path / "folder")
    assert unread.value.reason == "file-unreadable"
    for name in ("folder", "link", "away/lock"):
        with pytest.raises(Refused) as refused, locked(tmp_path / name):
            pass
        assert refused.value.reason == "journal-not-writable"


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}x"])
def test_who_cannot_tell_what_he_saw_begins_nothing(tmp_path: Path, data: bytes) -> None:
    """An older keyring, or a hold state from before a hold, would be taken for the newest."""
    desk = agent(tmp_path)
    (tmp_path / "seen.json").write_bytes(data)
    with pytest.raises(Refused) as refused:
        desk.run(approved(order(witnesses=())))
    assert refused.value.reason == "file-unreadable"


def test_a_stray_copy_among_the_keyrings_is_none(tmp_path: Path) -> None:
    """Editors and people leave them; what is not read is no reason to stand still."""
    desk = agent(tmp_path)
    for name in ("1.old.dsse.json", "new.dsse.json", "0.dsse.json"):
        (tmp_path / "keyring" / name).write_bytes(b"")
    (result,) = desk.run(approved(order(witnesses=())))
    assert result.failure is None


@pytest.mark.parametrize("name", ["keyring/1.dsse.json", f"holds/{'a' * 64}.dsse.json", "holds/state.dsse.json"])
def test_a_folder_in_the_place_of_what_may_deny_is_a_refusal(tmp_path: Path, name: str) -> None:
    """A hold that cannot be read is not the same as no hold."""
    desk = agent(tmp_path)
    desk.line.is_cut = True
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    with pytest.raises(Refused) as refused:
        desk.run(approved(order(witnesses=())))
    assert refused.value.reason == "file-unreadable"


def test_what_lies_among_the_evidence_by_mistake_is_in_no_bundle(desk: Agent) -> None:
    """A link would have carried what it leads to out of the house; a name that no bundle takes kept a run for ever."""
    evidence = desk.folder / "runs" / "00000001" / "evidence"
    (evidence / "passwd").symlink_to("/etc/passwd")
    (evidence / " a note").write_bytes(b"")
    (evidence / "folder").mkdir()
    results = desk.resume()
    assert [one.failure for one in results] == [None, None]
    assert results[0].bundle is not None
    names = bundle.evidence(bundle.unpack(results[0].bundle.read_bytes()))
    assert names
    assert not {"passwd", " a note", "folder"} & set(names)
