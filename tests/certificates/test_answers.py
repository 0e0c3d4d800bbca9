"""A certificate answers its order, or it does not: what registry and auditor ask, one lie at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from certificates.answers import check_answers, check_seen
from certificates.audit import certificate_of
from certificates.errors import Untrusted
from certificates.statements import (
    Carrier,
    Certificate,
    ConstantByte,
    Fact,
    FilesIdentity,
    ImageIdentity,
    LuksIdentity,
    Media,
    Method,
    OverwriteRecord,
    Participant,
    PassDescription,
    Residual,
    SampledVerification,
    Scheme,
)
from tests.support import world
from tests.support.story import sampled, story, tell

UUID = "01234567-89ab-cdef-0123-456789abcdef"
TOLD: Certificate = certificate_of(tell(story()).entries)[0]
SAMPLED_CARRIER = world.carrier(verification=sampled())
BY_SAMPLE: Certificate = certificate_of(tell(story(order=world.order(carriers=(SAMPLED_CARRIER,)))).entries)[0]
INVENTED = Participant("P-9999", "witnessing", "市长", "市长", "市政府", world.order().place, None)


def check(told: Certificate, carrier: Carrier) -> None:
    check_answers(told, world.order(carriers=(carrier,)), carrier)
    check_seen(told.evidence, carrier)


def why(told: Certificate, carrier: Carrier) -> str:
    with pytest.raises(Untrusted) as refused:
        check(told, carrier)
    return str(refused.value.facts.get("field", refused.value.reason))


def test_an_honest_certificate_answers_its_order() -> None:
    """Nothing is asked that a true one does not say."""
    check_answers(TOLD, world.order(), world.carrier())
    check_seen(TOLD.evidence, world.carrier())
    check_seen(BY_SAMPLE.evidence, SAMPLED_CARRIER)


def test_an_order_that_wants_a_hunt_is_not_answered_by_rules_that_know_none() -> None:
    """A host that may choose its rule book would choose the one that lets it look for nothing."""
    carrier = replace(world.carrier(), hunt=True)
    older, newer = (replace(TOLD.claim, rule_book=f"expunge-rules-{number}") for number in (1, 2))
    evidence = replace(TOLD.evidence, hunt=True)
    check(replace(TOLD, claim=older), world.carrier())
    check(replace(TOLD, claim=newer, evidence=evidence), carrier)
    assert why(replace(TOLD, claim=older, evidence=evidence), carrier) == "claim.rule_book"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"participants": (*TOLD.participants, INVENTED)}, "participants"),
        ({"participants": TOLD.participants[:2]}, "participants"),
        ({"participants": tuple(replace(one, place="别处") for one in TOLD.participants)}, "participants.place"),
        ({"medium": replace(TOLD.medium, media_type="flash (device)")}, "medium.media_type"),
        ({"applied": replace(TOLD.applied, passes=(PassDescription(1, "0x00"),) * 7)}, "passes"),
    ],
)
def test_what_the_order_decides_is_not_told_otherwise(changes: dict[str, Any], field: str) -> None:
    """Whom people read of, and how often it was overwritten, is not for the host to invent."""
    assert why(replace(TOLD, **changes), world.carrier()) == field


def evidence(**changes: Any) -> Certificate:
    return replace(TOLD, evidence=replace(TOLD.evidence, **changes))


def test_a_method_that_the_kind_of_carrier_does_not_have_is_a_boast() -> None:
    """Files told to be a device would need no look below the file system."""
    assert why(evidence(method=Method.KEY_DESTRUCTION), world.carrier()) == "evidence.method"


def test_an_identity_that_leaves_a_fact_out_is_not_the_ordered_one() -> None:
    """A serial number nobody looked at fits every drive."""
    assert why(evidence(before=(Fact("vendor", "ATA"),)), world.carrier()) == "identity-changed"


def test_passes_other_than_those_of_the_orders_own_scheme_are_not_what_was_approved() -> None:
    """Bytes were signed there, so bytes are compared."""
    own = Scheme("own", "Own", (ConstantByte("11"),), "A rule")
    with pytest.raises(Untrusted, match="pass 1 of scheme own"):
        check_seen(TOLD.evidence, world.carrier(scheme=own))


@pytest.mark.parametrize("weaker", [world.carrier(), world.carrier(verification=SampledVerification(999_000, 10_000))])
def test_a_sample_does_not_stand_for_a_full_or_a_larger_one(weaker: Carrier) -> None:
    """The approvers chose how sure they want to be."""
    told = replace(BY_SAMPLE, applied=replace(BY_SAMPLE.applied, verification=weaker.verification))
    assert why(told, weaker) == "verification"


@pytest.mark.parametrize("is_luks", [False, True])
def test_an_image_is_never_told_to_lie_on_magnetic_media(is_luks: bool) -> None:
    """Below a loop device anything may be; only opaque keeps the rule book from purge."""
    image = ImageIdentity(UUID, 12, 65536, attached=True)
    carrier = world.carrier(identity=LuksIdentity(UUID, image) if is_luks else image)
    facts = (Fact("filesystem", UUID), Fact("inode", "12"), Fact("size", "65536"), Fact("attached", "true"))
    boast = replace(TOLD.evidence, media=Media.MAGNETIC, before=facts)
    with pytest.raises(Untrusted) as refused:
        check_seen(boast, carrier)
    assert refused.value.facts["field"] == "media"


def test_fewer_files_than_ordered_are_not_the_ordered_ones() -> None:
    """One of a thousand, well overwritten, is not what was approved."""
    carrier = world.carrier(identity=FilesIdentity(UUID, 2, 1000, 1000, 1 << 30))
    facts = (Fact("filesystem", UUID), Fact("parent-inode", "2"))
    with pytest.raises(Untrusted) as refused:
        check_seen(replace(TOLD.evidence, before=facts, objects=1), carrier)
    assert refused.value.facts["field"] == "objects"


def test_a_zoned_device_has_fewer_blocks_than_addresses() -> None:
    """What no block lies behind is told as not reached; more or less than that is another device."""
    whole = BY_SAMPLE.evidence.size
    for gap, is_enough in ((4096, True), (0, False), (8192, False)):
        records = tuple(
            replace(one, size=whole - 4096) for one in TOLD.evidence.records if isinstance(one, OverwriteRecord)
        )
        seen = replace(TOLD.evidence, size=whole - 4096, records=records, residual=(Residual("zone-gaps", gap),))
        if is_enough:
            check_seen(seen, world.carrier())
        else:
            with pytest.raises(Untrusted):
                check_seen(seen, world.carrier())
