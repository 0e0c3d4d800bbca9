"""The bundle: everything an auditor needs for one carrier, in one zip whose every byte follows from its entries.

Entries are stored, in fixed order, with fixed times and no extra fields. `unpack` packs again what it read and compares
every byte, so nothing can hide in comments, gaps, flags or a second directory.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from certificates.errors import Untrusted

ORDER = "order.dsse.json"
HOLD_STATE = "hold-state.dsse.json"
START = "start.dsse.json"
CERTIFICATE = "certificate.dsse.json"
RECEIPT = "receipt.tlog-proof"
VALIDATION = "validation.dsse.json"
JOURNAL = "journal.jsonl"
SELECTOR = "selector.json"
TIME = "time.tsr"
EVIDENCE = "evidence/"

REQUIRED = (ORDER, "keyrings/1.dsse.json", START, CERTIFICATE, JOURNAL)
"""Entries without which nothing can be judged."""

_MIB = 1 << 20
_KEYRING = re.compile(r"keyrings/([1-9][0-9]{0,5})\.dsse\.json")
_EVIDENCE_NAME = re.compile(r"evidence/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Place in the file, most bytes.
_LISTED: dict[str, tuple[int, int]] = {
    ORDER: (0, _MIB),
    HOLD_STATE: (2, _MIB),
    START: (3, _MIB),
    CERTIFICATE: (4, 4 * _MIB),
    RECEIPT: (5, 64 << 10),
    VALIDATION: (6, _MIB),
    JOURNAL: (7, 256 * _MIB),
    SELECTOR: (9, 16 * _MIB),
    TIME: (10, 64 << 10),
}
_KEYRING_PLACE, _EVIDENCE_PLACE = 1, 8
MAX_SIZE = 1 << 30
"""Bytes of a whole bundle; far below where zip needs its 64-bit form."""
MAX_ENTRIES = 4096

# PKWARE APPNOTE 6.3.10, 4.3.7, 4.3.12 and 4.3.16; 0x0021 is 1980-01-01 in the DOS form of 4.4.6.
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_FIXED = (20, 0, 0, 0, 0x0021)


def keyring_name(version: int) -> str:
    """Return the entry name of a keyring version."""
    return f"keyrings/{version}.dsse.json"


class Content(Protocol):
    """An entry that need not be in memory as a whole."""

    @property
    def size(self) -> int:
        """Bytes of all parts together."""
        ...

    def parts(self) -> Iterable[bytes]:
        """Yield the entry from its beginning, the same each time."""
        ...


def pack(entries: Mapping[str, bytes]) -> bytes:
    """Return the one bundle that holds these entries; raises Untrusted on an unlisted, oversized or missing entry."""
    return b"".join(packed(entries))


def packed(entries: Mapping[str, bytes | Content]) -> Iterator[bytes]:
    """Yield the one bundle that holds these entries, of which one part at a time is in memory; raises Untrusted as
    `pack`, and where an entry is not the same when it is read again."""
    names = _ordered(entries)
    directory: list[bytes] = []
    offset = 0
    for name in names:
        content, raw = entries[name], name.encode("ascii")
        # The sum stands before what it is of, so that an entry is read twice.
        size, total = _size_of(content), _sum_of(_parts_of(content))
        sizes = (total, size, size, len(raw))
        yield _LOCAL.pack(b"PK\x03\x04", *_FIXED, *sizes, 0) + raw
        yield from _as_summed(name, content, size, total)
        directory += (_CENTRAL.pack(b"PK\x01\x02", 20, *_FIXED, *sizes, 0, 0, 0, 0, 0, offset), raw)
        offset += _LOCAL.size + len(raw) + size
    tail = b"".join(directory)
    yield tail
    yield _END.pack(b"PK\x05\x06", 0, 0, len(names), len(names), len(tail), offset, 0)


def _size_of(content: bytes | Content) -> int:
    return len(content) if isinstance(content, bytes) else content.size


def _parts_of(content: bytes | Content) -> Iterable[bytes]:
    return (content,) if isinstance(content, bytes) else content.parts()


def _sum_of(parts: Iterable[bytes]) -> int:
    total = 0
    for part in parts:
        total = binascii.crc32(part, total)
    return total


def _as_summed(name: str, content: bytes | Content, size: int, total: int) -> Iterator[bytes]:
    """Yield the entry; raises Untrusted at its end if it was not what its size and sum say."""
    seen = length = 0
    for part in _parts_of(content):
        seen, length = binascii.crc32(part, seen), length + len(part)
        yield part
    if (seen, length) != (total, size):
        raise Untrusted("bundle-malformed", detail=f"{name} changed while it was packed")


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the entries of a bundle, in order, having packed them again into exactly `data`; raises Untrusted."""
    if len(data) > MAX_SIZE:
        raise Untrusted("document-too-large", size=len(data), most=MAX_SIZE)
    entries: dict[str, bytes] = {}
    for name, content in _local_entries(data):
        if name in entries:
            raise Untrusted("bundle-malformed", detail=f"{name} stands twice")
        entries[name] = content
    again = pack(entries)
    if again != data:
        raise Untrusted("bundle-malformed", detail=_first_difference(data, again))
    return entries


