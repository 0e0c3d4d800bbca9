"""Needles looked for on a whole raw storage, in one pass: plain, written otherwise, and packed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from certificates.statements import Place
from wipers.acts import Halt, Halted
from wipers.buffers import Buffer
from wipers.model import MediumError
from wipers.needles import Needle, Sort, is_telling
from wipers.packings import REACH, Packing, anchors_of
from wipers.searching import Pattern, Search, literal, search_for
from wipers.spellings import FORMS, spellings

CHUNK = 1 << 22
"""Bytes that a thread looks through at once."""
PIECES = (1 << 16, 1 << 12)
"""Sizes in which a stretch is read that could not be read whole, coarse first."""
KEPT = 1 << 18
"""Finds that are kept one by one; of more, each sort is counted by the places that are known at once."""
SHAPE = "directory-entry"
"""Name of the form in which a short name is looked for."""


class Raw(Protocol):
    """A storage that is looked through."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned buffer from the medium; raises MediumError, Lost. Thread-safe."""
        ...


class Hit(NamedTuple):
    """One find."""

    number: int
    """Number of the needle."""
    form: str
    """Form in which it stands there."""
    position: int
    """Where it begins on the storage, or where what it is packed in begins."""


@dataclass(slots=True)
class Findings:
    """What a pass over a storage found."""

    size: int
    """Bytes of the storage."""
    hits: list[Hit] = field(default_factory=list)
    """Finds in order of their position, the first `KEPT`."""
    more: dict[tuple[Sort, Place], int] = field(default_factory=dict)
    """Finds beyond those, by sort and place."""
    unread_size: int = 0
    """Bytes that could not be read."""


def forms_of(packings: Sequence[Packing]) -> tuple[str, ...]:
    """Return the names of all forms in which needles are looked for."""
    return (*FORMS, SHAPE, *(packing.name for packing in packings))


def hunt(
    storage: Raw,
    needles: Sequence[Needle],
    packings: Sequence[Packing],
    *,
    told: Callable[[int, int], None],
    stop: Halt,
    threads: int = 2,
    place: Callable[[int], Place] = lambda _: "unknown",
) -> Findings:
    """Return where the needles stand on the storage; raises Lost, and Halted where the run is to stop. `place` tells,
    at once and without reading, where a find lies that is one too many to be kept."""
    sweep = _Sweep(storage, _Quarry(needles, packings), told, stop, place)
    workers = [threading.Thread(target=sweep.work, daemon=True) for _ in range(threads - 1)]
    for worker in workers:
        worker.start()
    sweep.work()
    for worker in workers:
        worker.join()
    if sweep.error is not None:
        raise sweep.error
    return sweep.findings()


class _Quarry:
    """All that is looked for, and what a match of each pattern means."""

    def __init__(self, needles: Sequence[Needle], packings: Sequence[Packing]) -> None:
        self.sorts: dict[int, Sort] = {needle.number: needle.sort for needle in needles}
        self.packings = tuple(packings) if needles else ()
        self.meanings: list[tuple[int, str, int]] = []
        patterns: list[Pattern] = []
        for needle in needles:
            for number, form, shift, pattern in _patterns_of(needle):
                self.meanings.append((number, form, shift))
                patterns.append(pattern)
        self.longest = max((pattern.size for pattern in patterns), default=0)
        self.search: Callable[[], Search] = search_for(patterns)
        self.longest_anchor = max((packing.anchor_size for packing in self.packings), default=0)
        # Apart from the needles: anchors of two bytes among thousands of long texts slow the search for all of them.
        anchored = [(packing, regex) for packing in self.packings for regex in anchors_of(packing)]
        self.anchored = tuple(packing for packing, _ in anchored)
        self.anchors = search_for([Pattern(regex, packing.anchor_size) for packing, regex in anchored])


def _patterns_of(needle: Needle) -> Iterator[tuple[int, str, int, Pattern]]:
    """Yield what is looked for in a needle's place, its shapes only where it tells too little by itself."""
    if is_telling(needle.value):
        for form, text, shift in spellings(needle.value):
            yield needle.number, form, shift, literal(text)
    else:
        for shape in needle.shapes:
            yield needle.number, SHAPE, 0, shape


