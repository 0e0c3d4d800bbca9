"""A block device held exclusively: read past every cache, written within its own bounds, identified again at will."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from certificates.statements import Area, Check, Extent, Fact, StepRecord
from wipers.acts import Act, Given
from wipers.linux.advice import advice_of
from wipers.linux.candidates import facts_of_candidate
from wipers.linux.devices import device_numbered
from wipers.linux.direct import Storage, device_geometry, error_name
from wipers.linux.drive import raw_status, temperature
from wipers.linux.loops import Loop, loop_behind, settle_below
from wipers.linux.machine import Machine, attribute
from wipers.linux.makeup import makeup_of
from wipers.linux.sequence import sequence_of
from wipers.linux.zones import ZoneTable, is_zoned, zones_of
from wipers.model import Advice, KeyState, Lost


class DeviceWriter:
    """A block device held exclusively; its one stream is 0."""

    place: Literal["device", "below-file-system"] = "device"

    def __init__(self, machine: Machine, storage: Storage) -> None:
        """Note what lies behind the descriptor, layer by layer, so that a later change shows."""
        self._machine = machine
        self._storage = storage
        self._device = os.fstat(storage.descriptor).st_rdev
        self._loop = self._loop_now()
        self._zones = self._zones_now()
        self._makeup = makeup_of(machine, self._device)

    @property
    def sector_size(self) -> int:
        return self._storage.sector_size

    @property
    def size(self) -> int:
        """Bytes of the device."""
        return self._storage.size

    def facts(self) -> tuple[Fact, ...]:
        if self._storage.is_gone():
            raise Lost("target-lost", where=self._storage.location, detail="it left the machine")
        loop = self._loop_now()
        if _window(loop) != _window(self._loop):
            raise Lost("target-lost", where=self._storage.location, detail="another file was attached to it")
        device = device_numbered(self._machine, self._device)
        if device is None:
            raise Lost("target-lost", where=self._storage.location, detail="the kernel lists it no longer")
        if makeup_of(self._machine, self._device) != self._makeup:
            raise Lost("target-lost", where=self._storage.location, detail="what it is made of was changed under it")
        size = device_geometry(self._storage.descriptor).size
        return facts_of_candidate(self._machine, device, loop, size)

    def sequence(self) -> int:
        """Number that the kernel gave this medium when it appeared; 0 where it gives none."""
        return sequence_of(self._storage.descriptor)

    def layout(self, area: Area) -> Iterable[Extent]:
        """One extent, or one a zone: a partition's begins where the partition does, for it is held by its own node."""
        if area != "whole":
            return ()
        return (Extent(0, 0, self._storage.size),) if self._zones is None else self._zones.extents

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._check_stream(stream)
        self._storage.read(offset, buffer)

    def peek(self, offset: int, length: int) -> bytes:
        """Bytes as they are now, for recognising what lies there; raises MediumError, Lost."""
        return self._storage.peek(offset, length)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._check_stream(stream)
        self._storage.write(offset, buffer)

    def flush(self) -> None:
        self._storage.flush()

    def settle(self) -> None:
        self._storage.settle()
        settle_below(self._machine, self._device)

    def moved(self) -> tuple[Extent, ...]:
        return ()

    def physical_extents(self) -> Iterable[bytes] | None:
        return None

    def release(self) -> int:
        """Nothing: a device has no name to give up."""
        return 0

    def key_state(self) -> KeyState:
        raise TypeError("a plain device holds no keys")

    def advice(self) -> Advice:
        advice = advice_of(self._machine, self._device)
        return replace(advice, is_sequential=self._zones is not None and self._zones.is_sequential)

    def temperature(self) -> int | None:
        return temperature(self._storage.descriptor, self._machine)

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        raise TypeError(f"{step.kind} is not done on a device or image")

    def status(self) -> bytes:
        device = device_numbered(self._machine, self._device)
        return raw_status(self._machine, device) if device is not None else b""

    def prepare(self, extent: Extent) -> None:
        """The zone that begins there is empty; nothing for a disk without zones, which takes writes in any order."""
        if self._zones is None:
            return
        try:
            with self._storage.used():
                self._zones.empty(extent)
        except OSError as error:
            raise self._storage.told(error, extent.offset, extent.length) from error

    def _check_stream(self, stream: int) -> None:
        if stream != 0:
            raise ValueError(f"a device has no stream {stream}")

    def _zones_now(self) -> ZoneTable | None:
        descriptor = self._storage.descriptor
        try:
            zones = zones_of(descriptor, self._storage.size) if is_zoned(self._machine, self._device) else ()
        except OSError as error:
            raise Lost("target-lost", where=self._storage.location, detail=error_name(error)) from error
        return ZoneTable(descriptor, zones) if zones else None

    def _loop_now(self) -> Loop | None:
        name = os.path.basename(self._storage.location)
        path = attribute(self._machine.sys / "block" / name / "loop" / "backing_file")
        try:
            return loop_behind(self._storage.descriptor, name, path) if path else None
        except OSError as error:
            raise Lost("target-lost", where=self._storage.location, detail=error_name(error)) from error


def _window(loop: Loop | None) -> tuple[object, ...]:
    """Which part of which file a loop device shows; the file's name may change meanwhile."""
    return () if loop is None else (loop.file, loop.offset, loop.size_limit)
