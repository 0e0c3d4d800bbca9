"""The guard that every other test relies on: it bites, and it lets the harmless through."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guard import WATCH, TouchedTheWorldError


def _resolve_name() -> None:
    socket.getaddrinfo("localhost", 80)


def _connect() -> None:
    with socket.socket() as plug:
        plug.connect(("127.0.0.1", 9))


def _bind() -> None:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))


def _ioctl() -> None:
    import fcntl

    with Path(os.devnull).open() as null:
        fcntl.ioctl(null, 0x1260)


TOUCHES: list[Callable[[], object]] = [
    lambda: open("/dev/zero", "rb"),  # noqa: SIM115  (it must not open)
    lambda: Path("/dev/zero").read_bytes(),
    lambda: os.open("/dev/zero", os.O_RDONLY),
    lambda: os.open(b"/dev/../dev/zero", os.O_RDONLY),
    lambda: subprocess.run(["true"], check=True),
    lambda: os.system("true"),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    _resolve_name,
    _connect,
    _bind,
    _ioctl,
]


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_pure_test_cannot_touch_the_world(touch: Callable[[], object]) -> None:
    """A slip in a test must never reach a disk of whoever runs it."""
    with pytest.raises(TouchedTheWorldError):
        touch()
    assert WATCH.caught
    WATCH.caught.clear()


def test_a_link_to_a_device_is_a_device(tmp_path: Path) -> None:
    """Another name must not be a way around."""
    link = tmp_path / "harmless"
    link.symlink_to("/dev/zero")
    with pytest.raises(TouchedTheWorldError):
        link.read_bytes()
    WATCH.caught.clear()


def test_a_swallowed_touch_is_still_known() -> None:
    """Code that catches everything, or a thread whose error nobody sees, does not hide what it did."""

    def reach() -> None:
        with contextlib.suppress(BaseException):
            os.open("/dev/zero", os.O_RDONLY)

    thread = threading.Thread(target=reach)
    thread.start()
    thread.join()
    assert WATCH.caught == ["opens /dev/zero"]
    WATCH.caught.clear()


def test_the_harmless_stays_allowed(tmp_path: Path) -> None:
    """Temporary files, the null device and the kernel's randomness are what a pure test may use."""
    (tmp_path / "file").write_bytes(b"bytes")
    Path("/dev/null").read_bytes()
    with open("/dev/urandom", "rb") as source:
        assert len(source.read(8)) == 8
    left, right = socket.socketpair()
    left.close()
    right.close()
    assert WATCH.caught == []


@pytest.mark.integration
def test_a_marked_test_may_touch() -> None:
    """The mark is the whole permission."""
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0
    with open("/dev/zero", "rb") as source:
        assert source.read(1) == b"\0"
