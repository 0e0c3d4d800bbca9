"""A bench for real storage: images, loop devices and mounts, all given back at the end; and whole runs on them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from certificates.claims import claim
from certificates.statements import (
    Carrier,
    Claim,
    CryptoEraseConditions,
    DeviceIdentity,
    Evidence,
    FullVerification,
    Identity,
    ImageIdentity,
    Level,
    LuksIdentity,
    LuksSelector,
    PathSelector,
    Selector,
    VolumeIdentity,
    volume_of,
)
from tests.support.ext4_image import run, unmount
from tests.support.runs import HOST, ORDER, JournalInMemory, warrant
from tests.support.simulated_host import Plug
from wipers import WIPERS
from wipers.linux import LinuxHost
from wipers.model import Obstacle, Plan, Target
from wipers.pipeline import Pace
from wipers.planning import plan
from wipers.progress import evidence, replay
from wipers.running import Ports, execute
from wipers.techniques import TECHNIQUES

MIB = 1 << 20
LABEL_KEY = "22" * 32
LONGEST = 60.0
"""Seconds for which others may look at a device, at most."""
OPENER = "import os, sys, time; os.open(sys.argv[1], os.{0}); print(flush=True); time.sleep(600)"


@dataclass(slots=True)
class Bench:
    """What one test has attached, mounted and started."""

    folder: Path
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def host(self) -> LinuxHost:
        return LinuxHost(state_directory=self.folder / "state")

    def image(self, name: str, size: int, content: bytes = b"") -> Path:
        """A sparse file that begins with the content."""
        path = self.folder / name
        path.write_bytes(content)
        os.truncate(path, size)
        return path

    def attach(self, image: Path, *options: str) -> Path:
        """A loop device over the image."""
        device = run("losetup", "--find", "--show", *options, image).strip()
        self.held.callback(run, "losetup", "--detach", device)
        return Path(device)

    def mount(self, device: Path, name: str = "mounted") -> Path:
        point = self.folder / name
        point.mkdir(exist_ok=True)
        run("mount", device, point)
        self.held.callback(unmount, point)
        return point

    def ext4(self, size: int = 32 * MIB, name: str = "disk") -> Path:
        """The mount point of a fresh ext4 on a loop device."""
        image = self.image(f"{name}.img", size)
        run("mkfs.ext4", "-q", "-F", image)
        return self.mount(self.attach(image), name)

    @contextmanager
    def opened_elsewhere(self, path: Path, mode: str = "O_RDWR") -> Iterator[int]:
        """Another process has it open; yields its id."""
        command = [sys.executable, "-c", OPENER.format(mode), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                yield process.pid
            finally:
                process.kill()

    def listed(self, device: Path) -> Target:
        """What `targets` shows of a device."""
        (target,) = (one for one in self.host.list_targets() if one.location == str(device))
        return target

    def obstacles(self, device: Path, *, is_visited: bool = False) -> tuple[Obstacle, ...]:
        """What stands in its way; unless it is to be visited, once those have left who look at every device there is:
        the other tests' commands."""
        until = time.monotonic() + LONGEST
        while True:
            found = self.listed(device).obstacles
            visitors = [one for one in found if dict(one.facts).get("by", "").startswith("process ")]
            if is_visited or not visitors or time.monotonic() > until:
                return found
            time.sleep(0.1)

    def reasons(self, device: Path, *, is_visited: bool = False) -> list[str]:
        """The reasons among them."""
        return [obstacle.reason for obstacle in self.obstacles(device, is_visited=is_visited)]


@contextmanager
def bench_in(folder: Path) -> Iterator[Bench]:
    """A bench that is cleared whatever happens on it."""
    bench = Bench(folder)
    with bench.held:
        yield bench