def keyrings(entries: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """Return the keyring envelopes from version 1 upwards, without a gap; raises Untrusted."""
    versions = sorted(int(match[1]) for name in entries if (match := _KEYRING.fullmatch(name)))
    if versions != list(range(1, len(versions) + 1)):
        raise Untrusted("bundle-malformed", detail="a keyring version is missing")
    return tuple(entries[keyring_name(version)] for version in versions)


def is_evidence(name: str) -> bool:
    """Tell whether a bundle may have an evidence file of that name."""
    return _EVIDENCE_NAME.fullmatch(EVIDENCE + name) is not None


def evidence(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the evidence files by name."""
    return {name.removeprefix(EVIDENCE): data for name, data in entries.items() if name.startswith(EVIDENCE)}


def _local_entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each entry up to the directory; what surrounds them is judged by packing again."""
    at = count = 0
    while data[at : at + 4] == b"PK\x03\x04" and len(data) - at >= _LOCAL.size:
        header = _LOCAL.unpack_from(data, at)
        size, length = header[7], header[9]
        begin = at + _LOCAL.size + length
        at, count = begin + size, count + 1
        if at > len(data) or length > 128 or count > MAX_ENTRIES:
            raise Untrusted("bundle-malformed", detail="an entry reaches beyond the file")
        yield data[begin - length : begin].decode("ascii", "replace"), data[begin:at]
    if not count:
        raise Untrusted("bundle-malformed", detail="it is no bundle")


def _ordered(entries: Mapping[str, bytes | Content]) -> list[str]:
    missing = [name for name in REQUIRED if name not in entries]
    if missing:
        raise Untrusted("bundle-malformed", detail=f"{missing[0]} is missing")
    for name, content in entries.items():
        most = _place(name)[2]
        if (size := _size_of(content)) > most:
            raise Untrusted("bundle-malformed", detail=f"{name} has {size} bytes, at most {most} are read")
    return sorted(entries, key=lambda name: (*_place(name)[:2], name))


def _place(name: str) -> tuple[int, int, int]:
    """Return where an entry stands (group, number within it) and how large it may be; raises Untrusted if unlisted."""
    if name in _LISTED:
        place, most = _LISTED[name]
        return place, 0, most
    if match := _KEYRING.fullmatch(name):
        return _KEYRING_PLACE, int(match[1]), 4 * _MIB
    if _EVIDENCE_NAME.fullmatch(name):
        return _EVIDENCE_PLACE, 0, 256 * _MIB
    raise Untrusted("bundle-malformed", detail=f"{name[:100]!r} is not an entry of a bundle")


def _first_difference(found: bytes, expected: bytes) -> str:
    step = 1 << 16
    for at in range(0, min(len(found), len(expected)), step):
        for offset, (one, other) in enumerate(zip(found[at : at + step], expected[at : at + step], strict=False)):
            if one != other:
                return f"byte {at + offset} is not what its entries give"
    return f"it has {len(found)} bytes, its entries give {len(expected)}"
