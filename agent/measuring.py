"""What this host finds for a carrier that is being drafted: identity facts, counts and bytes. Reads only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agent.drafting import Measured
from certificates.errors import Refused, Untrusted
from certificates.statements import Fact

SELECTED = "what is selected"
NOT_A_SELECTION = ("name-not-plain", "link-in-path", "files-missing", "file-differs")
"""What only whoever writes the order can mend; the rest of what a search meets is for the plan to say."""
LUKS_MAGIC = b"LUKS\xba\xbe"
LUKS_UUID = slice(168, 208)
"""Where a LUKS2 binary header holds the UUID (LUKS2 On-Disk Format 1.1.3, 2.1)."""


def measure(identity: dict[str, Any], selects: dict[str, Any], carrier: str) -> Measured:
    """Return what this host finds for a carrier as far as it is described; raises Refused where it finds nothing."""
    try:
        return _measure(identity, selects, carrier)
    except (OSError, sqlite3.Error) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is no SQLite database"
        raise Refused("file-unreadable", where=f"what carrier {carrier} selects", detail=detail) from error


def _measure(identity: dict[str, Any], selects: dict[str, Any], carrier: str) -> Measured:
    path = selects.get("path")
    match identity.get("kind"):
        case "files":
            return _files(selects)
        case "database" if isinstance(path, str):
            return _database(Path(path))
        case "image" if isinstance(path, str):
            facts = _image(Path(path))
            return Measured(facts, 1, facts["size"])
        case "luks":
            return _luks(identity, selects, carrier)
        case "records":
            from agent.records_form import measure_records

            _check_records_reached(selects)
            return measure_records(identity, selects, carrier)
        case "device":
            facts = _device(identity, carrier)
            return Measured(facts, 1, facts["size"])
        case "volume":
            facts = _volume(identity, carrier)
            return Measured(facts, 1, facts["size"])
    return Measured({}, 0, 0)


@contextmanager
def _folder(path: str) -> Iterator[int]:
    """Hold a directory open, reached through no link."""
    from wipers.linux.beneath import open_root

    descriptor = open_root(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _filesystem(descriptor: int) -> str:
    """Return the UUID of the file system below a descriptor."""
    from wipers.linux.filesystems import file_system_of, refusals

    found = file_system_of(descriptor)
    if found.uuid is not None:
        return found.uuid
    for obstacle in refusals(found, SELECTED):
        raise Refused(obstacle.reason, **dict(obstacle.facts))
    raise Refused("file-unreadable", where="the file system", detail="its UUID cannot be told; write it down")


def _check_reached(descriptor: int) -> None:
    """Raise Refused where no file of this kind of file system can be overwritten in place: better told to the clerk
    than found after everybody has signed. What an administrator can still change is for the plan to say."""
    from wipers.linux.filesystems import file_system_of, lasting_refusal

    if (obstacle := lasting_refusal(file_system_of(descriptor), SELECTED)) is not None:
        raise Refused(obstacle.reason, **dict(obstacle.facts))


def _check_records_reached(selects: dict[str, Any]) -> None:
    """Raise Refused where what holds the records, a database file or a server's directory, is of no file system on
    which a file can be overwritten in place."""
    where = selects.get("where")
    if isinstance(where, str) and where.startswith("/"):
        with _folder(where if os.path.isdir(where) else os.path.dirname(where)) as folder:
            _check_reached(folder)


def _files(selects: dict[str, Any]) -> Measured:
    from certificates.encoding import read_field
    from certificates.statements import FilesSelector
    from wipers.linux.selection import selected
    from wipers.linux.walking import survey

    try:
        chosen = read_field(selects | {"kind": "files", "label_key": "0" * 64}, FilesSelector, "selects")
    except Untrusted:
        # The draft tells what is wrong with it, with everything else that is.
        return Measured({}, 0, 0)
    with _folder(chosen.root) as root:
        _check_reached(root)
        tree = survey(root, selected(root, chosen))
        if (wrong := next((reason for reason in NOT_A_SELECTION if reason in tree.problems), None)) is not None:
            raise Refused(wrong, count=tree.problems[wrong], where=chosen.root)
        count = len(tree.paths)
        facts = {
            "filesystem": _filesystem(root),
            "parent_inode": os.fstat(root).st_ino,
            "least_count": count,
            "most_count": count,
            "most_bytes": tree.size,
        }
    return Measured(facts, count, tree.size)


def _image(path: Path) -> dict[str, Any]:
    with _folder(str(path.parent)) as folder:
        _check_reached(folder)
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        return {
            "filesystem": _filesystem(folder),
            "inode": found.st_ino,
            "size": found.st_size,
            "attached": False,
        }


def _database(path: Path) -> Measured:
    image = _image(path)
    rows = _rows(path)
    facts = {
        "engine": "sqlite",
        "filesystem": image["filesystem"],
        "inode": image["inode"],
        "scope": "database",
        "least_rows": rows,
        "most_rows": rows,
    }
    beside = [path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-journal")]
    return Measured(facts, 1, sum(one.stat().st_size for one in beside if one.exists()))


def _rows(path: Path) -> int:
    """Return the rows over all tables, read without taking part in the database's life."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
        named = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        quoted = ['"' + name.replace('"', '""') + '"' for (name,) in named]
        return sum(database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in quoted)  # noqa: S608


