"""How many blocks a sample needs, and which: the arithmetic that a run follows and an auditor redoes.

N blocks, D of them bad, n read without replacement, all of them clean: the chance of that is hypergeometric,

    miss(N, D, n) = C(N - D, n) / C(N, n)

and n is enough to find a fraction p with confidence C when miss(N, D, n) <= 1 - C for D = p * N rounded up. Everything
is computed in decimal numbers of fixed precision, rounded towards the larger sample: every machine finds the same n.

A stratified sample cuts the N blocks into strata and reads n_h of the N_h blocks of each, n_h = n * N_h / N rounded up.
Strata are drawn from independently, so the n above is not enough: bad blocks spread evenly over the strata are missed
a little more often than by one draw from all (4 blocks, 2 strata, n = 2, one bad block in each: 1/4 against 1/6). Hence
n is here the least with (1 - n/N)^D <= 1 - C, which is never less than the hypergeometric one. With D_h bad blocks in
stratum h, wherever they lie,

    miss_h = (1 - n_h/N_h) * (1 - n_h/(N_h - 1)) * ... * (1 - n_h/(N_h - D_h + 1)) <= (1 - n/N)^D_h

since n_h/(N_h - i) >= n_h/N_h >= n/N, and the product over all strata is at most (1 - n/N)^D <= 1 - C: the confidence
holds for every way in which the bad blocks may lie.
"""

from __future__ import annotations

import decimal
import hashlib
from collections.abc import Iterator
from decimal import Decimal

