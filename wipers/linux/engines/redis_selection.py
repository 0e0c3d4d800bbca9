"""What an order means in a Redis server: keys by name or pattern, parts of one key, a database, or everything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from certificates.errors import Refused
from wipers.conditions import bind
from wipers.linux.engines import Request
from wipers.linux.engines.redis_server import Server

PART = 1 << 16
"""Bytes of a text that are read at once."""
STREAM_ID = re.compile(rb"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})")
"""The id of an entry, as the server spells it."""
COUNT = 1000
"""Keys that are asked for at once, or parts of one."""
AT_ONCE = 1 << 20
"""Bytes of a key's parts that are asked for at once, about."""
SIZES = {"hash": "HLEN", "set": "SCARD", "zset": "ZCARD", "list": "LLEN", "stream": "XLEN"}


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes."""

    mode: str
    """pattern, keys, elements, database or cluster."""
    kind: str
    """Type of the key whose parts go; `keys` where whole keys go, `none` where the key is not there."""
    rows: int
    """Keys or parts that are there."""
    key: bytes
    """The key whose parts go, or the pattern."""
    items: tuple[bytes, ...]
    """Names of the keys, or of the parts."""


def selection_of(server: Server, request: Request) -> Selection:
    """What the order names, as much of it as is there now; raises Refused where its condition cannot be taken.

    Rows: a condition `:name` is a list of keys, or of the parts of the key that stands where other engines have a
    table; anything else is a pattern of keys. A table is one key.
    """
    scope, selects = request.identity.scope, request.selects
    if scope == "cluster":
        rows = sum(int(text.split(",")[0].partition("=")[2]) for text in server.info("keyspace").values())
        return Selection("cluster", "keys", rows, b"", ())
    if scope in ("database", "schema"):
        return Selection("database", "keys", server.number("DBSIZE"), b"", ())
    if scope == "table":
        name = (selects.table or "").encode()
        return Selection("keys", "keys", server.number("EXISTS", name), b"", (name,))
    condition = selects.condition or ""
    if not condition.startswith(":"):
        return _by_pattern(server, request, condition.encode())
    items = _listed(request, condition)
    if selects.table is None:
        return Selection("keys", "keys", sum(server.number("EXISTS", one) for one in items), b"", items)
    return _parts(server, selects.table.encode(), items)


def _by_pattern(server: Server, request: Request, pattern: bytes) -> Selection:
    if not pattern or request.parameters or request.selects.table is not None:
        raise Refused("condition-wrong", detail="it is neither a pattern of keys nor a list")
    return Selection("pattern", "keys", sum(1 for _ in _scan(server, pattern)), pattern, ())


def _listed(request: Request, condition: str) -> tuple[bytes, ...]:
    """The list that the condition names, each once."""
    _, values = bind(condition, request.parameters, lambda _: "?", "%")
    listed = (value if isinstance(value, bytes) else str(value).encode() for value in values)
    return tuple(dict.fromkeys(listed))


def _parts(server: Server, key: bytes, items: tuple[bytes, ...]) -> Selection:
    kind = server.do("TYPE", key)
    told = kind.decode() if isinstance(kind, bytes) else "none"
    rows = sum(_there(server, told, key, items).values())
    return Selection("elements", told, rows, key, items)


def _there(server: Server, kind: str, key: bytes, parts: tuple[bytes, ...]) -> dict[bytes, int]:
    """Return which of the parts are there, and how many of each; a list is read once for all of them."""
    if kind == "list":
        wanted = set(parts)
        return Counter(one for one, _ in _named(server, kind, key) if one in wanted)
    return {one: count for one in parts if (count := _has(server, kind, key, one))}


def _has(server: Server, kind: str, key: bytes, part: bytes) -> int:
    """How many parts of that name the key has."""
    match kind:
        case "hash":
            return server.number("HEXISTS", key, part)
        case "set":
            return server.number("SISMEMBER", key, part)
        case "zset":
            return int(server.do("ZSCORE", key, part) is not None)
        case "stream":
            # The server takes part of an id for a range, and zeros before one for nothing: neither is an entry's name.
            entries = server.all("XRANGE", key, part, part) if id_of(part) else []
            return sum(1 for entry in entries if isinstance(entry, list) and entry[0] == part)
    return 0


def id_of(text: bytes) -> tuple[int, int] | None:
    """A stream's id as numbers, by which it is ordered; none where it is not spelled as the server spells one."""
    found = STREAM_ID.fullmatch(text)
    at = (int(found[1]), int(found[2])) if found else None
    return at if at is not None and max(at) < 1 << 64 else None


def _scan(server: Server, pattern: bytes) -> Iterator[bytes]:
    """Yield every key of the pattern once, a thousand a call, so that nobody waits for it."""
    cursor, seen = b"0", set[bytes]()
    while True:
        found = server.all("SCAN", cursor, "MATCH", pattern, "COUNT", COUNT)
        keys = found[1] if isinstance(found[1], list) else []
        for key in keys:
            if isinstance(key, bytes) and key not in seen:
                seen.add(key)
                yield key
        cursor = found[0] if isinstance(found[0], bytes) else b"0"
        if cursor == b"0":
            return


