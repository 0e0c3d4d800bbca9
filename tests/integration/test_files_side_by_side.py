"""A tree that several processes look at is the tree that one process finds by looking at each file alone."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import grounds
from tests.support.bench import OPENER
from tests.support.ext4_image import run
from tests.support.grounds import Ground
from wipers.linux import looking
from wipers.linux.beneath import open_root
from wipers.linux.filesystems import file_system_of
from wipers.linux.machine import untold
from wipers.linux.streams import Streams, map_streams

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

FS_IOC_SETFLAGS = 0x40086602
IMMUTABLE = 0x10
NEVER = 1 << 60
"""More files than there are: no process is begun."""
MANY = 2500
"""Files in one directory: more than processes look at side by side."""


@pytest.fixture(scope="module")
def ext4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ext4("-N", "16384", size=96 << 20)(tmp_path_factory.mktemp("ext4")) as ground:
        _lay(ground.root / "all")
        ground.sync()
        yield ground


def _lay(top: Path) -> None:
    """Plain files in many directories, and in each something that is not plain."""
    for number in range(12):
        folder = top / f"{number:02}" / "deep"
        folder.mkdir(parents=True)
        for name in range(60):
            (folder / f"name-{name:03}").write_bytes(b"x" * (name * 97))
        (folder / "name-0015-link").symlink_to("name-000")
        os.mkfifo(folder / "name-0025-pipe")
        (folder / "name-0027-folder").mkdir()
        (folder / "name-0027-folder" / "in it").write_bytes(b"y")
        os.truncate(folder / "name-001", 1 << 20)
        with (folder / "name-002").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 16)
        os.link(folder / "name-003", folder.parent / "another name")
        # No UTF-8.
        Path(os.fsdecode(os.fsencode(folder) + b"/name-\xff")).write_bytes(b"z")
    _lay_extents(top / "torn")
    (top / "many").mkdir()
    for number in range(MANY):
        (top / "many" / str(number)).write_bytes(b"x")


def _lay_extents(folder: Path) -> None:
    """Files of several extents without a hole: of a few, and of more than are asked for at once."""
    folder.mkdir()
    for extents in (3, 15, 16, 17):
        path = folder / f"{extents}"
        path.write_bytes(b"x" * 4096 * -(-extents // 2))
        run("sync", path)
        for number in range(1, extents, 2):
            # Neighbours on the storage come to lie apart in the file, and what is put between lies elsewhere.
            if number < extents - 1:
                run("fallocate", "--insert-range", "--offset", str(number * 4096), "--length", "4096", path)
            with path.open("r+b") as file:
                os.pwrite(file.fileno(), b"y" * 4096, number * 4096)
        run("sync", path)


def _search(root: Path, *names: str, many: int = 0, is_held: bool = False, met: object = None) -> Streams:
    descriptor = open_root(str(root))
    try:
        told = met if callable(met) else untold
        return map_streams(descriptor, file_system_of(descriptor), names, is_held=is_held, met=told, many=many)
    finally:
        os.close(descriptor)


def told(streams: Streams) -> tuple[object, ...]:
    """All that a search says, in its order."""
    tree = streams.tree
    numbers = (tree.inodes, tree.sizes, tree.stamps, streams.generations, tree.folder_stamps, tree.above_stamps)
    names = (tree.paths, tree.others, tree.folders, tree.above)
    every = (*(tuple(one) for one in numbers), *(tuple(one) for one in names), tuple(tree.all_names()))
    spans = tuple(streams.spans(stream) for stream in range(len(streams)))
    return (*every, spans, streams.size, tree.size, tuple(tree.problems.items()), tuple(tree.findings.items()))


def _children() -> set[int]:
    """Processes that look on behalf of this one."""
    mine = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = Path("/proc", entry, "stat").read_text(encoding="utf-8")
            command = Path("/proc", entry, "cmdline").read_bytes()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == os.getpid() and looking.__file__.encode() in command:
            mine.add(int(entry))
    return mine


def test_processes_and_one_alone_find_the_same(ext4: Ground) -> None:
    """Numbers, order, findings: nothing may depend on who looked first."""
    seen: set[int] = set()
    one_by_one = told(_search(ext4.root, "all", is_held=True))
    by_the_share = told(_search(ext4.root, "all", many=NEVER))
    side_by_side = told(_search(ext4.root, "all", met=lambda _: seen.update(_children())))
    assert one_by_one == by_the_share == side_by_side
    torn = {len(spans) for spans in one_by_one[-5]} if isinstance(one_by_one[-5], tuple) else set()
    assert {3, 15, 16, 17} <= torn, "files of several extents are among them"
    assert len(seen) >= 2 or len(os.sched_getaffinity(0)) < 2, "nobody looked beside this process"
    assert not _children(), "whoever looked has ended"


def test_names_of_an_order_are_looked_at_side_by_side_too(ext4: Ground) -> None:
    """A list of a million names leads to the same files as the directory that holds them, and says what is amiss."""
    top = ext4.root / "all"
    names = [str(path.relative_to(ext4.root)) for path in sorted(top.rglob("*")) if "name-0027-folder" not in str(path)]
    plain = [name for name in names if (ext4.root / name).is_file() and "link" not in name]
    wrong = [
        "all/05/deep/name-0015-link",
        "all/05/deep/name-0025-pipe",
        "all/05/deep/nothing",
        "all/nowhere/a",
    ]
    folders = ["all/07/deep/name-0027-folder"]
    for ordered in (plain, [*plain, *wrong, *folders]):
        one_by_one = told(_search(ext4.root, *ordered, is_held=True))
        assert one_by_one == told(_search(ext4.root, *ordered, many=NEVER)) == told(_search(ext4.root, *ordered))
    problems = dict(one_by_one[-2]) if isinstance(one_by_one[-2], tuple) else {}
    assert problems == {"files-missing": 2, "not-regular-file": 2}


def test_processes_and_one_alone_refuse_the_same(ext4: Ground) -> None:
    """A file that is held, sealed or has a name elsewhere is met among thousands that are plain."""
    folder = ext4.root / "all" / "05" / "deep"
    sealed = os.open(folder / "name-040", os.O_RDONLY)
    command = [sys.executable, "-c", OPENER.format("O_RDWR"), str(folder / "name-050")]
    os.link(folder / "name-044", ext4.root / "outside")
    fcntl.ioctl(sealed, FS_IOC_SETFLAGS, struct.pack("=Q", IMMUTABLE))
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found = [_search(ext4.root, "all", many=many) for many in (NEVER, 0)]
            process.kill()
    finally:
        fcntl.ioctl(sealed, FS_IOC_SETFLAGS, bytes(8))
        os.close(sealed)
        (ext4.root / "outside").unlink()
    assert told(found[0]) == told(found[1])
    assert found[0].tree.problems == {"written-elsewhere": 1, "file-immutable": 1, "hard-links-outside": 1}


def test_what_a_process_that_dies_leaves_is_looked_at_again(ext4: Ground) -> None:
    """A killed process must cost time and never a file."""
    killed: set[int] = set()

    def kill(_: int) -> None:
        for process in _children():
            os.kill(process, signal.SIGKILL)
            killed.add(process)

    expected = told(_search(ext4.root, "all", many=NEVER))
    assert told(_search(ext4.root, "all", met=kill)) == expected
    assert killed or len(os.sched_getaffinity(0)) < 2


def test_few_files_begin_no_process(ext4: Ground) -> None:
    """To begin an interpreter takes longer than to look at a thousand files."""
    descriptor = open_root(str(ext4.root))
    seen: set[int] = set()
    try:
        streams = map_streams(
            descriptor, file_system_of(descriptor), ["all/many"], met=lambda _: seen.update(_children())
        )
    finally:
        os.close(descriptor)
    assert (len(streams), seen) == (MANY, set())


def test_a_search_gives_every_descriptor_back(ext4: Ground) -> None:
    """A directory that stays open keeps its file system from being unmounted."""
    before = sorted(os.listdir("/proc/self/fd"))
    _search(ext4.root, "all")
    with pytest.raises(KeyboardInterrupt):
        _search(ext4.root, "all", met=_interrupt)
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert not _children()


def _interrupt(_: int) -> None:
    raise KeyboardInterrupt


def test_processes_end_with_the_one_they_look_for(ext4: Ground) -> None:
    """Killed at once, a program can tell nobody: they see that nobody asks any more."""
    code = (
        "import os, sys, time\n"
        "from wipers.linux.beneath import open_root\n"
        "from wipers.linux.filesystems import file_system_of\n"
        "from wipers.linux.streams import map_streams\n"
        "def met(_):\n    print('met', flush=True)\n    time.sleep(60)\n"
        "root = open_root(sys.argv[1])\n"
        "map_streams(root, file_system_of(root), ['all'], met=met, many=0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(ext4.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        looking_on = _children_of(process.pid)
        process.kill()
    assert looking_on or len(os.sched_getaffinity(0)) < 2
    end = time.monotonic() + 30
    while any(map(_is_looking, looking_on)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(map(_is_looking, looking_on))


def _children_of(process: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False)
    return list(map(int, found.stdout.split()))


def _is_looking(process: int) -> bool:
    try:
        return looking.__file__.encode() in Path("/proc", str(process), "cmdline").read_bytes()
    except OSError:
        return False
