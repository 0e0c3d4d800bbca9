"""Copies of a database that an order names beside it: carriers of their own, each with its warrant, its certificate and
nothing of it left on its storage."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.encoding import digest
from certificates.statements import FilesIdentity, KnownCopy, Outcome
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.real_site import Charge, RealSite, ended, files_carrier, records_carrier
from tests.support.servers import disk_for_a_server
from tests.support.servers.postgresql import USER, as_user, own, postgresql
from tests.support.servers.postgresql_story import Story

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]
LATER = 64
"""Segments that the run itself may send to the archive."""
UNREGISTERED = 6


def fill(story: Story, copies: Path) -> None:
    """The server's archive, a base backup and a dump stand on another storage."""
    story.fill(90)
    server = story.server
    for form, name in (("plain", "all.sql"), ("custom", "all.dump")):
        as_user("pg_dump", "-h", server.socket, "-U", USER, "-F", form, "-f", copies / name, "postgres")
    backup = ("pg_basebackup", "-h", server.socket, "-U", USER, "-D", copies / "base.tar", "-F", "tar")
    as_user(*backup, "-c", "fast", "-X", "none")
    server.query("SELECT pg_switch_wal()")
    deadline = time.monotonic() + 60
    while server.query("SELECT archived_count > 1 FROM pg_stat_archiver") != [(True,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def order(story: Story, site: RealSite, copies: Path, *, is_whole: bool = True) -> Charge:
    """Rows of the server, and its copies as a carrier of their own; or without its archive."""
    known = [KnownCopy(what, "copies") for what in (("dump", "backup", "archive") if is_whole else ("dump", "backup"))]
    rows = records_carrier(
        story.ask().request.selects,
        engine="postgresql",
        scope="rows",
        database="postgres",
        copies=tuple(known),
        label="rows",
        destroy=("history",),
    )
    names = ("archive", "all.sql", "all.dump", "base.tar")
    files, selector = files_carrier(copies, *names, id="copies", label="copies", destroy=("names", "history"))
    found = files.identity
    assert isinstance(found, FilesIdentity)
    # What the server archives while its rows are taken out goes too.
    found = replace(found, most_count=found.most_count + LATER, most_bytes=found.most_bytes + (LATER << 20))
    return site.charge(rows, (replace(files, identity=found), selector), name="whole" if is_whole else "less")


def run_one(site: RealSite, charge: Charge, carrier: str, label: str, *more: str) -> subprocess.CompletedProcess[str]:
    said = ("--carrier", carrier, "--confirm", label, *more)
    return ended(site.start("run", str(charge.path), "--key", str(site.key), *said))


def traces(disk: Mounted, pattern: bytes, *, packed: bool = True) -> int:
    disk.sync()
    return scan(disk.image, pattern, packed=packed).total


def test_archive_dump_and_base_backup_go_after_the_rows(tmp_path: Path) -> None:
    """Both in one run is refused, and the plan says what comes first: the server would go on sending its log to an
    archive that is being destroyed. One after the other, each with a certificate, nothing is left on either image, also
    of what was archived amid the run. An agent elsewhere believes the first one's certificate, and nobody's word. An
    order that leaves out the archive, which the server knows, is refused."""
    site = RealSite(tmp_path / "site")
    with disk_for_a_server(96 << 20) as disk, disk_for_a_server(40 << 20) as other:
        archive = other.root / "archive"
        for folder in (archive, other.root):
            folder.mkdir(exist_ok=True)
            own(folder)
        with postgresql(disk.root, archive_mode="on", archive_command=f"'cp %p {archive}/%f'") as server:
            story = Story(server, "people", tmp_path)
            fill(story, other.root)
            before = story.summed()
            assert min(traces(one, story.pattern, packed=False) for one in (disk, other)) > 100
            less = run_one(site, order(story, site, other.root, is_whole=False), "C-1", "rows")
            assert (less.returncode, "archive" in less.stdout) == (3, True), less.stdout
            charge = order(story, site, other.root)
            both = site.run(charge)
            assert (both.returncode, "Run C-1 alone first" in both.stdout) == (3, True), both.stdout
            planned = ended(site.start("plan", str(charge.path)))
            assert "Carrier copies holds copies of carrier C-1" in planned.stdout, planned.stdout
            assert f"now: expunge run {charge.path} --key KEY --carrier C-1" in planned.stdout, planned.stdout
            assert not site.certificates()
            done = run_one(site, charge, "C-1", "rows")
            assert done.returncode == UNREGISTERED, done.stdout
            (bundle,) = site.bundles()
            elsewhere = RealSite(tmp_path / "elsewhere", now=site.now)
            early = run_one(elsewhere, charge, "copies", "copies")
            assert (early.returncode, "--after FILE" in early.stdout) == (3, True), early.stdout
            done = run_one(elsewhere, charge, "copies", "copies", "--after", str(bundle))
            assert done.returncode == UNREGISTERED, done.stdout
            (rows,), (copies,) = site.certificates(), elsewhere.certificates()
            assert [one.claim.outcome for one in (rows, copies)] == [Outcome.PROVEN] * 2
            assert {(one.what, one.carrier) for one in rows.evidence.copies} == {
                ("dump", "copies"),
                ("backup", "copies"),
                ("archive", "copies"),
            }
            assert copies.carrier == "copies"
            (report,) = elsewhere.audited()
            assert f"certificate {digest(rows)}" in {one.code: one for one in report.findings}["turn-shown"].tell()
            # What the server packs on its own storage is another test's.
            assert (traces(disk, story.pattern, packed=False), traces(other, story.pattern)) == (0, 0)
            assert story.summed() == before
