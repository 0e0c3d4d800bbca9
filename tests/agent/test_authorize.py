"""May we? One test a reason: every refusal of the domain, each with all else in order."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from agent.authorize import Circumstances, Policy, authorize, review
from agent.ledger import Ledger
from certificates.encoding import digest
from certificates.envelope import Sealed, unseal
from certificates.errors import Refused
from certificates.keyring import Chain, check_chain, resolver
from certificates.selectors import commitment
from certificates.statements import (
    Alternative,
    ApprovalDocument,
    FilesIdentity,
    FilesSelector,
    Grade,
    Hold,
    HoldScope,
    HoldState,
    HostKey,
    Keyring,
    LedgerEntry,
    Level,
    Order,
    PaperApproval,
    PathSelector,
    PersonKey,
    PersonRole,
    Requirement,
    Role,
    Rule,
    SampledVerification,
    Secrecy,
    Selector,
    SelectorCommitment,
)
from tests.support import world
from tests.support.world import NOW, seal

HOUR = timedelta(hours=1)
UUID = "01234567-89ab-cdef-0123-456789abcdef"


def chain_of(ring: Keyring) -> Chain:
    return check_chain([world.seal_keyring(ring)], digest(ring))


def state_of(ring: Keyring, state: HoldState) -> Sealed[HoldState]:
    return unseal(seal(state, world.registry()), HoldState, resolver(ring, state.as_of))


@dataclass
class Case:
    """Everything in order; a test changes one thing."""

    order: Order = field(default_factory=world.order)
    signers: tuple[str, ...] = world.APPROVERS
    ring: Keyring = field(default_factory=world.keyring)
    holds: HoldState | None = field(default_factory=world.hold_state)
    selectors: dict[str, Selector] = field(default_factory=dict)
    executor: str = "P-0230"
    chosen: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    around: dict[str, Any] = field(default_factory=dict)

    @property
    def envelope(self) -> bytes:
        return seal(self.order, *self.signers)

    def circumstances(self) -> Circumstances:
        held = state_of(self.ring, self.holds) if self.holds else None
        plain = Circumstances(
            chain=chain_of(self.ring),
            host=world.host().key_id,
            now=NOW,
            seen=NOW - HOUR,
            hold_state=held,
            local_holds=(),
            ledger=Ledger(),
            policy=self.policy,
        )
        return replace(plain, **self.around)

    def authorize(self, envelope: bytes | None = None) -> Any:
        key = world.signer(self.executor).key_id
        return authorize(
            self.envelope if envelope is None else envelope, self.selectors, self.chosen, key, self.circumstances()
        )


def refusal(case: Case, envelope: bytes | None = None) -> str:
    with pytest.raises(Refused) as refused:
        case.authorize(envelope)
    assert "<" not in str(refused.value), "every fact of the sentence is given"
    return refused.value.reason


def test_a_good_order_gives_one_warrant_a_carrier_that_says_who_was_counted() -> None:
    """The warrant is the proof that approvals were counted."""
    (warrant,) = Case().authorize()
    assert [person.id for person in warrant.counted] == ["P-0101", "P-0102", "P-0417", "P-0588"]
    assert (warrant.order_digest, warrant.paper) == (digest(world.order()), None)


def test_the_same_circumstances_give_the_same_answer() -> None:
    """Pure: no clock, no disk, no chance."""
    case = Case()
    envelope, around, key = case.envelope, case.circumstances(), world.signer("P-0230").key_id
    assert authorize(envelope, {}, (), key, around) == authorize(envelope, {}, (), key, around)


PERSONS = world.order().persons
CARRIER = world.carrier()


def with_carrier(**changes: Any) -> Order:
    return world.order(carriers=(world.carrier(**changes),))


def with_asset(**changes: Any) -> Order:
    return world.order(assets=(replace(world.ASSET, **changes),))


def approver_with(**changes: Any) -> Keyring:
    ring = world.keyring()
    persons = tuple(world.person("P-0417", **changes) if p.id == "P-0417" else p for p in ring.persons)
    return replace(ring, persons=persons)


def two_keys() -> Keyring:
    """One approver under two keys."""
    keys = tuple(PersonKey(world.public(world.signer(name)), (Role.APPROVER,)) for name in ("P-0417", "P-0417/2"))
    return approver_with(keys=keys)


def ring_with(rule: Rule | None) -> Keyring:
    return world.keyring(rules=(rule,) if rule else ())


def held(kind: Any, value: str) -> HoldState:
    scope = HoldScope(kind, value)
    return world.hold_state(Hold("H-1", (scope,), "inquiry", "court 3", NOW - HOUR, ()))


PLAIN_RULE = world.rule(Level.CLEAR, Grade.IMPORTANT)
SPENT = Ledger((LedgerEntry(1, None, NOW - HOUR, digest(world.order()), "C-1", 4, 1 << 30),), "sha256:" + "0" * 64)
SUPERSEDED = Ledger((LedgerEntry(1, None, NOW - HOUR, digest(world.order()), None, None, 0),), "sha256:" + "0" * 64)

FEW = Selector("C-1", "5" * 64, FilesSelector("/srv", ("few",), "6" * 64))

REFUSALS: dict[str, tuple[str, Callable[[], Case]]] = {
    "one signature short": ("rule-not-met", lambda: Case(signers=("P-0101", "P-0417", "P-0102"))),
    "the security officer is missing": ("rule-not-met", lambda: Case(signers=("P-0101", "P-0417", "P-0588"))),
    "one person under two keys": (
        "rule-not-met",
        lambda: Case(ring=two_keys(), signers=("P-0101", "P-0417", "P-0417/2", "P-0102")),
    ),
    "a stranger's signature beside good ones": (
        "signature-unknown-key",
        lambda: Case(signers=(*world.APPROVERS, "stranger")),
    ),
    "a person of the keyring whom the order does not name": (
        "signature-unknown-key",
        lambda: Case(signers=(*world.APPROVERS, "P-0811")),
    ),
    "an approver signs as security officer": (
        "signature-wrong-role",
        lambda: Case(
            order=world.order(persons=(*PERSONS[:3], PersonRole("P-0811", Role.SECURITY_OFFICER))),
            signers=("P-0101", "P-0417", "P-0588", "P-0811"),
        ),
    ),
    "an approver's key was revoked": (
        "key-not-valid",
        lambda: Case(
            ring=approver_with(
                keys=(PersonKey(world.public(world.signer("P-0417"), revoked_at=NOW - HOUR), (Role.APPROVER,)),)
            )
        ),
    ),
    "expired": ("order-expired", lambda: Case(order=world.order(expires_at=NOW))),
    "not yet valid": (
        "order-not-yet-valid",
        lambda: Case(order=world.order(issued_at=NOW + HOUR, expires_at=NOW + 9 * HOUR)),
    ),
    "before its window": ("order-window", lambda: Case(order=world.order(not_before=NOW + HOUR))),
    "behind its window": ("order-window", lambda: Case(order=world.order(not_after=NOW))),
    "retention has not ended": (
        "retention-not-ended",
        lambda: Case(order=world.order(retention=replace(world.order().retention, due="2026-11-21"))),
    ),
    "another host": ("order-other-host", lambda: Case(around={"host": digest(b"another")})),
    "this host is not in the keyring": ("signature-unknown-key", lambda: Case(ring=world.keyring(hosts=()))),
    "this host's key was revoked": (
        "key-not-valid",
        lambda: Case(ring=world.keyring(hosts=(HostKey("arch-07", world.public(world.host(), revoked_at=NOW)),))),
    ),
    "a witness whom nobody knows": (
        "witnesses-missing",
        lambda: Case(order=world.order(witnesses=("P-0311", "P-0729", "P-9999"))),
    ),
    "a witness who is none": ("witnesses-missing", lambda: Case(order=world.order(witnesses=("P-0311", "P-0811")))),
    "more bytes than a day may take, told to be few": (
        "limit-bytes",
        lambda: Case(
            order=with_carrier(
                identity=FilesIdentity(UUID, 2, 1, 9, 1 << 40),
                selector=SelectorCommitment(commitment(FEW), 1, 1),
                technique=None,
            ),
            selectors={"C-1": FEW},
            policy=Policy(bytes_per_day=1 << 30),
        ),
    ),
    "spent": ("order-spent", lambda: Case(around={"ledger": SPENT})),
    "superseded": ("order-superseded", lambda: Case(around={"ledger": SUPERSEDED})),
    "held as a whole": ("on-hold", lambda: Case(holds=held("everything", "*"))),
    "its order is held": ("on-hold", lambda: Case(holds=held("order", digest(world.order())))),
    "its order is held by number": ("on-hold", lambda: Case(holds=held("order", "2026-0117"))),
    "its asset is held": ("on-hold", lambda: Case(holds=held("asset", "ZC-2019-00431"))),
    "its serial is held": ("on-hold", lambda: Case(holds=held("serial", "WD-WX11A123"))),
    "held on this host only": (
        "on-hold",
        lambda: Case(around={"local_holds": (Hold("H-2", (HoldScope("everything", "*"),), "r", "a", NOW, ()),)}),
    ),
    "no hold state": ("hold-state-missing", lambda: Case(holds=None)),
    "an old hold state": ("hold-state-old", lambda: Case(holds=world.hold_state(as_of=NOW - 25 * HOUR))),
    "the kill switch": ("kill-switch", lambda: Case(around={"kill_switch": "/somewhere/kill-switch"})),
    "the clock was set back": ("clock-behind", lambda: Case(around={"seen": NOW + HOUR})),
    "suspected state secrets": ("secrecy-gate", lambda: Case(order=with_asset(secrecy=Secrecy.SUSPECTED))),
    "declared state secrets": ("secrecy-gate", lambda: Case(order=with_asset(secrecy=Secrecy.DECLARED))),
    "core data": ("core-data-gate", lambda: Case(order=with_asset(grade=Grade.CORE))),
    "no rule for this level and grade": ("rule-missing", lambda: Case(ring=ring_with(None))),
    "an empty rule": ("rule-not-met", lambda: Case(ring=ring_with(replace(PLAIN_RULE, alternatives=())))),
    "a rule that asks for nothing": (
        "rule-not-met",
        lambda: Case(ring=ring_with(replace(PLAIN_RULE, alternatives=(Alternative(()),)))),
    ),
    "a rule that asks for nobody": (
        "rule-not-met",
        lambda: Case(
            ring=ring_with(replace(PLAIN_RULE, alternatives=(Alternative((Requirement(Role.APPROVER, 0),)),)))
        ),
    ),
    "one witness short": ("witnesses-missing", lambda: Case(order=world.order(witnesses=("P-0311",)))),
    "beyond an approver's authority": ("authority-exceeded", lambda: Case(ring=approver_with(authority=1000))),
    "beyond the organ's authority": (
        "authority-exceeded",
        lambda: Case(order=world.order(approval=ApprovalDocument("n", "o", "2026-11-16", 1000))),
    ),
    "another executor's key": ("executor-not-named", lambda: Case(executor="P-0640")),
    "a carrier that the order does not have": ("carrier-unknown", lambda: Case(chosen=("C-9",))),
    "too many carriers an hour": ("limit-carriers", lambda: Case(policy=Policy(carriers_per_hour=0))),
    "too many bytes a day": ("limit-bytes", lambda: Case(policy=Policy(bytes_per_day=1 << 29))),
    "destroy by software": ("level-not-reachable", lambda: Case(order=with_carrier(level=Level.DESTROY))),
    "the requester executes": ("roles-not-distinct", lambda: Case(order=replace_executing("P-0101"))),
    "the executor validates": ("roles-not-distinct", lambda: Case(order=world.order(validator="P-0230"))),
    "the executor witnesses": ("roles-not-distinct", lambda: Case(order=world.order(witnesses=("P-0311", "P-0230")))),
    "one witness twice": ("same-person-twice", lambda: Case(order=world.order(witnesses=("P-0311", "P-0311")))),
    "an asset on no carrier": (
        "order-inconsistent",
        lambda: Case(order=world.order(assets=(world.ASSET, replace(world.ASSET, card="ZC-2")))),
    ),
    "a carrier with an unknown asset": ("order-inconsistent", lambda: Case(order=with_carrier(assets=("ZC-3",)))),
    "one carrier twice": ("order-inconsistent", lambda: Case(order=world.order(carriers=(CARRIER, CARRIER)))),
    "a code of the other edition": ("order-inconsistent", lambda: Case(order=with_asset(code="2010500"))),
    "confidence out of range": (
        "order-inconsistent",
        lambda: Case(order=with_carrier(verification=SampledVerification(1, 1))),
    ),
    "an auditor in the order": (
        "order-inconsistent",
        lambda: Case(order=world.order(persons=(*PERSONS, PersonRole("P-0900", Role.AUDITOR)))),
    ),
}


def replace_executing(person: str) -> Order:
    return world.order(executing=replace(world.order().executing, person=person))


@pytest.mark.parametrize("flaw", REFUSALS)
def test_an_order_is_refused_for_its_flaw(flaw: str) -> None:
    """And for nothing else: all other things are in order."""
    reason, make = REFUSALS[flaw]
    assert refusal(make()) == reason


def test_core_data_passes_where_the_site_names_the_organ_that_decided() -> None:
    """The gate opens by policy, not by approvals."""
    made = Case(order=with_asset(grade=Grade.CORE), policy=Policy(core_organ="杭州市档案馆"))
    assert made.authorize()


def test_a_site_without_a_hold_register_needs_no_hold_state() -> None:
    """It says so on every certificate instead."""
    (warrant,) = Case(holds=None, policy=Policy(has_register=False)).authorize()
    assert warrant.hold_state is None


def test_a_paper_approval_counts_when_two_registrars_bind_it() -> None:
    """Leaders approve on paper; the certificate says so."""
    registrars = tuple(PersonRole(name, Role.REGISTRAR) for name in ("P-0811", "P-0812"))
    persons = (PERSONS[0], *registrars, PERSONS[3])
    paper = PaperApproval("财资处〔2026〕31号", "市财政局", "陈静", "2026-11-16", digest(b"scan"))
    signers = ("P-0811", "P-0812", "P-0102")
    (warrant,) = Case(order=world.order(persons=persons, paper=paper), signers=signers).authorize()
    assert warrant.paper is not None
    assert refusal(Case(order=world.order(persons=persons), signers=signers)) == "rule-not-met"
    assert refusal(Case(order=world.order(persons=persons, paper=paper), signers=signers[1:])) == "rule-not-met"


def files_case(**changes: Any) -> Case:
    selects = FilesSelector("/srv/archive", ("2009",), "1f" * 32)
    selector = Selector("C-1", "2e" * 32, selects)
    signed = SelectorCommitment(commitment(selector), 3, 4096)
    order = with_carrier(identity=FilesIdentity(UUID, 2, 3, 3, 4096), selector=signed)
    return Case(order=order, **{"selectors": {"C-1": selector}, **changes})


def test_the_signed_selector_opens_its_carrier() -> None:
    """Approvers signed its salted hash."""
    assert files_case().authorize()


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        (None, "selector-missing"),
        (Selector("C-1", "2e" * 32, FilesSelector("/srv/archive", ("2010",), "1f" * 32)), "selector-mismatch"),
        (Selector("C-1", "3e" * 32, FilesSelector("/srv/archive", ("2009",), "1f" * 32)), "selector-mismatch"),
        (Selector("C-2", "2e" * 32, FilesSelector("/srv/archive", ("2009",), "1f" * 32)), "selector-mismatch"),
        (Selector("C-1", "2e" * 32, PathSelector("/srv/archive", "1f" * 32)), "selector-mismatch"),
    ],
)
def test_a_missing_or_swapped_selector_is_refused(selector: Selector | None, reason: str) -> None:
    """Whoever swaps it has another thing destroyed; so it must not open."""
    assert refusal(files_case(selectors={"C-1": selector} if selector else {})) == reason


def rewrapped(change: Callable[[bytes], bytes]) -> bytes:
    """The order's envelope with its payload changed and its signatures kept."""
    tree = json.loads(Case().envelope)
    tree["payload"] = base64.b64encode(change(base64.b64decode(tree["payload"]))).decode()
    return json.dumps(tree, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (rewrapped(lambda payload: payload.replace(b'"version":1', b'"version":2')), "signature-bad"),
        (
            rewrapped(lambda payload: payload.replace(b'{"appraisal"', b'{"version":1,"appraisal"', 1)),
            "document-malformed",
        ),
        (rewrapped(lambda payload: payload.replace(b'"version":1', b'"version":1e400')), "document-malformed"),
        (rewrapped(lambda payload: payload.replace(b'"version":1', b'"version":NaN')), "document-malformed"),
        (
            rewrapped(lambda payload: payload.replace(b'"version":1', b'"version":9007199254740992')),
            "document-malformed",
        ),
        (rewrapped(lambda payload: payload.replace(b'"version":1', b'"version":1,"why":"not"')), "field-unknown"),
        (rewrapped(lambda payload: payload.replace(b'"version":1', b'"version": 1')), "document-not-canonical"),
        (rewrapped(lambda payload: b"[" * 100_000), "document-malformed"),
        (Case().envelope + b"\n", "document-not-canonical"),
        (Case().envelope.replace(b'"payload"', b'"payload":"","payload"', 1), "document-malformed"),
        (b"\xff" * 100, "document-malformed"),
        (b"", "document-malformed"),
        (b"{}", "document-malformed"),
        (b"x" * (100 << 20), "document-too-large"),
        (seal(world.hold_state(), world.registry()), "document-wrong-kind"),
        (world.seal(world.order()), "signature-missing"),
        (seal(world.order(), "P-0101", "P-0101"), "signature-twice"),
    ],
    ids=[
        "one byte edited",
        "duplicate key",
        "1e400",
        "NaN",
        "an integer too wide",
        "an unknown field",
        "not canonical",
        "deeply nested",
        "trailing newline",
        "duplicate key in the envelope",
        "not UTF-8",
        "empty",
        "not an envelope",
        "100 MB",
        "another kind of document",
        "no signature",
        "one key twice",
    ],
)
def test_bytes_that_are_not_a_good_order_are_refused(envelope: bytes, reason: str) -> None:
    """Oversized and malformed documents never get past the parser."""
    assert refusal(Case(), envelope) == reason


def test_a_review_tells_the_reason_that_a_run_would_tell() -> None:
    """`plan` takes drafts and says what is missing; it makes no warrant."""
    for flaw, (reason, make) in REFUSALS.items():
        case = make()
        if reason in ("executor-not-named", "limit-carriers", "limit-bytes", "carrier-unknown"):
            continue
        (first, *_) = review(case.envelope, case.selectors, case.chosen, case.circumstances())
        assert first.refusal is not None, flaw
        assert first.refusal.reason == reason, flaw
    (good,) = review(Case().envelope, {}, (), Case().circumstances())
    assert good.refusal is None
