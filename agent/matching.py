"""Which drives of the surveys go with which asset cards. Pure; what is not certain is listed, never guessed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from agent.cards import Card, key
from agent.surveying import NAMELESS, Read
from certificates.statements import DeviceIdentity, Finding, Grade, Level, Match, MatchedDrive, Noticed, SurveyedDrive

AHEAD = timedelta(minutes=5)
"""How far a host's clock may run ahead of the desk's."""
LOOK_ALIKES = str.maketrans({"O": "0", "Q": "0", "I": "1", "L": "1", "Z": "2", "S": "5", "G": "6", "B": "8"})
MARKS = str.maketrans("", "", "-_./")


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides whether a drive that goes with a card may stand in the order."""

    now: datetime
    """When."""
    oldest: timedelta
    """Age from which a survey no longer counts."""
    has_benches: bool = False
    """Whether the orders name hosts besides those that were surveyed."""
    takes_unverified: bool = False
    """Whether a survey counts for which nobody known here vouches."""
    fallback: str | None = None
    """What the order provides where a level cannot be reached; none: nothing."""
    pairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Drive, by serial number or id -> cards that a person put with it."""
    cards_left_out: Mapping[str, str] = field(default_factory=dict)
    """Card -> why it stays out."""
    drives_left_out: Mapping[str, str] = field(default_factory=dict)
    """Drive, by serial number or id -> why it stays out."""
    levels: Mapping[Grade, Level] = field(default_factory=lambda: dict.fromkeys(Grade, Level.CLEAR))
    """Minimum level for each grade, where a card names none."""
    asset: Mapping[str, Any] = field(default_factory=dict)
    """What a card's empty cells mean."""
    spoken_for: frozenset[str] = frozenset()
    """Cards, and ids of drives, that the order names by itself."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A drive in a survey."""

    drive: SurveyedDrive
    read: Read

    @property
    def serial(self) -> str:
        """What people know it by."""
        identity = self.drive.identity
        return identity.serial if isinstance(identity, DeviceIdentity) else str(identity.inode)

    @property
    def machine(self) -> str:
        """Name of the machine that it is in."""
        return name_of(self.read)


@dataclass(frozen=True, slots=True)
class Pair:
    """A drive, the cards that go with it, and what brought them together."""

    seen: Seen
    cards: tuple[Card, ...]
    by: Match
    level: Level
    """Minimum level: the highest among the cards."""

    def told(self, order: str | None) -> Iterator[MatchedDrive]:
        """Yield what approvers are told; `order` is the number of the order that names it."""
        for card in self.cards:
            drive = self.seen.drive.id
            yield MatchedDrive(card.number, drive, self.seen.serial, self.seen.machine, self.by, order)


@dataclass(frozen=True, slots=True)
class Matched:
    """All cards and drives, each accounted for."""

    ready: tuple[Pair, ...]
    """What may stand in an order."""
    stopped: tuple[Pair, ...]
    """What goes together and may not: `noticed` says why."""
    noticed: tuple[Noticed, ...]
    """Everything that approvers should know."""
    drives: int
    """Drives, each counted once."""


def name_of(read: Read) -> str:
    """Return how people call a surveyed machine."""
    machine = read.survey.machine
    return machine.name or machine.chassis_serial or machine.serial or read.path.name


def match(cards: Sequence[Card], reads: Iterable[Read], terms: Terms) -> Matched:
    """Return which drives go with which cards, the same whatever order they come in."""
    return _Desk(cards, reads, terms).match()


