"""An order, or several, from asset cards and surveys: what surveys cannot know stands in the TOML file."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.cards import Card, CardList, key
from agent.drafting import Draft, Means, finish, prepare
from agent.forms import Form
from agent.from_survey import AssetDefaults, Settings, read_settings
from agent.matching import Matched, Pair, Terms, match
from agent.packing import MOST_ASSETS, MOST_CARRIERS, Part, groups, pack
from agent.surveying import Read, drive_id
from certificates.encoding import canonical, digest, encode, read_field
from certificates.envelope import MIB
from certificates.errors import Refused, Untrusted
from certificates.statements import (
    DeviceIdentity,
    DraftedOrder,
    Grade,
    Id,
    ImageIdentity,
    Level,
    Matching,
    Order,
    Selector,
)

REQUIRED = ("name", "code", "grade", "personal_information", "secrecy", "book_value")


@dataclass(frozen=True, slots=True)
class Stock:
    """What a draft is filled from besides its TOML file."""

    cards: CardList
    cards_file: Path
    reads: tuple[Read, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """The orders, and how cards and drives came together."""

    drafts: tuple[Draft, ...]
    """Orders that nobody has signed; none where the draft is refused."""
    matching: Matching
    """What approvers are told."""
    refusal: Refused | None
    """Why there is no order."""


def take_stock(path: Path, means: Means, stock: Stock, *, is_partial: bool, is_split: bool) -> Taken:
    """Return the orders for what goes together; raises Refused for faults in the files and for too large an order.

    What stops a card or drive stops the draft, unless it is partial: then that card or drive is left out. Only a split
    draft becomes several orders.
    """
    form = Form(path)
    settings = read_settings(form, means)
    selectors = prepare(form, means)
    form.tree.setdefault("assets", [])
    form.tree.setdefault("carriers", [])
    form.look_over(form.tree, Order, frozenset({"assets", "carriers"}))
    if settings is None:
        form.check()
        raise AssertionError("a table without settings has faults")
    clerk = _Clerk(form, settings, stock)
    matched = match(stock.cards.cards, stock.reads, clerk.terms())
    stopping = sum(one.stops for one in matched.noticed)
    clerk.check_cards((*matched.ready, *matched.stopped))
    form.check()
    if not matched.ready or (stopping and not is_partial):
        reason = "matching-incomplete" if stopping else "matching-empty"
        return Taken((), _told(stock, matched, ()), Refused(reason, stopping=stopping))
    drafts = _drafts(clerk, matched.ready, selectors, is_split=is_split)
    return Taken(drafts, _told(stock, matched, drafts), None)


def _told(stock: Stock, matched: Matched, drafts: tuple[Draft, ...]) -> Matching:
    orders = {carrier.id: draft.order.id for draft in drafts for carrier in draft.order.carriers}
    pairs = sorted((*matched.ready, *matched.stopped), key=lambda pair: (pair.cards[0].number, pair.seen.drive.id))
    return Matching(
        made_at=stock.now,
        cards_file=stock.cards.digest,
        cards=len(stock.cards.cards),
        ignored_columns=stock.cards.ignored,
        surveys=tuple(sorted({read.digest for read in stock.reads})),
        drives=matched.drives,
        orders=tuple(DraftedOrder(one.order.id, digest(one.payload), len(one.order.carriers)) for one in drafts),
        matched=tuple(told for pair in pairs for told in pair.told(orders.get(pair.seen.drive.id))),
        noticed=matched.noticed,
    )


class _Clerk:
    """Turns pairs into the assets and carriers of an order, by the settings of the file."""

    def __init__(self, form: Form, settings: Settings, stock: Stock) -> None:
        self.form = form
        self._settings = settings
        self._stock = stock
        self._defaults = _wire(settings.asset)
        self._verification = _wire(settings.verification)
        self._otherwise = _wire(settings.otherwise) if settings.otherwise else None
        self._numbered = {card.number: card for card in stock.cards.cards}
        known = {drive.id: drive.identity for read in stock.reads for drive in read.survey.drives}
        self._drives = frozenset(known)
        self._serials = {key(one.serial) for one in known.values() if isinstance(one, DeviceIdentity)} - {""}

    def terms(self) -> Terms:
        """Return what decides over each drive; names that are in no list or survey are noted as faults."""
        settings = self._settings
        pairs: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for number, one in enumerate(settings.by_hand, start=1):
            pairs[self._drive(one.drive, f"from_survey.by_hand[{number}].drive")] += one.cards
            for card in one.cards:
                self._check_card(card, f"from_survey.by_hand[{number}].cards")
        cards, drives = self._left_out()
        return Terms(
            now=self._stock.now,
            oldest=settings.oldest_age,
            has_benches=bool(settings.hosts),
            takes_unverified=settings.accept_unverified,
            fallback=settings.otherwise.action if settings.otherwise else None,
            pairs=pairs,
            cards_left_out=cards,
            drives_left_out=drives,
            levels={grade: Level(getattr(settings.levels, grade.value)) for grade in Grade},
            asset=self._defaults,
            spoken_for=frozenset(self._spoken_for()),
        )

    def _left_out(self) -> tuple[dict[str, str], dict[str, str]]:
        cards: dict[str, str] = {}
        drives: dict[str, str] = {}
        for number, one in enumerate(self._settings.leave_out, start=1):
            where = f"from_survey.leave_out[{number}]"
            if (one.card is None) == (one.drive is None):
                self.form.fault(where, "must name a card or a drive, and not both")
            if one.card is not None:
                self._check_card(one.card, where + ".card")
                cards[one.card] = one.reason
            if one.drive is not None:
                drives[self._drive(one.drive, where + ".drive")] = one.reason
        return cards, drives

    def _check_card(self, card: str, where: str) -> None:
        if card not in self._numbered:
            self.form.fault(where, f"names {card}, which is not in {self._stock.cards_file.name}")

    def _drive(self, name: str, where: str) -> str:
        """Return how `matching` calls a drive that a person named by serial number or id."""
        if name in self._drives:
            return name
        if key(name) not in self._serials:
            self.form.fault(where, f"names {name}, which is neither serial number nor id of a drive in the surveys")
        return key(name)

    def _spoken_for(self) -> Iterator[str]:
        """Yield the cards, and the drives' ids, that the order names by itself; its cards may stand in the list."""
        own = {table.get("card") for table, _ in self.form.tables(self.form.tree, "assets")}
        for table, where in self.form.tables(self.form.tree, "carriers"):
            named = table.get("assets", [])
            for card in named if isinstance(named, list) else []:
                if card in self._numbered and card not in own:
                    own.add(card)
                    self._check_full(self._numbered[card])
                    self.form.tree["assets"].append(self.asset(self._numbered[card]))
            identity = table.get("identity")
            kinds: dict[str, type[DeviceIdentity | ImageIdentity]] = {"device": DeviceIdentity, "image": ImageIdentity}
            kind = kinds.get(str(identity.get("kind"))) if isinstance(identity, dict) else None
            found = self.form.read(identity, kind, f"{where}.identity") if kind is not None else None
            if found is not None:
                yield drive_id(found)
        yield from (card for card in own if isinstance(card, str))

    def check_cards(self, pairs: Iterable[Pair]) -> None:
        """Note what is missing on the cards that go with a drive."""
        for card in {card.number: card for pair in pairs for card in pair.cards}.values():
            self._check_full(card)

    def _check_full(self, card: Card) -> None:
        given = self._defaults | card.facts
        for name in REQUIRED:
            if name not in given:
                also = f", or set from_survey.asset.{name}" if name in AssetDefaults.__dataclass_fields__ else ""
                at = f"{self._stock.cards_file.name} line {card.row} (card {card.number})"
                self.form.fault(at, f"has no {name}: fill the cell{also}")

    def asset(self, card: Card) -> dict[str, Any]:
        """Return a card as a data asset, in its wire form."""
        facts = {name: value for name, value in card.facts.items() if name not in ("level", "destination")}
        fixed = {
            "card": card.number,
            "secrecy_declared_by": self._settings.secrecy_declared_by,
        }
        return self._defaults | facts | fixed

    def carrier(self, pair: Pair, level: Level, label: str) -> dict[str, Any]:
        """Return a drive as a carrier, in its wire form."""
        settings, seen = self._settings, pair.seen
        machine = seen.read.survey.machine
        wanted = {card.facts.get("destination", settings.destination) for card in pair.cards}
        if len(wanted) > 1:
            self.form.fault(f"carrier {seen.drive.id}", f"has cards that go to {', '.join(sorted(wanted))}")
        chassis = {"serial": machine.chassis_serial or machine.serial, "asset_tag": machine.asset_tag}
        may_be = {
            "technique": settings.technique,
            "policy": settings.policy,
            "card": pair.cards[0].number if pair.by == "drive-serial" else None,
            "chassis": {name: value for name, value in chassis.items() if value} or None,
            "otherwise": self._otherwise,
        }
        return {
            "id": seen.drive.id,
            "label": label,
            "assets": [card.number for card in pair.cards],
            "identity": _wire(seen.drive.identity),
            "hosts": list(dict.fromkeys((*_own_host(seen.read), *settings.hosts))),
            "level": level.value,
            "verification": self._verification,
            "destination": min(wanted),
        } | {name: value for name, value in may_be.items() if value is not None}


