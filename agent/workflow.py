"""The whole story: authorise, find and plan everything; then, and only then, hold, destroy, prove, certify, hand in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from agent import handover
from agent.authorize import Review, authorize, review
from agent.carrying import Hands, Prepared, Result, begin, conclude, not_recorded, repair_ledger
from agent.journal import JournalFile
from agent.nonces import RegistryNonces
from agent.runs import RunFolder
from agent.site import Site
from agent.together import Part, Seat, carry_all, in_turn
from agent.turns import Handed, Shown, out_of_turn, relied_on, shown_of
from agent.version import TOOL_ID
from agent.wishes import INTERVAL, Wishes, forget, going
from certificates.encoding import digest
from certificates.envelope import unwrap
from certificates.errors import Failure, Interrupted, Refused, Untrusted
from certificates.signers import Signer
from certificates.statements import (
    Carrier,
    DeviceIdentity,
    Digest,
    LuksIdentity,
    Opened,
    RefusedRun,
    Selector,
)
from wipers import WIPERS, planning
from wipers.model import Plan, Target, Warrant, Writer
from wipers.ports import Observer
from wipers.progress import replay
from wipers.records import listing_copies
from wipers.running import Ports, execute

Confirm = Callable[[Prepared], str]
"""Returns what a person typed or scanned from the object of a carrier."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What `plan` shows of one carrier: target and plan, or why not; and what approval still lacks."""

    carrier: Carrier
    target: Target | None
    plan: Plan | None
    refusal: Refused | None
    """Why `run` would refuse this carrier now; none when it would not."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An order as handed over by a person, and which of its carriers are meant."""

    envelope: bytes
    selectors: Mapping[str, Selector]
    carriers: tuple[str, ...] = ()
    """Ids; none: all."""
    after: tuple[Handed, ...] = ()
    """Documents that show how far carriers of other hosts are, which those chosen wait for."""


def run(
    site: Site, chosen: Chosen, executor: Signer, hands: Hands, *, confirm: Confirm, plan_digest: str | None = None
) -> tuple[Result, ...]:
    """Return how each carrier ended; raises Refused when nothing, of any carrier, was touched."""
    with _recording_refusals(site, chosen.envelope), ExitStack() as all_doors:
        with site.locked():
            repair_ledger(site)
        site.refresh()
        warrants = _authorize(site, chosen, executor)
        shown = _check_turns(site, chosen, warrants, hands.at_once)
        prepared = tuple(replace(prepare(site, one), after=_relied_on(one, shown)) for one in warrants)
        check_plans(prepared, plan_digest)
        check_confirmed(prepared, confirm)
        # Before the lock: a drive that is slow to open must not keep other runs from ending.
        doors = [all_doors.enter_context(ExitStack()) for _ in prepared]
        writers = [door.enter_context(_open(site, one)) for door, one in zip(doors, prepared, strict=True)]
        with site.locked():
            # While a person typed, another process may have spent the order, and a hold may have come.
            warrants = _authorize(site, chosen, executor)
            prepared = tuple(replace(one, warrant=warrant) for one, warrant in zip(prepared, warrants, strict=True))
            begun = [_begin(site, one, door, executor, chosen) for door, one in zip(doors, prepared, strict=True)]
        all_doors.pop_all()
    parts = [_part(site, *part, hands) for part in zip(begun, doors, writers, strict=True)]
    plans = [one.plan for one in prepared]
    return carry_all(in_turn(parts, plans, hands.at_once), hands.stop, hands.at_once)


def plan(site: Site, chosen: Chosen) -> tuple[Planned, ...]:
    """Return what `run` would do with each carrier, approved or not; touches nothing."""
    reviews = review(chosen.envelope, chosen.selectors, chosen.carriers, site.circumstances())
    order, digest = reviews[0].order, reviews[0].order_digest
    early = out_of_turn(order, [one.carrier.id for one in reviews], shown_of(site, order, digest, chosen.after))
    planned = (_plan_one(site, one) for one in reviews)
    return tuple(replace(one, refusal=one.refusal or early.get(one.carrier.id)) for one in planned)


