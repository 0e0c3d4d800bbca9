"""What the guest's pytest tells the host's: one line of JSON for each phase of each test, as soon as it is over."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.drives import plugged_in
from tests.lab.machine import booted

GUEST = Path(__file__).resolve().parent / "guest"
IN_THE_GUEST = "EXPUNGE_IN_THE_GUEST"
"""Set where the tests of the guest are run and not shown."""
LONGEST = 1200
"""Seconds for all of them together on a machine that has other things to do; a quiet one takes a quarter of that."""
JOB = f"""
export {IN_THE_GUEST}=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
options='-q -p no:cacheprovider --confcutdir=tests/lab/guest --tb=short --durations=0 --basetemp=/tmp/pytest'
xargs -d '\\n' python3 -m pytest $options </share/chosen
"""
"""The conftest of all tests is left out, and so are plug-ins: they load hypothesis, for which the guest takes 20 s."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the tests of one boot."""

    told: dict[str, list[dict[str, str]]]
    """Reports by test, without the parameters of its cases."""
    console: str
    """The end of what the guest said."""

    def failure_of(self, test: str) -> str | None:
        """Why the test did not pass; none when it did. One that did not run to its end, or was skipped, failed."""
        told = self.told.get(test, [])
        bad = [report for report in told if report["outcome"] != "passed"]
        if bad:
            return "\n".join(f"in the guest, {one['outcome']} in {one['when']}:\n{one['text']}" for one in bad)
        begun, ended = ({one["id"] for one in told if one["when"] == when} for when in ("setup", "teardown"))
        if not ended or begun != ended:
            return f"it did not run to its end in the guest, which said last:\n{self.console}"
        return None


@functools.cache
def listed() -> dict[str, str]:
    """The guest's tests with what they are for, read from their source: `test_lies.py::test_...`."""
    return {name: reason for path in sorted(GUEST.glob("test_*.py")) for name, reason in _functions(path)}


def _functions(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{path.name}::{node.name}", ast.get_docstring(node) or ""


def run_in_the_guest(tests: tuple[str, ...]) -> Outcomes:
    """What became of them in one boot with all the drives of the lab."""
    with plugged_in() as drives, booted(JOB, drives) as guest:
        lines = [f"tests/lab/guest/{test}" for test in tests]
        (guest.share / "chosen").write_text("\n".join(lines), encoding="utf-8")
        guest.wait(LONGEST)
        return Outcomes(_read(guest.share / "reports"), guest.said())


def _read(path: Path) -> dict[str, list[dict[str, str]]]:
    told: dict[str, list[dict[str, str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        report = json.loads(line)
        told.setdefault(report["id"].removeprefix("tests/lab/guest/").partition("[")[0], []).append(report)
    return told
