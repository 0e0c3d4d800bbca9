"""Where the blocks of a file lay when its run began: a run that is taken up again must not take new ones for those."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from certificates.errors import Refused
from wipers.linux.extents import Span, map_extents
from wipers.linux.filesystems import generation
from wipers.linux.notes import write_note


def places_at_start(descriptor: int, mark: tuple[str, int], runs: Path, *, resuming: bool) -> tuple[Span, ...]:
    """The file's blocks as the run found them, durable on this host, as numbers alone; raises Refused, OSError.

    `mark`: what the file is known by after a restart, the UUID of its file system and its inode.
    """
    uuid, inode = mark
    name = hashlib.sha256(f"{uuid}:{inode}:{generation(descriptor)}".encode()).hexdigest()
    path = runs / f"{name}.places"
    if resuming and path.exists():
        return _loaded(path)
    spans = map_extents(descriptor).spans
    try:
        write_note(path, json.dumps(spans))
    except OSError as error:
        raise Refused("journal-not-writable", detail=str(error.strerror)) from error
    return spans


def _loaded(path: Path) -> tuple[Span, ...]:
    try:
        return tuple(Span(int(one), int(two), int(three)) for one, two, three in json.loads(path.read_text("ascii")))
    except (OSError, ValueError, TypeError) as error:
        raise Refused("run-state-unreadable", where=str(path), detail=type(error).__name__) from error
