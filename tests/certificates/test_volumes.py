"""Identity of what is no drive: a part of one, or made of several; orders, holds and certificates that speak of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from certificates.answers import check_seen, volume_words
from certificates.approval import check_not_held
from certificates.audit import certificate_of
from certificates.consistency import check_order, needs_selector
from certificates.encoding import decode, encode
from certificates.errors import Untrusted
from certificates.statements import (
    Carrier,
    DeviceIdentity,
    Evidence,
    Fact,
    Hold,
    HoldScope,
    ImageIdentity,
    LuksIdentity,
    Media,
    VolumeIdentity,
)
from tests.support import world
from tests.support.story import story, tell

UUID = "01234567-89ab-cdef-0123-456789abcdef"
ONE = DeviceIdentity("ATA", "ST1000", "S-1", "5000c500a1b2c3d4", 1 << 40)
TWO = DeviceIdentity("ATA", "ST1000", "S-2", None, 1 << 40)
IMAGE = ImageIdentity(UUID, 12, 1 << 30, attached=True)
PARTITION = VolumeIdentity("partition", UUID, 1 << 20, 1 << 30, (ONE,))
ARRAY = VolumeIdentity("md", UUID, 0, 1 << 40, (ONE, TWO))
MEMORY = VolumeIdentity("zram", f"{UUID}+0", 0, 1 << 30, ())


def ordered(volume: VolumeIdentity) -> Carrier:
    return world.carrier(identity=volume)


@pytest.mark.parametrize("volume", [PARTITION, ARRAY, MEMORY])
def test_an_order_for_a_volume_holds_together_and_needs_no_selector(volume: VolumeIdentity) -> None:
    """A host finds it by what is signed."""
    order = world.order(carriers=(ordered(volume),))
    check_order(order)
    assert not needs_selector(order.carriers[0])
    assert decode(encode(order), type(order)) == order


@pytest.mark.parametrize(
    "changes",
    [
        {"layer": "md"},
        {"on": ()},
        {"layer": "zram", "offset": 0},
        {"on": (ONE, ONE)},
        {"size": 0},
        {"offset": -512},
    ],
)
def test_a_volume_that_cannot_be_is_not_ordered(changes: dict[str, Any]) -> None:
    """Approvers would sign something that no host can find."""
    with pytest.raises(Untrusted) as refused:
        check_order(world.order(carriers=(ordered(replace(PARTITION, **changes)),)))
    assert refused.value.reason == "order-inconsistent"


def test_the_order_in_which_members_are_named_says_nothing() -> None:
    """A kernel finds an array's members in any order, and the array stays the same."""
    assert ARRAY.facts == replace(ARRAY, on=(TWO, ONE)).facts


@pytest.mark.parametrize("field", ["vendor", "model", "serial", "wwn"])
def test_two_drives_never_share_a_line(field: str) -> None:
    """A model with a slash in it must not read like another vendor and model."""
    names = {"vendor": "a", "model": "b", "serial": "c", "wwn": "d"}
    lines = {
        VolumeIdentity("partition", UUID, 0, 1, (DeviceIdentity(**(names | {field: value}), size=1),)).facts  # type: ignore[arg-type]
        for value in ("x/y", "x%2Fy", "x%252Fy", "x")
    }
    assert len(lines) == 4


def test_a_hold_on_a_drive_covers_every_volume_that_lies_on_it() -> None:
    """Who holds a drive's serial number wants its bytes kept, under whatever name."""
    told = tell(story())
    digest = certificate_of(told.entries)[0].binding.order
    hold = Hold("H-1", (HoldScope("serial", "S-2"),), "a suit", "a court", world.order().issued_at, ())
    inside = LuksIdentity(UUID, ARRAY)
    for identity in (ARRAY, inside):
        with pytest.raises(Untrusted, match="H-1"):
            check_not_held((hold,), world.order(), digest, world.carrier(identity=identity))
    check_not_held((hold,), world.order(), digest, ordered(PARTITION))


def evidence(volume: VolumeIdentity, **changes: Any) -> Evidence:
    told = certificate_of(tell(story()).entries)[0].evidence
    return replace(told, kind="volume", size=volume.size, **({"before": volume.facts} | changes))


def test_an_array_is_never_told_to_lie_on_magnetic_media() -> None:
    """Only a part of one drive is made of what the drive is made of."""
    with pytest.raises(Untrusted) as refused:
        check_seen(evidence(ARRAY, media=Media.MAGNETIC, records=()), ordered(ARRAY))
    assert refused.value.facts["field"] == "media"
    onto = replace(PARTITION, on=(IMAGE,))
    with pytest.raises(Untrusted) as refused:
        check_seen(evidence(onto, media=Media.FLASH, records=()), ordered(onto))
    assert refused.value.facts["field"] == "media"
    check_seen(evidence(PARTITION, media=Media.MAGNETIC, records=()), ordered(PARTITION))


@pytest.mark.parametrize(
    "before",
    [
        (*ARRAY.facts, Fact("on-3", "device/ATA/ST1000/S-3//1099511627776")),
        ARRAY.facts[:-1],
        tuple(replace(one, value="4096") if one.name == "offset" else one for one in ARRAY.facts),
    ],
)
def test_a_volume_on_other_drives_than_ordered_is_another(before: tuple[Fact, ...]) -> None:
    """An array that took in a third drive holds bytes that nobody put into the order."""
    with pytest.raises(Untrusted) as refused:
        check_seen(evidence(ARRAY, media=Media.OPAQUE, before=before, records=()), ordered(ARRAY))
    assert refused.value.reason == "identity-changed"


def test_a_certificate_names_the_drives_that_a_volume_lies_on() -> None:
    """Whoever keeps the drive's card looks for its serial number."""
    assert volume_words(ARRAY) == ("ATA", "md on S-1, S-2", UUID)
    assert volume_words(MEMORY) == ("none", "zram", f"{UUID}+0")