class _Desk:
    """Cards on one side, drives on the other, and what was noticed on the way."""

    def __init__(self, cards: Sequence[Card], reads: Iterable[Read], terms: Terms) -> None:
        self.terms = terms
        self.noticed: list[Noticed] = []
        self.stops = 0
        self.cards = tuple(card for card in sorted(cards, key=lambda card: card.number) if self._takes_card(card))
        self.reads = self._newest(reads)
        self.seen = self._drives()
        self.index = _Index(self.reads, self.seen)

    def match(self) -> Matched:
        """Return everything, each drive and card in one place."""
        claims = self._claims()
        pairs = [pair for seen in self.seen if (pair := self._pair(seen, claims[seen.drive.id])) is not None]
        sound = {id(read): self._is_sound(read) for read in self.reads}
        held = [(pair, self._may_stand(pair) and sound[id(pair.seen.read)]) for pair in pairs]
        return Matched(
            tuple(pair for pair, may in held if may),
            tuple(pair for pair, may in held if not may),
            tuple(sorted(self.noticed, key=_place)),
            len({drive.id for read in self.reads for drive in read.survey.drives}),
        )

    def _notice(
        self,
        finding: Finding,
        card: Card | None = None,
        seen: Seen | None = None,
        *,
        stops: bool = True,
        detail: str | None = None,
        **facts: str,
    ) -> None:
        """Note something about a card, a drive, or both."""
        if seen is not None:
            facts = {"drive": seen.drive.id, "serial": seen.serial, "machine": seen.machine} | facts
        number, row = (card.number, card.row) if card is not None else (None, None)
        self.noticed.append(Noticed(finding, stops, number, row, detail=detail, **facts))
        self.stops += stops

    def _takes_card(self, card: Card) -> bool:
        """Tell whether a card is to be matched: not one that is left out, or that the order names by itself."""
        reason = self.terms.cards_left_out.get(card.number)
        if reason is not None:
            self._notice("card-left-out", card, stops=False, detail=reason)
        return reason is None and card.number not in self.terms.spoken_for

    def _newest(self, reads: Iterable[Read]) -> tuple[Read, ...]:
        """Return the newest survey of each machine."""
        machines: dict[tuple[str, ...], list[Read]] = defaultdict(list)
        for read in {read.digest: read for read in reads}.values():
            machine = read.survey.machine
            known = (read.survey.host or "", machine.uuid or "", machine.serial or machine.chassis_serial or "")
            machines[known if any(known) else (read.digest,)].append(read)
        kept = []
        for found in machines.values():
            *older, newest = sorted(found, key=lambda read: (read.survey.made_at, read.digest))
            kept.append(newest)
            for read in older:
                self._notice("survey-superseded", stops=False, machine=name_of(read), detail=read.path.name)
        return tuple(sorted(kept, key=lambda read: read.digest))

    def _drives(self) -> tuple[Seen, ...]:
        """Return the drives that are in one machine only, and can be told from their neighbours."""
        places: dict[str, list[Seen]] = defaultdict(list)
        for read in self.reads:
            for drive in read.survey.drives:
                seen = Seen(drive, read)
                reason = next(filter(None, map(self.terms.drives_left_out.get, _names(seen))), None)
                if reason is not None:
                    self._notice("drive-left-out", None, seen, stops=False, detail=reason)
                elif NAMELESS in drive.obstacles:
                    self._notice("drive-without-identity", None, seen)
                elif drive.id not in self.terms.spoken_for:
                    places[drive.id].append(seen)
        for name, found in places.items():
            if len(found) > 1:
                machines = ", ".join(sorted(seen.machine for seen in found))
                self._notice("drive-in-two-surveys", drive=name, serial=found[0].serial, detail=machines)
        alone = (found[0] for found in places.values() if len(found) == 1)
        return tuple(sorted(alone, key=lambda seen: seen.drive.id))

    def _claims(self) -> dict[str, list[tuple[Match, Card]]]:
        """Return drive -> the cards that go with it; what a person or a drive's own number says comes first."""
        claims: dict[str, list[tuple[Match, Card]]] = defaultdict(list)
        of_machines: list[tuple[Match, Card, Read]] = []
        by_hand = {card for cards in self.terms.pairs.values() for card in cards}
        numbered = {card.number: card for card in self.cards}
        for seen in self.seen:
            named = {card for name in _names(seen) for card in self.terms.pairs.get(name, ())}
            claims[seen.drive.id] += [("by-hand", numbered[one]) for one in sorted(named) if one in numbered]
        for card in self.cards:
            if card.number not in by_hand:
                self._claim(card, claims, of_machines)
        taken = {drive for drive, found in claims.items() if found}
        for by, card, read in of_machines:
            free = [drive.id for drive in read.survey.drives if drive.id in claims and drive.id not in taken]
            for drive in free:
                claims[drive].append((by, card))
            if not free:
                self._notice("card-unmatched", card, machine=name_of(read))
        self._unmatched_by_hand(by_hand, claims, numbered)
        return claims

    def _unmatched_by_hand(
        self, by_hand: set[str], claims: Mapping[str, list[tuple[Match, Card]]], numbered: Mapping[str, Card]
    ) -> None:
        put = {card.number for found in claims.values() for by, card in found if by == "by-hand"}
        for number in sorted(by_hand - put):
            if number in numbered:
                self._notice("card-unmatched", numbered[number])

    def _claim(
        self, card: Card, claims: dict[str, list[tuple[Match, Card]]], of_machines: list[tuple[Match, Card, Read]]
    ) -> None:
        """Note which drives go with a card, or that it is not certain."""
        found = self.index.look_up(card)
        if found.doubt:
            self._notice("card-ambiguous", card, detail="; ".join(found.doubt)[:2000])
            return
        for serial in found.missing:
            self._notice("card-unmatched", card, serial=serial, detail=self.index.near(serial))
        for seen in found.drives:
            claims[seen.drive.id].append(("drive-serial", card))
        if found.drives or found.missing:
            # A number that names nothing may be that of a drive that is gone: the machine's others are not it.
            return
        if found.machine is not None:
            of_machines.append((found.by, card, found.machine))
        else:
            self._notice("card-unmatched", card)

    def _pair(self, seen: Seen, claims: list[tuple[Match, Card]]) -> Pair | None:
        """Return a drive with its cards; several cards only where a person put them there."""
        if not claims:
            self._notice("drive-unmatched", None, seen)
            return None
        by_hand = [card for by, card in claims if by == "by-hand"]
        if by_hand:
            for by, card in claims:
                if by != "by-hand":
                    self._notice("drive-ambiguous", card, drive=seen.drive.id, serial=seen.serial)
            return self._paired(seen, tuple(by_hand), "by-hand")
        if len(claims) > 1:
            for _, card in claims:
                self._notice("drive-ambiguous", card, seen)
            return None
        ((by, card),) = claims
        return self._paired(seen, (card,), by)

    def _paired(self, seen: Seen, cards: tuple[Card, ...], by: Match) -> Pair:
        return Pair(seen, cards, by, max(map(self._level, cards), key=lambda level: level.rank))

    def _level(self, card: Card) -> Level:
        """Return the level that a card asks for; of a card without a grade, what the highest grade would."""
        given = {**self.terms.asset, **card.facts}
        return Level(given.get("level") or self.terms.levels[Grade(given.get("grade", "core"))])

    def _is_sound(self, read: Read) -> bool:
        """Tell whether a survey counts: fresh, and vouched for by a host known here."""
        age = self.terms.now - read.survey.made_at
        is_fresh = -AHEAD <= age <= self.terms.oldest
        if not is_fresh:
            self._notice("survey-stale", machine=name_of(read), detail=f"{read.survey.made_at:%Y-%m-%d %H:%M}Z")
        if read.doubt is not None:
            stops = not self.terms.takes_unverified
            self._notice("survey-unverified", stops=stops, machine=name_of(read), detail=read.doubt)
        return is_fresh and (read.doubt is None or self.terms.takes_unverified)

    def _may_stand(self, pair: Pair) -> bool:
        """Tell whether a drive may stand in an order, having noted why not, and what else approvers should know."""
        before = self.stops
        seen, drive = pair.seen, pair.seen.drive
        for card in pair.cards:
            secrecy = card.facts.get("secrecy", self.terms.asset.get("secrecy", "none"))
            if secrecy != "none":
                self._notice("secrecy", card, seen, detail=str(secrecy))
        if drive.reaches is None or drive.reaches.rank < pair.level.rank:
            detail = f"{pair.level.value} > {drive.reaches.value if drive.reaches else '-'}"
            fallback = f"; {self.terms.fallback}" if self.terms.fallback else ""
            self._notice("level-unreachable", None, seen, stops=not fallback, detail=detail + fallback)
        if "system-disk" in drive.obstacles:
            self._notice("system-disk", None, seen, stops=not self.terms.has_benches)
        elif drive.obstacles:
            self._notice("in-use", None, seen, stops=False, detail=", ".join(drive.obstacles))
        if seen.read.doubt in ("unsigned", "unknown-host") and not self.terms.has_benches:
            self._notice("no-host", None, seen)
        return self.stops == before


