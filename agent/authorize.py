"""May we? Order, keyring, holds, ledger and clock in; warrants out, or a refusal. Pure; the only maker of warrants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent.ledger import Ledger
from certificates import consistency
from certificates.approval import assets_on, check_approved, check_not_held, paper_of
from certificates.encoding import decode, format_time
from certificates.envelope import Sealed, Signature, unseal, unwrap
from certificates.errors import Failure, Interrupted, Refused, Untrusted
from certificates.keyring import Chain, is_valid, resolver
from certificates.selectors import commitment
from certificates.statements import (
    Carrier,
    FilesIdentity,
    Grade,
    Hold,
    HoldState,
    LuksIdentity,
    Order,
    PersonRole,
    RecordsIdentity,
    Role,
    Secrecy,
    Selector,
    Start,
)
from wipers.model import Warrant


@dataclass(frozen=True, slots=True)
class Policy:
    """What the site's configuration says about authorising."""

    has_register: bool = True
    """The site keeps a hold register; a site without says so on every certificate."""
    max_hold_age: timedelta = timedelta(hours=24)
    """Oldest hold state that is relied on."""
    carriers_per_hour: int = 16
    """Blast radius: carriers begun in any hour."""
    bytes_per_day: int = 64 << 40
    """Blast radius: bytes begun in any day."""
    core_organ: str | None = None
    """Organ that decides on core data; none: core data is refused."""
    sanitization: str | None = None
    """Policy whose techniques alone are used at this site, besides what an order names; none: no such limit."""
    lists_unordered_copies: bool = False
    """Whether copies that a database server knows and no order names are listed on the certificate instead of being a
    reason to refuse."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that an authorisation depends on besides the order: values, read once."""

    chain: Chain
    """Keyrings, the current one last."""
    host: str
    """This host's id."""
    now: datetime
    """The clock."""
    seen: datetime | None
    """Last instant in ledger, journals, hold state or checkpoint."""
    hold_state: Sealed[HoldState] | None
    """Newest hold state."""
    local_holds: tuple[Hold, ...]
    """Holds lying on this host that the register may not know yet."""
    ledger: Ledger
    """Spent orders."""
    policy: Policy
    """Site policy."""
    kill_switch: str | None = None
    """Where the kill switch is set, if it is."""


def authorize(
    envelope: bytes,
    selectors: Mapping[str, Selector],
    chosen: tuple[str, ...],
    executor_key: str,
    around: Circumstances,
) -> tuple[Warrant, ...]:
    """Return a warrant for each chosen carrier (none chosen: all), or raise Refused: then nothing may be touched."""
    try:
        order = open_order(envelope, around)
        _check_host_state(around)
        consistency.check_order(order.statement)
        _check_executor(order.statement, executor_key, around)
        _check_time(order, around)
        carriers = _choose(order.statement, chosen)
        for carrier in carriers:
            _check_carrier(order, carrier, selectors.get(carrier.id), around)
        _check_limits(len(carriers), sum(size_of(carrier) for carrier in carriers), around)
    except Untrusted as error:
        raise as_refusal(error) from error
    return tuple(_warrant(order, carrier, selectors.get(carrier.id), around) for carrier in carriers)


@dataclass(frozen=True, slots=True)
class Review:
    """An order's carrier as it stands, approved or not: for looking, never a warrant."""

    order: Order
    order_digest: str
    carrier: Carrier
    selector: Selector | None
    refusal: Refused | None
    """Why the carrier would not be authorised now; none when it would."""


def review(
    envelope: bytes, selectors: Mapping[str, Selector], chosen: tuple[str, ...], around: Circumstances
) -> tuple[Review, ...]:
    """Return each chosen carrier and why it would be refused; raises Refused when the order cannot even be read."""
    general: Refused | None = None
    sealed: Sealed[Order] | None = None
    try:
        wrapped = unwrap(envelope)
        order = decode(wrapped.payload, Order)
        carriers = _choose(order, chosen)
    except Untrusted as error:
        raise as_refusal(error) from error
    try:
        sealed = open_order(envelope, around)
        _check_host_state(around)
        consistency.check_order(order)
        _check_time(sealed, around)
    except (Refused, Untrusted) as error:
        general = as_refusal(error)
    return tuple(
        Review(
            order, wrapped.digest, one, selectors.get(one.id), general or _refusal_of(sealed, one, selectors, around)
        )
        for one in carriers
    )


def _refusal_of(
    order: Sealed[Order] | None, carrier: Carrier, selectors: Mapping[str, Selector], around: Circumstances
) -> Refused | None:
    """Return why this carrier of a readable order would be refused, or none."""
    if order is None:
        return None
    try:
        _check_carrier(order, carrier, selectors.get(carrier.id), around)
    except (Refused, Untrusted) as error:
        return as_refusal(error)
    return None


def as_refusal(error: Failure) -> Refused:
    """Return the same reason in the family Refused: before the first write nothing was touched."""
    return error if isinstance(error, Refused) else Refused(error.reason, **error.facts)


