"""A database server as a child of the test, in the foreground: started, waited for, stopped or killed by its own id."""

from __future__ import annotations

import signal
import socket as sockets
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST = 60
"""Seconds that a server is given to come up, or to come down."""


@dataclass(slots=True)
class Foreground(ABC):
    """A server: where its files are, and the socket beside them by which it is reached."""

    data: Path
    socket: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, kw_only=True)

    @property
    @abstractmethod
    def log(self) -> Path:
        """Where it writes why it did not come up."""

    def is_ready(self, trial: sockets.socket) -> bool:
        """Whether the server, to which this is a connection, does its work."""
        return True

    def stop(self) -> None:
        """No process of the server is left; it came down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The server died at once, as in a power cut that spared the kernel."""
        self._end(signal.SIGKILL)

    def _started(self, *command: str | Path, **how: Any) -> None:
        """The program runs, away from the terminal, and the server is ready."""
        with (self.data.parent / "start.log").open("ab") as log:
            words = [str(word) for word in command]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **how)
        deadline = time.monotonic() + LONGEST
        while not self._is_up():
            assert self.process.poll() is None, self._said()
            assert time.monotonic() < deadline, f"the server does not come up: {self._said()}"
            time.sleep(0.02)

    def _is_up(self) -> bool:
        with sockets.socket(sockets.AF_UNIX) as trial:
            return not trial.connect_ex(str(self.socket)) and self.is_ready(trial)

    def _said(self) -> str:
        logs = (self.data.parent / "start.log", self.log)
        return "\n".join(log.read_text(errors="replace")[-4000:] for log in logs if log.exists())

    def _end(self, by: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(by)
            self.process.wait(LONGEST)
            self.process = None
