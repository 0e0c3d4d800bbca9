"""What udev's database says of a device: names and contents that the kernel itself does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyudev

DATABASE = Path("/run/udev/data")


def properties_of(folder: Path) -> Mapping[str, str]:
    """Properties of the device of a folder in sysfs; nothing where udev does not run or the folder is no device's."""
    if not folder.is_relative_to("/sys") or not DATABASE.is_dir():
        return {}
    try:
        import pyudev

        known = pyudev.Devices.from_path(_context(), str(folder)).properties
        return {str(name): str(value) for name, value in known.items()}
    except (ImportError, OSError, LookupError, UnicodeDecodeError):
        return {}


@cache
def _context() -> pyudev.Context:
    import pyudev

    return pyudev.Context()
