"""What a run must still know after a crash: the numbered list of its files, private to this host, and no longer kept
than the run needs it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from certificates.errors import Refused
from certificates.statements import Carrier, Fact
from wipers.linux.rows import Rows
from wipers.linux.streams import Streams
from wipers.linux.trees import Tree

FORMAT = "streams-2"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Begun:
    """A run as its state file tells."""

    facts: tuple[Fact, ...]
    """Identity of the target when it began."""
    size: int
    """Bytes that a whole overwrite addresses."""
    objects: int
    """Files."""
    names: int
    """Names that go at the end."""
    seed: str
    """What the passing names at the release are derived from."""
    streams: Streams | None
    """The numbered files; none once all of them are released."""
    stay: tuple[str, ...] = (".",)
    """Directories that names are taken out of and that stay."""
    unclean: int = 0
    """Directories that went with names in their gaps."""


class StateFile:
    """The place of one carrier's run in the state directory: names there, or after the release numbers alone."""

    def __init__(self, directory: Path, carrier: Carrier) -> None:
        """Name the files after the selector's commitment, which says nothing and does not depend on an order."""
        commitment = carrier.selector.commitment if carrier.selector is not None else ""
        name = commitment.removeprefix("sha256:") or "none"
        self._directory = directory
        self._live = directory / f"{name}.streams"
        self._released = directory / f"{name}.released"
        self._unclean = directory / f"{name}.unclean"

    def load(self) -> Begun | None:
        """Return the run that began, or none; raises Refused where its file cannot be read."""
        for path in (self._released, self._live):
            try:
                with open(path, encoding="ascii") as lines:
                    return self._with_unclean(_decoded(json.loads(next(lines)), lines))
            except (FileNotFoundError, PermissionError):
                # A plan by somebody who may not look there knows of no run; the run itself could not keep its list.
                continue
            except (OSError, ValueError, KeyError, TypeError, StopIteration, RuntimeError) as error:
                # A list that ends within what goes with the files is a RuntimeError of the generator that reads it.
                raise Refused("run-state-unreadable", where=path, detail=type(error).__name__) from error
        return None

    def save(self, begun: Begun) -> None:
        """Make the run's list durable, readable by its owner alone, before anything is written; raises OSError."""
        self._write(self._live, _encoded(begun))

    def note_unclean(self) -> None:
        """Make durable that a directory goes with names in its gaps; raises OSError."""
        self._write(self._unclean, ("",))

    def _with_unclean(self, begun: Begun) -> Begun:
        """Return the run with one directory at least that went so, where that was noted before a crash."""
        return replace(begun, unclean=max(begun.unclean, 1)) if self._unclean.exists() else begun

    def mark_released(self, begun: Begun) -> None:
        """Keep numbers alone and destroy the list of names; raises OSError."""
        self._write(self._released, (_head(begun, released=True),))
        _destroy(self._live)
        _destroy(_new(self._live))
        self._sync()

    def forget(self) -> None:
        """Destroy all that was kept: the run has its certificate, whether or not its names were released."""
        if self._directory.is_dir():
            _destroy(self._live)
            _destroy(_new(self._live))
            self._released.unlink(missing_ok=True)
            self._unclean.unlink(missing_ok=True)
            self._sync()

    def forget_released(self) -> None:
        """Remove the numbers of a run that ended."""
        if self._released.exists():
            self._released.unlink(missing_ok=True)
            self._unclean.unlink(missing_ok=True)
            self._sync()

    def _write(self, path: Path, lines: Iterator[str] | tuple[str, ...]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = _new(path)
        _destroy(new)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
        self._sync()

    def _sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _new(path: Path) -> Path:
    """Return where a file is written before it takes its name; a crash may leave it there."""
    return path.with_suffix(path.suffix + ".new")


def _destroy(path: Path) -> None:
    """Overwrite a file of ours in place and remove it; names in it were never anybody else's to keep."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(descriptor).st_size
        for offset in range(0, size, CHUNK):
            os.pwrite(descriptor, bytes(min(CHUNK, size - offset)), offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink()


def _head(begun: Begun, *, released: bool) -> str:
    facts = [[fact.name, fact.value] for fact in begun.facts]
    return json.dumps(
        {
            "format": FORMAT,
            "released": released,
            "facts": facts,
            "size": begun.size,
            "objects": begun.objects,
            "names": begun.names,
            "seed": begun.seed,
            "stay": begun.stay,
            "unclean": begun.unclean,
        }
    )


def _encoded(begun: Begun) -> Iterator[str]:
    """Yield the head, then one line a file, then what goes with the files, a line a name. Names that are no UTF-8
    survive."""
    yield _head(begun, released=False)
    streams = begun.streams
    if streams is None:
        raise ValueError("a run without files has no list")
    tree = streams.tree
    has_further = len(tree.further) > 0
    for stream, ((path, inode, generation, places), size) in enumerate(zip(Rows(streams), tree.sizes, strict=True)):
        further = ",".join(map(quoted, tree.further.of(stream))) if has_further else ""
        # Put together by hand: nothing is written before a million of these lines is on the disk.
        spans = ",".join([f"[{span[0]},{span[1]},{span[2]}]" for span in places])
        yield f"[{quoted(path)},[{further}],[{inode},{generation},{size}],[{spans}]]"
    yield json.dumps({"others": len(tree.others), "folders": len(tree.folders)})
    yield from map(json.dumps, tree.others)
    yield from map(json.dumps, tree.folders)


def _decoded(head: dict[str, Any], lines: Iterator[str]) -> Begun:
    if head["format"] != FORMAT:
        raise ValueError(head["format"])
    facts = tuple(Fact(str(name), str(value)) for name, value in head["facts"])
    streams = None if head["released"] else _decoded_streams(lines, int(head["objects"]))
    return Begun(
        facts,
        int(head["size"]),
        int(head["objects"]),
        int(head["names"]),
        str(head["seed"]),
        streams,
        tuple(map(str, head.get("stay", (".",)))),
        int(head.get("unclean", 0)),
    )


def _decoded_streams(lines: Iterator[str], objects: int) -> Streams:
    streams = Streams(Tree())
    tree = streams.tree
    for stream in range(objects):
        path, further, (inode, inode_generation, size), rows = json.loads(next(lines))
        tree.add(path, inode, size)
        for name in further:
            tree.further.append(stream, name)
        streams.append(inode_generation, rows)
    rest = json.loads(next(lines))
    tree.others.extend(json.loads(next(lines)) for _ in range(rest["others"]))
    tree.folders.extend(json.loads(next(lines)) for _ in range(rest["folders"]))
    return streams
