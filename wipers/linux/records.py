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
from wipers.linux.engines import Look, Request, engine_of, room_missing, rows_outside
from wipers.linux.files import hold_root, state_of
from wipers.linux.filesystems import FileSystem, file_system_of, refusals
from wipers.linux.held import Held
from wipers.linux.identity import check_unchanged, residual_of
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.linux.manifest import Line, Manifest
from wipers.linux.needlebox import box_of
from wipers.linux.occupancy import media_of, system_refusals
from wipers.linux.recordswriter import RecordsWriter
from wipers.model import Obstacle, Target
from wipers.records import NOT_ORDERED, RESIDUAL_OF_COPIES


def find(carrier: Carrier, selector: Selector | None, machine: Machine = THIS_MACHINE) -> tuple[Target, ...]:
    """Return the records, if the engine that answers is the one named by the identity; reads only."""
    request = request_of(carrier, selector, machine)
    if request is None:
        return ()
    begun = Manifest(machine.runs, carrier).last("target")
    look = engine_of(request).look(request) if begun is None else look_of(begun)
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
        residual=(*residual_of(media), *_file_system_residual(found), *look.residual, *_copies_outside(carrier)),
        description=(
            Fact("file-system", found.kind),
            *look.description,
            *(Fact(one.code, str(one.count)) for one in look.consequences),
            *(Fact("copy-known", f"{one.what} {one.place}") for one in look.copies),
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


def copies_obstacles(carrier: Carrier, look: Look) -> Iterator[Obstacle]:
    """Yield which sorts of copies the engine knows more of than the order names."""
    for what in sorted({copy.what for copy in look.copies}):
        known = [copy.place for copy in look.copies if copy.what == what]
        named = [copy.place for copy in carrier.copies if copy.what == what]
        unnamed = [place for place in known if place not in named]
        if more := len(unnamed) - named.count(None):
            yield from _not_ordered(what, more)


def _not_ordered(what: str, count: int) -> Iterator[Obstacle]:
    if count > 0:
        yield Obstacle(NOT_ORDERED, (("what", what), ("count", str(count))))


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
    writer = RecordsWriter(request, target, session, held=held, state=state, box=box)
    left.callback(writer.close)
    if is_withdrawn:
        writer.take_over()
    return writer


def directory_of(request: Request) -> Path:
    """Return the data directory, or the directory that a database file lies in."""
    return request.where if request.where.is_dir() else request.where.parent


def forget(carrier: Carrier, machine: Machine) -> None:
    """Destroy what was kept for a resume: the run has its certificate. Idempotent."""
    state_of(carrier, machine).forget()
    box_of(carrier, machine).destroy()
    held = Held(Manifest(machine.runs, carrier))
    held.remove()
    held.manifest.forget()
