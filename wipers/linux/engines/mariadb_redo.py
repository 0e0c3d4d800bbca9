"""InnoDB's redo log, begun anew while the server is at work: a change of its size makes a new file, and brings every
page that was changed before to disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread

from certificates.errors import Refused
from wipers.linux.engines import room_missing
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.engines.mariadb_traces import filler_schema
from wipers.linux.held import Held
from wipers.model import Lost

STEP = 4 << 20
MOST = 256 << 20
"""Size from which redo is made smaller for a while: every one of the files is held until it is written over."""
WIDE = 64 << 20
"""Size at which a rewriting is not held up by checkpoints any more: every page of a new file passes through the log."""
LARGE = 64 << 20
"""Bytes of a table whose rewriting goes several times round a smaller log."""
NUDGE = 0.02
"""Seconds from one nudge to the next."""


def widen_redo(taking: Taking, rewritten: int, room: int) -> None:
    """A log that is small beside what is going to be rewritten is larger for so long, where so much room is free beside
    what all the rest needs; what its size was is noted."""
    server = taking.server
    before = int(server.variable("innodb_log_file_size"))
    if before >= WIDE or rewritten < LARGE or room_missing(taking.where, room + WIDE) is not None:
        return
    _note(taking)
    _resize(taking, WIDE)


def begin_redo(taking: Taking) -> None:
    """The log is a new file of another size, and every page that was changed before is in its table's file: a change of
    size makes both so. What the size was is noted, and given back in the end."""
    server = taking.server
    _note(taking)
    now, noted = int(server.variable("innodb_log_file_size")), _noted(taking)
    # One that was widened is given back at once.
    is_way_back = now != noted <= MOST and noted >= int(server.variable("innodb_log_buffer_size"))
    wanted = noted if is_way_back else _size(server, noted)
    _resize(taking, wanted + STEP * (wanted == now))


def give_redo_back(taking: Taking) -> None:
    """The log has the size that it had, where the server takes it at work."""
    size, server = _noted(taking), taking.server
    now = int(server.variable("innodb_log_file_size"))
    if now != size >= int(server.variable("innodb_log_buffer_size")):
        _resize(taking, size)


def redo_room(server: Server, noted: int | None = None) -> int:
    """Bytes of the logs that are made one after the other while each before is held; `noted` is the size that a run
    found, where it is cut and the log may be wide."""
    before = noted or int(server.variable("innodb_log_file_size"))
    return _size(server, before) + before


def _note(taking: Taking) -> None:
    if taking.held.manifest.last("redo") is None:
        taking.held.manifest.write("redo", size=int(taking.server.variable("innodb_log_file_size")))


def _noted(taking: Taking) -> int:
    return redo_noted(taking.held) or int(taking.server.variable("innodb_log_file_size"))


def redo_noted(held: Held) -> int | None:
    """Size of the log when the run began; none before it was noted."""
    noted = held.manifest.last("redo")
    return int(noted.facts["size"]) if noted is not None else None


def _size(server: Server, before: int) -> int:
    """A size that is not the one it has, and not much larger than it must be: the old file is held meanwhile."""
    return max(min(before, MOST), int(server.variable("innodb_log_buffer_size"))) + STEP


def _resize(taking: Taking, size: int) -> None:
    server = taking.server
    if taking.take((server.path("innodb_log_group_home_dir", ".") / "ib_logfile0",)):
        taking.left.add("write-ahead-log")
    if not taking.has_room(size):
        taking.left.add("write-ahead-log")
        return
    try:
        with _nudged(taking):
            server.run(f"SET GLOBAL innodb_log_file_size = {size}")
    except Lost as error:
        if "1238" not in error.facts.get("detail", ""):
            raise
        taking.left.add("write-ahead-log")
        return
    taking.count("log-segments-held", 1)


@contextmanager
def _nudged(taking: Taking) -> Iterator[None]:
    """The page cleaner takes no rest meanwhile: it ends a change of size in two of its turns, each of a second where
    nobody asks for a checkpoint behind something new (buf0flu.cc buf_flush_page_cleaner). Measured 0.1 s for 2.0."""
    table = filler_schema(taking) + ".`nudge`"
    taking.server.run(f"CREATE OR REPLACE TABLE {table} (a INT PRIMARY KEY) ENGINE = InnoDB STATS_PERSISTENT = 0")
    taking.server.run(f"INSERT INTO {table} VALUES (0)")
    is_over = Event()
    nudging = Thread(target=_nudge, args=(taking.server, table, is_over), daemon=True)
    nudging.start()
    try:
        yield
    finally:
        is_over.set()
        nudging.join()


def _nudge(server: Server, table: str, is_over: Event) -> None:
    # Without it the change comes to its end too, later.
    with suppress(Lost, Refused), closing(server.alike()) as other:
        while not is_over.wait(NUDGE):
            other.run(f"UPDATE {table} SET a = a + 1")
            other.run("SET GLOBAL innodb_log_checkpoint_now = 1")
