"""The command as a process that comes to a moment of the test's choosing and stays there, however fast the machine is.

Who watches a run from outside and then acts races with the drive. Here the process itself sees the moment:

    entry-N    as soon as the N-th entry of its journal is durable it is killed, with all its threads;
    chunk-N    before its N-th write to a device it stops (SIGSTOP). Once it may go on, the test having done its part,
               every further write takes a moment, so that what the test did is noticed before the work is over;
    signal-N   the same, and the writes wait until the process has noted a signal that the test sent meanwhile.
"""

from __future__ import annotations

import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNMARKED = frozenset({"advanced", "reproved", "resumed", "revisited"})
"""Events whose number depends on how a run was cut: they are not counted."""
LONGEST = 60.0
"""Seconds after which what is waited for does not come any more."""
SLOW = 0.02
"""Seconds of a write, once the process goes on."""
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.support.halting import main; main()"


def command(moment: str) -> tuple[str, ...]:
    """What starts `expunge` so; its own words follow."""
    return (sys.executable, "-c", PROGRAM, moment)


def until_at_rest(process: subprocess.Popen[str]) -> None:
    """The process stands still at its moment; raises AssertionError where it ended instead."""
    deadline = time.monotonic() + LONGEST
    while True:
        seen = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if seen is not None and seen.si_code == os.CLD_STOPPED:
            return
        assert seen is None, f"it ended before its moment: {process.communicate()}"
        assert time.monotonic() < deadline, "it does not come to its moment"
        time.sleep(0.005)


def let_go_on(process: subprocess.Popen[str], *signals: signal.Signals) -> None:
    """The process goes on, and meets these signals first."""
    for one in signals:
        process.send_signal(one)
    process.send_signal(signal.SIGCONT)


def main() -> None:
    """Started with the moment and the command's own words."""
    kind, number = sys.argv.pop(1).split("-")
    {"entry": die_after, "chunk": rest_before, "signal": rest_for_a_signal}[kind](int(number))
    from agent.cli import main as expunge

    expunge()


def die_after(number: int) -> None:
    """The process will be killed when so many entries are durable."""
    from agent.journal import JournalFile

    counted, write = itertools.count(1), JournalFile.write

    def written(self: JournalFile, event: Any) -> None:
        write(self, event)
        if event.kind not in UNMARKED and next(counted) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    JournalFile.write = written  # type: ignore[method-assign]


def rest_before(number: int, then: Callable[[], object] = lambda: time.sleep(SLOW)) -> None:
    """The process will stop before that write to a device, and do `then` before each from there on."""
    counted, write = itertools.count(1), os.pwrite

    def written(descriptor: int, data: Any, offset: int) -> int:
        if stat.S_ISBLK(os.fstat(descriptor).st_mode):
            before = next(counted)
            if before == number:
                os.kill(os.getpid(), signal.SIGSTOP)
            if before >= number:
                then()
        return write(descriptor, data, offset)

    os.pwrite = written


def rest_for_a_signal(number: int) -> None:
    """The process will stop before that write, and write no more until it has done what it does on a signal."""
    noted, install = threading.Event(), signal.signal

    def installed(one: signal.Signals, deed: Any) -> Any:
        def both(*how: Any) -> None:
            deed(*how)
            noted.set()

        return install(one, both if callable(deed) else deed)

    signal.signal = installed  # type: ignore[assignment]
    rest_before(number, lambda: noted.wait(LONGEST))
