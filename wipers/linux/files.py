"""Regular files of one file system: found below a directory, overwritten in place, released by name."""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from certificates.errors import Refused
from certificates.statements import Carrier, Fact, FilesIdentity, FilesSelector, Selector
from wipers.linux.beneath import open_root
from wipers.linux.direct import error_name
from wipers.linux.extents import open_below
from wipers.linux.fileacts import Wishes, wishes_of
from wipers.linux.filesystems import file_system_of
from wipers.linux.filewriter import FilesWriter
from wipers.linux.identity import check_free, check_unchanged
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.occupancy import Amounts, Occupancy, occupy, target_of, users_of
from wipers.linux.reserves import give_back
from wipers.linux.runstate import Begun, StateFile
from wipers.linux.seen import SEEN
from wipers.linux.selection import Named, selected
from wipers.linux.streams import Streams
from wipers.model import Obstacle, Target

FEWER_NOW = frozenset({"files-missing", "count-outside-order", "file-differs"})
"""Obstacles that a run which already overwrote or released some of the files makes for itself."""


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Return the ordered files, if their directory is the one named by the identity; reads only."""
    identity = carrier.identity
    if selector is None or not isinstance(selector.selects, FilesSelector) or not isinstance(identity, FilesIdentity):
        return ()
    where = selector.selects.root
    try:
        root = open_root(where)
    except OSError:
        return ()
    try:
        wanted = (Fact("filesystem", identity.filesystem), Fact("parent-inode", str(identity.parent_inode)))
        if facts_of(root, machine) != wanted and not _is_nameless(root, identity, machine):
            return ()
        occupancy = occupy(root, where, selected(root, selector.selects), machine)
    finally:
        os.close(root)
    SEEN.keep(machine, selector.selects, occupancy.streams)
    more = tuple(_outside(identity, occupancy.streams))
    return (found_target(carrier, where, wanted, replace(occupancy, obstacles=more + occupancy.obstacles), machine),)


def _is_nameless(root: int, identity: FilesIdentity, machine: Machine) -> bool:
    """Tell whether it is the directory on a file system that is refused and has no UUID to be known by: to say why it
    is refused serves better than to find nothing."""
    found = file_system_of(root, machine)
    return found.uuid is None and found.verdict.reason is not None and os.fstat(root).st_ino == identity.parent_inode


def found_target(
    carrier: Carrier, where: str, facts: tuple[Fact, ...], occupancy: Occupancy, machine: Machine
) -> Target:
    """Return the target as it stands, or as it stood when a run that is not finished began with these very files."""
    streams = occupancy.streams
    amounts = Amounts(streams.size, len(streams), streams.tree.names)
    obstacles = occupancy.obstacles
    begun = state_of(carrier, machine).load()
    if begun is not None and is_rest_of(begun, streams):
        amounts = Amounts(begun.size, begun.objects, begun.names)
        obstacles = tuple(one for one in obstacles if one.reason not in FEWER_NOW)
    return target_of(carrier.identity.kind, where, facts, occupancy=occupancy, amounts=amounts, obstacles=obstacles)


def is_rest_of(begun: Begun, streams: Streams) -> bool:
    """Tell whether what is there now is what a begun run left: none but its files, or nothing after its release."""
    if begun.streams is None:
        return len(streams) == 0
    return is_subset(streams.tree.inodes, begun.streams.tree.inodes)


AT_ONCE = 1 << 16
"""Inodes compared at once, which bounds what a comparison keeps in memory."""


def is_subset(some: Collection[int], of: Collection[int]) -> bool:
    """Tell whether every number is among the others, in passes over both that each hold a part of them."""
    passes = -(-len(of) // AT_ONCE) or 1
    return all(
        {one for one in some if one % passes == turn} <= {one for one in of if one % passes == turn}
        for turn in range(passes)
    )


def _outside(identity: FilesIdentity, streams: Streams) -> Iterator[Obstacle]:
    """Yield how the files go beyond what the order allows."""
    count, size = len(streams), streams.tree.size
    if not identity.least_count <= count <= identity.most_count:
        yield outside_order("files", count, identity.least_count, identity.most_count)
    if size > identity.most_bytes:
        yield outside_order("bytes", size, 0, identity.most_bytes)


def outside_order(what: str, found: int, least: int, most: int) -> Obstacle:
    """Return the obstacle that there is more, or less, than was ordered."""
    facts = (("found", str(found)), ("what", what), ("least", str(least)), ("most", str(most)))
    return Obstacle("count-outside-order", facts)


def facts_of(root: int, machine: Machine) -> tuple[Fact, ...]:
    """Return the identity of files: their file system and the directory that holds them; raises OSError."""
    found = file_system_of(root, machine).uuid or ""
    return (Fact("filesystem", found), Fact("parent-inode", str(os.fstat(root).st_ino)))


def state_of(carrier: Carrier, machine: Machine) -> StateFile:
    """Return where a run on this carrier keeps what it must know after a crash."""
    return StateFile(machine.runs, carrier)


def forget(carrier: Carrier, machine: Machine) -> None:
    """Nothing is kept any more of what a run on this carrier had to know, nor of what it sampled."""
    from wipers.linux.needlebox import box_of

    state_of(carrier, machine).forget()
    box_of(carrier, machine).destroy()


_LOCKED: dict[tuple[int, int], dict[str, int]] = {}
"""By directory and by what is selected there: descriptors of the directory's lock, all of one open file."""
_LOCKING = threading.Lock()
"""Carriers of one run are opened and given back by threads of their own."""


