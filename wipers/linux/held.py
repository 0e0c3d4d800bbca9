"""The directory beside an engine's files in which those are kept that nobody is to reach any more: theirs is the only
name that is left to them, and what becomes of them is noted before it happens.

Engines' directories belong to users who need not be trusted with what the system's own may do: they can rename the held
directory, and put another, or a link, in its place. So it is known again by its inode, and reached by a descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from certificates.errors import Refused
from wipers.linux.manifest import Line, Manifest, sync_folder
from wipers.model import Lost

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
            is_new = True
        except FileExistsError:
            if not _is_ours(path.lstat()):
                raise Refused("in-use", where=path, by="something that is not ours") from None
            is_new = self.manifest.last("folder") is None and not self.taken()
        self._note_folder(path, is_new=is_new)
        return path

    def _note_folder(self, path: Path, *, is_new: bool) -> None:
        """The directory is durable and known by its inode; raises Lost where it is another, or not empty as made."""
        descriptor = _open_folder(path)
        try:
            if is_new and os.listdir(descriptor):
                raise _another()
            if is_new:
                self.manifest.write("folder", inode=os.fstat(descriptor).st_ino)
            self.check_folder(descriptor)
            sync_folder(path.parent)
        finally:
            os.close(descriptor)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the held directory; raises Lost where something else has its name, OSError."""
        if self.path is None:
            raise RuntimeError("nothing is taken before the held directory is noted")
        descriptor = _open_folder(self.path)
        try:
            self.check_folder(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def check_folder(self, descriptor: int) -> None:
        """The directory is the one that was noted, and ours alone; raises Lost."""
        found, line = os.fstat(descriptor), self.manifest.last("folder")
        if not _is_ours(found) or (line is not None and found.st_ino != line.facts["inode"]):
            raise _another()

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

    def step_aside(self, number: int) -> None:
        """The directory has another name, with a number, so that another withdrawal may have its own, and holds what
        nothing else has a name for. Idempotent; raises Lost, OSError."""
        begun = next((line.facts["path"] for line in self.manifest.lines if line.phase == "begun"), None)
        if begun is None:
            return
        first = Path(begun)
        aside = first.with_name(f".left-{number}{first.name}")
        if self.path != aside:
            self.manifest.write("begun", path=str(aside))
        if not aside.exists() and first.is_dir():
            descriptor = _open_folder(first)
            try:
                self.check_folder(descriptor)
                os.rename(first, aside)
            finally:
                os.close(descriptor)
            sync_folder(aside.parent)
        self.let_go_shared()

    def let_go_shared(self) -> None:
        """Whatever has another name as well is held no more; raises Lost, OSError."""
        if self.path is None or not self.path.is_dir():
            return
        with self.opened() as folder:
            for name in sorted(os.listdir(folder)):
                if _status(name, folder).st_nlink > 1:
                    os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def adopt(self, other: Held) -> None:
        """Whatever another withdrawal holds that stepped aside is held here. Idempotent; raises Lost, OSError."""
        if other.path is not None:
            self.move([other.path / name for name in other.names()])
            self.keep()

    def keep(self) -> None:
        """What was taken so far is taken for good: the engine has committed."""
        self.manifest.write("kept", count=len(self.taken()))

    def finish(self) -> None:
        """Whatever was noted to be taken is taken: completes what a crash cut. Idempotent; raises OSError."""
        if self.path is not None:
            self._do(self.pending())

    def pending(self) -> tuple[Taken, ...]:
        """What was noted to be taken since `keep`, whether or not it came to it."""
        kept = self.manifest.last("kept")
        return self.taken()[kept.facts["count"] if kept is not None else 0 :]

    def put_back(self) -> int:
        """Whatever was taken since `keep` has its place again, as it had before; return how many. Idempotent."""
        pending = self.pending()
        count = 0
        if pending and self.path is not None and self.path.is_dir():
            with self.opened() as folder:
                count = sum(_put_one_back(one, folder) for one in reversed(pending))
                self._sync((one.path.parent for one in pending), folder)
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
        if self.path is None or not self.path.is_dir():
            return ()
        with self.opened() as folder:
            return tuple(sorted(os.listdir(folder)))

    def linked_elsewhere(self) -> tuple[str, ...]:
        """Names in the held directory whose files the engine still has under a name of its own."""
        if self.path is None or not self.path.is_dir():
            return ()
        with self.opened() as folder:
            return tuple(name for name in sorted(os.listdir(folder)) if _status(name, folder).st_nlink > 1)

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
        return self._do(taking)

    def _do(self, taking: tuple[Taken, ...]) -> tuple[Taken, ...]:
        if not taking:
            return ()
        with self.opened() as folder:
            done = tuple(one for one in taking if _take_one(one, folder))
            self._sync((one.path.parent for one in taking), folder)
        return done

    def _sync(self, folders: Iterable[Path], folder: int) -> None:
        os.fsync(folder)
        for path in set(folders):
            if path.is_dir():
                sync_folder(path)


def _open_folder(path: Path) -> int:
    """Return a descriptor of a directory that is no link; raises Lost where it is one, OSError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _another() from error
        raise


def _another() -> Lost:
    return Lost("target-lost", where="the held files", detail="another directory has the name of theirs")


def _take_one(one: Taken, folder: int) -> bool:
    """The file is in the held directory; false where something else has its name by now. Idempotent. Raises Lost."""
    if _inode(one.name, folder) != one.inode:
        if _inode(one.path) != one.inode:
            return False
        if one.how == "move":
            os.rename(one.path, one.name, dst_dir_fd=folder)
        else:
            os.link(one.path, one.name, dst_dir_fd=folder, follow_symlinks=False)
        if _inode(one.name, folder) != one.inode:
            raise Lost("target-lost", where="the held files", detail="another file took a name at the last moment")
    if one.how == "swap" and _inode(one.path) == one.inode:
        _put_other(one, folder)
    return True


def _put_one_back(one: Taken, folder: int) -> bool:
    """The file has its place again; false where it was not in the held directory. Idempotent."""
    if _inode(one.name, folder) != one.inode:
        return False
    if _inode(one.path) == one.inode:
        os.unlink(one.name, dir_fd=folder)
    else:
        os.replace(one.name, one.path, src_dir_fd=folder)
    _unlink(f"{one.name}.new", folder)
    return True


def _put_other(one: Taken, folder: int) -> None:
    """A file of the same owner and mode takes the place of another, at no moment nothing."""
    found, new = one.path.lstat(), f"{one.name}.new"
    _unlink(new, folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600, dir_fd=folder)
    try:
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        if os.write(descriptor, one.filling) != len(one.filling):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), new)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(new, one.path, src_dir_fd=folder)


def _is_ours(found: os.stat_result) -> bool:
    """Tell whether it is a directory into which only this user can put anything."""
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _status(name: str | Path, folder: int | None = None) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _inode(name: str | Path, folder: int | None = None) -> int | None:
    try:
        return _status(name, folder).st_ino
    except FileNotFoundError:
        return None


def _unlink(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _taken_in(line: Line) -> list[Taken]:
    how: How = line.facts["how"]
    filling = bytes.fromhex(line.facts["filling"])
    return [Taken(Path(path), name, inode, how, filling) for path, name, inode in line.facts["files"]]
