"""A whole SQLite database: its file and the -wal, -shm and -journal beside it, overwritten, read back, released."""

from __future__ import annotations

from wipers.files import FilesWiper

DATABASE = FilesWiper("database", "a whole SQLite database with its write-ahead log, index and rollback journal")
