"""A watch on the interpreter itself: while it is on, code under test reaches no device, no program and no network.

It listens to Python's audit events (PEP 578), so it also sees what goes through `os`, a library or a forgotten thread,
and it patches nothing. An audit hook cannot be taken out again; it is put in once and switched on and off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HARMLESS_DEVICES = frozenset({"/dev/null", "/dev/urandom"})

PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}
)
NETWORK = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.sendmsg",
        "socket.sendto",
    }
)


class TouchedTheWorldError(BaseException):
    """A test reached for something real without being marked for it.

    Not an `Exception`: code that translates foreign errors must not swallow it.
    """


@dataclass(slots=True)
class Watch:
    """What is watched for, and what was caught; one per interpreter."""

    is_on: bool = False
    caught: list[str] = field(default_factory=list)

    def see(self, event: str, details: tuple[object, ...]) -> None:
        """An event that touches the world is recorded and stopped."""
        if not self.is_on:
            return
        touch = describe(event, details)
        if touch is not None:
            self.caught.append(touch)
            raise TouchedTheWorldError(f"{touch}; mark the test 'integration' if it is meant to")


def describe(event: str, details: tuple[object, ...]) -> str | None:
    """The touch that an audit event amounts to, in words, or None where it is harmless."""
    if event == "open":
        return _describe_open(details[0])
    if event in PROGRAMS:
        return f"starts a program ({event} {details[:1]})"
    if event in NETWORK:
        return f"uses the network ({event} {details[1:2] or details[:1]})"
    if event == "fcntl.ioctl":
        return "speaks to a driver (fcntl.ioctl)"
    return None


def _describe_open(name: object) -> str | None:
    """Opening below /dev counts under whatever name it was reached; a bare descriptor was opened before."""
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    path = os.path.realpath(os.fsdecode(name))
    if path.startswith("/dev/") and path not in HARMLESS_DEVICES:
        return f"opens {path}"
    return None


def _install() -> Watch:
    watch = Watch()
    hook: Callable[[str, tuple[object, ...]], None] = watch.see
    sys.addaudithook(hook)
    return watch


WATCH = _install()


@contextmanager
def watched() -> Iterator[list[str]]:
    """The watch is on inside; yields what it caught, which is forgotten afterwards."""
    before = WATCH.is_on
    WATCH.is_on = True
    try:
        yield WATCH.caught
    finally:
        WATCH.is_on = before
        WATCH.caught.clear()
