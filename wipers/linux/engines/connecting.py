"""What an order says under `connect`: whatever an engine would pass over in silence is refused instead.

A clerk who names a user takes it that nobody else is asked with; one who names a socket and a host may mean either.
"""

from __future__ import annotations

from certificates.errors import Refused
from certificates.statements import Engine, Id, RecordsSelector

_REACHED = frozenset({"socket", "host", "port", "user"})
KNOWN = {
    "sqlite": frozenset({"foreign_keys"}),
    "postgresql": _REACHED | {"sslmode"},
    "mariadb": _REACHED,
    "redis": _REACHED,
}
"""What each engine takes."""


def check_connect(carrier: Id, engine: Engine, selects: RecordsSelector) -> None:
    """Everything under `connect` means one thing, and something; raises Refused."""
    if detail := _what_is_wrong(engine, selects):
        raise Refused("connect-wrong", carrier=carrier, detail=detail)


def _what_is_wrong(engine: Engine, selects: RecordsSelector) -> str | None:
    given = {fact.name: fact.value for fact in selects.connect}
    port = given.get("port", "1")
    if unknown := sorted(given.keys() - KNOWN[engine]):
        return f"{', '.join(unknown)}: {engine} takes {', '.join(sorted(KNOWN[engine]))}"
    if "socket" in given and "host" in given:
        return "both a socket and a host"
    if engine != "postgresql" and "port" in given and "host" not in given:
        # libpq has the port in the name of the socket's file; the others have a port on a host alone.
        return "a port, and no host"
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 1 << 16):
        return "its port is no number up to 65535"
    if given.get("foreign_keys", "on") not in ("on", "off"):
        return 'foreign_keys is neither "on" nor "off"'
    if engine == "sqlite" and selects.credentials is not None:
        return "credentials, and a file of SQLite asks for none"
    return None
