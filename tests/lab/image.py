"""What the virtual machine boots from, built once into `.lab/` in the checkout: kernel, initrd, root, Python packages.

Nothing is installed on this machine: Debian's kernel package is only unpacked, the root is a directory turned into an
image by mke2fs, and both come from the mirror that this machine's apt already uses.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOT = Path(__file__).resolve().parent / "boot"
FOLDER = ROOT / ".lab"
SUITE = "bookworm"
PYTHON = (3, 11)
"""The guest's interpreter, which has to load what this machine's .venv holds."""
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "chroot", "apt-get", "nice")
PACKAGES = (
    "busybox-static",
    "cryptsetup-bin",
    "dmsetup",
    "e2fsprogs",
    "fdisk",
    "hdparm",
    "kmod",
    "lvm2",
    "mdadm",
    "nvme-cli",
    "openssl",
    "procps",
    "python3",
    "sg3-utils",
    "smartmontools",
    "thin-provisioning-tools",
    "udev",
    "util-linux-extra",
)
NEEDLESS = (
    "drivers/gpu",
    "drivers/infiniband",
    "drivers/media",
    "drivers/net",
    "drivers/staging",
    "net/wireless",
    "sound",
)
"""Folders of kernel modules that no test loads: half of them all."""
EARLY = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
"""Modules that mount the root."""
LEFT_OUT = ("mypy*", "*__mypyc*", "ruff*", "pip", "grimp", "pip-*", "setuptools*")
"""Packages that no test in the guest imports."""
LONGEST = 420


class Unavailable(Exception):
    """Why there can be no virtual machine here, in words."""


def check_available() -> None:
    """This machine can build and boot the guest; raises Unavailable."""
    if os.geteuid() != 0:
        raise Unavailable("the lab needs root: its image holds device nodes and files of root")
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        raise Unavailable(f"the lab needs programs that are not installed: {', '.join(lacking)}")
    if sys.version_info[:2] != PYTHON:
        raise Unavailable("the guest's Python is 3.11 and cannot load the packages of another one")


def built() -> Path:
    """The folder with all that a boot needs, built when it is missing or out of date."""
    check_available()
    FOLDER.mkdir(exist_ok=True)
    with _locked():
        if _outdated("base", _base_stamp()):
            _build_base()
            _stamp("base", _base_stamp())
        if _outdated("site", _site_stamp()):
            _build_site()
            _stamp("site", _site_stamp())
    return FOLDER


def make_image(content: Path, image: Path, spare: int = 8 << 20) -> None:
    """An ext4 image that holds the directory, and some room; no mount and no loop device is needed."""
    held = sum(path.lstat().st_size + 4096 for path in content.rglob("*"))
    image.unlink(missing_ok=True)
    size = (held + held // 8 + spare) >> 10
    _run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d", content, image, f"{size}k")


def make_project_image(image: Path) -> None:
    """The checkout as it is now, without what is no source."""
    staged = image.with_suffix(".d")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    for room in ("agent", "wipers", "certificates", "server_stub", "tests"):
        # __pycache__ comes along, with its times: the guest is slow at compiling.
        shutil.copytree(ROOT / room, staged / room, ignore=shutil.ignore_patterns("vectors"))
    # What was never imported here is compiled as well, for the same reason.
    _run(sys.executable, "-m", "compileall", "-q", staged)
    shutil.copy2(ROOT / "pyproject.toml", staged)
    make_image(staged, image)
    shutil.rmtree(staged)


def _build_base() -> None:
    work = FOLDER / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        kernel, root = work / "kernel", work / "root"
        _unpack_kernel(kernel)
        source = f"deb {_mirror()} {SUITE} main"
        included = f"--include={','.join(PACKAGES)}"
        quick = ("--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/*/[a-z]*/man/*")
        _run("mmdebstrap", "--quiet", "--variant=minbase", *quick, included, SUITE, root, source)
        (release,) = (kernel / "lib" / "modules").iterdir()
        _install_modules(release, root)
        shutil.copy(BOOT / "init", root / "sbin" / "lab-init")
        (root / "sbin" / "lab-init").chmod(0o755)
        _make_initrd(root, release.name, work / "initrd", FOLDER / "initrd.gz")
        shutil.copy(next((kernel / "boot").glob("vmlinuz-*")), FOLDER / "vmlinuz")
        make_image(root, FOLDER / "root.img", spare=64 << 20)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _mirror() -> str:
    """Where this machine's apt takes the suite from."""
    wanted = (f"Codename: {SUITE}", "Component: main", "Created-By: Packages")
    listed = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).split()
    if not listed:
        raise Unavailable(f"this machine's apt has no source of {SUITE}, which the guest is made of")
    return listed[0]


