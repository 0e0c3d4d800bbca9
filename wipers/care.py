"""Rules of care: when a run rests because the device is too hot or a person wants it, and when it gives up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from wipers.model import Lost

COOLER = 5
"""Degrees Celsius below the limit at which a run goes on: at the limit itself it would start and stop for ever."""

Rest = Literal["paused", "too-hot"]
"""Why a run rests."""


class GivenUp(Lost):
    """A rule of care ends the run: what is done stays done and is journaled, and a resume may try again."""


@dataclass(frozen=True, slots=True)
class Care:
    """The rules; none means that there is no such rule."""

    min_rate: int | None = None
    """Bytes a second below which a device is given up."""
    max_temperature: int | None = None
    """Degrees Celsius above which a run rests until the device is 5 degrees cooler."""
    max_errors: int | None = None
    """Most chunks of one step that may fail before the device is given up."""
    window_seconds: float = 60.0
    """Seconds over which the rate is taken."""
    poll_seconds: float = 15.0
    """Seconds between two looks at the temperature."""


class Gate(Protocol):
    """What a person closes to pause a run from outside; thread-safe and cheap."""

    def is_paused(self) -> bool:
        """Tell whether nothing shall be written now."""
        ...


class OpenGate:
    """The gate of a run that nobody pauses."""

    def is_paused(self) -> bool:
        """Tell that it goes on."""
        return False


Told = Callable[[str, str | None], None]
"""Told the state that a run enters, and a sentence for the journal where it deserves one."""


class Guard:
    """Holds one step against the rules, from one thread."""

    def __init__(
        self,
        care: Care,
        *,
        gate: Gate,
        temperature: Callable[[], int | None],
        told: Told = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to watch; the rate counts from now."""
        self._care = care
        self._gate = gate
        self._temperature = temperature
        self._told = told
        self._clock = clock
        self._found: int | None = None
        self._looked_at: float | None = None
        self._is_hot = False
        self._resting: Rest | None = None
        self._window = (clock(), 0)

    def calm(self) -> Guard:
        """Return a guard that never gives up, for work that is slow and fails by its nature."""
        care = replace(self._care, min_rate=None, max_errors=None)
        return Guard(care, gate=self._gate, temperature=self._temperature, told=self._told, clock=self._clock)

    @property
    def is_look_due(self) -> bool:
        """Tell whether it is time to ask the device how warm it is."""
        if self._care.max_temperature is None:
            return False
        return self._looked_at is None or self._clock() - self._looked_at >= self._care.poll_seconds

    def look(self) -> None:
        """Ask the device how warm it is; one that does not say stays what it was taken for."""
        self._found = self._temperature()
        self._looked_at = self._clock()
        limit = self._care.max_temperature
        if self._found is not None and limit is not None:
            self._is_hot = self._found > (limit - COOLER if self._is_hot else limit)

    def why_rest(self) -> Rest | None:
        """Return why nothing shall be written now; none when nothing stands in the way."""
        if self._gate.is_paused():
            return "paused"
        return "too-hot" if self._is_hot else None

    def check(self, moved: int, errors: int) -> None:
        """Raise GivenUp if the step, which has moved so many bytes, is too slow or fails too often."""
        limit = self._care.max_errors
        if limit is not None and errors > limit:
            raise GivenUp("too-many-errors", errors=str(errors), limit=str(limit))
        began, before = self._window
        seconds = self._clock() - began
        if self._care.min_rate is None or seconds < self._care.window_seconds:
            return
        rate = int((moved - before) / seconds)
        if rate < self._care.min_rate:
            raise GivenUp("too-slow", rate=str(rate), limit=str(self._care.min_rate), seconds=str(int(seconds)))
        self._window = (self._clock(), moved)

    def rest(self, reason: Rest) -> None:
        """Tell that the run rests, once a reason."""
        if reason != self._resting:
            self._resting = reason
            self._told(reason, self._sentence(reason))

    def go_on(self, moved: int) -> None:
        """Tell that it goes on; the rate counts from now."""
        self._resting = None
        self._window = (self._clock(), moved)
        self._told("working", "went on")

    def _sentence(self, reason: Rest) -> str:
        if reason == "paused":
            return "paused"
        return f"rested at {self._found} degrees Celsius, the limit being {self._care.max_temperature}"
