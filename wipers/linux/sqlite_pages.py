"""Rows of a SQLite database, counted from its pages: no lock is taken, no file is made, nothing is written.

SQLite itself cannot look at a database with a write-ahead log without making or changing files beside it. The layout
is that of https://www.sqlite.org/fileformat2.html; section numbers below are of that page.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"SQLite format 3\x00"
HOT_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""First bytes of a rollback journal that still has something to roll back (3)."""
SAMPLE, LEAST_SAMPLE = 4096 - 100, 900
"""Bytes of the first page that are counted, and how many it takes to tell anything."""
WAL_MAGIC = (0x377F0682, 0x377F0683)
WAL_HEADER = struct.Struct(">IIIIIIII")
FRAME_HEADER = struct.Struct(">IIIIII")

TABLE_LEAF, TABLE_INTERIOR, INDEX_LEAF, INDEX_INTERIOR = 0x0D, 0x05, 0x0A, 0x02
LEAVES = (TABLE_LEAF, INDEX_LEAF)
INTERIORS = (TABLE_INTERIOR, INDEX_INTERIOR)
ENCODINGS = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}


class NotReadable(Exception):
    """The file is no database that can be counted; the text says why, and holds nothing of its content."""


@dataclass(frozen=True, slots=True)
class Pages:
    """A database's pages as the last commit left them."""

    descriptor: int
    size: int
    """Bytes a page."""
    usable: int
    """Bytes a page but for those reserved for extensions."""
    encoding: str
    log: int | None
    """Descriptor of the write-ahead log; none where it does not count."""
    logged: dict[int, int]
    """Offset in the log of the pages that it holds."""
    most: int
    """Pages that there can be."""

    def page(self, number: int) -> bytes:
        """Return a page; raises NotReadable where there is none of that number."""
        if number < 1:
            raise NotReadable("a page has no number")
        at = self.logged.get(number)
        if self.log is not None and at is not None:
            found = os.pread(self.log, self.size, at)
        else:
            found = os.pread(self.descriptor, self.size, (number - 1) * self.size)
        if len(found) != self.size:
            raise NotReadable(f"page {number} is missing")
        return found


def has_magic(descriptor: int) -> bool:
    """Tell whether the file begins as a SQLite database does."""
    return os.pread(descriptor, len(MAGIC), 0) == MAGIC


def looks_encrypted(descriptor: int) -> bool:
    """Tell whether every byte value is about as frequent as any other behind the header: so SQLCipher writes pages,
    with or without a header that can be read, and no plain database has such a first page."""
    found = os.pread(descriptor, SAMPLE, 100)
    if len(found) < LEAST_SAMPLE:
        return False
    expected = len(found) / 256
    # Chi-square of 255 degrees: 255 on the average, beyond 430 once in more than a thousand million draws.
    return sum((found.count(bytes((one,))) - expected) ** 2 for one in range(256)) / expected < 430


def is_hot(journal: int) -> bool:
    """Tell whether the rollback journal holds a transaction that was never finished."""
    return os.pread(journal, len(HOT_JOURNAL), 0) == HOT_JOURNAL


def open_pages(descriptor: int, log: int | None) -> Pages:
    """Return the pages of a database and its write-ahead log; raises NotReadable."""
    head = os.pread(descriptor, 100, 0)
    if len(head) < 100 or not head.startswith(MAGIC):
        raise NotReadable("it does not begin as a database")
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    encoding = ENCODINGS.get(int.from_bytes(head[56:60], "big") or 1)
    if size < 512 or size & (size - 1) or encoding is None:
        raise NotReadable("its header does not hold together")
    is_logged = log is not None and head[18] == 2
    logged = _logged_pages(log, size) if log is not None and is_logged else {}
    most = os.fstat(descriptor).st_size // size + len(logged)
    return Pages(descriptor, size, size - head[20], encoding, log if is_logged else None, logged, most)


def _logged_pages(log: int, size: int) -> dict[int, int]:
    """Return where the log holds each page, up to its last commit (4.1, 4.2)."""
    head = os.pread(log, WAL_HEADER.size, 0)
    if len(head) < WAL_HEADER.size:
        return {}
    magic, _, page_size, _, first_salt, second_salt, *_ = WAL_HEADER.unpack(head)
    if magic not in WAL_MAGIC or page_size != size:
        return {}
    committed: dict[int, int] = {}
    waiting: dict[int, int] = {}
    step = FRAME_HEADER.size + size
    for at in range(WAL_HEADER.size, os.fstat(log).st_size - step + 1, step):
        number, commit, *salts, _, _ = FRAME_HEADER.unpack(os.pread(log, FRAME_HEADER.size, at))
        if salts != [first_salt, second_salt]:
            break
        waiting[number] = at + FRAME_HEADER.size
        if commit:
            committed.update(waiting)
            waiting.clear()
    return committed


def salts_of(log: int) -> bytes:
    """Return what every frame of the log repeats that counts: drawn anew each time the log begins anew (4.1)."""
    return os.pread(log, 8, 16)


