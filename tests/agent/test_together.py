"""Carriers of one run go on at once, and what one of them meets is its own affair."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent import wishes, workflow
from agent.carrying import Hands, Result
from agent.gauge import Board
from agent.registry import Answer
from agent.resuming import resume
from agent.together import Meeting, Part, Seat, carry_all, in_turn
from agent.workflow import Chosen
from certificates import bundle
from certificates.audit import Sign, audit, audit_all
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Interrupted, Refused, Unproven
from certificates.statements import Fact, ImageIdentity, Level, Media, Method, Outcome, Start
from certificates.trust import Trust, TrustedLog
from tests.support import world
from tests.support.agent_site import FACTS, Agent, agent, approved, carrier, order
from tests.support.simulated_host import Lies, Plug, PowerCut, Simulated
from wipers.acts import FillFree, Hunt, ScrubNames
from wipers.care import Care
from wipers.model import Plan, Release
from wipers.verifying import Stopped

NAMES = ("C-1", "C-2", "C-3", "C-4", "C-5", "C-6")
ALL = order(*(carrier(name) for name in NAMES), witnesses=())


class Noted:
    """A watch that remembers in which order runs ended, and lets a test act when a step is told."""

    def __init__(self, told: Callable[[str, int, int], None] = lambda carrier, step, done: None) -> None:
        self.ends: list[str] = []
        self.begun: list[str] = []
        self._told = told

    def of(self, sequence: int, name: str, plan: Plan) -> Any:
        self.begun.append(name)
        told = self._told

        class Observer:
            def progressed(self, step: int, done: int, total: int) -> None:
                told(name, step, done)

        return Observer()

    def ended(self, result: Result) -> None:
        self.ends.append(result.carrier)


def run(desk: Agent, envelope: bytes, watch: Noted | None = None, **how: Any) -> tuple[Result, ...]:
    key = world.signer("P-0230")
    hands = Hands(key, watch, desk.stop, how.pop("at_once", None))
    return workflow.run(desk.site, Chosen(envelope, {}), key, hands, confirm=lambda one: one.warrant.carrier.label)


def still() -> threading.Event:
    return threading.Event()


def part(name: str, go: Callable[[], Result]) -> Part:
    return Part(name, int(name[-1]), go)


def done(name: str) -> Result:
    return Result(name, int(name[-1]), None, None, None)


def test_all_are_proven_registered_and_told_in_the_order_of_the_order(tmp_path: Path) -> None:
    """Numbers, ledger, journals, outbox and what was seen are shared by all, and hold."""
    desk = agent(tmp_path, *NAMES)
    results = run(desk, approved(ALL))
    assert [one.carrier for one in results] == list(NAMES)
    assert [one.failure for one in results] == [None] * len(NAMES)
    assert [one.sequence for one in results] == list(range(1, len(NAMES) + 1))
    assert not list((tmp_path / "outbox").iterdir())
    assert len(desk.site.ledger.read().entries) == len(NAMES)
    log = desk.ring.logs[0]
    trust = Trust((desk.site.config.keyring_root,), (TrustedLog(log.origin, log.key.spki),))
    bundles = [one.bundle.read_bytes() for one in results if one.bundle]
    reports = tuple(audit(data, trust, "bundle") for data in bundles)
    journals = [(path.name, path.read_bytes()) for path in desk.site.journals.names()]
    together = audit_all(reports, journals, is_complete=True)
    assert not [finding for finding in together.runs if finding.sign is not Sign.HOLDS]


def test_a_slow_device_holds_up_none(tmp_path: Path) -> None:
    """It does nothing until all the others have their certificates; whoever waited for it would wait for ever."""
    desk = agent(tmp_path, *NAMES)
    watch, are_done = Noted(), threading.Event()

    def wait() -> None:
        while len(watch.ends) < len(NAMES) - 1 and not are_done.wait(0.01):
            pass

    desk.machine.carriers["C-1"][0].lies = Lies(waits=wait)
    giving_up = threading.Timer(60, are_done.set)
    giving_up.start()
    results = run(desk, approved(ALL), watch)
    giving_up.cancel()
    assert watch.ends[-1] == "C-1"
    assert not are_done.is_set()
    assert results[0].failure is None


def test_a_dying_device_ends_alone(tmp_path: Path) -> None:
    """One goes away, one cannot be written in places; four are proven."""
    desk = agent(tmp_path, *NAMES)
    desk.machine.carriers["C-2"][0].lies = Lies(lost_at=1)
    desk.machine.carriers["C-5"][0].lies = Lies(bad_writes={(0, 7): "EIO"})
    results = run(desk, approved(ALL))
    ends = {one.carrier: type(one.failure) for one in results if one.failure is not None}
    assert ends == {"C-2": Interrupted, "C-5": Unproven}
    desk.machine.carriers["C-2"][0].lies = Lies()
    (resumed,) = desk.resume()
    assert (resumed.carrier, resumed.failure) == ("C-2", None)


def test_interrupted_ones_are_resumed_at_once_too(tmp_path: Path) -> None:
    """After a power cut a whole bench waits."""
    desk = agent(tmp_path, *NAMES)
    desk.stop.set()
    results = run(desk, approved(ALL))
    assert {type(one.failure) for one in results} == {Interrupted}
    watch = Noted()
    results = resume(desk.site, None, Hands(world.signer("P-0230"), watch, still()))
    assert [(one.carrier, one.failure) for one in results] == [(name, None) for name in NAMES]
    assert sorted(watch.begun) == list(NAMES)


def test_no_more_than_asked_for_go_on_at_a_time(tmp_path: Path) -> None:
    """A power supply, or a bus, bears only so many."""
    desk = agent(tmp_path, *NAMES)
    going: set[str] = set()
    most = 0

    def told(name: str, step: int, done: int) -> None:
        nonlocal most
        going.add(name)
        most = max(most, len(going))
        time.sleep(0.01)

    watch = Noted(told)
    watch.ended = lambda result: going.discard(result.carrier)  # type: ignore[method-assign]
    results = run(desk, approved(ALL), watch, at_once=2)
    assert most <= 2
    assert [one.failure for one in results] == [None] * len(NAMES)


def test_a_stop_ends_all_of_them_also_those_that_wait(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the first two of six."""
    desk = agent(tmp_path, *NAMES)
    watch = Noted(lambda name, step, done: desk.stop.set())
    results = run(desk, approved(ALL), watch, at_once=2)
    assert {one.failure.reason for one in results if isinstance(one.failure, Interrupted)} == {"stopped"}
    assert len(results) == len(NAMES)
    assert [one.failure for one in desk.resume()] == [None] * len([one for one in results if one.failure])


