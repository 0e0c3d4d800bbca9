"""Copies of a MariaDB server that people and programs make, erased as carriers of files: nothing of what was to go is
left on the storage that they lay on."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import gzipped, scan
from tests.support.real_site import RealSite, files_carrier
from tests.support.servers import disk_for_a_server
from tests.support.servers.mariadb import MariaDB, mariadb
from tests.support.servers.mariadb_story import Story

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

UNREGISTERED = 6
COPIES = ("all.sql", "all.sql.gz", "archived", "backup")


def tool(name: str, server: MariaDB, *said: str | Path) -> bytes:
    """What one of the server's programs wrote, as the superuser whom the socket vouches for."""
    command = [name, "--no-defaults", f"--socket={server.socket}", "--user=root", *map(str, said)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def copy(server: MariaDB, folder: Path) -> None:
    """A dump, the same packed, the binary logs as an archive fetches them, and a backup made ready to be started."""
    dump = tool("mariadb-dump", server, "--all-databases", "--single-transaction")
    (folder / "all.sql").write_bytes(dump)
    packed = gzip.compress(dump)
    with (folder / "all.sql.gz").open("wb") as file:
        # In one piece, by which the reader of the raw image knows it: whoever syncs meanwhile would make it several.
        os.posix_fallocate(file.fileno(), 0, len(packed))
        file.write(packed)
    archived = folder / "archived"
    archived.mkdir()
    logs = [str(name) for name, *_ in server.query("SHOW BINARY LOGS")]
    tool("mariadb-binlog", server, "--read-from-remote-server", "--raw", f"--result-file={archived}/", *logs)
    backup = folder / "backup"
    tool("mariadb-backup", server, "--backup", f"--target-dir={backup}", f"--datadir={server.data}")
    prepared = ["mariadb-backup", "--no-defaults", "--prepare", f"--target-dir={backup}"]
    subprocess.run(prepared, capture_output=True, check=True)


def traces(disk: Mounted, pattern: bytes) -> tuple[int, int]:
    """How often it stands on the raw image as it is, and inside what gzip packed."""
    disk.sync()
    return scan(disk.image, pattern, packed=False).total, gzipped(disk.image, pattern)


def test_dumps_archived_binary_logs_and_a_backup_are_nowhere_afterwards(tmp_path: Path) -> None:
    """Thousands before, some in each of them; after one run none, also of what a backup wrote on the way."""
    site = RealSite(tmp_path / "site")
    with disk_for_a_server(96 << 20) as disk, disk_for_a_server(120 << 20) as other:
        with mariadb(disk.root) as server:
            story = Story(server, "copies", tmp_path)
            story.fill("docs", count=300)
            copy(server, other.root)
        plain, packed = traces(other, story.pattern())
        assert (plain > 5_000, packed > 1_000) == (True, True), (plain, packed)
        assert {name: one > 100 for name, one in held(other.root, story.pattern()).items()} == dict.fromkeys(
            COPIES, True
        )
        charge = site.charge(files_carrier(other.root, *COPIES, label="copies", destroy=("names", "history")))
        done = site.run(charge)
        assert done.returncode == UNREGISTERED, done.stdout
        (certificate,) = site.certificates()
        assert certificate.claim.outcome is Outcome.PROVEN
        assert traces(other, story.pattern()) == (0, 0)
        assert not {name for name in COPIES if (other.root / name).exists()}


def held(folder: Path, pattern: bytes) -> dict[str, int]:
    """How often each copy holds what is to go, told by its files."""
    import re

    def read(path: Path) -> bytes:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    found = {name: [one for one in (folder / name, *(folder / name).rglob("*")) if one.is_file()] for name in COPIES}
    return {name: sum(len(re.findall(pattern, read(one))) for one in files) for name, files in found.items()}
