"""What stays in a SQLite database, written and proven where samples are taken, and kept until the rows are taken out:
one copy, one new file and one look at everything are enough for both.

Whether anybody has changed the database since is told by SQLite, to the connection that saw it: that stays open, at
rest. What it wrote is another run's to remove where this process dies (`sqlite.recover`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from certificates.statements import Fact
from wipers.linux.engines import Request
from wipers.linux.engines.sqlite_ahead import Ahead, check_count, end, has_room, prove, state_of
from wipers.linux.engines.sqlite_catalog import connected, read_catalog
from wipers.linux.engines.sqlite_reach import reach_of
from wipers.linux.engines.sqlite_rewrite import is_locked, remove_new
from wipers.linux.engines.sqlite_samples import can_be_looked_for, parts_in, parts_of, told_apart
from wipers.model import Lost

_KEPT: set[Kept] = set()
"""All that this process keeps: of two carriers that name one database, the first exchanges it."""


class Kept:
    """A new file, and the connection by which is known whether it still is what it has to be."""

    def __init__(self, request: Request, *, is_logged: bool, with_keys: bool) -> None:
        """Open the database; like all that follows under its `guard`."""
        self._request = request
        self.path = request.where
        self.is_logged = is_logged
        self._with_keys = with_keys
        self._left = ExitStack()
        # Whoever has a log open for writing moves it into the file when he leaves.
        self._connection = self._left.enter_context(connected(self.path, "ro" if is_logged else "rw"))
        self._connection.execute(f"PRAGMA foreign_keys = {'ON' if with_keys else 'OFF'}")
        self._new: Path | None = None
        self._inode = 0
        self._stamp = (0, 0, 0)
        self._ahead: Ahead | None = None
        _KEPT.add(self)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which nobody changes the database, or where it has a log nothing is seen of that."""
        self._connection.execute("BEGIN" if self.is_logged else "BEGIN IMMEDIATE")
        try:
            yield self._connection
        finally:
            end(self._connection)

    def samples(
        self, connection: sqlite3.Connection, expected: tuple[Fact, ...], most: int, begin: Callable[[], Path]
    ) -> tuple[bytes, ...] | None:
        """Samples of what goes, told apart by a new file without that, which is proven; none where all that has to
        wait. `begin`: makes the place of the new file. Within `reading`; raises sqlite3.Error, Refused, and Lost, also
        where it is another database than planned for."""
        if not has_room(connection, self._request.machine) or not can_be_looked_for(connection):
            return None
        state = state_of(connection)
        catalog = read_catalog(connection)
        reach = reach_of(connection, catalog, self._request, with_keys=self._with_keys)
        self._inode = check_count(self._request, expected, catalog, reach.rows)
        if not self._is_locked():
            raise Lost("records-changed", where="the database", detail="another file has its name")
        parts = parts_of(connection, reach, most)
        self._new = new = begin()
        found: set[bytes] = set()

        def look(written: Path) -> None:
            found.update(parts_in(written, parts))

        try:
            ahead = prove(connection, self._request, new, reach, with_keys=self._with_keys, look=look)
        except Lost:
            end(connection)
            if state_of(connection) == state:
                raise
            # A reader of a log keeps nobody from adding to it: the copy has what came later.
            return None
        if ahead is None:
            return None
        self._ahead = ahead
        self._stamp = _stamp(new)
        with connected(new, "ro") as rest:
            return tuple(told_apart(connection, reach, parts, found, rest))

    def look_again(self) -> None:
        """Its lock on a log was never let go of, by a descriptor that this process closed, or it is closed: without
        that, others may have put another log in the place of the one that it sees. Before anything opens the database
        again."""
        if self.is_logged and not self._is_locked():
            self.close()

    def handed_over(self) -> tuple[Ahead, int] | None:
        """What was written ahead and the file that it was written from, both as they were; none, and no new file, where
        either is not. Under a lock that keeps everybody from writing; closed then."""
        ahead, new = self._ahead, self._new
        if ahead is None or new is None or not self._is_as_it_was(new, ahead):
            self.close()
            return None
        self._new = None
        self.close()
        return ahead, self._inode

    def close(self) -> None:
        """Nothing is kept, and a new file that nobody took over is gone. Idempotent."""
        self._left.close()
        _KEPT.discard(self)
        if self._new is not None:
            remove_new(self._new)
        self._ahead = self._new = None

    def _is_as_it_was(self, new: Path, ahead: Ahead) -> bool:
        try:
            same = self.path.lstat().st_ino == self._inode and _stamp(new) == self._stamp
        except FileNotFoundError:
            return False
        return same and state_of(self._connection) == ahead.state

    def _is_locked(self) -> bool:
        return is_locked(self._inode, self._request.machine.proc, ("READ", "WRITE"))


def close_others(path: Path, kept: Kept | None) -> None:
    """Nothing else is kept of the database: whoever exchanges it must be the only one here who has it open."""
    for one in tuple(_KEPT):
        if one is not kept and one.path == path:
            one.close()


def let_go_of_log(path: Path) -> None:
    """No connection that is kept relies on its lock on a log, which whoever closes another descriptor of the database
    lets go of."""
    for one in tuple(_KEPT):
        if one.is_logged and one.path == path:
            one.close()


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns
