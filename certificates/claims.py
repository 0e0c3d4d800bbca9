"""The rule book: what a technique could reach on a medium, what evidence supports. Pure; published versions stay.

Sources: NIST SP 800-88 r2, 3.1 and 4.5; IEEE 2883-2022 by its public command tables. Ceilings:

* a host overwrite reaches every addressable byte and no more: clear, on magnetic, flash and opaque media alike;
* files or an image overwritten in place: clear of what was named, and only when read back below the file system;
* rows, tables or more of a database, taken out of the engine's files: clear of what was named in every place that the
  engine keeps copies, only with what held them overwritten and read back below the file system, and with values sampled
  before found nowhere in those places afterwards (since expunge-rules-2). Copies that the server knows and no order
  names do not lower it, since it does not speak of them; it says so;
* keys destroyed: purge on magnetic media when all seven conditions of cryptographic erase hold; clear on flash and
  opaque media, where old pages may keep the keyslots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from certificates.errors import Untrusted
from certificates.sampling import sample_size, strata_of, stratified_size
from certificates.statements import (
    Claim,
    Evidence,
    Fact,
    FillRecord,
    FullReadBack,
    Hits,
    KeyGone,
    Level,
    Media,
    Method,
    NamesRecord,
    NeedlesRecord,
    Outcome,
    OverwriteRecord,
    Reason,
    ReleaseRecord,
    ResidueHunt,
    SampledReadBack,
    SurvivorsCheck,
    WithdrawalRecord,
)

CURRENT = "expunge-rules-2"
"""Rule book that new claims cite."""
IN_A_FILE_SYSTEM = frozenset({Method.IN_PLACE_OVERWRITE, Method.COPY_FORWARD, Method.HOLE_FILLING})
"""Methods whose target lies in a file system: only the storage below it can show what became of it."""
OF_THE_ORDER = frozenset({"carrier", "engine", "engine-log"})
"""Places where a find contradicts the destruction itself; elsewhere it is residual, unless the order wants more."""

ENGINE_COPIES = frozenset(
    {
        "doublewrite-buffer",
        "index-pivots",
        "older-page-slack",
        "server-log",
        "statistics",
        "temporary-files",
        "undo-log",
        "write-ahead-log",
    }
)
"""Places in which a database engine keeps copies by itself, by residual code."""
UNORDERED = frozenset({"unordered-replicas", "unordered-archives", "unordered-backups", "unordered-copies"})
"""Copies that a server knows and no order names, by residual code: a claim says that it does not speak of them."""


def ceiling(method: Method, media: Media) -> Level | None:
    """Return the highest level that a method could reach on a medium under the current rule book."""
    return _CEILINGS_2.get((method, media))


def claim(evidence: Evidence, ordered: Level, rule_book: str = CURRENT) -> Claim:
    """Return what the evidence supports under the rule book named; raises Untrusted for a book that never was."""
    try:
        derive = _RULE_BOOKS[rule_book]
    except KeyError as error:
        raise Untrusted("rule-book-unknown", found=rule_book) from error
    return derive(evidence, ordered)


_CEILINGS_1: dict[tuple[Method, Media], Level | None] = {
    (Method.DEVICE_OVERWRITE, Media.MAGNETIC): Level.CLEAR,
    (Method.DEVICE_OVERWRITE, Media.FLASH): Level.CLEAR,
    (Method.DEVICE_OVERWRITE, Media.OPAQUE): Level.CLEAR,
    (Method.IN_PLACE_OVERWRITE, Media.MAGNETIC): Level.CLEAR,
    (Method.IN_PLACE_OVERWRITE, Media.FLASH): Level.CLEAR,
    (Method.IN_PLACE_OVERWRITE, Media.OPAQUE): Level.CLEAR,
    (Method.KEY_DESTRUCTION, Media.MAGNETIC): Level.PURGE,
    (Method.KEY_DESTRUCTION, Media.FLASH): Level.CLEAR,
    (Method.KEY_DESTRUCTION, Media.OPAQUE): Level.CLEAR,
}


_CEILINGS_2: dict[tuple[Method, Media], Level | None] = {
    **_CEILINGS_1,
    **{(method, media): Level.CLEAR for method in (Method.COPY_FORWARD, Method.HOLE_FILLING) for media in Media},
}


def _rules_1(evidence: Evidence, ordered: Level) -> Claim:
    """Derive a claim as before there were hunts: names and history that an order wanted could not be reached."""
    wanted_names = (Reason("names-not-reached"),) if "names" in evidence.destroy else ()
    wanted_history = (Reason("history-not-hunted"),) if "history" in evidence.destroy else ()
    found = (*_failures(evidence), *wanted_names, *_failures_of_identity(evidence))
    reached = _CEILINGS_1.get((evidence.method, evidence.media))
    gaps = (*_gaps(evidence), *wanted_history)
    return _derive("expunge-rules-1", evidence, ordered, reached, failures=found, gaps=gaps)


def _rules_2(evidence: Evidence, ordered: Level) -> Claim:
    """Derive a claim with what was sampled before and looked for afterwards, and for records of a database."""
    found = (*_failures(evidence), *_failures_of_hunting(evidence), *_failures_of_identity(evidence))
    missing = (*_gaps(evidence), *_gaps_of_hunting(evidence), *_gaps_of_records(evidence))
    reached = _CEILINGS_2.get((evidence.method, evidence.media))
    return _derive("expunge-rules-2", evidence, ordered, reached, failures=found, gaps=missing)


def _derive(
    rule_book: str,
    evidence: Evidence,
    ordered: Level,
    reached: Level | None,
    *,
    failures: tuple[Reason, ...],
    gaps: tuple[Reason, ...],
) -> Claim:
    """Return the claim: failures deny, gaps leave it unknown, and only what is left stands."""
    limits: tuple[Reason, ...] = ()
    if evidence.method is Method.KEY_DESTRUCTION:
        reached, limits = _limit_of_keys(evidence, reached)
    if unordered := sum(one.count or 1 for one in evidence.residual if one.code in UNORDERED):
        limits += (Reason("unordered-copies", unordered),)
    if reached is not None and reached.rank < ordered.rank:
        limits += (Reason("level-above-ceiling"),)
    if failures:
        outcome, level = Outcome.NOT_REACHED, None
    elif gaps:
        outcome, level = Outcome.UNKNOWN, None
    else:
        is_enough = reached is not None and reached.rank >= ordered.rank
        outcome, level = (Outcome.PROVEN if is_enough else Outcome.NOT_REACHED), reached
    return Claim(
        rule_book=rule_book,
        ordered=ordered,
        outcome=outcome,
        level=level,
        reasons=failures + gaps + limits,
        on_order_word=_on_order_word(evidence),
    )


def _failures(evidence: Evidence) -> tuple[Reason, ...]:
    """Return what speaks against the destruction itself."""
    found: list[Reason] = []
    final = _final_overwrites(evidence)
    if failed := sum(record.failed_size for record in final):
        found.append(Reason("not-overwritten", failed))
    for check in evidence.checks:
        match check:
            case FullReadBack(mismatched_size=size) if size:
                found.append(Reason("read-back-differs", size))
            case SampledReadBack(mismatched_blocks=blocks) if blocks:
                found.append(Reason("sample-differs", blocks))
            case KeyGone() if check.keyslots_after or check.header_copies_after or not check.opener_refused:
                found.append(Reason("key-not-gone", check.keyslots_after + check.header_copies_after))
    return tuple(found)


def _failures_of_identity(evidence: Evidence) -> tuple[Reason, ...]:
    is_other = bool(evidence.after) and evidence.after != evidence.before
    return (Reason("identity-changed"),) if is_other else ()


def _failures_of_hunting(evidence: Evidence) -> tuple[Reason, ...]:
    """Return what was found again that the order wanted gone."""
    named = sum(hits.count for hits in _hits(evidence) if hits.sort == "names") if "names" in evidence.destroy else 0
    left = sum(hits.count for hits in _hits(evidence) if hits.sort == "contents" and hits.place in OF_THE_ORDER)
    elsewhere = sum(
        hits.count for hits in _hits(evidence) if hits.sort == "contents" and hits.place not in OF_THE_ORDER
    )
    found = [Reason("contents-found", left)] if left else []
    found += [Reason("history-found", elsewhere)] if elsewhere and "history" in evidence.destroy else []
    found += [Reason("names-found", named)] if named else []
    return tuple(found)


def _hits(evidence: Evidence) -> tuple[Hits, ...]:
    return tuple(hits for check in evidence.checks if isinstance(check, ResidueHunt) for hits in check.hits)


def _gaps_of_hunting(evidence: Evidence) -> tuple[Reason, ...]:
    """Return what keeps names and history unknown: a step that did not reach everything, or no whole look."""
    found: list[Reason] = []
    names = [record for record in evidence.records if isinstance(record, NamesRecord)]
    fills = [record for record in evidence.records if isinstance(record, FillRecord)]
    if "names" in evidence.destroy and not any(record.is_complete for record in names):
        found.append(Reason("names-not-reached"))
    if "history" in evidence.destroy and not any(record.is_complete for record in fills):
        found.append(Reason("free-space-not-reached", sum(record.unreached for record in fills)))
    if not (evidence.destroy or evidence.hunt or evidence.kind == "records"):
        return tuple(found)
    whole = [check for check in evidence.checks if isinstance(check, ResidueHunt) and _is_whole(check, evidence)]
    if not whole:
        found.append(Reason("not-hunted"))
    return tuple(found)


def _is_whole(hunt: ResidueHunt, evidence: Evidence) -> bool:
    """Tell whether all that was sampled was looked for, everywhere, after the last act that could have moved it."""
    last = max((record.step for record in evidence.records), default=-1)
    taken = [record for record in evidence.records if isinstance(record, NeedlesRecord)]
    needles, names = sum(record.needles for record in taken), sum(record.names for record in taken)
    wants_names = "names" in evidence.destroy
    has_needles = hunt.needles >= max(needles, 1) and hunt.names >= max(names, int(wants_names))
    storage = max((record.storage_size or 1 for record in taken), default=1)
    return hunt.state == "made" and has_needles and not hunt.unread_size and hunt.size >= storage and hunt.step > last


def _gaps_of_records(evidence: Evidence) -> tuple[Reason, ...]:
    """Return what keeps records of a database unknown: not taken out, held files not all overwritten, survivors."""
    if evidence.kind != "records":
        return ()
    found: list[Reason] = []
    withdrawals = [record for record in evidence.records if isinstance(record, WithdrawalRecord)]
    if not withdrawals:
        found.append(Reason("not-withdrawn"))
    if unreached := {code for record in withdrawals for code in record.left} & ENGINE_COPIES:
        # What was sampled was looked for there at most; what the engine copied of the rest is as it was.
        found.append(Reason("engine-copies-not-reached", len(unreached)))
    held, last = sum(record.size for record in withdrawals), _last_pass_of_each_area(evidence).get("held")
    if last is None or last.size != held:
        found.append(Reason("scope-short", abs(held - (last.size if last else 0))))
    survivors = [check for check in evidence.checks if isinstance(check, SurvivorsCheck)]
    if not survivors:
        found.append(Reason("survivors-not-checked"))
    if unlocated := sum(hits.count for hits in _hits(evidence) if hits.sort == "contents" and hits.place == "unknown"):
        # Files were read back where they lay; of records nothing else says that the place is not the engine's.
        found.append(Reason("contents-unlocated", unlocated))
    if harmed := sum(not _is_unharmed(check) for check in survivors):
        found.append(Reason("survivors-differ", harmed))
    return tuple(found)


def _is_unharmed(check: SurvivorsCheck) -> bool:
    same = (check.rows_before, check.digest_before) == (check.rows_after, check.digest_after)
    return same and check.is_sound


def _gaps(evidence: Evidence) -> tuple[Reason, ...]:
    """Return what keeps the outcome unknown: something not done, not read, or not recorded."""
    found: list[Reason] = []
    overwrites = [record for record in evidence.records if isinstance(record, OverwriteRecord)]
    if not overwrites or len(overwrites) != evidence.passes:
        found.append(Reason("passes-missing", max(evidence.passes - len(overwrites), 0)))
    if not evidence.after:
        found.append(Reason("identity-not-reread"))
    if short := sum(record.size - record.written - record.failed_size for record in overwrites):
        found.append(Reason("passes-incomplete", max(short, 0)))
    found += [
        Reason("scope-short", abs(evidence.size - record.size))
        for record in _final_overwrites(evidence)
        if record.area == "whole" and record.size != evidence.size
    ]
    is_whole_wanted = evidence.method is not Method.KEY_DESTRUCTION and evidence.kind != "records"
    if is_whole_wanted and "whole" not in _last_pass_of_each_area(evidence):
        found.append(Reason("scope-short", evidence.size))
    found += _gaps_of_reading(evidence)
    if evidence.method is Method.KEY_DESTRUCTION and not _key_checks(evidence):
        found.append(Reason("key-not-checked"))
    is_released = any(isinstance(record, ReleaseRecord) for record in evidence.records)
    if evidence.kind in ("files", "database", "records") and not is_released:
        found.append(Reason("not-released"))
    return tuple(found)


def _gaps_of_reading(evidence: Evidence) -> list[Reason]:
    found: list[Reason] = []
    for area, record in _last_pass_of_each_area(evidence).items():
        check = _read_back_of(evidence, record)
        if check is None:
            found.append(Reason("not-read-back"))
        elif isinstance(check, FullReadBack):
            missing = check.size - check.matched - check.mismatched_size
            if check.size != record.size or missing or check.unread_size:
                found.append(Reason("unread", max(missing, check.unread_size, abs(record.size - check.size))))
        elif check.unread_blocks or check.read == 0 or not _sample_is_enough(check, record):
            found.append(Reason("sample-incomplete", check.unread_blocks))
        if check is not None and _needs_storage_below(evidence) and check.place != "below-file-system":
            found.append(Reason("not-read-below-file-system"))
        if area == "header" and isinstance(check, SampledReadBack):
            found.append(Reason("header-only-sampled"))
    return found


def _needs_storage_below(evidence: Evidence) -> bool:
    """Tell whether the target lies in a file system: then only the storage below can show what became of it."""
    return evidence.method in IN_A_FILE_SYSTEM or Fact("attached", "false") in evidence.before


def _sample_is_enough(check: SampledReadBack, record: OverwriteRecord) -> bool:
    """Tell whether the sample has the size that its stated confidence needs, over the whole area."""
    wanted = (check.confidence_ppm, check.fraction_ppm)
    if check.strata is None:
        needed = sample_size(check.blocks, *wanted)
    elif check.strata == strata_of(check.blocks):
        needed = stratified_size(check.blocks, check.strata, *wanted)
    else:
        return False
    covers = check.blocks * check.block_size >= record.size > (check.blocks - 1) * check.block_size
    return covers and check.read >= needed


def _final_overwrites(evidence: Evidence) -> tuple[OverwriteRecord, ...]:
    return tuple(_last_pass_of_each_area(evidence).values())


def _last_pass_of_each_area(evidence: Evidence) -> dict[str, OverwriteRecord]:
    """Return what each area holds at the end: a later whole pass covers the header too."""
    last: dict[str, OverwriteRecord] = {}
    for record in evidence.records:
        if isinstance(record, OverwriteRecord):
            if record.area == "whole":
                last.clear()
            last[record.area] = record
    return last


def _read_back_of(evidence: Evidence, record: OverwriteRecord) -> FullReadBack | SampledReadBack | None:
    """Return the read-back that compared with this pass, if it was made after it."""
    for check in evidence.checks:
        if not isinstance(check, (FullReadBack, SampledReadBack)) or check.compared_with != record.step:
            continue
        if check.area == record.area and check.step > record.step and check.ended_at >= record.ended_at:
            return check
    return None


def _key_checks(evidence: Evidence) -> tuple[KeyGone, ...]:
    return tuple(check for check in evidence.checks if isinstance(check, KeyGone))


def _limit_of_keys(evidence: Evidence, reached: Level | None) -> tuple[Level | None, tuple[Reason, ...]]:
    """Lower the ceiling of key destruction by what is known of copies and conditions.

    Without the seven conditions the encrypted payload stands on the medium with no word that its key is nowhere else:
    then only an overwritten payload supports clear, and the header alone supports nothing.
    """
    reasons: list[Reason] = []
    if unreached := sum(check.backups_unreached for check in _key_checks(evidence)):
        reasons.append(Reason("key-copies-unreached", unreached))
    if outside := sum(1 for copy in evidence.copies if copy.carrier is None):
        reasons.append(Reason("key-copies-outside-order", outside))
    if missing := _conditions_missing(evidence):
        reasons.append(Reason("crypto-erase-conditions-missing", missing))
    if not reasons:
        return reached, ()
    is_overwritten = "whole" in _last_pass_of_each_area(evidence)
    return (Level.CLEAR if is_overwritten else None), tuple(reasons)


def _conditions_missing(evidence: Evidence) -> int:
    conditions = evidence.crypto_erase
    if conditions is None:
        return 7
    return sum(not getattr(conditions, field.name) for field in fields(conditions))


def _on_order_word(evidence: Evidence) -> tuple[str, ...]:
    """Return the conditions that only the order attests."""
    conditions = evidence.crypto_erase
    if evidence.method is not Method.KEY_DESTRUCTION or conditions is None:
        return ()
    return tuple(field.name.replace("_", "-") for field in fields(conditions) if getattr(conditions, field.name))


_RULE_BOOKS: dict[str, Callable[[Evidence, Level], Claim]] = {
    "expunge-rules-1": _rules_1,
    "expunge-rules-2": _rules_2,
}