def _wire(statement: object) -> dict[str, Any]:
    """Return the wire form of a statement as a tree."""
    tree: dict[str, Any] = json.loads(encode(statement))
    return tree


def _own_host(read: Read) -> tuple[str, ...]:
    """Return the host that was surveyed, where an order may name it."""
    return (read.survey.host,) if read.survey.host is not None and read.doubt != "unknown-host" else ()


def _drafts(
    clerk: _Clerk, pairs: Sequence[Pair], selectors: tuple[Selector, ...], *, is_split: bool
) -> tuple[Draft, ...]:
    """Return the orders, the first with what the file itself names; raises Refused where one is too large."""
    form = clerk.form
    own = Part(tuple(form.tree["assets"]), tuple(form.tree["carriers"]), 0)
    parts = [own, *(_part(clerk, group) for group in groups(pairs))]
    form.check()
    packed = list(pack(parts)) if is_split else [parts]
    drafts = []
    for number, inside in enumerate(packed, start=1):
        tree = dict(form.tree)
        tree["assets"] = [asset for part in inside for asset in part.assets]
        tree["carriers"] = [carrier for part in inside for carrier in part.carriers]
        if len(packed) > 1:
            tree["id"] = f"{tree.get('id')}-{number:03}"
        _check_room(tree)
        drafts.append(finish(form, tree, selectors if number == 1 else ()))
        _check_size(drafts[-1])
    return tuple(drafts)


