"""A restore brought back what was destroyed: erasures that past orders and certificates prove are carried out again.

Nothing new is decided here, and no new certificate is made: the one that stands says that the records are gone, and a
journal of its own, in this host's chain, says that they came back and went again (ADR 0037).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.authorize import authorize_again
from agent.carrying import Hands, not_recorded
from agent.lines import write_durably
from agent.records_form import measure_records
from agent.runs import PLAN, RunFolder
from agent.site import Site
from agent.version import TOOL_ID
from certificates import bundle
from certificates.audit import Verdict, audit
from certificates.claims import claim
from certificates.encoding import decode, encode
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Refused, Untrusted
from certificates.keyring import resolver
from certificates.signers import Signer
from certificates.statements import (
    Carrier,
    Claim,
    Noted,
    Opened,
    Order,
    RecordsIdentity,
    Selector,
    Start,
)
from certificates.trust import Trust, TrustedLog
from wipers import WIPERS, planning
from wipers.acts import Recognised, Undoing
from wipers.model import Host, Plan, Target, Warrant, Writer
from wipers.needles import MOST
from wipers.ports import Ports
from wipers.progress import evidence, replay
from wipers.running import execute

PLACE = ("system", "filesystem", "inode", "object")
"""What tells the database, or table, that a restore put in place from the one before it."""
NO_RECEIPT = "receipt-none"
"""The one thing that an auditor may find wanting, at a site without a registry."""
KNOWN_AGAIN = 4
"""Of so many values that are there one at least was sampled, where all that told enough were: what was destroyed may
have been changed between backup and order, and is still what was destroyed."""
NEARLY_MOST = MOST * 3 // 4
"""From so many different samples on there may have been more values than were sampled; equal ones count once."""
VALUES_OF_A_ROW = 64
"""Where not all were sampled: an eighth of what would be known again if each row had eight values is asked for."""


@dataclass(frozen=True, slots=True)
class Past:
    """An erasure that this host carried out, with what authorised it."""

    order: Sealed[Order]
    start: Sealed[Start]
    certificate: str
    """Digest of its certificate."""
    carrier: Carrier
    selector: Selector
    labels: frozenset[str]
    """Labels of the samples that were taken of it."""


@dataclass(frozen=True, slots=True)
class Again:
    """What is there again, planned; nothing has been touched."""

    past: Past
    warrant: Warrant
    target: Target
    plan: Plan
    follows: str = ""
    """What the journal is to say of a replay that does not go on, and whose held files go with this one."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How it ended."""

    carrier: str
    rows: int
    """Rows that were there again."""
    sequence: int | None
    """Number of the journal; none where nothing was there."""
    claim: Claim | None
    """What the journal supports; none where nothing was there."""


def past_of(site: Site, data: bytes, name: str, selector: Selector) -> Past:
    """Return the erasure that a bundle proves, if this host carried it out; raises Refused."""
    _check_proven(site, data, name)
    entries = bundle.unpack(data)
    start = decode(unwrap(entries[bundle.START]).payload, Start)
    keyring = site.documents.chain().version(start.keyring)
    if keyring is None or start.host != site.signer.key_id:
        raise Refused("replay-unfounded", name=name, detail="another host carried it out")
    known = resolver(keyring, start.started_at)
    order = unseal(entries[bundle.ORDER], Order, known)
    spent = site.ledger.read().find_spent(order.digest, start.carrier)
    if spent is None or spent.sequence != start.sequence:
        raise Refused("replay-unfounded", name=name, detail="this host's ledger does not know it")
    carrier = next(one for one in order.statement.carriers if one.id == start.carrier)
    certificate = unwrap(entries[bundle.CERTIFICATE], 4 << 20).digest
    begun = unseal(entries[bundle.START], Start, known)
    return Past(order, begun, certificate, carrier, selector, _labels_in(bundle.evidence(entries)))


