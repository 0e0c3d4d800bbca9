"""What a restore brought back is destroyed again, and nothing that took its place in the meantime."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from agent.carrying import Hands
from agent.holding import set_hold
from agent.keys import load_signer
from agent.live import open_site
from agent.replaying import Again, as_past, carry_out_again, look_again
from agent.runs import RunFolder
from agent.site import Site
from certificates.encoding import decode
from certificates.errors import Interrupted, Refused
from certificates.statements import Hold, HoldScope, Outcome, Parameter, RecordsSelector, Selector
from tests.support import world
from tests.support.ext4_image import Mounted, ext4_image
from tests.support.raw_scanner import scan
from tests.support.real_site import LABEL_KEY, Charge, RealSite, ended, files_carrier, records_carrier
from tests.support.replaying import moment_of_withdrawal
from wipers.linux.engines.sqlite_withdrawal import Withdrawal
from wipers.linux.recordswriter import RecordsWriter
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS, GONE = 90, 30
LONGEST = 2
"""Replays after which everything is gone, whatever was cut."""
STRANGERS = "UPDATE docs SET body = upper(hex(randomblob(14))) WHERE tenant = 4711"
GIVEN_BACK = "UPDATE docs SET body = (SELECT body FROM kept.docs AS old WHERE old.id = docs.id)"


@dataclass(frozen=True)
class Done:
    """An erasure that a site carried out, and the backup that brings the rows back."""

    real: RealSite
    charge: Charge
    path: Path
    backup: bytes
    kept: Path
    """The backup as a file, on another storage."""

    @property
    def site(self) -> Site:
        return open_site(str(self.real.folder))

    def restore(self, *statements: str) -> None:
        """The backup has the database's place, perhaps with others' rows in it."""
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(self.backup)
        self.change(*statements)

    def change(self, *statements: str) -> None:
        """Somebody works with the database."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as made:
            for one in statements:
                made.execute(one)

    def look(self) -> Again | None:
        """What is there again."""
        bundle, selector = self.real.bundles()[0], self.charge.path.parent / "C-1.selector.json"
        past = as_past(self.site, bundle.read_bytes(), bundle.name, decode(selector.read_bytes(), Selector))
        return look_again(self.site, past, load_signer(self.real.key, lambda _: ""))

    def again(self, found: Again) -> Outcome | None:
        """What it came to, carried out again."""
        hands = Hands(load_signer(self.real.key, lambda _: ""), None, threading.Event())
        done = carry_out_again(self.site, found, hands)
        return done.claim.outcome if done.claim is not None else None

    def cut(self) -> subprocess.CompletedProcess[str]:
        """The command as a process that was killed with the rows out, and nothing of them written over."""
        moment = moment_of_withdrawal(self.real.folder / "journal" / "00000001.jsonl")
        selector = self.charge.path.parent / "C-1.selector.json"
        said = ("--key", str(self.real.key), "--selector", str(selector), "--confirm", self.charge.labels[0])
        return ended(self.real.start("replay", str(self.real.bundles()[0]), *said, moment=moment))

    def journals(self) -> list[bytes]:
        """All journals, the first first."""
        return [path.read_bytes() for path in sorted((self.real.folder / "journal").glob("*.jsonl"))]

    def left(self) -> int:
        """Rows that the order names."""
        with closing(sqlite3.connect(self.path)) as found:
            return int(found.execute("SELECT count(*) FROM docs WHERE tenant = 4711").fetchone()[0])


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with ext4_image(tmp_path_factory.mktemp("replayed"), size=24 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def done(disk: Mounted, tmp_path_factory: pytest.TempPathFactory) -> Done:
    return erased(disk.root / "crm.db", disk.root.parent, tmp_path_factory.mktemp("site"), "history")


def erased(path: Path, beside: Path, folder: Path, *wanted: str) -> Done:
    """A database of which rows were destroyed on order; its backup lies beside the storage."""
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("CREATE TABLE docs (id INTEGER PRIMARY KEY, tenant INTEGER, body TEXT)")
        rows = ((at, 4711 if at % 3 == 0 else 1, letter(at)) for at in range(ROWS))
        made.executemany("INSERT INTO docs VALUES (?, ?, ?)", rows)
    backup = path.read_bytes()
    kept = beside / "crm.backup"
    kept.write_bytes(backup)
    tenant = (Parameter("tenant", "integer", ("4711",)),)
    selects = RecordsSelector(str(path), (), None, None, "docs", "tenant = :tenant", tenant, LABEL_KEY)
    real = RealSite(folder / "site")
    charge = real.charge(records_carrier(selects, engine="sqlite", scope="rows", destroy=wanted))
    assert real.run(charge).returncode == 6
    return Done(real, charge, path, backup, kept)


def letter(number: int) -> str:
    """What stands in a row, and nowhere else."""
    return f"letter-{number:05d}-of-{number * 7919:07d}"


def test_rows_that_came_between_the_look_and_the_confirmation_are_left_alone(done: Done) -> None:
    """A person reads for minutes what is there; what is destroyed is what is there afterwards."""
    done.restore()
    found = done.look()
    assert found is not None
    done.restore(STRANGERS)
    with pytest.raises(Refused) as refused:
        done.again(found)
    assert (refused.value.reason, done.left()) == ("replay-stranger", GONE)


def test_rows_that_came_after_a_replay_that_was_kept_from_the_lock_are_left_alone(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had taken nothing: to go on with what is there by now would take what nobody ordered."""
    kept_from_the_lock(done, monkeypatch)
    done.change(STRANGERS)
    with pytest.raises(Refused) as refused:
        done.look()
    assert (refused.value.reason, done.left()) == ("replay-stranger", GONE)
    # What it was begun for is there again.
    done.change(f"ATTACH '{done.kept}' AS kept", GIVEN_BACK)
    found = done.look()
    assert found is not None
    assert (done.again(found), done.left()) == (Outcome.PROVEN, 0)


def test_a_replay_that_was_kept_from_the_lock_begins_anew_after_another_restore(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had taken nothing, so where the file lay then says nothing of the one that is there by now."""
    kept_from_the_lock(done, monkeypatch)
    kept = done.path.rename(f"{done.path}.kept")
    done.restore()
    kept.unlink()
    found = done.look()
    assert found is not None
    assert (done.again(found), done.left()) == (Outcome.PROVEN, 0)


def test_a_hold_that_came_after_the_erasure_stops_its_replay(done: Done) -> None:
    """Also one that came while a person read what would go."""
    done.restore()
    found = done.look()
    assert found is not None
    persons = (world.role_of("P-0102"),)
    hold = Hold("H-1", (HoldScope("everything", "*"),), "inquiry", "court", done.site.clock(), persons)
    set_hold(done.site, hold, world.signer("P-0102"))
    for act in (done.look, lambda: done.again(found)):
        with pytest.raises(Refused) as refused:
            act()
        assert (refused.value.reason, done.left()) == ("on-hold", GONE)
    for one in (done.real.folder / "holds").iterdir():
        one.unlink()
    assert (done.again(found), done.left()) == (Outcome.PROVEN, 0)


@pytest.mark.parametrize("moment", ["killed", "_noted", "release"])
def test_a_replay_that_took_rows_out_begins_anew_after_another_restore(
    disk: Mounted, done: Done, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It was at a file that nobody uses any more: it ended as changed, for ever. What it held goes with the one that
    follows, which says so; each has its journal."""
    done.restore()
    before = len(done.journals())
    if moment == "killed":
        cut = done.cut()
        assert cut.returncode == -signal.SIGKILL, cut.stdout
    else:
        cut_at(done, monkeypatch, moment)
    (held,) = disk.root.glob(".expunge-*")
    assert list(held.iterdir())
    # A backup of another day has some of the rows only.
    done.restore("DELETE FROM docs WHERE id % 2 = 0 AND tenant = 4711")
    found = done.look()
    assert found is not None
    assert found.plan.objects == GONE // 2
    assert (done.again(found), done.left(), done.look()) == (Outcome.PROVEN, 0, None)
    disk.sync()
    assert scan(disk.image, letters(), packed=False).total == 0
    first, second = done.journals()[before:]
    assert (b"concluded" in first, b"concluded" in second) == (False, True)
    assert f"another restore came amid run {int(first_of(first))}".encode() in second
    assert not list(disk.root.glob(".*expunge-*"))


def first_of(journal: bytes) -> int:
    """Number of a journal."""
    return int(json.loads(journal.splitlines()[0])["event"]["sequence"])


def test_rows_that_came_amid_a_replay_are_left_alone(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as it was to take, in a file that may have the number of the one before: it took them unasked."""
    done.restore()
    cut_at(done, monkeypatch, "_noted")
    done.restore(STRANGERS)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            done.look()
        assert (refused.value.reason in ("replay-stranger", "replay-holds"), done.left()) == (True, GONE)
    done.change(f"ATTACH '{done.kept}' AS kept", GIVEN_BACK)
    # Where it cannot be told from a crash that the rows came back, the replay that was cut ends first, and says so.
    outcomes: list[Outcome | None] = []
    while (found := done.look()) is not None and len(outcomes) < LONGEST:
        outcomes.append(done.again(found))
    assert (outcomes[-1], done.left(), len(outcomes) <= LONGEST) == (Outcome.PROVEN, 0, True)


@pytest.mark.parametrize("what", ["nothing", "strangers"])
def test_what_a_replay_held_is_named_where_none_goes_on(
    disk: Mounted, done: Done, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It was cut, another restore came, somebody looked and left it at that, and then the rows went by themselves or
    were made others': no replay will ever take along what the first one held. It is named, and what is advised
    works."""
    aside(done, monkeypatch)
    done.change({"nothing": "DELETE FROM docs WHERE tenant = 4711", "strangers": STRANGERS}[what])
    left = done.left()
    folder = named(done)
    assert (folder.parent, bool(list(folder.iterdir())), done.left()) == (disk.root, True, left)
    destroy(done, folder, what)
    if what == "nothing":
        assert done.look() is None
    else:
        with pytest.raises(Refused) as refused:
            done.look()
        assert (refused.value.reason, done.left()) == ("replay-stranger", left)
    done.restore()
    found = done.look()
    assert found is not None
    assert (done.again(found), done.left(), done.look()) == (Outcome.PROVEN, 0, None)


def aside(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that took rows out was cut, another restore came, and somebody looked at what was there then."""
    done.restore()
    cut_at(done, monkeypatch, "_noted")
    done.restore("DELETE FROM docs WHERE id % 2 = 0 AND tenant = 4711")
    assert done.look() is not None


def named(done: Done) -> Path:
    """The directory that is told to hold what no replay destroys."""
    with pytest.raises(Refused) as refused:
        done.look()
    assert refused.value.reason == "replay-holds"
    return Path(str(refused.value.facts["where"]))


def destroy(done: Done, folder: Path, name: str) -> None:
    """An order for the directory as files, carried out, as the message advises. Not for their history: what they hold
    of other rows is in the database, too."""
    held = files_carrier(folder.parent, folder.name, id="held", label=name, destroy=("names",))
    ran = done.real.run(done.real.charge(held, name=name))
    assert ran.returncode == 6, ran.stdout


def letters() -> bytes:
    """What tells any row that was to go."""
    return "|".join(letter(at) for at in range(ROWS) if at % 3 == 0).encode()


def kept_from_the_lock(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a restore brought back is to go, and somebody keeps the database meanwhile."""
    done.restore()
    interrupted(done, monkeypatch, Withdrawal, "go")


def cut_at(done: Done, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """What a restore brought back was on its way when it came to this, and nothing further."""
    interrupted(done, monkeypatch, RecordsWriter, moment)


def interrupted(done: Done, monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> None:
    """A replay comes so far."""
    found = done.look()
    assert found is not None
    with monkeypatch.context() as patched:
        patched.setattr(kind, name, in_use)
        with pytest.raises(Interrupted):
            done.again(found)


def in_use(*_: object) -> NoReturn:
    """Somebody else has the lock, and keeps it."""
    raise Lost("records-in-use", where="the database", detail="database is locked")


def test_a_full_disk_of_the_site_interrupts_a_replay(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended as a bug."""
    done.restore()
    found = done.look()
    assert found is not None

    def full(_: RunFolder, name: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write", full)
        with pytest.raises(Interrupted) as stopped:
            done.again(found)
    assert (stopped.value.reason, done.left()) == ("journal-not-writable", GONE)
    assert (done.again(found), done.left()) == (Outcome.PROVEN, 0)
