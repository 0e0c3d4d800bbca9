"""The directory beside an engine's files in which those are kept that nobody is to reach any more: theirs is the only
name that is left to them, and what becomes of them is noted before it happens."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from certificates.errors import Refused
from wipers.linux.manifest import Line, Manifest, sync_folder

How = Literal["link", "swap", "move"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that is held."""

    path: Path
    """Where the engine had it."""
    name: str
    """Its name in the held directory."""
    inode: int
    """Its inode, by which it is known again."""
    how: How
    """Linked (the engine still has its name), swapped for another file, or moved."""
    filling: bytes = b""
    """What the file holds that has its place, where it was swapped."""


class Held:
    """What a withdrawal takes, in a directory of mode 0700 that only its manifest names."""

    def __init__(self, manifest: Manifest) -> None:
        """Read what a run before this one took."""
        self.manifest = manifest
        """Where an engine notes its own phases too: `held.manifest.write("emptied", ...)`."""

    @property
    def path(self) -> Path | None:
        """The held directory; none before `begin`."""
        line = self.manifest.last("begun")
        return Path(line.facts["path"]) if line is not None else None

    def begin(self, beside: Path, token: str) -> Path:
        """The directory exists inside `beside`, a directory on the engine's own file system; raises OSError."""
        path = self.path
        if path is None:
            path = beside / f".expunge-{token}"
            self.manifest.write("begun", path=str(path))
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if path.is_symlink() or path.lstat().st_uid != os.geteuid():
                raise Refused("in-use", where=path, by="something that is not ours") from None
        sync_folder(path.parent)
        return path

    def link(self, paths: Iterable[Path]) -> tuple[Taken, ...]:
        """Every file has a further name in the held directory, so that what the engine unlinks is not lost sight of."""
        return self._take(paths, "link")

    def swap(self, paths: Iterable[Path], filling: bytes = b"") -> tuple[Taken, ...]:
        """Every file is in the held directory, and one of the same owner and mode that holds `filling` has its place:
        what the engine is to see until it has committed, rather than an empty table."""
        return self._take(paths, "swap", filling)

    def move(self, paths: Iterable[Path]) -> tuple[Taken, ...]:
        """Every file is in the held directory, and nothing has its place."""
        return self._take(paths, "move")

    def keep(self) -> None:
        """What was taken so far is taken for good: the engine has committed."""
        self.manifest.write("kept", count=len(self.taken()))

    def finish(self) -> None:
        """Whatever was noted to be taken is taken: completes what a crash cut. Idempotent; raises OSError."""
        folder = self.path
        if folder is not None:
            self._do(self.pending(), folder)

    def pending(self) -> tuple[Taken, ...]:
        """What was noted to be taken since `keep`, whether or not it came to it."""
        kept = self.manifest.last("kept")
        return self.taken()[kept.facts["count"] if kept is not None else 0 :]

    def put_back(self) -> int:
        """Whatever was taken since `keep` has its place again, as it had before; return how many. Idempotent."""
        folder = self.path
        pending = self.pending()
        count = 0
        for one in reversed(pending):
            if folder is not None and _inode(folder / one.name) == one.inode:
                count += 1
                if _inode(one.path) == one.inode:
                    (folder / one.name).unlink()
                else:
                    (folder / one.name).replace(one.path)
                (folder / f"{one.name}.new").unlink(missing_ok=True)
        self._sync(one.path.parent for one in pending)
        self.manifest.write("put-back", count=len(self.taken()) - len(pending))
        return count

    def taken(self) -> tuple[Taken, ...]:
        """What was taken and not put back, in order."""
        found: list[Taken] = []
        for line in self.manifest.lines:
            if line.phase == "take":
                found += _taken_in(line)
            elif line.phase == "put-back":
                del found[line.facts["count"] :]
        return tuple(found)

    def names(self) -> tuple[str, ...]:
        """Names that are in the held directory now, sorted."""
        folder = self.path
        return tuple(sorted(os.listdir(folder))) if folder is not None and folder.is_dir() else ()

    def linked_elsewhere(self) -> tuple[str, ...]:
        """Names in the held directory whose files the engine still has under a name of its own."""
        folder = self.path
        return tuple(name for name in self.names() if folder is not None and (folder / name).lstat().st_nlink > 1)

    def remove(self) -> None:
        """The emptied directory is gone; where something is left in it, it stays. Idempotent."""
        folder = self.path
        if folder is None or not folder.is_dir():
            return
        if not os.listdir(folder):
            folder.rmdir()
            sync_folder(folder.parent)

    def _take(self, paths: Iterable[Path], how: How, filling: bytes = b"") -> tuple[Taken, ...]:
        """Note all, then take each: after a crash every one of them is where it was or where it was noted to go."""
        folder = self.path
        if folder is None:
            raise RuntimeError("nothing is taken before the held directory is noted")
        first = len(self.taken())
        taking = tuple(
            Taken(path, f"{first + number:06d}", path.lstat().st_ino, how, filling) for number, path in enumerate(paths)
        )
        for one in taking:
            if not stat.S_ISREG(one.path.lstat().st_mode):
                raise Refused("in-use", where=one.path, by="something that is no regular file")
        if taking:
            files = [[str(one.path), one.name, one.inode] for one in taking]
            self.manifest.write("take", how=how, filling=filling.hex(), files=files)
        return self._do(taking, folder)

    def _do(self, taking: tuple[Taken, ...], folder: Path) -> tuple[Taken, ...]:
        done = tuple(one for one in taking if _take_one(one, folder))
        self._sync(one.path.parent for one in taking)
        return done

    def _sync(self, folders: Iterable[Path]) -> None:
        folder = self.path
        for path in {*folders, *([folder] if folder is not None else [])}:
            if path.is_dir():
                sync_folder(path)


def _take_one(one: Taken, folder: Path) -> bool:
    """The file is in the held directory; false where something else has its name by now. Idempotent."""
    place = folder / one.name
    if _inode(place) != one.inode:
        if _inode(one.path) != one.inode:
            return False
        if one.how == "move":
            one.path.rename(place)
        else:
            os.link(one.path, place, follow_symlinks=False)
    if one.how == "swap" and _inode(one.path) == one.inode:
        _put_other(one, folder / f"{one.name}.new")
    return True


def _put_other(one: Taken, new: Path) -> None:
    """A file of the same owner and mode takes the place of another, at no moment nothing."""
    found = one.path.lstat()
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        if os.write(descriptor, one.filling) != len(one.filling):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(new))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.rename(one.path)


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


def _taken_in(line: Line) -> list[Taken]:
    how: How = line.facts["how"]
    filling = bytes.fromhex(line.facts["filling"])
    return [Taken(Path(path), name, inode, how, filling) for path, name, inode in line.facts["files"]]
