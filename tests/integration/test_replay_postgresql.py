"""What restores of a PostgreSQL server bring back goes again, whichever way they came: a base backup, a dump, some rows
only, a server that was installed anew, another restore amid a replay."""

from __future__ import annotations

import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.holding import set_hold
from agent.live import open_site
from certificates.statements import Fact, Hold, HoldScope, Outcome, Parameter, RecordsSelector
from tests.support import world
from tests.support.ext4_image import Mounted, run
from tests.support.raw_scanner import scan
from tests.support.real_site import LABEL_KEY, Charge, RealSite, ended, records_carrier
from tests.support.replaying import moment_of_withdrawal
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import USER, PostgreSQL, as_user, own, postgresql
from tests.support.servers.postgresql_story import Story
from wipers.linux.engines.postgresql_server import system_identifier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

DONE, REFUSED, UNREGISTERED = 0, 3, 6
ORDERS = {"first": "who LIKE :like AND id <= 45", "second": "who LIKE :like AND id > 45"}
"""Two erasures, the one after the other, of fifteen rows each."""


@dataclass(frozen=True)
class Erased:
    """Erasures that were carried out one after the other, each by an order of its own, and backups of before."""

    disk: Mounted
    site: RealSite
    charges: tuple[Charge, ...]
    backups: Path

    def said(self, *which: int) -> list[str]:
        """What names erasures on the command line."""
        bundles = self.site.bundles()
        selectors = [str(self.charges[one].path.parent / "C-1.selector.json") for one in which]
        pairs = [part for one in selectors for part in ("--selector", one)]
        labels = [part for one in which for part in ("--confirm", self.charges[one].labels[0])]
        return [*(str(bundles[one]) for one in which), "--key", str(self.site.key), *pairs, *labels]

    def replay(self, *which: int, moment: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command as a person gives it, or one that is killed at a moment."""
        return ended(self.site.start("replay", *self.said(*which), moment=moment))

    def check_again(self, story: Story) -> None:
        """Both erasures are carried out again, in order; what stays is there, and nothing else on the raw device."""
        done = self.replay(0, 1)
        assert done.returncode == DONE, done.stdout
        assert story.counted() == (60, 0)
        assert self.left(story) == 0

    def left(self, story: Story) -> int:
        """Hits on the raw image, by a reader that shares no code with what erases."""
        self.disk.sync()
        return scan(self.disk.image, story.pattern, packed=False).total

    def journals(self) -> list[str]:
        """All journals, the first first."""
        return [path.read_text() for path in sorted((self.site.folder / "journal").glob("*.jsonl"))]


def erase(disk: Mounted, story: Story, folder: Path, backups: Path) -> Erased:
    """Back up, and carry out two orders."""
    server = story.server
    own(backups)
    as_user("pg_basebackup", "-h", server.socket, "-U", USER, "-D", backups / "base", "-c", "fast")
    dumping = ("-h", server.socket, "-U", USER, "-F", "custom", "-t", f"{story.schema}.docs")
    as_user("pg_dump", *dumping, "-f", backups / "docs.dump", "postgres")
    site = RealSite(folder / "site")
    charges = tuple(charge(site, story, name, condition) for name, condition in ORDERS.items())
    for one in charges:
        done = site.run(one)
        assert done.returncode == UNREGISTERED, done.stdout
    assert [one.claim.outcome for one in site.certificates()] == [Outcome.PROVEN] * 2
    return Erased(disk, site, charges, backups)


def charge(site: RealSite, story: Story, name: str, condition: str) -> Charge:
    """An order for some rows, with what is left of them in free blocks."""
    server = story.server
    connect = (Fact("socket", str(server.socket)), Fact("user", USER))
    like = (Parameter("like", "text", ("VCTM%",)),)
    where = (str(server.data), connect, str(server.password_file), story.schema, "docs")
    selects = RecordsSelector(*where, condition, like, LABEL_KEY)
    carrier = records_carrier(
        selects, engine="postgresql", scope="rows", database="postgres", destroy=("history",), label=name
    )
    return site.charge(carrier, name=name)


def load(story: Story, erased: Erased) -> None:
    """The table is loaded from the dump, in place of whatever has its name; the second order's rows are not."""
    story.do("DROP TABLE IF EXISTS docs")
    server = ("-h", story.server.socket, "-U", USER, "-d", "postgres")
    as_user("pg_restore", *server, "--exit-on-error", erased.backups / "docs.dump")
    story.do("DELETE FROM docs WHERE who LIKE 'VCTM%' AND id > 45")


def put_back(server: PostgreSQL, erased: Erased) -> None:
    """The server's files are those of the base backup, and it has recovered."""
    server.stop()
    shutil.rmtree(server.data)
    run("cp", "-a", erased.backups / "base", server.data)
    server.start()


def check_held(erased: Erased, story: Story) -> None:
    """A hold that came after the erasures stops their replay, until it is lifted."""
    site = open_site(str(erased.site.folder))
    persons = (world.role_of("P-0102"),)
    hold = Hold("H-1", (HoldScope("asset", world.ASSET.card),), "inquiry", "court", site.clock(), persons)
    set_hold(site, hold, world.signer("P-0102"))
    known = len(erased.journals())
    done = erased.replay(0, 1)
    assert (done.returncode, "H-1" in done.stdout) == (REFUSED, True), done.stdout
    assert (story.counted(), len(erased.journals())) == ((90, 30), known)
    for one in (erased.site.folder / "holds").iterdir():
        one.unlink()


def test_what_restores_brought_back_to_postgresql_goes_again(tmp_path: Path) -> None:
    """Two erasures in order after a base backup was put back, but not while a hold stands; after a dump of which some
    rows were gone, and another restore that came amid the replay; and in a server that was installed anew. Each time
    nothing is left on the raw device, and every row that stays is as it was."""
    with disk_for_a_server(224 << 20) as disk:
        with postgresql(disk.root) as server:
            story = Story(server, "again", tmp_path)
            story.fill(90)
            stays = story.summed()
            backups = disk.root.parent / "backups"
            backups.mkdir()
            erased = erase(disk, story, tmp_path, backups)
            before = system_identifier(server.data)

            put_back(server, erased)
            check_held(erased, story)
            erased.check_again(story)
            assert story.summed() == stays

            load(story, erased)
            known = len(erased.journals())
            cut = erased.replay(0, moment=moment_of_withdrawal(erased.site.folder / "journal" / "00000001.jsonl"))
            assert (cut.returncode, story.counted()) == (-signal.SIGKILL, (60, 0)), cut.stdout
            assert sum(one.is_file() for one in server.data.glob(".expunge-*/*")) > 1
            load(story, erased)
            erased.check_again(story)
            assert not list(server.data.glob(".*expunge-*"))
            first, second = erased.journals()[known:]
            assert ("concluded" in first, "concluded" in second) == (False, True)
            assert f"another restore came amid run {known + 1}: " in second
            assert story.summed() == stays
        shutil.rmtree(disk.root / "pg")
        with postgresql(disk.root) as server:
            story = Story(server, "again", tmp_path)
            assert system_identifier(server.data) != before
            server.query("CREATE SCHEMA again")
            load(story, erased)
            erased.check_again(story)
            assert story.summed() == stays
