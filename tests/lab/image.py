"""What the virtual machine boots from, built once into `.lab/` in the checkout: a base system, packages, sources.

Each is an image that mke2fs fills from a directory; it is built again when what it is made from has changed.
`python -m tests.lab.image` builds what is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import base

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".lab"
PYTHON = (3, 11)
"""The guest's interpreter, which has to load what this machine's .venv holds."""
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "chroot", "unshare", "apt-get", "nice")
LEFT_OUT = ("mypy*", "*__mypyc*", "ruff*", "pip", "grimp", "pip-*", "setuptools*")
"""Packages that no test in the guest imports."""


def check_available() -> None:
    """This machine can build and boot the guest; raises Unavailable."""
    if os.geteuid() != 0:
        raise base.Unavailable("the lab needs root: its image holds device nodes and files of root")
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        raise base.Unavailable(f"the lab needs programs that are not installed: {', '.join(lacking)}")
    if sys.version_info[:2] != PYTHON:
        raise base.Unavailable("the guest's Python is 3.11 and cannot load the packages of another one")


def built() -> Path:
    """The folder with all that a boot needs, built when it is missing or out of date."""
    check_available()
    FOLDER.mkdir(exist_ok=True)
    with _locked():
        _clear()
        if _outdated("base", base.stamp()):
            base.build(FOLDER)
            _stamp("base", base.stamp())
        if _outdated("site", _site_stamp()):
            _build_site()
            _stamp("site", _site_stamp())
    return FOLDER


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one boot or a few, gone afterwards; named after this process, in case that is killed."""
    runs = FOLDER / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=runs, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def make_project_image(image: Path) -> None:
    """The checkout as it is now, without what is no source."""
    staged = image.with_suffix(".d")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    for room in ("agent", "wipers", "certificates", "server_stub", "tests"):
        # __pycache__ comes along, with its times: the guest is slow at compiling.
        shutil.copytree(ROOT / room, staged / room, ignore=shutil.ignore_patterns("vectors"))
    # What was never imported here is compiled as well, for the same reason.
    base.run(sys.executable, "-m", "compileall", "-q", staged)
    shutil.copy2(ROOT / "pyproject.toml", staged)
    base.make_image(staged, image)
    shutil.rmtree(staged)


def _build_site() -> None:
    """The packages of .venv, which the guest's own interpreter loads."""
    (packages,) = (ROOT / ".venv" / "lib").glob("python3.*/site-packages")
    staged = FOLDER / "site.d"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(packages, staged, ignore=shutil.ignore_patterns(*LEFT_OUT))
    base.make_image(staged, FOLDER / "site.img")
    shutil.rmtree(staged)


def _clear() -> None:
    """What builds and boots that were killed have left is gone; each is named after a process, or is a build's."""
    for left in (*FOLDER.glob("base-*"), *FOLDER.glob("runs/*")):
        owner = left.name.partition("-")[0]
        if not (owner.isdigit() and Path("/proc", owner).exists()):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked() -> Iterator[None]:
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _site_stamp() -> str:
    return hashlib.sha256(repr(LEFT_OUT).encode() + (ROOT / "requirements" / "dev.txt").read_bytes()).hexdigest()


def _outdated(name: str, wanted: str) -> bool:
    stamp = FOLDER / f"{name}.stamp"
    return not stamp.exists() or stamp.read_text(encoding="ascii") != wanted


def _stamp(name: str, value: str) -> None:
    (FOLDER / f"{name}.stamp").write_text(value, encoding="ascii")


if __name__ == "__main__":
    built()
