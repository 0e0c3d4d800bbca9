"""The write-ahead log: every segment that may hold what goes is held, until the server has let go of all of them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wipers.linux.engines.postgresql_files import segments
from wipers.linux.engines.postgresql_server import NAME, one, rows, run
from wipers.linux.held import Held, Taken
from wipers.linux.manifest import sync_folder
from wipers.model import Lost

if TYPE_CHECKING:
    from psycopg import Connection

RECYCLE = "wal_recycle"
KEEP = "wal_keep_size"
ASKED = {RECYCLE: "off", KEEP: "0"}
"""Settings that would have the server go on with what is held, and what they are meanwhile."""
ROUNDS = 8
"""Checkpoints that are made one after the other until no segment is left; later ones wait for whoever reads the log."""
KEPT_SECONDS = 20.0
"""Seconds after which something keeps the log for good."""
BETWEEN_LOOKS = 0.02
"""Seconds after which segments that went while they were looked at are looked at again."""
BETWEEN = 0.25
"""Seconds between checkpoints that wait."""
PATIENCE = 60.0
"""Seconds that the archive is waited for."""
UNHURRIED = {"max_wal_size": "1048576", "checkpoint_timeout": "86400"}
"""Settings of a standby that waits: it removes segments by a restartpoint, which time or the size of the log have it
make, and one that came and went between two looks is lost to free blocks. In MiB and seconds."""
SET_BACK = frozenset({*ASKED, *UNHURRIED})
NEAR = 1
"""Segments ahead of the one that is written which the server may open at any moment."""
_SINCE = "SELECT extract(epoch FROM backend_start)::text FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
_SIZE = "SELECT pg_size_bytes(current_setting('wal_segment_size'))::int8"
_FOLLOWING = (
    "SELECT count(*) FROM pg_stat_replication WHERE state <> 'backup' AND coalesce(flush_lsn, '0/0') < %s::pg_lsn"
)
_WRITTEN = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_insert_lsn() END::text"
)


@dataclass(slots=True)
class Segments:
    """The log of one server while records are taken out of it."""

    session: Connection[Any]
    where: Path
    held: Held
    looked: int = 0
    """Number of the segment up to which marks were looked for."""
    since_mark: int | None = None
    """Number of the segment in which the last mark was found."""

    def begin(self) -> None:
        """It is noted since when the server is at work. One that began anew before its log was held removed segments by
        itself, which is told."""
        since = str(one(self.session, _SINCE))
        begun = self.held.manifest.last("log-begun")
        if begun is None:
            self.held.manifest.write("log-begun", since=since)
        elif self.held.manifest.last("log-held") is None and begun.facts["since"] != since:
            self.held.manifest.write("freed")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The server keeps every segment meanwhile; those that it has are held. A slot of the session does it, so that
        it ends with us whatever happens."""
        name = f"{NAME}_{one(self.session, 'SELECT pg_backend_pid()')}"
        self.session.execute("SELECT pg_create_physical_replication_slot(%s, true, true)", (name,))
        try:
            self.hold()
            if self.held.manifest.last("log-held") is None:
                self.held.manifest.write("log-held")
            yield
            self.hold()
        finally:
            if not self.session.closed:
                self.session.execute("SELECT pg_drop_replication_slot(%s)", (name,))

    def hold(self) -> int:
        """Every segment there is now has a further name among what is held; return how many were new."""
        for _ in range(ROUNDS):
            known = {taken.inode for taken in self.held.taken()}
            try:
                new = [file for file in segments(self.where) if file.stat().st_ino not in known]
                taken = self.held.link(new) if new else ()
            except FileNotFoundError:
                # A standby removes segments whenever it likes, several in a row. What was noted is known from now on,
                # and would never be held if it were not held now.
                time.sleep(BETWEEN_LOOKS)
                with suppress(FileNotFoundError):
                    self.held.finish()
                continue
            if self.held.pending():
                self.held.keep()
            return len(taken)
        raise Lost("engine-failed", where=str(self.where / "pg_wal"), detail="its segments come and go")

    def let_go(self) -> int:
        """The server has no held segment any more; return how many times it was made to begin a new one. Raises Lost
        where something keeps it from removing them."""
        switched = 0
        left: tuple[str, ...] = ()
        deadline = time.monotonic() + KEPT_SECONDS
        with self.not_recycled():
            for number in count():
                if number >= ROUNDS and time.monotonic() > deadline:
                    break
                # A standby with a slot is a moment behind.
                time.sleep(BETWEEN if number >= ROUNDS else 0)
                self.give_up_spares()
                for _ in range(max(self._unfinished(), 0 if switched else self._wanted_by_standbys())):
                    run(self.session, "SELECT pg_logical_emit_message(false, 'expunge', '')")
                    run(self.session, "SELECT pg_switch_wal()")
                    switched += 1
                self._wait_for_archive()
                self._wait_for_standbys()
                run(self.session, "CHECKPOINT")
                if not (left := self.held.linked_elsewhere()):
                    return switched
        raise Lost("records-in-use", where=str(self.where / "pg_wal"), detail=f"{len(left)} segments are kept")

    def give_up_spares(self) -> int:
        """Held segments that wait for being written, of an earlier use, have no other name; the server makes new ones
        when it comes to them. Return how many. One that it came to in the meantime has its name back."""
        inodes = {taken.inode for taken in self.held.taken()}
        size, at = self._position()
        later = (file for file in segments(self.where) if number_of(file.name, size) > at // size + NEAR)
        spares = {file: inode for file in later if (inode := _inode(file)) in inodes}
        if not spares:
            return 0
        names = {taken.inode: taken.name for taken in self.held.taken()}
        known = {file: names[inode] for file, inode in spares.items()}
        for file in spares:
            file.unlink(missing_ok=True)
        _, now = self._position()
        for file in spares:
            if number_of(file.name, size) <= now // size + NEAR and self.held.path is not None and not file.exists():
                os.link(self.held.path / known[file], file, follow_symlinks=False)
        sync_folder(self.where / "pg_wal")
        return len(spares)

    def give_back(self, taken: tuple[Taken, ...], first: int | None) -> None:
        """Of those segments the ones from that number on, or where it is not known the one being written and later,
        have no further name any more."""
        size, at = self._position()
        for one_taken in taken:
            is_late = number_of(one_taken.path.name, size) >= (at // size if first is None else first)
            if is_late and self.held.path is not None and one_taken.name in self.held.linked_elsewhere():
                (self.held.path / one_taken.name).unlink()

    def mark(self, mark: bytes) -> None:
        """The end of this run stands in the log, durable: a standby that replays it has replayed the run. Twice, since
        one may go across the end of a page."""
        for _ in range(2):
            run(self.session, "SELECT pg_logical_emit_message(true, 'expunge', %s::text)", (mark.decode("ascii"),))

    def marked(self, mark: bytes, since: int) -> int | None:
        """Return the position in the log of a mark that was received after that position; none where there is none."""
        size, received = self._position()
        found: int | None = None
        for taken in self.held.taken():
            number = number_of(taken.path.name, size)
            if not max(self.looked, since // size) <= number <= received // size or self.held.path is None:
                continue
            at = (self.held.path / taken.name).read_bytes().find(mark)
            position = number * size + at
            # Behind what was received stands what the segment held in an earlier use.
            if at >= 0 and since < position < received:
                found, self.since_mark = position, number
        if found is None:
            self.looked = received // size
        return found

    def _position(self) -> tuple[int, int]:
        """Return the size of a segment, and how far the log is written."""
        return int(one(self.session, _SIZE)), position_of(one(self.session, _WRITTEN))

    def _unfinished(self) -> int:
        """Return how many held segments the server writes now or next."""
        size, at = self._position()
        inodes = {taken.inode for taken in self.held.taken()}
        current = [file for file in segments(self.where) if number_of(file.name, size) >= at // size]
        return sum(_inode(file) in inodes for file in current)

    def _wanted_by_standbys(self) -> int:
        """Return how many segments a standby must be led past, so that none of an earlier use is written there."""
        return NEAR + 1 if one(self.session, "SELECT count(*) FROM pg_stat_replication") else 0

    def _wait_for_archive(self) -> None:
        deadline = time.monotonic() + PATIENCE
        status = self.where / "pg_wal" / "archive_status"
        if not one(self.session, "SELECT current_setting('archive_mode') <> 'off'"):
            return
        while any(status.glob("*.ready")):
            if time.monotonic() > deadline:
                raise Lost("records-in-use", where=str(self.where / "pg_wal"), detail="segments wait for the archive")
            time.sleep(0.05)

    def _wait_for_standbys(self) -> None:
        """Whoever follows has received what the next checkpoint removes: one without a slot would never find it again,
        and that nothing is kept for it is our own doing."""
        deadline = time.monotonic() + PATIENCE
        size, at = self._position()
        begin = at // size * size
        wanted = f"{begin >> 32:X}/{begin & 0xFFFFFFFF:X}"
        while behind := one(self.session, _FOLLOWING, (wanted,)):
            if time.monotonic() > deadline:
                detail = f"{behind} standbys have not received them"
                raise Lost("records-in-use", where=str(self.where / "pg_wal"), detail=detail)
            time.sleep(0.02)

    @contextmanager
    def not_recycled(self, also: Mapping[str, str] = {}) -> Iterator[None]:
        """Segments that are done with are removed: neither renamed to be written again, nor kept for a while."""
        for name, value in {**ASKED, **also}.items():
            was = rows(
                self.session,
                "SELECT setting, coalesce(sourcefile LIKE '%%/postgresql.auto.conf', false) FROM pg_settings"
                " WHERE name = %s",
                (name,),
            )
            own = str(was[0][0]) if was and was[0][1] else None
            self.held.manifest.write("setting", name=name, was=own)
            self.session.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        reload(self.session)
        try:
            yield
        finally:
            if not self.session.closed:
                restore_setting(self.session, self.held)


def restore_setting(session: Connection[Any], held: Held) -> None:
    """The settings that we changed are as they were. Idempotent."""
    done: set[str] = set()
    for line in reversed(held.manifest.lines):
        if line.phase == "setting-restored":
            break
        if line.phase == "setting" and line.facts["name"] in SET_BACK:
            done.add(line.facts["name"])
    for name in sorted(done):
        was = _was(held, name)
        value = f"SET {name} = {was}" if was is not None and was.isalnum() else f"RESET {name}"
        session.execute(f"ALTER SYSTEM {value}".encode())
    if done:
        reload(session)
        held.manifest.write("setting-restored", names=sorted(done))


def _was(held: Held, name: str) -> str | None:
    """Return what a setting was before the first time that it was changed and not restored."""
    found: str | None = None
    for line in reversed(held.manifest.lines):
        if line.phase == "setting-restored":
            break
        if line.phase == "setting" and line.facts["name"] == name:
            found = line.facts["was"]
    return found


def _inode(file: Path) -> int | None:
    """Return a segment's inode; none where the server removed it in the meantime."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return None


def number_of(name: str, size: int) -> int:
    """Return the number of a segment of so many bytes, whatever its timeline; -1 for what is none."""
    if len(name) != 24:
        return -1
    return int(name[8:16], 16) * ((1 << 32) // size) + int(name[16:], 16)


def position_of(lsn: Any) -> int:
    """Return a position in the log as a number; 0 where nothing came yet."""
    high, _, low = str(lsn or "0/0").partition("/")
    return int(high, 16) << 32 | int(low, 16)


def mark_of(database: str, thing: str) -> bytes:
    """Return what marks the end of a run in the log: it tells nothing of what went."""
    return f"expunge-done-{hashlib.sha256(f'{database} {thing}'.encode()).hexdigest()[:24]}".encode("ascii")


def reload(session: Connection[Any]) -> None:
    """The server reads its settings again, and had a moment for it."""
    session.execute("SELECT pg_reload_conf()")
    time.sleep(0.1)
