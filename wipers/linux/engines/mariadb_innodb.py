"""InnoDB's own files, where rows stay besides their table: undo, doublewrite buffer, redo; each emptied while the
server is at work.

The doublewrite buffer is displaced by pages of a table of our own, and looked at: its pages say whose they are. Undo is
displaced by updates of that table, in rounds, until no sampled value is found in the files any more.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from wipers.linux.engines.mariadb_redo import begin_redo, give_redo_back
from wipers.linux.engines.mariadb_server import Server
from wipers.linux.engines.mariadb_take import Taking
from wipers.linux.engines.mariadb_traces import files_like, filler_schema
from wipers.searching import Search, literal, search_for

ROUNDS = 5
"""Rounds of displacing, each with more traffic than the one before."""
SEGMENTS = 128
"""Rollback segments of InnoDB, which transactions are given in turn."""
FILLER_ROWS = 600
"""Rows of the filler; two a page make more pages than the doublewrite buffer has."""
UNDO = 24 << 20
"""Bytes of undo that displacing it once makes, where there was none to use again."""
TRX_SYS = 5
"""Page of the system tablespace that says where the doublewrite buffer lies (storage/innobase/include/trx0sys.h)."""
DOUBLEWRITE = 200
DOUBLEWRITE_MAGIC = 536853855
WINDOW = 28
"""Bytes of a value that are looked for."""
CHUNK = 1 << 22
SPACE_ID = 34
"""Offset of the tablespace's number in a page (fil0fil.h FIL_PAGE_SPACE_ID)."""


def scrub_innodb(taking: Taking, values: tuple[bytes, ...], *, is_blind: bool) -> None:
    """Undo, doublewrite buffer and redo hold nothing of what was taken out: in rounds, until the values that were
    sampled are in none of these files; in two where values cannot be seen there, or there are none."""
    server = taking.server
    filler = filler_schema(taking) + ".`filler`"
    size = min(int(server.variable("innodb_page_size")) * 3 // 7, 7900)
    number = _make_filler(server, filler, size)
    found: set[str] = set()
    for turn in range(ROUNDS):
        taking.rest()
        _displace_undo(taking, filler, size, turn)
        begin_redo(taking)
        _displace_doublewrite(taking, filler, size, number, is_blind=is_blind)
        found = codes_found(taking, values)
        if not found and ((values and not is_blind) or turn > 0):
            break
    else:
        taking.left |= found
    give_redo_back(taking)
    server.run(f"DROP TABLE {filler}")


def _make_filler(server: Server, filler: str, size: int) -> int:
    """A table whose pages are on disk, since the doublewrite buffer takes no page that was never written; return the
    number of its tablespace."""
    server.run(
        f"CREATE OR REPLACE TABLE {filler} (id INT PRIMARY KEY, a VARBINARY(8000))"
        " ENGINE = InnoDB ROW_FORMAT = DYNAMIC STATS_PERSISTENT = 0 CHARSET = latin1"
    )
    server.run("SET SESSION autocommit = 0")
    for row in range(FILLER_ROWS):
        server.run(f"INSERT INTO {filler} VALUES (%s, REPEAT('a', {size}))", row)
    server.run("COMMIT")
    server.run("SET SESSION autocommit = 1")
    _flush_table(server, filler)
    name = filler.replace("`", "").replace(".", "/")
    return int(server.one("SELECT space FROM information_schema.innodb_sys_tablespaces WHERE name = %s", name))


def _flush_table(server: Server, filler: str) -> None:
    server.run(f"FLUSH TABLES {filler} FOR EXPORT")
    server.run("UNLOCK TABLES")


def _displace_undo(taking: Taking, filler: str, size: int, turn: int) -> None:
    """Every rollback segment was used for more than a page, and one transaction in each undo tablespace for much."""
    server = taking.server
    if turn:
        # What is written now is cleared away for the next turn only where nobody sees what it replaces.
        taking.awaited()
        taking.gone_by = None
    letters = "bcdefghijk"
    for number in range(SEGMENTS * 2):
        letter = letters[(number + turn) % len(letters)]
        server.run(f"UPDATE {filler} SET a = REPEAT('{letter}', {size}) WHERE id < 6")
    spaces = max(int(server.variable("innodb_undo_tablespaces") or 0), 1)
    for _ in range(spaces if turn else 0):
        if not taking.has_room((2 << turn) * FILLER_ROWS * size + undo_room(server)):
            taking.left.add("undo-log")
            break
        server.run("SET SESSION autocommit = 0")
        for number in range(2 << turn):
            server.run(f"UPDATE {filler} SET a = REPEAT('{letters[number % len(letters)]}', {size})")
        server.run("COMMIT")
        server.run("SET SESSION autocommit = 1")
    wait_for_purge(taking)


def undo_room(server: Server) -> int:
    """Bytes by which the file becomes longer that undo lies in."""
    return max(int(server.variable("innodb_autoextend_increment")) << 20, UNDO)


def wait_for_purge(taking: Taking) -> None:
    """What transactions deleted that ended before now, or had ended when the rows were gone where a snapshot of our own
    was taken after that, is cleared away; raises Lost where a reader still sees it."""
    server = taking.server
    goal = taking.gone_by or transactions(server)
    taking.wait(
        lambda: _is_idle(server) or _status_number(server, "Purge done for trx's n:o <") >= goal,
        "a session still sees old versions of the rows",
    )


def transactions(server: Server) -> int:
    """A number that every transaction which ends from now on is above."""
    server.run("SET SESSION autocommit = 0")
    found = _status_number(server, "Trx id counter")
    server.run("COMMIT")
    server.run("SET SESSION autocommit = 1")
    return found


def _is_idle(server: Server) -> bool:
    found = server.rows("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")
    return bool(found) and int(found[0][1]) == 0


def _status_number(server: Server, mark: str) -> int:
    """A number of the storage engine's report, the first one behind a mark."""
    text = str(server.rows("SHOW ENGINE INNODB STATUS")[0][2])
    _, found, rest = text.partition(mark)
    word = rest.split()[0].rstrip(",") if found else "0"
    return int(word) if word.isdigit() else 0


def _displace_doublewrite(taking: Taking, filler: str, size: int, number: int, *, is_blind: bool) -> None:
    """Every page of the doublewrite buffer is one of the filler, as those pages themselves say; where all of them are
    ciphertext, which says nothing, every one was written since this began."""
    server = taking.server
    if not server.is_on("innodb_doublewrite"):
        return
    before = _doublewrite_pages(server)
    for letter in "lmnopqrs":
        server.run(f"UPDATE {filler} SET a = REPEAT('{letter}', {size})")
        _flush_table(server, filler)
        now = _doublewrite_pages(server)
        if all(_space_of(page) == number for page in now) or (is_blind and _is_written_over(before, now)):
            return
    taking.left.add("doublewrite-buffer")


def _is_written_over(before: list[bytes], now: list[bytes]) -> bool:
    """Whether no page is what it was, but for those that never held anything."""
    return len(before) == len(now) and all(
        page != other or not any(page) for page, other in zip(before, now, strict=True)
    )


def _space_of(page: bytes) -> int:
    """Number of the tablespace that a page belongs to."""
    return int(struct.unpack_from(">I", page, SPACE_ID)[0])


def _doublewrite_pages(server: Server) -> list[bytes]:
    """The pages in the doublewrite buffer; none where there was never one."""
    page = int(server.variable("innodb_page_size"))
    extent = max(1 << 20, page * 64) // page
    with system_files(server)[0].open("rb") as file:
        file.seek((TRX_SYS + 1) * page - DOUBLEWRITE + 10)
        magic, *blocks = struct.unpack(">III", file.read(12))
        if magic != DOUBLEWRITE_MAGIC:
            return []
        found = []
        for first in blocks:
            file.seek(first * page)
            found += [file.read(page) for _ in range(extent)]
    return found


def system_files(server: Server) -> tuple[Path, ...]:
    """Files of the system tablespace, the first first."""
    folder = server.path("innodb_data_home_dir", ".")
    return tuple(folder / one.split(":")[0] for one in str(server.variable("innodb_data_file_path")).split(";"))


def temporary_files(server: Server) -> tuple[Path, ...]:
    """Files of the temporary tablespace, which the server removes when it ends."""
    folder = server.path("innodb_data_home_dir", ".")
    return tuple(folder / one.split(":")[0] for one in str(server.variable("innodb_temp_data_file_path")).split(";"))


def undo_files(server: Server) -> tuple[Path, ...]:
    """Files of the undo tablespaces."""
    return files_like(server.path("innodb_undo_directory", "."), "undo[0-9]*")


def codes_found(taking: Taking, values: tuple[bytes, ...]) -> set[str]:
    """In which of the engine's own files a sampled value is found, by residual code."""
    server = taking.server
    search = search_for(tuple(literal(value[:WINDOW]) for value in values))()
    places = (
        ("undo-log", (*system_files(server), *undo_files(server))),
        ("write-ahead-log", files_like(server.path("innodb_log_group_home_dir", "."), "ib_logfile*")),
    )
    return {code for code, paths in places if any(_has_any(path, search) for path in paths)}


def _has_any(path: Path, search: Search) -> bool:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for begin in range(0, size, CHUNK):
            # What lies across the seam is read twice.
            file.seek(begin)
            if search.scan(memoryview(file.read(CHUNK + WINDOW))):
                return True
    return False
