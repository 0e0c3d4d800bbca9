"""A whole SQLite database: its file with -wal, -shm and -journal beside it, locked as SQLite locks, then as files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from certificates.errors import Refused
from certificates.statements import Carrier, DatabaseIdentity, Fact, PathSelector, Selector
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.direct import error_name
from wipers.linux.fileacts import wishes_of
from wipers.linux.files import begin, found_target, hold_root, is_rest_of, outside_order, state_of, writer_of
from wipers.linux.filesystems import file_system_of
from wipers.linux.filewriter import FilesWriter
from wipers.linux.identity import check_free, check_unchanged
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.occupancy import occupy, system_refusals
from wipers.linux.runstate import Begun
from wipers.linux.sqlite_locks import LOCK, LOCK_BYTES, is_unfinished, process_changing, told
from wipers.linux.sqlite_pages import NotReadable, count_rows, has_magic, looks_encrypted, open_pages
from wipers.linux.streams import READING
from wipers.linux.usage import in_use
from wipers.model import Lost, Obstacle, Target

BESIDE = ("", "-wal", "-shm", "-journal")
"""What a database's files end in, the main one first: the order of the streams."""
WRITING = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY
LOCKED = {"": LOCK_BYTES, "-shm": (120, 9)}
"""Bytes that SQLite's connections lock: pending, reserved and shared in the main file, the slots of the log's index
(https://www.sqlite.org/src/file/src/os.h and os_unix.c). A connection that reads a log holds the first for as long as
it lives, so both together show every connection that is in the middle of something."""


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Return the database, if it is the one named by the identity; reads only, and takes no lock."""
    identity = carrier.identity
    if selector is None or not isinstance(selector.selects, PathSelector) or not isinstance(identity, DatabaseIdentity):
        return ()
    where = selector.selects.path
    wanted = (Fact("filesystem", identity.filesystem), Fact("inode", str(identity.inode)))
    try:
        root = open_root(os.path.dirname(where))
    except OSError:
        return ()
    try:
        return _found(carrier, where, root, wanted, machine)
    finally:
        os.close(root)


def _found(carrier: Carrier, where: str, root: int, wanted: tuple[Fact, ...], machine: Machine) -> tuple[Target, ...]:
    names = names_now(root, where)
    begun = state_of(carrier, machine).load()
    is_there = names[:1] == (os.path.basename(where),)
    if is_there and facts_of(root, os.path.basename(where), machine) != wanted:
        return ()
    occupancy = occupy(root, where, names, machine)
    is_begun = begun is not None and begun.facts == wanted and is_rest_of(begun, occupancy.streams)
    if not is_there and not is_begun:
        return ()
    if not is_begun:
        occupancy = replace(occupancy, obstacles=occupancy.obstacles + content_obstacles(carrier, where, root, machine))
    return (found_target(carrier, where, wanted, occupancy, machine),)


def names_now(root: int, where: str) -> tuple[str, ...]:
    """Return the names of the database's files that are there, links too: those are refused later."""
    names = (os.path.basename(where) + end for end in BESIDE)
    return tuple(name for name in names if _is_name(root, name))


def _is_name(root: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=root, follow_symlinks=False)
    except OSError:
        return False
    return True


def facts_of(root: int, name: str, machine: Machine) -> tuple[Fact, ...]:
    """Return the identity of a database: its file system and the inode of its main file."""
    try:
        inode = str(os.stat(name, dir_fd=root, follow_symlinks=False).st_ino)
    except FileNotFoundError:
        inode = ""
    return (Fact("filesystem", file_system_of(root, machine).uuid or ""), Fact("inode", inode))


