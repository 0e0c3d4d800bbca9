"""A reader of raw images and of a server's memory that knows how Redis packs texts (LZF), and shares no code with the
wipers."""

from __future__ import annotations

import re
from pathlib import Path

PACKED = re.compile(rb"\xc3[\x40-\x7f].[\x40-\x7f].|\xc3[\x09-\x3f]{2}", re.DOTALL)
"""The mark of a packed text in a snapshot, and both its lengths, of one or two bytes."""


def found_on(image: Path, pattern: bytes) -> tuple[int, int]:
    """How often the pattern stands there plain, and inside what was packed."""
    data = image.read_bytes()
    packed = (unlzf(data, one.end()) for one in PACKED.finditer(data))
    return len(re.findall(pattern, data)), sum(len(re.findall(pattern, one)) for one in packed)


def found_in_memory(process: int, pattern: bytes) -> int:
    """How often it stands in the memory that a process may write."""
    found = 0
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text(encoding="ascii").splitlines():
            bounds, rights, *_ = line.split()
            begin, end = (int(one, 16) for one in bounds.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(begin)
                found += len(re.findall(pattern, memory.read(end - begin)))
    return found


def unlzf(data: bytes, at: int) -> bytes:
    """What LZF packed there, as far as it makes sense; shares no code with the wipers."""
    out = b""
    while len(out) < 9000:
        first = data[at]
        if first < 32:
            out += data[at + 1 : at + 2 + first]
            at += 2 + first
            continue
        more = first >> 5 == 7
        count = (first >> 5) + (data[at + 1] if more else 0) + 2
        back = (first % 32) * 256 + data[at + 1 + more] + 1
        if back > len(out):
            break
        out += (out[-back:] * (count // back + 1))[:count]
        at += 2 + more
    return out
