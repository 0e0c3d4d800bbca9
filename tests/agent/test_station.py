"""A wiping bench on a simulated machine, whose disks appear and vanish while it waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.bays import Bay, BayState, is_pluggable, may_be
from agent.carrying import Hands
from agent.gauge import Board
from agent.station import Station
from agent.workflow import Chosen
from certificates.errors import Failure, Interrupted, Refused
from certificates.statements import Carrier, DeviceIdentity, Fact, FilesIdentity, Hold, HoldScope, ImageIdentity, Media
from tests.support import agent_site, world
from tests.support.agent_site import Agent, approved, carrier, order
from tests.support.simulated_host import Lies, Simulated, SimulatedHost
from wipers.model import Obstacle

FILESYSTEM = "01234567-89ab-cdef-0123-456789abcdef"


def disk_of(number: int) -> Simulated:
    """A loop device over the file with that inode."""
    facts = (Fact("filesystem", FILESYSTEM), Fact("inode", str(number)), Fact("attached", "true"))
    return Simulated("image", media=Media.OPAQUE, serial=f"C-{number}", more=facts)


def carrier_of(number: int, **changes: Any) -> Carrier:
    """The carrier that names it."""
    return carrier(f"C-{number}", identity=ImageIdentity(FILESYSTEM, number, 65536, attached=True), **changes)


@dataclass
class Bench:
    """A station over an agent whose machine begins empty, driven step by step."""

    desk: Agent
    orders: list[Chosen] = field(default_factory=list)
    confirmed: tuple[str, ...] = ()
    told: list[tuple[str, BayState, str]] = field(default_factory=list)
    clock: float = 0.0
    board: Board = field(default_factory=Board)

    def __post_init__(self) -> None:
        key = world.signer("P-0230")
        hands = Hands(key, self.board, self.desk.stop)
        self.station = Station(
            self.desk.site,
            lambda: self.orders,
            key,
            hands,
            tell=lambda bay: self.told.append((bay.name, bay.state, bay.reason)),
            confirmed=self.confirmed,
            clock=lambda: self.clock,
        )

    def order(self, *numbers: int, **changes: Any) -> None:
        made = order(*(carrier_of(number) for number in numbers), witnesses=(), **changes)
        self.orders.append(Chosen(approved(made), {}))

    def plug(self, number: int) -> Simulated:
        found = disk_of(number)
        self.desk.machine.carriers[f"C-{number}"] = (found,)
        return found

    def pull(self, number: int) -> None:
        del self.desk.machine.carriers[f"C-{number}"]

    def bay(self, number: int) -> Bay:
        return next(bay for bay in self.station.bays if bay.name == f"C-{number}")

    def until(self, is_so: Callable[[], bool]) -> None:
        """Step until it is so, as a terminal would."""
        deadline = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < deadline, self.told
            self.station.step()
            time.sleep(0.01)

    def until_state(self, number: int, state: BayState) -> Bay:
        self.until(lambda: any(bay.name == f"C-{number}" and bay.state is state for bay in self.station.bays))
        return self.bay(number)

    def states(self, number: int) -> list[BayState]:
        return [state for name, state, _ in self.told if name == f"C-{number}"]


@pytest.fixture(name="bench")
def _bench(tmp_path: Path) -> Bench:
    desk = agent_site.agent(tmp_path)
    desk.machine.carriers.clear()
    return Bench(desk)


def test_a_disk_that_an_order_names_waits_for_its_label_and_is_destroyed(bench: Bench) -> None:
    """Plugged in while the bench waits; nothing happens to it before somebody has typed what stands on it."""
    bench.order(1)
    bench.station.step()
    assert bench.station.bays == []
    disk = bench.plug(1)
    bench.until_state(1, BayState.AWAITS)
    assert bench.station.say("LABEL-C-9") == ()
    assert disk.secrets_left() == disk.size // 512
    assert [bay.name for bay in bench.station.say(" LABEL-C-1 ")] == ["C-1"]
    bench.until(lambda: bench.station.is_over)
    assert disk.secrets_left() == 0
    assert [result.failure for result in bench.station.results] == [None]
    assert bench.states(1) == [BayState.LOOKING, BayState.AWAITS, BayState.GOING, BayState.ENDED]


def test_each_is_started_while_others_go_on(bench: Bench) -> None:
    """A slow one is still being written when the next has its certificate."""
    bench.order(1, 2)
    goes_on = threading.Event()
    bench.plug(1).lies = Lies(waits=lambda: goes_on.wait(20))
    bench.until_state(1, BayState.AWAITS)
    bench.station.say("LABEL-C-1")
    bench.plug(2)
    bench.until_state(2, BayState.AWAITS)
    bench.station.say("LABEL-C-2")
    bench.until_state(2, BayState.ENDED)
    assert bench.bay(1).state is BayState.GOING
    goes_on.set()
    bench.until(lambda: bench.station.is_over)
    assert [result.carrier for result in bench.station.results] == ["C-2", "C-1"]
    assert {gauge.state for gauge in bench.board.gauges} == {"ended"}


def test_what_no_order_names_is_shown_and_never_opened(bench: Bench) -> None:
    """The wrong disk in the bay is the accident that this tool is about."""
    bench.order(1)
    bench.station.step()
    bench.plug(1)
    foreign = bench.plug(7)
    bench.until_state(7, BayState.FOREIGN)
    bench.until_state(1, BayState.AWAITS)
    assert bench.station.say("LABEL-C-7") == ()
    bench.station.say("LABEL-C-1")
    bench.until(lambda: bench.station.is_over)
    assert bench.desk.machine.opened == 1
    assert foreign.secrets_left() == foreign.size // 512
    assert bench.states(7) == [BayState.FOREIGN]


def test_the_machines_own_disks_are_not_shown_until_they_are_plugged_in(bench: Bench) -> None:
    """A bench's system disk is in use, and nobody asked about it."""
    bench.order(1)
    bench.plug(5).obstacles = (Obstacle("system-disk", (("where", "/"),)),)
    bench.plug(1)
    bench.until_state(1, BayState.AWAITS)
    assert [bay.name for bay in bench.station.shown] == ["C-1"]
    bench.plug(6).obstacles = (Obstacle("in-use", (("where", "/"), ("by", "somebody"))),)
    bench.until(lambda: len(bench.station.shown) == 2)


