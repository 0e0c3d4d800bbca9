"""What the kernel knows of how a device likes to be driven: its queue's limits in sysfs."""

from __future__ import annotations

import os
from pathlib import Path

from wipers.linux.machine import Machine, attribute, number
from wipers.model import Advice


def advice_of(machine: Machine, device: int) -> Advice:
    """Advice for the block device of that number; a partition is driven as its disk is."""
    folder = machine.sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    queue = folder / "queue"
    if not queue.exists():
        queue = Path(os.path.realpath(folder)).parent / "queue"
    return Advice(optimal_size=number(queue / "optimal_io_size"), is_rotational=attribute(queue / "rotational") == "1")
