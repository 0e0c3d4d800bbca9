"""How fast the medium was, along the area: measured while a step overwrites or reads back, kept as evidence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Literal

from certificates.statements import MOST_BINS, Area, Extent, Failure, SpeedProfile

_GRAIN = 4096
"""Bins are whole numbers of so many bytes."""
_MICRO = 1_000_000


def on_the_wire(profile: SpeedProfile) -> bytes:
    """Return the profile as canonical JSON (RFC 8785: of whole numbers and plain words, nothing more is needed)."""
    pairs = ((field.name, getattr(profile, field.name)) for field in fields(profile))
    # A speed that nothing was measured for is left out, as in every statement: an auditor reads no null.
    tree = {name: value for name, value in pairs if value is not None}
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode("ascii")


class Meter:
    """Adds up bytes and time by bins; told by one thread at a time.

    The time between the ends of two chunks, whichever threads they were in, belongs to the later one: so all bins
    together take the time that passed, however many chunks are in the air.
    """

    def __init__(self, size: int, start: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure an area of `size` bytes from position `start` on."""
        self.size = size
        self.start = start
        self.bin_size = max(-(-size // MOST_BINS // _GRAIN) * _GRAIN, _GRAIN)
        count = max(-(-size // self.bin_size), 1)
        self._moved = [0] * count
        self._seconds = [0.0] * count
        self._clock = clock
        self._last = clock()
        self._pause_from = self._last
        self._rested = 0.0

    def moved(self, position: int, size: int) -> None:
        """So many bytes from that position on were moved since the last call."""
        now = self._clock()
        seconds, self._last = now - self._last, now
        if size == 0:
            self._seconds[self._bin(position)] += seconds
        for number, length in self._parts(position, size):
            self._moved[number] += length
            self._seconds[number] += seconds * length / size

    @property
    def is_empty(self) -> bool:
        """Tell whether no chunk came to its end while this measured."""
        return not any(self._seconds) and not any(self._moved)

    def rest(self) -> None:
        """The time from here on is nobody's."""
        self._pause_from = self._clock()

    def go_on(self) -> None:
        """Time counts again."""
        self._last = self._clock()
        self._rested += self._last - self._pause_from

    def profile(
        self, step: int, act: Literal["overwrite", "read-back"], area: Area, failed: tuple[int, ...]
    ) -> SpeedProfile:
        """Return what was measured."""
        micros = tuple(round(seconds * _MICRO) for seconds in self._seconds)
        rates = [
            moved * _MICRO // spent
            for number, (moved, spent) in enumerate(zip(self._moved, micros, strict=True))
            if spent and moved == self._length(number)
        ]
        total = sum(micros)
        return SpeedProfile(
            step=step,
            act=act,
            area=area,
            size=self.size,
            bin_size=self.bin_size,
            moved=tuple(self._moved),
            microseconds=micros,
            failed=failed,
            measured_from=self.start,
            rested=round(self._rested * _MICRO),
            slowest=min(rates, default=None),
            average=sum(self._moved) * _MICRO // total if total else None,
            fastest=max(rates, default=None),
        )

    def failed(self, layout: Iterable[Extent], failures: tuple[Failure, ...]) -> tuple[int, ...]:
        """Return the bytes of the failed ranges in each bin, the ranges being found along the layout."""
        found = [0] * len(self._moved)
        ranges: dict[int, list[Extent]] = {}
        for one in failures:
            ranges.setdefault(one.extent.stream, []).append(one.extent)
        position = 0
        for extent in layout if failures else ():
            for hole in ranges.get(extent.stream, ()):
                begin = max(hole.offset, extent.offset)
                length = min(hole.offset + hole.length, extent.offset + extent.length) - begin
                for number, part in self._parts(position + begin - extent.offset, length):
                    found[number] += part
            position += extent.length
        return tuple(found)

    def _bin(self, position: int) -> int:
        return min(position // self.bin_size, len(self._moved) - 1)

    def _length(self, number: int) -> int:
        return min(self.bin_size, self.size - number * self.bin_size)

    def _parts(self, position: int, size: int) -> Iterable[tuple[int, int]]:
        """Yield the bins that the bytes lie in, and how many in each."""
        while size > 0:
            number = self._bin(position)
            length = min(size, (number + 1) * self.bin_size - position)
            if length <= 0:
                return
            yield number, length
            position, size = position + length, size - length