def test_a_bug_in_one_is_its_own_result() -> None:
    """Exit 1 for that carrier; the others are told as they ended."""

    def wrong() -> Result:
        raise KeyError("a bug")

    first, second = carry_all([part("C-1", wrong), part("C-2", lambda: done("C-2"))], still())
    assert isinstance(first.failure, KeyError)
    assert second == done("C-2")
    with pytest.raises(KeyError):
        carry_all([part("C-1", wrong)], still())


def test_what_threads_that_could_not_begin_left_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter may fail to set a thread up after it was started; its carriers would be waited for for ever."""
    run = threading.Thread.run
    monkeypatch.setattr(threading.Thread, "run", lambda self: None if self.name.startswith("carrier-") else run(self))
    results = carry_all([part(name, partial(done, name)) for name in ("C-1", "C-2")], still())
    assert results == (done("C-1"), done("C-2"))


def test_a_device_that_does_not_answer_a_stop_is_left_to_itself() -> None:
    """A drive can keep a thread in the kernel for ever; the others are told, and the program ends."""
    forever, stop = threading.Event(), threading.Event()

    def hang() -> Result:
        stop.set()
        forever.wait(20)
        return done("C-1")

    try:
        parts = [part("C-1", hang), part("C-2", lambda: done("C-2")), part("C-3", hang), part("C-4", hang)]
        results = carry_all(parts, stop, 2, patience=0.3)
    finally:
        forever.set()
    assert results[1] == done("C-2")
    reasons = [one.failure.reason for one in results if isinstance(one.failure, Interrupted)]
    assert reasons == ["not-answering", "not-answering", "stopped"]


def plan_on(filesystem: str, *steps: Any, kind: Any = "files") -> Plan:
    return Plan(
        order="sha256:" + "0" * 64,
        carrier="C-1",
        kind=kind,
        level=Level.CLEAR,
        technique="zero-1",
        method=Method.IN_PLACE_OVERWRITE,
        media=Media.FLASH,
        size=1,
        header_size=0,
        sector_size=512,
        objects=1,
        facts=(Fact("filesystem", filesystem),),
        steps=steps or (Release(),),
        residual=(),
    )


PLACES = {
    "one-fills-it": ((plan_on("a", FillFree()), plan_on("a", kind="records"), plan_on("a", ScrubNames())), 1),
    "nobody-fills": ((plan_on("a"), plan_on("a"), plan_on("a")), 3),
    "other-file-systems": ((plan_on("a", FillFree()), plan_on("b", FillFree()), plan_on("b", kind="image")), 3),
}


@pytest.mark.parametrize("at_once", [None, 2])
@pytest.mark.parametrize("place", PLACES)
def test_carriers_on_a_file_system_that_one_of_them_fills_meet_before_and_go_on_one_after_the_other(
    place: str, at_once: int | None
) -> None:
    """Whoever wrote there meanwhile found no room, and was interrupted: a database server, or the one who makes names
    go. And what one has still to destroy would be found by another's hunt. Others go on at once."""
    plans, most = PLACES[place]
    told, together = list[tuple[str, str]](), list[int]()
    inside = set[str]()

    def go(name: str, seat: Seat) -> Result:
        seat.before(Release(), still())
        told.append(("released", name))
        seat.before(FillFree(), still())
        inside.add(name)
        time.sleep(0.05)
        together.append(len(inside))
        told.append(("filled", name))
        seat.before(Hunt(), still())
        inside.discard(name)
        return done(name)

    parts = []
    for number in range(len(plans)):
        seat = Seat()
        parts.append(Part(f"C-{number}", number, partial(go, f"C-{number}", seat), seat))
    results = carry_all(in_turn(parts, plans, at_once), still(), at_once)
    assert results == tuple(done(f"C-{number}") for number in range(len(plans)))
    if most == 1:
        assert set(together) == {1}
        kinds = [kind for kind, _ in told]
        # Where not all may go on at once, nobody waits for one that cannot begin.
        assert kinds == (["released"] * 3 + ["filled"] * 3 if at_once is None else ["released", "filled"] * 3)


