"""Files of a PostgreSQL server that is at work while they are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from wipers.linux.engines.postgresql_files import segments, size_of
from wipers.linux.engines.postgresql_obstacles import program_of


def test_a_segment_that_the_server_removes_meanwhile_counts_nothing(tmp_path: Path) -> None:
    """It removes and recycles them whenever it likes, also between two looks of a plan."""
    folder = tmp_path / "pg_wal"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number:024X}").write_bytes(bytes(100))
    (folder / "archive_status").mkdir()
    listed = segments(tmp_path)
    listed[1].unlink()
    assert (len(listed), size_of(listed)) == (3, 200)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/usr/local/bin/push --key=AKIA123 %p", "push"),
        ("PGPASSWORD=of-an-archive scp %p backup:", "a command"),
        ("curl -u me:secret -T %p https://archive/%f", "curl"),
        ("'/opt/my archive' %p", "a command"),
        ("", "a command"),
    ],
)
def test_of_an_archive_only_the_program_is_told(command: str, told: str) -> None:
    """The command of an archive may hold a password or a key, and a plan is read by many."""
    assert program_of(command) == told
