"""Destruction: find a target, plan, perform, read back.

Imports: certificates.statements, .claims, .errors, .sampling, .anchors, encoding.digest.
Touches: storage, only through a Host; the real one is wipers/linux.
"""

from __future__ import annotations

from certificates.statements import Kind
from wipers.block import DEVICE, IMAGE, VOLUME
from wipers.files import FILES
from wipers.luks import LUKS
from wipers.model import Wiper
from wipers.records import RECORDS
from wipers.sqlite import DATABASE

WIPERS: dict[Kind, Wiper] = {wiper.kind: wiper for wiper in (DEVICE, IMAGE, VOLUME, FILES, DATABASE, LUKS, RECORDS)}
"""All that can be destroyed. A table, not a registry: installing a package must not teach this program a new way."""

__all__ = ["WIPERS"]