def _luks(identity: dict[str, Any], selects: dict[str, Any], carrier: str) -> Measured:
    path, container = selects.get("path"), identity.get("container", {})
    if isinstance(path, str):
        facts = {"kind": "image", **_image(Path(path))}
        with open(path, "rb") as file:
            header = file.read(512)
    elif isinstance(container, dict) and container.get("kind") == "device":
        facts, header = _device(container, carrier), b""
    elif isinstance(container, dict) and container.get("kind") == "volume":
        facts, header = _volume(container, carrier), b""
    else:
        return Measured({}, 0, 0)
    found: dict[str, Any] = {"container": facts}
    if header.startswith(LUKS_MAGIC):
        found |= {"luks_uuid": header[LUKS_UUID].rstrip(b"\0").decode("ascii", "replace")}
    return Measured(found, 1 + len(selects.get("header_backups", ())), facts["size"])


def _device(identity: dict[str, Any], carrier: str) -> dict[str, Any]:
    """Return the facts of the one drive with the serial that is written down."""
    from wipers.linux import LinuxHost

    targets = LinuxHost(state_directory=Path(os.devnull)).list_targets()
    found = [{fact.name: fact.value for fact in target.facts} for target in targets if target.kind == "device"]
    serial = identity.get("serial")
    matching = [facts for facts in found if serial and facts.get("serial") == serial]
    if not matching:
        raise Refused("carrier-not-found", carrier=carrier)
    facts = matching[0]
    result: dict[str, Any] = {name: facts.get(name, "") for name in ("vendor", "model", "serial")}
    if facts.get("wwn"):
        result["wwn"] = facts["wwn"]
    return result | {"size": int(facts["size"])}


def _volume(identity: dict[str, Any], carrier: str) -> dict[str, Any]:
    """Return the facts of the volume that `node` leads to, a link such as /dev/disk/by-partuuid/... or a name below
    /dev/mapper, or of the one with the id that is written down. The node itself stays out of the order."""
    from certificates.encoding import encode, parse
    from certificates.statements import volume_of
    from wipers.linux import LinuxHost

    node = identity.pop("node", None)
    targets = [one for one in LinuxHost(state_directory=Path(os.devnull)).list_targets() if one.kind == "volume"]
    if isinstance(node, str):
        wanted = os.stat(node).st_rdev
        targets = [one for one in targets if os.stat(one.location).st_rdev == wanted]
    else:
        targets = [one for one in targets if Fact("uuid", str(identity.get("uuid"))) in one.facts]
    if not targets:
        raise Refused("carrier-not-found", carrier=carrier)
    if len({one.unit for one in targets}) > 1:
        what = ", ".join(sorted(one.location for one in targets))
        raise Refused("carrier-ambiguous", carrier=carrier, count=len(targets), what=what)
    found: dict[str, Any] = parse(encode(volume_of(targets[0].facts)))
    return found
