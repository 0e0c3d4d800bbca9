"""Kills a real run, and the runs that take it up again, at moments spread over its whole life; looks after each kill.

A watcher tells how far a run is by what it has made durable: its journal's entries, then certificate, outbox, bundle.
Half of the moments are drawn evenly over the time a run takes, half evenly over those marks, so that the short acts at
either end are hit as well as the long ones between.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from certificates.audit import Sign
from certificates.statements import Outcome
from tests.support.halting import UNMARKED
from tests.support.real_site import Charge, RealSite, ended

MOST_KILLS = 4
LONGEST = 120.0
"""Seconds after which a run is taken for stuck."""


class Victim(Protocol):
    """Something real that a trial has destroyed."""

    def charge(self, site: RealSite) -> Charge: ...

    def left(self) -> int:
        """How much of what stood there is left, by a reader that shares no code with the wipers."""
        ...

    def jolt(self) -> None:
        """What a restart of the machine does to it: found again elsewhere, and nothing of it in memory."""
        ...

    def check_gone(self, site: RealSite) -> None:
        """Raises AssertionError unless all of it is gone and nothing else."""
        ...


MakeVictim = Callable[[Path, Random], AbstractContextManager[Victim]]


@dataclass
class Watch:
    """One site, seen from outside."""

    site: RealSite

    def events(self) -> list[dict[str, Any]]:
        """What stands in the journals, in order."""
        lines = [
            line for path in sorted((self.site.folder / "journal").glob("*.jsonl")) for line in complete_lines(path)
        ]
        return [json.loads(line)["event"] for line in lines]

    def of_run(self) -> list[dict[str, Any]]:
        """The events of the run alone, without refusals in between."""
        events = self.events()
        is_refusal = [event["kind"] == "opened" and event.get("start") is None for event in events]
        return [event for n, event in enumerate(events) if not is_refusal[n] and event["kind"] != "refused"]

    def papers(self) -> list[bool]:
        """Whether the certificate is fixed, waits, lies in a bundle."""
        folder = self.site.folder
        places = (("runs", "*/certificate.json"), ("outbox", "*.dsse.json"), ("certificates", "*/*.expunge"))
        return [any((folder / name).glob(pattern)) for name, pattern in places]

    @property
    def mark(self) -> int:
        """How far the run is; it never goes back."""
        return sum(event["kind"] not in UNMARKED for event in self.of_run()) + sum(self.papers())

    @property
    def is_begun(self) -> bool:
        return bool(self.of_run())

    @property
    def is_ended(self) -> bool:
        return any(event["kind"] == "certified" for event in self.of_run())

    @property
    def has_certificate(self) -> bool:
        """Whether anything that is, or becomes, a certificate lies anywhere."""
        folder = self.site.folder
        return any(
            any((folder / name).glob(pattern))
            for name, pattern in (("runs", "*/certificate*"), ("outbox", "*"), ("certificates", "*/*"))
        )

    @property
    def stage(self) -> str:
        """Where the run stands, in a word."""
        events = [event for event in self.of_run() if event["kind"] not in UNMARKED]
        if not events:
            return "start"
        last = events[-1]
        if last["kind"] == "certified":
            return "end"
        if any(self.papers()):
            return "outbox"
        if last["kind"] == "began":
            return {"overwrite": "writing"}.get(self._step(last["step"]), self._step(last["step"]))
        named = {"recorded": "between", "checked": "between", "concluded": "certificate"}
        return named.get(str(last["kind"]), "begin")

    def _step(self, number: int) -> str:
        (path,) = (self.site.folder / "runs").glob("*/plan.json")
        return str(json.loads(path.read_bytes())["steps"][number]["kind"])


def complete_lines(path: Path) -> list[bytes]:
    """A file's lines but for one that is not ended."""
    return path.read_bytes().split(b"\n")[:-1]


@dataclass
class Rhythm:
    """When a run that nobody killed reached each mark, in seconds from its start."""

    at: list[float] = field(default_factory=list)

    @property
    def last(self) -> int:
        return len(self.at) - 1

    def pause_after(self, mark: int) -> float:
        """Seconds from this mark to the next."""
        here = min(mark, self.last - 1)
        return max(self.at[here + 1] - self.at[here], 0.0005)


@dataclass(frozen=True)
class Moment:
    """So long after the mark."""

    mark: int
    delay: float


def watched(process: subprocess.Popen[str], watch: Watch) -> Iterator[int]:
    """The mark, again and again, for as long as the process lives.

    Where there are more processes than cores it waits for whoever watches it, not the other way round: a pass over a
    small device is over in a tenth of a second.
    """
    begun = time.monotonic()
    with before_others():
        while process.poll() is None:
            yield watch.mark
            time.sleep(0.0003)
            if time.monotonic() - begun > LONGEST:
                process.kill()
                process.wait()
                raise AssertionError(f"stuck at {watch.stage}")


