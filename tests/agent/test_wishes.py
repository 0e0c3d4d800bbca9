"""People pause, lift and cancel runs by durable files that the process of the run sees; anything else is refused."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import jsonschema
import pytest

from agent import wishes
from agent.carrying import Hands
from agent.resuming import resume
from agent.standing import State, standings
from agent.wishes import Wishes, going
from certificates.errors import Interrupted, Refused
from certificates.statements import Noted
from tests.support import world
from tests.support.agent_site import Agent, agent, approved, carrier, order
from tests.support.screens import SCHEMAS, invoke, tree

TWO = order(carrier("C-1"), carrier("C-2"), witnesses=())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Agent:
    """An agent with two runs that were stopped."""
    made = agent(tmp_path, "C-1", "C-2")
    made.stop.set()
    made.run(approved(TWO))
    return made


def states(desk: Agent) -> list[State]:
    return [one.state for one in standings(desk.site)]


def test_a_wish_is_seen_within_a_second_and_no_sooner_than_it_costs_nothing(desk: Agent) -> None:
    """The engine asks before every chunk."""
    clock = Clock()
    seen = Wishes(desk.site.folder(1), threading.Event(), clock)
    assert (seen.is_paused(), seen.is_set()) == (False, False)
    wishes.pause(desk.site, "1")
    assert not seen.is_paused()
    clock.now = 0.9
    assert (seen.is_paused(), seen.is_set()) == (True, False)
    wishes.lift(desk.site, None)
    clock.now = 1.8
    assert not seen.is_paused()


def test_a_cancellation_ends_one_run_and_is_spent(desk: Agent) -> None:
    """Who resumes it later is not held up by it; a pause goes with it."""
    folder, clock = desk.site.folder(1), Clock()
    seen, other = (Wishes(desk.site.folder(number), threading.Event(), clock) for number in (1, 2))
    with going(folder):
        wishes.pause(desk.site, "1")
        (meant,) = wishes.cancel(desk.site, None)
    assert meant.opened.carrier == "C-1"
    assert (seen.is_set(), seen.is_paused(), other.is_set()) == (True, False, False)
    told = seen.told(Interrupted("stopped", by="signal"))
    assert told.reason == "cancelled"
    assert not Wishes(folder, threading.Event()).is_set()
    assert not wishes.is_paused(folder)


def test_a_stop_of_all_is_told_as_such(desk: Agent) -> None:
    """Ctrl-C is no cancellation."""
    stop = threading.Event()
    seen = Wishes(desk.site.folder(1), stop)
    stop.set()
    assert seen.is_set()
    assert seen.told(Interrupted("stopped", by="signal")).reason == "stopped"


def test_a_run_that_nobody_carries_out_cannot_be_cancelled(desk: Agent) -> None:
    """It is interrupted already, and saying 'cancelled' would promise what does not happen."""
    with pytest.raises(Refused) as refused:
        wishes.cancel(desk.site, "C-1")
    assert refused.value.reason == "nothing-going"


def test_a_cancellation_that_no_process_saw_does_not_end_the_next_one(desk: Agent) -> None:
    """The process died first; a resume is the newer word."""
    with going(desk.site.folder(1)):
        wishes.cancel(desk.site, "C-1")
    results = resume(desk.site, None, Hands(world.signer("P-0230"), None, threading.Event()))
    assert [one.failure for one in results] == [None, None]


@pytest.mark.parametrize("named", ["1", "00000001", "journal/00000001.jsonl", "C-1"])
def test_a_run_is_named_by_number_journal_or_carrier(desk: Agent, named: str) -> None:
    """As `status` and `run` show it."""
    (found,) = wishes.pause(desk.site, named)
    assert found.opened.sequence == 1
    assert states(desk) == [State.PAUSED, State.INTERRUPTED]


def test_a_name_that_fits_no_run_or_several_is_refused(desk: Agent) -> None:
    """Nobody may guess which of two drives waits."""
    desk.clock.at = world.NOW.replace(hour=11)
    with pytest.raises(Refused) as refused:
        wishes.pause(desk.site, "C-9")
    assert refused.value.reason == "run-unknown"
    desk.stop.set()
    desk.run(approved(order(carrier("C-1"), witnesses=(), id="2026-0118")))
    with pytest.raises(Refused) as refused:
        wishes.pause(desk.site, "C-1")
    assert refused.value.reason == "run-ambiguous"


def test_the_commands_say_which_runs_are_meant(desk: Agent) -> None:
    """In both languages, and for programs."""
    paused = tree("pause", site=desk.site)
    jsonschema.validate(paused, json.loads((SCHEMAS / "pause.schema.json").read_text(encoding="utf-8")))
    assert paused == [{"sequence": 1, "carrier": "C-1"}, {"sequence": 2, "carrier": "C-2"}]
    shown = tree("status", site=desk.site)["runs"]
    assert [(one["state"], one["going"]) for one in shown] == [("paused", False)] * 2
    assert "run 00000002, carrier C-2" in invoke("pause", "--lift", "C-2", site=desk.site).stdout
    assert "继续" in invoke("--lang", "zh", "pause", "--lift", site=desk.site).stdout
    assert invoke("pause", "--lift", site=desk.site).exit_code == 3
    assert invoke("cancel", site=desk.site).exit_code == 3
    with going(desk.site.folder(2)):
        assert tree("cancel", "2", site=desk.site) == [{"sequence": 2, "carrier": "C-2"}]
        assert [one["state"] for one in tree("status", site=desk.site)["runs"]] == ["interrupted", "running"]


def test_status_tells_how_far_a_run_is(desk: Agent) -> None:
    """Percent of all steps, from the journal alone."""
    first, second = tree("status", site=desk.site)["runs"]
    assert first["size"] == second["size"] == 2 * 65536
    assert first["position"] == 0


def test_status_tells_why_a_run_rests_until_it_goes_on(desk: Agent) -> None:
    """From the journal, so that another process can tell."""
    journal = desk.site.journals.take_up(1)
    journal.write(Noted("rested at 61 degrees Celsius, the limit being 60"))
    assert "rested at 61 degrees" in tree("status", site=desk.site)["runs"][0]["detail"]
    journal.write(Noted("went on"))
    assert "rested" not in tree("status", site=desk.site)["runs"][0]["detail"]


def test_who_asked_is_kept(desk: Agent) -> None:
    """A run that waits for hours is asked about."""
    wishes.pause(desk.site, "1")
    assert json.loads((desk.site.folder(1).path / "pause.json").read_text())["uid"] >= 0


def test_nothing_of_an_earlier_wish_stays_in_a_folder_that_is_used_again(desk: Agent) -> None:
    """A crash may have come before the journal began."""
    folder = desk.site.folder(9)
    folder.make()
    (folder.path / "pause.json").write_text("{}")
    folder.make()
    assert not wishes.is_paused(folder)
