"""The auditor's command: reads the bundles and the trust file that it is given, and nothing else."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from certificates.render.words import Language

BUNDLE = ".expunge"
JOURNAL = ".jsonl"


class _AuditFirst(click.Group):
    """A group whose first word is `audit` where it is no command's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            args = ["audit", *args]
        return super().parse_args(ctx, args)


@dataclass(slots=True)
class Found:
    """What lies at the paths that an auditor names."""

    bundles: list[Path] = field(default_factory=list)
    journals: list[Path] = field(default_factory=list)
    is_folder: bool = False
    """A folder was named, so that runs can be told to be missing."""


def find(paths: tuple[Path, ...]) -> Found:
    """Return the bundles and journals at the paths; a folder is searched, and everything below it."""
    found = Found()
    for path in paths:
        if path.is_dir():
            found.is_folder = True
            # Folders and pipes by such a name, and links that lead nowhere, are no documents.
            found.bundles += sorted(one for one in path.rglob("*" + BUNDLE) if one.is_file())
            found.journals += sorted(one for one in path.rglob("*" + JOURNAL) if one.is_file())
        else:
            (found.journals if path.suffix == JOURNAL else found.bundles).append(path)
    return found


def audit_paths(found: Found, trust_file: Path | None, reread: Any = None) -> Any:
    """Return the audit of everything found; raises Untrusted when no trust anchor was given or it does not hold."""
    from certificates.audit import Verdict, audit, audit_all, read_part
    from certificates.errors import Untrusted
    from certificates.trust import MAX_TRUST_FILE, parse_trust

    if trust_file is None:
        raise Untrusted("trust-missing")
    trust = parse_trust(_begin_of(trust_file, MAX_TRUST_FILE + 1))
    reports, parts = [], []
    for name, data in _read(found.bundles):
        reports.append(audit(data, trust, name, reread))
        if reports[-1].verdict is not Verdict.DOES_NOT_HOLD:
            parts.append(read_part(data))
    journals, is_complete = tuple(_read(found.journals)), found.is_folder or len(reports) > 1
    told = (part for part in parts if part is not None) if len(reports) > 1 else ()
    return audit_all(tuple(reports), journals, is_complete=is_complete, parts=told)


def _read(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content; a file too large to be one of ours is cut, so that it fails rather than fills memory."""
    from certificates.bundle import MAX_SIZE

    for path in paths:
        yield str(path), _begin_of(path, MAX_SIZE + 1)


def _begin_of(path: Path, most: int) -> bytes:
    """Return no more than so many bytes of a file; raises Untrusted where it cannot be read."""
    from certificates.errors import Untrusted

    try:
        return begin_of(path, most)[0]
    except OSError as error:
        raise Untrusted("file-unreadable", where=path, detail=error.strerror) from error


def begin_of(path: Path, most: int) -> tuple[bytes, int]:
    """Return no more than so many bytes of a file or pipe, and the size in bytes as far as it is known; raises OSError.

    A pipe is read to its end; one that nobody writes to is empty, and keeps nobody waiting.
    """
    # Without O_NONBLOCK the kernel waits for somebody who opens a pipe for writing, perhaps for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if stat.S_ISCHR(about.st_mode) or stat.S_ISBLK(about.st_mode):
            # The system's word for what has no end, or waits for somebody to type.
            raise OSError(errno.EINVAL, "It is a device")
        os.set_blocking(descriptor, True)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(most)
    finally:
        os.close(descriptor)
    return data, max(about.st_size, len(data))


def language_of_locale() -> Language:
    """Return the language that the locale asks for."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next((name for name in names if name), "").lower().startswith("zh") else "en"


_existing = click.Path(exists=True, path_type=Path)
_language = click.option("--lang", type=click.Choice(["en", "zh"]), default=None, help="Language; by default LANG's.")


@click.group(cls=_AuditFirst, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=None, version="0.1.0", prog_name="expunge-audit")
def main() -> None:
    """Re-check certificates of destruction offline: `expunge-audit PATH... --trust FILE`."""


@main.command("audit")
@click.argument("paths", nargs=-1, required=True, type=_existing)
@click.option("--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What you trust.")
@click.option("--json", "as_json", is_flag=True, help="Print findings as JSON.")
@_language
def audit_command(paths: tuple[Path, ...], trust: Path | None, as_json: bool, lang: Language | None) -> None:
    """Give the whole verdict on bundles, or on folders of them.

    Exit: 0 proven; 5 the documents hold, the claim is not proven; 7 a document does not hold, or no trust was given.
    """
    from certificates.encoding import encode
    from certificates.errors import Failure
    from certificates.render.report import tell_audit

    language = lang or language_of_locale()
    found = find(paths)
    if not found.bundles and not found.journals:
        raise click.UsageError("no bundle there")
    try:
        told = audit_paths(found, trust)
    except Failure as error:
        click.echo(error.tell(language), err=True)
        sys.exit(7)
    click.echo(encode(told).decode() if as_json else tell_audit(told, language), nl=as_json)
    sys.exit(told.verdict.exit_code)


@main.command("show")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_language
def show_command(file: Path, lang: Language | None) -> None:
    """Show a bundle's certificate, or what any signed document says; signatures are for `audit` to judge."""
    from certificates.errors import Failure
    from certificates.render.documents import show_document

    language = lang or language_of_locale()
    (_, data), *_ = _read([file])
    try:
        click.echo(show_document(data, language), nl=False)
    except Failure as error:
        click.echo(error.tell(language), err=True)
        sys.exit(7)


if __name__ == "__main__":
    cast(Any, main)()