def present(server: Server, selection: Selection) -> Iterator[bytes]:
    """Yield the names of the keys that go and are there, or of the parts; none where a whole database goes."""
    match selection.mode:
        case "pattern":
            yield from _scan(server, selection.key)
        case "keys":
            yield from (one for one in selection.items if server.number("EXISTS", one))
        case "elements":
            yield from _there(server, selection.kind, selection.key, selection.items)


def only(server: Server, selection: Selection, is_noted: Callable[[bytes], bool]) -> Selection:
    """What goes, without what was not there when the order was first carried out."""
    if selection.mode in ("database", "cluster"):
        return selection
    mode = "elements" if selection.mode == "elements" else "keys"
    items = tuple(one for one in present(server, selection) if is_noted(one))
    key = selection.key if mode == "elements" else b""
    return Selection(mode, selection.kind, len(items), key, items)


def elements_of(server: Server, selection: Selection, most: int) -> Iterator[bytes]:
    """Yield values of what goes: names of keys and texts of their contents, at most so many."""
    if selection.mode == "elements":
        yield from islice(_texts_of_parts(server, selection), most)
        return
    keys = iter(selection.items) if selection.mode == "keys" else _scan(server, selection.key or b"*")
    each = max(most // max(selection.rows, 1), 4)
    for key in islice(keys, most):
        yield key
        yield from islice(_texts_of_key(server, key), each)


def texts_of(server: Server, selection: Selection, most: int) -> Iterator[bytes]:
    """Yield texts of what stays, of so many keys at most."""
    if selection.mode in ("database", "cluster"):
        return
    gone = set(selection.items) if selection.mode != "elements" else {selection.key}
    if selection.mode == "pattern":
        gone = set(_scan(server, selection.key))
    for key in islice((key for key in _scan(server, b"*") if key not in gone), most):
        yield key
        yield from _texts_of_key(server, key)
    if selection.mode == "elements":
        parts = set(selection.items)
        for name, text in _named(server, selection.kind, selection.key):
            if name not in parts:
                yield text


def _texts_of_parts(server: Server, selection: Selection) -> Iterator[bytes]:
    parts = set(selection.items)
    for name, text in _named(server, selection.kind, selection.key):
        if name in parts:
            yield text


def _texts_of_key(server: Server, key: bytes) -> Iterator[bytes]:
    kind = server.do("TYPE", key)
    if kind == b"string":
        size = server.number("STRLEN", key)
        # A text may have 512 MiB: parts of its begin, its middle and its end are as good.
        for begin in dict.fromkeys((0, max(size - PART, 0) // 2, max(size - PART, 0))):
            found = server.do("GETRANGE", key, begin, begin + PART - 1)
            if isinstance(found, bytes):
                yield found
    elif isinstance(kind, bytes):
        yield from (text for _, text in _named(server, kind.decode(), key))


def step_of(server: Server, kind: str, key: bytes) -> int:
    """Return how many parts of a key are asked for at once, so that neither they nor their bytes are many."""
    size, wide = server.number(SIZES[kind], key), server.number("MEMORY", "USAGE", key)
    return max(1, min(COUNT, AT_ONCE * size // max(wide, 1)))


def widest_entry(server: Server, key: bytes) -> int:
    """Return how many names and values the widest entry of a stream has."""
    widest, begin, step = 0, b"-", step_of(server, "stream", key)
    while entries := server.all("XRANGE", key, begin, "+", "COUNT", step):
        last = b""
        for entry in entries:
            if isinstance(entry, list) and isinstance(entry[0], bytes) and isinstance(entry[1], list):
                widest, last = max(widest, len(entry[1])), entry[0]
        begin = b"(" + last
    return widest


def _named(server: Server, kind: str, key: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the texts of a key's parts, each with the name of its part; so many are asked for at once that nobody waits
    for a large key."""
    step = step_of(server, kind, key) if kind in SIZES else 0
    match kind:
        case "hash" | "zset" | "set":
            yield from _scanned(server, kind, key, step)
        case "list":
            begin = 0
            while found := server.texts("LRANGE", key, begin, begin + step - 1):
                yield from ((one, one) for one in found)
                begin += len(found)
        case "stream":
            after = b"-"
            while entries := server.all("XRANGE", key, after, "+", "COUNT", step):
                for entry in entries:
                    if isinstance(entry, list) and isinstance(entry[0], bytes) and isinstance(entry[1], list):
                        yield from ((entry[0], text) for text in entry[1] if isinstance(text, bytes))
                        after = b"(" + entry[0]


def _scanned(server: Server, kind: str, key: bytes, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what a cursor finds in a key without order: names, and the values of a hash."""
    command = {"hash": "HSCAN", "zset": "ZSCAN", "set": "SSCAN"}[kind]
    cursor = b"0"
    while True:
        told = server.all(command, key, cursor, "COUNT", count)
        found = told[1] if isinstance(told[1], list) else []
        step = 1 if kind == "set" else 2
        for at in range(0, len(found), step):
            name, value = found[at], found[at + step - 1]
            if isinstance(name, bytes) and isinstance(value, bytes):
                yield name, name
                if kind == "hash":
                    yield name, value
        cursor = told[0] if isinstance(told[0], bytes) else b"0"
        if cursor == b"0":
            return
