"""Documents for people: what each says, and how its signatures stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.cli import orders
from agent.cli.desk import chain_at_hand, now
from agent.cli.matching import matching_sheet
from agent.cli.screen import Screen
from agent.cli.sheets import local, order_sheet, outline, roles, rows, table, wire_tree
from agent.cli.surveys import survey_sheet
from agent.files import read_file
from agent.journal import Journal
from agent.reading import MOST, Document
from certificates.envelope import unseal
from certificates.errors import Failure
from certificates.keyring import HOST, REGISTRY, Chain, resolver
from certificates.render.words import term
from certificates.statements import Certificate, Keyring, Matching, NamesFile, Order, PersonRole, Selector, Survey

TIMES = ("issued_at", "started_at", "set_at", "lifted_at", "as_of", "decided_at", "made_at")
"""When a statement was made, whichever it has."""


def show(screen: Screen, document: Document, path: Path, keyrings: tuple[Path, ...]) -> None:
    """Print a document: heading, content, signatures, and what is missing."""
    head = screen.word("show.head", kind=term("document", document.kind, screen.language), digest=document.digest or "")
    lines = [head.rstrip(), *content(screen, document)]
    tree: dict[str, object] = {"kind": document.kind, "digest": document.digest, "content": as_tree(document)}
    if document.digest is not None:
        chain = chain_at_hand(screen, keyrings)
        signed, told = signatures(screen, document, read_file(path, MOST), chain)
        lines += ["", *signed]
        tree |= told
    screen.show("\n".join(lines), tree)


def content(screen: Screen, document: Document) -> list[str]:
    """Return the lines of what a document says."""
    match document.statement:
        case Order() as order:
            return order_sheet(screen, order)
        case Keyring() as keyring:
            return list(_keyring(screen, keyring))
        case Selector() as selector:
            return _selector(screen, selector)
        case Survey() as survey:
            return survey_sheet(screen, survey)
        case Matching() as matching:
            return matching_sheet(screen, matching)
        case Journal() as journal:
            return _journal(screen, journal)
        case dict() as entries:
            return _bundle(screen, entries)
        case str() as text:
            return text.splitlines()
        case None:
            return [screen.word("show.private")]
        case statement:
            return list(outline(statement))


def as_tree(document: Document) -> object:
    """Return what a document says as JSON: a selector without its secrets, a bundle by its entries' names."""
    match document.statement:
        case Journal() as journal:
            return [wire_tree(entry) for entry in journal.entries]
        case Selector() as selector:
            return {"carrier": selector.carrier, "selects": {"kind": selector.selects.kind}}
        case dict() as entries:
            return {name: len(data) for name, data in entries.items()}
        case str() | None as text:
            return text
        case statement:
            return wire_tree(statement)


def signatures(
    screen: Screen, document: Document, data: bytes, chain: Chain | None
) -> tuple[list[str], dict[str, object]]:
    """Return lines and JSON of who signed, whether that holds, and what is missing."""
    keyring = document.statement if isinstance(document.statement, Keyring) else _keyring_for(document, chain)
    owners = _owners(keyring) if keyring else {}
    who = [owners.get(key_id, key_id) for key_id in document.key_ids]
    told: dict[str, object] = {"signed_by": who, "holds": None, "missing": None}
    lines = rows([(screen.word("signers"), ", ".join(who) or screen.word("signers.nobody"))])
    if keyring is None or isinstance(document.statement, Keyring) or not who:
        if keyring is None:
            lines.append("○ " + screen.word("show.unchecked"))
    else:
        failure = _check(document, data, keyring)
        told["holds"] = failure is None
        lines.append("● " + screen.word("show.holds") if failure is None else f"▲ {failure.tell(screen.language)}")
    if missing := _missing(document, chain, set(who)):
        told["missing"] = missing
        lines.append("○ " + screen.word("sign.missing", missing="; ".join(missing)))
    return lines, told


def _keyring_for(document: Document, chain: Chain | None) -> Keyring | None:
    """Return the keyring that a document is to be judged by: the one that it cites, else the newest."""
    if chain is None:
        return None
    cited = getattr(getattr(document.statement, "binding", document.statement), "keyring", None)
    return chain.version(cited) or chain.current if isinstance(cited, str) else chain.current