def _labels_in(files: Mapping[str, bytes]) -> frozenset[str]:
    """Return the labels of all samples that evidence lists; the audit has checked that it is of this run."""
    lines = (line for name, data in files.items() if name.startswith("needles-") for line in data.splitlines())
    return frozenset(str(json.loads(line)["label"]) for line in lines)


def _check_proven(site: Site, data: bytes, name: str) -> None:
    """An auditor who trusts what this site trusts finds nothing wanting; raises Refused."""
    logs = tuple(TrustedLog(log.origin, log.key.spki) for log in site.documents.chain().current.logs)
    report = audit(data, Trust((site.config.keyring_root,), logs), name)
    wanting = [one for one in report.findings if one.leaves is not Verdict.PROVEN]
    if site.registry is None:
        wanting = [one for one in wanting if one.code != NO_RECEIPT]
    if wanting or not report.findings:
        detail = ", ".join(one.code for one in wanting) or report.verdict.value
        raise Refused("replay-unfounded", name=name, detail=detail)


def look_again(site: Site, past: Past, executor: Signer, beside: tuple[Carrier, ...] = ()) -> Again | None:
    """Return what of a past erasure is there again, planned; none where nothing is. `beside`: carriers that were found
    to be there again before it. Reads only, but that a replay before this one which took nothing is undone, and one
    that another restore came amid is put aside; raises Refused."""
    begun, host = _begun(site, past), site.host
    around = site.circumstances()

    def warrant_for(place: RecordsIdentity) -> Warrant:
        key = executor.key_id
        return authorize_again(
            past.order, past.start, past.selector, there=place, executor_key=key, around=around, beside=beside
        )

    if begun.exists() and isinstance(host, Undoing) and host.is_untouched(past.carrier):
        _undo(past, begun, host, warrant_for)
    # What is gone already may still stand in files that a replay before this one held.
    noted = decode(begun.read_bytes(), RecordsIdentity) if begun.exists() else None
    again = _there_anew(past, noted, host) if noted is not None and isinstance(host, Undoing) else None
    is_begun = noted is not None and again is None
    there = (noted if is_begun else again) or _identity_now(past)
    if not there.most_rows:
        _check_nothing_held(past, host)
        return None
    warrant = warrant_for(there)
    if again is not None and isinstance(host, Undoing):
        host.put_aside(warrant.carrier, warrant.selector)
        begun.unlink()
    targets = site.host.find(warrant.carrier, warrant.selector)
    made = planning.plan(past.order.digest, warrant.carrier, targets, WIPERS["records"])
    target = min(targets, key=lambda one: one.location)
    if not is_begun:
        with site.host.open(target, warrant.carrier, warrant.selector, resuming=False) as writer:
            _check_same_or_nothing_held(past, writer, target, host)
    follows = ""
    if again is not None or (not is_begun and _held_by_others(past, host)):
        how = "another restore came amid run {}" if again is not None else "run {} does not go on"
        follows = f"{how.format(_last_sequence(site, past))}: what it held goes with this one"
    return Again(past, warrant, target, made, follows)


def _undo(past: Past, begun: Path, host: Host, warrant_for: Callable[[RecordsIdentity], Warrant]) -> None:
    """A replay that took nothing out is as if it had never begun: where the records lay then says nothing of where they
    are. What it held and its server dropped since has no other name, and goes with the next one's; raises Refused."""
    place = decode(begun.read_bytes(), RecordsIdentity)
    with suppress(Refused):
        place = _identity_now(past)
    warrant = warrant_for(place)
    if isinstance(host, Undoing):
        host.put_aside(warrant.carrier, warrant.selector)
    begun.unlink()
    if not _held_by_others(past, host):
        host.forget(past.carrier)


