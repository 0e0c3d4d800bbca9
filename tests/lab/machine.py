"""The virtual machine itself: booted with a job and with drives, told nothing else, and ended by its own process id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import image

LIFETIME = 1800
"""Seconds after which a guest switches itself off, whatever became of whoever started it."""
MEMORY = 2048
"""MiB of the guest."""
LOUD = 3
"""Kernel messages below this level reach the console, a byte at a time: hundreds of I/O errors are meant here."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A machine that runs."""

    folder: Path
    """What belongs to this boot alone."""
    process: subprocess.Popen[bytes]
    """QEMU."""

    @property
    def share(self) -> Path:
        """The folder that the guest sees as /share."""
        return self.folder / "share"

    @property
    def status(self) -> int | None:
        """Exit status of the job; none when it did not come to its end."""
        path = self.share / "status"
        return int(path.read_text()) if path.exists() and path.read_text().strip() else None

    @property
    def is_up(self) -> bool:
        """Whether QEMU lives."""
        return self.process.poll() is None

    def said(self, lines: int = 40) -> str:
        """The end of what stands on its console."""
        told = [path for name in ("console", "qemu.log") if (path := self.folder / name).exists()]
        text = b"".join(path.read_bytes() for path in told).decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, seconds: float) -> int | None:
        """The job's exit status, once the machine has switched itself off; it is killed when it takes longer."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.status

    def wait_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true while the machine lived, within the time."""
        deadline = time.monotonic() + seconds
        while not holds():
            if not self.is_up or time.monotonic() > deadline:
                return holds()
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        """The plug is pulled: QEMU gets SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def booted(
    job: str, drives: tuple[str, ...] = (), project: Path | None = None, *, plain: bool = False
) -> Iterator[Guest]:
    """A machine that runs the job, a shell script, with `/share` and the checkout in `/project`; ended at the end.

    A plain one knows NVMe and virtio disks, has no udev, and is up 5 s sooner.
    """
    base = image.built()
    with image.scratch() as folder:
        (folder / "share").mkdir()
        (folder / "share" / "job").write_text(job, encoding="utf-8")
        if project is None:
            project = folder / "project.img"
            image.make_project_image(project)
        command = _command(base, folder, project, drives, " lab.plain" if plain else "")
        with (folder / "qemu.log").open("wb") as log:
            # TMPDIR: what the guest writes to its root lies there, in a file that has no name any more.
            surroundings = {**os.environ, "TMPDIR": str(folder)}
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=surroundings)
        guest = Guest(folder, process)
        try:
            yield guest
        finally:
            guest.kill()
            (folder / "console").touch()
            shutil.copy(folder / "console", base / "last-console.txt")


def disk(path: Path, name: str, device: str = "virtio-blk-pci", options: str = "", extra: str = "") -> tuple[str, ...]:
    """QEMU's words for a drive over a raw image file, whose serial number is its name."""
    backend = f"file={path},if=none,id={name},format=raw,cache=none{options}"
    return ("-drive", backend, "-device", f"{device},drive={name},serial={name}{extra}")


def _command(base: Path, folder: Path, project: Path, drives: tuple[str, ...], more: str) -> list[str]:
    words = f"console=ttyS0 quiet panic=-1 mitigations=off loglevel={LOUD} lab.lifetime={LIFETIME}{more}"
    shared = f"local,path={folder / 'share'},mount_tag=share,security_model=none,id=share"
    # Never KVM: where it does not work it hangs instead of failing.
    # One processor: with two, QEMU emulates every locked instruction and every flush between them, which costs a fifth
    # more for tests that do one thing at a time. The host's other core is for the other guest.
    # Before the host's own tests: they can wait, and what the guest's drives do in time is part of what is tested.
    return [
        *("nice", "-n", "-5", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max"),
        *("-smp", "1", "-m", str(MEMORY), "-machine", "q35", "-display", "none", "-nodefaults", "-no-reboot"),
        *("-serial", f"file:{folder / 'console'}", "-kernel", str(base / "vmlinuz")),
        *("-initrd", str(base / "initrd.gz"), "-append", words, "-virtfs", shared),
        *disk(base / "root.img", "lab-root", options=",snapshot=on"),
        *disk(base / "site.img", "lab-site", options=",readonly=on"),
        *disk(project, "lab-project", options=",readonly=on"),
        *drives,
    ]
