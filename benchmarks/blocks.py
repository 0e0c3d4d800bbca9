"""`python -m benchmarks.blocks`: the engine as `run` drives it, on loop devices, beside fio and shred in the same run.

Each figure is the best of several rounds, taken in turns with the peer's. Ours includes the last flush; fio's rate is
what it states for its writes, of static random buffers, or of zeros beside our zeros. Every device is written
throughout before the first measurement.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Result, higher_is_better, tell
from certificates.statements import (
    Carrier,
    ConstantPattern,
    FullVerification,
    ImageIdentity,
    KeystreamPattern,
    Level,
    Pattern,
)
from wipers.linux import LinuxHost
from wipers.model import Writer
from wipers.overwrite import overwrite
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.readback import read_back_all

MEGABYTE = 1e6
KEYSTREAM = KeystreamPattern("5a" * 32)
ZEROS = ConstantPattern("00")


@dataclass(frozen=True, slots=True)
class Bed:
    """A loop device to measure on."""

    device: str
    size: int
    state: Path

    @contextmanager
    def opened(self) -> Iterator[Writer]:
        """The device as a run holds it: found by identity, opened exclusively."""
        host = LinuxHost(self.state)
        listed = next(one for one in host.list_targets() if one.location == self.device)
        facts = {fact.name: fact.value for fact in listed.facts}
        identity = ImageIdentity(facts["filesystem"], int(facts["inode"]), int(facts["size"]), attached=True)
        carrier = Carrier(
            id="bench",
            label="bench",
            assets=("bench",),
            identity=identity,
            hosts=("sha256:" + "0" * 64,),
            level=Level.CLEAR,
            verification=FullVerification(),
            destination="storage",
        )
        (target,) = host.find(carrier, None)
        with host.open(target, carrier, None, resuming=False) as writer:
            yield writer


@contextmanager
def bed_in(folder: Path, size: int, *options: str) -> Iterator[Bed]:
    """A loop device over a fully written image in the folder; both are gone afterwards."""
    with ExitStack() as held:
        below = Path(held.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="expunge-benchmark-")))
        image = below / "image"
        with image.open("wb") as file:
            for _ in range(size >> 20):
                file.write(b"\xa5" * (1 << 20))
        device = _output("losetup", "--find", "--show", *options, str(image)).strip()
        held.callback(_output, "losetup", "--detach", device)
        yield Bed(device, size, below / "state")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def write_rate(bed: Bed, pattern: Pattern) -> float:
    """Bytes a second of one whole pass, its flush included."""
    with bed.opened() as writer:
        began = time.perf_counter()
        overwrite(writer, writer.layout("whole"), pattern, start=0, advance=lambda *_: None, loop=_loop())
        return bed.size / (time.perf_counter() - began)


def read_rate(bed: Bed, pattern: Pattern) -> float:
    """Bytes a second of one whole read-back; the device must hold the pattern."""
    with bed.opened() as writer:
        writer.settle()
        began = time.perf_counter()
        found = read_back_all(writer, writer.layout("whole"), pattern, _loop())
        elapsed = time.perf_counter() - began
        if found.matched != bed.size:
            raise SystemExit(f"{bed.device} does not hold what was written: {found}")
        return bed.size / elapsed


def _loop() -> Loop:
    return Loop(Pace(), Unstopped())


def fio_rate(bed: Bed, direction: str, *options: str) -> float:
    """Bytes a second of fio: 1 MiB direct, eight in the air."""
    command = ["fio", "--name=peer", f"--filename={bed.device}", f"--rw={direction}", f"--size={bed.size}"]
    depth = ["--bs=1M", "--direct=1", "--ioengine=libaio", "--iodepth=8", "--end_fsync=1", "--output-format=json"]
    told = _output(*command, *depth, *options)
    job = json.loads(told[told.index("{") :])["jobs"][0]
    return float(job[direction]["bw_bytes"])


def shred_rate(bed: Bed) -> float:
    """Bytes a second of one random pass of shred."""
    began = time.perf_counter()
    _output("shred", "-n1", "-s", str(bed.size), bed.device)
    return bed.size / (time.perf_counter() - began)


Measure = Callable[[], float]


def compare(name: str, ours: Measure, peer: Measure, rounds: int) -> Result:
    """The best of each, in turns, so that a disturbance meets both."""
    print(f"measuring {name}", file=sys.stderr)
    figures = [(ours(), peer()) for _ in range(rounds)]
    best, best_peer = max(one for one, _ in figures), max(one for _, one in figures)
    return higher_is_better(name, best / MEGABYTE, best_peer / MEGABYTE, "MB/s")


def measure(bed: Bed, suffix: str, rounds: int) -> list[Result]:
    """All comparisons on one device; the read-back comes after our own random pass."""
    write_rate(bed, KEYSTREAM)
    static = "--scramble_buffers=0"
    results = [
        compare(
            f"write-zeros-vs-fio-{suffix}",
            lambda: write_rate(bed, ZEROS),
            lambda: fio_rate(bed, "write", "--zero_buffers"),
            rounds,
        ),
        compare(f"write-random-vs-shred-{suffix}", lambda: write_rate(bed, KEYSTREAM), lambda: shred_rate(bed), 1),
        compare(
            f"write-random-vs-fio-{suffix}",
            lambda: write_rate(bed, KEYSTREAM),
            lambda: fio_rate(bed, "write", static),
            rounds,
        ),
    ]
    write_rate(bed, KEYSTREAM)
    reading = compare(
        f"read-back-vs-fio-{suffix}", lambda: read_rate(bed, KEYSTREAM), lambda: fio_rate(bed, "read"), rounds
    )
    return [*results, reading]


def main(arguments: list[str]) -> int:
    """The results are told; only a device that does not hold what was written is a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/block", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="512 MiB and two rounds instead of 2 GiB and three")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="folder on the disk to measure on")
    parser.add_argument("--ram", type=Path, default=Path("/dev/shm"), help="folder in memory to measure in")
    chosen = parser.parse_args(arguments)
    size, rounds = (512 << 20, 2) if chosen.quick else (2 << 30, 3)
    results: list[Result] = []
    with bed_in(chosen.ram, size) as bed:
        results += measure(bed, "ram", rounds)
    with bed_in(chosen.disk, size, "--direct-io=on") as bed:
        results += measure(bed, "disk", rounds)
    tell(results, as_json=chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
