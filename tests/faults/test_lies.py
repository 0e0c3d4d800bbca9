"""Storage lies in every way it has been seen to: none of them ends in a proven claim, and a refusal touches nothing."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import errors
from certificates.statements import CryptoEraseConditions, Extent, Kind, Level, Outcome, SampledVerification
from tests.support.runs import SMALL, Run, carrier, run_of
from tests.support.simulated_host import Lies, Place, Plug, Simulated
from wipers import WIPERS
from wipers.model import Obstacle

SOME: frozenset[Place] = frozenset({(0, 5)})
LIES: dict[str, Callable[[], Lies]] = {
    "drops writes": lambda: Lies(drops_writes=SOME),
    "drops every write": lambda: Lies(drops_writes=frozenset((0, sector) for sector in range(128))),
    "answers with old data": lambda: Lies(answers_old=SOME),
    "fails a write": lambda: Lies(bad_writes={(0, 5): "EIO"}),
    "fails a write and holds the old data": lambda: Lies(bad_writes={(0, 5): "ENODATA"}, answers_old=SOME),
    "fails a read": lambda: Lies(bad_reads={(0, 5): "EIO"}),
    "fails reads throughout": lambda: Lies(bad_reads={(0, sector): "ENODATA" for sector in range(128)}),
    # The second is the least that several threads can make do with: one when all is written, one before reading.
    "fails late, in a flush": lambda: Lies(flush_fails_at=2),
    "goes away": lambda: Lies(lost_at=20),
    "is swapped after planning": lambda: Lies(swapped="after-find"),
    "is swapped after opening": lambda: Lies(swapped="after-open"),
    "is swapped while it is written": lambda: Lies(swapped_at=15),
    "is swapped while it is read back": lambda: Lies(swapped_at=40),
}


def outcome_of(run: Run) -> Outcome | None:
    """What the run proves; none when it did not come to its end."""
    try:
        run.go()
    except (errors.Refused, errors.Interrupted):
        return None
    return run.claim.outcome


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_never_proves_anything(lie: str, threads: int) -> None:
    """Whatever a device says of itself, the claim follows from what was read."""
    run = run_of()
    run.simulated.lies = LIES[lie]()
    run.pace = dataclasses.replace(SMALL, threads=threads)
    assert outcome_of(run) is not Outcome.PROVEN


def test_without_a_lie_the_same_run_is_proven() -> None:
    """The tests above must fail for the lie's sake."""
    assert outcome_of(run_of()) is Outcome.PROVEN


@pytest.mark.parametrize("kind", list(WIPERS))
def test_a_slow_medium_is_only_slow(kind: Kind) -> None:
    """Threads that wait must not lose a chunk."""
    run = run_of(kind)
    run.simulated.lies.seconds = 0.001
    run.pace = dataclasses.replace(SMALL, threads=4, checkpoint_seconds=0.002)
    assert outcome_of(run) is Outcome.PROVEN


def test_a_container_that_opens_all_the_same_is_not_proven() -> None:
    """The header reads as overwritten, and the opener is asked nevertheless."""
    run = run_of("luks", crypto_erase=CryptoEraseConditions(*[True] * 7))
    run.simulated.lies.keeps_keys = True
    assert outcome_of(run) is Outcome.NOT_REACHED


def test_a_flush_that_failed_once_is_made_good_by_a_resumed_run() -> None:
    """The journal's mark stands before that barrier, so everything it covered is written again."""
    run = run_of()
    run.simulated.lies.flush_fails_at = 3
    assert outcome_of(run) is None
    run.simulated.lies.flush_fails_at = None
    assert outcome_of(run) is Outcome.PROVEN
    assert run.simulated.secrets_left() == 0


def test_a_swap_is_not_resumed_on_the_other_device() -> None:
    """Resuming identifies again before it writes."""
    run = run_of()
    run.simulated.lies.lost_at = 12
    assert outcome_of(run) is None
    left = run.simulated.secrets_left()
    run.simulated.lies = Lies(swapped="after-open")
    assert outcome_of(run) is None
    assert run.simulated.secrets_left() == left > 0


@given(st.sets(st.integers(0, 127), min_size=1, max_size=20), st.booleans())
def test_more_damage_never_raises_a_claim(sectors: set[int], is_write: bool) -> None:
    """Any set of bad sectors, written or read: never proven, and nothing of the rest is left out."""
    run = run_of()
    bad = {(0, sector): "EIO" for sector in sectors}
    run.simulated.lies = Lies(bad_writes=bad) if is_write else Lies(bad_reads=bad)
    assert outcome_of(run) is (Outcome.NOT_REACHED if is_write else Outcome.UNKNOWN)
    assert run.simulated.secrets_left() == (len(sectors) if is_write else 0)


def test_a_sample_that_meets_damage_proves_nothing() -> None:
    """A quarter of the medium is bad: a sample of this confidence meets it."""
    run = run_of(verification=SampledVerification(999_999, 100_000))
    run.simulated.lies.drops_writes = frozenset((0, sector) for sector in range(0, 128, 4))
    assert outcome_of(run) is Outcome.NOT_REACHED


def test_a_sample_does_not_leave_to_chance_what_is_known_to_have_moved() -> None:
    """One block is read of sixteen: that the moved one is another must not prove anything."""
    for sector in range(0, 128, 8):
        run = run_of(verification=SampledVerification(500_000, 900_000))
        run.simulated.lies.moved = (Extent(0, sector * 512, 512),)
        assert outcome_of(run) is Outcome.UNKNOWN


def untouched(simulated: Simulated, before: str) -> bool:
    content = b"".join(bytes(data) for data in simulated.storage.durable.values())
    return hashlib.sha256(content).hexdigest() == before


@pytest.mark.parametrize("refusal", ["obstacle", "swapped", "level", "technique"])
def test_a_refusal_leaves_the_host_untouched(refusal: str) -> None:
    """Exit 3 means that nothing was touched: not a byte, not an effect."""
    simulated = Simulated()
    before = hashlib.sha256(bytes(simulated.storage.durable[0])).hexdigest()
    ordered = carrier()
    match refusal:
        case "obstacle":
            simulated.obstacles = (Obstacle("in-use", (("where", "it"), ("by", "swap"))),)
        case "swapped":
            simulated.lies.swapped = "after-open"
        case "level":
            ordered = dataclasses.replace(ordered, level=Level.PURGE)
        case "technique":
            ordered = dataclasses.replace(ordered, technique="nosuch-1")
    plug = Plug()
    with pytest.raises(errors.Refused):
        Run(simulated, ordered, plug=plug).go()
    assert plug.effects == 0
    assert untouched(simulated, before)
