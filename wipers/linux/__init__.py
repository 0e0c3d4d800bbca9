"""The hot room: the only modules that open storage, speak to drivers and run programs."""

from wipers.linux.host import LinuxHost

__all__ = ["LinuxHost"]
