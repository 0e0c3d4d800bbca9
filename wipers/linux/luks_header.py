"""LUKS headers as they lie on the medium (LUKS2 On-Disk Format 1.1.3, 2 and 3); pure: bytes in, findings out."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PRIMARY = b"LUKS\xba\xbe"
SECONDARY = b"SKUL\xba\xbe"
SECONDARY_OFFSETS = tuple(0x4000 << step for step in range(9))
"""Where the second header may lie: directly behind a first of 16 KiB, 32 KiB, ... 4 MiB (2.3.1)."""
BINARY_SIZE = 4096
"""Bytes of the binary header in front of the JSON area."""
CHECKSUM = slice(0x1C0, 0x200)
BINARY = struct.Struct(">6sHQQ48s32s64s40s48sQ")
"""magic, version, hdr_size, seqid, label, csum_alg, salt, uuid, subsystem, hdr_offset (2.1)."""
LARGEST = 0x400000
ALIGNMENT = 4096
"""The header area ends at a multiple of the largest sector."""

Read = Callable[[int, int], bytes]
"""Bytes at an offset, of a length; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class Header:
    """One copy of a header."""

    offset: int
    """Where it lies."""
    version: int
    """1 or 2; 0 where the magic stands alone."""
    uuid: str
    """UUID of the container; empty where it cannot be read."""
    is_intact: bool
    """Whether the checksum holds (version 2)."""
    keyslots: int
    """Keyslots that its JSON area lists."""
    end: int
    """First byte behind everything that belongs to the header: keyslots included, payload not."""
    is_encrypted: bool = True
    """Whether every part of the payload is encrypted: false while a container is made around plaintext."""


def find_headers(read: Read, size: int) -> tuple[Header, ...]:
    """Every place where a header may lie and its magic stands, whatever the state of the rest."""
    found = []
    for offset in (0, *SECONDARY_OFFSETS):
        if offset + BINARY_SIZE > size:
            break
        binary = read(offset, BINARY_SIZE)
        if binary[:6] in {PRIMARY, SECONDARY}:
            found.append(_header(read, size, offset, binary))
    return tuple(found)


def _header(read: Read, size: int, offset: int, binary: bytes) -> Header:
    _, version, length, _, _, algorithm, _, uuid, _, stated = BINARY.unpack_from(binary)
    if version == 1:
        return Header(offset, 1, _text(binary[168:208]), False, 0, 0)
    if version != 2 or not BINARY_SIZE < length <= LARGEST or offset + length > size:
        return Header(offset, 0, "", False, 0, 0)
    whole = binary + read(offset + BINARY_SIZE, length - BINARY_SIZE)
    is_intact = stated == offset and _text(algorithm) == "sha256" and _checksum(whole) == binary[CHECKSUM][:32]
    described = _described(whole[BINARY_SIZE:])
    end = min(_end(described, length), size)
    keyslots = len(_objects(described, "keyslots"))
    return Header(offset, 2, _text(uuid).lower(), is_intact, keyslots, end, _is_encrypted(described))


def _checksum(whole: bytes) -> bytes:
    """SHA-256 of the header with its checksum field zeroed (2.2)."""
    return hashlib.sha256(whole[: CHECKSUM.start] + bytes(64) + whole[CHECKSUM.stop :]).digest()


def _described(area: bytes) -> dict[str, Any]:
    """The JSON area; empty where it is none."""
    try:
        found = json.loads(area.partition(b"\0")[0])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _objects(described: dict[str, Any], name: str) -> dict[str, Any]:
    found = described.get(name)
    return {key: one for key, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _end(described: dict[str, Any], length: int) -> int:
    """Behind both headers, the keyslots' areas, and the gap up to the payload where it lies in the same place."""
    areas = [slot["area"] for slot in _objects(described, "keyslots").values() if isinstance(slot.get("area"), dict)]
    ends = [2 * length, *(_number(area, "offset") + _number(area, "size") for area in areas)]
    payload = [_number(segment, "offset") for segment in _objects(described, "segments").values()]
    end = max(*ends, min(payload, default=0))
    return -(-end // ALIGNMENT) * ALIGNMENT


def _is_encrypted(described: dict[str, Any]) -> bool:
    """Whether the header's keys alone stand between a reader and every segment of the payload (3.3)."""
    segments = _objects(described, "segments").values()
    return all(
        one.get("type") == "crypt" and not str(one.get("encryption")).startswith("cipher_null") for one in segments
    )


def _number(described: dict[str, Any], name: str) -> int:
    """An integer, which LUKS2 writes as a decimal string (3.1)."""
    value = described.get(name)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else 0


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace")