def _owners(keyring: Keyring) -> dict[str, str]:
    owners = {held.key.id: person.id for person in keyring.persons for held in person.keys}
    owners |= {host.key.id: f"{HOST} {host.name}" for host in keyring.hosts}
    return owners | {key.id: REGISTRY for key in keyring.hold_keys}


def _check(document: Document, data: bytes, keyring: Keyring) -> Failure | None:
    """Return why the signatures do not hold, or none."""
    times = (getattr(document.statement, name, None) for name in TIMES)
    made = next((at for at in times if isinstance(at, datetime)), now())
    at = now() if isinstance(document.statement, Order) else made
    try:
        unseal(data, type(document.statement), resolver(keyring, at))
    except Failure as error:
        return error
    return None


def _missing(document: Document, chain: Chain | None, signed: set[str]) -> list[str]:
    match document.statement:
        case Order():
            return orders.missing_on(document, chain) if chain else []
        case Certificate() as certificate if chain:
            return [f"{person.id} ({person.role.value})" for person in certificate.persons if person.id not in signed]
        case _:
            return []


def _keyring(screen: Screen, keyring: Keyring) -> Iterator[str]:
    say, language = screen.word, screen.language
    yield from rows(
        [
            (say("site"), f"{keyring.site}  v{keyring.version}  {local(keyring.issued_at)}"),
            (say("keyring.previous"), keyring.previous or ""),
            (say("keyring.signers"), f"{roles(screen, keyring.signers)}  ({keyring.keepers})"),
        ]
    )
    yield ""
    held = [(person, key) for person in keyring.persons for key in person.keys]
    lines = [
        (
            person.id,
            person.name,
            ", ".join(term("role", role.value, language) for role in key.roles),
            key.key.id[:19],
            f"{key.key.not_before:%Y-%m-%d} - {key.key.not_after:%Y-%m-%d}",
            say("revoked") if key.key.revoked_at else "",
        )
        for person, key in held
    ]
    yield from table((say("person"), say("name"), say("roles"), say("key"), say("valid"), ""), lines)
    yield ""
    yield from rows([(say("host"), f"{host.name}  {host.key.id}") for host in keyring.hosts])
    yield from rows([(say("log"), log.origin) for log in keyring.logs])
    yield ""
    for rule in keyring.rules:
        ways = [
            ", ".join(f"{term('role', need.role.value, language)} {need.count}" for need in way.requirements)
            + (f" + {say('order.paper')}" if way.paper else "")
            for way in rule.alternatives
        ]
        head = f"{term('level', rule.level.value, language)} / {term('grade', rule.grade.value, language)}"
        yield from rows([(head, say("or").join(ways) + f"; {term('role', 'witness', language)} {rule.witnesses}")])


def _selector(screen: Screen, selector: Selector) -> list[str]:
    """Return what is selected; salt and label key stay in the file."""
    selects = selector.selects
    pairs = [(screen.word("carrier"), selector.carrier)]
    pairs += [(name, getattr(selects, name, None) or "") for name in ("root", "path")]
    for name in ("names", "globs", "header_backups"):
        pairs += [("", f"  {item}") for item in getattr(selects, name, None) or ()]
    for name in ("list", "manifest"):
        file: NamesFile | None = getattr(selects, name, None)
        pairs += [(name, f"{file.path}  {file.digest}")] if file is not None else []
    return rows(pairs)


def _journal(screen: Screen, journal: Journal) -> list[str]:
    lines = [(str(entry.number), local(entry.at), entry.event.kind, _event(entry.event)) for entry in journal.entries]
    headings = (screen.word("number"), screen.word("time"), screen.word("event"), "")
    return [*table(headings, lines), "", screen.word("journal.head", head=journal.head)]


def _event(event: Any) -> str:
    """Return the telling fields of an event in short: numbers, codes and persons; no digests."""
    found = []
    for name in ("sequence", "carrier", "step", "position", "reason", "note"):
        value = getattr(event, name, None)
        if value is not None:
            found.append(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}")
    persons: tuple[PersonRole, ...] = getattr(event, "persons", ())
    found += [f"{person.id} {person.role.value}" for person in persons]
    return "  ".join(found)


def _bundle(screen: Screen, entries: dict[str, bytes]) -> list[str]:
    from certificates.render.page import page_of
    from certificates.render.text import render_text

    render: Callable[..., str] = render_text
    return render(page_of(entries), screen.language).splitlines()