def _part(clerk: _Clerk, group: tuple[Pair, ...]) -> Part:
    cards = {card.number: card for pair in group for card in pair.cards}
    drives = Counter(card.number for pair in group for card in pair.cards)
    assets = tuple(clerk.asset(card) for card in cards.values())
    carriers = tuple(clerk.carrier(pair, pair.level, _label(pair, drives)) for pair in group)
    return Part(assets, carriers, sum(len(canonical(one)) for one in (*assets, *carriers)))


def _label(pair: Pair, drives: Counter[str]) -> str:
    """Return what stands on the object: the card's label where it has one drive, else the drive's serial number."""
    (first, *others) = pair.cards
    is_alone = not others and drives[first.number] == 1
    if is_alone and first.label is not None:
        return first.label
    identity = pair.seen.drive.identity
    serial = identity.serial if isinstance(identity, DeviceIdentity) else first.number if is_alone else ""
    try:
        return str(read_field(serial, Id, "label"))
    except Untrusted:
        return first.number if is_alone else pair.seen.drive.id


def _check_room(tree: dict[str, Any]) -> None:
    carriers, assets = len(tree["carriers"]), len(tree["assets"])
    if carriers > MOST_CARRIERS or assets > MOST_ASSETS:
        raise Refused(
            "order-too-large", carriers=carriers, assets=assets, most_carriers=MOST_CARRIERS, most_assets=MOST_ASSETS
        )


def _check_size(made: Draft) -> None:
    """Refuse an order that nobody could read once everybody has signed it."""
    size = len(made.envelope) + 256 * len(made.order.persons)
    if size > MIB:
        raise Refused("document-too-large", size=size, most=MIB)
