"""A drive's state in one form, whatever it speaks; a number that cannot be is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from certificates.statements import Fact
from tests.wipers.linux.recorded import health_log, smart
from wipers.linux import ata, health, nvme, scsi
from wipers.linux.health import Health


def test_an_ata_drives_attributes_say_how_it_is() -> None:
    """Extremes lie above the temperature in the same attribute."""
    attributes = ata.attributes_of(smart(a5=8, a9=0x0000_0100_5DC0, a194=0x002D_0012_0024, a197=2, a198=1))
    assert health.of_ata(True, attributes, None) == Health("passed", 36, 0x5DC0, 8, 2, 1)


def test_the_sct_temperature_goes_before_the_attributes() -> None:
    """It is a number by a standard; an attribute is a custom."""
    attributes = ata.attributes_of(smart(a194=99))
    assert health.of_ata(None, attributes, 30).temperature_celsius == 30
    assert health.of_ata(None, attributes, None).temperature_celsius == 99


def test_airflow_stands_in_for_a_temperature_that_is_missing_or_cannot_be() -> None:
    """Some drives have 190 only; some fill 194 with nothing."""
    assert health.attribute_temperature(ata.attributes_of(smart(a190=28))) == 28
    assert health.attribute_temperature(ata.attributes_of(smart(a194=0, a190=28))) == 28
    assert health.attribute_temperature(ata.attributes_of(smart(a194=200, a190=28))) == 28
    assert health.attribute_temperature({}) is None


def test_an_nvme_log_says_how_it_is() -> None:
    """Spare used up: failed, whatever the temperature."""
    found = health.of_nvme(nvme.health_in(health_log(warning=1, kelvin=310, used=101, hours=5, media_errors=7)))
    assert found == Health("failed", 37, 5, percentage_used=101, media_errors=7)
    assert health.of_nvme(None) == Health()


def test_a_scsi_disks_log_pages_say_how_it_is() -> None:
    """Minutes become hours."""
    logs = {
        0x0D: {0: b"\x00\x1e"},
        0x2F: {0: b"\x5d\x10\x1e"},
        0x15: {0: (120_000).to_bytes(4, "big") + bytes(12)},
        0x11: {1: b"\x00\x00\x00\x05"},
        0x03: {6: b"\x00\x00\x00\x03"},
    }
    assert health.of_scsi(logs) == Health("failed", 30, 2000, percentage_used=5, media_errors=3)
    assert health.of_scsi({}) == Health()


def test_only_what_is_known_is_told() -> None:
    """An empty number would read as zero."""
    assert Health().facts == (Fact("health", "unknown"),)
    assert Health("passed", temperature_celsius=-3, reallocated=0).facts == (
        Fact("health", "passed"),
        Fact("temperature-celsius", "-3"),
        Fact("health-reallocated-sectors", "0"),
    )


@given(
    attributes=st.dictionaries(st.integers(1, 255), st.binary(min_size=6, max_size=6)),
    logs=st.dictionaries(st.integers(0, 63), st.dictionaries(st.integers(0, 9), st.binary(max_size=20))),
    page=st.binary(min_size=512, max_size=512),
    sct=st.one_of(st.none(), st.integers(-128, 127)),
)
def test_no_bytes_make_a_number_that_cannot_be(
    attributes: dict[int, bytes], logs: dict[int, dict[int, bytes]], page: bytes, sct: int | None
) -> None:
    """A temperature stops a wipe: 255 degrees must not."""
    found = (health.of_ata(None, attributes, sct), health.of_scsi(logs), health.of_nvme(nvme.health_in(page)))
    for one in found:
        celsius = one.temperature_celsius
        assert celsius is None or health.COLDEST <= celsius <= health.HOTTEST
        assert one.power_on_hours is None or 0 <= one.power_on_hours <= health.LONGEST
        for count in (one.reallocated, one.pending, one.uncorrectable, one.media_errors):
            assert count is None or 0 <= count <= health.MOST
    assert scsi.temperature_in({}) is None
