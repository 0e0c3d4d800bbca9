"""Carry one carrier out: begin the journal, run the steps, fix the certificate, put it into the outbox, hand it in."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from agent import submission
from agent.attest import Run, attest
from agent.journal import Journal, JournalFile
from agent.runs import DISCLOSED, PLAN, SELECTOR, RunFolder
from agent.site import Site
from agent.version import TOOL_ID, VERSION
from certificates import bundle
from certificates.encoding import decode, digest, encode
from certificates.envelope import add_signatures, seal, unwrap
from certificates.errors import Failure, Interrupted, Refused, Unproven, Unregistered
from certificates.signers import Signer
from certificates.statements import (
    Certificate,
    Certified,
    Claim,
    Concluded,
    Counted,
    Identified,
    Noted,
    Opened,
    Order,
    Outcome,
    PersonRole,
    Role,
    Start,
)
from wipers import progress
from wipers.model import Plan, Target, Warrant
from wipers.pipeline import StopSignal
from wipers.ports import Observer
from wipers.techniques import find_technique


@dataclass(frozen=True, slots=True)
class Prepared:
    """A carrier that is authorised, found and planned; nothing has been touched."""

    warrant: Warrant
    target: Target
    plan: Plan
    after: tuple[str, ...] = ()
    """What shows that it is this carrier's turn, a line each."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one carrier ended."""

    carrier: str
    sequence: int
    claim: Claim | None
    """What the evidence supports; none where the run did not end."""
    bundle: Path | None
    failure: Exception | None
    """Why the exit is not 0: a Failure, or a bug; none when destroyed, proven and recorded."""


class Watch(Protocol):
    """Shows people how runs go, several at a time; optional, and it cannot fail a run."""

    def of(self, sequence: int, carrier: str, plan: Plan) -> Observer:
        """Return what is told how the run with that number goes; it has begun, and may have to wait for its turn."""
        ...

    def ended(self, result: Result) -> None:
        """A run ended."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What goes along with a run besides the site."""

    executor: Signer | None
    """Executor's key; none on a resume without it: the certificate then awaits the signature."""
    watch: Watch | None
    stop: StopSignal
    """Set when a person or the system asks to stop."""
    at_once: int | None = None
    """Most carriers carried out at a time; none: all."""

    def observe(self, sequence: int, carrier: str, plan: Plan) -> Observer | None:
        """Return what watches a run; none where nobody does, or where watching fails."""
        with suppress(Exception):
            return self.watch.of(sequence, carrier, plan) if self.watch is not None else None
        return None

    def told(self, result: Result) -> Result:
        """Return the result after the watch was told."""
        with suppress(Exception):
            if self.watch is not None:
                self.watch.ended(result)
        return result


def begin(site: Site, prepared: Prepared, executor: Signer, order: bytes) -> tuple[RunFolder, JournalFile]:
    """Return the folder and the journal of a run whose Start is sealed and whose order is spent, all durable."""
    warrant, plan = prepared.warrant, prepared.plan
    hold_state = _hold_state(site, warrant)
    sequence, previous = site.journals.next(site.ledger.read().last_sequence)
    folder = site.folder(sequence)
    folder.make()
    start = _start(site, warrant, plan, sequence)
    folder.write(bundle.ORDER, order)
    folder.write(bundle.START, seal(start, (executor,)))
    folder.write(PLAN, encode(plan))
    folder.remember_place(plan.kind, prepared.target.location)
    _file_selector(folder, warrant)
    if hold_state is not None:
        folder.write(bundle.HOLD_STATE, hold_state)
    journal = site.journals.open(
        Opened(warrant.host, sequence, previous, TOOL_ID, digest(start), warrant.order_digest, warrant.carrier.id)
    )
    site.ledger.spend(warrant.order_digest, warrant.carrier.id, sequence, plan.size, site.clock())
    site.ledger.supersede(warrant.order.supersedes, site.clock())
    journal.write(Counted(warrant.counted))
    for line in prepared.after:
        journal.write(Noted(line))
    return folder, journal


def _hold_state(site: Site, warrant: Warrant) -> bytes | None:
    """Return the hold state that approvals were counted with; raises Refused where another was imported since."""
    if warrant.hold_state is None:
        return None
    envelope = (site.state / "holds" / "state.dsse.json").read_bytes()
    if unwrap(envelope).digest != warrant.hold_state:
        raise Refused("hold-state-changed")
    return envelope


def repair_ledger(site: Site) -> None:
    """Spend every order whose run began: a crash may have come between the two, or somebody may have cut the ledger."""
    ledger = site.ledger.read()
    for opened in site.journals.openings():
        if opened.start is None or opened.order is None or opened.carrier is None:
            continue
        if ledger.find_spent(opened.order, opened.carrier) is None:
            size = site.folder(opened.sequence).plan().size
            site.ledger.spend(opened.order, opened.carrier, opened.sequence, size, site.clock())


