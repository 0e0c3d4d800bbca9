"""Processes that look at plain files side by side, where there are so many that it pays: an interpreter uses one core.

They are begun anew rather than forked, so that they hold nothing of this process, no key, no lock, no descriptor but a
socket; they are sent descriptors of directories, so that no path is resolved twice; and they end when that socket does.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from wipers.linux import looking
from wipers.linux.looking import Asked, Facts, examined, request, unpacked

MANY = 20_000
"""Files from which processes are begun: a fifth of a second's work, of which their beginning is a tenth."""
MOST = 8
"""Processes at most: to list directories and put all in order, a sixth of the work, is left to this one."""
SHARE = 256
"""Names that are looked at together."""
ASKED_AT_ONCE = 2
"""Shares sent to one process before it answered: less than its socket holds, so that nobody waits for each other."""
AHEAD = 8
"""Shares for each process that may wait for one before them."""


@dataclass(slots=True, eq=False)
class Share:
    """Names of one directory that are looked at together."""

    folder: int
    """Descriptor of the directory, held until the answer is there."""
    names: list[bytes]
    """Empty ones stand for what is no regular file."""
    facts: Facts | None = None
    """The answer."""
    is_asked: bool = False
    """Whether a process is at it."""


@dataclass(slots=True, eq=False)
class _Looker:
    """One process, and what it was asked and has not answered."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    waiting: deque[Share] = field(default_factory=deque)


class Lookers:
    """Whoever looks at plain files: this process, and others beside it where there are many."""

    def __init__(self, asked: Asked, many: int = MANY) -> None:
        """Begin nothing yet."""
        self._asked = asked
        self._many = many
        self._met = 0
        self._is_begun = False
        self._left: deque[Share] = deque()
        self._lookers: list[_Looker] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def ahead(self) -> int:
        """Shares that may wait for their answers."""
        return AHEAD * len(self._lookers)

    def ask(self, share: Share) -> None:
        """Let the share be looked at by whoever has time first; by nobody yet where there is no other process."""
        if not any(share.names):
            return
        self._met += len(share.names)
        if self._met > self._many and not self._is_begun:
            self._is_begun = True
            self._begin()
        if self._lookers:
            self._left.append(share)
            self._hand_out()

    def answer(self, share: Share) -> Facts:
        """Return what was seen. Nobody waits who could look: on a busy machine the others may take long. What a process
        that ended left unanswered is looked at here."""
        while share.facts is None:
            self._hand_out()
            self._look_or_wait(share)
        return share.facts

    def _look_or_wait(self, share: Share) -> None:
        """Come nearer to the share's answer."""
        if share.facts is not None:
            return
        if not share.is_asked or self._left:
            self._look(self._left[0] if share.is_asked else share)
        else:
            self._gather(None)

    def _look(self, share: Share) -> None:
        with suppress(ValueError):
            self._left.remove(share)
        share.facts = examined(share.folder, share.names, self._asked)

    def _hand_out(self) -> None:
        """Take the answers that are there, and give those who are done something to do."""
        self._gather(0)
        while self._left and self._lookers:
            least = min(self._lookers, key=lambda looker: len(looker.waiting))
            if len(least.waiting) >= ASKED_AT_ONCE:
                return
            if self._send(least, self._left[0]):
                self._left.popleft()

    def close(self) -> None:
        """End the processes, which leave nothing behind."""
        for looker in self._lookers:
            looker.socket.close()
        self._lookers = []
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes = []

    def _begin(self) -> None:
        """Begin as many processes as there are cores for this one; none where there is one core."""
        cores = len(os.sched_getaffinity(0))
        with suppress(OSError):
            for _ in range(min(cores, MOST) if cores > 1 else 0):
                self._lookers.append(self._begun())

    def _begun(self) -> _Looker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                for end in (ours, theirs):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * looking.LARGEST)
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", looking.__file__, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                )
                self._processes.append(process)
                ours.send(request(self._asked))
            except OSError:
                ours.close()
                raise
        return _Looker(process, ours)

    def _send(self, looker: _Looker, share: Share) -> bool:
        try:
            socket.send_fds(looker.socket, [b"\0".join(share.names)], [share.folder])
        except OSError:
            self._lose(looker)
            return False
        share.is_asked = True
        looker.waiting.append(share)
        return True

    def _gather(self, milliseconds: int | None) -> None:
        """Take the answers that are there, waiting so long for the first; without end where no time is given."""
        asked = {looker.socket.fileno(): looker for looker in self._lookers if looker.waiting}
        poll = select.poll()
        for descriptor in asked:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(milliseconds):
            looker = asked[descriptor]
            try:
                facts = unpacked(looker.socket.recv(looking.LARGEST), len(looker.waiting[0].names))
            except (OSError, ValueError):
                self._lose(looker)
            else:
                looker.waiting.popleft().facts = facts

    def _lose(self, looker: _Looker) -> None:
        """Go on without a process that ended or answers something else than it was asked."""
        self._lookers.remove(looker)
        looker.socket.close()
        for share in looker.waiting:
            share.is_asked = False
        self._left.extendleft(reversed(looker.waiting))