def end_of_log(log: int) -> int:
    """Return how many bytes of the log count: its header, and every frame since it began anew (4.1)."""
    head = os.pread(log, WAL_HEADER.size, 0)
    if len(head) < WAL_HEADER.size:
        return 0
    _, _, page_size, _, *salts, _, _ = WAL_HEADER.unpack(head)
    end, size = WAL_HEADER.size, os.fstat(log).st_size
    while end + FRAME_HEADER.size + page_size <= size:
        if list(FRAME_HEADER.unpack(os.pread(log, FRAME_HEADER.size, end))[2:4]) != salts:
            break
        end += FRAME_HEADER.size + page_size
    return end


def count_rows(pages: Pages) -> int:
    """Return the rows of all ordinary tables, not of indexes nor of what a virtual table keeps; raises NotReadable."""
    try:
        tables = list(_tables(pages))
        return sum(_count(pages, root) for root in ordinary(tables))
    except (struct.error, IndexError, ValueError) as error:
        raise NotReadable("its pages do not hold together") from error


def ordinary(tables: list[tuple[str, int, str]]) -> list[int]:
    """Return the first page of every table that is neither SQLite's own nor belongs to a virtual table."""
    virtual = [name.lower() for name, _, sql in tables if sql[:14].upper() == "CREATE VIRTUAL"]
    kept = []
    for name, root, _ in tables:
        lower = name.lower()
        is_own = lower.startswith("sqlite_") or any(lower.startswith(f"{one}_") for one in virtual)
        if root and not is_own:
            kept.append(root)
    return kept


def _count(pages: Pages, root: int) -> int:
    """Return the entries of a b-tree: a table's rows are its leaves' cells, an index tree has rows inside too (1.6)."""
    rows = 0
    for page, start in _walk(pages, root):
        kind, cells = page[start], int.from_bytes(page[start + 3 : start + 5], "big")
        rows += cells if kind != TABLE_INTERIOR else 0
    return rows


def _walk(pages: Pages, root: int) -> Iterator[tuple[bytes, int]]:
    """Yield every page of a b-tree with where its header begins; raises NotReadable when it has more than there are."""
    waiting = [root]
    seen = 0
    while waiting:
        number = waiting.pop()
        seen += 1
        if seen > pages.most:
            raise NotReadable("its pages run in a circle")
        page = pages.page(number)
        start = 100 if number == 1 else 0
        kind = page[start]
        if kind in INTERIORS:
            waiting.extend(_children(page, start))
        elif kind not in LEAVES:
            raise NotReadable(f"page {number} is not of a table")
        yield page, start


def _children(page: bytes, start: int) -> Iterator[int]:
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    yield int.from_bytes(page[start + 8 : start + 12], "big")
    for cell in struct.unpack_from(f">{cells}H", page, start + 12):
        yield int.from_bytes(page[cell : cell + 4], "big")


def _tables(pages: Pages) -> Iterator[tuple[str, int, str]]:
    """Yield name, first page and SQL of every table in the schema, which is the b-tree of page 1 (2.6)."""
    for page, start in _walk(pages, 1):
        if page[start] != TABLE_LEAF:
            continue
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        for cell in struct.unpack_from(f">{cells}H", page, start + 8):
            kind, name, _, root, sql, *_ = _record(_payload(pages, page, cell), pages.encoding)
            if kind == "table" and isinstance(name, str):
                yield name, int(root or 0), str(sql or "")


def _payload(pages: Pages, page: bytes, cell: int) -> bytes:
    """Return the whole payload of a table's leaf cell, from its overflow pages too (1.6)."""
    length, at = _varint(page, cell)
    _, at = _varint(page, at)
    if length > pages.most * pages.size:
        raise NotReadable("a record is longer than the database")
    most = pages.usable - 35
    if length <= most:
        return page[at : at + length]
    least = (pages.usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (pages.usable - 4)
    local = local if local <= most else least
    parts = [page[at : at + local]]
    left, number = length - local, int.from_bytes(page[at + local : at + local + 4], "big")
    while left > 0:
        further = pages.page(number)
        parts.append(further[4 : 4 + min(left, pages.usable - 4)])
        left -= len(parts[-1])
        number = int.from_bytes(further[:4], "big")
    return b"".join(parts)


def _record(payload: bytes, encoding: str) -> list[str | int | None]:
    """Return a record's values; numbers with a point and blobs, which a schema has none of, as none (2.1)."""
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    values: list[str | int | None] = []
    for kind in types:
        length = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind] if kind < 12 else (kind - 12) // 2
        value = payload[at : at + length]
        at += length
        if kind >= 13 and kind % 2:
            # Some schemas are spelled in the letters of their application's system: none that can be counted less.
            values.append(value.decode(encoding, "backslashreplace"))
        elif kind in {8, 9}:
            values.append(kind - 8)
        else:
            values.append(int.from_bytes(value, "big", signed=True) if 1 <= kind <= 6 else None)
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer and where it ends (1.6)."""
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    return value << 8 | data[at + 8], at + 9
