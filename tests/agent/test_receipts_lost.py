"""A receipt that came late: the registry's answer was lost, others were registered meanwhile, and it is asked again."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from agent.submission import submit
from certificates import bundle
from certificates.errors import Unregistered
from tests.support.agent_site import Agent, agent, approved, carrier, make_registry, order


def lose_the_first_answer(folder: Path) -> Agent:
    """An agent whose first certificate was registered without its knowing, and whose second is filed."""
    desk = agent(folder, "C-1", "C-2")

    def register_and_lose() -> str:
        desk.line.registry.records.accept_certificate(desk.site.waiting(1).read_bytes())
        raise Unregistered("registry-unreachable", detail="the answer was lost")

    desk.line.forged["receipt"] = register_and_lose
    (first,) = desk.run(approved(order(carrier("C-1"), witnesses=())))
    assert isinstance(first.failure, Unregistered)
    del desk.line.forged["receipt"]
    (second,) = desk.run(approved(order(carrier("C-2"), witnesses=(), id="2026-0118")))
    assert second.failure is None
    return desk


def test_an_older_receipt_is_filed_when_the_log_seen_since_extends_it(tmp_path: Path) -> None:
    """The registry gives a known certificate the receipt it gave first, of a smaller log than the last seen."""
    desk = lose_the_first_answer(tmp_path)
    before = desk.site.documents.seen.checkpoint
    path = submit(desk.site, desk.site.folder(1))
    assert bundle.RECEIPT in bundle.unpack(path.read_bytes())
    assert not desk.site.waiting(1).exists()
    assert desk.site.documents.seen.checkpoint == before


@pytest.mark.parametrize("size", [2, None], ids=["no such size", "another tree"])
def test_an_older_receipt_of_another_log_is_not_filed(tmp_path: Path, size: int | None) -> None:
    """A registry that was rolled back cannot show how its short log leads to the longer one."""
    desk = lose_the_first_answer(tmp_path / "one")
    other = make_registry(desk.clock, desk.ring)
    waiting = desk.site.waiting(1).read_bytes()
    desk.line.forged["receipt"] = lambda: other.records.accept_certificate(waiting).receipt
    desk.line.forged["consistency"] = lambda: other.consistency(1, size)
    with pytest.raises(Unregistered) as refused:
        submit(desk.site, desk.site.folder(1))
    assert refused.value.reason == "receipt-wrong"
    assert desk.site.waiting(1).exists()


def test_receipts_of_carriers_that_end_at_once_are_held_against_the_log_one_after_the_other(tmp_path: Path) -> None:
    """Two trees that both extend the one seen last need not extend each other: a registry could show each its own."""
    desk = agent(tmp_path, "C-1", "C-2", "C-3", "C-4")
    desk.run(approved(order(carrier("C-1"), witnesses=())))
    turn, met = threading.Lock(), []
    proves = desk.line.prove_consistency

    def prove(old: int, new: int) -> str:
        is_alone = turn.acquire(blocking=False)
        met.append(is_alone)
        time.sleep(0.2)
        if is_alone:
            turn.release()
        return proves(old, new)

    desk.line.prove_consistency = prove  # type: ignore[method-assign]
    three = order(*(carrier(name) for name in ("C-2", "C-3", "C-4")), witnesses=(), id="2026-0118")
    results = desk.run(approved(three))
    assert [one.failure for one in results] == [None] * 3
    assert met == [True] * 3
