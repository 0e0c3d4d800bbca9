"""What a run draws once: keys, characters and places; and what each step writes, given what was drawn. Pure."""

from __future__ import annotations

from collections.abc import Callable

from certificates.statements import (
    Character,
    ComplementOf,
    ConstantByte,
    ConstantPattern,
    DrawnByte,
    Drew,
    Filling,
    FreshKeystream,
    KeystreamPattern,
    Pattern,
    RepeatedPattern,
    RepeatedWord,
)
from wipers.model import Overwrite, Plan

Entropy = Callable[[int], bytes]
"""Random bytes."""


def draw(plan: Plan, entropy: Entropy) -> Drew:
    """Return all that the plan's passes leave to chance: with it the plan replays to the same bytes."""
    keys = tuple(entropy(32).hex() for _ in _keystream_steps(plan))
    order = _draw_order(plan.shuffled, entropy) if plan.shuffled else None
    return Drew(keys, _draw_characters(plan, entropy) or None, order)


def pattern_of(plan: Plan, number: int, drew: Drew) -> Pattern:
    """Return what the overwrite step of that number writes, given what the run drew."""
    origin = _origin(plan, number, drew)
    step = plan.steps[origin]
    if not isinstance(step, Overwrite):
        raise TypeError(f"step {origin} of the plan writes nothing")
    match step.filling:
        case ConstantByte(byte=byte):
            return ConstantPattern(byte)
        case RepeatedWord(word=word):
            return RepeatedPattern(word)
        case DrawnByte(name=name):
            return ConstantPattern(_characters(drew)[name])
        case ComplementOf(name=name):
            return ConstantPattern(_complement(_characters(drew)[name]))
        case FreshKeystream():
            return KeystreamPattern(drew.keys[_keystream_steps(plan).index(origin)])


def _fillings(plan: Plan) -> tuple[tuple[int, Filling], ...]:
    """Return what each overwrite of the plan writes, by the step's number."""
    return tuple((number, step.filling) for number, step in enumerate(plan.steps) if isinstance(step, Overwrite))


def _keystream_steps(plan: Plan) -> tuple[int, ...]:
    """Return the numbers of the steps that need a key, in order."""
    return tuple(number for number, filling in _fillings(plan) if isinstance(filling, FreshKeystream))


def _origin(plan: Plan, number: int, drew: Drew) -> int:
    """Return the step whose filling is written at this place."""
    if not plan.shuffled or not drew.order or number not in plan.shuffled:
        return number
    return drew.order[plan.shuffled.index(number)]


def _draw_characters(plan: Plan, entropy: Entropy) -> tuple[Character, ...]:
    """Return a byte for each name, none of them (nor its complement) written by any other fixed pass of the plan.

    A read-back could not tell a last pass of one byte from an earlier pass of the same byte.
    """
    fillings = [filling for _, filling in _fillings(plan)]
    taken = {filling.byte for filling in fillings if isinstance(filling, ConstantByte)}
    drawn: dict[str, str] = {}
    for filling in fillings:
        if isinstance(filling, DrawnByte) and filling.name not in drawn:
            free = [byte for byte in _ALL_BYTES if byte not in taken and _complement(byte) not in taken]
            byte = free[_below(len(free), entropy)]
            drawn[filling.name] = byte
            taken |= {byte, _complement(byte)}
    return tuple(Character(name, byte) for name, byte in drawn.items())


_ALL_BYTES = tuple(f"{value:02x}" for value in range(256))


def _characters(drew: Drew) -> dict[str, str]:
    return {one.name: one.byte for one in drew.characters or ()}


def _complement(byte: str) -> str:
    return f"{int(byte, 16) ^ 0xFF:02x}"


def _draw_order(steps: tuple[int, ...], entropy: Entropy) -> tuple[int, ...]:
    """Return the steps in an order of which each is equally likely (Fisher and Yates)."""
    left = list(steps)
    return tuple(left.pop(_below(len(left), entropy)) for _ in steps)


def _below(count: int, entropy: Entropy) -> int:
    """Return a number from 0 to below `count`, each equally likely; `count` is at most 256."""
    # The uneven rest of the 256 values is thrown away: taking it too would favour the small numbers.
    while (value := entropy(1)[0]) >= 256 - 256 % count:
        pass
    return value % count
