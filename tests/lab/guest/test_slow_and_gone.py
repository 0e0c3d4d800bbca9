"""Devices that take their time, or leave in the middle of a run."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from certificates.errors import Interrupted
from certificates.statements import Began, Outcome
from tests.lab.guest.devices import SECTOR, SIZE, fill, mapped, memory_disk, needles, ordered, scsi_disk, served, settle
from tests.support.bench import Bench, RealRun


def test_a_disk_that_answers_late_is_waited_for(bench: Bench) -> None:
    """dm-delay: each read and write takes 30 ms longer."""
    with memory_disk() as below:
        fill(below)
        with mapped(f"0 {SIZE // SECTOR} delay {below} 0 30") as late, served(late) as device:
            done = ordered(bench, device)
            done.go()
            assert done.claim.outcome is Outcome.PROVEN
        assert needles(below) == []


def test_a_disk_that_is_pulled_out_interrupts_the_run_and_coming_back_completes_it(bench: Bench) -> None:
    """The cable comes out in the middle of the writing: Interrupted, at once, with no certificate in sight; plugged in
    again, the same run goes on."""
    with scsi_disk(ndelay=40_000_000) as device:
        done = ordered(bench, device)
        (host,) = Path("/sys/block", device.name, "device").resolve().parents[1].glob("scsi_host/host*")
        pulling = threading.Thread(target=pull_out, args=(device, done))
        pulling.start()
        began = time.monotonic()
        with pytest.raises(Interrupted) as caught:
            done.go()
        pulling.join()
        assert time.monotonic() - began < 60
        assert caught.value.reason == "target-lost"
        assert outcome_of(done) is Outcome.UNKNOWN
        (host / "scan").write_text("- - -")
        settle()
        done.go()
        assert outcome_of(done) is Outcome.PROVEN


def outcome_of(run: RealRun) -> Outcome:
    """What may be claimed by now."""
    return run.claim.outcome


def pull_out(device: Path, run: RealRun) -> None:
    """The kernel is told that the disk is gone, as soon as the run has begun to write."""
    while not run.journal.events(Began):
        time.sleep(0.01)
    time.sleep(0.1)
    Path("/sys/block", device.name, "device", "delete").write_text("1")
    assert not os.path.exists(f"/sys/block/{device.name}")
