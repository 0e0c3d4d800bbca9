"""Statements as lines for people: the order by hand, every other one by its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent.cli.fillings import writes
from agent.cli.screen import Screen
from certificates.answers import volume_words
from certificates.render.text import pad, printable, width
from certificates.render.words import number, share, term
from certificates.statements import (
    Carrier,
    DeviceIdentity,
    KnownCopy,
    LuksIdentity,
    Order,
    PersonRole,
    RecordsIdentity,
    SampledVerification,
    VolumeIdentity,
)


def rows(pairs: Iterable[tuple[str, str]], indent: int = 0) -> list[str]:
    """Return aligned lines of labels and values; an empty value leaves its line out."""
    kept = [(label, value) for label, value in pairs if value]
    longest = max((width(label) for label, _ in kept), default=0)
    return [" " * indent + pad(label, longest + 2) + printable(value) for label, value in kept]


def table(headings: tuple[str, ...], lines: Iterable[tuple[str, ...]], indent: int = 0) -> list[str]:
    """Return aligned columns under headings."""
    cells = [headings, *lines]
    widths = [max(width(row[column]) for row in cells) for column in range(len(headings))]
    return [
        " " * indent + "  ".join(pad(printable(cell), size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def local(at: datetime) -> str:
    """Return an instant in local time with its zone."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def size_text(size: int) -> str:
    """Return bytes as people say them: 1.02 TB."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{size} B" if unit == "B" else f"{value:.3g} {unit}"


def masked(text: str) -> str:
    """Return a label with all but its last two characters hidden, short ones wholly."""
    return "•" * len(text) if len(text) < 6 else "•" * (len(text) - 2) + text[-2:]


def order_sheet(screen: Screen, order: Order) -> list[str]:
    """Return what a person must have read before signing an order."""
    say = screen.word
    pairs = [
        (say("order"), f"{order.id}  v{order.version}"),
        (say("order.unit"), order.unit.name),
        (say("order.reason"), order.reason),
        (say("order.approval"), f"{order.approval.number}, {order.approval.organ}, {order.approval.date}"),
        (say("order.decision"), f"{order.decision.meeting}, {order.decision.organ}, {order.decision.date}"),
        (say("order.paper"), f"{order.paper.number}, {order.paper.organ}, {order.paper.date}" if order.paper else ""),
        (say("order.valid"), f"{local(order.issued_at)} - {local(order.expires_at)}"),
        (say("order.window"), f"{local(order.not_before)} - {local(order.not_after)}"),
        (say("order.place"), order.place),
        (say("order.people"), people(screen, parts(order))),
    ]
    lines = rows(pairs)
    for carrier in order.carriers:
        lines += ["", *_carrier(screen, order, carrier)]
    return lines


def parts(order: Order) -> tuple[tuple[str, str], ...]:
    """Return (person, role) of everybody named in an order."""
    from certificates.consistency import parts_of

    return tuple(parts_of(order))


def people(screen: Screen, named: Iterable[tuple[str, str]]) -> str:
    """Return persons with their roles in words."""
    return ", ".join(f"{person} ({term('role', role, screen.language)})" for person, role in named)


def roles(screen: Screen, persons: Iterable[PersonRole]) -> str:
    """Return persons with their roles in words."""
    return people(screen, ((person.id, person.role.value) for person in persons))


def _carrier(screen: Screen, order: Order, carrier: Carrier) -> list[str]:
    say, language = screen.word, screen.language
    cards = [
        f"{asset.card}  {asset.code}  {asset.name}  {term('grade', asset.grade.value, language)}"
        for asset in order.assets
        if asset.card in carrier.assets
    ]
    pairs = [
        (say("carrier"), f"{carrier.id}  {say('label')} {carrier.label}"),
        (say("carrier.kind"), f"{term('kind', carrier.identity.kind, language)}  {_identity(carrier)}"),
        (say("carrier.level"), term("level", carrier.level.value, language)),
        (say("carrier.technique"), _technique(screen, carrier)),
        *((" ", line) for line in _scheme(screen, carrier)),
        (say("plan.policies"), carrier.policy or ""),
        (say("carrier.verification"), _verification(screen, carrier)),
        (say("carrier.selected"), _selected(screen, carrier)),
        *((say("carrier.copies"), _copy(screen, copy)) for copy in carrier.copies),
        (say("carrier.destination"), term("destination", carrier.destination, language)),
        (term("label", "otherwise", language), _otherwise(screen, carrier)),
    ]
    lines = rows(pairs)
    return lines + rows(((say("asset"), card) for card in cards), indent=2)


def _copy(screen: Screen, copy: KnownCopy) -> str:
    """Return what the order says of a copy, in the certificate's words."""
    what = copy.what if copy.place is None else f"{copy.what} {copy.place}"
    how = "outside" if copy.carrier is None else "carrier"
    return term("copy", how, screen.language, what=what, carrier=copy.carrier or "")


