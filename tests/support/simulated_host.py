"""A machine in memory: it does what a `Host` promises, and tells every lie that storage has been seen to tell."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from certificates.encoding import digest
from certificates.errors import Refused
from certificates.statements import (
    Area,
    Carrier,
    Check,
    Extent,
    Fact,
    FillRecord,
    Hits,
    Kind,
    Media,
    NamesRecord,
    NeedlesRecord,
    ResidueHunt,
    Selector,
    StepRecord,
    SurveyedMachine,
    SurvivorsCheck,
    WithdrawalRecord,
)
from wipers.acts import Act, ConfirmSurvivors, FillFree, Given, Hunt, Sample, ScrubNames, Withdraw
from wipers.model import Advice, KeyState, Lost, MediumError, Obstacle, Target

SECTOR = 512
Place = tuple[int, int]
"""Stream and number of a sector."""


class PowerCut(BaseException):
    """The plug was pulled. No `except Exception` survives that, so nothing under test can tidy up after it."""


@dataclass(slots=True)
class Plug:
    """Counts effects on the world, storage and journal alike, and pulls the plug at one of them."""

    cut_at: int | None = None
    effects: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_pulled(self) -> bool:
        """Count one effect and tell whether the power fails during it."""
        with self.lock:
            self.effects += 1
            return self.cut_at is not None and self.effects >= self.cut_at


@dataclass(slots=True)
class Lies:
    """What is wrong with the storage; by default nothing is."""

    drops_writes: frozenset[Place] = frozenset()
    """Writes there are acknowledged and forgotten."""
    answers_old: frozenset[Place] = frozenset()
    """Reads there return what stood there before the run."""
    bad_writes: dict[Place, str] = field(default_factory=dict)
    """Writes there fail with this error."""
    bad_reads: dict[Place, str] = field(default_factory=dict)
    """Reads there fail with this error."""
    flush_fails_at: int | None = None
    """This flush reports that something written earlier did not reach the medium."""
    flush_lies: bool = False
    """A flush is acknowledged and does nothing."""
    lost_at: int | None = None
    """The device goes away at this effect."""
    swapped: Literal["after-find", "after-open"] | None = None
    """Another device answers from then on."""
    swapped_at: int | None = None
    """Another device answers from this effect on."""
    moved: tuple[Extent, ...] = ()
    """Something else lies there by now than when the run began."""
    keeps_keys: bool = False
    """The header reads as overwritten, and the container opens all the same."""
    waits: Callable[[], object] = lambda: None
    """Returns when the next read or write may happen."""
    seconds: float = 0.0
    """Each read and write takes so long."""
    fails_once: set[Place] = field(default_factory=set)
    """The first write of a sector of these fails, the next one does not."""
    bad_resets: dict[Place, str] = field(default_factory=dict)
    """A zone that begins there cannot be reset."""
    hangs: dict[Place, threading.Event] = field(default_factory=dict)
    """A write there returns when the event is set."""


@lru_cache(maxsize=32)
def _secrets(sizes: tuple[int, ...], seed: int) -> tuple[bytes, ...]:
    """Contents that nobody can guess, drawn once for all machines that hold the same."""
    chance = random.Random(seed)
    return tuple(chance.randbytes(size) for size in sizes)


@dataclass(slots=True)
class Storage:
    """Streams of bytes as they are on the medium and as they are seen through its cache."""

    durable: dict[int, bytearray]
    seen: dict[int, bytearray]
    original: dict[int, bytes]
    dirty: set[Place] = field(default_factory=set)

    @classmethod
    def holding(cls, sizes: tuple[int, ...], seed: int) -> Storage:
        """Streams of these sizes full of secrets."""
        contents = dict(enumerate(_secrets(sizes, seed)))
        return cls(
            {stream: bytearray(data) for stream, data in contents.items()},
            {stream: bytearray(data) for stream, data in contents.items()},
            contents,
        )

    def flush(self) -> None:
        for stream, sector in self.dirty:
            here = slice(sector * SECTOR, (sector + 1) * SECTOR)
            self.durable[stream][here] = self.seen[stream][here]
        self.dirty.clear()

    def sectors_left(self) -> int:
        """How many sectors still show what stood there before the run."""
        pairs = ((seen, self.original[stream]) for stream, seen in self.seen.items())
        return sum(
            seen[at : at + SECTOR] == before[at : at + SECTOR]
            for seen, before in pairs
            for at in range(0, len(seen), SECTOR)
        )

    def lose_power(self, chance: random.Random) -> None:
        """Of what was not flushed, some sectors are on the medium and some are not."""
        self.dirty = {place for place in sorted(self.dirty) if chance.random() < 0.5}
        self.flush()
        self.seen = {stream: bytearray(data) for stream, data in self.durable.items()}


class SimulatedWriter:
    """An opened target."""

    def __init__(self, machine: Simulated, plug: Plug) -> None:
        self._machine = machine
        self._plug = plug
        self._lock = threading.Lock()
        self._flushes = 0
        self._chance = random.Random(plug.cut_at or 0)
        self.sector_size = SECTOR
        self.place: Literal["device", "below-file-system"] = (
            "below-file-system" if machine.kind in ("files", "database", "records") else "device"
        )

    def facts(self) -> tuple[Fact, ...]:
        lies = self._machine.lies
        is_other = lies.swapped_at is not None and self._plug.effects >= lies.swapped_at
        return self._machine.other_facts if is_other or lies.swapped == "after-open" else self._machine.facts

    def layout(self, area: Area) -> Iterator[Extent]:
        if area == "header":
            yield Extent(0, 0, self._machine.header_size)
            return
        for stream, data in self._machine.storage.seen.items():
            zone = self._machine.zone_size or max(len(data), 1)
            for begin in range(0, len(data), zone):
                yield Extent(stream, begin, min(zone, len(data) - begin))

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        with self._effect():
            self._fail_at(self._machine.lies.bad_reads, stream, offset, len(buffer))
            buffer[:] = self._machine.storage.seen[stream][offset : offset + len(buffer)]
            for sector, here in _sectors(offset, len(buffer)) if self._machine.lies.answers_old else ():
                if (stream, sector) in self._machine.lies.answers_old:
                    at = sector * SECTOR
                    buffer[here] = self._machine.storage.original[stream][at : at + len(buffer[here])]

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._hang(stream, offset, len(buffer))
        with self._effect(partly=lambda: self._land(stream, offset, buffer[: self._chance.randrange(len(buffer) + 1)])):
            self._machine.asked.append((stream, offset // SECTOR))
            self._fail_once(stream, offset, len(buffer))
            self._fail_at(self._machine.lies.bad_writes, stream, offset, len(buffer))
            self._check_order(offset, len(buffer))
            self._land(stream, offset, buffer)

    def _hang(self, stream: int, offset: int, length: int) -> None:
        for sector, _ in _sectors(offset, length) if self._machine.lies.hangs else ():
            if event := self._machine.lies.hangs.get((stream, sector)):
                event.wait()

    def _check_order(self, offset: int, length: int) -> None:
        """A zone takes its next bytes and no others."""
        if zone := self._machine.zone_size:
            begin = offset // zone * zone
            if self._machine.written_to.get(begin) != offset:
                raise MediumError("EIO", Extent(0, offset, length))
            self._machine.written_to[begin] = offset + length

    def _fail_once(self, stream: int, offset: int, length: int) -> None:
        once = self._machine.lies.fails_once
        found = {(stream, sector) for sector, _ in _sectors(offset, length)} & once if once else set()
        if found:
            once -= found
            raise MediumError("EIO", Extent(stream, offset, length))

    def _land(self, stream: int, offset: int, buffer: memoryview) -> None:
        storage = self._machine.storage
        if not self._machine.lies.drops_writes:
            storage.seen[stream][offset : offset + len(buffer)] = buffer
            sectors = range(offset // SECTOR, -(-(offset + len(buffer)) // SECTOR))
            storage.dirty.update((stream, sector) for sector in sectors)
            return
        for sector, here in _sectors(offset, len(buffer)):
            if (stream, sector) not in self._machine.lies.drops_writes:
                data = buffer[here]
                storage.seen[stream][sector * SECTOR : sector * SECTOR + len(data)] = data
                storage.dirty.add((stream, sector))

    def flush(self) -> None:
        with self._effect():
            self._flushes += 1
            if self._flushes == self._machine.lies.flush_fails_at:
                raise MediumError("EIO", Extent(0, 0, self._machine.size))
            if not self._machine.lies.flush_lies:
                self._machine.storage.flush()

    settle = flush

    def release(self) -> int:
        with self._effect():
            names, self._machine.names = self._machine.names, 0
            return names

    def key_state(self) -> KeyState:
        with self._effect():
            left = 2 if self._machine.lies.keeps_keys else self._machine.header_copies_left()
            return KeyState(left and 1, left, "a simulated opener", left == 0, 0, 0)

    def moved(self) -> tuple[Extent, ...]:
        return self._machine.lies.moved

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        """An engine's copy of everything is held as a whole; a hunt sees what the storage shows now."""
        with self._effect():
            number, now, machine = given.number, given.now(), self._machine
            match step:
                case Sample(names=names):
                    machine.sampled = (8, machine.names if names else 0)
                    given.keep(f"needles-{number}.jsonl", _labels(*machine.sampled))
                    return NeedlesRecord(number, *machine.sampled, now)
                case Withdraw():
                    return WithdrawalRecord(number, len(machine.sizes), len(machine.sizes), sum(machine.sizes), 5, now)
                case ScrubNames():
                    return NamesRecord(number, 1, 4096, True, now)
                case FillFree():
                    return FillRecord(number, 1 << 20, 0, True, now)
                case Hunt():
                    left = machine.storage.sectors_left()
                    hits = (Hits("contents", "carrier", left),) if left else ()
                    found = _finds(left)
                    if found:
                        given.keep(f"hunt-{number}.jsonl", found)
                    told = (*machine.sampled, ("plain",), machine.size, 0, hits, now, digest(found) if found else None)
                    return ResidueHunt(number, "made", *told)
                case ConfirmSurvivors():
                    same = digest(b"what had to survive")
                    return SurvivorsCheck(number, 1, 7, 7, same, same, "a simulated check", True, now)

    def advice(self) -> Advice:
        return Advice(is_sequential=self._machine.zone_size > 0)

    def temperature(self) -> int | None:
        return self._machine.temperature()

    def status(self) -> bytes:
        return self._machine.status

    def prepare(self, extent: Extent) -> None:
        with self._effect():
            self._fail_at(self._machine.lies.bad_resets, extent.stream, extent.offset, SECTOR)
            self._machine.written_to[extent.offset] = extent.offset

    def physical_extents(self) -> Iterable[bytes] | None:
        if self.place == "device":
            return None
        return (b'{"length":%d,"stream":%d}\n' % (e.length, e.stream) for e in self.layout("whole"))

    @contextmanager
    def _effect(self, partly: object = None) -> Iterator[None]:
        """One effect, unless the power fails during it or the device is gone."""
        if self._machine.lies.seconds:
            time.sleep(self._machine.lies.seconds)
        self._machine.lies.waits()
        with self._lock:
            if self._plug.is_pulled():
                if callable(partly):
                    partly()
                raise PowerCut
            lost_at = self._machine.lies.lost_at
            if lost_at is not None and self._plug.effects >= lost_at:
                raise Lost("target-lost", detail="ENODEV")
            yield

    def _fail_at(self, bad: dict[Place, str], stream: int, offset: int, length: int) -> None:
        for sector, _ in _sectors(offset, length) if bad else ():
            if error := bad.get((stream, sector)):
                raise MediumError(error, Extent(stream, offset, length))