class _Sweep:
    """The pass: threads take the next chunk each, and look through it and a little beyond."""

    def __init__(
        self,
        storage: Raw,
        quarry: _Quarry,
        told: Callable[[int, int], None],
        stop: Halt,
        place: Callable[[int], Place],
    ) -> None:
        self._storage = storage
        self._quarry = quarry
        self._told = told
        self._place = place
        self._stop = stop
        self._turn = threading.Lock()
        self._begins = iter(range(0, storage.size, CHUNK))
        self._done = 0
        self._unread = 0
        self._hits: set[Hit] = set()
        self._more: dict[tuple[Sort, Place], int] = {}
        self.error: BaseException | None = None

    def findings(self) -> Findings:
        """Return everything found."""
        return Findings(self._storage.size, sorted(self._hits, key=lambda hit: hit[::-1]), self._more, self._unread)

    def work(self) -> None:
        """Look through chunks until none is left, or one thread fails."""
        try:
            eye = _Eye(self._storage, self._quarry)
            while (begin := self._next()) is not None:
                self._take(begin, eye.look(begin), eye.unread)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            self.error = self.error or error

    def _next(self) -> int | None:
        with self._turn:
            if self.error is not None:
                return None
            if self._stop.is_set():
                raise Halted
            return next(self._begins, None)

    def _take(self, begin: int, hits: set[Hit], unread: int) -> None:
        with self._turn:
            for hit in hits:
                if len(self._hits) < KEPT:
                    self._hits.add(hit)
                elif hit not in self._hits:
                    what = (self._quarry.sorts[hit.number], self._place(hit.position))
                    self._more[what] = self._more.get(what, 0) + 1
            self._unread += unread
            self._done += min(CHUNK, self._storage.size - begin)
            self._told(self._done, self._storage.size)


class _Eye:
    """What one thread looks with."""

    def __init__(self, storage: Raw, quarry: _Quarry) -> None:
        self._storage = storage
        self._quarry = quarry
        self._search = quarry.search()
        self._anchors = quarry.anchors()
        self._beyond = max(REACH if quarry.packings else 0, quarry.longest)
        self._buffer = Buffer(-(-(CHUNK + self._beyond) // 4096) * 4096)
        self.unread = 0

    def look(self, begin: int) -> set[Hit]:
        """Return what begins in the chunk."""
        own = min(CHUNK, self._storage.size - begin)
        view = self._buffer.view[: min(own + self._beyond, self._storage.size - begin)]
        self.unread = self._fill(begin, view, own)
        found: set[Hit] = set()
        for number, at in self._search.scan(view[: own + self._quarry.longest]):
            if at < own:
                needle, form, shift = self._quarry.meanings[number]
                found.add(Hit(needle, form, begin + at - shift))
        packings = self._quarry.anchored
        for number, at in self._anchors.scan(view[: own + self._quarry.longest_anchor]):
            packing = packings[number]
            if at < own and (begin + at) % packing.align == 0 and (inside := packing.unpack(view[at : at + REACH])):
                found.update(self._look_inside(packing, begin + at, inside))
        return found

    def _look_inside(self, packing: Packing, position: int, inside: bytes) -> Iterator[Hit]:
        """Yield what stands in what was unpacked; what is packed within that is not unpacked again."""
        for number, _ in self._search.scan(memoryview(inside)):
            yield Hit(self._quarry.meanings[number][0], packing.name, position)

    def _fill(self, begin: int, view: memoryview, own: int) -> int:
        """Read what can be read, zeros where nothing can; return the bytes of the chunk itself that are missing."""
        try:
            self._storage.read(begin, view)
        except MediumError:
            missing = list(self._fill_in_pieces(begin, view, 0, PIECES))
            return sum(max(0, min(at + length, own) - at) for at, length in missing)
        return 0

    def _fill_in_pieces(
        self, begin: int, view: memoryview, at: int, sizes: tuple[int, ...]
    ) -> Iterator[tuple[int, int]]:
        for first in range(0, len(view), sizes[0]):
            piece = view[first : first + sizes[0]]
            try:
                self._storage.read(begin + first, piece)
            except MediumError:
                if len(sizes) > 1:
                    yield from self._fill_in_pieces(begin + first, piece, at + first, sizes[1:])
                else:
                    piece[:] = bytes(len(piece))
                    yield at + first, len(piece)
