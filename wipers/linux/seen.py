"""What a search found, kept for the opening that follows it in the same process: a million files are asked once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from certificates.statements import FilesSelector
from wipers.linux.machine import Machine
from wipers.linux.streams import Streams
from wipers.linux.trees import is_unchanged

MOST = 4
"""Searches kept: what a process finds and never opens does not add up."""


class Seen:
    """Files that were found and not opened yet. Thread-safe."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._streams: OrderedDict[tuple[Path, FilesSelector], Streams] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, machine: Machine, selects: FilesSelector, streams: Streams) -> None:
        """Keep what names that stand in the order itself lead to, unless something is against it: what a pattern leads
        to is for it to say again, and a list or manifest is held against its digest again."""
        with self._lock:
            self._streams.pop((machine.runs, selects), None)
            if not (selects.globs or selects.list or selects.manifest or streams.tree.problems):
                self._streams[(machine.runs, selects)] = streams
                if len(self._streams) > MOST:
                    self._streams.popitem(last=False)

    def take(self, machine: Machine, selects: FilesSelector, root: int) -> Streams | None:
        """Return what was found, once, if nothing of it was changed since; otherwise it is to be searched for again,
        which says what is against it."""
        with self._lock:
            streams = self._streams.pop((machine.runs, selects), None)
        try:
            return streams if streams is not None and is_unchanged(root, streams.tree) else None
        except OSError:
            return None


SEEN = Seen()
"""Those of this process."""
