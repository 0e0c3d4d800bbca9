"""Speed profiles in a bundle fit the records they belong to; how fast a medium was is still the host's word alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from certificates import bundle
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, holds
from certificates.encoding import decode
from certificates.errors import Untrusted
from certificates.render.words import number
from certificates.statements import Evidence, Failure, FullReadBack, OverwriteRecord, SpeedProfile

_NAME = re.compile(r"profile-(0|[1-9][0-9]{0,3})\.json")
_MOST_BYTES = 64 << 10
_LISTED = 4096
"""Ranges that a statement lists; where there are as many, some may be missing."""
_MICRO = 1_000_000


def check_profiles(case: Dossier) -> tuple[Finding, ...]:
    """Every profile belongs to a step of the evidence, and its bins add up to what that step's record says."""
    profiles = profiles_in(bundle.evidence(case.entries), case.certificate.statement.evidence)
    if not profiles:
        return ()
    measured = [one for one in profiles if one.average]
    facts = {"count": number(len(profiles)), "speeds": ", ".join(map(_speeds, measured)) or "-"}
    return (holds("profile", Basis.ATTESTED, "profiles-hold", **facts),)


def profiles_in(files: Mapping[str, bytes], evidence: Evidence) -> tuple[SpeedProfile, ...]:
    """Return the profiles among evidence files, by step, each found to fit its record; raises Untrusted."""
    found = []
    for name, data in files.items():
        if match := _NAME.fullmatch(name):
            profile = _read(name, data)
            if profile.step != int(match[1]):
                raise _wrong(name)
            _check(name, profile, evidence)
            found.append(profile)
    return tuple(sorted(found, key=lambda one: one.step))


def _read(name: str, data: bytes) -> SpeedProfile:
    if len(data) > _MOST_BYTES:
        raise Untrusted("document-too-large", size=len(data), most=_MOST_BYTES)
    profile = decode(data, SpeedProfile)
    count = max(-(-profile.size // max(profile.bin_size, 1)), 1)
    if profile.bin_size == 0 or {len(profile.moved), len(profile.microseconds), len(profile.failed)} != {count}:
        raise _wrong(name)
    return profile


def _check(name: str, profile: SpeedProfile, evidence: Evidence) -> None:
    size, failures, failed_size = _told(profile, evidence) or (-1, (), 0)
    listed = sum(one.extent.length for one in failures)
    failed = sum(profile.failed)
    is_whole = len(failures) < _LISTED
    fits = (
        profile.size == size
        and (failed == listed if is_whole else failed <= failed_size)
        and profile.measured_from <= size
        and sum(profile.moved) <= size - profile.measured_from
        and all(_fits_bin(profile, at) for at in range(len(profile.moved)))
        and (profile.slowest, profile.average, profile.fastest) == _rates(profile)
    )
    if not fits:
        raise _wrong(name)


def _told(profile: SpeedProfile, evidence: Evidence) -> tuple[int, tuple[Failure, ...], int] | None:
    """Return size and failures of the step that a profile names; none where there is none such."""
    for one in (*evidence.records, *evidence.checks):
        if (one.step, getattr(one, "area", None)) != (profile.step, profile.area):
            continue
        match one:
            case OverwriteRecord() if profile.act == "overwrite":
                return one.size, one.failures, one.failed_size
            case FullReadBack() if profile.act == "read-back":
                return one.size, one.unread, one.unread_size
    return None


def _fits_bin(profile: SpeedProfile, at: int) -> bool:
    """Tell whether a bin holds no more than it has room for, and nothing from before the time measured."""
    room = length_of_bin(profile, at)
    measured = min(room, max((at * profile.bin_size) + room - profile.measured_from, 0))
    return profile.moved[at] <= measured and profile.failed[at] <= room


def length_of_bin(profile: SpeedProfile, at: int) -> int:
    """Return the bytes of a bin; the last may be shorter."""
    return min(profile.bin_size, profile.size - at * profile.bin_size)


def _rates(profile: SpeedProfile) -> tuple[int | None, int | None, int | None]:
    """Return the slowest, average and fastest bytes a second that follow from the bins."""
    whole = [
        moved * _MICRO // spent
        for at, (moved, spent) in enumerate(zip(profile.moved, profile.microseconds, strict=True))
        if spent and moved == length_of_bin(profile, at)
    ]
    total = sum(profile.microseconds)
    average = sum(profile.moved) * _MICRO // total if total else None
    return min(whole, default=None), average, max(whole, default=None)


def _speeds(profile: SpeedProfile) -> str:
    """Return a profile's speeds as `overwrite:slowest:average:fastest`, in whole MB/s."""
    return ":".join(
        [profile.act, *(str((rate or 0) // _MICRO) for rate in (profile.slowest, profile.average, profile.fastest))]
    )


def _wrong(name: str) -> Untrusted:
    return Untrusted("binding-broken", document="evidence", field=name)
