"""Files that people hand over and take away: read with a limit, written once and never over another."""

from __future__ import annotations

from pathlib import Path

from certificates.__main__ import begin_of
from certificates.errors import Refused, Untrusted

PRIVATE = 0o600
PUBLIC = 0o644


def read_file(path: Path, most: int) -> bytes:
    """Return a file's bytes; raises Untrusted when it holds more than `most`, Refused when it cannot be read."""
    try:
        data, size = begin_of(path, most + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > most:
        raise Untrusted("document-too-large", size=size, most=most)
    return data


def unreadable(path: Path, error: OSError) -> Refused:
    """Return the refusal of what cannot be read, with the system's word for why."""
    return Refused("file-unreadable", where=path, detail=error.strerror or str(error))


def check_absent(*paths: Path) -> None:
    """Return if none of the files exists; raises Refused."""
    for path in paths:
        if path.exists() or path.is_symlink():
            raise Refused("file-exists", where=path)


def write_new(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Make a new file with these bytes and this mode (less the umask); raises Refused where one exists."""
    try:
        path.touch(mode=mode, exist_ok=False)
        path.write_bytes(data)
    except FileExistsError as error:
        raise Refused("file-exists", where=path) from error
    except OSError as error:
        raise Refused("file-unwritable", where=path, detail=error.strerror) from error


def replace_file(path: Path, data: bytes) -> None:
    """Make an existing file hold `data`, whole or not at all, under the mode it has; raises Refused."""
    from agent.lines import write_durably

    try:
        mode = path.stat().st_mode & 0o777
        write_durably(path, data)
        path.chmod(mode)
    except OSError as error:
        raise Refused("file-unwritable", where=path, detail=error.strerror) from error
