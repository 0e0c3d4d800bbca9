"""A withdrawal by an engine alone, without order desk, journal or registry: looked at, taken out, written over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from certificates.statements import (
    Carrier,
    Fact,
    Method,
    Parameter,
    RecordsIdentity,
    RecordsSelector,
    Scope,
    Selector,
)
from certificates.statements import (
    Engine as EngineName,
)
from tests.support.erasing import LABEL_KEY, carrier_for, file_system_uuid
from wipers.acts import Given
from wipers.linux.engines import Engine, Request, Withdrawn, engine_of
from wipers.linux.held import Held
from wipers.linux.machine import Machine
from wipers.linux.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Asked:
    """An order for records, as an engine sees it."""

    carrier: Carrier
    selector: Selector
    request: Request
    machine: Machine

    @property
    def engine(self) -> Engine:
        return engine_of(self.request)

    def held(self) -> Held:
        """What was taken so far, read from the state directory as after a crash."""
        return Held(Manifest(self.machine.runs, self.carrier))

    def reasons(self) -> set[str]:
        """Why it must not be touched."""
        found = self.engine.look(self.request)
        assert found is not None
        return {one.reason for one in found.obstacles}


def ask(
    engine: EngineName,
    where: Path,
    state: Path,
    *,
    scope: Scope = "rows",
    database: str = "-",
    schema: str | None = None,
    table: str | None = None,
    condition: str | None = None,
    parameters: tuple[Parameter, ...] = (),
    connect: dict[str, str] | None = None,
    credentials: str | None = None,
    system: str = "-",
    least: int = 0,
    most: int = 1_000_000,
) -> Asked:
    """An order for part of what a server holds."""
    identity = RecordsIdentity(
        engine, system, file_system_uuid(where), where.stat().st_ino, database, scope, least, most
    )
    facts = tuple(Fact(name, value) for name, value in sorted((connect or {}).items()))
    selects = RecordsSelector(str(where), facts, credentials, schema, table, condition, parameters, LABEL_KEY)
    carrier, selector = carrier_for(identity, selects)
    machine = replace(Machine(), runs=state)
    return Asked(carrier, selector, Request(carrier.id, identity, selects, machine), machine)


@dataclass(slots=True)
class Told:
    """What an act is given, and what it said."""

    notes: list[str] = field(default_factory=list)
    at_note: Callable[[int], None] = lambda number: None
    stop: threading.Event = field(default_factory=threading.Event)

    def given(self, *, resumed: bool = False) -> Given:
        return Given(
            number=1,
            now=lambda: datetime.now(UTC).replace(microsecond=0),
            stop=self.stop,
            told=lambda done, total: None,
            note=self._note,
            keep=lambda name, content: None,
            entropy=os.urandom,
            resumed=resumed,
        )

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.at_note(len(self.notes))


def withdraw(asked: Asked, told: Told | None = None, *, resuming: bool = False) -> Withdrawn:
    """The engine took out what was ordered; a resume recovers first, as the frame does."""
    held = asked.held()
    engine = asked.engine
    found = None if resuming else engine.look(asked.request)
    if resuming:
        engine.recover(asked.request, held)
        line = held.manifest.last("target")
        assert line is not None
        facts = tuple(Fact(name, value) for name, value in line.facts["facts"])
    else:
        assert found is not None
        facts = found.facts
        held.manifest.write("target", facts=[[one.name, one.value] for one in facts])
    with engine.open(asked.request, facts, resuming) as session:
        assert session.facts() == facts
        done = session.withdraw(held, (told or Told()).given(resumed=resuming), Method.COPY_FORWARD)
        assert not held.linked_elsewhere()
        assert session.facts() == facts
        name, is_sound = session.check()
        assert is_sound, name
    return done


def destroy_held(asked: Asked) -> int:
    """What was held is zeros, to the end of its last block, and gone; return how many bytes."""
    held = asked.held()
    folder = held.path
    assert folder is not None
    total = 0
    for name in held.names():
        with (folder / name).open("r+b") as file:
            size = max(os.fstat(file.fileno()).st_blocks * 512, os.fstat(file.fileno()).st_size)
            for begin in range(0, size, 1 << 20):
                file.write(bytes(min(1 << 20, size - begin)))
            file.flush()
            os.fsync(file.fileno())
        (folder / name).unlink()
        total += size
    held.remove()
    return total
