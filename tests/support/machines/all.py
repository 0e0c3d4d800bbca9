"""Every layout there is."""

from __future__ import annotations

from tests.support.machines import elsewhere, personal, servers
from tests.support.machines.layouts import LAYOUTS

SOURCES = (personal, servers, elsewhere)

__all__ = ["LAYOUTS", "SOURCES"]