def test_a_disk_that_two_orders_name_is_refused_for_both(bench: Bench) -> None:
    """Which certificate would it be? Also where the second order comes while the disk waits."""
    bench.order(1)
    bench.plug(1)
    bench.until_state(1, BayState.AWAITS)
    bench.order(1, id="2026-0200")
    refused = bench.until_state(1, BayState.REFUSED)
    assert refused.reason == "named-twice"
    assert "2026-0200" in str(refused.failure)
    assert bench.station.say("LABEL-C-1") == ()
    assert bench.desk.machine.opened == 0
    del bench.orders[0]
    bench.clock += 60
    bench.until_state(1, BayState.AWAITS)


def test_one_label_on_two_disks_starts_neither(bench: Bench) -> None:
    """The person has to type the serial, or pull one."""
    made = order(carrier_of(1, label="SAME-LABEL"), carrier_of(2, label="SAME-LABEL"), witnesses=())
    bench.orders.append(Chosen(approved(made), {}))
    for number in (1, 2):
        bench.plug(number)
    for number in (1, 2):
        bench.until_state(number, BayState.AWAITS)
    assert len(bench.station.say("SAME-LABEL")) == 2
    assert {bay.state for bay in bench.station.bays} == {BayState.AWAITS}


def test_a_disk_that_is_pulled_while_it_waits_is_gone_and_its_bay_free(bench: Bench) -> None:
    """Whoever types its label then starts nothing."""
    bench.order(1)
    bench.plug(1)
    bench.until_state(1, BayState.AWAITS)
    bench.pull(1)
    bench.until(lambda: not bench.station.bays)
    assert bench.station.say("LABEL-C-1") == ()
    assert not bench.station.is_over
    bench.plug(1)
    bench.until_state(1, BayState.AWAITS)


