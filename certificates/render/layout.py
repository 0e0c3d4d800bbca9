"""The first page in a form that terminal and browser share: sections of labelled lines and small tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from certificates.render.checks import command, tell_check, tell_course, tell_hits, tell_record, tell_seen
from certificates.render.page import Page
from certificates.render.picture import tell_speed
from certificates.render.words import Language, number, say, share, term
from certificates.statements import (
    Claim,
    DataAsset,
    KnownCopy,
    Outcome,
    OverwriteRecord,
    ResidueHunt,
    SampledVerification,
    StepRecord,
    Verification,
)

SIGNS = {"proven": "●", "not-reached": "▲", "unknown": "○"}
"""Signs that differ in shape, so that colour carries nothing alone."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the page."""

    id: str
    """Its name, the same in every language."""
    title: str
    lines: tuple[tuple[str, str], ...] = ()
    """(label, value); a line without a label continues."""
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The first page."""

    title: str
    sign: str
    verdict: str
    status: tuple[tuple[str, str, str], ...]
    """(sign, what, how it stands) of claim, signatures, registration and validation."""
    sections: tuple[Section, ...]


def lay_out(page: Page, language: Language, zone: tzinfo) -> Sheet:
    """Return the first page in one language, times in one zone."""
    sections = (
        _assets(page, language),
        _medium(page, language),
        _order(page, language),
        _method(page, language, zone),
        _verification(page, language),
        *_residue(page, language),
        _residual(page, language),
        _people(page, language),
        _check(page, language),
    )
    outcome = page.told.claim.outcome.value
    title = say("title.certificate" if page.is_proven else "title.record", language)
    return Sheet(title, SIGNS[outcome], verdict(page, language), _status(page, language, zone), sections)


def verdict(page: Page, language: Language) -> str:
    """Return the verdict as one sentence."""
    claim, evidence = page.told.claim, page.told.evidence
    level = term("level", claim.ordered.value, language)
    if claim.outcome is not Outcome.PROVEN:
        return say(f"verdict.{claim.outcome.value}", language, level=level, why=_why(claim, language))
    proven = say("verdict.proven", language, level=level, seen=tell_seen(evidence, language))
    # What a proven claim does not speak of stands in the same breath.
    return f"{proven} {_why(claim, language)}".strip()


def show_time(at: datetime, zone: tzinfo) -> str:
    """Return an instant in a zone, with the zone's offset."""
    local = at.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} " + ("UTC" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}")


def _why(claim: Claim, language: Language) -> str:
    ends, joins = ("。", "；") if language == "zh" else (".", "; ")
    reasons = [term("reason", r.code, language, count=number(r.count or 0)) for r in claim.reasons]
    text = joins.join(reasons)
    return (text[:1].upper() + text[1:] + ends) if text else ""


def _status(page: Page, language: Language, zone: tzinfo) -> tuple[tuple[str, str, str], ...]:
    claim, missing, decided = page.told.claim, page.missing, page.validation
    signatures = say("signed.yes", language)
    if missing:
        signatures = f"{say('label.missing', language)}: " + ", ".join(person.id for person in missing)
    registered = say("registry.none", language)
    if page.entry:
        registered = say("registry.entry", language, origin=page.entry[0], number=number(page.entry[1]))
    validated, sign = say("validation.none", language), "○"
    if decided:
        facts = {"person": decided.persons[0].id, "at": show_time(decided.decided_at, zone), "reason": decided.reason}
        validated, sign = say(f"validation.{decided.decision}", language, **facts), "●▲"[decided.decision == "reject"]
    return (
        (SIGNS[claim.outcome.value], say("label.verdict", language), term("outcome", claim.outcome.value, language)),
        ("○" if missing else "●", say("label.signatures", language), signatures),
        ("●" if page.entry else "○", say("label.registry", language), registered),
        (sign, say("label.validation", language), validated),
    )