def test_one_that_ends_before_the_others_is_not_waited_for_and_a_stop_ends_the_wait() -> None:
    """It met a bad sector; or somebody wants to go home while the last one still writes."""
    plans = (plan_on("a", FillFree()), plan_on("a", FillFree()))
    stop, seats = threading.Event(), (Seat(), Seat())
    came = threading.Event()

    def waits() -> Result:
        came.set()
        seats[0].before(FillFree(), stop)
        return done("C-0")

    def ends() -> Result:
        came.wait(120)
        return done("C-1")

    parts = [Part("C-0", 0, waits, seats[0]), Part("C-1", 1, ends, seats[1])]
    assert carry_all(in_turn(parts, plans), stop) == (done("C-0"), done("C-1"))
    stop.set()
    meeting = Meeting(2)
    with pytest.raises(Stopped):
        meeting.arrive(Seat(), stop)


def test_whatever_a_watch_does_the_run_goes_on(tmp_path: Path) -> None:
    """It is for people."""

    class Broken:
        def of(self, sequence: int, carrier: str, plan: Plan) -> Any:
            raise OSError("the terminal is gone")

        ended = of

    desk = agent(tmp_path, "C-1", "C-2")
    made = order(carrier("C-1"), carrier("C-2"), witnesses=())
    results = run(desk, approved(made), Broken())  # type: ignore[arg-type]
    assert [one.claim.outcome for one in results if one.claim] == [Outcome.PROVEN] * 2


