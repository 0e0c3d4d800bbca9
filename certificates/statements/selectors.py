"""The private part of a carrier, kept beside the order: paths, conditions, values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from certificates.statements.basics import Digest, Fact, Id, Items, Name, Path, Secret32, Text, Value


@dataclass(frozen=True, slots=True)
class NamesFile:
    """A file of the host that holds names, bound by what it holds: for more names than an order has room for."""

    path: Path
    """Where it lies."""
    digest: Digest
    """Digest of its bytes."""


@dataclass(frozen=True, slots=True)
class FilesSelector:
    """Paths below one root directory: by name, by pattern, in a list, or in a manifest, which then stands alone."""

    root: Path
    """Root directory."""
    names: Annotated[tuple[Name, ...], Items(0, 65536)]
    """Files or directories, relative to the root; a directory means everything below it."""
    label_key: Secret32
    """HMAC key of the labels in evidence: its owner can open one later."""
    kind: Literal["files"] = "files"
    """Mark of this kind."""
    globs: Annotated[tuple[Name, ...], Items(1, 1024)] | None = None
    """Patterns relative to the root: `*`, `?` and `[...]` within a part, `**` for any number of directories; names that
    begin with a dot match like others. A pattern that leads to nothing is a name that is missing."""
    list: NamesFile | None = None
    """Names relative to the root, each ended by a line feed, or all by a zero byte."""
    manifest: NamesFile | None = None
    """Names of regular files with the SHA-256 of their contents, as `sha256sum` writes them (with `--zero` too). A file
    whose contents differ is not touched, and nothing else then either."""


@dataclass(frozen=True, slots=True)
class PathSelector:
    """One object: an image file or a database."""

    path: Path
    """Where it lies."""
    label_key: Secret32
    """HMAC key of the labels in evidence."""
    kind: Literal["path"] = "path"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class LuksSelector:
    """A LUKS container in an image (path) or on a device (none), and its header backups."""

    path: Path | None
    """Image file; none: found by the container's identity."""
    header_backups: Annotated[tuple[Path, ...], Items(0, 64)]
    """Header backup files to be destroyed with it."""
    label_key: Secret32
    """HMAC key of the labels in evidence."""
    kind: Literal["luks"] = "luks"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a condition refers to by name; bound by the engine's driver, never pasted into a statement."""

    name: Name
    """Name in the condition, without its colon."""
    type: Literal["text", "text-hex", "integer", "decimal", "bytes", "boolean", "null"]
    """What the value is."""
    value: Annotated[tuple[Value, ...], Items(1, 65536)]
    """The value, or the values of a list: decimal digits for numbers, hex digits for bytes and for the UTF-8 of a text
    that is not in Unicode NFC, `true` or `false`, empty for null."""


@dataclass(frozen=True, slots=True)
class RecordsSelector:
    """Part of a database: how to reach it, and what in it."""

    where: Path
    """Data directory of the server, or the database file."""
    connect: Annotated[tuple[Fact, ...], Items(0, 16)]
    """How to connect (socket, host, port, user), without any secret."""
    credentials: Path | None
    """File of the host that holds the password in the engine's own form; none: the peer's identity, or the
    environment."""
    schema: Text | None
    """Schema; none where the scope names none."""
    table: Text | None
    """Table, or key space; none where the scope names none."""
    condition: Text | None
    """What follows WHERE, values by `:name` only; Redis: a pattern of keys; none: all of it."""
    parameters: Annotated[tuple[Parameter, ...], Items(0, 1024)]
    """Values of the condition."""
    label_key: Secret32
    """HMAC key of labels and digests in evidence."""
    kind: Literal["records"] = "records"
    """Mark of this kind."""


@dataclass(frozen=True, slots=True)
class Selector:
    """The private part of a carrier, kept beside the order; `run` needs it, the registry never sees it."""

    carrier: Id
    """Carrier's id in the order."""
    salt: Secret32
    """The 32 random bytes of the commitment."""
    selects: FilesSelector | PathSelector | LuksSelector | RecordsSelector
    """What is selected."""
