"""Samples of what goes from a MariaDB server: parts of values that stand in no value of the same tables that stays."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing

from wipers.linux.engines.mariadb_scope import Part, Table, columns_of, count
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
PIECE = 1 << 20
LARGE = 32 << 20
"""Bytes of a table that is read by two sessions."""
AHEAD = 8
"""Pieces that may wait to be searched."""
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
    for of_column in zip(*server.rows(f"{sampled} LIMIT {4 * each}", *part.values), strict=True):
        yield from _evenly(tuple(dict.fromkeys(value for value in of_column if value)), each)


def _evenly(values: tuple[bytes, ...], most: int) -> Iterator[bytes]:
    """At most so many, from the first to the last: rows come as they lie, and the end of a table goes too."""
    taken = min(most, len(values))
    yield from (values[number * len(values) // taken] for number in range(taken))


def _unshared(server: Server, part: Part, columns: list[str], parts: list[bytes]) -> frozenset[bytes]:
    """Which of the parts stand in none of the rows that stay. Those are read as the server sends them, since there may
    be millions: what seems to stand where one value ends and the next begins is left out too."""
    if not parts:
        return frozenset()
    kept = f"SELECT {', '.join(columns)} FROM {part.table.quoted} WHERE ({part.condition}) IS NOT TRUE"
    left = _Left(parts)
    halves = _halves(server, part.table)
    with ExitStack() as open_too, ThreadPoolExecutor(1, thread_name_prefix="samples") as beside:
        sessions = [server, *(open_too.enter_context(closing(server.alike())) for _ in halves[1:])]

        def search(session: Server, half: str) -> None:
            # The server sends more while what it sent is searched.
            searching = deque[Future[None]]()
            for piece in _in_pieces(session.stream(kept + half, len(columns), *part.values)):
                searching.append(beside.submit(left.drop_found, piece))
                if len(searching) > AHEAD:
                    searching.popleft().result()
            for one in searching:
                one.result()

        with ThreadPoolExecutor(len(halves), thread_name_prefix="rows") as readers:
            tuple(readers.map(search, sessions, halves))
    return left.parts


def _halves(server: Server, table: Table) -> tuple[str, ...]:
    """More of a condition by which two sessions read the whole table between them, where it is large and its key is a
    number: each waits for the storage most of the time."""
    key = server.one(
        "SELECT c.column_name FROM information_schema.columns c JOIN information_schema.statistics s"
        " USING (table_schema, table_name, column_name) WHERE s.index_name = 'PRIMARY' AND s.seq_in_index = 1"
        " AND c.data_type IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint')"
        " AND c.table_schema = %s AND c.table_name = %s",
        table.schema,
        table.name,
    )
    if key is None or table.size < LARGE:
        return ("",)
    ((first, last),) = server.rows(f"SELECT MIN({quoted(key)}), MAX({quoted(key)}) FROM {table.quoted}")
    if first is None:
        return ("",)
    middle = (int(first) + int(last)) // 2
    return (f" AND {quoted(key)} <= {middle}", f" AND {quoted(key)} > {middle}")


def _in_pieces(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The stream in larger pieces, each with the last bytes of the one before, so that nothing is lost at a seam."""
    waiting, size = [b""], 0
    for one in stream:
        waiting.append(one)
        size += len(one)
        if size >= PIECE:
            yield (piece := b"".join(waiting))
            waiting, size = [piece[-LENGTH:]], 0
    yield b"".join(waiting)


class _Left:
    """Parts that were found nowhere so far."""

    def __init__(self, parts: list[bytes]) -> None:
        """None was looked for yet."""
        self._left = dict.fromkeys(parts)
        self._begin()

    @property
    def parts(self) -> frozenset[bytes]:
        return frozenset(self._left)

    def drop_found(self, piece: bytes) -> None:
        """Those that stand in the piece are left no more."""
        found = Counter(number for number, _ in self._search.scan(memoryview(piece)))
        self._often += found
        for number in found:
            self._left.pop(self._wanted[number], None)
        if any(number > TOO_OFTEN for number in self._often.values()):
            self._begin()

    def _begin(self) -> None:
        self._wanted, self._often = list(self._left), Counter[int]()
        self._search = search_for(tuple(map(literal, self._wanted)))()


def spread(server: Server, parts: Iterable[Part], most: int) -> tuple[bytes, ...]:
    """Samples of every part, as many of one as of the next."""
    every = tuple(parts)
    return tuple(value for part in every for value in values_of(server, part, max(most // len(every), 1)))
