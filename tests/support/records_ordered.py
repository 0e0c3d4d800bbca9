"""Orders for records in databases, on a host whose state lies in a folder of the test."""

from __future__ import annotations

from pathlib import Path

from certificates.selectors import commitment
from certificates.statements import (
    Carrier,
    Engine,
    Fact,
    FullVerification,
    KnownCopy,
    Level,
    Parameter,
    RecordsIdentity,
    RecordsSelector,
    Scope,
    Selector,
    SelectorCommitment,
)
from tests.support.erasing import HOST, LABEL_KEY, SALT, Ordered, file_system_uuid
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
    selector = Selector("c1", SALT, selects)
    carrier = Carrier(
        id="c1",
        label="label-1",
        assets=("a1",),
        identity=identity,
        hosts=(HOST,),
        level=Level.CLEAR,
        verification=FullVerification(),
        destination="internal-reuse",
        selector=SelectorCommitment(commitment(selector), 1, 1),
        copies=copies,
        destroy=("history",) if history else (),
    )
    return Ordered(LinuxHost(state), carrier, selector)
