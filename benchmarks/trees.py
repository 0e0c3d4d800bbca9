"""`python -m benchmarks.trees`: files destroyed as `run` destroys them, beside shred and fio in the same run.

Ours is timed inside the process, from the search for the files to the last barrier after their names are gone, and
includes what the peers do not do: the list of extents, and the read-back of every physical block below the file system.
The peers give less: shred neither reads back nor looks where its writes went.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from benchmarks.beds import output_of
from benchmarks.groves import Grove, grove_in
from benchmarks.machine import Result, compared_rates, tell
from benchmarks.peers import STATIC_RANDOM
from benchmarks.timing import Taken, stopwatch
from certificates.statements import KeystreamPattern
from wipers.model import Writer
from wipers.overwrite import overwrite
from wipers.pipeline import Loop, Pace, Unstopped
from wipers.readback import read_back_all

KEYSTREAM = KeystreamPattern("5a" * 32)
SMALL = 4096
QUICK, WHOLE = 1_000, 10_000
"""Small files; shred takes minutes for the latter."""
LARGE_QUICK, LARGE = 512 << 20, 2 << 30
"""Bytes of the one large file."""


@dataclass(slots=True)
class Phases:
    """Seconds that each part of a run took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What the block took is added to that part."""
        began = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - began

    def tell(self) -> None:
        """One line on stderr."""
        print("  " + ", ".join(f"{name} {taken:.2f} s" for name, taken in self.seconds.items()), file=sys.stderr)


def erase(grove: Grove) -> tuple[Taken, Phases]:
    """Everything below `in/all` is overwritten, proven on the storage below, and gone."""
    phases = Phases()
    carrier, selector = grove.order()
    with stopwatch(resource.RUSAGE_SELF) as watch, stopwatch(resource.RUSAGE_CHILDREN) as beside:
        with phases.phase("find"):
            target = grove.find(carrier, selector)
        with phases.phase("open"):
            opened = grove.opened(target, carrier, selector)
            writer = opened.__enter__()
        try:
            _erase(writer, grove, phases, target.size)
        finally:
            opened.__exit__(None, None, None)
    if (grove.top / "all").exists():
        raise SystemExit("names are left")
    phases.tell()
    # With what the processes took that looked for files, which have ended.
    return Taken(target.size, watch.seconds, watch.processor + beside.processor), phases


def _erase(writer: Writer, grove: Grove, phases: Phases, size: int) -> None:
    with phases.phase("overwrite"):
        overwrite(writer, writer.layout("whole"), KEYSTREAM, start=0, advance=lambda *_: None, loop=_loop())
    with phases.phase("settle"):
        writer.settle()
    with phases.phase("read back below"):
        found = read_back_all(writer, writer.layout("whole"), KEYSTREAM, _loop())
    with phases.phase("list of extents"), (grove.state.parent / "extents.jsonl").open("wb") as file:
        file.writelines(writer.physical_extents() or ())
    if found.matched != size:
        raise SystemExit(f"the blocks do not hold what was written: {found}")
    with phases.phase("release"):
        writer.release()


def _loop() -> Loop:
    return Loop(Pace(), Unstopped())


def shred(grove: Grove, count: int) -> float:
    """Seconds for one pass and the removal, as fast as it goes: one process for all files."""
    grove.lay(count, SMALL)
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        named = "\0".join(map(str, grove.paths(count)))
        subprocess.run(["xargs", "-0", "shred", "-u", "-n1"], input=named, text=True, check=True)
    shutil.rmtree(grove.top / "all")
    return watch.seconds


def measure_small(folder: Path, count: int, rounds: int, *options: str, flush: float = 0.0) -> Result:
    """Files a second against shred's, each on fresh files of 4 KiB, where a flush takes so many seconds or more."""
    print(f"measuring small-files-vs-shred, {count} files", file=sys.stderr)
    with grove_in(folder, 256 << 20, count + 1000, *options, flush=flush) as grove:
        ours = []
        for _ in range(rounds):
            grove.lay(count, SMALL)
            ours.append(erase(grove)[0])
        peer = shred(grove, count)
    best = min(one.seconds for one in ours)
    least = min(one.processor_per_gibibyte for one in ours)
    rate, peer_rate = count / best, count / peer
    return Result(
        "small-files-vs-shred", round(rate, 1), round(peer_rate, 1), "files/s", round(rate / peer_rate, 1), least, 0.0
    )


