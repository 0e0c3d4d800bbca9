"""A restore brought back what was destroyed: erasures that past orders and certificates prove are carried out again.

Nothing new is decided here, and no new certificate is made: the one that stands says that the records are gone, and a
journal of its own, in this host's chain, says that they came back and went again (ADR 0037).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.authorize import authorize_again
from agent.carrying import Hands
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
from wipers.acts import Recognised
from wipers.model import Plan, Target, Warrant
from wipers.needles import MOST
from wipers.ports import Ports
from wipers.progress import evidence, replay
from wipers.running import execute

NO_RECEIPT = "receipt-none"
"""The one thing that an auditor may find wanting, at a site without a registry."""
KNOWN_AGAIN = 4
"""Of so many values that are there one at least was sampled, where all that told enough were: what was destroyed may
have been changed between backup and order, and is still what was destroyed."""


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
    to be there again before it. Reads only; raises Refused."""
    begun = _begun(site, past)
    # What is gone already may still stand in files that a replay before this one held.
    there = decode(begun.read_bytes(), RecordsIdentity) if begun.exists() else _identity_now(past)
    if not there.most_rows:
        return None
    warrant = authorize_again(
        past.order,
        past.start,
        past.selector,
        there=there,
        executor_key=executor.key_id,
        around=site.circumstances(),
        beside=beside,
    )
    targets = site.host.find(warrant.carrier, warrant.selector)
    made = planning.plan(past.order.digest, warrant.carrier, targets, WIPERS["records"])
    target = min(targets, key=lambda one: one.location)
    if not begun.exists():
        _check_same(site, past, warrant, target)
    return Again(past, warrant, target, made)


def _check_same(site: Site, past: Past, warrant: Warrant, target: Target) -> None:
    """What is there is what was destroyed, as far as samples tell: place and number of a table do not survive a
    restore, its rows' values do. Raises Refused."""
    with site.host.open(target, warrant.carrier, warrant.selector, resuming=False) as writer:
        there = tuple(writer.labels()) if isinstance(writer, Recognised) else ()
    known = sum(1 for labels in there if labels & past.labels)
    least = 1 if len(past.labels) >= MOST else max(1, len(there) // KNOWN_AGAIN)
    if known < least:
        raise Refused("replay-stranger", known=known, values=len(there), least=least, where=target.location)


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
    """Return how the erasure ended this time; raises Refused when nothing was touched, Interrupted when part was."""
    carrier = again.past.carrier
    warrant, plan = again.warrant, again.plan
    with site.host.open(again.target, warrant.carrier, warrant.selector, resuming=True) as writer:
        with site.locked():
            sequence, previous = site.journals.next()
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


def _keep(folder: RunFolder, name: str, data: bytes) -> None:
    folder.save_evidence(name, data)


def as_past(site: Site, data: bytes, name: str, selector: Selector) -> Past:
    """Return the erasure that a bundle proves; a document that does not hold is a refusal here: nothing was touched."""
    try:
        return past_of(site, data, name, selector)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error