def test_a_disk_that_dies_is_interrupted_and_resumed_when_it_is_back(bench: Bench) -> None:
    """A loose cable is not the end of an order."""
    bench.order(1)
    bench.plug(1).lies = Lies(lost_at=1)
    bench.until_state(1, BayState.AWAITS)
    bench.station.say("LABEL-C-1")
    ended = bench.until_state(1, BayState.ENDED)
    assert ended.result is not None
    assert isinstance(ended.result.failure, Interrupted)
    disk = bench.desk.machine.carriers["C-1"][0]
    bench.pull(1)
    bench.until(lambda: not bench.bay(1).is_present)
    disk.lies = Lies()
    bench.desk.machine.carriers["C-1"] = (disk,)
    bench.until_state(1, BayState.AWAITS)
    bench.station.say("LABEL-C-1")
    bench.until(lambda: len(bench.station.results) == 2)
    assert bench.station.results[1].failure is None
    assert bench.station.results[1].sequence == 1
    assert disk.secrets_left() == 0


def test_what_is_refused_is_looked_at_again_when_the_reason_may_be_gone(bench: Bench) -> None:
    """A mount goes away; the person does not have to pull the disk."""
    bench.order(1)
    disk = bench.plug(1)
    disk.obstacles = (Obstacle("in-use", (("where", "/dev/x"), ("by", "mounted at /mnt"))),)
    assert bench.until_state(1, BayState.REFUSED).reason == "in-use"
    told = len(bench.told)
    bench.clock += 40
    for _ in range(20):
        bench.station.step()
        time.sleep(0.01)
    assert len(bench.told) == told, "the same is not told twice"
    disk.obstacles = ()
    bench.until_state(1, BayState.AWAITS)


def test_confirmed_ones_start_by_themselves_and_once(tmp_path: Path) -> None:
    """Without a terminal; one that is refused is not tried for ever."""
    desk = agent_site.agent(tmp_path)
    desk.machine.carriers.clear()
    bench = Bench(desk, confirmed=("LABEL-C-1", "LABEL-C-2"))
    bench.order(1, 2)
    bench.plug(1)
    bench.plug(2).lies = Lies(swapped="after-find")
    bench.until_state(1, BayState.ENDED)
    bench.until_state(2, BayState.REFUSED)
    for _ in range(5):
        bench.clock += 40
        bench.until_state(2, BayState.AWAITS)
    refused = [one for one in desk.site.journals.names() if desk.site.journals.read(int(one.stem)).opened.start is None]
    assert len(refused) == 1


def test_a_stop_ends_running_ones_as_interrupted(bench: Bench) -> None:
    """Ctrl-C once."""
    bench.order(1, 2)
    for number in (1, 2):
        bench.plug(number).lies = Lies(seconds=0.2)
        bench.until_state(number, BayState.AWAITS)
        bench.station.say(f"LABEL-C-{number}")
    bench.desk.stop.set()
    bench.station.end()
    reasons = {result.failure.reason for result in bench.station.results if isinstance(result.failure, Failure)}
    assert reasons == {"stopped"}
    assert len(bench.station.results) == 2


def test_a_disk_that_does_not_answer_is_told_and_left(bench: Bench) -> None:
    """The program ends all the same."""
    forever = threading.Event()
    bench.order(1)
    bench.plug(1)
    bench.until_state(1, BayState.AWAITS)
    bench.station._run = lambda bay, text: forever.wait(30)  # type: ignore[method-assign]
    bench.station.say("LABEL-C-1")
    bench.desk.stop.set()
    bench.station._clock = time.monotonic
    try:
        bench.station.end(patience=0.2)
    finally:
        forever.set()
    (result,) = bench.station.results
    assert isinstance(result.failure, Interrupted)
    assert result.failure.reason == "not-answering"


