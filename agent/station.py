"""A wiping bench: waits for the disks that open orders name, starts each once confirmed, goes on until nothing is open.

One thread decides everything here; finding, planning and running happen in a thread a bay and report to it, so that a
disk that hangs holds up no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue

from agent import workflow
from agent.authorize import Circumstances, authorize
from agent.bays import Bay, BayState, Job, is_pluggable, may_be
from agent.carrying import Hands, Prepared, Result, Watch
from agent.resuming import resume
from agent.site import Site
from agent.together import PATIENCE
from agent.wishes import is_going
from agent.workflow import Chosen, names_of
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Failure, Interrupted, Refused, Untrusted
from certificates.signers import Signer
from certificates.statements import Carrier, Order
from wipers.model import Plan, Target
from wipers.ports import Observer

INTERVAL = 5.0
"""Seconds between two looks at the machine where nothing tells of a change."""
AGAIN = 30.0
"""Seconds before a disk that was refused is looked at again: a mount may be gone, a hold lifted, an hour over."""
PASSING = frozenset(
    {
        "clock-behind",
        "clock-differs",
        "hold-state-missing",
        "hold-state-old",
        "kill-switch",
        "limit-bytes",
        "limit-carriers",
        "on-hold",
        "order-not-yet-valid",
        "order-window",
        "power-low",
        "retention-not-ended",
        "space-low",
    }
)
"""Reasons that pass without another order."""

Orders = Callable[[], Iterable[Chosen]]
"""Returns the orders as they are now: more may be fetched while the bench waits."""
Told = Callable[[Bay], None]
"""Told each change of a bay."""


@dataclass(frozen=True, slots=True)
class _Followed:
    """The watch of one bay's run: notes its number, and passes on."""

    bay: Bay
    watch: Watch | None

    def of(self, sequence: int, carrier: str, plan: Plan) -> Observer:
        self.bay.sequence = sequence
        if self.watch is None:
            raise LookupError("nobody watches")
        return self.watch.of(sequence, carrier, plan)

    def ended(self, result: Result) -> None:
        if self.watch is not None:
            self.watch.ended(result)


