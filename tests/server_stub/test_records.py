"""Certificates and validations: what is accepted, what is not though signed, and that a receipt always holds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certificates import claims, receipts, statements
from certificates.encoding import digest
from certificates.envelope import seal
from certificates.errors import Failure, Refused
from certificates.notes import encode_note, parse_proof
from certificates.statements import Level, Outcome, PersonRole, Role
from server_stub.checking import check_store
from tests.server_stub.world import NOW, SOME, Desk, World, person, signer
from tests.server_stub.world import world as make_world


def test_a_certificate_gets_a_receipt_that_holds(any_world: World) -> None:
    """The whole point of the registry."""
    envelope = any_world.desk.sealed_certificate()
    registered = any_world.registry.records.accept_certificate(envelope)
    entry = receipts.check_receipt(registered.receipt, registered.digest, digest(envelope), [any_world.log_key])
    assert (entry.index, entry.checkpoint.size, registered.is_new) == (0, 1, True)
    assert any_world.registry.records.certificate(registered.digest) == envelope


def test_the_same_certificate_gets_the_same_receipt(any_world: World) -> None:
    """A host that lost the answer asks again; the log must not grow by it."""
    envelope, records = any_world.desk.sealed_certificate(), any_world.registry.records
    first = records.accept_certificate(envelope)
    records.accept_certificate(any_world.desk.sealed_certificate(2))
    again = records.accept_certificate(envelope)
    assert (again.receipt, again.is_new) == (first.receipt, False)
    assert records.receipt(first.digest) == first.receipt
    assert len(records.listed()) == 2


def test_a_known_certificate_gets_its_receipt_also_after_its_keys_expired(world: World) -> None:
    """The receipt is a fact of the past; the outbox may have waited for years."""
    envelope = world.desk.sealed_certificate()
    first = world.registry.records.accept_certificate(envelope)
    world.clock.at = NOW + timedelta(days=40000)
    assert world.registry.records.accept_certificate(envelope).receipt == first.receipt


def test_the_same_content_in_another_envelope_is_refused(any_world: World) -> None:
    """The receipt binds the envelope too: whoever drops or reorders signatures does not get another one."""
    certificate, desk = any_world.desk.certificate(), any_world.desk
    any_world.registry.records.accept_certificate(desk.seal_certificate(certificate))
    reordered = seal(certificate, [signer("witness"), signer("executor"), signer("host")])
    with pytest.raises(Refused) as refusal:
        any_world.registry.records.accept_certificate(reordered)
    assert refusal.value.reason == "registry-conflict"


def test_a_checkpoint_is_published_before_the_receipt_is_given(world: World) -> None:
    """Whoever holds a receipt can count on the registry remembering that it gave it."""
    registered = world.registry.records.accept_certificate(world.desk.sealed_certificate())
    assert world.published.notes[-1] == encode_note(parse_proof(registered.receipt).checkpoint)


def boast(desk: Desk) -> statements.Certificate:
    """Evidence with a mismatch, the claim of one without."""
    return desk.certificate(evidence=desk.evidence(mismatched=512))


BOASTS: dict[str, Callable[[Desk], statements.Certificate]] = {
    "evidence does not support it": boast,
    "a higher level": lambda desk: desk.certificate(
        claim=replace(desk.certificate().claim, level=Level.PURGE, ordered=Level.PURGE)
    ),
    "reasons left out": lambda desk: replace(
        boast(desk), claim=replace(desk.certificate().claim, outcome=Outcome.NOT_REACHED)
    ),
    "a rule book that never was": lambda desk: desk.certificate(
        claim=replace(desk.certificate().claim, rule_book="lenient-rules-1")
    ),
}


@pytest.mark.parametrize("make", BOASTS.values(), ids=BOASTS.keys())
def test_a_boast_is_refused_though_its_signatures_hold(world: World, make: Callable[[Desk], object]) -> None:
    """Claims are derived, never asserted, whoever signs them."""
    certificate = make(world.desk)
    assert isinstance(certificate, statements.Certificate)
    refusal = refused(world, world.desk.seal_certificate(certificate))
    assert refusal.reason in ("claim-boasts", "rule-book-unknown")


def test_a_record_of_less_than_was_ordered_is_registered(world: World) -> None:
    """An honest failure is worth as much as a success: the order stays open, the record stands."""
    evidence = world.desk.evidence(mismatched=512)
    honest = world.desk.certificate(evidence=evidence, claim=claims.claim(evidence, Level.CLEAR))
    assert world.registry.records.accept_certificate(world.desk.seal_certificate(honest)).is_new
    assert world.registry.records.listed()[0].outcome == "not-reached"


FLAWS: dict[str, tuple[Callable[[Desk], bytes], str]] = {
    "no host": (lambda desk: seal(desk.certificate(), [signer("executor"), signer("witness")]), "signature-missing"),
    "no witness": (lambda desk: seal(desk.certificate(), [signer("host"), signer("executor")]), "signature-missing"),
    "a host that is not listed": (lambda desk: desk.sealed_certificate(host="stranger"), "signature-unknown-key"),
    "a bad extra signature": (
        lambda desk: seal(desk.certificate(), [signer(name) for name in ("host", "executor", "witness", "stranger")]),
        "signature-unknown-key",
    ),
    "another keyring": (lambda desk: desk.sealed_certificate(binding=desk.binding(keyring=SOME)), "registry-keyring"),
    "another keyring version": (
        lambda desk: desk.sealed_certificate(binding=desk.binding(keyring_version=2)),
        "registry-keyring",
    ),
    "a time to come": (lambda desk: desk.sealed_certificate(issued_at=NOW + timedelta(minutes=6)), "clock-differs"),
    "a time before its keys": (
        lambda desk: desk.sealed_certificate(issued_at=NOW - timedelta(days=400)),
        "key-not-valid",
    ),
    "corrects what never was": (
        lambda desk: desk.sealed_certificate(binding=desk.binding(supersedes=SOME)),
        "registry-carrier",
    ),
    "an order instead": (lambda desk: desk.sealed_order(), "document-wrong-kind"),
    "not JSON": (lambda desk: b"\xff", "document-malformed"),
    "spaces in it": (lambda desk: desk.sealed_certificate().replace(b",", b", ", 1), "document-not-canonical"),
    "too large": (lambda desk: b"x" * ((4 << 20) + 1), "document-too-large"),
}


@pytest.mark.parametrize(("make", "reason"), FLAWS.values(), ids=FLAWS.keys())
def test_a_flawed_certificate_is_refused_with_its_reason(
    world: World, make: Callable[[Desk], bytes], reason: str
) -> None:
    """Each flaw alone is enough, and the log does not grow."""
    assert refused(world, make(world.desk)).reason == reason


def test_a_host_revoked_since_is_refused_even_under_the_older_keyring() -> None:
    """Citing the keyring from before the theft must not help the thief."""
    world = make_world()
    later = Desk(revoked={"host": NOW - timedelta(days=2)})
    world.registry.keyrings.add(later.sealed_keyring(2, world.desk.root))
    assert refused(world, world.desk.sealed_certificate()).reason == "key-not-valid"
    world.store.close()


def asked_for_purge(desk: Desk) -> dict[str, object]:
    """What a certificate says that takes the order to have asked for more."""
    applied = replace(desk.certificate().applied, level=Level.PURGE)
    return {"applied": applied, "claim": claims.claim(desk.evidence(), Level.PURGE)}


@pytest.mark.parametrize(
    ("host", "changes"),
    [
        ("host", lambda _: {"carrier": "disk-2"}),
        ("other", lambda _: {}),
        ("host", asked_for_purge),
    ],
    ids=["another carrier", "another host", "another level"],
)
def test_a_certificate_must_answer_the_order_where_the_registry_has_it(
    host: str, changes: Callable[[Desk], dict[str, object]]
) -> None:
    """A host must not certify what it was never asked to destroy, or as if it had been asked for something else."""
    world = make_world(desk=Desk(hosts=("host", "other")))
    order = Desk().order()
    world.registry.orders.accept(seal(order, [signer("requester"), signer("approver")]))
    good, bad = (replace(world.desk.binding(number), order=digest(order)) for number in (1, 2))
    assert world.registry.records.accept_certificate(world.desk.sealed_certificate(1, binding=good)).is_new
    flawed = world.desk.sealed_certificate(2, host, binding=bad, **changes(world.desk))
    assert refused(world, flawed, size=1).reason == "registry-carrier"
    world.store.close()


def test_a_certificate_that_tells_more_than_its_order_is_refused_where_the_registry_has_it() -> None:
    """An invented witness, or a purge of media that the order's image cannot be on, is no business of a receipt."""
    world = make_world()
    order = Desk().order()
    world.registry.orders.accept(seal(order, [signer("requester"), signer("approver")]))
    told = world.desk.certificate(binding=replace(world.desk.binding(), order=digest(order)))
    invented = replace(told.participants[0], person="mayor", act="witnessing")
    flawed = world.desk.seal_certificate(replace(told, participants=(*told.participants, invented)))
    assert refused(world, flawed, size=0).reason == "binding-broken"
    world.store.close()