def _there_anew(past: Past, noted: RecordsIdentity, host: Undoing) -> RecordsIdentity | None:
    """Return the records as another restore brought them back amid a replay; none where that replay can go on: they
    cannot be looked at while it is half done, none are there, or they lie where it found them and are those that it
    has not taken out yet, or somebody else's."""
    try:
        now = _identity_now(past)
    except Refused:
        return None
    is_elsewhere = any(getattr(now, name) != getattr(noted, name) for name in PLACE)
    if not now.most_rows:
        # A run of SQLite's that goes on is at another file than it began with: what it made anew.
        return now if is_elsewhere and now.engine != "sqlite" and not _held_by_others(past, host) else None
    if is_elsewhere:
        return now
    if not host.is_taken_out(past.carrier):
        # A transaction that did not come to its end left as many as there were, and those.
        if now.most_rows != noted.most_rows:
            return now
        _check_no_strangers(past, now, host)
        return None
    there = host.labels_there(replace(past.carrier, identity=now), past.selector)
    return now if _known_of(past, there) >= _least_of(past, there) else None


def _check_no_strangers(past: Past, now: RecordsIdentity, host: Undoing) -> None:
    """What a replay that is half done would take is what it began with, as far as it can be looked at then: an inode's
    number is given to another file soon. Raises Refused."""
    try:
        there = host.labels_there(replace(past.carrier, identity=now), past.selector)
    except Refused:
        return
    known, least = _known_of(past, there), _least_of(past, there)
    if known < least:
        raise Refused("replay-stranger", known=known, values=len(there), least=least, where=past.selector.carrier)


def _held_by_others(past: Past, host: Host | Undoing) -> tuple[str, ...]:
    return host.held_by_others(past.carrier) if isinstance(host, Undoing) else ()


def _check_nothing_held(past: Past, host: Host) -> None:
    """Nothing that a replay held is left over, where no other one takes it along; raises Refused."""
    for folder in _held_by_others(past, host):
        raise Refused("replay-holds", carrier=past.carrier.id, where=folder)


def _last_sequence(site: Site, past: Past) -> int | None:
    """Return the number of the last journal about the carrier."""
    entries = reversed(site.ledger.read().entries)
    mine = (one for one in entries if (one.order, one.carrier) == (past.order.digest, past.carrier.id))
    return next((one.sequence for one in mine), None)


def _check_same_or_nothing_held(past: Past, writer: Writer, target: Target, host: Host) -> None:
    """What is there is what was destroyed; where it is not, nothing is left over either that would go with it. Raises
    Refused."""
    try:
        _check_same(past, writer, target)
    except Refused:
        _check_nothing_held(past, host)
        raise


def _check_same(past: Past, writer: Writer, target: Target) -> None:
    """What is there is what was destroyed, as far as samples tell: place and number of a table do not survive a
    restore, its rows' values do. Some of it may be out already: it was asked before, then. Raises Refused."""
    told = writer.labels() if isinstance(writer, Recognised) else iter(())
    if told is None:
        return
    there = tuple(told)
    known, least = _known_of(past, there), _least_of(past, there)
    if known < least:
        raise Refused("replay-stranger", known=known, values=len(there), least=least, where=target.location)


def _known_of(past: Past, there: Sequence[frozenset[str]]) -> int:
    """Return how many of the values that are there were sampled of what was destroyed."""
    return sum(1 for labels in there if labels & past.labels)


def _least_of(past: Past, there: Sequence[frozenset[str]]) -> int:
    """Return how many of them must have been."""
    identity = past.carrier.identity
    rows = identity.most_rows if isinstance(identity, RecordsIdentity) else 0
    return least_known(len(there), len(past.labels), rows)


