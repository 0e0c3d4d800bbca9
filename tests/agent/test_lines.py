"""Files that several threads of one process share: each is written whole, and a lock holds threads back too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent.lines import is_marked, locked, marked, write_durably


def together(*deeds: Callable[[], None]) -> None:
    """Each deed in a thread of its own, all at an end."""
    team = [threading.Thread(target=deed) for deed in deeds]
    for one in team:
        one.start()
    for one in team:
        one.join()


def test_a_lock_holds_threads_of_one_process_back(tmp_path: Path) -> None:
    """The system's record locks do not: carriers of one run would take one journal number."""
    inside, most = 0, 0

    def enter() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    together(*[enter] * 4)
    assert most == 1


def test_locks_of_different_files_do_not_hold_each_other_back(tmp_path: Path) -> None:
    """What a run saw is remembered while the site is locked."""
    with locked(tmp_path / "lock"), locked(tmp_path / "seen.lock"):
        assert (tmp_path / "seen.lock").exists()


def test_one_file_is_written_by_many_threads_whole(tmp_path: Path) -> None:
    """A thread that renamed the draft must not let another go on writing to what is now the file."""
    path = tmp_path / "seen.json"

    def hammer(name: str) -> Callable[[], None]:
        def write() -> None:
            for number in range(40):
                write_durably(path, name.encode() * (1000 * (number + 1)))

        return write

    together(*(hammer(name) for name in "abcd"))
    assert path.read_text() in {name * 40_000 for name in "abcd"}
    assert [left.name for left in tmp_path.iterdir()] == ["seen.json"]


def test_what_nobody_is_at_is_not_marked(tmp_path: Path) -> None:
    """Also where somebody was, and has ended; that another process is seen is shown with real ones."""
    assert not is_marked(tmp_path / "running")
    with marked(tmp_path / "running"):
        assert is_marked(tmp_path / "running")
    assert not is_marked(tmp_path / "running")
