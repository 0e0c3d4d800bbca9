"""How a value may stand written elsewhere: as it is, in UTF-16, in base64 at any alignment, in hex digits."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import NamedTuple

FORMS = ("plain", "utf-16-le", "utf-16-be", "base64", "hex", "hex-upper")
"""Names of the forms, in the order in which certificates list them."""
SHORTEST_HALF = 12
"""Characters of base64 from which a half alone is told from chance."""
_UNKNOWN = (0, 2, 3)
"""Characters at the begin that bytes before the value have part in, by how many such bytes there are."""


class Spelling(NamedTuple):
    """One way in which the value stands written, or a part of it."""

    form: str
    """Name of the form."""
    text: bytes
    """What stands there."""
    shift: int
    """Bytes between the begin of the whole and this part of it."""


def spellings(value: bytes) -> Iterator[Spelling]:
    """Yield every way in which the value is looked for."""
    yield Spelling("plain", value, 0)
    yield from _as_utf_16(value)
    yield from _as_base64(value)
    yield Spelling("hex", value.hex().encode(), 0)
    if value.hex().upper() != value.hex():
        yield Spelling("hex-upper", value.hex().upper().encode(), 0)


def _as_utf_16(value: bytes) -> Iterator[Spelling]:
    """Yield the value in UTF-16 where it is text; a sample may begin and end amid a character of UTF-8. What has other
    control characters is no text: nobody writes it so, and numbers of two bytes would become ones of four."""
    text = _text(value)
    if text:
        yield Spelling("utf-16-le", text.encode("utf-16-le"), 0)
        yield Spelling("utf-16-be", text.encode("utf-16-be"), 0)


def _text(value: bytes) -> str:
    begin = next((at for at in range(min(4, len(value))) if value[at] & 0xC0 != 0x80), 0)
    for end in range(len(value), max(len(value) - 4, begin), -1):
        try:
            text = value[begin:end].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return text if len(text) >= 4 and all(one.isprintable() or one in "\t\n\r" for one in text) else ""
    return ""


def _as_base64(value: bytes) -> Iterator[Spelling]:
    """Yield the characters that the value alone decides, at each alignment, in two halves: a line break between them,
    or in one of them, leaves the other."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + value)
        body = whole[_UNKNOWN[before] : (before + len(value)) * 8 // 6]
        middle = len(body) // 2
        halves = ((body[:middle], 0), (body[middle:], middle)) if middle >= SHORTEST_HALF else ((body, 0),)
        for part, shift in halves:
            yield Spelling("base64", part, shift)
            for_urls = part.replace(b"+", b"-").replace(b"/", b"_")
            if for_urls != part:
                yield Spelling("base64", for_urls, shift)