def least_known(values: int, samples: int, rows: int) -> int:
    """Return how many values must be known again, of so many that are there, where so many different samples were taken
    of at most so many rows: one that strangers share by chance is not enough."""
    least = values // KNOWN_AGAIN
    if samples >= NEARLY_MOST:
        least = min(least, values * samples // (VALUES_OF_A_ROW * max(rows, 1)))
    return max(1, least)


def _begun(site: Site, past: Past) -> Path:
    """Return the file that says where the records of a replay that has not ended were, when it began."""
    commitment = past.carrier.selector.commitment if past.carrier.selector is not None else "none"
    return site.state / "replays" / f"{commitment.removeprefix('sha256:')}.json"


def _identity_now(past: Past) -> RecordsIdentity:
    """Return the ordered part of the database as it lies now, with the rows that are there."""
    ordered = past.carrier.identity
    if not isinstance(ordered, RecordsIdentity):
        raise Refused("replay-unfounded", name=past.carrier.id, detail="it is no order for records")
    described: dict[str, Any] = {"kind": "records", "engine": ordered.engine, "scope": ordered.scope}
    described["database"] = ordered.database
    selects: dict[str, Any] = json.loads(encode(past.selector.selects))
    found = measure_records(described, selects, past.carrier.id).identity
    return replace(
        ordered,
        system=found["system"],
        filesystem=found["filesystem"],
        inode=found["inode"],
        object=found.get("object"),
        least_rows=0,
        most_rows=found["most_rows"],
    )


def check_confirmed(again: Again, typed: str) -> None:
    """A person named the object; raises Refused."""
    if typed.strip() != again.past.carrier.label:
        raise Refused("not-confirmed", carrier=again.past.carrier.id)


def carry_out_again(site: Site, again: Again, hands: Hands) -> Replayed:
    """Return how the erasure ended this time; raises Refused when nothing was touched, Interrupted when part was, or
    where the site's disk is full."""
    try:
        return _carried_out_again(site, again, hands)
    except OSError as error:
        raise not_recorded(error) from error


def _carried_out_again(site: Site, again: Again, hands: Hands) -> Replayed:
    carrier = again.past.carrier
    warrant, plan = again.warrant, again.plan
    _check_still_allowed(site, again, hands)
    with site.host.open(again.target, warrant.carrier, warrant.selector, resuming=True) as writer:
        # Somebody was asked in between, or a replay before this one stopped before it took anything.
        _check_same(again.past, writer, again.target)
        with site.locked():
            sequence, previous = site.journals.next(site.ledger.read().last_sequence)
            folder = site.folder(sequence)
            folder.make()
            folder.write(PLAN, encode(plan))
            opened = Opened(warrant.host, sequence, previous, TOOL_ID, None, warrant.order_digest, carrier.id)
            journal = site.journals.open(opened)
            # The order is spent already; what is spent again is the site's blast radius.
            site.ledger.spend(warrant.order_digest, carrier.id, sequence, plan.size, site.clock())
        begun = _begun(site, again.past)
        begun.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(begun, encode(warrant.carrier.identity))
        journal.write(
            Noted(f"replay of run {again.past.start.statement.sequence}, certificate {again.past.certificate}")
        )
        if again.follows:
            journal.write(Noted(again.follows))
        ports = Ports(
            chronicle=journal,
            entropy=site.entropy,
            keep=lambda name, data: _keep(folder, name, data),
            keep_parts=folder.save_evidence_parts,
            observer=hands.observe(sequence, carrier.id, plan),
            stop=hands.stop,
            now=site.clock,
            care=site.config.care,
        )
        execute(warrant, plan, writer, ports, replay(()))
    found = claim(evidence(plan, warrant.carrier, journal.read().entries), carrier.level)
    site.host.forget(warrant.carrier)
    begun.unlink()
    return Replayed(carrier.id, plan.objects, sequence, found)


def _check_still_allowed(site: Site, again: Again, hands: Hands) -> None:
    """Nothing came in between that forbids it: somebody read, perhaps for long, what would go. Raises Refused."""
    there = again.warrant.carrier.identity
    if not isinstance(there, RecordsIdentity):
        raise Refused("replay-unfounded", name=again.past.carrier.id, detail="it is no order for records")
    past, around = again.past, site.circumstances()
    executor = hands.executor.key_id if hands.executor is not None else ""
    authorize_again(past.order, past.start, past.selector, there=there, executor_key=executor, around=around)


def _keep(folder: RunFolder, name: str, data: bytes) -> None:
    folder.save_evidence(name, data)


def as_past(site: Site, data: bytes, name: str, selector: Selector) -> Past:
    """Return the erasure that a bundle proves; a document that does not hold is a refusal here: nothing was touched."""
    try:
        return past_of(site, data, name, selector)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