@pytest.mark.parametrize("number", ["journal_sequence", "ledger_number"])
def test_a_number_used_twice_is_an_incident(any_world: World, number: str) -> None:
    """A host restored from a backup, or copied, repeats its numbers; so does one whose owner wants a run forgotten."""
    world, desk = any_world, any_world.desk
    first = world.registry.records.accept_certificate(desk.sealed_certificate())
    binding = desk.binding(2, **{number: 1})
    second = desk.sealed_certificate(2, binding=binding)
    for _ in range(2):
        assert refused(world, second, size=1).reason == "registry-incident"
    (incident,) = world.registry.incidents()
    assert (incident.number, incident.registered) == (1, first.digest)
    assert incident.kind == {"journal_sequence": "host sequence number", "ledger_number": "ledger number"}[number]


def test_two_hosts_count_for_themselves() -> None:
    """Numbers are a host's own."""
    world = make_world(desk=Desk(hosts=("host", "other")))
    for host in ("host", "other"):
        assert world.registry.records.accept_certificate(world.desk.sealed_certificate(1, host)).is_new
    assert world.registry.incidents() == ()
    world.store.close()


def test_a_correction_keeps_the_numbers_of_what_it_corrects(world: World) -> None:
    """Corrections supersede; they are no incident, also the correction of a correction."""
    desk, records = world.desk, world.registry.records
    last = records.accept_certificate(desk.sealed_certificate()).digest
    for label in ("LABEL-2", "LABEL-3"):
        corrected = desk.sealed_certificate(carrier_label=label, binding=desk.binding(supersedes=last))
        last = records.accept_certificate(corrected).digest
    assert len(records.listed()) == 3
    assert world.registry.incidents() == ()