def test_a_device_is_given_back_as_soon_as_it_ended(tmp_path: Path) -> None:
    """It can be pulled and replaced while the others go on."""
    desk = agent(tmp_path, "C-1", "C-2")
    closed: list[str] = []
    open_as_before = desk.machine.open

    class Host:
        def __getattr__(self, name: str) -> Any:
            return getattr(desk.machine, name)

        def open(self, target: Any, carrier: Any, selector: Any, resuming: bool) -> Any:
            @contextmanager
            def opened() -> Any:
                with open_as_before(target, carrier, selector, resuming) as writer:
                    yield writer
                closed.append(carrier.id)

            return opened()

    desk.site = replace(desk.site, host=Host())
    desk.machine.carriers["C-1"][0].lies = Lies(seconds=0.2)
    watch = Noted()
    seen: list[list[str]] = []
    watch.ended = lambda result: seen.append(list(closed))  # type: ignore[method-assign]
    run(desk, approved(order(carrier("C-1"), carrier("C-2"), witnesses=())), watch)
    assert seen == [["C-2"], ["C-2", "C-1"]]


def test_a_paused_run_writes_nothing_until_it_may_go_on_and_the_others_do(tmp_path: Path) -> None:
    """One wish for one drive, in the middle of its pass; and what the run is at reaches whoever watches."""
    desk = agent(tmp_path, "C-1", "C-2")
    desk.machine.carriers["C-1"] = (Simulated("image", (8 << 20,), media=Media.OPAQUE, serial="C-1", more=FACTS),)
    identity = ImageIdentity(FACTS[0].value, 12, 8 << 20, attached=True)
    made = order(carrier("C-1", identity=identity), carrier("C-2"), witnesses=())
    board = Board()
    lifted_at: list[int] = []

    def lift_later() -> None:
        while (gauge := board.gauge(1)) is None or gauge.state != "paused" or board.gauges[1].state != "ended":
            time.sleep(0.01)
        lifted_at.append(gauge.position)
        wishes.lift(desk.site, "1")

    class Pausing(Board):
        def of(self, sequence: int, carrier: str, plan: Plan) -> Any:
            if carrier == "C-1":
                wishes.pause(desk.site, "1")
            return board.of(sequence, carrier, plan)

        def ended(self, result: Result) -> None:
            board.ended(result)

    lifter = threading.Thread(target=lift_later, daemon=True)
    lifter.start()
    key = world.signer("P-0230")
    hands = Hands(key, Pausing(), desk.stop)
    results = workflow.run(
        desk.site, Chosen(approved(made), {}), key, hands, confirm=lambda one: one.warrant.carrier.label
    )
    lifter.join(120)
    assert [one.failure for one in results] == [None, None]
    assert lifted_at == [0]


def test_one_carrier_is_cancelled_and_the_others_go_on(tmp_path: Path) -> None:
    """Also one that is paused: it need not be lifted first."""
    desk = agent(tmp_path, "C-1", "C-2", "C-3")

    class Cancelling(Board):
        def of(self, sequence: int, carrier: str, plan: Plan) -> Any:
            if carrier != "C-3":
                wishes.pause(desk.site, carrier)
                wishes.cancel(desk.site, carrier)
            return super().of(sequence, carrier, plan)

    made = order(carrier("C-1"), carrier("C-2"), carrier("C-3"), witnesses=())
    key = world.signer("P-0230")
    hands = Hands(key, Cancelling(), desk.stop)
    results = workflow.run(
        desk.site, Chosen(approved(made), {}), key, hands, confirm=lambda one: one.warrant.carrier.label
    )
    told = [one.failure.reason if isinstance(one.failure, Interrupted) else None for one in results]
    assert told == ["cancelled", "cancelled", None]
    assert [one.failure for one in desk.resume()] == [None, None]