def _technique(screen: Screen, carrier: Carrier) -> str:
    """Return the technique by its id, the order's own scheme by id and name, or that the host takes the least."""
    if carrier.scheme is not None:
        return screen.word("carrier.scheme", id=carrier.scheme.id, name=carrier.scheme.name)
    return carrier.technique or screen.word("carrier.least")


def _scheme(screen: Screen, carrier: Carrier) -> list[str]:
    """Return every pass of the order's own scheme, with source and warning: who signs answers for them alone."""
    scheme = carrier.scheme
    if scheme is None:
        return []
    passes = [f"{at}  {writes(one, screen.language)}" for at, one in enumerate(scheme.passes, start=1)]
    return [*passes, scheme.source, *([scheme.warning] if scheme.warning else [])]


def _verification(screen: Screen, carrier: Carrier) -> str:
    asked = carrier.verification
    if not isinstance(asked, SampledVerification):
        return screen.word("verification.full")
    confidence, fraction = share(asked.confidence_ppm), share(asked.fraction_ppm)
    return screen.word("verification.sampled", confidence=confidence, fraction=fraction)


def _otherwise(screen: Screen, carrier: Carrier) -> str:
    if carrier.otherwise is None:
        return ""
    return f"{term('otherwise', carrier.otherwise.action, screen.language)}: {carrier.otherwise.note}"


def _identity(carrier: Carrier) -> str:
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    if isinstance(identity, DeviceIdentity):
        return f"{identity.vendor} {identity.model} {identity.serial}  {size_text(identity.size)}"
    if isinstance(identity, VolumeIdentity):
        maker, layer, uuid = volume_words(identity)
        return f"{maker} {layer}  {uuid}  {size_text(identity.size)}"
    if isinstance(identity, RecordsIdentity):
        rows_ordered = f"{number(identity.least_rows)}-{number(identity.most_rows)}"
        return f"{identity.engine} {identity.system} {identity.database}  {identity.scope} {rows_ordered}"
    return f"{identity.filesystem}"


def _selected(screen: Screen, carrier: Carrier) -> str:
    if carrier.selector is None:
        return ""
    return screen.word("selected", count=number(carrier.selector.count), size=number(carrier.selector.size))


def outline(value: Any, name: str = "", indent: int = 0) -> Iterator[str]:
    """Yield a statement's fields, one a line, nested ones indented; what is absent is left out."""
    before = " " * indent
    if dataclasses.is_dataclass(value):
        if name:
            yield f"{before}{name}"
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if inner is not None and inner != ():
                yield from outline(inner, field.name.replace("_", " "), indent + (2 if name else 0))
    elif isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
        for item_number, item in enumerate(value, start=1):
            yield from outline(item, f"{name} {item_number}", indent)
    else:
        yield f"{before}{name}  {printable(_scalar(value))}"


def _scalar(value: Any) -> str:
    if isinstance(value, datetime):
        return local(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return ", ".join(_scalar(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def wire_tree(statement: object) -> object:
    """Return the JSON tree of a statement."""
    import json

    from certificates.encoding import encode

    return json.loads(encode(statement))