def _check_turns(site: Site, chosen: Chosen, warrants: tuple[Warrant, ...], at_once: int | None) -> Mapping[str, Shown]:
    """Return how far carriers are that others wait for; raises Refused where it is the turn of others."""
    order, digest = warrants[0].order, warrants[0].order_digest
    shown = shown_of(site, order, digest, chosen.after)
    carriers = [one.carrier.id for one in warrants]
    are_together = at_once is None or at_once >= len(carriers)
    for refusal in out_of_turn(order, carriers, shown, are_together=are_together).values():
        raise refusal
    return shown


def _relied_on(warrant: Warrant, shown: Mapping[str, Shown]) -> tuple[str, ...]:
    return relied_on(warrant.order, warrant.carrier.id, shown)


def prepare(site: Site, warrant: Warrant) -> Prepared:
    """Return the carrier found and planned; raises Refused."""
    return Prepared(warrant, *find_and_plan(site, warrant.order_digest, warrant.carrier, warrant.selector))


def find_and_plan(site: Site, order: Digest, carrier: Carrier, selector: Selector | None) -> tuple[Target, Plan]:
    """Return the target found for a carrier and the plan for it; raises Refused, touches nothing."""
    targets = _find(site, carrier, selector)
    made = _plan_for(site, order, carrier, targets)
    return min(targets, key=_by_location), made


def _find(site: Site, carrier: Carrier, selector: Selector | None) -> tuple[Target, ...]:
    """Return what this host finds for a carrier; raises Refused where not even that can be told."""
    targets = site.host.find(carrier, selector)
    if site.config.policy.lists_unordered_copies:
        targets = tuple(listing_copies(target) for target in targets)
    return targets


def _plan_for(site: Site, order: Digest, carrier: Carrier, targets: tuple[Target, ...]) -> Plan:
    of_site = site.config.policy.sanitization
    policies = (of_site,) if of_site is not None else ()
    return planning.plan(order, carrier, targets, WIPERS[carrier.identity.kind], policies=policies)


def _by_location(target: Target) -> str:
    return target.location


@dataclass(frozen=True, slots=True)
class Begun:
    """A run whose journal has begun."""

    warrant: Warrant
    folder: RunFolder
    journal: JournalFile


def _begin(site: Site, prepared: Prepared, door: ExitStack, executor: Signer, chosen: Chosen) -> Begun:
    """Return the run begun; the door that its target hangs on shows other processes that it goes on."""
    folder, journal = begin(site, prepared, executor, chosen.envelope)
    door.enter_context(going(folder))
    return Begun(prepared.warrant, folder, journal)


def _part(site: Site, begun: Begun, door: ExitStack, writer: Writer, hands: Hands) -> Part:
    """Return one carrier's share of the run, which gives its target back as soon as it ended."""
    carrier, sequence = begun.warrant.carrier.id, begun.folder.sequence
    observer, seat = hands.observe(sequence, carrier, begun.folder.plan()), Seat()

    def go() -> Result:
        with door:
            result = carry_out(site, begun, writer, hands, observer, seat=seat)
        return hands.told(result)

    return Part(carrier, sequence, go, seat)


def carry_out(
    site: Site, begun: Begun, writer: Writer, hands: Hands, observer: Observer | None, *, seat: Seat
) -> Result:
    """Return how the carrier ended, from where its journal stands; a site's full disk is an interruption, no bug."""
    try:
        return _carried_out(site, begun, writer, hands, observer, seat=seat)
    except Refused as error:
        return Result(begun.warrant.carrier.id, begun.folder.sequence, None, None, late(error))
    except OSError as error:
        return Result(begun.warrant.carrier.id, begun.folder.sequence, None, None, not_recorded(error))


def _carried_out(
    site: Site, begun: Begun, writer: Writer, hands: Hands, observer: Observer | None, *, seat: Seat
) -> Result:
    warrant, folder, journal = begun.warrant, begun.folder, begun.journal
    progress = replay(journal.read().entries)
    wishes = Wishes(folder, hands.stop)
    _wait_while_paused(wishes, observer)
    try:
        ports = ports_of(site, begun, wishes, observer)
        ports = replace(ports, before=partial(seat.before, stop=wishes))
        execute(warrant, folder.plan(), writer, ports, progress)
    except (Refused, Interrupted) as error:
        return Result(warrant.carrier.id, folder.sequence, None, None, wishes.told(late(error)))
    forget(folder)
    return conclude(site, folder, journal, warrant, hands.executor)