def test_a_validation_is_a_leaf_of_its_own(any_world: World) -> None:
    """A person's verdict is evidence too."""
    certificate = any_world.desk.sealed_certificate()
    any_world.registry.records.accept_certificate(certificate)
    envelope = any_world.desk.sealed_validation(certificate)
    registered = any_world.registry.records.accept_validation(envelope)
    entry = receipts.check_receipt(registered.receipt, registered.digest, digest(envelope), [any_world.log_key])
    assert entry.index == 1
    assert any_world.registry.records.accept_validation(envelope).receipt == registered.receipt
    assert any_world.registry.records.listed()[0].validations == ("accept",)
    assert any_world.registry.records.validation(registered.digest) == envelope


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (PersonRole("validator", Role.APPROVER), "signature-wrong-role"),
        (PersonRole("executor", Role.EXECUTOR), "signature-wrong-role"),
    ],
)
def test_only_a_validator_validates(world: World, who: PersonRole, reason: str) -> None:
    """The tool does not approve itself, and neither does whoever ran it."""
    certificate = world.desk.sealed_certificate()
    world.registry.records.accept_certificate(certificate)
    envelope = seal(world.desk.validation(certificate, who), [signer(who.id)])
    with pytest.raises(Failure) as refusal:
        world.registry.records.accept_validation(envelope)
    assert refusal.value.reason == reason


def test_whoever_took_part_cannot_validate() -> None:
    """By natural person: also under another role and key."""
    world = make_world()
    certificate = world.desk.certificate(approved_by=(person("requester"), PersonRole("validator", Role.APPROVER)))
    envelope = world.desk.seal_certificate(certificate)
    world.registry.records.accept_certificate(envelope)
    with pytest.raises(Failure) as refusal:
        world.registry.records.accept_validation(world.desk.sealed_validation(envelope))
    assert refusal.value.reason == "roles-not-distinct"
    world.store.close()


def test_a_validation_of_an_unknown_certificate_is_refused(world: World) -> None:
    """There is nothing to validate."""
    with pytest.raises(Refused) as refusal:
        world.registry.records.accept_validation(world.desk.sealed_validation(world.desk.sealed_certificate()))
    assert refusal.value.reason == "registry-unknown"


@pytest.mark.parametrize("place", ["memory", "file"])
def test_certificates_that_come_at_once_become_distinct_leaves(tmp_path: Path, place: str) -> None:
    """Appends are serialised: no lost leaf, no leaf twice, one receipt for one certificate sent many times at once."""
    url = "sqlite://" if place == "memory" else f"sqlite:///{tmp_path / 'registry.sqlite'}"
    world = make_world(url)
    envelopes = [world.desk.sealed_certificate(number) for number in range(1, 13)]
    got: list[tuple[bytes, str]] = []

    def submit(envelope: bytes) -> None:
        got.append((envelope, world.registry.records.accept_certificate(envelope).receipt))

    threads = [threading.Thread(target=submit, args=(envelope,)) for envelope in envelopes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 24
    assert len({parse_proof(receipt).index for _, receipt in got}) == 12
    assert len(set(got)) == 12
    assert all(finding.holds for finding in check_store(world.store, world.log_key, world.desk.root, None))
    world.store.close()


def refused(world: World, envelope: bytes, size: int = 0) -> Failure:
    """The failure that the certificate meets; the log has not grown."""
    with pytest.raises(Failure) as refusal:
        world.registry.records.accept_certificate(envelope)
    assert len(world.registry.records.listed()) == size
    return refusal.value
