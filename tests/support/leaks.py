"""Looks for words in files as a leak would hold them: plain or in any of the coats that programs put on text."""

from __future__ import annotations

import base64
import html
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote


def coats(word: bytes) -> Iterator[tuple[str, bytes]]:
    """The word as bytes, under the name of each encoding."""
    yield "plain", word
    yield "hex", word.hex().encode()
    yield "HEX", word.hex().upper().encode()
    yield "percent", quote(word).encode()
    yield "every percent", b"".join(b"%%%02X" % byte for byte in word)
    for shift in range(3):
        # Only what does not depend on the bytes before and behind.
        coded = base64.b64encode(bytes(shift) + word)
        inner = coded[-(-shift * 8 // 6) : len(coded) - 4 if (shift + len(word)) % 3 else len(coded)]
        yield f"base64, shifted by {shift}", inner
        yield f"base64 for addresses, shifted by {shift}", inner.translate(bytes.maketrans(b"+/", b"-_"))
    try:
        text = word.decode()
    except UnicodeDecodeError:
        yield "json", json.dumps(word.decode("utf-8", "surrogateescape"))[1:-1].encode()
        return
    yield "utf-16-le", text.encode("utf-16-le")
    yield "utf-16-be", text.encode("utf-16-be")
    yield "json", json.dumps(text)[1:-1].encode()
    yield "html", html.escape(text).encode()
    yield "repr", repr(text)[1:-1].encode()


def found_in(data: bytes, words: Iterable[bytes]) -> list[str]:
    """Which words stand in the data, and how."""
    return [f"{word!r} as {coat}" for word in words for coat, sought in coats(word) if sought in data]


def files_below(*places: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file, and what it holds; names of files and folders count as content, and archives are opened."""
    for place in places:
        for path in sorted(place.rglob("*")):
            yield path, str(path.relative_to(place)).encode("utf-8", "surrogateescape")
            if not path.is_file():
                continue
            yield path, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((path / name, name.encode() + archive.read(name)) for name in archive.namelist())


def leaks(words: Iterable[bytes], *places: Path) -> dict[str, list[str]]:
    """Each file below the places that holds one of the words, with which and how."""
    sought = tuple(words)
    told: dict[str, list[str]] = {}
    for path, data in files_below(*places):
        if holds := found_in(data, sought):
            told.setdefault(str(path), []).extend(holds)
    return told