def _wait_while_paused(wishes: Wishes, observer: Observer | None) -> None:
    """Return when nobody wants the run to wait, or it shall end: one that resumes paused writes nothing before."""
    while wishes.is_paused() and not wishes.is_set():
        with suppress(Exception):
            tell = getattr(observer, "entered", None)
            if tell is not None:
                tell("paused")
        time.sleep(INTERVAL)


def ports_of(site: Site, begun: Begun, wishes: Wishes, observer: Observer | None) -> Ports:
    """Return what a run is wired to."""
    folder = begun.folder
    keyring = site.documents.chain().version(begun.warrant.keyring_digest)
    heads = begun.journal.heads
    nonces = RegistryNonces(site.registry, keyring, folder, heads) if site.registry and keyring else None
    return Ports(
        chronicle=begun.journal,
        entropy=site.entropy,
        keep=lambda name, data: _keep(folder, name, data),
        keep_parts=folder.save_evidence_parts,
        nonces=nonces,
        observer=observer,
        stop=wishes,
        now=site.clock,
        care=site.config.care,
        gate=wishes,
    )


def digest_of(plans: tuple[Plan, ...]) -> Digest:
    """Return the digest a person confirms: the plan's own, or of all their digests where there are several."""
    if len(plans) == 1:
        return plans[0].digest
    return digest("\n".join(one.digest for one in plans).encode())


def check_plans(prepared: tuple[Prepared, ...], expected: str | None) -> None:
    """Check that the plan is the one a person read; raises Refused."""
    found = digest_of(tuple(one.plan for one in prepared))
    if expected is not None and found != expected:
        raise Refused("plan-differs", found=found, expected=expected)


def check_confirmed(prepared: tuple[Prepared, ...], confirm: Confirm) -> None:
    """Check that a person named every object; raises Refused."""
    for one in prepared:
        if confirm(one).strip() not in names_of(one.warrant.carrier):
            raise Refused("not-confirmed", carrier=one.warrant.carrier.id)


def names_of(carrier: Carrier) -> tuple[str, ...]:
    """Return what confirms a carrier: its label, or a drive's serial."""
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    serial = identity.serial.strip() if isinstance(identity, DeviceIdentity) else ""
    return (carrier.label, serial) if serial else (carrier.label,)


def _authorize(site: Site, chosen: Chosen, executor: Signer) -> tuple[Warrant, ...]:
    return authorize(chosen.envelope, chosen.selectors, chosen.carriers, executor.key_id, site.circumstances())


def _open(site: Site, prepared: Prepared) -> AbstractContextManager[Writer]:
    warrant = prepared.warrant
    return site.host.open(prepared.target, warrant.carrier, warrant.selector, resuming=False)


def _plan_one(site: Site, one: Review) -> Planned:
    target = None
    try:
        targets = _find(site, one.carrier, one.selector)
        target = min(targets, key=_by_location, default=None)
        made = _plan_for(site, one.order_digest, one.carrier, targets)
    except Refused as error:
        # What was found is told all the same: a refusal names its first reason, the findings name all.
        return Planned(one.carrier, target, None, one.refusal or error)
    return Planned(one.carrier, target, made, one.refusal)


def late(error: Failure) -> Interrupted:
    """Return a failure as it stands once journals have begun: of this carrier or another something may be written."""
    if isinstance(error, Interrupted):
        return error
    if error.reason == "journal-not-writable":
        return Interrupted(error.reason, **error.facts)
    return Interrupted("late-refusal", detail=error.row.en.format_map(error.facts))


def _keep(folder: RunFolder, name: str, data: bytes) -> None:
    folder.save_evidence(name, data)


@contextmanager
def _recording_refusals(site: Site, envelope: bytes) -> Iterator[None]:
    """Journal a refusal: an attempt is part of this host's history too."""
    try:
        yield
    except Refused as error:
        try:
            order = unwrap(envelope).digest
        except Untrusted:
            order = None
        with site.locked():
            sequence, previous = site.journals.next(site.ledger.read().last_sequence)
            opened = Opened(site.signer.key_id, sequence, previous, TOOL_ID, None, order, None)
            site.journals.open(opened).write(RefusedRun(error.reason))
        handover.write_for(site, envelope, error)
        raise
