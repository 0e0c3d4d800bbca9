"""Samples of what goes from a MariaDB server: parts of values that stand in no value of the same tables that stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from wipers.linux.engines.mariadb_scope import Part, columns_of, count
from wipers.linux.engines.mariadb_server import Server, quoted
from wipers.linux.engines.telling import AT_ONCE, parts_of
from wipers.needles import LENGTH
from wipers.searching import literal, search_for

TEXTUAL = frozenset(
    {
        *("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json", "enum", "set"),
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "inet6", "uuid"),
    }
)
"""Types whose values are stored as they are told."""
LONGEST = 256
"""Bytes of a value that are sampled, half of them from its begin and half from its end."""
TOO_OFTEN = 1000
"""Finds of one part among what stays after which it is looked for no more."""


def values_of(server: Server, part: Part, most: int) -> Iterator[bytes]:
    """At most so many parts of the rows' values, as they are stored, spread over rows and columns; none that stands in
    a row which stays, since it would be found for ever."""
    columns = [f"CAST({quoted(name)} AS BINARY)" for name, kind in columns_of(server, part.table) if kind in TEXTUAL]
    if not columns:
        return
    parts = tuple(dict.fromkeys(one for value in _sampled(server, part, columns, most) for one in _first(value)))
    telling = _unshared(server, part, columns, [one for some in parts for one in some][: 3 * AT_ONCE])
    chosen = (next((one for one in some if one in telling), None) for some in parts)
    yield from dict.fromkeys(one for one in chosen if one is not None)


def _first(value: bytes) -> Iterator[tuple[bytes, ...]]:
    """Parts of a value of which the first that tells is taken; none where none of them can tell."""
    found = tuple(parts_of(value))
    if found:
        yield found


def _sampled(server: Server, part: Part, columns: list[str], most: int) -> Iterator[bytes]:
    """Values of rows that go, each once, as many of one column as of the next."""
    share = min(1.0, 2 * most / max(count(server, part) * len(columns), 1))
    taken = ", ".join(
        f"IF(LENGTH({one}) > {LONGEST}, CONCAT(LEFT({one}, {LONGEST // 2}), RIGHT({one}, {LONGEST // 2})), {one})"
        for one in columns
    )
    sampled = f"SELECT {taken} FROM {part.table.quoted} WHERE {part.condition} AND RAND() < {share:.9f}"
    each = max(most // len(columns), 1)
    for of_column in zip(*server.rows(f"{sampled} LIMIT {2 * each}", *part.values), strict=True):
        yield from list(dict.fromkeys(value for value in of_column if value))[:each]


def _unshared(server: Server, part: Part, columns: list[str], parts: list[bytes]) -> frozenset[bytes]:
    """Which of the parts stand in none of the rows that stay. Those are read as the server sends them, since there may
    be millions: what seems to stand where one value ends and the next begins is left out too."""
    left = dict.fromkeys(parts)
    search = search_for(tuple(map(literal, left)))()
    wanted, often, behind = list(left), Counter[int](), b""
    kept = f"SELECT {', '.join(columns)} FROM {part.table.quoted} WHERE ({part.condition}) IS NOT TRUE"
    for piece in server.stream(kept, len(columns), *part.values) if wanted else ():
        found = Counter(number for number, _ in search.scan(memoryview(behind + piece)))
        often += found
        for number in found:
            left.pop(wanted[number], None)
        behind = piece[-LENGTH:]
        if any(number > TOO_OFTEN for number in often.values()):
            wanted, often = list(left), Counter()
            search = search_for(tuple(map(literal, wanted)))()
    return frozenset(left)


def spread(server: Server, parts: Iterable[Part], most: int) -> tuple[bytes, ...]:
    """Samples of every part, as many of one as of the next."""
    every = tuple(parts)
    return tuple(value for part in every for value in values_of(server, part, max(most // len(every), 1)))
