"""What a fill that crashed left behind, and what only looks like it."""

from __future__ import annotations

import os
from pathlib import Path

from wipers.linux.tinyfiles import PREFIX, take_out


def taken_out(root: Path) -> list[str]:
    """What lies there afterwards, directories and links by their paths."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        take_out(descriptor)
    finally:
        os.close(descriptor)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_links_in_a_private_directory_of_such_a_name_are_taken_out(tmp_path: Path) -> None:
    """As a process that was killed leaves them."""
    folder = tmp_path / f"{PREFIX}0123456789abcdef"
    folder.mkdir(mode=0o700)
    for number in range(3):
        (folder / str(number)).symlink_to("nowhere")
    assert taken_out(tmp_path) == []


def test_what_only_has_such_a_name_is_not_touched(tmp_path: Path) -> None:
    """Whoever may write there could give the name to anything: a file, a link, a directory of theirs, or put something
    of theirs into ours."""
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "theirs" / "link").symlink_to("nowhere")
    (tmp_path / f"{PREFIX}0000000000000001").symlink_to("theirs")
    (tmp_path / f"{PREFIX}0000000000000002").write_bytes(b"a file")
    (tmp_path / f"{PREFIX}0000000000000003").mkdir(mode=0o755)
    (tmp_path / f"{PREFIX}0000000000000003" / "link").symlink_to("nowhere")
    (tmp_path / f"{PREFIX}notes").mkdir(mode=0o700)
    (tmp_path / f"{PREFIX}notes" / "link").symlink_to("nowhere")
    before = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    ours = tmp_path / f"{PREFIX}0000000000000004"
    ours.mkdir(mode=0o700)
    (ours / "0").symlink_to("nowhere")
    (ours / "a file of somebody").write_bytes(b"kept")
    assert taken_out(tmp_path) == sorted([*before, ours.name, f"{ours.name}/a file of somebody"])
