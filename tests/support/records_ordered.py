"""Orders for records in databases, on a host whose state lies in a folder of the test."""

from __future__ import annotations

from pathlib import Path

from certificates.statements import (
    Engine,
    Fact,
    KnownCopy,
    Parameter,
    RecordsIdentity,
    RecordsSelector,
    Scope,
)
from tests.support.erasing import LABEL_KEY, Ordered, carrier_for, file_system_uuid
from wipers.linux.host import LinuxHost


def text(name: str, *values: str) -> Parameter:
    """A value of a condition that is a text, or several."""
    return Parameter(name, "text", values)


def order_records(
    engine: Engine,
    where: Path,
    state: Path,
    *,
    table: str | None,
    condition: str | None = None,
    parameters: tuple[Parameter, ...] = (),
    scope: Scope = "rows",
    least: int = 0,
    most: int = 1_000_000,
    system: str = "-",
    database: str = "main",
    schema: str | None = None,
    connect: dict[str, str] | None = None,
    credentials: str | None = None,
    copies: tuple[KnownCopy, ...] = (),
    history: bool = False,
) -> Ordered:
    """An order for part of what an engine holds at a place."""
    folder = where if where.is_dir() else where.parent
    uuid, inode = file_system_uuid(folder), folder.stat().st_ino
    identity = RecordsIdentity(engine, system, uuid, inode, database, scope, least, most)
    facts = tuple(Fact(name, value) for name, value in (connect or {}).items())
    selects = RecordsSelector(str(where), facts, credentials, schema, table, condition, parameters, LABEL_KEY)
    destroy = ("history",) if history else ()
    carrier, selector = carrier_for(identity, selects, copies=copies, destroy=destroy)
    return Ordered(LinuxHost(state), carrier, selector)
