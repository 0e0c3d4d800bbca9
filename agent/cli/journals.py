"""What the journal commands share."""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.desk import site_of
from agent.cli.screen import Screen
from agent.files import read_file
from agent.journal import Journal, replay
from certificates.errors import Refused, Untrusted

LARGEST = 1 << 30


def check(screen: Screen, files: tuple[Path, ...]) -> None:
    """Say of each journal that it holds; raises Untrusted at the first that does not, or that does not follow."""
    journals = [_read(file)[0] for file in files]
    _check_order(journals)
    rows = [
        {
            "file": str(file),
            "sequence": journal.opened.sequence,
            "entries": len(journal.entries),
            "head": journal.head,
            "begun": journal.is_begun,
            "ended": journal.is_ended,
        }
        for file, journal in zip(files, journals, strict=True)
    ]
    screen.show("\n".join(screen.word("journal.holds", **row) for row in rows), rows)


def export(screen: Screen, files: tuple[Path, ...]) -> None:
    """Print the lines of journals whose chains hold."""
    for file in files or site_of(screen).journals.names():
        for line in _read(Path(file))[1]:
            click.echo(line.decode("utf-8"))


def _read(file: Path) -> tuple[Journal, list[bytes]]:
    lines = read_file(file, LARGEST).split(b"\n")[:-1]
    try:
        journal = replay(file.name, lines)
    except Refused as error:
        raise Untrusted(error.reason, **error.facts) from error
    if not journal.entries:
        raise Untrusted("journal-broken", name=file.name, line=1, detail="it is empty")
    return journal, lines


def _check_order(journals: list[Journal]) -> None:
    """Check that journals with neighbouring numbers are chained; raises Untrusted."""
    by_number = {journal.opened.sequence: journal for journal in journals}
    for number, journal in by_number.items():
        before = by_number.get(number - 1)
        if before is not None and journal.opened.previous != before.head:
            detail = f"run {number} does not follow the end of run {number - 1}"
            raise Untrusted("journal-broken", name=journal.name, line=1, detail=detail)