def _assets(page: Page, language: Language) -> Section:
    headings = ("card", "name", "code", "grade", "personal", "secrecy")
    rows = tuple(_asset(asset, language) for asset in page.told.assets)
    unit = page.told.unit
    lines = [(say("label.unit", language), unit.name)]
    if unit.credit_code:
        lines.append((say("label.credit_code", language), unit.credit_code))
    if unit.superior:
        lines.append((say("label.superior", language), unit.superior))
    table = Table(tuple(say(f"label.{name}", language) for name in headings), rows)
    return Section("assets", say("label.assets", language), tuple(lines), table)


def _asset(asset: DataAsset, language: Language) -> tuple[str, ...]:
    card = f"{asset.card} ({asset.catalogue_id})" if asset.catalogue_id else asset.card
    return (
        card,
        asset.name,
        f"{asset.code} ({asset.code_system})",
        term("grade", asset.grade.value, language),
        say("word.yes" if asset.personal_information else "word.no", language),
        term("secrecy", asset.secrecy.value, language),
    )


def _medium(page: Page, language: Language) -> Section:
    told = page.told
    medium, evidence = told.medium, told.evidence
    kind = f"{term('media', evidence.media.value, language)}; {term('kind', evidence.kind, language)}"
    lines = [
        ("carrier", f"{told.carrier}  ({say('label.label', language)}: {told.carrier_label})"),
        ("manufacturer", medium.manufacturer),
        ("model", medium.model),
        ("serial", medium.serial),
        ("property", medium.property_number or say("word.none", language)),
        ("media_type", kind),
        ("size", f"{number(evidence.size)} {say('word.bytes', language)}"),
        ("host", medium.host_name),
        ("destination", term("destination", told.destination, language)),
    ]
    if evidence.objects != 1:
        lines.append(("objects", number(evidence.objects)))
    if medium.source:
        lines.append(("source", " / ".join(filter(None, (medium.source.serial, medium.source.asset_tag)))))
    if told.otherwise:
        lines.append(("otherwise", f"{term('otherwise', told.otherwise.action, language)}: {told.otherwise.note}"))
    return Section("medium", say("label.medium", language), _labelled(lines, language))


def _order(page: Page, language: Language) -> Section:
    told, order = page.told, page.order
    approved = ", ".join(f"{p.id} ({term('role', p.role.value, language)})" for p in told.approved_by)
    decision, approval = order.decision, order.approval
    lines = [
        ("order_id", f"{order.id}  v{order.version}"),
        ("approval", f"{approval.number}  {approval.organ}  {approval.date}"),
        ("decision", f"{decision.organ}  {decision.meeting}  {decision.date}"),
        ("approved_by", approved),
        ("hold", say("hold.checked" if told.binding.hold_state else "hold.none", language)),
        ("keep", told.keep_until),
    ]
    if told.paper:
        lines.append(("paper", told.paper))
    return Section("order", say("label.order", language), _labelled(lines, language))


def _method(page: Page, language: Language, zone: tzinfo) -> Section:
    told = page.told
    applied, claim = told.applied, told.claim
    levels = {"ordered": term("level", claim.ordered.value, language)}
    levels["reached"] = term("level", claim.level.value if claim.level else "none", language)
    run = {"begin": show_time(told.started_at, zone), "end": show_time(told.ended_at, zone)}
    technique = f"{applied.technique}: {applied.name}; {term('method', told.evidence.method.value, language)}"
    lines = [
        (say("label.level", language), say("level.both", language, **levels)),
        (say("label.technique", language), technique),
        (say("label.citation", language), applied.citation),
    ]
    if applied.policies:
        named = ", ".join(applied.policies)
        lines.append((say("label.policies", language), say("policies.label", language, policies=named)))
    lines += _steps(told.evidence.records, language)
    lines += [("", told) for told in tell_course(page.journal, language)]
    lines += [
        (say("label.run", language), say("label.run_value", language, **run)),
        (say("label.tool", language), f"{applied.tool} {applied.tool_version}"),
    ]
    return Section("method", say("label.method", language), tuple(lines))


