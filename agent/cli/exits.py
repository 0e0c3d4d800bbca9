"""Errors become exits here and nowhere else: one table from error class to exit code."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterable
from pathlib import Path

from agent.cli.screen import Screen, say_to
from certificates.errors import Failure, Interrupted, Refused, Unproven, Unregistered, Untrusted

UNEXPECTED = 1
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
EXITS: dict[type[Failure], int] = {Refused: 3, Interrupted: 4, Unproven: 5, Unregistered: 6, Untrusted: 7}
"""Exit code of each family; 0 is success, 1 a bug, 2 is click's own for usage."""
PRECEDENCE = (4, 1, 5, 6, 3, 7)
"""Of several results the first of these that is present is the exit; after a first write none of them is 3 or 7."""
NAMES: dict[type[Failure], str] = {
    Refused: "已拒绝",
    Interrupted: "已中断",
    Unproven: "未证实",
    Unregistered: "未登记",
    Untrusted: "不可信",
}
"""Families in Chinese."""


def family(error: Failure) -> type[Failure]:
    """Return the family of the table that an error belongs to."""
    return next(kind for kind in EXITS if isinstance(error, kind))


def code_of(error: BaseException | None) -> int:
    """Return the exit code of an outcome; none is success, anything but a Failure is a bug."""
    if error is None:
        return 0
    return EXITS[family(error)] if isinstance(error, Failure) else UNEXPECTED


def code_of_all(codes: Iterable[int]) -> int:
    """Return the exit code of several outcomes together."""
    present = set(codes)
    return next((code for code in PRECEDENCE if code in present), 0)


def describe(error: Failure) -> dict[str, object]:
    """Return the JSON form of an error."""
    facts = {name: value if isinstance(value, int) else str(value) for name, value in error.facts.items()}
    kind = family(error)
    return {"family": kind.__name__, "reason": error.reason, "facts": facts, "exit": EXITS[kind], "message": str(error)}


def sentence(error: Failure, screen: Screen) -> str:
    """Return the error as a person reads it."""
    kind = family(error)
    name, colon = (NAMES[kind], "：") if screen.language == "zh" else (kind.__name__, ": ")
    return f"{name}{colon}{error.tell(screen.language)}    [exit {EXITS[kind]}]"


def report(error: Exception, screen: Screen) -> int:
    """Tell a person, and a program that asked for JSON, how a command failed; return the exit code.

    A full or read-only disk is no bug. Runs tell theirs by themselves: what comes here came before any of them began.
    """
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        error = Refused("journal-not-writable", detail=f"{error.filename or '?'}: {error.strerror}")
    if isinstance(error, Failure):
        say_to(sentence(error, screen), to_stderr=True)
        if screen.as_json:
            screen.show("", {"error": describe(error)})
        return code_of(error)
    where = write_traceback(error)
    say_to(unexpected(screen, error, where), to_stderr=True)
    if screen.as_json:
        screen.show("", {"error": {"family": "Unexpected", "exit": UNEXPECTED, "traceback": str(where)}})
    return UNEXPECTED


def unexpected(screen: Screen, error: Exception, where: Path) -> str:
    """Return a bug in a line."""
    return screen.word("unexpected", kind=type(error).__name__, where=where)


def write_traceback(error: Exception) -> Path:
    """Return the new file, readable by its owner alone, that holds the traceback."""
    import os
    import tempfile

    handle, name = tempfile.mkstemp(prefix="expunge-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    return Path(name)
