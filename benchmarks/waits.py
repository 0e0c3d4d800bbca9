"""Ten rows taken out of a large table of PostgreSQL while `pgbench` reads and updates it, beside that load alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import Result
from benchmarks.told import Clocked, parts_of
from certificates.statements import Method, Outcome, WithdrawalRecord
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered
from tests.support.ext4_image import Mounted
from tests.support.records_ordered import order_records, text
from tests.support.servers.postgresql import PostgreSQL, beginning, own, postgresql
from wipers.acts import Withdraw
from wipers.linux.engines.postgresql_server import system_identifier

ROWS = 10
"""Rows that are to go, spread over the table."""
WIDTH = 250
"""Bytes of a row, about."""
RATE = 400
"""Transactions a second, of four clients: nine of ten read a row by its key, one updates it."""
ALONE = 20
"""Seconds of the load alone."""
READ = "\\set id random(1, {count})\nSELECT what FROM bench WHERE id = :id;\n"
UPDATE = "\\set id random(1, {count})\nUPDATE bench SET what = reverse(what) WHERE id = :id AND who LIKE 'KEEP%';\n"


def measure_waits(disk: Mounted, size: int) -> Result:
    """The readers' 99th percentile during a whole run, proof included, against that of the load alone."""
    with postgresql(disk.root, shared_buffers="256MB", maintenance_work_mem="256MB", max_wal_size="1GB") as server:
        count = size // WIDTH
        _lay(server, count)
        load = _Load(server, count)
        with load.named("alone"):
            time.sleep(ALONE)
        run = CarriedOut(victims_of(disk, server))
        before = _written(disk)
        with load.named("beside"):
            run.journal = clock = Clocked()
            run.go()
            seconds = time.perf_counter() - clock.began
        if run.stopped is not None or run.claim.outcome is not Outcome.PROVEN:
            raise SystemExit(f"not proven: {run.stopped or run.claim}")
        if run.plan is None or Withdraw(Method.HOLE_FILLING) not in run.plan.steps:
            raise SystemExit("the planner did not choose to fill holes")
        taken = next(one for one in run.records if isinstance(one, WithdrawalRecord))
        ours, peer = load.waits("beside"), load.waits("alone")
        details = {
            "exclusive-lock-ms": float(taken.locked_milliseconds),
            **{f"readers, {name}": each for name, each in ours.items()},
            **{f"readers of the load alone, {name}": each for name, each in peer.items()},
            "held-mib": taken.size >> 20,
            "written-mb, the load's own among them": (_written(disk) - before) / 1e6,
            **{f"seconds, {part}": each for part, each in parts_of(run, seconds).items()},
        }
        ratio = round(peer["p99-ms"] / ours["p99-ms"], 3)
        return Result("few-rows-postgresql", ours["p99-ms"], peer["p99-ms"], "ms", ratio, 0.0, 0.0, details)


def _lay(server: PostgreSQL, count: int) -> None:
    """The table with an index of numbers and one of texts, vacuumed as autovacuum would have done long ago."""
    who = f"CASE WHEN g % {count // ROWS} = 0 THEN 'VCTM-' ELSE 'KEEP-' END || lpad(g::text, 9, '0')"
    what = " || ".join(f"md5('{part}' || g)" for part in "abcde")
    server.query("CREATE TABLE bench (id int PRIMARY KEY, who text, what text)")
    server.query(f"INSERT INTO bench SELECT g, {who}, {what} FROM generate_series(1, {count}) g")
    server.query("CREATE INDEX ON bench (who)")
    server.query("VACUUM ANALYZE bench")
    server.query("CHECKPOINT")


class _Load:
    """What `pgbench` does beside, and how long each of its reads took."""

    def __init__(self, server: PostgreSQL, count: int) -> None:
        """The scripts and logs lie where the server's user may write."""
        self._server = server
        self._folder = server.data.parent / "load"
        self._folder.mkdir()
        own(self._folder)
        for name, script in (("read", READ), ("update", UPDATE)):
            (self._folder / name).write_text(script.format(count=count))

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Clients are at work; every transaction is logged under the name."""
        scripts = ("-f", f"{self._folder}/read@9", "-f", f"{self._folder}/update@1")
        given = ("-n", "-h", self._server.socket, "-U", "postgres", "-c", "4", "-R", str(RATE), "-T", "86400")
        with beginning("pgbench", *given, *scripts, "-l", f"--log-prefix={self._folder}/{name}", "postgres") as load:
            yield
            # It writes its log by the buffer: what is lost with the last one is of this second.
            time.sleep(1)
            if load.poll() is not None:
                raise SystemExit(f"pgbench ended: {load.stdout.read() if load.stdout else ''}")

    def waits(self, name: str) -> dict[str, float]:
        """Milliseconds from when a read was due to its answer."""
        lines = (line.split() for log in self._folder.glob(f"{name}.*") for line in log.read_text().splitlines())
        # Client, number, microseconds, script, and the time (pgbench, "Per-Transaction Logging").
        took = sorted(int(line[2]) / 1000 for line in lines if len(line) > 5 and line[3] == "0")
        told = {"median-ms": 0.5, "p99-ms": 0.99, "p99.9-ms": 0.999}
        return {name: took[int(len(took) * part)] for name, part in told.items()} | {"worst-ms": took[-1]}


def victims_of(disk: Mounted, server: PostgreSQL) -> Ordered:
    """An order for the rows of the table `bench` whose `who` begins with VCTM."""
    return order_records(
        "postgresql",
        server.data,
        disk.image.parent / "state",
        table="bench",
        schema="public",
        condition="who LIKE :who",
        parameters=(text("who", "VCTM%"),),
        system=system_identifier(server.data),
        database="postgres",
        connect={"socket": str(server.socket), "user": "postgres"},
        credentials=str(server.password_file),
    )


def _written(disk: Mounted) -> int:
    """Bytes that the device was given so far (Documentation/block/stat.rst: field 7, in sectors of 512)."""
    return int(Path(f"/sys/block/{disk.device.name}/stat").read_text().split()[6]) * 512
