"""Which carriers go into one order: what shares a card stays together, and no order grows beyond its bounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent.matching import Pair
from certificates.envelope import MIB

MOST_CARRIERS, MOST_ASSETS = 256, 1024
"""Items that an order holds at most."""
MOST_BYTES = 5 * MIB // 8
"""Bytes of carriers and assets in one order: in base64, with everybody's signature, it stays below 1 MiB."""


@dataclass(frozen=True, slots=True)
class Part:
    """What must stay in one order: cards, and all drives that they are on."""

    assets: tuple[dict[str, Any], ...]
    carriers: tuple[dict[str, Any], ...]
    size: int


def groups(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, ...]]:
    """Yield the pairs that share cards, by card number."""
    leader: dict[str, str] = {}

    def lead(card: str) -> str:
        while leader.setdefault(card, card) != card:
            card = leader[card]
        return card

    for pair in pairs:
        first, *others = (lead(card.number) for card in pair.cards)
        for other in others:
            leader[lead(other)] = lead(first)
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: (pair.cards[0].number, pair.seen.drive.id)):
        groups[lead(pair.cards[0].number)].append(pair)
    yield from map(tuple, groups.values())


def pack(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Yield parts in lots that an order can hold, in their order."""
    lot: list[Part] = []
    for part in parts:
        if lot and not _fits([*lot, part]):
            yield lot
            lot = []
        lot.append(part)
    yield lot


def _fits(lot: Sequence[Part]) -> bool:
    carriers, assets = sum(len(part.carriers) for part in lot), sum(len(part.assets) for part in lot)
    return carriers <= MOST_CARRIERS and assets <= MOST_ASSETS and sum(part.size for part in lot) <= MOST_BYTES