@dataclass(frozen=True, slots=True)
class _Found:
    """What a card's numbers lead to."""

    drives: tuple[Seen, ...] = ()
    machine: Read | None = None
    by: Match = "chassis-serial"
    missing: tuple[str, ...] = ()
    doubt: tuple[str, ...] = ()


class _Index:
    """Drives and machines by their numbers, as `key` writes them."""

    def __init__(self, reads: Sequence[Read], seen: Sequence[Seen]) -> None:
        self.drives: dict[str, list[Seen]] = defaultdict(list)
        self.machines: dict[str, list[Read]] = defaultdict(list)
        self.tags: dict[str, list[Read]] = defaultdict(list)
        self._alike: dict[str, list[str]] = defaultdict(list)
        for one in seen:
            identity = one.drive.identity
            names = (identity.serial, identity.wwn or "") if isinstance(identity, DeviceIdentity) else ()
            for name in dict.fromkeys(filter(None, map(key, names))):
                self.drives[name].append(one)
                self._alike[_alike(name)].append(one.serial)
        for read in reads:
            machine = read.survey.machine
            for name in dict.fromkeys(key(text) for text in (machine.chassis_serial, machine.serial) if text):
                self.machines[name].append(read)
                self._alike[_alike(name)].append(name)
            if machine.asset_tag:
                self.tags[key(machine.asset_tag)].append(read)

    def near(self, serial: str) -> str | None:
        """Return numbers that differ from this one only in letters that look alike, for a person to look at."""
        found = sorted(set(self._alike.get(_alike(key(serial)), ())))
        return f"{serial} ≈ {', '.join(found)}"[:2000] if found else None

    def look_up(self, card: Card) -> _Found:
        """Return the drives that a card's serial numbers name, else the machine that its numbers name."""
        found = _Found()
        for serial in card.serials:
            found = self._serial(found, serial)
        if card.chassis is not None:
            found = _with_machine(found, card.chassis, self.machines.get(key(card.chassis), []), "chassis-serial")
        if card.asset_tag is not None:
            found = _with_machine(found, card.asset_tag, self.tags.get(key(card.asset_tag), []), "asset-tag")
        strays = [one for one in found.drives if found.machine is not None and one.read is not found.machine]
        doubt = tuple(f"{one.serial} → {one.machine} ≠ {name_of(found.machine)}" for one in strays if found.machine)
        return replace(found, doubt=found.doubt + doubt)

    def _serial(self, found: _Found, serial: str) -> _Found:
        drives, machines = self.drives.get(key(serial), []), self.machines.get(key(serial), [])
        if len(drives) + len(machines) > 1:
            candidates = [f"{one.drive.id} ({one.machine})" for one in drives] + [name_of(one) for one in machines]
            return replace(found, doubt=(*found.doubt, f"{serial} → {', '.join(sorted(candidates))}"))
        if drives:
            return replace(found, drives=(*found.drives, *drives))
        if machines:
            return _with_machine(found, serial, machines, "chassis-serial")
        return replace(found, missing=(*found.missing, serial))


def _with_machine(found: _Found, text: str, machines: list[Read], by: Match) -> _Found:
    """Return the find with the machine that a number names; a number that names none says nothing, for not every
    chassis carries what the books call it."""
    if len(machines) > 1 or (machines and found.machine not in (None, machines[0])):
        others = [found.machine] if found.machine is not None else []
        names = sorted({name_of(one) for one in (*machines, *others)})
        return replace(found, doubt=(*found.doubt, f"{text} → {', '.join(names)}"))
    if not machines or found.machine is not None:
        return found
    return replace(found, machine=machines[0], by=by)


def _alike(name: str) -> str:
    return name.translate(MARKS).translate(LOOK_ALIKES)


def _names(seen: Seen) -> tuple[str, ...]:
    """Return what a person may call a drive by: its id, or its serial number in one spelling."""
    return (seen.drive.id, key(seen.serial))


def _place(one: Noticed) -> tuple[bool, str, str, str, str, str]:
    return (not one.stops, one.finding, one.machine or "", one.card or "", one.serial or "", one.detail or "")
