"""A path is opened without following one link, in one call where the kernel has it, and step by step where not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wipers.linux.beneath import NO_LINKS, NO_XDEV, mount_id, open_by_call, open_by_steps, open_root

pytestmark = pytest.mark.integration

Way = Callable[[int, str, int, int], int]
ONE_MOUNT = NO_LINKS | NO_XDEV


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"here")
    (tmp_path / "link-to-file").symlink_to("a/b/file")
    (tmp_path / "link-to-folder").symlink_to("a", target_is_directory=True)
    (tmp_path / "a" / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "absolute").symlink_to("/etc/passwd")
    opened = os.open(tmp_path, os.O_RDONLY)
    yield opened
    os.close(opened)


@pytest.fixture(params=[open_by_call, open_by_steps], ids=["by-call", "by-steps"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


def test_a_plain_path_is_opened(way: Way, folder: int) -> None:
    """Both ways lead to the same file."""
    opened = way(folder, "a/b/file", os.O_RDONLY, ONE_MOUNT)
    try:
        assert os.pread(opened, 9, 0) == b"here"
        assert not os.get_inheritable(opened)
    finally:
        os.close(opened)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("link-to-file", errno.ELOOP),
        ("link-to-folder/b/file", errno.ELOOP),
        ("a/up/a/b/file", errno.ELOOP),
        ("absolute", errno.ELOOP),
        ("../x", errno.EXDEV),
        ("a/b/missing", errno.ENOENT),
        ("a/b/file/below", errno.ENOTDIR),
        ("/etc/passwd", errno.EXDEV),
    ],
)
def test_links_and_ways_out_are_refused(way: Way, folder: int, name: str, code: int) -> None:
    """Each with the same error either way, so that what is told does not depend on the kernel's age."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"\[Errno") as caught:
        way(folder, name, os.O_RDONLY, ONE_MOUNT)
    assert caught.value.errno == code
    assert len(os.listdir("/proc/self/fd")) == before


def test_another_mount_is_refused(way: Way) -> None:
    """/proc lies below / by name, and elsewhere in truth."""
    top = os.open("/", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=r"\[Errno") as caught:
            way(top, "proc/mounts" if way is open_by_steps else "proc", os.O_RDONLY, ONE_MOUNT)
        assert caught.value.errno in {errno.EXDEV, errno.ELOOP}
    finally:
        os.close(top)


def test_a_root_with_a_link_in_its_path_is_refused(tmp_path: Path) -> None:
    """Also where the link is the last part."""
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("real", target_is_directory=True)
    (tmp_path / "real" / "below").mkdir()
    os.close(open_root(str(tmp_path / "real" / "below")))
    for path in (tmp_path / "way", tmp_path / "way" / "below"):
        with pytest.raises(OSError, match=r"\[Errno") as caught:
            open_root(str(path))
        assert caught.value.errno == errno.ELOOP


def test_a_mount_has_one_number(folder: int) -> None:
    """What tells whether two descriptors came through the same mount."""
    below = os.open("a", os.O_RDONLY, dir_fd=folder)
    try:
        assert mount_id(below) == mount_id(folder)
    finally:
        os.close(below)
