"""Somebody who has his hands in a tree while it is erased: a process of its own, driven line by line.

`python -m tests.support.meddling TREE ASIDE BAIT` reads `{"seed": n, "acts": n, "within": seconds}`, acts at moments
drawn from the seed until it reads another line, and answers with what it did and when. Nothing it does changes what
lies in BAIT; what it puts there leads there by links.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

WRITTEN = b"WRITTEN-BY-A-MEDDLER"
NEWCOMER = b"NEWCOMER-OF-A-MEDDLER\n" * 40
FOLDERS = ("d0", "d1", "d2")
FILES = tuple(f"{folder}/f{number}" for folder in FOLDERS for number in range(5))


@dataclass
class Meddler:
    """What can be done to a tree, one act at a time."""

    tree: str
    aside: str
    bait: str
    seed: int
    chance: Random = field(init=False)
    done: int = 0
    bait_links: int = 0
    newcomers: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)

    def act(self) -> dict[str, Any]:
        """One of all acts, on a file or folder drawn."""
        acts: tuple[Callable[[str], None], ...] = (
            self.swap_for_link,
            self.swap_for_hard_link,
            self.swap_for_file,
            self.exchange,
            self.link_outside,
            self.write_inside,
            self.append,
            self.rewrite,
            self.punch,
            self.unlink,
            self.add,
            self.move_folder_for_link,
            self.rename_folder,
        )
        chosen = self.chance.choice(acts)
        is_folder = chosen.__name__ in {"move_folder_for_link", "rename_folder", "add"}
        what = self.chance.choice(FOLDERS if is_folder else FILES)
        began, is_done = time.monotonic(), True
        try:
            self._check_within(what)
            chosen(f"{self.tree}/{what}")
        except OSError:
            is_done = False
        return {"act": chosen.__name__, "what": what, "began": began, "done": is_done}

    def spare(self) -> str:
        """A name outside the order that nobody has."""
        self.done += 1
        return f"{self.aside}/{self.seed}-{self.done}"

    def swap_for_link(self, path: str) -> None:
        os.rename(path, self.spare())
        os.symlink(f"{self.bait}/{'/'.join(path.rsplit('/', 2)[1:])}", path)

    def swap_for_hard_link(self, path: str) -> None:
        os.rename(path, self.spare())
        os.link(f"{self.bait}/{'/'.join(path.rsplit('/', 2)[1:])}", path)
        self.bait_links += 1

    def swap_for_file(self, path: str) -> None:
        os.rename(path, self.spare())
        self._create(path)

    def exchange(self, path: str) -> None:
        chosen, between = self.chance.choice(FILES), self.spare()
        self._check_within(chosen)
        other = f"{self.tree}/{chosen}"
        os.rename(path, between)
        with suppress(OSError):
            os.rename(other, path)
        os.rename(between, other)

    def link_outside(self, path: str) -> None:
        if os.stat(path, follow_symlinks=False).st_ino not in self._baits() | self._newcomers():
            os.link(path, self.spare(), follow_symlinks=False)

    def write_inside(self, path: str) -> None:
        self._write(path, lambda size: self.chance.randrange(max(size, 1)))

    def append(self, path: str) -> None:
        self._write(path, lambda size: size)

    def rewrite(self, path: str) -> None:
        """Its blocks are given back, with what they hold."""
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            if self._is_foreign(descriptor):
                return
            size = os.fstat(descriptor).st_size
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, (WRITTEN * (size // len(WRITTEN) + 1))[:size], 0)
        finally:
            os.close(descriptor)

    def punch(self, path: str) -> None:
        """A part of it is given back, and written again elsewhere."""
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            is_foreign, size = self._is_foreign(descriptor), os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if not is_foreign:
            subprocess.run(["fallocate", "-p", "-l", "4096", path], check=False, capture_output=True)
            self._write(path, lambda _: 0, size=min(4096, size))

    def unlink(self, path: str) -> None:
        inode = os.stat(path, follow_symlinks=False).st_ino
        if inode not in self._newcomers():
            os.unlink(path)
            self.bait_links -= inode in self._baits()

    def add(self, folder: str) -> None:
        self._create(f"{folder}/new-{self.seed}-{self.done}")
        self.done += 1

    def move_folder_for_link(self, folder: str) -> None:
        os.rename(folder, self.spare())
        os.symlink(f"{self.bait}/{folder.rpartition('/')[2]}", folder)

    def rename_folder(self, folder: str) -> None:
        os.rename(folder, folder + "-renamed")
        if self.chance.random() < 0.5:
            time.sleep(self.chance.uniform(0, 0.003))
            os.rename(folder + "-renamed", folder)

    def _check_within(self, what: str) -> None:
        """Raises OSError where the folder is a link to the bait by now: what lies there is not to be touched."""
        os.close(os.open(f"{self.tree}/{what.partition('/')[0]}", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW))

    def _create(self, path: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.write(descriptor, NEWCOMER)
        os.close(descriptor)
        self.newcomers.append((time.monotonic(), os.open(path, os.O_RDONLY | os.O_NOFOLLOW)))

    def _write(self, path: str, where: Callable[[int], int], size: int = len(WRITTEN)) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            if not self._is_foreign(descriptor):
                content = (WRITTEN * (size // len(WRITTEN) + 1))[:size]
                os.pwrite(descriptor, content, where(os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)

    def _is_foreign(self, descriptor: int) -> bool:
        """Whether it is what the run must leave as it is: then only the run could have changed it."""
        return os.fstat(descriptor).st_ino in self._baits() | self._newcomers()

    def _baits(self) -> set[int]:
        return {os.stat(f"{self.bait}/{name}").st_ino for name in FILES}

    def _newcomers(self) -> set[int]:
        return {os.fstat(descriptor).st_ino for _, descriptor in self.newcomers}

    def harmed(self) -> list[float]:
        """When those newcomers came that are not as they were made."""
        harmed = []
        for at, descriptor in self.newcomers:
            is_whole = os.pread(descriptor, len(NEWCOMER) + 1, 0) == NEWCOMER
            if os.fstat(descriptor).st_nlink != 1 or not is_whole:
                harmed.append(at)
            os.close(descriptor)
        return harmed


def serve(tree: str, aside: str, bait: str) -> None:
    """One answer for every two lines, until there are no more."""
    while line := sys.stdin.readline():
        asked = json.loads(line)
        meddler = Meddler(tree, aside, bait, asked["seed"])
        log = []
        for _ in range(asked["acts"]):
            if select.select([0], [], [], meddler.chance.uniform(0, asked["within"] / asked["acts"]))[0]:
                break
            log.append(meddler.act())
        sys.stdin.readline()
        answer = {"log": log, "harmed": meddler.harmed(), "bait_links": meddler.bait_links}
        print(json.dumps(answer), flush=True)


@dataclass(frozen=True)
class Meddling:
    """The other process."""

    process: subprocess.Popen[str]

    def begin(self, seed: int, acts: int, within: float) -> None:
        """So many acts, about within that many seconds."""
        self._say(json.dumps({"seed": seed, "acts": acts, "within": within}))

    def end(self) -> Any:
        """What was done."""
        self._say("end")
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@contextmanager
def meddling(tree: Path, aside: Path, bait: Path) -> Iterator[Meddling]:
    """A meddler who waits for his first word; he is gone at the end."""
    command = [sys.executable, "-m", "tests.support.meddling", str(tree), str(aside), str(bait)]
    here = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Meddling(process)
        finally:
            process.kill()


if __name__ == "__main__":
    serve(*sys.argv[1:])
