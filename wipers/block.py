"""Whole devices and disk images: every addressable byte is overwritten and read back."""

from __future__ import annotations

from dataclasses import dataclass

from certificates.statements import Kind
from wipers.model import Step, Technique, Wanted
from wipers.techniques import written_and_read_back


@dataclass(frozen=True, slots=True)
class BlockWiper:
    """Overwrites a linear address space from its first byte to its last."""

    kind: Kind
    summary: str

    def steps(self, technique: Technique, wanted: Wanted) -> tuple[Step, ...]:
        """Return the passes, then the read-back of the last; nothing is released, the device or image file stays."""
        return written_and_read_back(technique, "whole", wanted.verification, first=0)


DEVICE = BlockWiper("device", "a whole block device, every addressable byte")
VOLUME = BlockWiper("volume", "a partition, a volume of LVM, md or the device mapper, or zram: all of it")
IMAGE = BlockWiper("image", "a disk image: the file itself, or the loop device over it")