@contextmanager
def before_others() -> Iterator[None]:
    """This thread gets a core as soon as it wants one, where the user may ask for that."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)


def learn(process: subprocess.Popen[str], watch: Watch) -> Rhythm:
    """The rhythm of a run that comes to its end."""
    rhythm, begun = Rhythm(), time.monotonic()
    for mark in watched(process, watch):
        rhythm.at += [time.monotonic() - begun] * (mark + 1 - len(rhythm.at))
    rhythm.at += [time.monotonic() - begun] * (watch.mark + 2 - len(rhythm.at))
    return rhythm


def kill_at(process: subprocess.Popen[str], watch: Watch, moment: Moment) -> bool:
    """The process was killed at the moment; false where it had ended before."""
    for mark in watched(process, watch):
        if mark >= moment.mark:
            time.sleep(moment.delay)
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    return process.returncode == -signal.SIGKILL


def draw(chance: Random, rhythm: Rhythm, here: int, *, by_time: bool) -> Moment:
    """A moment from the mark `here` on; by time, none before the run has work to do."""
    if by_time and here == 0:
        return Moment(1, chance.uniform(0, rhythm.at[-2] - rhythm.at[1]))
    if by_time:
        return Moment(here, chance.uniform(rhythm.at[1] / 2, rhythm.at[-2]))
    mark = chance.randint(min(here, rhythm.last - 2), rhythm.last - 2)
    return Moment(mark, chance.uniform(0, rhythm.pause_after(mark)))


@dataclass
class Campaign:
    """Trials on one kind of victim."""

    make: MakeVictim
    chance: Random
    folder: Path
    rhythm: Rhythm = field(default_factory=Rhythm)
    kills: Counter[str] = field(default_factory=Counter)
    again: int = 0
    """Runs that were killed more than once."""

    def go(self, trials: int) -> str:
        """A line of results; raises AssertionError with the number of the trial that failed."""
        self._trial("trial 0, not killed", self._learn)
        for number in range(1, trials + 1):
            before = self.kills.total()
            while self.kills.total() == before:
                # A moment may come when the run has ended; such a trial shows nothing and is made again.
                self._trial(f"trial {number}", functools.partial(self._kill, number))
        told = ", ".join(f"{name} {count}" for name, count in self.kills.most_common())
        return (
            f"{trials} runs killed {self.kills.total()} times ({told}), {self.again} of them more than once: no "
            "certificate before the last byte was overwritten, each completed by resume with one certificate, proven"
        )

    def _trial(self, name: str, act: Callable[[RealSite, Victim], None]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as place, self.make(Path(place), self.chance) as victim:
            site = RealSite(Path(place) / "site")
            try:
                assert victim.left() > 0, "there is nothing to destroy"
                act(site, victim)
                check_end(site, victim)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}\n{story_of(site)}") from error

    def _learn(self, site: RealSite, victim: Victim) -> None:
        process = site.start_run(victim.charge(site))
        self.rhythm = learn(process, Watch(site))
        check_exit(ended(process))

    def _kill(self, number: int, site: RealSite, victim: Victim) -> None:
        charge, watch = victim.charge(site), Watch(site)
        kills = 0
        while not watch.is_ended:
            process = site.start_resume() if watch.is_begun else site.start_run(charge)
            if kills == MOST_KILLS or (kills and self.chance.random() < 0.5):
                check_exit(ended(process))
                continue
            by_time = (number + kills) % 2 == 0
            is_killed = kill_at(process, watch, draw(self.chance, self.rhythm, watch.mark, by_time=by_time))
            check_exit(ended(process), is_killed=is_killed)
            kills += is_killed
            self.kills += Counter([watch.stage] * is_killed)
            self._look(site, victim, watch, charge)
        self.again += kills > 1

    def _look(self, site: RealSite, victim: Victim, watch: Watch, charge: Charge) -> None:
        """What holds after every kill; and what else may happen before somebody resumes."""
        left = victim.left()
        assert not watch.has_certificate or left == 0, f"a certificate exists, and {left} needles are left"
        if watch.is_begun and not watch.is_ended and self.chance.random() < 0.3:
            refused = site.run(charge)
            assert refused.returncode == 3, f"an order was used twice: {refused.stdout}"
        if self.chance.random() < 0.5:
            victim.jolt()


def check_exit(process: subprocess.CompletedProcess[str], *, is_killed: bool = False) -> None:
    """It was killed, or ended well: registered, or waiting for a registry that there is not."""
    assert is_killed or process.returncode in (0, 6), f"exit {process.returncode}: {process.stdout}"


def check_end(site: RealSite, victim: Victim) -> None:
    """One certificate, proven, that an auditor believes; nothing left of the target, and nothing of its names."""
    (certificate,) = site.certificates()
    assert certificate.claim.outcome is Outcome.PROVEN, certificate.claim
    events = Watch(site).events()
    assert sum(event["kind"] == "certified" for event in events) == 1
    (report,) = site.audited()
    doubts = [finding.code for finding in report.findings if finding.sign is Sign.FAILS]
    assert not doubts, doubts
    assert victim.left() == 0, f"certified, and {victim.left()} needles are left"
    victim.check_gone(site)
    kept = sorted(path.name for path in (site.folder / "runs").rglob("*") if is_private(path))
    assert not kept, f"kept after the end: {kept}"


def is_private(path: Path) -> bool:
    """Whether it may hold names, and so must not outlive the run; or is a draft that nobody finished."""
    return path.name in {"selector.json", "where.json"} or path.suffix in {".streams", ".new"}


def story_of(site: RealSite) -> str:
    """The journal, for whoever has to find out."""
    return "\n".join(json.dumps(event)[:300] for event in Watch(site).events())


def campaign(make: MakeVictim, seed: int, trials: int) -> str:
    """A line of results of so many trials."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        return Campaign(make, Random(seed), Path(folder)).go(trials)
