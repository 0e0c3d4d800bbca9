"""What people ask of a run that has begun: that it pauses, goes on, or ends. Durable files in the run's folder.

Whoever may write there may ask; the process that carries the run out sees it within a second. A pause outlives that
process: a run that is resumed resumes paused. A cancellation is spent by the process that it ended.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.journal import Journal
from agent.lines import is_marked, marked
from agent.runs import CANCEL, PAUSE, WISHES, RunFolder
from agent.site import Site
from certificates.encoding import format_time
from certificates.errors import Interrupted, Refused
from wipers.pipeline import StopSignal

GOING = "going"
INTERVAL = 0.4
"""Seconds between two looks."""


@dataclass(slots=True)
class Wishes:
    """The wishes about one run as its process sees them: a stop signal and a gate for the engine. Thread-safe."""

    folder: RunFolder
    stop: StopSignal
    """What stops the whole process."""
    clock: Callable[[], float] = time.monotonic
    _looked_at: float = -INTERVAL
    _is_paused: bool = False
    _is_cancelled: bool = False

    def is_set(self) -> bool:
        """Tell whether the run shall end after the chunks in the air."""
        self._look()
        return self._is_cancelled or self.stop.is_set()

    def is_paused(self) -> bool:
        """Tell whether the run shall wait."""
        self._look()
        return self._is_paused and not self._is_cancelled

    def _look(self) -> None:
        now = self.clock()
        if now - self._looked_at < INTERVAL:
            return
        self._looked_at = now
        self._is_paused = (self.folder.path / PAUSE).exists()
        self._is_cancelled = self._is_cancelled or (self.folder.path / CANCEL).exists()

    def told(self, error: Interrupted) -> Interrupted:
        """Return why the run was interrupted: by a cancellation, if there was one, which is then spent."""
        if not self._is_cancelled:
            return error
        who = _who(self.folder, CANCEL)
        forget(self.folder)
        return Interrupted("cancelled", sequence=self.folder.sequence, by=who)


def going(folder: RunFolder) -> AbstractContextManager[None]:
    """Show that this process carries the run out, or will when its turn comes."""
    return marked(folder.path / GOING)


def is_going(folder: RunFolder) -> bool:
    """Tell whether a process carries the run out."""
    return is_marked(folder.path / GOING)


def is_paused(folder: RunFolder) -> bool:
    """Tell whether somebody asked the run to wait, and nobody to go on."""
    return (folder.path / PAUSE).exists()


def forget(folder: RunFolder) -> None:
    """Nothing is asked of the run any more."""
    for name in WISHES:
        (folder.path / name).unlink(missing_ok=True)


def forget_cancelled(folder: RunFolder) -> None:
    """A cancellation that no process saw is not asked any more: who resumes the run has thought better of it."""
    (folder.path / CANCEL).unlink(missing_ok=True)


def pause(site: Site, named: str | None) -> tuple[Journal, ...]:
    """Ask the begun run named, or every one, to wait; return which. Raises Refused."""
    found = find_runs(site, named)
    _ask(site, found, PAUSE)
    return found


def lift(site: Site, named: str | None) -> tuple[Journal, ...]:
    """Let the paused run named, or every one, go on; return which. Raises Refused."""
    found = tuple(one for one in find_runs(site, named) if is_paused(site.folder(one.opened.sequence)))
    if not found:
        raise Refused("nothing-paused")
    for one in found:
        try:
            (site.folder(one.opened.sequence).path / PAUSE).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(site.folder(one.opened.sequence).path, error) from error
    return found


def cancel(site: Site, named: str | None) -> tuple[Journal, ...]:
    """Ask the run named, or every one, that a process carries out to end as interrupted; return which. Raises Refused
    where none is carried out."""
    found = tuple(one for one in find_runs(site, named) if is_going(site.folder(one.opened.sequence)))
    if not found:
        raise Refused("nothing-going")
    _ask(site, found, CANCEL)
    return found


def find_runs(site: Site, named: str | None) -> tuple[Journal, ...]:
    """Return the begun runs meant: of that journal, number or carrier; all, if none is named. Raises Refused."""
    begun = site.journals.begun()
    found = tuple(one for one in begun if named is None or _is_meant(one, named))
    if not found:
        raise Refused("run-unknown", name=named or "*")
    if named is not None and len(found) > 1:
        which = ", ".join(f"{one.opened.sequence:08d}" for one in found)
        raise Refused("run-ambiguous", carrier=named, runs=which)
    return found


def _is_meant(journal: Journal, named: str) -> bool:
    stem = Path(named).stem if named.endswith(".jsonl") else named
    is_number = stem.isdigit() and int(stem) == journal.opened.sequence
    return is_number or named == journal.opened.carrier


def _ask(site: Site, journals: tuple[Journal, ...], name: str) -> None:
    for one in journals:
        folder = site.folder(one.opened.sequence)
        try:
            folder.write(name, _wish(site.clock()))
        except OSError as error:
            raise _unwritable(folder.path, error) from error


def _wish(at: datetime) -> bytes:
    return json.dumps({"at": format_time(at), "uid": os.getuid()}).encode()


def _who(folder: RunFolder, name: str) -> str:
    """Return who asked, as far as it can still be read."""
    try:
        return f"uid {json.loads(folder.read(name) or b'{}')['uid']}"
    except (ValueError, KeyError, TypeError):
        return "somebody on this host"


def _unwritable(where: Path, error: OSError) -> Refused:
    return Refused("file-unwritable", where=where, detail=error.strerror)
