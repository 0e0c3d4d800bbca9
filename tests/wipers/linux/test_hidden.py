"""What a drive hides is a number that can be true, nothing, or unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import Residual
from wipers.linux import hidden
from wipers.linux.hidden import AtaSizes, HiddenAreas, Unattached

SIZE = 1_953_525_168
PLAIN = AtaSizes(sector_size=512, current=SIZE)
ALL = replace(PLAIN, has_hpa=True, native=SIZE, has_dco=True, configured=SIZE, has_ama=True, accessible=SIZE)

numbers = st.one_of(
    st.none(),
    st.sampled_from([0, 1, 2, SIZE - 1, SIZE, SIZE + 1, 1 << 28, (1 << 48) - 1, 1 << 48, 1 << 64]),
    st.integers(0, 1 << 64),
)


def test_a_drive_without_the_feature_sets_hides_nothing() -> None:
    """It says so itself; nothing is asked."""
    assert hidden.of_ata(PLAIN) == HiddenAreas()
    assert hidden.of_ata(PLAIN).residuals == ()


def test_a_drive_that_shows_all_of_itself_hides_nothing() -> None:
    """Every native size is the current one."""
    assert hidden.of_ata(ALL).total == 0
    assert hidden.of_ata(ALL).residuals == ()


def test_each_area_is_what_lies_beyond_the_one_before() -> None:
    """The overlay lies above the protected area: nothing is counted twice."""
    areas = hidden.of_ata(replace(ALL, native=SIZE + 100, configured=SIZE + 300, accessible=SIZE))
    assert (areas.hpa, areas.ama, areas.dco) == (100 * 512, 0, 200 * 512)
    assert areas.residuals == (Residual("hidden-area", 300 * 512),)


def test_the_accessible_maximum_counts_like_a_protected_area() -> None:
    """ACS-3 replaced the one by the other."""
    areas = hidden.of_ata(replace(PLAIN, has_ama=True, accessible=SIZE + 8, sector_size=4096, current=SIZE))
    assert areas.residuals == (Residual("hidden-area", 8 * 4096),)


@pytest.mark.parametrize(
    "native",
    [None, 0, 1, SIZE - 1, (1 << 48) - 1, 1 << 48, 1 << 60],
    ids=["no answer", "0", "1", "smaller than the drive", "registers of ones", "one more", "absurd"],
)
def test_a_native_size_that_cannot_be_is_unknown(native: int | None) -> None:
    """Published certificates said "hidden area found: -976773167 sectors" for the second."""
    for field in ("native", "configured", "accessible"):
        areas = hidden.of_ata(replace(ALL, **{field: native}))  # type: ignore[arg-type]
        assert areas.total is None
        assert areas.residuals == (Residual("hidden-area-unknown"),)


def test_what_is_known_is_listed_beside_what_is_not() -> None:
    """Half an answer is neither none nor all of it."""
    areas = hidden.of_ata(replace(ALL, native=SIZE + 8, configured=None))
    assert areas.residuals == (Residual("hidden-area", 8 * 512), Residual("hidden-area-unknown"))


def test_a_28_bit_address_that_stopped_counting_is_unknown() -> None:
    """Larger drives answer the old command with its largest address."""
    small = replace(PLAIN, current=1_000_000, has_hpa=True, is_native_saturated=True)
    assert hidden.of_ata(replace(small, native=2_000_000)).hpa == 1_000_000 * 512
    assert hidden.of_ata(replace(small, native=1 << 28)).hpa is None


def test_what_a_bridge_keeps_for_itself_is_hidden_too() -> None:
    """Enclosures put their records at the end of the drive, and show less than it has."""
    areas = hidden.of_ata(replace(PLAIN, seen=(SIZE - 2048) * 512))
    assert areas.residuals == (Residual("hidden-area", 2048 * 512),)


def test_a_kernel_that_sees_more_than_the_drive_has_sees_something_else() -> None:
    """An enclosure that joins two drives answers with the identity of one."""
    areas = hidden.of_ata(replace(PLAIN, seen=2 * SIZE * 512))
    assert areas.residuals == (Residual("hidden-area-unknown"),)


def test_everything_beside_the_namespaces_is_listed() -> None:
    """Each with its own word, since each needs another way to be reached."""
    areas = HiddenAreas(
        unattached=(Unattached(2, 4096), Unattached(3, None)), rpmb=131072, boot_partitions=262144, unallocated=1
    )
    assert areas.residuals == (
        Residual("unattached-namespaces", 2),
        Residual("rpmb", 131072),
        Residual("boot-partitions", 262144),
        Residual("unallocated-capacity", 1),
    )
    facts = {fact.name: fact.value for fact in hidden.nvme_facts(areas)}
    assert facts["namespaces-unattached"] == "2:4096 3:unknown"


def test_namespaces_that_cannot_be_listed_are_an_unknown_area() -> None:
    """A drive that can hide namespaces and does not say whether it does."""
    areas = HiddenAreas(unattached=None, boot_partitions=None)
    assert areas.residuals == (Residual("hidden-area-unknown"),)
    assert {fact.value for fact in hidden.nvme_facts(areas)} == {"unknown", "none"}


@given(
    sizes=st.builds(
        AtaSizes,
        sector_size=st.sampled_from([0, 512, 4096, 8192]),
        current=st.integers(1, (1 << 48) - 1),
        has_hpa=st.booleans(),
        native=numbers,
        is_native_saturated=st.booleans(),
        has_dco=st.booleans(),
        configured=numbers,
        has_ama=st.booleans(),
        accessible=numbers,
        seen=st.one_of(st.none(), st.integers(1, 1 << 60)),
    )
)
def test_no_numbers_make_an_area_that_cannot_be(sizes: AtaSizes) -> None:
    """Never negative, never more than any drive has, never a number made of one that is not there."""
    areas = hidden.of_ata(sizes)
    for amount in (areas.hpa, areas.dco, areas.ama, areas.bridge):
        assert amount is None or 0 <= amount <= hidden.LARGEST
    assert not (sizes.has_hpa and sizes.native is None and areas.hpa is not None)
    assert not (sizes.has_dco and sizes.configured is None and areas.dco is not None)
    for residual in areas.residuals:
        assert residual.count is None or 0 < residual.count <= 4 * hidden.LARGEST
    assert all(fact.value in {"none", "unknown"} or int(fact.value) > 0 for fact in hidden.ata_facts(areas))