BLOCK_SIZE = 4096
"""Bytes of a sampled block; the last of an area may be shorter."""
MILLION = 1_000_000
STRATA = 1000
"""Sections of equal size from each of which a stratified sample reads; one a block where there are fewer blocks."""
_CONTEXT = decimal.Context(prec=50, rounding=decimal.ROUND_CEILING, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
_DOUBT = Decimal("1e-40")
"""More than the digits that logarithm and exponential round away."""
_MOST_FACTORS = 200_000
"""Above so many factors the exact product is left for the bound (1 - p)^n, which asks for more samples, never fewer."""


def blocks_of(size: int) -> int:
    """Return how many blocks an area of `size` bytes has, the shorter last one included."""
    return -(-size // BLOCK_SIZE)


def sample_size(blocks: int, confidence_ppm: int, fraction_ppm: int) -> int:
    """Return the fewest distinct blocks that find a bad fraction with the confidence, both in parts per million."""
    return samples_to_find(blocks, bad_blocks(blocks, fraction_ppm), confidence_ppm)


def bad_blocks(blocks: int, fraction_ppm: int) -> int:
    """Return how many blocks a fraction in parts per million is, rounded up, and never none."""
    return max(-(-blocks * min(fraction_ppm, MILLION) // MILLION), 1)


def samples_to_find(blocks: int, bad: int, confidence_ppm: int) -> int:
    """Return the fewest distinct blocks among which at least one of `bad` bad ones is, with the confidence."""
    allowed = Decimal(MILLION - confidence_ppm) / MILLION
    if blocks <= 0 or allowed >= 1:
        return min(max(blocks, 0), 1)
    certain = blocks - bad + 1
    if allowed <= 0 or certain <= 1:
        return max(certain, 1)
    with decimal.localcontext(_CONTEXT):
        few = _least_by_samples(blocks, bad, allowed)
        return min(few or _least_by_bad(blocks, bad, allowed) or _least_by_bound(blocks, bad, allowed), certain)


def miss(blocks: int, bad: int, samples: int) -> Decimal:
    """Return the chance that a sample of distinct blocks holds none of the bad ones, rounded up."""
    if samples > blocks - bad:
        return Decimal(0)
    fewer, more = sorted((samples, bad))
    with decimal.localcontext(_CONTEXT):
        chance = Decimal(1)
        for taken in range(fewer):
            chance = chance * (blocks - more - taken) / (blocks - taken)
        return chance


def _least_by_samples(blocks: int, bad: int, allowed: Decimal) -> int | None:
    """Multiply one factor a sample until the miss is allowed; none when that takes too long."""
    chance = Decimal(1)
    for taken in range(min(_MOST_FACTORS, blocks - bad)):
        chance = chance * (blocks - bad - taken) / (blocks - taken)
        if chance <= allowed:
            return taken + 1
    return None


def _least_by_bad(blocks: int, bad: int, allowed: Decimal) -> int | None:
    """Search with one factor a bad block, between two bounds that lie a few samples apart; none when there are many."""
    if bad > _MOST_FACTORS:
        return None
    # ((N-n-D+1)/(N-D+1))^D <= miss <= ((N-n)/N)^D, solved for n.
    share = 1 - (allowed.ln() / bad).exp()
    low, high = max(int((blocks - bad + 1) * share) - 1, 0), min(int(blocks * share) + 1, blocks - bad + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if miss(blocks, bad, middle) <= allowed else (middle, high)
    return high


def _least_by_bound(blocks: int, bad: int, allowed: Decimal) -> int:
    """Return ln(1 - C) / ln(1 - p), enough also with replacement."""
    return int((allowed.ln() / (1 - Decimal(bad) / blocks).ln()).to_integral_value(decimal.ROUND_CEILING))


def spread_size(blocks: int, confidence_ppm: int, fraction_ppm: int) -> int:
    """Return the n of a stratified sample, before the rounding in each stratum: least with (1 - n/N)^D <= 1 - C.

    Where (1 - n/N)^D would be 1 - C exactly it may be one block more. Never more than N - D + 1, which leave no room.
    """
    bad = bad_blocks(blocks, fraction_ppm)
    allowed = Decimal(MILLION - confidence_ppm) / MILLION
    if blocks <= 0 or allowed >= 1:
        return min(max(blocks, 0), 1)
    certain = max(blocks - bad + 1, 1)
    if allowed <= 0:
        return certain
    with decimal.localcontext(_CONTEXT):
        share = 1 - (allowed.ln() / bad).exp() + _DOUBT
        return min(int((blocks * share).to_integral_value(decimal.ROUND_CEILING)), certain)


def strata_of(blocks: int) -> int:
    """Return into how many strata an area of so many blocks is cut."""
    return min(STRATA, blocks)


def stratified_size(blocks: int, strata: int, confidence_ppm: int, fraction_ppm: int) -> int:
    """Return how many distinct blocks a stratified sample reads in all."""
    size = spread_size(blocks, confidence_ppm, fraction_ppm)
    return sum(count for _, _, count in _strata(blocks, strata, size))


def stratified_positions(
    seed: bytes, blocks: int, strata: int, confidence_ppm: int, fraction_ppm: int
) -> tuple[int, ...]:
    """Return the blocks of a stratified sample, ascending, fixed by the seed.

    Stratum h has the blocks from h * N // H up to, not including, (h + 1) * N // H. In it lie `positions` of the seed
    SHA-256(seed || "stratum" || h as 8 bytes big-endian), counted from the stratum's first block.
    """
    size = spread_size(blocks, confidence_ppm, fraction_ppm)
    found: list[int] = []
    for number, (begin, length, count) in enumerate(_strata(blocks, strata, size)):
        own = hashlib.sha256(seed + b"stratum" + number.to_bytes(8, "big")).digest()
        found += (begin + position for position in positions(own, length, count))
    return tuple(found)


def _strata(blocks: int, strata: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield first block, number of blocks, and blocks to read of each stratum."""
    for number in range(strata):
        begin, end = number * blocks // strata, (number + 1) * blocks // strata
        yield begin, end - begin, -(-size * (end - begin) // blocks)


def seed_of(local: str, nonce: str | None) -> bytes:
    """Return the seed: SHA-256(local || nonce), or the local seed alone; both are 32 bytes in hex."""
    if nonce is None:
        return bytes.fromhex(local)
    return hashlib.sha256(bytes.fromhex(local) + bytes.fromhex(nonce)).digest()


def positions(seed: bytes, blocks: int, count: int) -> tuple[int, ...]:
    """Return `count` distinct block numbers below `blocks`, ascending, uniform and fixed by the seed.

    Word i of the seed's stream is bytes 8*(i%4) to 8*(i%4)+8 of SHA-256(seed || i//4 as 8 bytes big-endian), read as a
    big-endian number w. Words with w >= 2^64 - 2^64 % blocks are passed over, so that w % blocks favours no block; a
    block that came before is passed over too. If more than half of all blocks are wanted, the same draw says which ones
    are left out.
    """
    count = min(count, blocks)
    if 2 * count <= blocks:
        return tuple(sorted(_draw(seed, blocks, count)))
    left_out = _draw(seed, blocks, blocks - count)
    return tuple(number for number in range(blocks) if number not in left_out)


def _draw(seed: bytes, blocks: int, count: int) -> set[int]:
    drawn: set[int] = set()
    words = _words(seed)
    limit = 2**64 - 2**64 % max(blocks, 1)
    while len(drawn) < count:
        word = next(words)
        if word < limit:
            drawn.add(word % blocks)
    return drawn


def _words(seed: bytes) -> Iterator[int]:
    number = 0
    while True:
        block = hashlib.sha256(seed + number.to_bytes(8, "big")).digest()
        yield from (int.from_bytes(block[at : at + 8], "big") for at in range(0, 32, 8))
        number += 1
