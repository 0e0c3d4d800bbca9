"""The rule book: what evidence supports, and that more damage never supports more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import claims
from certificates.errors import Untrusted
from certificates.sampling import sample_size
from certificates.statements import (
    ConstantPattern,
    CryptoEraseConditions,
    Evidence,
    Extent,
    Fact,
    Failure,
    FillRecord,
    FullReadBack,
    Hits,
    KeyGone,
    KeystreamPattern,
    KnownCopy,
    Level,
    Media,
    Method,
    NamesRecord,
    NeedlesRecord,
    Outcome,
    OverwriteRecord,
    Reason,
    ReleaseRecord,
    Residual,
    ResidueHunt,
    SampledReadBack,
    SamplingSeed,
    SurvivorsCheck,
    WithdrawalRecord,
)
from tests.support.world import NOW

SIZE = 1 << 20
FACTS = (Fact("serial", "S1"),)
END = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(minutes=2)
PASS = OverwriteRecord(0, "whole", ConstantPattern("00"), SIZE, SIZE, (), 0, NOW, END, 0)
HEADER = replace(PASS, area="header", pattern=KeystreamPattern("ab" * 32), size=4096, written=4096)
READ = FullReadBack(1, 0, "whole", "device", SIZE, SIZE, (), 0, (), 0, LATER)
BELOW = replace(READ, place="below-file-system")
HEADER_READ = replace(READ, area="header", size=4096, matched=4096, step=2)
GONE = KeyGone(1, 2, 2, 0, 0, "cryptsetup 2.6.1", True, 0, 0, LATER)
RELEASED = ReleaseRecord(2, 3, LATER)
NAMED = NamesRecord(3, 2, 4 << 20, True, LATER)
FILLED = FillRecord(4, 1 << 20, 0, True, LATER)
HUNT = ResidueHunt(5, "made", 20, 3, ("plain",), 8 << 20, 0, (), LATER)
TAKEN = WithdrawalRecord(1, 10, 3, SIZE, 12, LATER)
HELD = replace(PASS, area="held")
HELD_READ = replace(BELOW, area="held")
ALIVE = SurvivorsCheck(6, 1, 7, 7, "sha256:" + "0" * 64, "sha256:" + "0" * 64, "integrity_check", True, LATER)
SEED = SamplingSeed("sha256:" + "0" * 64, "0" * 64, None)
SAMPLE = SampledReadBack(
    1, 0, "whole", "device", SEED, 990_000, 50_000, 4096, 256, 90, "sha256:" + "0" * 64, (), 0, (), 0, LATER
)
ENOUGH = sample_size(256, 990_000, 50_000)
ALL_SEVEN = CryptoEraseConditions(True, True, True, True, True, True, True)


def device(**changes: Any) -> Evidence:
    made = Evidence(
        kind="device",
        method=Method.DEVICE_OVERWRITE,
        technique="zeros-1",
        media=Media.MAGNETIC,
        size=SIZE,
        sector_size=512,
        objects=1,
        before=FACTS,
        after=FACTS,
        passes=1,
        records=(PASS,),
        checks=(READ,),
        destroy=(),
        residual=(),
        copies=(),
    )
    return replace(made, **changes)


def found(sort: Any, place: Any) -> ResidueHunt:
    return replace(HUNT, hits=(Hits(sort, place, 2),))


def hunted(**changes: Any) -> Evidence:
    """Files whose names and history are to go too, with everything done that this takes."""
    plain = {"records": (PASS, RELEASED, NAMED, FILLED), "checks": (BELOW, HUNT), "destroy": ("names", "history")}
    return files(**{**plain, **changes})


def rows(**changes: Any) -> Evidence:
    plain = {
        "kind": "records",
        "method": Method.COPY_FORWARD,
        "records": (TAKEN, HELD, RELEASED),
        "checks": (HELD_READ, HUNT, ALIVE),
    }
    return device(**{**plain, **changes})


def files(**changes: Any) -> Evidence:
    plain = {
        "kind": "files",
        "method": Method.IN_PLACE_OVERWRITE,
        "media": Media.OPAQUE,
        "records": (PASS, RELEASED),
        "checks": (BELOW,),
    }
    return device(**{**plain, **changes})


def luks(**changes: Any) -> Evidence:
    plain = {
        "kind": "luks",
        "method": Method.KEY_DESTRUCTION,
        "records": (HEADER,),
        "checks": (GONE, HEADER_READ),
        "crypto_erase": ALL_SEVEN,
    }
    return device(**{**plain, **changes})


def outcome(evidence: Evidence, ordered: Level = Level.CLEAR) -> tuple[Outcome, Level | None]:
    claim = claims.claim(evidence, ordered)
    return claim.outcome, claim.level


def reasons(evidence: Evidence, ordered: Level = Level.CLEAR) -> set[str]:
    return {reason.code for reason in claims.claim(evidence, ordered).reasons}


CLEAR = (Outcome.PROVEN, Level.CLEAR)


def test_a_header_alone_is_not_a_device() -> None:
    """Four overwritten kilobytes, read back in full, say nothing of the terabyte behind them."""
    assert outcome(device(records=(HEADER,), checks=(HEADER_READ,))) == (Outcome.UNKNOWN, None)
    assert reasons(device(records=(HEADER,), checks=(HEADER_READ,))) == {"scope-short"}


@pytest.mark.parametrize("media", Media)
def test_a_whole_overwrite_read_back_is_clear_and_never_purge(media: Media) -> None:
    """On magnetic, flash and opaque alike."""
    assert outcome(device(media=media)) == CLEAR
    assert outcome(device(media=media), Level.PURGE) == (Outcome.NOT_REACHED, Level.CLEAR)
    assert claims.ceiling(Method.DEVICE_OVERWRITE, media) is Level.CLEAR


def test_nothing_reaches_destroy() -> None:
    """Never by software."""
    assert all(claims.ceiling(method, media) is not Level.DESTROY for method, media in product(Method, Media))


@pytest.mark.parametrize(
    ("evidence", "reason", "expected"),
    [
        (device(checks=()), "not-read-back", Outcome.UNKNOWN),
        (device(records=()), "passes-missing", Outcome.UNKNOWN),
        (device(passes=2), "passes-missing", Outcome.UNKNOWN),
        (device(after=()), "identity-not-reread", Outcome.UNKNOWN),
        (device(after=(Fact("serial", "S2"),)), "identity-changed", Outcome.NOT_REACHED),
        (device(records=(replace(PASS, written=SIZE - 512),)), "passes-incomplete", Outcome.UNKNOWN),
        (device(records=(replace(PASS, written=SIZE - 512, failed_size=512),)), "not-overwritten", Outcome.NOT_REACHED),
        (device(checks=(replace(READ, matched=SIZE - 512),)), "unread", Outcome.UNKNOWN),
        (device(checks=(replace(READ, matched=SIZE - 512, unread_size=512),)), "unread", Outcome.UNKNOWN),
        (
            device(checks=(replace(READ, matched=SIZE - 512, mismatched_size=512),)),
            "read-back-differs",
            Outcome.NOT_REACHED,
        ),
        (device(checks=(replace(READ, size=SIZE - 512, matched=SIZE - 512),)), "unread", Outcome.UNKNOWN),
        (device(size=2 * SIZE), "scope-short", Outcome.UNKNOWN),
        (device(checks=(replace(READ, compared_with=7),)), "not-read-back", Outcome.UNKNOWN),
        (device(checks=(replace(READ, step=0),)), "not-read-back", Outcome.UNKNOWN),
        (device(checks=(replace(READ, ended_at=NOW),)), "not-read-back", Outcome.UNKNOWN),
        (device(checks=(replace(SAMPLE, read=ENOUGH - 1),)), "sample-incomplete", Outcome.UNKNOWN),
        (device(checks=(replace(SAMPLE, unread_blocks=1),)), "sample-incomplete", Outcome.UNKNOWN),
        (device(checks=(replace(SAMPLE, blocks=128),)), "sample-incomplete", Outcome.UNKNOWN),
        (device(checks=(replace(SAMPLE, mismatched_blocks=1),)), "sample-differs", Outcome.NOT_REACHED),
        (device(destroy=("history",)), "free-space-not-reached", Outcome.UNKNOWN),
        (hunted(checks=(BELOW,)), "not-hunted", Outcome.UNKNOWN),
        (hunted(checks=(BELOW, replace(HUNT, state="needles-lost"))), "not-hunted", Outcome.UNKNOWN),
        (hunted(checks=(BELOW, replace(HUNT, needles=0))), "not-hunted", Outcome.UNKNOWN),
        (hunted(checks=(BELOW, replace(HUNT, names=0))), "not-hunted", Outcome.UNKNOWN),
        (hunted(checks=(BELOW, replace(HUNT, unread_size=512))), "not-hunted", Outcome.UNKNOWN),
        (hunted(checks=(BELOW, replace(HUNT, size=0))), "not-hunted", Outcome.UNKNOWN),
        (hunted(checks=(BELOW, replace(HUNT, step=3))), "not-hunted", Outcome.UNKNOWN),
        (hunted(records=(PASS, RELEASED, FILLED)), "names-not-reached", Outcome.UNKNOWN),
        (
            hunted(records=(PASS, RELEASED, replace(NAMED, is_complete=False), FILLED)),
            "names-not-reached",
            Outcome.UNKNOWN,
        ),
        (hunted(records=(PASS, RELEASED, NAMED)), "free-space-not-reached", Outcome.UNKNOWN),
        (
            hunted(records=(PASS, RELEASED, NAMED, replace(FILLED, is_complete=False, unreached=4096))),
            "free-space-not-reached",
            Outcome.UNKNOWN,
        ),
        (hunted(checks=(BELOW, found("contents", "carrier"))), "contents-found", Outcome.NOT_REACHED),
        (hunted(checks=(BELOW, found("contents", "free"))), "history-found", Outcome.NOT_REACHED),
        (hunted(checks=(BELOW, found("names", "directories"))), "names-found", Outcome.NOT_REACHED),
        (rows(records=(HELD, RELEASED)), "not-withdrawn", Outcome.UNKNOWN),
        (
            rows(records=(replace(TAKEN, left=("write-ahead-log",)), HELD, RELEASED)),
            "engine-copies-not-reached",
            Outcome.UNKNOWN,
        ),
        (rows(records=(TAKEN, RELEASED), passes=0), "scope-short", Outcome.UNKNOWN),
        (rows(records=(replace(TAKEN, size=SIZE + 512), HELD, RELEASED)), "scope-short", Outcome.UNKNOWN),
        (rows(checks=(HELD_READ, HUNT)), "survivors-not-checked", Outcome.UNKNOWN),
        (rows(checks=(HELD_READ, HUNT, replace(ALIVE, rows_after=6))), "survivors-differ", Outcome.UNKNOWN),
        (rows(checks=(HELD_READ, HUNT, replace(ALIVE, is_sound=False))), "survivors-differ", Outcome.UNKNOWN),
        (
            rows(checks=(HELD_READ, HUNT, replace(ALIVE, digest_after="sha256:" + "1" * 64))),
            "survivors-differ",
            Outcome.UNKNOWN,
        ),
        (rows(checks=(HELD_READ, found("contents", "engine"), ALIVE)), "contents-found", Outcome.NOT_REACHED),
        (rows(checks=(HELD_READ, found("contents", "engine-log"), ALIVE)), "contents-found", Outcome.NOT_REACHED),
        (rows(checks=(HELD_READ, found("contents", "unknown"), ALIVE)), "contents-unlocated", Outcome.UNKNOWN),
        (rows(checks=(HELD_READ, ALIVE)), "not-hunted", Outcome.UNKNOWN),
        (files(hunt=True), "not-hunted", Outcome.UNKNOWN),
        (files(checks=(READ,)), "not-read-below-file-system", Outcome.UNKNOWN),
        (files(records=(PASS,)), "not-released", Outcome.UNKNOWN),
        (
            device(kind="image", before=(Fact("attached", "false"),), after=(Fact("attached", "false"),)),
            "not-read-below-file-system",
            Outcome.UNKNOWN,
        ),
        (luks(checks=(HEADER_READ,)), "key-not-checked", Outcome.UNKNOWN),
        (luks(checks=(GONE,)), "not-read-back", Outcome.UNKNOWN),
        (luks(checks=(replace(GONE, keyslots_after=1), HEADER_READ)), "key-not-gone", Outcome.NOT_REACHED),
        (luks(checks=(replace(GONE, header_copies_after=1), HEADER_READ)), "key-not-gone", Outcome.NOT_REACHED),
        (luks(checks=(replace(GONE, opener_refused=False), HEADER_READ)), "key-not-gone", Outcome.NOT_REACHED),
        (luks(crypto_erase=None), "crypto-erase-conditions-missing", Outcome.NOT_REACHED),
        (luks(copies=(KnownCopy("escrow"),)), "key-copies-outside-order", Outcome.NOT_REACHED),
        (luks(checks=(replace(GONE, backups_unreached=1), HEADER_READ)), "key-copies-unreached", Outcome.NOT_REACHED),
    ],
)
def test_whatever_is_missing_or_wrong_denies_the_claim_and_is_named(
    evidence: Evidence, reason: str, expected: Outcome
) -> None:
    """Unknown is never success."""
    assert outcome(evidence) == (expected, None)
    assert reason in reasons(evidence)


def test_files_read_back_below_the_file_system_are_clear() -> None:
    """Of what was named, and no more."""
    assert outcome(files()) == CLEAR


def test_a_sufficient_sample_supports_clear() -> None:
    """With the stated confidence."""
    assert outcome(device(checks=(replace(SAMPLE, read=ENOUGH),))) == CLEAR


def test_destroyed_keys_are_purge_on_magnetic_media_when_all_seven_conditions_hold() -> None:
    """And clear where old key pages may remain; attested conditions are listed as such."""
    claim = claims.claim(luks(), Level.PURGE)
    assert (claim.outcome, claim.level, len(claim.on_order_word)) == (Outcome.PROVEN, Level.PURGE, 7)
    for media in (Media.FLASH, Media.OPAQUE):
        assert outcome(luks(media=media), Level.PURGE) == (Outcome.NOT_REACHED, Level.CLEAR)
        assert outcome(luks(media=media)) == CLEAR


def test_without_the_conditions_only_an_overwritten_payload_is_clear() -> None:
    """The header alone says nothing about keys that lie elsewhere."""
    payload = replace(PASS, step=1, pattern=KeystreamPattern("cd" * 32))
    read = replace(READ, compared_with=1, step=3)
    both = luks(passes=2, records=(HEADER, payload), checks=(GONE, read), crypto_erase=None)
    assert outcome(both) == CLEAR
    assert outcome(both, Level.PURGE) == (Outcome.NOT_REACHED, Level.CLEAR)


def test_names_history_and_rows_are_proven_by_a_hunt_that_found_nothing() -> None:
    """The steps that reach them are not enough: somebody must have looked everywhere, with something to look for."""
    assert outcome(hunted()) == CLEAR
    assert outcome(rows()) == CLEAR


def test_copies_that_no_order_names_are_told_beside_a_proven_claim() -> None:
    """The site has them listed: what was ordered is gone all the same, and nobody may read it as gone everywhere."""
    listed = (Residual("unordered-replicas", 2), Residual("unordered-backups", 1), Residual("replicas"))
    claim = claims.claim(rows(residual=listed), Level.CLEAR)
    assert (claim.outcome, claim.level) == CLEAR
    assert claim.reasons == (Reason("unordered-copies", 3),)
    assert reasons(rows(residual=(Residual("replicas", 2), Residual("copies-unknown")))) == set()


@pytest.mark.parametrize("lost", [{"needles": 1}, {"names": 1}])
def test_a_hunt_for_fewer_samples_than_were_taken_is_none(lost: dict[str, Any]) -> None:
    """Where samples were lost on the way, nothing was looked for that could have been found."""
    taken = NeedlesRecord(0, 20, 3, NOW)
    records = (taken, replace(PASS, step=1), RELEASED, NAMED, FILLED)
    read = replace(BELOW, step=2, compared_with=1)
    assert outcome(hunted(records=records, checks=(read, HUNT))) == CLEAR
    short = claims.claim(hunted(records=records, checks=(read, replace(HUNT, **lost))), Level.CLEAR)
    assert (short.outcome, [one.code for one in short.reasons]) == (Outcome.UNKNOWN, ["not-hunted"])


def test_a_hunt_over_less_than_the_storage_that_was_noted_is_none() -> None:
    """What was not looked through may hold all of it; the size is noted before the first write, when nobody knew what
    the hunt would find."""
    for noted, expected in ((HUNT.size, CLEAR), (HUNT.size + 512, (Outcome.UNKNOWN, None)), (None, CLEAR)):
        taken = NeedlesRecord(0, HUNT.needles, HUNT.names, NOW, storage_size=noted)
        records = (taken, replace(PASS, step=1), RELEASED, NAMED, FILLED)
        checks = (replace(BELOW, step=2, compared_with=1), HUNT)
        assert outcome(hunted(records=records, checks=checks)) == expected


def test_a_find_elsewhere_is_residual_unless_the_order_wants_history_gone() -> None:
    """An earlier version in a free block is no flaw of this erasure; what the order names is."""
    assert outcome(rows(checks=(HELD_READ, found("contents", "free"), ALIVE))) == CLEAR
    assert outcome(files(checks=(BELOW, found("names", "directories")))) == CLEAR


def test_the_first_rule_book_still_derives_what_it_did() -> None:
    """Certificates that cite it are judged by it for ever: it knew neither hunts nor names."""
    named = claims.claim(files(destroy=("names",)), Level.CLEAR, "expunge-rules-1")
    old = claims.claim(device(destroy=("history",)), Level.CLEAR, "expunge-rules-1")
    assert (named.outcome, [one.code for one in named.reasons]) == (Outcome.NOT_REACHED, ["names-not-reached"])
    assert (old.outcome, [one.code for one in old.reasons]) == (Outcome.UNKNOWN, ["history-not-hunted"])


def test_a_rule_book_that_never_was_is_not_believed() -> None:
    """Published versions stay; others do not exist."""
    with pytest.raises(Untrusted) as refused:
        claims.claim(device(), Level.CLEAR, "expunge-rules-0")
    assert refused.value.reason == "rule-book-unknown"


RANK = {None: 0, Level.CLEAR: 1, Level.PURGE: 2, Level.DESTROY: 3}
BAD = Failure(Extent(0, 0, 512), "EIO")


def damage_record(record: Any, size: int) -> Any:
    if not isinstance(record, OverwriteRecord):
        return record
    lost = min(size, record.written)
    return replace(record, written=record.written - lost, failed_size=record.failed_size + lost, failures=(BAD,))


def damage_check(check: Any, size: int, *, is_read: bool) -> Any:
    match check:
        case FullReadBack() if is_read:
            lost = min(size, check.matched)
            return replace(check, matched=check.matched - lost, mismatched_size=check.mismatched_size + lost)
        case FullReadBack():
            lost = min(size, check.matched)
            return replace(check, matched=check.matched - lost, unread_size=check.unread_size + lost)
        case SampledReadBack() if is_read:
            return replace(check, mismatched_blocks=check.mismatched_blocks + 1)
        case SampledReadBack():
            return replace(check, unread_blocks=check.unread_blocks + 1)
        case KeyGone():
            return replace(check, keyslots_after=check.keyslots_after + 1)
    return check


@given(
    evidence=st.sampled_from([device(), device(checks=(SAMPLE,)), files(), luks(), luks(media=Media.FLASH)]),
    ordered=st.sampled_from([Level.CLEAR, Level.PURGE]),
    harms=st.lists(st.sampled_from(["write", "read", "unread", "drop check", "drop record", "after"]), max_size=4),
    size=st.integers(1, SIZE),
)
def test_more_damage_never_raises_a_claim(evidence: Evidence, ordered: Level, harms: list[str], size: int) -> None:
    """Invariant (b), step by step along any series of harms."""
    claim = claims.claim(evidence, ordered)
    for harm in harms:
        evidence = harmed(evidence, harm, size)
        worse = claims.claim(evidence, ordered)
        assert RANK[worse.level] <= RANK[claim.level]
        assert not (worse.outcome is Outcome.PROVEN and claim.outcome is not Outcome.PROVEN)
        claim = worse


def harmed(evidence: Evidence, harm: str, size: int) -> Evidence:
    match harm:
        case "write":
            return replace(evidence, records=tuple(damage_record(one, size) for one in evidence.records))
        case "read" | "unread":
            checks = tuple(damage_check(one, size, is_read=harm == "read") for one in evidence.checks)
            return replace(evidence, checks=checks)
        case "drop check":
            return replace(evidence, checks=evidence.checks[1:])
        case "drop record":
            return replace(evidence, records=evidence.records[1:])
    return replace(evidence, after=())
