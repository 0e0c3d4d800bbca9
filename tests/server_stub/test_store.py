"""The store's contract, for every kind of database: durable, whole or nothing, one writer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from server_stub.store import Store
from server_stub.tables import HOLD_LIFTS, HOLDS
from tests.server_stub.world import SOME

ROW = {"digest": SOME, "envelope": b"{}", "received_at": "2026-11-22T12:00:00Z"}


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    found = Store("sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'registry.sqlite'}")
    yield found
    found.close()


def count(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(HOLDS)).scalar_one())


def test_what_was_written_is_read_afterwards(store: Store) -> None:
    """The simplest promise."""
    with store.write() as connection:
        connection.execute(sa.insert(HOLDS).values(ROW))
    assert count(store) == 1


def test_a_write_that_fails_leaves_nothing_behind(store: Store) -> None:
    """Certificate, leaf and checkpoint appear together or not at all."""

    def write_and_fail() -> None:
        with store.write() as connection:
            connection.execute(sa.insert(HOLDS).values(ROW))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert count(store) == 0


def test_a_row_that_refers_to_nothing_is_refused(store: Store) -> None:
    """SQLite checks foreign keys only when it is asked to."""

    def write() -> None:
        with store.write() as connection:
            row = {"hold": SOME, "digest": SOME, "envelope": b"", "received_at": ROW["received_at"]}
            connection.execute(sa.insert(HOLD_LIFTS).values(row))

    with pytest.raises(sa.exc.IntegrityError):
        write()


def test_writers_take_turns(store: Store) -> None:
    """A decision rests on what was read in the same transaction, so nobody may write in between."""
    threads = [threading.Thread(target=add_after_looking, args=(store, 1)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(store) == 16


def test_a_commit_survives_a_power_cut(tmp_path: Path) -> None:
    """WAL with synchronous=FULL flushes at each commit; NORMAL would lose the last certificates."""
    store = Store(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    with store.write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    store.close()


def test_two_processes_write_to_one_file(tmp_path: Path) -> None:
    """`import` runs beside `serve`: what one decides on still holds when it commits, whatever the other does."""
    stores = [Store(f"sqlite:///{tmp_path / 'registry.sqlite'}") for _ in range(2)]
    threads = [threading.Thread(target=add_after_looking, args=(store, 10)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [count(store) for store in stores] == [20, 20]
    for store in stores:
        store.close()


def add_after_looking(store: Store, times: int) -> None:
    """Rows whose key follows from what was read in the same transaction: two writers at once would collide."""
    for _ in range(times):
        with store.write() as connection:
            seen = connection.execute(sa.select(sa.func.count()).select_from(HOLDS)).scalar_one()
            connection.execute(sa.insert(HOLDS).values(ROW | {"digest": f"sha256:{seen:064x}"}))


def test_readers_are_not_held_up_by_a_writer(tmp_path: Path) -> None:
    """Receipts can be had while a certificate is being registered."""
    store = Store(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    with store.write() as connection:
        connection.execute(sa.insert(HOLDS).values(ROW))
        with store.read() as reader:
            assert reader.execute(sa.select(sa.func.count()).select_from(HOLDS)).scalar_one() == 0
    assert count(store) == 1
    store.close()
