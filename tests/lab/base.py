"""The guest's base system, which is Debian's: its kernel, an initrd and a root with the programs that tests run.

Nothing is installed on this machine: the kernel's package is only unpacked, the root is a directory turned into an
image, and both come from the mirror that this machine's apt already uses.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

BOOT = Path(__file__).resolve().parent / "boot"
SUITE = "bookworm"
PACKAGES = (
    "busybox-static",
    "cryptsetup-bin",
    "dmsetup",
    "dosfstools",
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
LONGEST = 420
"""Seconds for each program."""


class Unavailable(Exception):
    """Why there can be no virtual machine here, in words."""


def stamp() -> str:
    """What the base is made from, in one word."""
    made_from = (Path(__file__), BOOT / "init", BOOT / "initrd")
    return hashlib.sha256(b"".join(path.read_bytes() for path in made_from)).hexdigest()


def make_image(content: Path, image: Path, spare: int = 8 << 20) -> None:
    """An ext4 image that holds the directory, and some room; no mount and no loop device is needed."""
    held = sum(path.lstat().st_size + 4096 for path in content.rglob("*"))
    image.unlink(missing_ok=True)
    size = (held + held // 8 + spare) >> 10
    run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d", content, image, f"{size}k")


def build(folder: Path) -> None:
    """Kernel, initrd and root image stand in the folder."""
    work = Path(tempfile.mkdtemp(prefix="base-", dir=folder))
    try:
        kernel, root = work / "kernel", work / "root"
        _unpack_kernel(kernel)
        source = f"deb {_mirror()} {SUITE} main"
        included = f"--include={','.join(PACKAGES)}"
        quick = ("--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/*/[a-z]*/man/*")
        # Its mounts and its children end with it, whoever kills it: a /proc left behind would stand in a later build.
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        run(*alone, "mmdebstrap", "--quiet", "--variant=minbase", *quick, included, SUITE, root, source)
        (release,) = (kernel / "lib" / "modules").iterdir()
        _install_modules(release, root)
        shutil.copy(BOOT / "init", root / "sbin" / "lab-init")
        (root / "sbin" / "lab-init").chmod(0o755)
        _make_initrd(root, release.name, work / "initrd", folder / "initrd.gz")
        shutil.copy(next((kernel / "boot").glob("vmlinuz-*")), folder / "vmlinuz")
        make_image(root, folder / "root.img", spare=64 << 20)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _mirror() -> str:
    """Where this machine's apt takes the suite from."""
    wanted = (f"Codename: {SUITE}", "Component: main", "Created-By: Packages")
    listed = run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).split()
    if not listed:
        raise Unavailable(f"this machine's apt has no source of {SUITE}, which the guest is made of")
    return listed[0]


def _unpack_kernel(folder: Path) -> None:
    """Debian's kernel package, unpacked and not installed."""
    folder.mkdir()
    depends = run("apt-cache", "depends", "linux-image-amd64")
    names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
    if not names:
        raise Unavailable("this machine's apt knows no linux-image-amd64; apt-get update may help")
    run("apt-get", "download", "-q", names[0], cwd=folder)
    (package,) = folder.glob("*.deb")
    run("dpkg-deb", "-x", package, folder)


def _install_modules(release: Path, root: Path) -> None:
    into = root / "lib" / "modules" / release.name
    shutil.copytree(release, into, symlinks=True)
    for name in NEEDLESS:
        shutil.rmtree(into / "kernel" / name, ignore_errors=True)
    run("chroot", root, "depmod", release.name)


def _make_initrd(root: Path, release: str, work: Path, image: Path) -> None:
    """Busybox, the modules that mount the root, and the script that does it."""
    for name in ("bin", "proc", "sys", "dev", "new", "modules"):
        (work / name).mkdir(parents=True)
    shutil.copy(root / "bin" / "busybox", work / "bin")
    shutil.copy(BOOT / "initrd", work / "init")
    (work / "init").chmod(0o755)
    needed: dict[str, None] = {}
    for module in EARLY:
        shown = run("chroot", root, "modprobe", "-S", release, "--show-depends", module)
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


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What the program printed; it is stopped when it takes too long."""
    named = ["nice", *map(str, command)]
    done = subprocess.run(named, cwd=cwd, capture_output=True, text=True, check=False, timeout=LONGEST)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(named)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout
