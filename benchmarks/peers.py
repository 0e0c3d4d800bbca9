"""The programs that are measured beside ours, each given its best fair options."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.beds import Bed, output_of
from benchmarks.timing import Taken, stopwatch

ZEROS = "--zero_buffers"
STATIC_RANDOM = "--scramble_buffers=0"
"""Random bytes drawn once: fio then does nothing but move them."""


def fio(bed: Bed, direction: str, *options: str) -> Taken:
    """1 MiB direct, eight in the air, by fio's own clock, which includes the flush at the end."""
    command = ["fio", "--name=peer", f"--filename={bed.device}", f"--rw={direction}", f"--size={bed.size}"]
    depth = ["--bs=1M", "--direct=1", "--ioengine=libaio", "--iodepth=8", "--end_fsync=1", "--output-format=json"]
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        told = output_of(*command, *depth, *options)
    job = json.loads(told[told.index("{") :])["jobs"][0]
    return Taken(bed.size, bed.size / float(job[direction]["bw_bytes"]), watch.processor)


def shred(bed: Bed) -> Taken:
    """One random pass."""
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        output_of("shred", "-n1", "-s", str(bed.size), bed.device)
    return Taken(bed.size, watch.seconds, watch.processor)


def scrub(bed: Bed) -> Taken:
    """One pass of its random pattern, without the signature that it would leave."""
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        output_of("scrub", "-f", "-S", "-p", "random", bed.device)
    return Taken(bed.size, watch.seconds, watch.processor)


def fio_many(beds: Sequence[Bed]) -> Taken:
    """A job a device, all at once, each as `fio` above; their sum is fio's own."""
    shared = ["--rw=write", "--bs=1M", "--direct=1", "--ioengine=libaio", "--iodepth=8", "--end_fsync=1", ZEROS]
    jobs = [word for bed in beds for word in (f"--name={Path(bed.device).name}", f"--filename={bed.device}")]
    size = sum(bed.size for bed in beds)
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        told = output_of("fio", *shared, f"--size={beds[0].size}", "--output-format=json", *jobs)
    found = json.loads(told[told.index("{") :])["jobs"]
    longest = max(float(job["write"]["runtime"]) for job in found) / 1000
    return Taken(size, longest, watch.processor)


def find_nwipe() -> str | None:
    """`NWIPE`, or the one on the path; none where there is none."""
    return shutil.which(os.environ.get("NWIPE") or "nwipe")


def has_generators(program: str) -> bool:
    """Whether this nwipe is one that lets its generator be chosen among today's (0.40 and later)."""
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    return "chacha20" in (told.stdout + told.stderr).lower()


def nwipe(program: str, bed: Bed, *more: str) -> Taken:
    """One pass of its default generator (or that of `more`), unverified, between the two lines of its log: its start-up
    is not counted."""
    log = bed.folder / "nwipe.log"
    log.unlink(missing_ok=True)
    options = ["--autonuke", "--nogui", "--method=random", "--rounds=1", "--verify=off", "--noblank"]
    command = [program, *options, *more, f"--logfile={log}", bed.device]
    with stopwatch(resource.RUSAGE_CHILDREN) as watch, (bed.folder / "nwipe.out").open("wb") as out:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=bed.folder)
        try:
            began, ended = _when_told(running, log, b"Starting pass"), _when_told(running, log, b"Finished pass")
        except BaseException:
            running.terminate()
            raise
        finally:
            running.wait()
    return Taken(bed.size, ended - began, watch.processor)


def _when_told(running: subprocess.Popen[bytes], log: Path, words: bytes) -> float:
    """The moment at which the log first has the words, to a hundredth of a second."""
    while True:
        is_over = running.poll() is not None
        if log.exists() and words in log.read_bytes():
            return time.perf_counter()
        if is_over:
            raise SystemExit(f"nwipe ended without {words.decode()!r} in its log")
        time.sleep(0.01)
