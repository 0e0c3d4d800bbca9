"""What holds for every test: nothing real is touched by accident, examples repeat, and a skip says why."""

from __future__ import annotations

import fcntl
import gc
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from certificates.encoding import decode
from certificates.errors import Failure
from certificates.selectors import commitment
from certificates.statements import Selector
from tests.guard import watched

# The same examples on every run: a red build must mean a changed program. The deadline is off because two cores are
# shared by several test processes; slowness is measured in benchmarks/.
settings.register_profile(
    "ci",
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# For a person hunting: many fresh examples (HYPOTHESIS_PROFILE=hunt).
settings.register_profile("hunt", parent=settings.get_profile("ci"), max_examples=2_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

NEEDS_ROOT = pytest.mark.skip(reason="needs root: attaches loop devices or mounts")


@pytest.fixture(autouse=True)
def safe_by_default(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that is not marked `integration` fails when it opens a device, starts a program or uses a socket."""
    if request.node.get_closest_marker("integration"):
        with _beside_others(is_alone=request.node.get_closest_marker("alone") is not None):
            yield
        return
    with watched() as caught:
        yield
        if caught:
            # Also when the code under test swallowed the error, or the touch came from another thread.
            pytest.fail(f"touched the world: {'; '.join(caught)}", pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def boxes_of_runs_that_never_ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Samples that a killed run left in memory go with its folders: nobody resumes it."""
    yield
    names = {
        path.stem for suffix in ("records", "streams") for path in tmp_path_factory.getbasetemp().rglob(f"*.{suffix}")
    }
    for path in tmp_path_factory.getbasetemp().rglob("selector.json"):
        with suppress(Failure, ValueError):
            names.add(commitment(decode(path.read_bytes(), Selector)).removeprefix("sha256:"))
    for name in names:
        Path("/dev/shm/expunge", f"{name}.needles").unlink(missing_ok=True)


@contextmanager
def _beside_others(*, is_alone: bool) -> Iterator[None]:
    """Tests of real things run side by side, but for those that change what is the whole machine's."""
    with open(Path(tempfile.gettempdir()) / f"expunge-tests-{os.getuid()}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        yield


def pytest_collection_finish() -> None:
    """What was collected lives to the end: looking for garbage does not go through it again in every test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that needs root is one of real things, and is skipped for an ordinary user; long ones are begun first, and
    last those that nothing may run beside."""
    # Tests of one file stay together in one process, and nobody is to wait at the end for one that was begun last. The
    # second virtual machine is no long one: it would take the core that the first has for its devices.
    items.sort(key=_lateness)
    for item in items:
        if item.get_closest_marker("needs_root"):
            item.add_marker(pytest.mark.integration)
            if os.geteuid() != 0:
                item.add_marker(NEEDS_ROOT)


def _lateness(item: pytest.Item) -> int:
    if item.get_closest_marker("alone"):
        return 3
    return 0 if item.get_closest_marker("long") else 1 if "integration" in item.path.parts else 2


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The number of skipped tests is printed with each reason, and also when it is none."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    terminalreporter.write_line(f"skipped: {len(skipped)}")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"  {number} x {reason.removeprefix('Skipped: ')}")
