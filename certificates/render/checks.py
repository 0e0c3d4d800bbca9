"""Steps and checks as sentences, and the command by which anyone compares the medium with the last pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from certificates.render.words import Language, number, say, share, term
from certificates.statements import (
    Check,
    Consequence,
    ConstantPattern,
    Entry,
    Evidence,
    FillRecord,
    FullReadBack,
    Hits,
    KeyGone,
    NamesRecord,
    NeedlesRecord,
    OverwriteRecord,
    Pattern,
    ReleaseRecord,
    RepeatedPattern,
    Reproved,
    ResidueHunt,
    Revisited,
    SampledReadBack,
    StepRecord,
    SurvivorsCheck,
    WithdrawalRecord,
)

ZERO_BLOCK = "0" * 32
"""First counter block of a device: stream 0, offset 0."""


def tell_record(record: StepRecord, language: Language) -> str:
    """Return what a step did, with its bytes."""
    match record:
        case OverwriteRecord():
            return _tell_overwrite(record, language)
        case ReleaseRecord():
            return say("word.names", language, count=number(record.names))
        case NeedlesRecord(impossible=str(impossible)):
            why = term("impossible", impossible, language)
            return say("record.needles.impossible", language, impossible=why)
        case NeedlesRecord() | WithdrawalRecord() | NamesRecord() | FillRecord():
            return _tell_act(record, language)
        case _:
            assert_never(record)


def _tell_act(record: NeedlesRecord | WithdrawalRecord | NamesRecord | FillRecord, language: Language) -> str:
    """Return what an act did: its own numbers, what went with it, and what it did not reach."""
    counts = {name: number(value) for name, value in _fields(record) if isinstance(value, int)}
    parts = [say(f"record.{record.kind}", language, **counts)]
    if isinstance(record, WithdrawalRecord):
        parts += [_tell_consequence(one, language) for one in record.consequences]
    left = () if isinstance(record, NeedlesRecord) else record.left
    if left:
        parts.append(say("record.left", language, left=", ".join(term("residual", code, language) for code in left)))
    return ("；" if language == "zh" else "; ").join(parts)


def _tell_consequence(one: Consequence, language: Language) -> str:
    code = term("consequence", one.code, language)
    return say("record.consequence", language, code=code, count=number(one.count))


def _fields(told: object) -> Iterable[tuple[str, object]]:
    return ((name, getattr(told, name)) for name in getattr(type(told), "__slots__", ()))


def _tell_overwrite(record: OverwriteRecord, language: Language) -> str:
    written = term("pattern", record.pattern.kind, language, byte=_bytes(record.pattern))
    size = f"{number(record.written)} / {number(record.size)} {say('word.bytes', language)}"
    parts = [written, f"{term('area', record.area, language)}: {size}"]
    if record.failed_size:
        parts.append(say("word.failed", language, count=number(record.failed_size)))
    if record.resumed:
        parts.append(say("word.resumed", language, count=number(record.resumed)))
    return ("；" if language == "zh" else "; ").join(parts)


def tell_course(journal: Iterable[Entry], language: Language) -> list[str]:
    """Return what befell the steps on their way: what was proved again after a stop, what was tried again."""
    events = [entry.event for entry in journal]
    proved = [event for event in events if isinstance(event, Reproved)]
    again = {event.step: event for event in events if isinstance(event, Revisited)}
    told = []
    if proved:
        facts = {"blocks": sum(one.blocks for one in proved), "bad": sum(one.mismatched for one in proved)}
        told.append(say("word.reproved", language, **{name: number(count) for name, count in facts.items()}))
    if again:
        left = sum(event.failed_size for event in again.values())
        told.append(say("word.revisited", language, left=number(left)))
    return told


def _bytes(pattern: Pattern) -> str:
    """Return the bytes of a pattern that consists of few, in hex."""
    match pattern:
        case ConstantPattern(byte=byte):
            return byte
        case RepeatedPattern(word=word):
            return bytes.fromhex(word).hex(" ")
        case _:
            return ""


def tell_check(check: Check, language: Language) -> str:
    """Return what a check showed, in numbers."""
    match check:
        case FullReadBack():
            return _tell_full(check, language)
        case SampledReadBack():
            return _tell_sampled(check, language)
        case KeyGone():
            return _tell_key_gone(check, language)
        case ResidueHunt():
            return _tell_hunt(check, language)
        case SurvivorsCheck():
            return _tell_survivors(check, language)
        case _:
            assert_never(check)


def _tell_hunt(check: ResidueHunt, language: Language) -> str:
    counts = {name: number(getattr(check, name)) for name in ("needles", "names", "size", "unread_size")}
    hits = number(sum(one.count for one in check.hits))
    joint = "、" if language == "zh" else ", "
    forms = joint.join(term("form", one, language) for one in check.forms)
    return say(f"check.residue-hunt.{check.state}", language, **counts, forms=forms, hits=hits)


def tell_hits(hits: Hits, language: Language) -> tuple[str, str, str]:
    """Return what was found, where, and how often."""
    return term("sort", hits.sort, language), term("place", hits.place, language), number(hits.count)


def _tell_survivors(check: SurvivorsCheck, language: Language) -> str:
    same = "same" if check.digest_before == check.digest_after else "differ"
    return say(
        "check.survivors",
        language,
        tables=number(check.tables),
        rows_before=number(check.rows_before),
        rows_after=number(check.rows_after),
        same=say(f"survivors.{same}", language),
        engine_check=check.engine_check,
        sound=say(f"survivors.{'sound' if check.is_sound else 'unsound'}", language),
    )


def tell_seen(evidence: Evidence, language: Language) -> str:
    """Return what all checks saw, short enough for a verdict."""
    told = []
    for check in evidence.checks:
        match check:
            case FullReadBack():
                counts = {"read": number(check.matched), "size": number(check.size)}
                told.append(say("verdict.full", language, **counts))
            case SampledReadBack():
                counts = {"read": number(check.read_in_all), "blocks": number(check.blocks)}
                told.append(say("verdict.sampled", language, **counts))
            case KeyGone():
                counts = {"slots": number(check.keyslots_before), "headers": number(check.header_copies_before)}
                told.append(say("verdict.keys", language, **counts))
            case ResidueHunt():
                hits = number(sum(one.count for one in check.hits))
                told.append(say("verdict.hunt", language, needles=number(check.needles), hits=hits))
            case SurvivorsCheck():
                counts = {"rows_after": number(check.rows_after), "rows_before": number(check.rows_before)}
                told.append(say("verdict.survivors", language, **counts))
    return ("；" if language == "zh" else "; ").join(told) or say("verdict.nothing", language)


def command(evidence: Evidence) -> str | None:
    """Return the shell command that compares the medium with what the last pass left; none below a file system."""
    if evidence.kind in ("files", "database", "records"):
        return None
    records = [record for record in evidence.records if isinstance(record, OverwriteRecord)]
    if not records:
        return None
    last = records[-1]
    if isinstance(last.pattern, ConstantPattern):
        if last.pattern.byte == "00":
            return f"cmp -n {last.size} /dev/zero TARGET"
        octal = f"{int(last.pattern.byte, 16):03o}"
        return f"tr '\\0' '\\{octal}' </dev/zero | cmp -n {last.size} - TARGET"
    if isinstance(last.pattern, RepeatedPattern):
        octal = "".join(f"\\{byte:03o}" for byte in bytes.fromhex(last.pattern.word))
        return f"while printf '{octal}%.0s' $(seq 9999); do :; done | cmp -n {last.size} - TARGET"
    return (
        f"openssl enc -aes-256-ctr -K {last.pattern.key} -iv {ZERO_BLOCK} -in /dev/zero | cmp -n {last.size} - TARGET"
    )


def _tell_full(check: FullReadBack, language: Language) -> str:
    facts = {
        "place": term("place", check.place, language),
        "matched": number(check.matched),
        "size": number(check.size),
        "mismatched": number(check.mismatched_size),
        "unread": number(check.unread_size),
    }
    return say("check.full-read-back", language, **facts)


def _tell_sampled(check: SampledReadBack, language: Language) -> str:
    facts = {
        "place": term("place", check.place, language),
        "read": number(check.read_in_all),
        "blocks": number(check.blocks),
        "block_size": number(check.block_size),
        "matched": number(max(check.read_in_all - check.mismatched_blocks, 0)),
        "confidence": share(check.confidence_ppm),
        "fraction": share(check.fraction_ppm),
        "bytes": number(check.blocks * check.block_size * check.fraction_ppm // 1_000_000),
    }
    facts["origin"] = say("seed.nonce" if check.seed.nonce else "seed.local", language)
    parts = [say("check.sampled-read-back", language, **facts)]
    if check.strata is not None and check.anchors is not None:
        more = {"strata": number(check.strata), "anchors": number(check.anchors.read)}
        parts.append(say("check.strata", language, **more))
        parts.append(say("check.raw" if check.raw else "check.no-raw", language))
    return ("" if language == "zh" else " ").join(parts)


def _tell_key_gone(check: KeyGone, language: Language) -> str:
    facts = {
        "slots_before": check.keyslots_before,
        "slots_after": check.keyslots_after,
        "headers_before": check.header_copies_before,
        "headers_after": check.header_copies_after,
        "opener": check.opener,
        "answer": say("opener.refused" if check.opener_refused else "opener.opened", language),
    }
    return say("check.key-gone", language, **facts)