def test_a_bug_in_one_bay_is_that_bays(bench: Bench) -> None:
    """The others go on."""
    bench.order(1, 2)
    bench.plug(1)
    bench.plug(2)
    for number in (1, 2):
        bench.until_state(number, BayState.AWAITS)
    run = bench.station._run

    def wrong(bay: Bay, text: str) -> object:
        if bay.name == "C-1":
            raise KeyError("a bug")
        return run(bay, text)

    bench.station._run = wrong  # type: ignore[method-assign]
    bench.station.say("LABEL-C-1")
    bench.station.say("LABEL-C-2")
    bench.until_state(2, BayState.ENDED)
    assert isinstance(bench.until_state(1, BayState.REFUSED).failure, KeyError)


def test_an_order_under_a_hold_waits_and_an_expired_one_is_not_open(bench: Bench) -> None:
    """A hold may be lifted; a date never comes back."""
    bench.order(1)
    everything = (HoldScope("everything", "*"),)
    held = Hold("H-1", everything, "inquiry", "court", bench.desk.clock.at, (world.role_of("P-0102"),))
    documents = bench.desk.site.documents
    documents.take_hold(world.seal(held, "P-0102"), documents.chain())
    bench.plug(1)
    assert bench.until_state(1, BayState.REFUSED).reason == "on-hold"
    assert not bench.station.is_over
    bench.desk.clock.at = replace(order(), witnesses=()).expires_at
    bench.clock += 40
    bench.until_state(1, BayState.FOREIGN)
    assert bench.station.is_over


def test_trouble_with_the_site_is_told_and_the_bench_goes_on(bench: Bench) -> None:
    """A keyring that somebody is just replacing must not end a night's work."""
    bench.order(1)
    name = bench.desk.folder / "keyring" / "1.dsse.json"
    kept = name.read_bytes()
    name.unlink()
    bench.plug(1)
    bench.station.step()
    assert bench.station.trouble is not None
    assert not bench.station.is_over
    name.write_bytes(kept)
    bench.until_state(1, BayState.AWAITS)
    assert bench.station.trouble is None


def test_the_facts_of_an_identity_decide_and_a_size_alone_names_nothing() -> None:
    """Two drives of one model differ in what stands on them."""
    drive = Simulated("device", serial="S1", more=(Fact("wwn", ""), Fact("vendor", "ATA"), Fact("model", "M")))
    named = DeviceIdentity("ATA", "M", "S1", None, 65536)
    made = replace(world.carrier(), identity=named)
    assert may_be(drive.target(), made)
    for other in (replace(named, serial="S2"), replace(named, size=1), replace(named, model="N")):
        assert not may_be(drive.target(), replace(made, identity=other))
    nameless = Simulated("device", serial="", more=(Fact("wwn", ""), Fact("vendor", "ATA"), Fact("model", "M")))
    assert not may_be(nameless.target(), replace(made, identity=replace(named, serial="")))
    files = FilesIdentity(FILESYSTEM, 2, 0, 1, 1)
    assert not is_pluggable(replace(made, identity=files))
    assert not may_be(drive.target(), replace(made, identity=ImageIdentity(FILESYSTEM, 1, 65536, attached=True)))


def test_nothing_is_open_for_another_persons_key(tmp_path: Path) -> None:
    """Who is not the ordered executor cannot wait for its disks either."""
    desk = agent_site.agent(tmp_path)
    desk.machine = SimulatedHost({})
    key = world.signer("P-0311")
    made = Chosen(approved(order(carrier_of(1), witnesses=())), {})
    station = Station(desk.site, lambda: [made], key, Hands(key, None, desk.stop))
    station.step()
    assert station.is_over
    assert Refused("named-twice", where="/dev/x", orders="a").reason == "named-twice"
