"""Files of a PostgreSQL server that is at work while they are looked at."""

from __future__ import annotations

from pathlib import Path

from wipers.linux.engines.postgresql_files import segments, size_of


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