def _labels(needles: int, names: int) -> bytes:
    """What evidence lists of so many samples."""
    told: list[dict[str, int | str]] = [{"sort": "contents", "stream": 0, "offset": 0, "length": 8}] * needles
    told += [{"sort": "names"}] * names
    return _lines({"label": f"{at:064x}", "number": at, **one} for at, one in enumerate(told))


def _finds(count: int) -> bytes:
    """What evidence lists of so many finds of the first sample."""
    find: dict[str, int | str] = {"device": 0, "form": "plain", "label": "0" * 64, "number": 0, "place": "carrier"}
    return _lines({**find, "position": at} for at in range(min(count, 10_000)))


def _lines(told: Iterable[Mapping[str, int | str]]) -> bytes:
    return b"".join(json.dumps(one, separators=(",", ":"), sort_keys=True).encode() + b"\n" for one in told)


def _sectors(offset: int, length: int) -> Iterator[tuple[int, slice]]:
    """Each sector of the range, and where its bytes lie in a buffer that begins at `offset`."""
    for begin in range(0, length, SECTOR):
        yield (offset + begin) // SECTOR, slice(begin, min(begin + SECTOR, length))


@dataclass(slots=True)
class Simulated:
    """One thing that can be destroyed, with what is wrong with it."""

    kind: Kind = "device"
    sizes: tuple[int, ...] = (65536,)
    header_size: int = 0
    media: Media = Media.MAGNETIC
    serial: str = "S1"
    lies: Lies = field(default_factory=Lies)
    obstacles: tuple[Obstacle, ...] = ()
    names: int = 0
    sampled: tuple[int, int] = (0, 0)
    """Contents and names that were sampled."""
    more: tuple[Fact, ...] = ()
    """Facts besides serial and size."""
    zone_size: int = 0
    """Bytes of a zone that takes writes in order only; 0 for a disk without zones."""
    written_to: dict[int, int] = field(default_factory=dict)
    """Where the next write of a zone must begin, by where the zone begins."""
    temperature: Callable[[], int | None] = lambda: None
    """Degrees Celsius now."""
    status: bytes = b""
    """What it answers about itself."""
    asked: list[Place] = field(default_factory=list)
    """First sector of each write that was tried, in order."""
    storage: Storage = field(init=False)

    def __post_init__(self) -> None:
        self.storage = Storage.holding(self.sizes, seed=len(self.sizes))
        if self.kind in ("files", "database"):
            self.names = len(self.sizes)

    @property
    def size(self) -> int:
        return sum(self.sizes)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return (Fact("serial", self.serial), Fact("size", str(self.size)), *self.more)

    @property
    def other_facts(self) -> tuple[Fact, ...]:
        return (Fact("serial", "another"), Fact("size", str(self.size)))

    def target(self) -> Target:
        return Target(
            kind=self.kind,
            location=f"/simulated/{self.serial}",
            facts=self.facts,
            unit=self.serial,
            media=self.media,
            size=self.size,
            header_size=self.header_size,
            sector_size=SECTOR,
            objects=len(self.sizes),
            obstacles=self.obstacles,
        )

    def header_copies_left(self) -> int:
        """A copy is there as long as any of its sectors is what it was."""
        half = self.header_size // 2
        copies = (slice(0, half), slice(half, self.header_size))
        now, before = self.storage.seen[0], self.storage.original[0]
        return sum(
            any(now[at : at + SECTOR] == before[at : at + SECTOR] for at in range(here.start, here.stop, SECTOR))
            for here in copies
        )

    def secrets_left(self) -> int:
        """Sectors on the medium that still hold what stood there before the run."""
        return sum(
            self.storage.durable[stream][at : at + SECTOR] == before[at : at + SECTOR]
            for stream, before in self.storage.original.items()
            for at in range(0, len(before), SECTOR)
        )