@dataclass(slots=True)
class RealRun:
    """A carrier on this machine, planned; `go` runs it, or resumes it."""

    host: LinuxHost
    carrier: Carrier
    selector: Selector | None = None
    journal: JournalInMemory = field(default_factory=lambda: JournalInMemory(Plug()))
    kept: dict[str, bytes] = field(default_factory=dict)
    ports: dict[str, Any] = field(default_factory=dict)
    plan: Plan = field(init=False)

    def __post_init__(self) -> None:
        self.plan = self.planned()

    def planned(self) -> Plan:
        found = self.host.find(self.carrier, self.selector)
        return plan(ORDER, self.carrier, found, WIPERS[self.carrier.identity.kind], TECHNIQUES)

    def go(self) -> None:
        progress = replay(self.journal.entries)
        settings = {"pace": Pace(chunk_size=MIB, threads=2), **self.ports}
        ports = Ports(self.journal, Random(7).randbytes, self.kept.__setitem__, **settings)
        target = self.host.find(self.carrier, self.selector)[0]
        with self.host.open(target, self.carrier, self.selector, resuming=progress.is_begun) as writer:
            execute(warrant(self.carrier), self.plan, writer, ports, progress)

    @property
    def evidence(self) -> Evidence:
        return evidence(self.plan, self.carrier, self.journal.entries)

    @property
    def claim(self) -> Claim:
        return claim(self.evidence, self.carrier.level)


def identity_of(target: Target) -> ImageIdentity | DeviceIdentity | VolumeIdentity:
    """What a clerk copies from `targets` into an order."""
    if target.kind == "volume":
        return volume_of(target.facts)
    facts = {fact.name: fact.value for fact in target.facts}
    if target.kind == "device":
        return DeviceIdentity(
            facts["vendor"], facts["model"], facts["serial"], facts["wwn"] or None, int(facts["size"])
        )
    attached = facts["attached"] == "true"
    return ImageIdentity(facts["filesystem"], int(facts["inode"]), int(facts["size"]), attached)


def image_identity(path: Path) -> ImageIdentity:
    """An image file's identity, its file system's UUID as blkid reads it."""
    found = path.stat()
    node = f"/dev/{Path(os.readlink(f'/sys/dev/block/{os.major(found.st_dev)}:{os.minor(found.st_dev)}')).name}"
    uuid = run("blkid", "-p", "-s", "UUID", "-o", "value", node).strip()
    return ImageIdentity(uuid, found.st_ino, found.st_size, attached=False)


def carrier_of(identity: Identity, technique: str | None = None) -> Carrier:
    """An order to clear it and read everything back; for a container it attests the conditions of crypto erase."""
    return Carrier(
        id="c1",
        label="LABEL-1",
        assets=("card-1",),
        identity=identity,
        hosts=(HOST,),
        level=Level.CLEAR,
        verification=FullVerification(),
        destination="recycling",
        technique=technique,
        crypto_erase=CryptoEraseConditions(*[True] * 7) if isinstance(identity, LuksIdentity) else None,
    )


def path_selector(path: Path) -> Selector:
    return Selector("c1", "11" * 32, PathSelector(str(path), LABEL_KEY))


def luks_selector(path: Path | None, *backups: Path) -> Selector:
    named = tuple(map(str, backups))
    return Selector("c1", "11" * 32, LuksSelector(str(path) if path else None, named, LABEL_KEY))


def luks_format(
    where: Path, uuid: str, *, kind: str = "luks2", passphrase: str = "secret", options: tuple[str, ...] = ()
) -> None:
    """A container with the cheapest key derivation."""
    cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000") if kind == "luks2" else ("--iter-time", "10")
    command = ["cryptsetup", "luksFormat", "--type", kind, "-q", "--uuid", uuid, *cheap, *options, str(where), "-"]
    subprocess.run(command, input=passphrase.encode(), check=True, capture_output=True)


def luks_opens(where: Path, passphrase: str = "secret") -> bool:
    """Whether the passphrase still opens the container."""
    command = ["cryptsetup", "open", "--test-passphrase", "--key-file=-", str(where)]
    answer = subprocess.run(command, input=passphrase.encode(), check=False, capture_output=True)
    return answer.returncode == 0


def needle_of(number: int) -> bytes:
    return b"NEEDLE-%06d-" % number


def full_of_needles(size: int) -> bytes:
    """Bytes that an independent reader recognises anywhere."""
    return b"".join(needle_of(number).ljust(512, b".") for number in range(size // 512))
