"""`python -m benchmarks.blocks`: the engine as `run` drives it, on loop devices, beside its peers in the same run.

Each figure is the best of several rounds, taken in turns with the peer's. Ours includes the last flush, as fio's does.
The limit for a random pass is fio writing static random buffers, which computes nothing; zeros stand against zeros.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import peers
from benchmarks.beds import Bed, bed_in
from benchmarks.machine import Result, compared_rates, tell
from benchmarks.timing import Taken, stopwatch
from certificates.statements import ConstantPattern, KeystreamPattern, Pattern
from wipers.model import Writer
from wipers.overwrite import overwrite
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.readback import read_back_all

KEYSTREAM = KeystreamPattern("5a" * 32)
ZEROS = ConstantPattern("00")
QUICK, WHOLE = 512 << 20, 2 << 30
"""Bytes of a loop device; nwipe gets a quick one in any case: it is slow at any size."""


def write(bed: Bed, pattern: Pattern) -> Taken:
    """One whole pass, its flush included."""
    with bed.opened() as writer, stopwatch(resource.RUSAGE_SELF) as watch:
        overwrite(writer, writer.layout("whole"), pattern, start=0, advance=lambda *_: None, loop=_loop())
    return Taken(bed.size, watch.seconds, watch.processor)


def read_back(bed: Bed, pattern: Pattern) -> Taken:
    """One whole read-back; the device must hold the pattern."""
    with bed.opened() as writer:
        writer.settle()
        with stopwatch(resource.RUSAGE_SELF) as watch:
            found = read_back_all(writer, writer.layout("whole"), pattern, _loop())
    if found.matched != bed.size:
        raise SystemExit(f"{bed.device} does not hold what was written: {found}")
    return Taken(bed.size, watch.seconds, watch.processor)


def _loop() -> Loop:
    return Loop(Pace(), Unstopped())


Measure = Callable[[], Taken]


def compare(name: str, ours: Measure, peer: Measure, rounds: int) -> Result:
    """The best of each, in turns, so that a disturbance meets both."""
    print(f"measuring {name}", file=sys.stderr)
    figures = [(ours(), peer()) for _ in range(rounds)]
    return compared_rates(name, [one for one, _ in figures], [one for _, one in figures])


def compare_on(bed: Bed, suffix: str, rounds: int) -> list[Result]:
    """The writes, then the read-back of our random pass."""

    def against(name: str, ours: Measure, peer: Measure) -> Result:
        return compare(f"{name}-{suffix}", ours, peer, rounds)

    zeros = against("write-zeros-vs-fio", lambda: write(bed, ZEROS), lambda: peers.fio(bed, "write", peers.ZEROS))
    random = against(
        "write-random-vs-fio", lambda: write(bed, KEYSTREAM), lambda: peers.fio(bed, "write", peers.STATIC_RANDOM)
    )
    shred = against("write-random-vs-shred", lambda: write(bed, KEYSTREAM), lambda: peers.shred(bed))
    scrub = against("write-random-vs-scrub", lambda: write(bed, KEYSTREAM), lambda: peers.scrub(bed))
    write(bed, KEYSTREAM)
    reading = against("read-back-vs-fio", lambda: read_back(bed, KEYSTREAM), lambda: peers.fio(bed, "read"))
    return [zeros, random, reading, shred, scrub]


def compare_with_nwipe(bed: Bed, suffix: str) -> list[Result]:
    """One round, for it takes long and differs by far; none where there is no nwipe."""
    program, name = peers.find_nwipe(), f"write-random-vs-nwipe-{suffix}"
    if program is None:
        print(f"no nwipe here: {name} is left out", file=sys.stderr)
        return []
    found = [compare(name, lambda: write(bed, KEYSTREAM), lambda: peers.nwipe(program, bed), 1)]
    if peers.has_generators(program):
        # The default is the fastest, which is not cryptographic; this one is.
        chacha = name.replace("-vs-nwipe", "-vs-nwipe-chacha20")
        found.append(
            compare(chacha, lambda: write(bed, KEYSTREAM), lambda: peers.nwipe(program, bed, "--prng=chacha20"), 1)
        )
    return found


def write_many(beds: Sequence[Bed]) -> Taken:
    """A pass of zeros over all of them at once, a worker group each, as a run with many carriers."""
    with ExitStack() as held:
        writers = [held.enter_context(bed.opened()) for bed in beds]
        groups = [threading.Thread(target=_write_zeros, args=(writer,)) for writer in writers]
        with stopwatch(resource.RUSAGE_SELF) as watch:
            for group in groups:
                group.start()
            for group in groups:
                group.join()
    return Taken(sum(bed.size for bed in beds), watch.seconds, watch.processor)


def _write_zeros(writer: Writer) -> None:
    overwrite(writer, writer.layout("whole"), ZEROS, start=0, advance=lambda *_: None, loop=_loop())


def measure_many(folder: Path, size: int, rounds: int, count: int = 16) -> list[Result]:
    """Many devices at once against fio with as many jobs, and this process's memory at its highest."""
    with ExitStack() as held:
        beds = [held.enter_context(bed_in(folder, size, *())) for _ in range(count)]
        result = compare("many-devices-vs-fio", lambda: write_many(beds), lambda: peers.fio_many(beds), rounds)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{count} devices at once: at most {most >> 10} MiB of memory in this process", file=sys.stderr)
    return [result]


def measure(folder: Path, suffix: str, size: int, rounds: int, *options: str) -> list[Result]:
    """All comparisons over images in one folder; nothing is left there."""
    with bed_in(folder, size, *options) as bed:
        write(bed, KEYSTREAM)
        results = compare_on(bed, suffix, rounds)
    with bed_in(folder, QUICK, *options) as bed:
        return results + compare_with_nwipe(bed, suffix)


def main(arguments: list[str]) -> int:
    """The results are told; only a device that does not hold what was written is a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/block", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="512 MiB instead of 2 GiB")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each comparison, nwipe's but one (default: 3)")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="folder on the disk to measure on")
    parser.add_argument("--ram", type=Path, default=Path("/dev/shm"), help="folder in memory to measure in")
    chosen = parser.parse_args(arguments)
    # As Ctrl-C does: the loop devices are given back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    size = QUICK if chosen.quick else WHOLE
    results = measure(chosen.ram, "ram", size, chosen.rounds)
    results += measure(chosen.disk, "disk", size, chosen.rounds, "--direct-io=on")
    results += measure_many(chosen.ram, size // 4, chosen.rounds)
    tell(results, as_json=chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