class SimulatedHost:
    """The machine: finds a carrier by its id, opens it, and counts every effect on its plug."""

    def __init__(self, carriers: dict[str, tuple[Simulated, ...]], plug: Plug | None = None) -> None:
        self.carriers = carriers
        self.plug = plug or Plug()
        self.opened = 0
        self.forgotten: list[str] = []

    def forget(self, carrier: Carrier) -> None:
        self.forgotten.append(carrier.id)

    def find(self, carrier: Carrier, selector: Selector | None) -> tuple[Target, ...]:
        return tuple(one.target() for one in self.carriers.get(carrier.id, ()))

    def list_targets(self, *, with_contents: bool = True) -> tuple[Target, ...]:
        return tuple(one.target() for found in self.carriers.values() for one in found)

    def describe(self) -> SurveyedMachine:
        return SurveyedMachine("arch-07", "6.1.0", vendor="Example", serial="CN-0117", asset_tag="ZC-2019-00400")

    @contextmanager
    def open(
        self, target: Target, carrier: Carrier, selector: Selector | None, resuming: bool
    ) -> Iterator[SimulatedWriter]:
        machine = next(one for one in self.carriers[carrier.id] if one.serial == target.unit)
        if machine.lies.swapped == "after-find":
            raise Refused(
                "identity-changed", where=target.location, fact="serial", found="another", expected=machine.serial
            )
        self.opened += 1
        yield SimulatedWriter(machine, self.plug)