def open_order(envelope: bytes, around: Circumstances) -> Sealed[Order]:
    """Return the order whose every signature is known and holds now; raises Untrusted."""
    return unseal(envelope, Order, resolver(around.chain.current, around.now))


def reauthorize(
    order: Sealed[Order], begun: Sealed[Start], selector: Selector | None, around: Circumstances
) -> Warrant:
    """Return the warrant of a begun run: expiry no longer stops it; a hold, kill switch or revocation does."""
    start = begun.statement
    carrier = next(c for c in order.statement.carriers if c.id == start.carrier)
    try:
        if around.kill_switch:
            raise Refused("kill-switch", where=around.kill_switch)
        _check_holds(order, carrier, around)
        _check_selector(carrier, selector)
        _check_revocations((*order.signatures, *begun.signatures), around)
    except Failure as error:
        raise Interrupted("late-refusal", detail=error.row.en.format_map(error.facts)) from error
    warrant = _warrant(order, carrier, selector, around)
    return replace(
        warrant, keyring_digest=start.keyring, keyring_version=start.keyring_version, hold_state=start.hold_state
    )


def authorize_again(
    order: Sealed[Order],
    begun: Sealed[Start],
    selector: Selector | None,
    *,
    there: RecordsIdentity,
    executor_key: str,
    around: Circumstances,
    beside: tuple[Carrier, ...] = (),
) -> Warrant:
    """Return the warrant to repeat an erasure of records that was carried out and proven, where a restore brought them
    back; raises Refused.

    `there`: the same part of the same database, as it lies now; never more rows than were ordered. `beside`: carriers
    that are going to be repeated with it, which the blast radius counts. Approvals were
    counted when it was first carried out; what stops a resume stops this too, and the executor is the ordered one.
    """
    start = begun.statement
    carrier = next(c for c in order.statement.carriers if c.id == start.carrier)
    try:
        _check_same_records(carrier, there)
        _check_host_state(around)
        _check_executor(order.statement, executor_key, around)
        _check_gates(order.statement, carrier, around)
        _check_holds(order, carrier, around)
        _check_selector(carrier, selector)
        _check_revocations((*order.signatures, *begun.signatures), around)
        _check_limits(1 + len(beside), sum(size_of(one) for one in (carrier, *beside)), around)
    except Untrusted as error:
        raise as_refusal(error) from error
    warrant = _warrant(order, replace(carrier, identity=there), selector, around)
    return replace(
        warrant, keyring_digest=start.keyring, keyring_version=start.keyring_version, hold_state=start.hold_state
    )


def _check_same_records(carrier: Carrier, there: RecordsIdentity) -> None:
    """Only the place may differ, and rows may be fewer: a restore puts files elsewhere, also into a server that was
    installed anew and calls itself otherwise, and a backup may be old."""
    ordered = carrier.identity
    if not isinstance(ordered, RecordsIdentity):
        raise Refused("replay-unfounded", name=carrier.id, detail="it is no order for records")
    for name in ("engine", "database", "scope"):
        found, expected = getattr(there, name), getattr(ordered, name)
        if found != expected:
            raise Refused("identity-changed", where=carrier.label, fact=name, found=found, expected=expected)
    if there.most_rows > ordered.most_rows:
        raise Refused("count-outside-order", found=there.most_rows, what="rows", least=0, most=ordered.most_rows)


def size_of(carrier: Carrier) -> int:
    """Return the most bytes that the order says this carrier holds."""
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    most = identity.most_bytes if isinstance(identity, FilesIdentity) else getattr(identity, "size", 0)
    return max(most, carrier.selector.size if carrier.selector is not None else 0)


def _warrant(order: Sealed[Order], carrier: Carrier, selector: Selector | None, around: Circumstances) -> Warrant:
    signers = _signers(order)
    return Warrant(
        order=order.statement,
        order_digest=order.digest,
        carrier=carrier,
        selector=selector,
        keyring_digest=around.chain.digest,
        keyring_version=around.chain.current.version,
        hold_state=around.hold_state.digest if around.hold_state else None,
        host=around.host,
        counted=signers,
        paper=paper_of(around.chain.current, order.statement, carrier, signers),
        at=around.now,
    )


def _signers(order: Sealed[Order]) -> tuple[PersonRole, ...]:
    """Return who signed, each natural person once."""
    return tuple(sorted({s.signer for s in order.signatures}, key=lambda person: person.id))


def _check_host_state(around: Circumstances) -> None:
    if around.kill_switch:
        raise Refused("kill-switch", where=around.kill_switch)
    if around.seen is not None and around.now < around.seen:
        raise Refused("clock-behind", now=format_time(around.now), seen=format_time(around.seen))


def _check_host_key(around: Circumstances) -> None:
    """Check that the keyring lists this host's key, and that it counts now: else nobody could believe what it seals."""
    key = next((host.key for host in around.chain.current.hosts if host.key.id == around.host), None)
    if key is None:
        raise Refused("signature-unknown-key", key=around.host)
    if not is_valid(key, around.now):
        raise Refused("key-not-valid", key=key.id, at=format_time(around.now))


