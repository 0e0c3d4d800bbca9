"""Part of a database: found and taken out by its engine; the files that held it are then overwritten as files are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import (
    Carrier,
    Fact,
    KnownCopy,
    Media,
    Method,
    RecordsIdentity,
    RecordsSelector,
    Residual,
    ResidualCode,
    Selector,
)
from wipers.linux.beneath import open_root
from wipers.linux.direct import error_name
from wipers.linux.engines import CopyKnown, Look, Request, engine_of, look_at, room_missing, rows_outside
from wipers.linux.files import hold_root, state_of
from wipers.linux.filesystems import FileSystem, file_system_of, refusals
from wipers.linux.held import Held
from wipers.linux.identity import check_unchanged, residual_of
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.manifest import Line, Manifest, left_aside
from wipers.linux.needlebox import box_of
from wipers.linux.occupancy import media_of, system_refusals
from wipers.linux.recordswriter import MOST_VALUES, UNTOUCHED, RecordsWriter
from wipers.linux.secluded import is_one_place
from wipers.model import Obstacle, Target
from wipers.needles import labels_of
from wipers.records import NOT_ORDERED, RESIDUAL_OF_COPIES


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Return the records, if the engine that answers is the one named by the identity; reads only."""
    request = request_of(carrier, selector, machine)
    if request is None:
        return ()
    begun = Manifest(machine.runs, carrier).last("target")
    look = look_at(request) if begun is None else look_of(begun)
    if look is None or not is_ordered(request.identity, look.facts):
        return ()
    return (target_of(carrier, request, look),)


def request_of(carrier: Carrier, selector: Selector | None, machine: Machine) -> Request | None:
    """Return what the order names, as engines take it; none where it names no records."""
    identity = carrier.identity
    if selector is None or not isinstance(selector.selects, RecordsSelector):
        return None
    if not isinstance(identity, RecordsIdentity):
        return None
    return Request(carrier.id, identity, selector.selects, machine, carrier.destroy)


def is_ordered(identity: RecordsIdentity, facts: tuple[Fact, ...]) -> bool:
    """Tell whether what an engine says of itself is what the order says."""
    wanted = {
        "engine": identity.engine,
        "system": identity.system,
        "filesystem": identity.filesystem,
        "inode": str(identity.inode),
        "database": identity.database,
    }
    if identity.object is not None:
        wanted["object"] = identity.object
    told = {fact.name: fact.value for fact in facts}
    return all(told.get(name) == value for name, value in wanted.items())


def target_of(carrier: Carrier, request: Request, look: Look) -> Target:
    """Return the records as a target: rows as objects, bytes rounded so that a server at work keeps one plan."""
    where = str(request.where)
    found, media = place_of(request)
    more = (rows_outside(request, look.rows), room_missing(directory_of(request), look.room))
    return Target(
        kind="records",
        location=where,
        facts=look.facts,
        unit=":".join(("records", *(fact.value for fact in look.facts))),
        media=media,
        size=1 << max(look.size - 1, 1 << 20).bit_length(),
        header_size=0,
        sector_size=found.sector_size,
        objects=look.rows,
        obstacles=(
            *system_refusals(where, request.machine),
            *refusals(found, where),
            *look.obstacles,
            *(one for one in more if one is not None),
            *copies_obstacles(carrier, look),
        ),
        residual=tuple(
            # What was there when a run began has them already.
            dict.fromkeys((*residual_of(media), *_file_system_residual(found), *_residual_of(carrier, look)))
        ),
        description=(
            Fact("file-system", found.kind),
            *look.description,
            *(Fact(one.code, str(one.count)) for one in look.consequences),
            *(Fact(_how_named(named), f"{one.what} {one.place}") for one, named in census(carrier, look)),
        ),
        preferred=look.preferred,
    )


def place_of(request: Request) -> tuple[FileSystem, Media]:
    """Return the file system that the data lies on, and what that lies on; raises Refused."""
    where = request.where
    try:
        descriptor = open_root(str(directory_of(request)))
    except OSError as error:
        raise Refused("open-failed", where=where, error=error_name(error)) from error
    try:
        found = file_system_of(descriptor, request.machine)
    finally:
        os.close(descriptor)
    return found, media_of(request.machine, found.device)


