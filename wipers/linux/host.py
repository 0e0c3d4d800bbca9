"""This machine as a Host: each kind of carrier is found and opened by the module that knows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from certificates.statements import (
    Carrier,
    DatabaseIdentity,
    DeviceIdentity,
    FilesIdentity,
    ImageIdentity,
    LuksIdentity,
    RecordsIdentity,
    Selector,
    SurveyedMachine,
    VolumeIdentity,
)
from wipers.linux.machine import THIS_MACHINE, Machine, untold
from wipers.model import Target, Writer


class Kind(Protocol):
    """What a module offers for one kind of carrier."""

    def find(self, carrier: Carrier, selector: Selector | None, machine: Machine) -> tuple[Target, ...]:
        """Every candidate; reads only."""
        ...

    def open(
        self, target: Target, carrier: Carrier, selector: Selector | None, resuming: bool, machine: Machine
    ) -> AbstractContextManager[Writer]:
        """The target, held and identified again; raises Refused."""
        ...


class LinuxHost:
    """The machine that this program runs on."""

    def __init__(
        self, state_directory: Path, machine: Machine = THIS_MACHINE, met: Callable[[int], None] = untold
    ) -> None:
        """Keep what runs must know again after a crash in the state directory, which is private to this host; `met` is
        told every thousand files how many a search has met."""
        self._machine = replace(machine, runs=state_directory, met=met)

    def find(self, carrier: Carrier, selector: Selector | None) -> tuple[Target, ...]:
        """Every candidate for the carrier's identity, with what stands in its way; reads only."""
        return _module(carrier).find(carrier, selector, self._machine)

    def list_targets(self, *, with_contents: bool = True) -> tuple[Target, ...]:
        """All devices of this machine with their obstacles; reads only."""
        from wipers.linux import blocks

        return blocks.list_targets(self._machine, with_contents=with_contents)

    def describe(self) -> SurveyedMachine:
        """What this machine is, as its firmware and kernel say; reads only."""
        from wipers.linux.chassis import describe

        return describe(self._machine)

    def open(
        self, target: Target, carrier: Carrier, selector: Selector | None, resuming: bool
    ) -> AbstractContextManager[Writer]:
        """Hold the target exclusively, identified again on the open descriptor; raises Refused."""
        return _module(carrier).open(target, carrier, selector, resuming, self._machine)

    def is_untouched(self, carrier: Carrier) -> bool:
        """Whether a run for records that did not end had taken nothing out yet; reads only."""
        from wipers.linux import records

        return isinstance(carrier.identity, RecordsIdentity) and records.is_untouched(carrier, self._machine)

    def is_taken_out(self, carrier: Carrier) -> bool:
        """Whether a run for records that did not end had taken everything out; reads only."""
        from wipers.linux import records

        return records.is_taken_out(carrier, self._machine)

    def labels_there(self, carrier: Carrier, selector: Selector | None) -> tuple[frozenset[str], ...]:
        """By what the records that are there would be known; reads only. Raises Refused."""
        from wipers.linux import records

        return records.labels_there(carrier, selector, self._machine)

    def put_aside(self, carrier: Carrier, selector: Selector | None) -> None:
        """A run for records that did not end does not go on: what it held goes with the next one's. Raises Refused."""
        from wipers.linux import records

        records.put_aside(carrier, selector, self._machine)

    def held_by_others(self, carrier: Carrier) -> tuple[str, ...]:
        """Directories in which runs for records that did not go on hold files still."""
        from wipers.linux import records

        return records.held_by_others(carrier, self._machine)

    def forget(self, carrier: Carrier) -> None:
        """Nothing that names what the carrier held is kept any more."""
        if isinstance(carrier.identity, FilesIdentity | DatabaseIdentity):
            from wipers.linux import files

            files.forget(carrier, self._machine)
        if isinstance(carrier.identity, RecordsIdentity):
            from wipers.linux import records

            records.forget(carrier, self._machine)


def _module(carrier: Carrier) -> Kind:
    """The module for a kind of carrier, loaded when it is first needed."""
    match carrier.identity:
        case VolumeIdentity() | DeviceIdentity() | ImageIdentity(attached=True):
            from wipers.linux import blocks

            return blocks
        case ImageIdentity():
            from wipers.linux import images

            return images
        case LuksIdentity():
            from wipers.linux import luks

            return luks
        case FilesIdentity():
            from wipers.linux import files

            return files
        case DatabaseIdentity():
            from wipers.linux import sqlite

            return sqlite
        case RecordsIdentity():
            from wipers.linux import records

            return records