def _steps(records: Iterable[StepRecord], language: Language) -> Iterator[tuple[str, str]]:
    """Yield what each step did, passes with their numbers."""
    passes = 0
    for record in records:
        is_pass = isinstance(record, OverwriteRecord)
        passes += is_pass
        yield say("label.pass", language, number=passes) if is_pass else "", tell_record(record, language)


def _residue(page: Page, language: Language) -> tuple[Section, ...]:
    """Return where samples were found again; nothing where nobody looked."""
    hunts = [check for check in page.told.evidence.checks if isinstance(check, ResidueHunt) and check.state == "made"]
    if not hunts:
        return ()
    headings = tuple(say(f"label.{name}", language) for name in ("sought", "found_in", "finds"))
    rows = tuple(tell_hits(hits, language) for check in hunts for hits in check.hits)
    nothing = (("", say("residue.nothing", language)),) if not rows else ()
    table = Table(headings, rows) if rows else None
    return (Section("residue", say("label.residue", language), nothing, table),)


def _verification(page: Page, language: Language) -> Section:
    told = page.told
    lines = [(say("label.ordered", language), tell_verification(told.applied.verification, language))]
    lines += [(say("label.found", language), tell_check(check, language)) for check in told.evidence.checks]
    if told.claim.on_order_word:
        words = "; ".join(term("condition", code, language) for code in told.claim.on_order_word)
        lines.append((say("label.order_word", language), words))
    if page.speeds:
        speeds = ("；" if language == "zh" else "; ").join(tell_speed(one, language) for one in page.speeds)
        lines.append((say("label.speed", language), speeds))
    return Section("verification", say("label.verification", language), tuple(lines))


def tell_verification(verification: Verification, language: Language) -> str:
    """Return how the order wants it read back."""
    if not isinstance(verification, SampledVerification):
        return say("verification.full", language)
    facts = {"confidence": share(verification.confidence_ppm), "fraction": share(verification.fraction_ppm)}
    return say("verification.sampled", language, **facts)


def _residual(page: Page, language: Language) -> Section:
    told = page.told
    listed = [
        term("residual", one.code, language) + (f" ({number(one.count)})" if one.count is not None else "")
        for one in told.evidence.residual
    ]
    joins = "；" if language == "zh" else "; "
    lines = [(say("label.not_reached", language), joins.join(listed) or say("word.none", language))]
    if told.evidence.copies:
        copies = joins.join(_copy(one, language) for one in told.evidence.copies)
        lines.append((say("label.copies", language), copies))
    lines.append((say("label.limits", language), say("limits.host", language)))
    return Section("residual", say("label.residual", language), tuple(lines))


def _copy(copy: KnownCopy, language: Language) -> str:
    """Return what the order says of a copy: which carrier it is, or that it is left to others."""
    what = copy.what if copy.place is None else f"{copy.what} {copy.place}"
    how = "copy.outside" if copy.carrier is None else "copy.carrier"
    return say(how, language, what=what, carrier=copy.carrier or "")


def _people(page: Page, language: Language) -> Section:
    headings = ("part", "person", "name", "title", "unit", "place", "contact", "signature")
    rows = []
    for one in page.told.participants:
        state = (
            "signed.apart" if one.act == "validating" else "signed.yes" if one.person in page.signed else "signed.no"
        )
        part = term("act", one.act, language)
        told = (one.person, one.name, one.title, one.unit, one.place, one.contact or "-")
        rows.append((part, *told, say(state, language)))
    table = Table(tuple(say(f"label.{name}", language) for name in headings), tuple(rows))
    return Section("people", say("label.people", language), table=table)


def _check(page: Page, language: Language) -> Section:
    again = command(page.told.evidence)
    is_released = page.told.evidence.kind in ("files", "database", "records")
    two = say("check.two.released" if is_released else "check.two.none", language)
    two = say("check.two", language, command=again) if again else two
    three = say("check.three", language, digest=page.certificate.digest)
    lines = (("", say("check.one", language)), ("", two), ("", three))
    return Section("check", say("label.check", language), lines)


def _labelled(lines: list[tuple[str, str]], language: Language) -> tuple[tuple[str, str], ...]:
    return tuple((say(f"label.{name}", language), value) for name, value in lines)