def _start(site: Site, warrant: Warrant, plan: Plan, sequence: int) -> Start:
    return Start(
        order=warrant.order_digest,
        carrier=warrant.carrier.id,
        plan=plan.digest,
        host=warrant.host,
        keyring=warrant.keyring_digest,
        keyring_version=warrant.keyring_version,
        hold_state=warrant.hold_state,
        selector=warrant.carrier.selector.commitment if warrant.carrier.selector else None,
        sequence=sequence,
        started_at=site.clock(),
        tool=TOOL_ID,
        persons=(PersonRole(warrant.order.executing.person, Role.EXECUTOR),),
    )


def _file_selector(folder: RunFolder, warrant: Warrant) -> None:
    """Keep the selector for a resume; disclose it only where the order says so."""
    if warrant.selector is not None:
        folder.write(SELECTOR, encode(warrant.selector))
        if warrant.carrier.disclosure == "names":
            folder.write(DISCLOSED, encode(warrant.selector))


def not_recorded(error: OSError) -> Interrupted:
    """Return the interruption that a full or read-only disk of the site is; raises anything else again: a bug."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise error
    return Interrupted("journal-not-writable", detail=os.strerror(error.errno))


def conclude(site: Site, folder: RunFolder, journal: JournalFile, warrant: Warrant, executor: Signer | None) -> Result:
    """Return the result of a run whose last check is journaled: certificate fixed once, sealed, handed in."""
    with site.locked():
        certificate = folder.fixed() or _fix(site, folder, journal.read(), warrant)
    return finish(site, folder, journal, certificate, executor)


def finish(
    site: Site, folder: RunFolder, journal: JournalFile, certificate: Certificate, executor: Signer | None
) -> Result:
    """Return the result of a run whose certificate is fixed: sealed, handed in.

    The order of effects is what keeps a crash from making two certificates: content fixed, envelope in the outbox,
    names forgotten, and only then the journal's last entry.
    """
    with site.locked():
        if not journal.read().is_ended:
            _file(site, folder, certificate, executor)
            site.journals.take_up(folder.sequence).write(Certified(digest(certificate)))
    return hand_in(site, folder, certificate, site.bundle(folder.sequence, certificate.carrier))


def _file(site: Site, folder: RunFolder, certificate: Certificate, executor: Signer | None) -> None:
    waiting = site.waiting(folder.sequence)
    if not waiting.exists():
        submission.put(site, folder.sequence, seal(certificate, (site.signer,)))
    if executor is not None:
        _sign(site, folder.sequence, executor)
    folder.write(bundle.CERTIFICATE, waiting.read_bytes())
    submission.write_bundle(site, folder)
    order = decode(unwrap(folder.require(bundle.ORDER)).payload, Order)
    site.host.forget(next(one for one in order.carriers if one.id == certificate.carrier))
    folder.forget_names()


def hand_in(site: Site, folder: RunFolder, certificate: Certificate, path: Path) -> Result:
    """Return the result after trying to have the certificate registered; what fails here waits in the outbox."""
    failure: Failure | None = None
    try:
        if site.waiting(folder.sequence).exists():
            path = submission.submit(site, folder)
    except Unregistered as error:
        failure = error
    claim = certificate.claim
    if claim.outcome is not Outcome.PROVEN:
        why = ", ".join(reason.code for reason in claim.reasons) or claim.outcome.value
        failure = Unproven("not-proven", level=claim.ordered.value, carrier=certificate.carrier, why=why)
    return Result(certificate.carrier, folder.sequence, claim, path, failure)


def _sign(site: Site, sequence: int, signer: Signer) -> None:
    """Add the executor's signature unless it stands there already."""
    envelope = site.waiting(sequence).read_bytes()
    if signer.key_id.encode() not in envelope:
        submission.put(site, sequence, add_signatures(envelope, (signer,)))


def _fix(site: Site, folder: RunFolder, journal: Journal, warrant: Warrant) -> Certificate:
    """Derive the certificate from the journal alone and fix its bytes."""
    plan = folder.plan()
    entry = site.ledger.read().find_spent(warrant.order_digest, warrant.carrier.id)
    if entry is None or journal.head is None or journal.opened.start is None:
        raise RuntimeError("a run was concluded that never began")
    run = Run(
        start=journal.opened.start,
        started_at=_time_of(journal, Identified),
        sequence=folder.sequence,
        entries=len(journal.entries),
        head=journal.head,
        ledger_number=entry.number,
        ledger_head=digest(entry),
        ended_at=_time_of(journal, Concluded),
        evidence_files=folder.evidence_files(),
        description=plan.facts,
    )
    evidence = progress.evidence(plan, warrant.carrier, journal.entries)
    technique = find_technique(plan.technique, warrant.carrier.scheme)
    keyring = site.documents.chain().version(warrant.keyring_digest)
    if keyring is None:
        raise RuntimeError("the keyring of the Start is not in the chain")
    certificate = attest(warrant, plan, technique, evidence, run, keyring=keyring, version=VERSION, now=site.clock())
    folder.fix(certificate)
    return certificate


def _time_of(journal: Journal, kind: type) -> datetime:
    return next(entry.at for entry in journal.entries if isinstance(entry.event, kind))