def _file_system_residual(found: FileSystem) -> tuple[Residual, ...]:
    """Return what the file system keeps besides the files that are held."""
    kept = (Residual("free-blocks"), Residual("file-system-journal"), Residual("memory-and-swap"))
    return kept if found.is_raw_readable else (*kept, Residual("raw-storage-not-readable"))


def census(carrier: Carrier, look: Look) -> Iterator[tuple[CopyKnown, KnownCopy | None]]:
    """Yield every copy that the engine knows, with what the order says of it: by one of the words of its place, else by
    its sort; each line of the order names one copy."""
    named = list(carrier.copies)
    for known in look.copies:
        places = (known.place, *known.place.split())
        same = [one for one in named if one.what == known.what]
        found = next((one for one in same if one.place in places), None)
        found = found or next((one for one in same if one.place is None), None)
        if found is not None:
            named.remove(found)
        yield known, found


def _how_named(named: KnownCopy | None) -> str:
    if named is None:
        return "copy-unordered"
    return "copy-left-to-others" if named.carrier is None else "copy-ordered"


def copies_obstacles(carrier: Carrier, look: Look) -> Iterator[Obstacle]:
    """Yield which sorts of copies the engine knows more of than the order names."""
    unnamed = [known.what for known, named in census(carrier, look) if named is None]
    for what in sorted(set(unnamed)):
        yield Obstacle(NOT_ORDERED, (("what", what), ("count", str(unnamed.count(what)))))


def _residual_of(carrier: Carrier, look: Look) -> tuple[Residual, ...]:
    """Return what this engine does not reach, copies among it, each once; and that nobody lists what nobody knows."""
    outside = tuple(_copies_outside(carrier))
    counted = {one.code for one in outside}
    return (*(one for one in look.residual if one.code not in counted), *outside, Residual("copies-unknown"))


def _copies_outside(carrier: Carrier) -> Iterator[Residual]:
    """Yield the copies that the order names and leaves to others."""
    counts: dict[ResidualCode, int] = {}
    for copy in carrier.copies:
        if copy.carrier is None:
            code = RESIDUAL_OF_COPIES.get(copy.what, "copies-outside-order")
            counts[code] = counts.get(code, 0) + 1
    yield from (Residual(code, count) for code, count in sorted(counts.items()))


def look_of(begun: Line) -> Look:
    """Return what was there when a run that is not finished began: later there is less."""
    facts = begun.facts
    return Look(
        facts=tuple(Fact(name, value) for name, value in facts["facts"]),
        rows=facts["rows"],
        size=facts["size"],
        preferred=Method(facts["preferred"]),
        residual=tuple(Residual(code, count) for code, count in facts["residual"]),
    )


@contextmanager
def open(  # noqa: A001 - the name of the port
    target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine = THIS_MACHINE
) -> Iterator[RecordsWriter]:
    """Return a session with the engine, identified again; what a crash left half done is undone or completed first.
    Raises Refused when the records are in use or are not what was found."""
    request = request_of(carrier, selector, machine)
    if request is None:
        raise Refused("selector-missing", carrier=carrier.id)
    with ExitStack() as left:
        hold_root(str(directory_of(request)), carrier, left)
        yield _opened(request, target, carrier, machine, resuming=resuming, left=left)


def _opened(
    request: Request, target: Target, carrier: Carrier, machine: Machine, *, resuming: bool, left: ExitStack
) -> RecordsWriter:
    held = Held(Manifest(machine.runs, carrier))
    if held.manifest.lines and not resuming:
        raise Refused("in-use", where=target.location, by="a run that is not finished: expunge resume")
    engine = engine_of(request)
    is_withdrawn = held.manifest.last("withdrawn") is not None
    if held.manifest.lines and not is_withdrawn:
        engine.recover(request, held)
    session = left.enter_context(engine.open(request, target.facts, resuming=bool(held.manifest.lines)))
    check_unchanged(target.location, target.facts, session.facts())
    state, box = state_of(carrier, machine), box_of(carrier, machine)
    before = tuple(map(Held, left_aside(machine.runs, carrier)))
    writer = RecordsWriter(request, target, session, held=held, state=state, box=box, left=before)
    left.callback(writer.close)
    if is_withdrawn:
        writer.take_over()
    return writer


