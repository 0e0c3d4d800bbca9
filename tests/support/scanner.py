"""A reader of raw images that shares no code with the wipers: it knows needles and bytes, no file systems."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

CHUNK = 1 << 22


def needles_found(image: Path, needles: Iterable[bytes]) -> dict[bytes, int]:
    """How often each needle stands in the image, at whatever offset; across the seams of the reading too."""
    wanted = tuple(needles)
    counts = dict.fromkeys(wanted, 0)
    overlap = max(map(len, wanted), default=1) - 1
    kept = b""
    with image.open("rb") as file:
        while chunk := file.read(CHUNK):
            window = kept + chunk
            for needle in wanted:
                counts[needle] += window.count(needle) - kept.count(needle)
            kept = window[-overlap:] if overlap else b""
    return counts


def total_found(image: Path, needles: Iterable[bytes]) -> int:
    """How many needles stand in the image altogether."""
    return sum(needles_found(image, needles).values())
