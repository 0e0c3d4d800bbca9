"""How well a drive is, in one form whatever it speaks; a number that cannot be is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from certificates.statements import Fact
from wipers.linux import scsi
from wipers.linux.nvme import HealthLog

Status = Literal["passed", "failed", "unknown"]

COLDEST, HOTTEST = -60, 150
"""Degrees Celsius outside of which no drive works."""
LONGEST = 1_000_000
"""Hours that no drive has run: more than a century."""
MOST = 1 << 40
"""Sectors or errors that no drive has: some makers pack other things into a SMART attribute's upper bytes."""

REALLOCATED, POWER_ON, AIRFLOW, TEMPERATURE, PENDING, UNCORRECTABLE = 5, 9, 190, 194, 197, 198
"""Numbers of SMART attributes on which makers agree."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a drive says of its own state; none where it does not say, or says what cannot be."""

    status: Status = "unknown"
    """Its own verdict."""
    temperature_celsius: int | None = None
    """Degrees Celsius."""
    power_on_hours: int | None = None
    """Hours."""
    reallocated: int | None = None
    """Sectors that it has remapped."""
    pending: int | None = None
    """Sectors that it could not read and has not remapped yet."""
    uncorrectable: int | None = None
    """Sectors that it gave up."""
    percentage_used: int | None = None
    """Of its endurance; may exceed 100."""
    media_errors: int | None = None
    """Errors that it could not correct."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What is known of it, for people."""
        numbers = (
            ("temperature-celsius", self.temperature_celsius),
            ("power-on-hours", self.power_on_hours),
            ("health-reallocated-sectors", self.reallocated),
            ("health-pending-sectors", self.pending),
            ("health-uncorrectable-sectors", self.uncorrectable),
            ("wear-percent-used", self.percentage_used),
            ("health-media-errors", self.media_errors),
        )
        return (Fact("health", self.status), *(Fact(name, str(one)) for name, one in numbers if one is not None))


def of_nvme(log: HealthLog | None) -> Health:
    """Health by an NVMe drive's log."""
    if log is None:
        return Health()
    return Health(
        status="passed" if log.is_sound else "failed",
        temperature_celsius=possible_temperature(log.temperature_celsius),
        power_on_hours=_up_to(LONGEST, log.power_on_hours),
        percentage_used=log.percentage_used,
        media_errors=_up_to(MOST, log.media_errors),
    )


def of_ata(is_sound: bool | None, attributes: Mapping[int, bytes], sct_celsius: int | None) -> Health:
    """Health by an ATA drive's SMART status, attributes and SCT status."""
    return Health(
        status=_status(is_sound),
        temperature_celsius=possible_temperature(sct_celsius) or attribute_temperature(attributes),
        power_on_hours=_up_to(LONGEST, _raw(attributes, POWER_ON, 3)),
        reallocated=_raw(attributes, REALLOCATED, 4),
        pending=_up_to(MOST, _raw(attributes, PENDING, 6)),
        uncorrectable=_up_to(MOST, _raw(attributes, UNCORRECTABLE, 6)),
    )


def of_scsi(logs: Mapping[int, Mapping[int, bytes]]) -> Health:
    """Health by a SCSI disk's log pages: parameters by code, by page."""
    exceptions = dict(logs.get(0x2F, {}))
    minutes = logs.get(0x15, {}).get(0, b"")[:4]
    used = logs.get(0x11, {}).get(1, b"")
    uncorrected = logs.get(0x03, {}).get(6)
    celsius = scsi.temperature_in(dict(logs.get(0x0D, {})))
    return Health(
        status=_status(scsi.soundness_in(exceptions)),
        temperature_celsius=possible_temperature(celsius),
        power_on_hours=_up_to(LONGEST, int.from_bytes(minutes, "big") // 60) if len(minutes) == 4 else None,
        percentage_used=used[3] if len(used) >= 4 else None,
        media_errors=_up_to(MOST, int.from_bytes(uncorrected, "big")) if uncorrected else None,
    )


def attribute_temperature(attributes: Mapping[int, bytes]) -> int | None:
    """Degrees Celsius by the SMART attributes; the bytes above the first hold extremes."""
    found = (possible_temperature(_raw(attributes, number, 1) or None) for number in (TEMPERATURE, AIRFLOW))
    return next((one for one in found if one is not None), None)


def possible_temperature(celsius: int | None) -> int | None:
    """The temperature, where a drive can have it."""
    return celsius if celsius is not None and COLDEST <= celsius <= HOTTEST else None


def _status(is_sound: bool | None) -> Status:
    return "unknown" if is_sound is None else "passed" if is_sound else "failed"


def _raw(attributes: Mapping[int, bytes], number: int, length: int) -> int | None:
    """The lower bytes of an attribute's raw value."""
    value = attributes.get(number)
    return None if value is None else int.from_bytes(value[:length], "little")


def _up_to(most: int, number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= most else None
