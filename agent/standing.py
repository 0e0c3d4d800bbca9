"""How this host's runs stand: begun, refused, unproven, unsigned, unregistered, done. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.journal import Journal
from agent.runs import RunFolder
from agent.site import Site
from agent.submission import awaited, open_certificate
from certificates import bundle
from certificates.errors import Failure
from certificates.statements import Advanced, Began, Certificate, Claim, Interrupted, Recorded, RefusedRun, Resumed


class State(StrEnum):
    """Where a run is."""

    REFUSED = "refused"
    """Nothing was touched."""
    BEGUN = "begun"
    """Running now, or waiting for `resume` after a crash."""
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


def standings(site: Site) -> tuple[Standing, ...]:
    """Return how every run of this host stands, in order."""
    return tuple(_standing(site, site.journals.read(int(path.stem))) for path in site.journals.names())


def _standing(site: Site, journal: Journal) -> Standing:
    folder = site.folder(journal.opened.sequence)
    certificate = folder.fixed() if folder.path.exists() else None
    state, detail = _state(site, folder, journal, certificate)
    return Standing(
        sequence=journal.opened.sequence,
        carrier=journal.opened.carrier,
        state=state,
        at=journal.entries[-1].at,
        detail=detail,
        claim=certificate.claim if certificate else None,
        is_validated=folder.read(bundle.VALIDATION) is not None,
    )


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
    state, reason, step, position = State.BEGUN, "", None, 0
    for event in journal.events:
        match event:
            case Interrupted():
                state, reason = State.INTERRUPTED, event.reason
            case Resumed():
                state, reason = State.BEGUN, ""
            case Began():
                step, position = event.step, 0
            case Advanced():
                step, position = event.step, event.position
            case Recorded():
                step, position = event.record.step, 0
    where = f"step {step + 1}, byte {position:,}" if step is not None else ""
    return state, ", ".join(part for part in (reason, where) if part)