def _check_executor(order: Order, executor_key: str, around: Circumstances) -> None:
    """Check that the key given is the ordered executor's, for that role, now."""
    for person in around.chain.current.persons:
        for held in person.keys if person.id == order.executing.person else ():
            if held.key.id == executor_key and Role.EXECUTOR in held.roles and is_valid(held.key, around.now):
                return
    raise Refused("executor-not-named", executor=order.executing.person)


def _is_revoked(revoked_at: datetime | None, around: Circumstances) -> bool:
    return revoked_at is not None and revoked_at <= around.now


def _check_time(order: Sealed[Order], around: Circumstances) -> None:
    told, now = order.statement, around.now
    if now >= told.expires_at:
        raise Refused("order-expired", at=format_time(told.expires_at))
    if now < told.issued_at:
        raise Refused("order-not-yet-valid", at=format_time(told.issued_at))
    if not told.not_before <= now < told.not_after:
        raise Refused("order-window", begin=format_time(told.not_before), end=format_time(told.not_after))
    if now.strftime("%Y-%m-%d") < told.retention.due:
        raise Refused("retention-not-ended", due=told.retention.due)
    if around.ledger.is_superseded(order.digest):
        raise Refused("order-superseded")


def _choose(order: Order, chosen: tuple[str, ...]) -> tuple[Carrier, ...]:
    known = {carrier.id: carrier for carrier in order.carriers}
    for name in chosen:
        if name not in known:
            raise Refused("carrier-unknown", carrier=name)
    return tuple(c for c in order.carriers if not chosen or c.id in chosen)


def _check_carrier(order: Sealed[Order], carrier: Carrier, selector: Selector | None, around: Circumstances) -> None:
    if around.host not in carrier.hosts:
        raise Refused("order-other-host", carrier=carrier.id)
    _check_host_key(around)
    if spent := around.ledger.find_spent(order.digest, carrier.id):
        raise Refused("order-spent", carrier=carrier.id, sequence=spent.sequence)
    _check_gates(order.statement, carrier, around)
    check_approved(around.chain.current, order.statement, carrier, _signers(order))
    _check_holds(order, carrier, around)
    _check_selector(carrier, selector)


def _check_gates(order: Order, carrier: Carrier, around: Circumstances) -> None:
    """Stop at the secrecy gate and the core-data gate: no approval opens the first."""
    for asset in assets_on(order, carrier):
        if asset.secrecy is not Secrecy.NONE:
            raise Refused("secrecy-gate", asset=asset.card, where="the hand-over folder of this site")
        if asset.grade is Grade.CORE and around.policy.core_organ != order.decision.organ:
            raise Refused("core-data-gate", asset=asset.card)


def _check_holds(order: Sealed[Order], carrier: Carrier, around: Circumstances) -> None:
    """Check freshness of the hold state, then every hold: a hold denies."""
    holds = around.local_holds
    if around.policy.has_register:
        if around.hold_state is None:
            raise Refused("hold-state-missing")
        state = around.hold_state.statement
        if around.now - state.as_of > around.policy.max_hold_age:
            raise Refused("hold-state-old", as_of=format_time(state.as_of))
        holds += state.holds
    check_not_held(holds, order.statement, order.digest, carrier)


def _check_selector(carrier: Carrier, selector: Selector | None) -> None:
    if carrier.selector is None:
        if consistency.needs_selector(carrier):
            raise Refused("selector-missing", carrier=carrier.id)
        return
    if selector is None:
        raise Refused("selector-missing", carrier=carrier.id)
    is_fitting = selector.carrier == carrier.id and commitment(selector) == carrier.selector.commitment
    if not is_fitting or selector.selects.kind != consistency.selector_kind(carrier):
        raise Refused("selector-mismatch", carrier=carrier.id)


def _check_limits(count: int, size: int, around: Circumstances) -> None:
    """Check the blast radius with these carriers counted in."""
    hour, day = around.now - timedelta(hours=1), around.now - timedelta(days=1)
    if around.ledger.begun_since(hour) + count > around.policy.carriers_per_hour:
        raise Refused("limit-carriers", most=around.policy.carriers_per_hour)
    used = around.ledger.size_since(day)
    if used + size > around.policy.bytes_per_day:
        raise Refused("limit-bytes", most=around.policy.bytes_per_day, used=used)


def _check_revocations(signatures: tuple[Signature, ...], around: Circumstances) -> None:
    """Check that no key that approved the order, declared its start or seals its end was revoked or removed since."""
    keyring = around.chain.current
    held = {k.key.id: k.key for person in keyring.persons for k in person.keys}
    held |= {host.key.id: host.key for host in keyring.hosts}
    for name in (*(signature.key_id for signature in signatures), around.host):
        key = held.get(name)
        if key is None or _is_revoked(key.revoked_at, around):
            raise Refused("signature-unknown-key", key=name)