def content_obstacles(
    carrier: Carrier, where: str, root: int, machine: Machine, *, is_held: bool = False
) -> tuple[Obstacle, ...]:
    """Return why the file is not the database that was ordered: no database, encrypted, amid a transaction or left in
    one, more or fewer rows. `is_held`: this process holds every lock."""
    base = os.path.basename(where)
    with ExitStack() as opened:
        held = _opened(root, base, READING, opened)
        main, log = held.get(""), held.get("-wal")
        if main is not None and looks_encrypted(main):
            return (Obstacle("database-encrypted", (("where", where),)),)
        if main is None or not has_magic(main):
            return (Obstacle("not-a-database", (("where", where),)),)
        process = None if is_held else process_changing(main)
        if process is not None:
            return (in_use(where, told(process, machine)),)
        if is_unfinished(root, base, None if is_held else main):
            return (Obstacle("database-unfinished", (("where", where),)),)
        try:
            rows = count_rows(open_pages(main, log))
        except NotReadable as error:
            return (Obstacle("database-unreadable", (("detail", str(error)), ("where", where))),)
    identity = carrier.identity
    if isinstance(identity, DatabaseIdentity) and not identity.least_rows <= rows <= identity.most_rows:
        return (outside_order("rows", rows, identity.least_rows, identity.most_rows),)
    return ()


def _opened(root: int, base: str, flags: int, held: ExitStack) -> dict[str, int]:
    """Return descriptors of the database's files that can be opened, by what their names end in."""
    found = {}
    for end in BESIDE:
        try:
            found[end] = open_beneath(root, base + end, flags)
        except OSError:
            continue
        held.callback(os.close, found[end])
    return found


@contextmanager
def open(  # noqa: A001 - the name of the port
    target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine = THIS_MACHINE
) -> Iterator[FilesWriter]:
    """Hold all files of the database open and locked against every connection; raises Refused when one is in use or
    it is not what was found."""
    if selector is None or not isinstance(selector.selects, PathSelector):
        raise Refused("selector-missing", carrier=carrier.id)
    where, base = target.location, os.path.basename(target.location)
    state = state_of(carrier, machine)
    with ExitStack() as held:
        check_free(system_refusals(where, machine))
        root = hold_root(os.path.dirname(where), carrier, held)
        files = _opened(root, base, WRITING, held)
        _lock(where, files)
        begun = state.load() if resuming else None
        is_saved = begun is not None
        if begun is None:
            check_unchanged(where, target.facts, facts_of(root, base, machine))
            check_free(content_obstacles(carrier, where, root, machine, is_held=True))
            begun = begin(root, names_now(root, where), target, machine, is_held=True)
            state.forget_released()
        _check_same_file(where, files.get(""), begun)
        identify = _identifier(root, files.get(""), begun, machine)
        check_unchanged(where, target.facts, identify())
        wishes = wishes_of(carrier, selector.selects.label_key, machine)
        yield writer_of(root, begun, state, held, is_saved=is_saved, identify=identify, machine=machine, wishes=wishes)
    state.forget_released()


def _check_same_file(where: str, main: int | None, begun: Begun) -> None:
    """What is numbered first is the file that is locked, and none that took its name in between; raises Refused."""
    if main is None or begun.streams is None:
        return
    numbered, held = begun.streams.tree.inodes[0], os.fstat(main).st_ino
    if numbered != held:
        raise Refused("identity-changed", where=where, fact="inode", found=str(numbered), expected=str(held))


def _lock(where: str, files: dict[str, int]) -> None:
    """Take SQLite's locks by descriptor, so that nothing else this process closes lets go of them; raises Refused."""
    for end, (start, length) in LOCKED.items():
        if end not in files:
            continue
        lock = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        try:
            fcntl.fcntl(files[end], fcntl.F_OFD_SETLK, lock)
        except OSError as error:
            by = f"a connection to the database ({error_name(error)})"
            raise Refused("in-use", **dict(in_use(where, by).facts)) from error


def _identifier(root: int, main: int | None, begun: Begun, machine: Machine) -> Callable[[], tuple[Fact, ...]]:
    """Return what reads the identity again on the main file's descriptor, which outlives its name. Where a release
    took the file before this run was taken up again, nothing is left to read but the file system."""

    def identify() -> tuple[Fact, ...]:
        filesystem = Fact("filesystem", file_system_of(root, machine).uuid or "")
        if main is None:
            if begun.streams is not None and not _is_released(root, begun):
                raise Lost("target-lost", where="the database", detail="its file is gone")
            return (filesystem, *(fact for fact in begun.facts if fact.name == "inode"))
        return (filesystem, Fact("inode", str(os.fstat(main).st_ino)))

    return identify


def _is_released(root: int, begun: Begun) -> bool:
    """Tell whether the main file went: it is released first, so others may still be there."""
    return begun.streams is not None and not _is_name(root, begun.streams.tree.paths[0])