def measure_large(folder: Path, size: int, rounds: int, *options: str) -> Result:
    """The write of one large file, flush included, against fio's over the same file."""
    print("measuring large-file-vs-fio", file=sys.stderr)
    with grove_in(folder, size + (256 << 20), 1000, *options) as grove:
        grove.lay(1, SMALL)
        (path,) = grove.paths(1)
        _fill(path, size)
        grove.sync()
        figures = [(_write_large(grove), _fio(path, size)) for _ in range(rounds)]
    return compared_rates("large-file-vs-fio", [one for one, _ in figures], [one for _, one in figures])


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(b"\xa5" * (1 << 20))


def _write_large(grove: Grove) -> Taken:
    carrier, selector = grove.order()
    target = grove.find(carrier, selector)
    with grove.opened(target, carrier, selector) as writer, stopwatch(resource.RUSAGE_SELF) as watch:
        overwrite(writer, writer.layout("whole"), KEYSTREAM, start=0, advance=lambda *_: None, loop=_loop())
    return Taken(target.size, watch.seconds, watch.processor)


def _fio(path: Path, size: int) -> Taken:
    command = ["fio", "--name=peer", f"--filename={path}", "--rw=write", f"--size={size}", STATIC_RANDOM]
    depth = ["--bs=1M", "--direct=1", "--ioengine=libaio", "--iodepth=8", "--end_fsync=1", "--output-format=json"]
    # Not made anew: it writes over the blocks that are there, as ours does.
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        told = output_of(*command, *depth, "--overwrite=1", "--allow_file_create=0")
    job = json.loads(told[told.index("{") :])["jobs"][0]
    return Taken(size, size / float(job["write"]["bw_bytes"]), watch.processor)


def measure_many(folder: Path, count: int, *options: str) -> Result:
    """A tree of so many files of 4 KiB: files a second against `rm -r` and a flush, which erase nothing; and memory."""
    print(f"measuring many-files-vs-rm, {count} files", file=sys.stderr)
    size = count * (SMALL + 512) + (512 << 20)
    with grove_in(folder, (size >> 20) << 20, count + count // 500 + 1000, *options) as grove:
        grove.lay(count, SMALL)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        taken, _ = erase(grove)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grove.lay(count, SMALL)
        with stopwatch(resource.RUSAGE_CHILDREN) as watch:
            output_of("rm", "-r", str(grove.top / "all"))
            grove.sync()
    print(f"  {count} files: memory at its highest {after >> 10} MiB, {before >> 10} before the run", file=sys.stderr)
    rate, peer = count / taken.seconds, count / watch.seconds
    least = taken.processor_per_gibibyte
    return Result("many-files-vs-rm", round(rate, 1), round(peer, 1), "files/s", round(rate / peer, 3), least, 0.0)


def main(arguments: list[str]) -> int:
    """The results are told; only blocks that do not hold what was written are a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/files", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 small files and 512 MiB, not 10,000 and 2 GiB")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of ours; shred has one (default: 3)")
    parser.add_argument("--direct", action="store_true", help="loop devices past the cache of the file below them")
    parser.add_argument(
        "--flush",
        type=float,
        metavar="MS",
        help="small files alone, on a disk whose flush takes MS milliseconds or more",
    )
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="folder on the disk to measure on")
    parser.add_argument(
        "--million", type=int, nargs="?", const=1_000_000, help="a tree of so many files, and only that"
    )
    chosen = parser.parse_args(arguments)
    # As Ctrl-C does: mounts and loop devices are given back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    direct = ("--direct-io=on",) if chosen.direct else ()
    measures: tuple[Callable[[], Result], ...] = (
        lambda: measure_small(chosen.disk, QUICK if chosen.quick else WHOLE, chosen.rounds, *direct),
        lambda: measure_large(chosen.disk, LARGE_QUICK if chosen.quick else LARGE, chosen.rounds, *direct),
    )
    if chosen.flush:
        count = QUICK if chosen.quick else WHOLE
        measures = (lambda: measure_small(chosen.disk, count, chosen.rounds, *direct, flush=chosen.flush / 1000),)
    if chosen.million:
        measures = (lambda: measure_many(chosen.disk, chosen.million, *direct),)
    tell([measure() for measure in measures], as_json=chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
