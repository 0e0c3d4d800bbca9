"""`python -m benchmarks.records`: rows taken out of a table as `run` takes them, beside the engine's own rewrite of the
same table in the same run, and the hunt beside fio's reading of the same device.

Ours is timed from the search for the records to the last check, and includes what the peers do not do: samples, the
overwriting and reading back of what held the rows, the hunt over the whole device, the count of what stays. Beside
each ratio stand the seconds of each step, from the journal's times, the exclusive lock, and how long somebody else
waited who read rows that stay all the while.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.beds import Bed, bed_in, ext4_on, output_of
from benchmarks.machine import Result, compared_rates, tell
from benchmarks.timing import Taken, stopwatch
from benchmarks.told import Clocked, others_reading, parts_of
from benchmarks.waits import measure_waits, victims_of
from certificates.statements import Outcome, WithdrawalRecord
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted
from tests.support.records_ordered import order_records, text
from wipers.hunting import hunt
from wipers.linux.direct import Storage
from wipers.linux.residue import THREADS
from wipers.needles import from_values
from wipers.packings import PACKINGS
from wipers.pipeline import Unstopped

ROWS = 1000
"""Rows that are to go, whatever the size of the table."""
QUICK, WHOLE = 64 << 20, 1 << 30
"""Bytes of the table."""
WIDTH = 240
"""Bytes of a row, about."""


@contextmanager
def disk_in(folder: Path, size: int, times: int = 4) -> Iterator[Mounted]:
    """A file system with room for the table, its copy and the logs, on a device that no cache lies below."""
    with bed_in(folder, size * times + (384 << 20), "--direct-io=on") as bed, ext4_on(bed) as root:
        # Servers run as users of their own.
        bed.folder.chmod(0o755)
        root.chmod(0o755)
        yield Mounted(bed.folder / "image", Path(bed.device), root)


Reading = Callable[[], Callable[[], object]]
"""Connects, and returns what reads once."""


def carried_out(name: str, ordered: Ordered, reading: Reading | None, peer: float) -> Result:
    """A whole run, which must end proven, beside a peer's seconds."""
    run = CarriedOut(ordered)
    with others_reading(reading) as waits:
        run.journal = Clocked()
        run.go()
        seconds = time.perf_counter() - run.journal.began
    if run.stopped is not None or run.claim.outcome is not Outcome.PROVEN:
        raise SystemExit(f"{name}: {run.stopped or run.claim}")
    taken = next(one for one in run.records if isinstance(one, WithdrawalRecord))
    details = {f"seconds, {part}": each for part, each in parts_of(run, seconds).items()}
    details |= {
        "exclusive-lock-ms": taken.locked_milliseconds,
        "held-mib": taken.size >> 20,
        **(waits.told() if waits else {}),
    }
    return Result(name, round(seconds, 2), round(peer, 2), "s", round(peer / seconds, 3), 0.0, 0.0, details)


def timed(act: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure_sqlite(folder: Path, size: int) -> Result:
    """Against VACUUM of the same file."""
    with disk_in(folder, size) as disk:
        (disk.root / "data").mkdir()
        path = disk.root / "data" / "bench.db"
        count = size // WIDTH
        with closing(sqlite3.connect(path)) as made, made:
            made.execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, who TEXT, what TEXT)")
            made.execute("CREATE INDEX bench_who ON bench (who)")
            rows = ((number, who_of(number, count), os.urandom(85).hex()) for number in range(count))
            made.executemany("INSERT INTO bench VALUES (?, ?, ?)", rows)
        disk.sync()
        with closing(sqlite3.connect(path, isolation_level=None)) as peer:
            seconds = timed(lambda: peer.execute("VACUUM"))
        disk.sync()
        state = disk.image.parent / "state"
        ordered = order_records(
            "sqlite", path, state, table="bench", condition="who LIKE :who", parameters=(text("who", "VCTM%"),)
        )
        # Nobody reads meanwhile: whoever has the file open is told of and waited for.
        return carried_out("rows-sqlite-vs-vacuum", ordered, None, seconds)


