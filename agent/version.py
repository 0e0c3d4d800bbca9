"""Which program this is, as documents name it."""

from __future__ import annotations

VERSION = "0.1.0"
TOOL_ID = f"expunge-{VERSION}"
