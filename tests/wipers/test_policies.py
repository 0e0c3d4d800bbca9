"""A policy narrows what a plan may choose, says what it leaves out, and raises nothing."""

from __future__ import annotations

import dataclasses

import pytest

from certificates.encoding import encode
from certificates.errors import Refused
from certificates.statements import Level, Media, Residual
from tests.support.runs import ORDER, carrier
from tests.support.simulated_host import Simulated
from wipers import WIPERS
from wipers.model import Plan
from wipers.planning import plan
from wipers.policies import POLICIES
from wipers.techniques import TECHNIQUES

IDS = {row.id for row in TECHNIQUES}


def planned(media: Media = Media.MAGNETIC, site: tuple[str, ...] = (), **changes: object) -> Plan:
    return plan(
        ORDER, carrier("device", **changes), (Simulated(media=media).target(),), WIPERS["device"], policies=site
    )


def refusal(media: Media = Media.MAGNETIC, site: tuple[str, ...] = (), **changes: object) -> Refused:
    with pytest.raises(Refused) as caught:
        planned(media, site, **changes)
    assert "<" not in caught.value.tell("en") + caught.value.tell("zh"), "a fact of the sentence is missing"
    return caught.value


@pytest.mark.parametrize("row", POLICIES, ids=lambda row: row.id)
def test_a_policy_names_techniques_that_there_are_and_says_what_it_leaves_out(row: object) -> None:
    """A dead name would refuse everything; silence on the rest would pass for compliance."""
    policy = next(one for one in POLICIES if one is row)
    assert {name for rule in policy.rules for name in rule.techniques} <= IDS
    assert policy.left_out
    assert len({media for rule in policy.rules for media in rule.media}) == sum(len(r.media) for r in policy.rules)


@pytest.mark.parametrize(
    ("policy", "media", "technique"),
    [
        ("nist-800-88-r2", Media.MAGNETIC, "random-1"),
        ("nist-800-88-r2", Media.OPAQUE, "random-1"),
        ("ieee-2883", Media.FLASH, "random-1"),
        ("asd-ism", Media.MAGNETIC, "asd-ism-magnetic"),
        ("asd-ism", Media.FLASH, "asd-ism-flash"),
        ("gb-46864-2025", Media.FLASH, "random-1"),
        ("ga-t-1143-2014", Media.MAGNETIC, "ga-t-1143-3"),
    ],
)
def test_a_policy_takes_its_own_technique_on_each_medium(policy: str, media: Media, technique: str) -> None:
    """Rows that no plan takes by itself are taken where a policy prefers them; the plan says under which."""
    made = planned(media, policy=policy)
    assert (made.technique, made.policies) == (technique, (policy,))


@pytest.mark.parametrize(
    ("policy", "media"),
    [("ieee-2883", Media.OPAQUE), ("asd-ism", Media.OPAQUE), ("bsi", Media.MAGNETIC), ("ga-t-1143-2014", Media.FLASH)],
)
def test_a_medium_that_the_text_does_not_cover_is_refused_with_what_is_left_out(policy: str, media: Media) -> None:
    """Doing something else under that name would be the lie."""
    refused = refusal(media, policy=policy)
    assert refused.reason == "policy-allows-nothing"
    left_out = next(row.left_out for row in POLICIES if row.id == policy)
    assert left_out[0] in refused.tell("en")


def test_a_technique_outside_the_policy_is_refused() -> None:
    """The site's rule binds whoever writes orders."""
    assert refusal(site=("asd-ism",), technique="zeros-1").reason == "policy-allows-nothing"
    assert planned(site=("asd-ism",), technique="asd-ism-magnetic-old").technique == "asd-ism-magnetic-old"


def test_site_and_order_must_both_allow_it() -> None:
    """Neither loosens the other."""
    made = planned(site=("nist-800-88-r2",), policy="gb-46864-2025")
    assert made.policies == ("nist-800-88-r2", "gb-46864-2025")
    assert refusal(site=("ga-t-1143-2014",), policy="asd-ism").reason == "policy-allows-nothing"


def test_a_policy_that_never_was_is_refused_with_those_that_are() -> None:
    """A typing error must not mean that no policy holds."""
    refused = refusal(policy="nist-800-88-r3")
    assert refused.reason == "policy-unknown"
    assert "nist-800-88-r2" in refused.tell("en")


def test_a_hidden_area_forbids_a_run_under_a_policy_that_wants_it_reset() -> None:
    """ISM-1065 has HPA and DCO reset first; without a policy the area is a residual, and is told."""
    target = dataclasses.replace(Simulated(media=Media.MAGNETIC).target(), residual=(Residual("hidden-area", 512),))  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(Refused) as caught:
        plan(ORDER, carrier(policy="asd-ism"), (target,), WIPERS["device"])
    assert caught.value.reason == "policy-hidden-area"
    assert plan(ORDER, carrier(), (target,), WIPERS["device"]).residual == target.residual


def test_no_policy_raises_a_level() -> None:
    """An overwrite stays clear, whoever recommends it."""
    for policy in ("nist-800-88-r2", "asd-ism", "gb-46864-2025"):
        assert refusal(policy=policy, level=Level.PURGE).reason == "level-not-reachable"


def test_a_plan_without_a_policy_keeps_the_digest_it_had() -> None:
    """An order approved before there were policies confirms the same plan."""
    assert planned().policies is None
    assert b'"policies"' not in encode(planned())