def who_of(number: int, count: int) -> str:
    """Who a row is about: a thousand, spread over the table, are to go."""
    is_to_go = number % (count // ROWS) == 0 and number // (count // ROWS) < ROWS
    return f"{'VCTM' if is_to_go else 'KEEP'}-{number:08d}"


WHO = "CASE WHEN g % {stride} = 0 AND g / {stride} < 1000 THEN 'VCTM-' ELSE 'KEEP-' END"


def measure_postgresql(folder: Path, size: int) -> Result:
    """Against VACUUM FULL of the same table."""
    from tests.support.servers.postgresql import postgresql

    with disk_in(folder, size) as disk, postgresql(disk.root) as server:
        count = size // WIDTH
        who = WHO.format(stride=count // ROWS)
        server.query("CREATE TABLE bench (id int PRIMARY KEY, who text, what text)")
        server.query(
            f"INSERT INTO bench SELECT g, {who} || lpad(g::text, 8, '0'), md5(g::text) || md5('a' || g) || "
            f"md5('b' || g) || md5('c' || g) || md5('d' || g) FROM generate_series(0, {count - 1}) g"
        )
        server.query("CREATE INDEX ON bench (who)")
        server.query("CHECKPOINT")
        seconds = timed(lambda: server.query("VACUUM FULL bench"))
        server.query("CHECKPOINT")
        ordered = victims_of(disk, server)

        def connect() -> Callable[[], object]:
            session = server.connect()
            session.autocommit = True
            return lambda: session.execute("SELECT what FROM bench WHERE id = 1").fetchone()

        return carried_out("rows-postgresql-vs-vacuum-full", ordered, connect, seconds)


def measure_mariadb(folder: Path, size: int) -> Result:
    """Against OPTIMIZE TABLE of the same table."""
    from tests.support.servers.mariadb import mariadb

    with disk_in(folder, size) as disk, mariadb(disk.root) as server:
        count = size // WIDTH
        who = f"CONCAT({WHO.format(stride=count // ROWS)}, LPAD(g, 8, '0'))".replace(" / ", " DIV ")
        what = "CONCAT(" + ", ".join(f"MD5(CONCAT('{part}', g))" for part in "abcde") + ")"
        server.query("CREATE DATABASE bench")
        server.query(
            "CREATE TABLE bench (id INT PRIMARY KEY, who VARCHAR(40), what VARCHAR(200), KEY (who)) ENGINE = InnoDB",
            f"INSERT INTO bench SELECT g, {who}, {what} FROM (SELECT seq AS g FROM seq_0_to_{count - 1}) AS every",
            database="bench",
        )
        seconds = timed(lambda: server.query("OPTIMIZE TABLE bench", database="bench"))
        ordered = order_records(
            "mariadb",
            server.data,
            disk.image.parent / "state",
            table="bench",
            condition="who LIKE :who",
            parameters=(text("who", "VCTM%"),),
            system=str(server.query("SELECT @@global.server_uid")[0][0]),
            database="bench",
            connect={"socket": str(server.socket)},
        )

        def connect() -> Callable[[], object]:
            cursor = server.connect("bench").cursor()
            return lambda: (cursor.execute("SELECT what FROM bench WHERE id = 1"), cursor.fetchall())

        return carried_out("rows-mariadb-vs-optimize", ordered, connect, seconds)


def measure_filling(folder: Path, size: int) -> Result:
    """Ten rows by filling holes, while others read and write."""
    with disk_in(folder, size, 3) as disk:
        return measure_waits(disk, size)


def measure_hunt(folder: Path, size: int, rounds: int) -> Result:
    """Needles over a device, every form of them, against fio's reading of it: on the disk past every cache, which is
    the result, and in memory, where nothing waits for a disk."""
    found: dict[str, Result] = {}
    for where, below, options in (("disk", folder, ("--direct-io=on",)), ("memory", Path("/dev/shm"), ())):
        with bed_in(below, size, *options) as bed:
            _mix(bed)
            for count in NEEDLES:
                found[f"{where}, {count} needles"] = _hunted(bed, count, rounds)
    details = {f"ratio, {name}": one.ratio for name, one in found.items()}
    details |= {f"MB/s, {name}": one.ours for name, one in found.items()}
    return replace(found[f"disk, {NEEDLES[-1]} needles"], details=details)


NEEDLES = (1, 20, 200)


def _mix(bed: Bed) -> None:
    """Half of the device holds chance, as what is packed or enciphered looks, half texts: nothing of it is skipped."""
    rows = b"".join(
        b"%08d|KEEP-%06x|lives in Springfield %d; born 1970-01-01\n" % (n, n * 7919, n) for n in range(20000)
    )
    with Path(bed.device).open("r+b", buffering=0) as device:
        for at in range(bed.size >> 20):
            device.write(os.urandom(1 << 20) if at % 2 else rows[: 1 << 20].ljust(1 << 20, b"."))
        os.fsync(device.fileno())


def _hunted(bed: Bed, count: int, rounds: int) -> Result:
    """So many needles on the device, against reading it."""
    needles = from_values((os.urandom(24) for _ in range(count)), b"k" * 32)
    ours, peer = [], []
    for _ in range(rounds):
        descriptor = os.open(bed.device, os.O_RDONLY | os.O_DIRECT)
        with Storage(descriptor, bed.device, bed.size, 512) as storage, stopwatch(resource.RUSAGE_SELF) as watch:
            found = hunt(storage, needles, PACKINGS, told=lambda _, __: None, stop=Unstopped(), threads=THREADS)
        if found.hits or found.unread_size:
            raise SystemExit(f"the hunt found what is not there: {found}")
        ours.append(Taken(bed.size, watch.seconds, watch.processor))
        peer.append(_read(bed.device, bed.size))
    return compared_rates("hunt-vs-read", ours, peer)


def _read(device: str, size: int) -> Taken:
    command = ["fio", "--name=peer", f"--filename={device}", "--rw=read", "--bs=1M", "--direct=1", "--ioengine=libaio"]
    with stopwatch(resource.RUSAGE_CHILDREN) as watch:
        told = output_of(*command, "--iodepth=8", "--readonly", "--output-format=json")
    job = json.loads(told[told.index("{") :])["jobs"][0]
    return Taken(size, size / float(job["read"]["bw_bytes"]), watch.processor)


ENGINES = {
    "sqlite": "rows-sqlite-vs-vacuum",
    "postgresql": "rows-postgresql-vs-vacuum-full",
    "mariadb": "rows-mariadb-vs-optimize",
    "filling": "few-rows-postgresql",
    "hunt": "hunt-vs-read",
}
"""Short names of the results."""


def size_of(text: str) -> int:
    """Bytes of `256M` or `1G`; raises ValueError."""
    return int(text[:-1]) << {"M": 20, "G": 30}[text[-1:].upper()] if text[-1:].isalpha() else int(text)


def main(arguments: list[str]) -> int:
    """The results are told; a run that does not end proven is a failure."""
    parser = argparse.ArgumentParser(prog="benchmarks/databases", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tables of 64 MiB, not 1 GiB")
    parser.add_argument("--size", type=size_of, help="bytes of the table, as 256M or 1G (default: 1G)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the hunt (default: 3)")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="folder on the disk to measure on")
    parser.add_argument("--engine", action="append", choices=sorted(ENGINES), help="one engine; may be given again")
    parser.add_argument("--only", action="append", help="one result by its name; may be given again")
    chosen = parser.parse_args(arguments)
    # As Ctrl-C does: servers, mounts and loop devices are given back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    size = chosen.size or (QUICK if chosen.quick else WHOLE)
    measures: dict[str, Callable[[], Result]] = {
        "rows-sqlite-vs-vacuum": lambda: measure_sqlite(chosen.disk, size),
        "rows-postgresql-vs-vacuum-full": lambda: measure_postgresql(chosen.disk, size),
        "rows-mariadb-vs-optimize": lambda: measure_mariadb(chosen.disk, size),
        "few-rows-postgresql": lambda: measure_filling(chosen.disk, size),
        "hunt-vs-read": lambda: measure_hunt(chosen.disk, size, chosen.rounds),
    }
    wanted = [*(chosen.only or []), *(ENGINES[one] for one in chosen.engine or [])]
    results = []
    for name, measure in measures.items():
        if not wanted or name in wanted:
            print(f"measuring {name}", file=sys.stderr)
            results.append(measure())
    tell(results, as_json=chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
