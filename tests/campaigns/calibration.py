"""Simulated devices with residue of the size that a sample claims to find: found at least as often as is claimed.

Block numbers alone: no device, no bytes. The positions are the product's own; where the residue lies is drawn apart
from them. Of every case four shapes are tried: anywhere (`scattered`), the same number in every section (`even`, the
worst for a stratified sample), one run (`contiguous`), and packed into as few sections as hold it (`packed`).
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import comb

from certificates.sampling import bad_blocks, miss, spread_size, strata_of, stratified_positions

FULL = 10_000
SLICE = 40
NEEDS_ROOT = False
CHANCE = Decimal("1e-6")
"""How likely a sound sampler may fail one comparison; some forty are made."""


@dataclass(frozen=True)
class Case:
    """What is claimed, on how many blocks."""

    blocks: int
    confidence_ppm: int
    fraction_ppm: int

    @property
    def bad(self) -> int:
        """The least residue that the claim speaks of."""
        return bad_blocks(self.blocks, self.fraction_ppm)

    @property
    def claimed(self) -> Decimal:
        return Decimal(self.confidence_ppm) / 1_000_000

    @property
    def sections(self) -> list[range]:
        count = strata_of(self.blocks)
        return [range(number * self.blocks // count, (number + 1) * self.blocks // count) for number in range(count)]

    def positions(self, chance: random.Random) -> tuple[int, ...]:
        seed = chance.randbytes(32)
        wanted = (self.confidence_ppm, self.fraction_ppm)
        return stratified_positions(seed, self.blocks, strata_of(self.blocks), *wanted)

    def __str__(self) -> str:
        return f"{self.blocks:,} blocks, C {self.confidence_ppm / 1e4:g} %, p {self.fraction_ppm / 1e4:g} %"


CASES = (
    Case(1_000_003, 950_000, 10_000),
    Case(1_000_003, 950_000, 1_000),
    Case(1_000_003, 990_000, 1_000),
    Case(1_000_003, 950_000, 500),
    Case(6_145, 990_000, 5_000),
)


def scattered(case: Case, chance: random.Random) -> Iterator[int]:
    """Anywhere."""
    yield from chance.sample(range(case.blocks), case.bad)


def even(case: Case, chance: random.Random) -> Iterator[int]:
    """The same number in every section, give or take one: each section alone shows as little as can be."""
    sections = case.sections
    chance.shuffle(sections)
    for number, section in enumerate(sections):
        here = (number + 1) * case.bad // len(sections) - number * case.bad // len(sections)
        yield from chance.sample(section, here)


def packed(case: Case, chance: random.Random) -> Iterator[int]:
    """In one section, or in neighbours as few as hold it."""
    sections = case.sections
    count = -(-case.bad // len(sections[0]))
    first = chance.randrange(len(sections) - count + 1)
    yield from chance.sample(range(sections[first].start, sections[first + count - 1].stop), case.bad)


def finds_run(case: Case, positions: Sequence[int], chance: random.Random) -> bool:
    """Whether one run of residue, beginning anywhere, holds a position."""
    begin = chance.randrange(case.blocks - case.bad + 1)
    at = bisect_left(positions, begin)
    return at < len(positions) and positions[at] < begin + case.bad


def _finds(place: Callable[[Case, random.Random], Iterator[int]]) -> Callable[..., bool]:
    def finds(case: Case, positions: Sequence[int], chance: random.Random) -> bool:
        return not set(positions).isdisjoint(place(case, chance))

    return finds


SHAPES: dict[str, Callable[[Case, Sequence[int], random.Random], bool]] = {
    "scattered": _finds(scattered),
    "even": _finds(even),
    "contiguous": finds_run,
    "packed": _finds(packed),
}


@dataclass(frozen=True)
class Row:
    """How often residue of one shape was found."""

    case: Case
    shape: str
    found: int
    trials: int

    @property
    def least(self) -> Decimal:
        """Clopper-Pearson: with 99 % confidence the true probability is at least this."""
        return lower_bound(self.found, self.trials, Decimal("0.01"))


def measure(case: Case, seed: int, trials: int) -> list[Row]:
    """Every shape on so many devices, each with positions of its own."""
    chance = random.Random(f"{seed} {case}")
    found = dict.fromkeys(SHAPES, 0)
    for _ in range(trials):
        positions = case.positions(chance)
        for shape, finds in SHAPES.items():
            found[shape] += finds(case, positions, chance)
    return [Row(case, shape, count, trials) for shape, count in found.items()]


def check(row: Row) -> None:
    """Found as often as is claimed, and, where that is known exactly, as often as it must be."""
    says = f"{row.case}, {row.shape}: {row.found} of {row.trials} found"
    assert at_most(row.found, row.trials, row.case.claimed) >= CHANCE, f"{says}, too few"
    if row.shape in EXACT:
        truth = EXACT[row.shape](row.case)
        assert at_most(row.found, row.trials, truth) >= CHANCE, f"{says}, too few for {truth:.6f}"
        assert at_most(row.trials - row.found, row.trials, 1 - truth) >= CHANCE, f"{says}, too many for {truth:.6f}"


def run(seed: int, trials: int) -> str:
    """Every case and shape."""
    rows = [row for case in CASES for row in measure(case, seed, trials)]
    for row in rows:
        check(row)
    nearest = min(rows, key=lambda row: Decimal(row.found) / row.trials - row.case.claimed)
    return (
        f"{len(CASES)} claims, {len(SHAPES)} shapes of residue, each at least as often found as claimed; nearest: "
        f"{nearest.case}, {nearest.shape}, {100 * nearest.found / nearest.trials:.2f} % found"
    )


def table(rows: Sequence[Row]) -> str:
    """The figures of docs/sampling.md."""
    lines = ["| claim | shape | found | by 99 % bound at least | exact |", "|---|---|---|---|---|"]
    for row in rows:
        truth = f"{100 * EXACT[row.shape](row.case):.3f} %" if row.shape in EXACT else ""
        share = f"{100 * row.found / row.trials:.2f} %"
        lines.append(f"| {row.case} | {row.shape} | {share} | {100 * row.least:.2f} % | {truth} |")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------- exact figures


def exactly_scattered(case: Case) -> Decimal:
    return 1 - miss(case.blocks, case.bad, len(case.positions(random.Random(0))))


def exactly_even(case: Case) -> Decimal:
    """Sections differ by a block at most; some, drawn at random, have one bad block more than the others."""
    size, few = spread_size(case.blocks, case.confidence_ppm, case.fraction_ppm), case.bad // len(case.sections)
    lengths = Counter(len(section) for section in case.sections)
    each = [(number, length, -(-size * length // case.blocks)) for length, number in sorted(lengths.items())]
    missed = [(number, miss(length, few, read), miss(length, few + 1, read)) for number, length, read in each]
    (short, few_short, more_short), (long, few_long, more_long) = [*missed, (0, Decimal(1), Decimal(1))][:2]
    more, total = case.bad % len(case.sections), Decimal(0)
    for in_long in range(max(more - short, 0), min(long, more) + 1):
        ways = Decimal(comb(long, in_long) * comb(short, more - in_long)) / comb(short + long, more)
        of_long = more_long**in_long * few_long ** (long - in_long)
        total += ways * of_long * more_short ** (more - in_long) * few_short ** (short - more + in_long)
    return 1 - total


EXACT: dict[str, Callable[[Case], Decimal]] = {"scattered": exactly_scattered, "even": exactly_even}


# ------------------------------------------------------------------------------------------------ binomial bounds


def at_most(count: int, trials: int, probability: Decimal) -> Decimal:
    """The chance of at most so many successes, to 50 digits."""
    if probability >= 1:
        return Decimal(count >= trials)
    with localcontext(prec=50):
        term = (1 - probability) ** trials
        total, odds = term, probability / (1 - probability)
        for done in range(count):
            term = term * (trials - done) / (done + 1) * odds
            total += term
        return total


def lower_bound(count: int, trials: int, doubt: Decimal) -> Decimal:
    """The least probability under which as many successes or more would have at least that chance (Clopper-Pearson)."""
    if count == 0:
        return Decimal(0)
    low, high = Decimal(0), Decimal(count) / trials
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(trials - count, trials, 1 - middle) < doubt else (low, middle)
    return low
