"""How this host's runs stand: begun, refused, unproven, unsigned, unregistered, done. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.expecting import size_of_step
from agent.journal import Journal
from agent.runs import RunFolder
from agent.site import Site
from agent.submission import awaited, open_certificate
from agent.wishes import is_going, is_paused
from certificates import bundle
from certificates.errors import Failure
from certificates.statements import (
    Advanced,
    Began,
    Certificate,
    Claim,
    Interrupted,
    Noted,
    Recorded,
    RefusedRun,
    Reproved,
    Resumed,
)
from wipers.progress import replay


class State(StrEnum):
    """Where a run is."""

    REFUSED = "refused"
    """Nothing was touched."""
    RUNNING = "running"
    """A process carries it out now."""
    PAUSED = "paused"
    """Somebody asked it to wait; whether a process holds its target meanwhile is told besides."""
    BEGUN = "begun"
    """Waiting for `resume` after a crash."""
    INTERRUPTED = "interrupted"
    """Stopped; waits for `resume`."""
    UNSIGNED = "unsigned"
    """Its certificate awaits signatures."""
    UNREGISTERED = "unregistered"
    """Its certificate waits for a receipt."""
    REGISTERED = "registered"
    """Its certificate has a receipt."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one run stands."""

    sequence: int
    carrier: str | None
    state: State
    at: datetime
    """Last entry of its journal."""
    detail: str
    """Reason, step, or who has to sign."""
    claim: Claim | None
    """What its evidence supports."""
    is_validated: bool
    is_going: bool = False
    """Whether a process carries it out, or holds its target while it is paused."""
    position: int | None = None
    """Bytes of all steps that the journal shows as done; none where it is not of a run that goes on or waits."""
    size: int | None = None
    """Bytes that all steps move."""


def standings(site: Site) -> tuple[Standing, ...]:
    """Return how every run of this host stands, in order."""
    return tuple(_standing(site, site.journals.read(int(path.stem))) for path in site.journals.names())


def _standing(site: Site, journal: Journal) -> Standing:
    folder = site.folder(journal.opened.sequence)
    certificate = _fixed(folder)
    state, detail = _state(site, folder, journal, certificate)
    is_waiting = state in (State.BEGUN, State.INTERRUPTED)
    going = is_waiting and is_going(folder)
    if is_waiting and (going or is_paused(folder)):
        state = State.PAUSED if is_paused(folder) else State.RUNNING
    position, size, broken = _amounts(folder, journal) if is_waiting else (None, None, "")
    return Standing(
        sequence=journal.opened.sequence,
        carrier=journal.opened.carrier,
        state=state,
        at=journal.entries[-1].at,
        detail=", ".join(part for part in (broken, detail) if part),
        claim=certificate.claim if certificate else None,
        is_validated=folder.read(bundle.VALIDATION) is not None,
        is_going=going,
        position=position,
        size=size,
    )


def _fixed(folder: RunFolder) -> Certificate | None:
    """Return the certificate of a run; none where it has none, or none that can be read: its journal tells the rest."""
    try:
        return folder.fixed() if folder.path.exists() else None
    except Failure:
        return None


def _amounts(folder: RunFolder, journal: Journal) -> tuple[int | None, int | None, str]:
    """Return how many bytes of all steps the journal shows as done, how many there are, and else why nobody knows."""
    try:
        plan = folder.check(journal.opened)
    except Failure as error:
        return None, None, error.reason
    progress = replay(journal.entries)
    sizes = [size_of_step(plan, step) for step in plan.steps]
    done = sum(size for number, size in enumerate(sizes) if progress.is_done(number))
    begun = sum(one.position for number, one in progress.steps.items() if not progress.is_done(number))
    return min(done + begun, sum(sizes)), sum(sizes), ""


def _state(site: Site, folder: RunFolder, journal: Journal, certificate: Certificate | None) -> tuple[State, str]:
    refused = next((event for event in journal.events if isinstance(event, RefusedRun)), None)
    if refused is not None:
        return State.REFUSED, refused.reason
    if certificate is None or not journal.is_ended:
        return _progress(journal)
    waiting = site.waiting(folder.sequence)
    if not waiting.exists():
        return State.REGISTERED, ""
    try:
        missing = awaited(certificate, open_certificate(waiting.read_bytes(), site.documents.chain()))
    except Failure as error:
        return State.UNREGISTERED, error.reason
    if missing:
        return State.UNSIGNED, ", ".join(f"{person.id} ({person.role.value})" for person in missing)
    return State.UNREGISTERED, ""


def _progress(journal: Journal) -> tuple[State, str]:
    """Return whether a begun run was stopped, and how far it came."""
    state, reason, step, position, note = State.BEGUN, "", None, 0, ""
    for event in journal.events:
        match event:
            case Interrupted():
                state, reason = State.INTERRUPTED, event.reason
            case Resumed():
                state, reason, note = State.BEGUN, "", ""
            case Began():
                step, position = event.step, 0
            case Noted():
                # Of a run that rests: why, until it says that it went on.
                note = event.note if event.note.startswith("rested") else ""
            case Advanced():
                step, position = event.step, event.position
            case Reproved() if event.mismatched:
                step, position = event.step, 0
            case Recorded():
                step, position = event.record.step, 0
    where = f"step {step + 1}, byte {position:,}" if step is not None else ""
    return state, ", ".join(part for part in (reason, note, where) if part)
