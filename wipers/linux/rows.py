"""What is known of each numbered file, fetched for many neighbours at once: threads follow the numbers side by side."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from wipers.linux.extents import Span, runs
from wipers.linux.streams import Streams

SHARE = 512
"""Files fetched at once."""
NEAR = 8
"""Shares held."""


class Row(NamedTuple):
    """A file by its number."""

    path: str
    inode: int
    generation: int
    spans: tuple[Span, ...]
    """Where its bytes lay before the first write."""

    @property
    def end(self) -> int:
        """Return the first byte behind its last allocated block."""
        spans = self.spans
        return spans[-1].logical + spans[-1].length if spans else 0

    @property
    def allocated(self) -> int:
        """Return how many bytes its blocks hold."""
        spans = self.spans
        return spans[0].length if len(spans) == 1 else sum(span.length for span in spans)


# As `_make` of each does, without a call in Python: once or twice a file in every pass over a million.
_row = partial(tuple.__new__, Row)
_span = partial(tuple.__new__, Span)


class Rows:
    """The rows of all numbered files. Thread-safe."""

    def __init__(self, streams: Streams) -> None:
        """Fetch nothing yet."""
        self._streams = streams
        self._near: OrderedDict[int, list[Row]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._streams)

    def __getitem__(self, stream: int) -> Row:
        share = self._near.get(stream // SHARE)
        if share is None:
            share = self._fetched(stream // SHARE)
        return share[stream % SHARE]

    def __iter__(self) -> Iterator[Row]:
        for number in range(-(-len(self) // SHARE)):
            # Held ready: whoever follows the numbers side by side with this needs them next.
            yield from self._near.get(number) or self._fetched(number)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Yield every allocated run of every file as number, offset and length."""
        for stream, row in enumerate(self):
            spans = row.spans
            if len(spans) == 1:
                yield stream, spans[0].logical, spans[0].length
            else:
                for offset, length in runs(spans):
                    yield stream, offset, length

    def _fetched(self, number: int) -> list[Row]:
        with self._lock:
            share = self._near.get(number)
            if share is None:
                share = self._near[number] = self._rows(number)
                if len(self._near) > NEAR:
                    self._near.popitem(last=False)
            return share

    def _rows(self, number: int) -> list[Row]:
        streams = self._streams
        begin, end = number * SHARE, min((number + 1) * SHARE, len(streams))
        return list(
            map(
                _row,
                zip(
                    streams.tree.paths.part(begin, end),
                    streams.tree.inodes.part(begin, end),
                    streams.generations.part(begin, end),
                    [tuple(map(_span, spans)) for spans in streams.rows.part(begin, end)],
                    strict=True,
                ),
            )
        )
