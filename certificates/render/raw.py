"""The second page: everything that a reviewer wants, as it was sealed."""

from __future__ import annotations

import json
from datetime import tzinfo

from certificates.encoding import encode
from certificates.render.layout import Section, Table, show_time
from certificates.render.page import Page, envelope_digest
from certificates.render.words import Language, number, say
from certificates.statements import Fact, KeystreamPattern, OverwriteRecord, PersonRole


def lay_out_raw(page: Page, language: Language, zone: tzinfo) -> tuple[Section, ...]:
    """Return the sections of the second page."""
    return (
        Section("digests", say("label.digests", language), tuple(_digests(page, language))),
        Section("keys", say("label.pass_keys", language), tuple(_keys(page, language))),
        Section("signatures", say("label.signatures", language), tuple(_signatures(page, language))),
        _identity(page, language),
        _notes(page, language, zone),
    )


def sealed_text(page: Page) -> str:
    """Return the certificate's payload, indented for reading."""
    return json.dumps(json.loads(encode(page.told)), indent=1, ensure_ascii=False)


def _digests(page: Page, language: Language) -> list[tuple[str, str]]:
    binding = page.told.binding
    lines = [
        (say("label.certificate", language), page.certificate.digest),
        (say("label.certificate", language) + " (DSSE)", envelope_digest(page)),
        (say("label.order_id", language), binding.order),
        (say("label.start", language), binding.start),
        (say("label.plan", language), binding.plan),
        (say("label.keyring", language, version=binding.keyring_version), binding.keyring),
        (say("label.hold_state", language), binding.hold_state or say("word.none", language)),
        (say("label.selector", language), binding.selector or say("word.none", language)),
        (_journal_label(page, language), binding.journal_head),
        (say("label.ledger", language, number=number(binding.ledger_number)), binding.ledger_head),
    ]
    if binding.supersedes:
        lines.append((say("label.supersedes", language), binding.supersedes))
    lines += [(f"evidence/{file.name}", f"{file.digest}  ({number(file.size)})") for file in binding.evidence_files]
    return lines


def _journal_label(page: Page, language: Language) -> str:
    binding = page.told.binding
    facts = {"sequence": number(binding.journal_sequence), "entries": number(binding.journal_entries)}
    return say("label.journal", language, **facts)


def _keys(page: Page, language: Language) -> list[tuple[str, str]]:
    return [
        (say("label.step", language, step=record.step), record.pattern.key)
        for record in page.told.evidence.records
        if isinstance(record, OverwriteRecord) and isinstance(record.pattern, KeystreamPattern)
    ] or [("", say("word.none", language))]


def _signatures(page: Page, language: Language) -> list[tuple[str, str]]:
    lines = []
    for signature in page.certificate.signatures:
        is_person = isinstance(signature.signer, PersonRole)
        role = signature.signer.role.value if is_person else "host"
        who = signature.signer.id if is_person else page.told.medium.host_name
        lines.append((f"{say(f'role.{role}', language)} {who}", signature.key_id))
    lines += [
        (say("label.missing", language), f"{p.id} ({say(f'role.{p.role.value}', language)})") for p in page.missing
    ]
    return lines


def _identity(page: Page, language: Language) -> Section:
    evidence = page.told.evidence
    after = {fact.name: fact.value for fact in evidence.after}
    rows = tuple((fact.name, fact.value, after.get(fact.name, "-")) for fact in evidence.before)
    headings = ("", say("label.before", language), say("label.after", language))
    lines = tuple((fact.name, _value(fact)) for fact in page.told.medium.facts)
    return Section("identity", say("label.facts", language), lines, Table(headings, rows))


def _value(fact: Fact) -> str:
    return fact.value or "-"


def _notes(page: Page, language: Language, zone: tzinfo) -> Section:
    told = page.told
    lines = [
        (say("label.rule_book", language), told.claim.rule_book),
        (say("label.issued", language), show_time(told.issued_at, zone)),
    ]
    lines += [("", limit) for limit in told.limits]
    return Section("notes", say("label.limits", language), tuple(lines))