def directory_of(request: Request) -> Path:
    """Return the data directory, or the directory that a database file lies in."""
    return request.where if request.where.is_dir() else request.where.parent


def is_untouched(carrier: Carrier, machine: Machine) -> bool:
    """Tell whether a run that did not end had taken nothing out yet."""
    return all(line.phase in UNTOUCHED for line in Manifest(machine.runs, carrier).lines)


def is_taken_out(carrier: Carrier, machine: Machine) -> bool:
    """Tell whether a run that did not end had taken everything out, and holds what is to be overwritten."""
    return Manifest(machine.runs, carrier).last("withdrawn") is not None


def labels_there(carrier: Carrier, selector: Selector | None, machine: Machine) -> tuple[frozenset[str], ...]:
    """Return by what the records that are there would be known, whatever a run that did not end had noted; reads only.
    Raises Refused."""
    request = request_of(carrier, selector, machine)
    look = look_at(request) if request is not None else None
    if request is None or look is None:
        return ()
    with engine_of(request).open(request, look.facts, resuming=False) as session:
        return tuple(labels_of(session.values(MOST_VALUES), request.key))


def put_aside(carrier: Carrier, selector: Selector | None, machine: Machine) -> None:
    """A run that did not end does not go on, since other records have the place of those that it was at: what it held
    goes with the next one's. What the engine it was at had half done is undone or completed first. Raises Refused."""
    request = request_of(carrier, selector, machine)
    if request is None:
        raise Refused("selector-missing", carrier=carrier.id)
    with ExitStack() as left:
        hold_root(str(directory_of(request)), carrier, left)
        held = Held(Manifest(machine.runs, carrier))
        _check_movable(request, held)
        begun = held.manifest.last("target")
        if begun is not None and held.manifest.last("withdrawn") is None and _is_same_place(begun, request.identity):
            engine_of(request).recover(request, held)
        _forget_kept(carrier, machine)
        number = len(left_aside(machine.runs, carrier)) + 1
        held.step_aside(number)
        held.manifest.put_aside(number)


def _check_movable(request: Request, held: Held) -> None:
    """What is held can come to where the next one holds; raises Refused."""
    # No rename leads from one mount to another, be they of one file system, nor into another project.
    if held.path is not None and held.names() and not is_one_place(held.path, directory_of(request)):
        raise Refused("replay-holds", carrier=request.carrier, where=held.path)


def _is_same_place(begun: Line, identity: RecordsIdentity) -> bool:
    """Tell whether a run was at the same server, or file, as has the place now."""
    told = dict(begun.facts["facts"])
    now = {"system": identity.system, "filesystem": identity.filesystem, "inode": str(identity.inode)}
    return all(told[name] == value for name, value in now.items())


def held_by_others(carrier: Carrier, machine: Machine) -> tuple[str, ...]:
    """Return the directories in which runs that did not go on hold files still."""
    manifests = (Manifest(machine.runs, carrier), *left_aside(machine.runs, carrier))
    return tuple(str(held.path) for held in map(Held, manifests) if held.names())


def forget(carrier: Carrier, machine: Machine) -> None:
    """Destroy what was kept for a resume: the run has its certificate. Idempotent."""
    _forget_kept(carrier, machine)
    # The last first: what is left of them is found from the first on.
    for manifest in (*reversed(left_aside(machine.runs, carrier)), Manifest(machine.runs, carrier)):
        Held(manifest).remove()
        manifest.forget()


def _forget_kept(carrier: Carrier, machine: Machine) -> None:
    state_of(carrier, machine).forget()
    box_of(carrier, machine).destroy()
