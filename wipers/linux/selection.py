"""What a selector of files selects: names letter by letter, by patterns, or in a list or manifest bound by digest."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import chain
from typing import BinaryIO, NamedTuple

from certificates.errors import Refused
from certificates.statements import FilesSelector, NamesFile
from wipers.linux.beneath import open_beneath, open_root
from wipers.linux.spool import Records

READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
CHUNK = 1 << 20
LONGEST = 1 << 14
"""Bytes of the longest line of a list."""
MAGIC = re.compile(r"[*?\[]")
ANY_DEPTH = "**"
MANIFEST_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
"""A line of sha256sum(1): a backslash where the name is escaped, digest, a blank, how it was read, name."""
ESCAPED = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class Named(NamedTuple):
    """One name of an order."""

    name: str
    """Relative to the root."""
    is_literal: bool = True
    """Whether the order names it letter by letter; a pattern leads to what it leads to."""
    digest: bytes = b""
    """SHA-256 that its contents must have; empty where nobody said so."""


def selected(root: int, selects: FilesSelector) -> Iterator[Named]:
    """Yield every name that the selector leads to below the root directory's descriptor, in no order; raises Refused
    where a list or manifest is not the one that was approved, at the latest behind its last name."""
    yield from map(Named, selects.names)
    for pattern in selects.globs or ():
        yield from expanded(root, pattern)
    if selects.list is not None:
        yield from listed(selects.list)
    if selects.manifest is not None:
        yield from manifested(selects.manifest)


def listed(file: NamesFile) -> Iterator[Named]:
    """Yield the names of a list; raises Refused where it is no list, or not the one that was approved."""
    for number, line in _lines(file):
        yield Named(_plain(line, number, file.path))


def manifested(file: NamesFile) -> Iterator[Named]:
    """Yield the names of a manifest with their digests; raises Refused where it is none, or not the approved one."""
    for number, line in _lines(file):
        yield _told(line, number, file.path)


def expanded(root: int, pattern: str) -> Iterator[Named]:
    """Yield what a pattern leads to, through no link and into no mount; a pattern that leads to nothing stands for
    itself, which is not there."""
    found = _expanded(root, [part for part in pattern.split("/") if part])
    first = next(found, None)
    yield from (Named(pattern),) if first is None else chain((first,), found)


def _expanded(root: int, parts: list[str]) -> Iterator[Named]:
    """Go down directory by directory; those still to be looked into lie in a list outside memory."""
    waiting = Records()
    waiting.append(b"0\0")
    number = 0
    while number < len(waiting):
        place, _, folder = waiting[number].partition(b"\0")
        number += 1
        for step in _steps(root, os.fsdecode(folder), parts, int(place)):
            if isinstance(step, Named):
                yield step
            else:
                waiting.append(b"%d\0%s" % (step[0], os.fsencode(step[1])))


def _steps(root: int, folder: str, parts: list[str], place: int) -> Iterator[Named | tuple[int, str]]:
    """Yield what a directory holds that the part at this place leads to: names, or directories to look into."""
    part, is_last = parts[place], place == len(parts) - 1
    if not MAGIC.search(part):
        yield from _step_by_name(root, _join(folder, part), place, is_last=is_last)
        return
    is_any_depth = part == ANY_DEPTH and not is_last
    if is_any_depth:
        yield place + 1, folder
    try:
        for name, is_folder in _entries(root, folder):
            path = _join(folder, name)
            if is_any_depth and is_folder:
                yield place, path
            elif not is_any_depth and fnmatchcase(name, part):
                yield from _step_to(path, place, is_last=is_last, is_folder=is_folder)
    except OSError as error:
        if error.errno not in NOTHING_THERE:
            # The walk meets it again, and says what is wrong there.
            yield Named(folder or ".", is_literal=False)


def _step_to(path: str, place: int, *, is_last: bool, is_folder: bool) -> Iterator[Named | tuple[int, str]]:
    if is_last:
        yield Named(path, is_literal=False)
    elif is_folder:
        yield place + 1, path


def _step_by_name(root: int, path: str, place: int, *, is_last: bool) -> Iterator[Named | tuple[int, str]]:
    try:
        os.close(open_beneath(root, path, os.O_PATH | os.O_NOFOLLOW))
    except OSError as error:
        if error.errno not in NOTHING_THERE:
            yield Named(path, is_literal=False)
        return
    yield Named(path, is_literal=False) if is_last else (place + 1, path)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _entries(root: int, folder: str) -> Iterator[tuple[str, bool]]:
    """Yield names with whether each is a directory; raises OSError."""
    descriptor = open_beneath(root, folder or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False)
    finally:
        os.close(descriptor)


def _told(line: bytes, number: int, path: str) -> Named:
    """Return what a line of a manifest says; raises Refused."""
    found = MANIFEST_LINE.fullmatch(line)
    if found is None:
        raise Refused("list-unreadable", where=path, detail=f"line {number} is not as sha256sum writes it")
    mark, digest, name = found.groups()
    if mark:
        name = re.sub(rb"\\[\\nr]", lambda one: ESCAPED[one[0]], name)
    return Named(_plain(name, number, path), digest=bytes.fromhex(digest.decode()))


def _plain(name: bytes, number: int, path: str) -> str:
    """Return a name of a list without the dot that `find .` and `sha256sum ./*` put before it; raises Refused."""
    if name.startswith(b"/"):
        raise Refused("list-unreadable", where=path, detail=f"line {number} is not relative to the root")
    plain = name.removeprefix(b"./")
    if (plain.startswith(b".") or b"/." in plain) and not {b".", b".."}.isdisjoint(plain.split(b"/")):
        raise Refused("list-unreadable", where=path, detail=f"line {number} has '.' or '..' as a part of its name")
    return os.fsdecode(plain)


def _lines(file: NamesFile) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file, counted from 1; raises Refused where it is another file than was approved."""
    try:
        descriptor = _opened(file.path)
    except OSError as error:
        raise Refused("list-unreadable", where=file.path, detail=os.strerror(error.errno or 0)) from error
    hashed = hashlib.sha256()
    with open(descriptor, "rb") as opened:
        yield from enumerate(lines_in(_hashing(opened, hashed), file.path), start=1)
    if f"sha256:{hashed.hexdigest()}" != file.digest:
        raise Refused("list-differs", where=file.path)


def _opened(path: str) -> int:
    """Return a descriptor of the file at an absolute path that no link is part of; raises OSError."""
    folder = open_root(os.path.dirname(path))
    try:
        return open_beneath(folder, os.path.basename(path), READING)
    finally:
        os.close(folder)


def _hashing(opened: BinaryIO, hashed: hashlib._Hash) -> Iterator[bytes]:
    while chunk := opened.read(CHUNK):
        hashed.update(chunk)
        yield chunk


def lines_in(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield what line feeds end, or zero bytes where there are any; empty lines are none; raises Refused for a line
    that is too long to be a name."""
    rest, separator = b"", None
    for chunk in chunks:
        if separator is None:
            separator = b"\0" if b"\0" in chunk else b"\n"
        *whole, rest = (rest + chunk).split(separator)
        yield from filter(None, whole)
        if len(rest) > LONGEST:
            raise Refused("list-unreadable", where=where, detail="it holds a line too long for a name")
    if rest:
        yield rest


def has_digest(folder: int, name: str, digest: bytes) -> bool:
    """Tell whether the file's contents have the SHA-256; raises OSError."""
    descriptor = open_beneath(folder, name, READING)
    with open(descriptor, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").digest() == digest
