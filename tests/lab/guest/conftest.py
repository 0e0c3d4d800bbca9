"""Runs the tests of the guest: each has its time, and what becomes of it is told to the host at once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from tests.lab.guest.devices import unplug_drives
from tests.support.bench import Bench, bench_in
from tests.support.ext4_image import run

REPORTS = Path("/share/reports")
LONGEST = 240
"""Seconds for one test: a run that hangs is a failure like any other."""
NEEDED_RULES = ("-block", "-dm", "-drivers", "-lvm", "-md", "-nvme", "-persistent-storage", "-udev-default")
"""Parts of the names of udev's rules that concern block devices and their links."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the drives that QEMU plugged in come first: they are pulled out then."""
    items.sort(key=lambda item: "drives" not in getattr(item, "fixturenames", ()))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The host reads it as soon as it is written."""
    told = {"id": report.nodeid, "when": report.when, "outcome": report.outcome, "text": report.longreprtext}
    with REPORTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")


@pytest.fixture(autouse=True, scope="session")
def few_rules() -> None:
    """udev keeps the rules that block devices need: it is a quarter of what the guest does, and some run a shell."""
    masked = Path("/run/udev/rules.d")
    masked.mkdir(parents=True, exist_ok=True)
    for rules in Path("/usr/lib/udev/rules.d").glob("*.rules"):
        if not any(word in rules.name for word in NEEDED_RULES):
            (masked / rules.name).symlink_to("/dev/null")
    run("udevadm", "control", "--reload", "--children-max=1")


@pytest.fixture(autouse=True, scope="session")
def undisturbed_lvm() -> None:
    """LVM starts no daemon that watches volumes, nor a check of their metadata: each takes the guest many seconds."""
    Path("/etc/lvm/lvmlocal.conf").write_text(
        'activation { monitoring = 0 }\nglobal { thin_check_executable = "" }\n', encoding="ascii"
    )


@pytest.fixture(scope="session")
def drives() -> None:
    """What QEMU plugged in is there; for tests that ask for it, by `drive` or otherwise."""
    assert len(list(Path("/sys/bus/pci/drivers/nvme").glob("0000:*"))) >= 2, "the drives were pulled out before"


@pytest.fixture(scope="session")
def no_drives() -> None:
    """The drives of QEMU are pulled out: each of the twenty takes the guest a fortieth of a second at every look."""
    unplug_drives()


@pytest.fixture(autouse=True)
def plugged(request: pytest.FixtureRequest) -> None:
    """Drives that no later test asks for are out."""
    if "drives" not in request.fixturenames:
        request.getfixturevalue("no_drives")


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    """The test is interrupted when its time is over, in whatever it waits."""

    def over(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"still running after {LONGEST} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(LONGEST)
    yield
    signal.alarm(0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place for images and state; what is attached on it is given back."""
    with bench_in(tmp_path) as found:
        yield found