def test_runs_that_fetch_holds_at_once_all_begin_with_the_state_they_were_counted_with(tmp_path: Path) -> None:
    """Each fetch is a newer state; one taken in out of turn would look like a replay, or stand in the wrong bundle."""
    desk = agent(tmp_path, *NAMES)
    results: list[Result] = []
    numbers = iter(range(50, 70))

    def slower_the_older() -> Answer:
        number = next(numbers)
        sealed = world.seal(world.hold_state(sequence=number), world.registry())
        time.sleep(0.04 * (56 - number))
        return Answer(200, sealed, desk.clock())

    desk.line._answer = lambda name, true: slower_the_older() if name == "hold-state" else true()  # type: ignore[method-assign]

    def one(name: str) -> None:
        made = order(carrier(name), witnesses=(), id=f"2026-{name}")
        results.extend(run(desk, approved(made)))

    team = [threading.Thread(target=one, args=(name,)) for name in NAMES]
    for member in team:
        member.start()
    for member in team:
        member.join()
    assert [result.failure for result in results] == [None] * len(NAMES)
    for sequence in range(1, len(NAMES) + 1):
        folder = desk.site.folder(sequence)
        start = decode(unwrap(folder.require(bundle.START)).payload, Start)
        assert unwrap(folder.require(bundle.HOLD_STATE)).digest == start.hold_state


@pytest.mark.parametrize("effect", range(1, 9))
def test_wherever_the_plug_is_pulled_no_carrier_has_a_certificate_before_it_is_gone(
    tmp_path: Path, effect: int
) -> None:
    """Invariant (a) for several at a time: each by itself, and one resume completes all."""
    plug = Plug(cut_at=effect)
    desk = agent(tmp_path, "C-1", "C-2", plug=plug)
    made = order(carrier("C-1"), carrier("C-2"), witnesses=())
    with suppress(PowerCut):
        run(desk, approved(made))
    disks = {name: desk.machine.carriers[name][0] for name in ("C-1", "C-2")}
    for sequence, name in ((1, "C-1"), (2, "C-2")):
        is_fixed = desk.site.folder(sequence).fixed() is not None
        disks[name].storage.lose_power(random.Random(effect))
        assert not is_fixed or disks[name].secrets_left() == 0
    plug.cut_at = None
    with suppress(Refused):
        assert [one.failure for one in desk.resume()] in ([None], [None, None])
    assert [disk.secrets_left() for disk in disks.values()] == [0, 0]
    assert len(desk.site.ledger.read().entries) == 2


def test_the_sites_rules_of_care_hold_for_each_device_by_itself(tmp_path: Path) -> None:
    """A drive that fails too often is given up; the one beside it is proven."""
    desk = agent(tmp_path, "C-1", "C-2")
    desk.site = replace(desk.site, config=replace(desk.site.config, care=Care(max_errors=0)))
    large = Simulated("image", (16 << 20,), media=Media.OPAQUE, serial="C-1", more=FACTS)
    large.lies = Lies(bad_writes={(0, 7): "EIO"}, seconds=0.1)
    desk.machine.carriers["C-1"] = (large,)
    identity = ImageIdentity(FACTS[0].value, 12, 16 << 20, attached=True)
    made = order(carrier("C-1", identity=identity), carrier("C-2"), witnesses=())
    results = run(desk, approved(made))
    assert [one.failure.reason if isinstance(one.failure, Interrupted) else None for one in results] == [
        "too-many-errors",
        None,
    ]
