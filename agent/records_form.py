"""What a clerk writes of records in a database -> the selector's wire form, and what this host finds there."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Any

from agent.drafting import Measured
from agent.forms import Form
from certificates.encoding import canonical, decode
from certificates.errors import Refused
from certificates.statements import RecordsIdentity, RecordsSelector

UNKNOWN = "00000000-0000-0000-0000-000000000000"
MOST_ROWS = (1 << 53) - 1
EXPECTED = (
    "must be a text, a whole number, true or false, a list of texts or of whole numbers, "
    '{ decimal = "1.50" }, { bytes = "00ff" } or { null = true }'
)


def records_selects(form: Form, selects: dict[str, Any], where: str) -> None:
    """Bring the private part of records into its wire form: `connect` and `parameters` are tables for a clerk."""
    connect = form.table(selects, "connect", where)
    selects["connect"] = [{"name": name, "value": str(value)} for name, value in connect.items()]
    for name in connect:
        if "pass" in name.lower() or "secret" in name.lower():
            form.fault(f"{where}.connect.{name}", "must not stand in an order: give a file of the host as credentials")
    parameters = form.table(selects, "parameters", where)
    selects["parameters"] = [_parameter(form, name, value, f"{where}.parameters") for name, value in parameters.items()]


def _parameter(form: Form, name: str, value: Any, where: str) -> dict[str, Any]:
    """Return the wire form of a named value; several of one type are a list."""
    values = value if isinstance(value, list) else [value]
    found = [_typed(one) for one in values]
    kinds = {kind for kind, _ in found}
    if kinds == {"text", "text-hex"}:
        found = [("text-hex", text.encode().hex() if kind == "text" else text) for kind, text in found]
        kinds = {"text-hex"}
    if len(kinds) != 1 or None in kinds:
        form.fault(f"{where}.{name}", EXPECTED)
        return {"name": name, "type": "null", "value": [""]}
    return {"name": name, "type": kinds.pop(), "value": [text for _, text in found]}


def _typed(value: Any) -> tuple[str | None, str]:
    """Return the type of a value of TOML and the value as text; no type where there is none for it."""
    match value:
        case bool():
            return "boolean", "true" if value else "false"
        case int():
            return "integer", str(value)
        case str():
            is_plain = unicodedata.is_normalized("NFC", value) and "\0" not in value
            return ("text", value) if is_plain else ("text-hex", value.encode().hex())
        case dt.date() | dt.time():
            return "text", value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
        case {"decimal": str(text)} if len(value) == 1:
            return "decimal", text
        case {"bytes": str(text)} if len(value) == 1 and _is_hex(text):
            return "bytes", text.lower()
        case {"null": True} if len(value) == 1:
            return "null", ""
    return None, ""


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return " " not in text


def measure_records(identity: dict[str, Any], selects: dict[str, Any], carrier: str) -> Measured:
    """Return what the engine has for the records as far as they are described; raises Refused where it has none."""
    from wipers.linux.engines import ENGINES, Request, look_at
    from wipers.linux.machine import THIS_MACHINE

    if identity.get("engine") not in ENGINES or "where" not in selects:
        return Measured({}, 0, 0)
    wanted = {"kind": "records", "system": "-", "filesystem": UNKNOWN, "inode": 0, "database": "-"}
    wanted |= {"least_rows": 0, "most_rows": MOST_ROWS} | identity
    request = Request(
        carrier,
        decode(canonical(wanted), RecordsIdentity),
        decode(canonical(selects | {"kind": "records", "label_key": "00" * 32}), RecordsSelector),
        THIS_MACHINE,
    )
    found = look_at(request)
    if found is None:
        raise Refused("carrier-not-found", carrier=carrier)
    for obstacle in found.obstacles if not found.rows else ():
        # What cannot be read now has no number of rows that an order could state.
        raise Refused(obstacle.reason, **{"carrier": carrier, **dict(obstacle.facts)})
    facts = {fact.name: fact.value for fact in found.facts}
    measured: dict[str, Any] = {name: facts[name] for name in ("system", "filesystem", "database")}
    measured |= {"inode": int(facts["inode"]), "least_rows": found.rows, "most_rows": found.rows}
    # SQLite has no name for a table that outlives a change of any other: its plan compares the schema's number.
    if facts["object"] != "-" and facts["engine"] != "sqlite":
        measured["object"] = facts["object"]
    return Measured(measured, found.rows, found.size)
