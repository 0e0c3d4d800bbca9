"""The engine's own check, made in a thread of its own while the storage is hunted over."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from certificates.statements import SurvivorsCheck
from tests.support.withdrawing import Told
from wipers.acts import ConfirmSurvivors, Halted
from wipers.linux.held import Held
from wipers.linux.manifest import Manifest
from wipers.linux.recordswriter import RecordsWriter
from wipers.model import Lost

DIGEST = "sha256:" + "ab" * 32


class Checking:
    """A session of which only the check is asked."""

    def __init__(self, answer: tuple[str, bool] | Exception, *, takes_long: bool = False) -> None:
        self._answer = answer
        self._end = threading.Event()
        self.cuts = 0
        if not takes_long:
            self._end.set()

    def check(self) -> tuple[str, bool]:
        assert self._end.wait(120), "nobody cut it"
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def cut_check(self) -> None:
        """The first time it falls between two statements, and nothing comes of it."""
        self.cuts += 1
        if self.cuts > 1:
            self._end.set()


def writer_of(tmp_path: Path, session: Checking) -> RecordsWriter:
    carrier = SimpleNamespace(selector=SimpleNamespace(commitment=DIGEST))
    held = Held(Manifest(tmp_path / "runs", carrier))  # type: ignore[arg-type]
    counted = [1, 5, DIGEST]
    held.manifest.write("withdrawn", rows=2, locked=1, consequences=[], left=[], before=counted, after=counted)
    nothing = SimpleNamespace()
    return RecordsWriter(nothing, nothing, session, held=held, state=nothing, box=nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_sound", [True, False])
def test_what_the_check_says_is_what_is_told(tmp_path: Path, is_sound: bool) -> None:
    """Also where it says that the files are damaged."""
    writer = writer_of(tmp_path, Checking(("CHECK", is_sound)))
    done = writer.act(ConfirmSurvivors(), Told().given())
    assert isinstance(done, SurvivorsCheck)
    assert (done.engine_check, done.is_sound, done.rows_after) == ("CHECK", is_sound, 5)
    writer.close()


def test_a_check_that_fails_in_its_thread_fails_in_the_run(tmp_path: Path) -> None:
    """A thread's error must not be taken for an answer, nor for silence."""
    writer = writer_of(tmp_path, Checking(Lost("engine-failed", where="here", detail="it is gone")))
    with pytest.raises(Lost, match="engine-failed"):
        writer.act(ConfirmSurvivors(), Told().given())
    writer.close()


def test_a_run_that_is_to_stop_does_not_wait_for_a_long_check(tmp_path: Path) -> None:
    """The engine is asked to end it, as often as it takes, and only then may the session be closed."""
    session = Checking(("CHECK", True), takes_long=True)
    writer, told = writer_of(tmp_path, session), Told()
    told.stop.set()
    with pytest.raises(Halted):
        writer.act(ConfirmSurvivors(), told.given())
    assert session.cuts == 0
    writer.close()
    assert session.cuts > 1
    assert not [one for one in threading.enumerate() if one.name.startswith("engine-check")]