class Station:
    """The bench as it stands. `step` is called again and again, by the thread that `say` is called from."""

    def __init__(
        self,
        site: Site,
        orders: Orders,
        executor: Signer,
        hands: Hands,
        *,
        tell: Told = lambda bay: None,
        confirmed: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with what is plugged in; `confirmed`: labels and serials that need not be typed."""
        self._site, self._orders, self._executor, self._hands = site, orders, executor, hands
        self._tell, self._clock = tell, clock
        self._confirmed = tuple(text.strip() for text in confirmed)
        self._plugs = site.plugs()
        self._ended: SimpleQueue[tuple[Bay, object]] = SimpleQueue()
        self._looked_at: float | None = None
        self._jobs: tuple[Job, ...] = ()
        self._done: set[tuple[str, str]] = set()
        self.bays: list[Bay] = []
        """Disks in the order in which they came."""
        self.has_waited = False
        """Something was open once."""
        self.results: list[Result] = []
        """How runs ended, in that order."""
        self.trouble: Failure | None = None
        """Why the bench cannot look at present; none when it can."""

    @property
    def shown(self) -> tuple[Bay, ...]:
        """The bays that people want to see."""
        return tuple(bay for bay in self.bays if bay.is_shown)

    @property
    def is_busy(self) -> bool:
        """Tell whether a disk is being destroyed."""
        return any(bay.state is BayState.GOING for bay in self.bays)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing that the orders name is open or goes on."""
        has_looked = self._looked_at is not None and self.trouble is None
        return has_looked and not self._waits() and not any(job.key not in self._done for job in self._jobs)

    def _waits(self) -> bool:
        return any(bay.state in (BayState.LOOKING, BayState.AWAITS, BayState.GOING) for bay in self.bays)

    def step(self) -> None:
        """Take in what bays report, look at the machine if it is time, start what is confirmed already."""
        self._take_in()
        is_due = self._looked_at is None or self._clock() - self._looked_at >= INTERVAL
        if self._plugs.has_changed() or is_due:
            self._looked_at = self._clock()
            try:
                self._look()
                self.trouble = None
            except Failure as error:
                self.trouble = error
        for text in self._confirmed:
            found = self._named(text)
            if len(found) == 1 and not found[0].was_started:
                self._start(found[0], text)

    def say(self, text: str) -> tuple[Bay, ...]:
        """Start the bay that a person names by its label or serial; return those that fit: of several, none starts."""
        found = self._named(text.strip())
        if len(found) == 1:
            self._start(found[0], text.strip())
        return found

    def end(self, patience: float = PATIENCE + 10) -> None:
        """Return when every run has ended; one that does not answer a stop is told as interrupted."""
        deadline = self._clock() + patience
        while self.is_busy and (self._clock() < deadline or not self._hands.stop.is_set()):
            self._take_in()
            time.sleep(0.05)
        for bay in self.bays:
            if bay.state is BayState.GOING and bay.job is not None:
                failure = Interrupted("not-answering", carrier=bay.job.carrier.id, seconds=int(patience))
                self._report(bay, Result(bay.job.carrier.id, bay.sequence or 0, None, None, failure))

    def _named(self, text: str) -> tuple[Bay, ...]:
        waiting = (bay for bay in self.bays if bay.state is BayState.AWAITS and bay.job is not None)
        return tuple(bay for bay in waiting if text and bay.job and text in names_of(bay.job.carrier))

    def _look(self) -> None:
        """Bring the bays up to date with what is plugged in and what is open."""
        self._jobs = open_jobs(self._site, self._orders(), self._executor)
        self.has_waited = self.has_waited or bool(self._jobs)
        listed = {(target.location, target.facts): target for target in self._site.host.list_targets()}
        for there in tuple(self.bays):
            if there.is_present and there.key not in listed:
                self._unplugged(there)
        known = {bay.key: bay for bay in self.bays if bay.is_present}
        is_first = not self.bays
        for key, target in listed.items():
            if key not in known:
                self._plugged(target, is_new=not is_first)
            elif self._is_worth_another_look(known[key], target):
                known[key].target = target
                self._judge(known[key])

    def _plugged(self, target: Target, *, is_new: bool) -> None:
        left = next((bay for bay in self.bays if bay.key == (target.location, target.facts)), None)
        if left is not None and left.state is BayState.GOING:
            # It is back before its run noticed that it was away; the run says how that ended.
            left.is_present = True
            return
        if left is not None:
            self.bays.remove(left)
        bay = Bay(self._plugs.bay_of(target.location), target, is_new)
        self.bays.append(bay)
        self._judge(bay)

    def _unplugged(self, bay: Bay) -> None:
        bay.is_present = False
        if bay.state not in (BayState.GOING, BayState.ENDED):
            self.bays.remove(bay)
        self._announce(bay)

    def _is_worth_another_look(self, bay: Bay, target: Target) -> bool:
        match bay.state:
            case BayState.FOREIGN:
                return True
            case BayState.AWAITS:
                return [job.key for job in self._fitting(bay)] != [bay.job.key if bay.job else None]
            case BayState.REFUSED:
                return bay.target.obstacles != target.obstacles or self._clock() - bay.judged_at >= AGAIN
            case _:
                return False

    def _fitting(self, bay: Bay) -> list[Job]:
        return [job for job in self._jobs if may_be(bay.target, job.carrier)]

    def _judge(self, bay: Bay) -> None:
        """Decide what a disk is: nobody's, one carrier's, or refused because several orders name it."""
        bay.judged_at = self._clock()
        match self._fitting(bay):
            case []:
                bay.state, bay.job, bay.failure = BayState.FOREIGN, None, None
            case [job]:
                bay.state, bay.job = BayState.LOOKING, job
                self._do(bay, partial(self._prepare, bay.target.location, job))
            case fitting:
                orders = ", ".join(f"{job.order_id} {job.carrier.id}" for job in fitting)
                bay.state, bay.job = BayState.REFUSED, None
                bay.failure = Refused("named-twice", where=bay.target.location, orders=orders)
        if bay.state is not BayState.LOOKING or bay.told is None:
            self._announce(bay)

    def _announce(self, bay: Bay) -> None:
        """Tell people of a bay what they do not know yet."""
        if bay.is_shown and bay.news != bay.told:
            bay.told = bay.news
            self._tell(bay)

    def _do(self, bay: Bay, act: Callable[[], object]) -> None:
        """Do it in a thread of the bay's own, which reports what came of it."""

        def work() -> None:
            try:
                self._ended.put((bay, act()))
            except Exception as error:  # noqa: BLE001 - a bug in one bay is that bay's
                self._ended.put((bay, error))

        threading.Thread(target=work, name=f"bay-{bay.name}", daemon=True).start()

    def _prepare(self, location: str, job: Job) -> object:
        """Return the carrier found and planned; none for one to be resumed, whose plan is known. Raises Refused."""
        self._site.refresh()
        if job.sequence is not None:
            return None
        around = self._site.circumstances()
        chosen = job.chosen
        (warrant,) = authorize(chosen.envelope, chosen.selectors, (job.carrier.id,), self._executor.key_id, around)
        prepared = workflow.prepare(self._site, warrant)
        if prepared.target.location != location:
            raise Refused("carrier-not-found", carrier=job.carrier.id)
        return prepared

    def _start(self, bay: Bay, text: str) -> None:
        bay.state, bay.was_started = BayState.GOING, True
        self._do(bay, partial(self._run, bay, text))
        self._announce(bay)

    def _run(self, bay: Bay, text: str) -> object:
        """Return how the bay's carrier ended; raises Refused when nothing was touched."""
        job, prepared = bay.job, bay.prepared
        if job is None:
            raise RuntimeError("nothing is run that no order names")
        hands = replace(self._hands, executor=self._executor, watch=_Followed(bay, self._hands.watch))
        if job.sequence is not None:
            bay.sequence = job.sequence
            (result,) = resume(self._site, job.sequence, hands)
            return result
        chosen = replace(job.chosen, carriers=(job.carrier.id,))
        digest = prepared.plan.digest if prepared is not None else None
        (result,) = workflow.run(self._site, chosen, self._executor, hands, confirm=lambda _: text, plan_digest=digest)
        return result

    def _take_in(self) -> None:
        while True:
            try:
                bay, outcome = self._ended.get_nowait()
            except Empty:
                return
            if bay.state is BayState.LOOKING and not bay.is_present:
                continue
            self._report(bay, outcome)

    def _report(self, bay: Bay, outcome: object) -> None:
        """Take note of what came of looking or running."""
        match outcome:
            case Result() as result:
                bay.state, bay.result = BayState.ENDED, result
                self.results.append(result)
                if bay.job is not None:
                    self._done.add(bay.job.key)
            case Exception() as error:
                bay.state, bay.failure = BayState.REFUSED, error
            case Prepared() as prepared:
                bay.state, bay.prepared, bay.failure = BayState.AWAITS, prepared, None
            case _:
                bay.state, bay.prepared, bay.failure = BayState.AWAITS, None, None
        self._announce(bay)


def open_jobs(site: Site, orders: Iterable[Chosen], executor: Signer) -> tuple[Job, ...]:
    """Return the carriers of orders that may be destroyed now, or once a passing reason is gone; and those begun and
    interrupted. Raises Failure where the site itself cannot be read."""
    around = site.circumstances()
    found = (job for chosen in orders for job in _jobs_of(site, chosen, executor, around))
    return tuple({job.key: job for job in found}.values())


def _jobs_of(site: Site, chosen: Chosen, executor: Signer, around: Circumstances) -> Iterable[Job]:
    try:
        wrapped = unwrap(chosen.envelope)
        order = decode(wrapped.payload, Order)
    except Untrusted:
        return
    for carrier in order.carriers:
        if is_pluggable(carrier) and around.host in carrier.hosts:
            spent = around.ledger.find_spent(wrapped.digest, carrier.id)
            if spent is not None:
                if spent.sequence is not None and _is_interrupted(site, spent.sequence):
                    yield Job(chosen, order.id, wrapped.digest, carrier, spent.sequence)
            elif _is_open(chosen, carrier, executor, around):
                yield Job(chosen, order.id, wrapped.digest, carrier)


def _is_interrupted(site: Site, sequence: int) -> bool:
    """Tell whether a run waits to be resumed: it has no certificate, and no process carries it out."""
    folder = site.folder(sequence)
    return folder.fixed() is None and not is_going(folder) and site.journals.read(sequence).is_begun


def _is_open(chosen: Chosen, carrier: Carrier, executor: Signer, around: Circumstances) -> bool:
    """Tell whether nothing speaks against destroying the carrier now, or nothing that does not pass."""
    try:
        authorize(chosen.envelope, chosen.selectors, (carrier.id,), executor.key_id, around)
    except Refused as error:
        return error.reason in PASSING
    return True