@contextmanager
def open(  # noqa: A001 - the name of the port
    target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine = THIS_MACHINE
) -> Iterator[FilesWriter]:
    """Hold the directory's files, numbered as a begun run numbered them; raises Refused when they are in use or are
    not what was found."""
    if selector is None or not isinstance(selector.selects, FilesSelector):
        raise Refused("selector-missing", carrier=carrier.id)
    state = state_of(carrier, machine)
    with ExitStack() as held:
        root = hold_root(target.location, carrier, held)
        check_unchanged(target.location, target.facts, facts_of(root, machine))
        begun = state.load() if resuming else None
        is_saved = begun is not None
        if begun is None:
            known = SEEN.take(machine, selector.selects, root)
            begun = begin(root, selected(root, selector.selects), target, machine, known=known)
            state.forget_released()
        yield writer_of(
            root,
            begun,
            state,
            held,
            is_saved=is_saved,
            identify=lambda: facts_of(root, machine),
            machine=machine,
            wishes=wishes_of(carrier, selector.selects.label_key, machine),
        )
    state.forget_released()


def hold_root(where: str, carrier: Carrier, held: ExitStack) -> int:
    """Return a descriptor of the directory, locked against another run of this program; raises Refused."""
    try:
        root = open_root(where)
    except OSError as error:
        raise Refused("open-failed", where=where, error=error_name(error)) from error
    held.callback(os.close, root)
    held.enter_context(_lock(where, root, carrier.selector.commitment if carrier.selector else ""))
    return root


@contextmanager
def _lock(where: str, root: int, selected: str) -> Iterator[None]:
    """Hold a directory's lock; carriers of one run that select different things in it share the lock."""
    number = (os.fstat(root).st_dev, os.fstat(root).st_ino)
    with _LOCKING:
        sharing = _LOCKED.setdefault(number, {})
        if selected in sharing:
            raise Refused("in-use", where=where, by="another run")
        descriptor = os.dup(next(iter(sharing.values()), root))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Refused("in-use", where=where, by="another run") from error
        sharing[selected] = descriptor
    try:
        yield
    finally:
        with _LOCKING:
            os.close(sharing.pop(selected))


def writer_of(
    root: int,
    begun: Begun,
    state: StateFile,
    held: ExitStack,
    *,
    is_saved: bool,
    identify: Callable[[], tuple[Fact, ...]],
    machine: Machine,
    wishes: Wishes | None = None,
) -> FilesWriter:
    """Return the writer of a run's files, closed with what holds it; raises Refused where one of them is in use."""
    found = file_system_of(root, machine)
    if is_saved and begun.streams is not None:
        check_free(users_of("the rest of the files", found.files_device, begun.streams, machine))
    storage = open_below(found, root)
    if storage is not None:
        held.enter_context(storage)
    give_back(root, found, machine)
    writer = FilesWriter(
        root,
        found,
        storage,
        begun,
        state,
        is_saved=is_saved,
        identify=identify,
        machine=machine,
        wishes=wishes,
    )
    held.callback(writer.close)
    return writer


def begin(
    root: int,
    names: Iterable[str | Named],
    target: Target,
    machine: Machine,
    *,
    is_held: bool = False,
    known: Streams | None = None,
) -> Begun:
    """Return a run that begins with the files as they are; raises Refused if they are not those that were found."""
    occupancy = occupy(root, target.location, names, machine, is_held=is_held, known=known)
    check_free(occupancy.obstacles)
    streams = occupancy.streams
    check_same(target, (("size", streams.size, target.size), ("objects", len(streams), target.objects)))
    return Begun(
        target.facts,
        streams.size,
        len(streams),
        streams.tree.names,
        secrets.token_hex(16),
        streams,
        tuple(dict.fromkeys(name or "." for name in streams.tree.above)),
    )


def check_same(target: Target, pairs: Iterable[tuple[str, int, int]]) -> None:
    """Every number is still what was found; raises Refused naming the first that is not."""
    for name, now, before in pairs:
        if now != before:
            raise Refused("identity-changed", where=target.location, fact=name, found=now, expected=before)
