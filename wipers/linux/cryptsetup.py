"""The program that opens LUKS containers, asked whether it still takes one for a container."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from wipers.linux.machine import Machine, attribute, entries

NOT_A_CONTAINER = 1
"""Exit code of cryptsetup(8) for what is no LUKS device; 2 is a wrong passphrase, 4 a device out of reach."""
PATIENCE = 120
"""Seconds until an answer is given up: no answer is no refusal."""
QUESTIONS = (
    ("isLuks",),
    ("luksDump", "--batch-mode"),
    ("open", "--test-passphrase", "--batch-mode", "--key-file=-"),
)


def ask(location: str) -> tuple[str, bool]:
    """The program asked and its version, and whether it refuses the device or file in each way of asking."""
    program = shutil.which("cryptsetup", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return "cryptsetup (not installed)", False
    version = _output(program, "--version").partition(" flags:")[0].strip()
    return version or "cryptsetup", all(_refuses(program, question, location) for question in QUESTIONS)


def mappings(machine: Machine, uuid: str) -> tuple[str, ...]:
    """Names of the open dm-crypt mappings of the container with that UUID."""
    wanted = uuid.replace("-", "")
    folders = (machine.sys / "block" / name / "dm" for name in entries(machine.sys / "block") if name.startswith("dm-"))
    return tuple(attribute(folder / "name", "?") for folder in folders if _is_mapping(folder, wanted))


def _is_mapping(folder: Path, wanted: str) -> bool:
    kind, _, rest = attribute(folder / "uuid").partition("-")
    return kind == "CRYPT" and wanted in rest


def _refuses(program: str, question: tuple[str, ...], location: str) -> bool:
    """Whether the answer is `not a container`; the passphrase given is a letter that opens nothing."""
    try:
        answer = subprocess.run(
            [program, *question, location], input=b"x", capture_output=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == NOT_A_CONTAINER


def _output(program: str, option: str) -> str:
    try:
        answer = subprocess.run([program, option], capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", "replace")