def _unpack_kernel(folder: Path) -> None:
    """Debian's kernel package, unpacked and not installed."""
    folder.mkdir()
    depends = _run("apt-cache", "depends", "linux-image-amd64")
    names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
    if not names:
        raise Unavailable("this machine's apt knows no linux-image-amd64; apt-get update may help")
    _run("apt-get", "download", "-q", names[0], cwd=folder)
    (package,) = folder.glob("*.deb")
    _run("dpkg-deb", "-x", package, folder)


def _install_modules(release: Path, root: Path) -> None:
    into = root / "lib" / "modules" / release.name
    shutil.copytree(release, into, symlinks=True)
    for name in NEEDLESS:
        shutil.rmtree(into / "kernel" / name, ignore_errors=True)
    _run("chroot", root, "depmod", release.name)


def _make_initrd(root: Path, release: str, work: Path, image: Path) -> None:
    """Busybox, the modules that mount the root, and the script that does it."""
    for name in ("bin", "proc", "sys", "dev", "new", "modules"):
        (work / name).mkdir(parents=True)
    shutil.copy(root / "bin" / "busybox", work / "bin")
    shutil.copy(BOOT / "initrd", work / "init")
    (work / "init").chmod(0o755)
    needed: dict[str, None] = {}
    for module in EARLY:
        shown = _run("chroot", root, "modprobe", "-S", release, "--show-depends", module)
        needed |= dict.fromkeys(line.split()[1] for line in shown.splitlines() if line.startswith("insmod"))
    for number, path in enumerate(needed):
        shutil.copy(root / path.lstrip("/"), work / "modules" / f"{number:03}-{Path(path).name}")
    inside = root / "tmp" / "initrd"
    shutil.copytree(work, inside)
    packed = subprocess.run(
        ["chroot", root, "sh", "-c", "cd /tmp/initrd && find . | busybox cpio -o -H newc"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    shutil.rmtree(inside)
    image.write_bytes(gzip.compress(packed.stdout, 1))


def _build_site() -> None:
    """The packages of .venv, which the guest's own interpreter loads."""
    (packages,) = (ROOT / ".venv" / "lib").glob("python3.*/site-packages")
    staged = FOLDER / "site.d"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(packages, staged, ignore=shutil.ignore_patterns(*LEFT_OUT))
    make_image(staged, FOLDER / "site.img")
    shutil.rmtree(staged)


@contextmanager
def _locked() -> Iterator[None]:
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _base_stamp() -> str:
    return _digest(Path(__file__), BOOT / "init", BOOT / "initrd")


def _site_stamp() -> str:
    return _digest(Path(__file__), ROOT / "requirements" / "dev.txt")


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _outdated(name: str, wanted: str) -> bool:
    stamp = FOLDER / f"{name}.stamp"
    return not stamp.exists() or stamp.read_text(encoding="ascii") != wanted


def _stamp(name: str, value: str) -> None:
    (FOLDER / f"{name}.stamp").write_text(value, encoding="ascii")


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """What the program printed; it is stopped when it takes too long."""
    named = ["nice", *map(str, command)]
    done = subprocess.run(named, cwd=cwd, capture_output=True, text=True, check=False, timeout=LONGEST)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(named)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout
