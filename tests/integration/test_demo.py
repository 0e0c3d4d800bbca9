"""The README's first command, as a new user runs it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.integration


def test_the_demo_tells_the_whole_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """With an empty environment and a new home; nothing of it stays mounted, attached or running."""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [ROOT / "scripts" / "demo"], env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = done.stdout
    assert "lacks approvals: security-officer 0 of 1" in done.stderr, "one signature too few is refused"
    assert "Every target's hash is what it was." in told
    if os.geteuid() == 0:
        assert told.count("proven: clear") >= 4
        assert "equal, every byte" in told or "bytes match" in told
        assert "Rows of the database on the raw storage below the file system: 0" in told
    else:
        assert "unknown" in told
    for line in told.strip().splitlines()[-3:]:
        assert Path(line).stat().st_size > 0
    assert_nothing_left(tmp_path)


def assert_nothing_left(work: Path) -> None:
    assert not list(work.glob("expunge-demo.*"))
    assert str(work) not in Path("/proc/self/mountinfo").read_text()
    for name in Path("/sys/block").glob("loop*/loop/backing_file"):
        assert str(work) not in name.read_text()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = command.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        assert not re.search(rf"expunge-registry.*{re.escape(str(work))}", text)
