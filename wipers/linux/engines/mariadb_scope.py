"""What an order means in a MariaDB server: which tables, under which condition, in which files, and what follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from certificates.errors import Refused
from wipers.conditions import Bound, bind
from wipers.linux.engines import Request
from wipers.linux.engines.mariadb_server import Server, quoted

OWN = ("mysql", "information_schema", "performance_schema", "sys")
"""Schemas of the server itself."""
ENGINES = frozenset({"InnoDB", "Aria", "MyISAM"})
"""Storage engines whose files, logs and copies this knows."""
FILES = (".frm", ".ibd", ".isl", ".cfg", ".par", ".TRG", ".MAI", ".MAD", ".MYI", ".MYD")
"""What a table's files end in."""
ENCRYPTIONS = ("innodb_encrypt_tables", "innodb_encrypt_log", "aria_encrypt_tables", "encrypt_binlog")
"""Switches of encryption at rest."""
DEEPEST = 8
"""Foreign keys behind foreign keys that are followed."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the server's catalogue has it."""

    schema: str
    name: str
    engine: str
    """Storage engine."""
    options: str
    """What its creation said besides columns."""
    row_format: str
    identity: str
    """What the engine calls it for its lifetime, across which its rows may change and its definition not."""
    size: int
    """Bytes, as the catalogue estimates."""
    indexed: int = 0
    """Bytes of its further indexes, likewise."""

    @property
    def quoted(self) -> str:
        """As statements name it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def is_page_compressed(self) -> bool:
        """Whether InnoDB gives blocks back within the file as pages shrink, out of reach of whoever holds the file."""
        told = self.option("page_compressed")
        return self.engine == "InnoDB" and (told in {"1", "on", "yes", "default"} or self.row_format == "Page")

    def option(self, name: str) -> str:
        """What its creation said of that, in small letters; empty where it said nothing."""
        found = re.search(rf"(?:^|\s)`?{name}`?='?(\w+)", self.options, re.IGNORECASE)
        return found[1].lower() if found else ""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table that go, or that are changed because others go."""

    table: Table
    condition: str
    values: tuple[Bound, ...]
    forgetting: tuple[str, ...] = ()
    """Columns that become null in rows that stay."""
    depth: int = 0
    """Foreign keys between it and the table that was ordered."""


def table_of(server: Server, schema: str, name: str) -> Table | None:
    """The base table of that name; none where there is no such."""
    return next(iter(_tables(server, "t.table_schema = %s AND t.table_name = %s", schema, name)), None)


def tables_of(server: Server, request: Request) -> tuple[Table, ...]:
    """Every base table that the order's scope takes whole, or whose rows it selects."""
    identity, selects = request.identity, request.selects
    if identity.scope in ("rows", "table"):
        found = table_of(server, identity.database, selects.table or "")
        return (found,) if found is not None else ()
    if identity.scope == "cluster":
        return _tables(server, f"t.table_schema NOT IN {_OWN}")
    return _tables(server, "t.table_schema = %s", identity.database)


_OWN = "(" + ", ".join(f"'{one}'" for one in OWN) + ")"


def _tables(server: Server, where: str, *values: Bound) -> tuple[Table, ...]:
    found = server.rows(
        "SELECT t.table_schema, t.table_name, t.engine, COALESCE(t.create_options, ''), COALESCE(t.row_format, ''),"
        " t.create_time, COALESCE(t.data_length, 0) + COALESCE(t.index_length, 0) + COALESCE(t.data_free, 0),"
        " COALESCE(t.index_length, 0),"
        " (SELECT MIN(i.table_id) FROM information_schema.innodb_sys_tables i WHERE i.name = CONCAT("
        "  CAST(CONVERT(t.table_schema USING filename) AS BINARY), '/',"
        "  CAST(CONVERT(t.table_name USING filename) AS BINARY)))"
        " FROM information_schema.tables t"
        f" WHERE (t.table_type LIKE 'BASE TABLE' OR t.table_type LIKE 'SYSTEM VERSIONED') AND {where}"
        " ORDER BY t.table_schema, t.table_name",
        *values,
    )
    return tuple(
        Table(schema, name, engine or "", options, form, str(number or made or "-"), int(size), int(indexed))
        for schema, name, engine, options, form, made, size, indexed, number in found
    )


def is_encrypted(server: Server, tables: tuple[Table, ...]) -> bool:
    """Whether a table, or a log that its rows pass through, stands encrypted on the storage."""
    return any(table.option("encrypted") == "yes" for table in tables) or any(
        str(server.variable(name)).upper() in {"ON", "FORCE", "1"} for name in ENCRYPTIONS
    )


def count(server: Server, part: Part) -> int:
    """Rows that the condition selects."""
    return int(server.one(f"SELECT COUNT(*) FROM {part.table.quoted} WHERE {part.condition}", *part.values))


def ordered(table: Table, request: Request) -> Part:
    """The rows of the table that the order names; raises Refused where its condition cannot be taken."""
    condition = request.selects.condition
    if request.identity.scope != "rows" or condition is None:
        if request.identity.scope == "rows":
            raise Refused("condition-wrong", detail="it is empty")
        return Part(table, "TRUE", ())
    text, values = bind(condition, request.parameters, lambda _: "%s", "%%")
    return Part(table, f"({text})", values)


def check_condition(server: Server, part: Part) -> None:
    """The condition looks at nothing but its own table; raises Refused otherwise."""
    found = server.rows(f"EXPLAIN SELECT * FROM {part.table.quoted} WHERE {part.condition}", *part.values)
    others = {str(row[2]) for row in found if row[2] is not None} - {part.table.name}
    if len(found) > 1 or others:
        raise Refused("condition-wrong", detail="it looks at other tables")


def followers(server: Server, part: Part) -> Iterator[Part]:
    """Yield the rows of other tables that go or change with the part's, by the rules of foreign keys. Raises
    Refused where those go in circles, or deeper than is followed."""
    yield from _followers(server, part, frozenset({part.table.quoted}))


def _followers(server: Server, part: Part, seen: frozenset[str]) -> Iterator[Part]:
    for key in keys_to(server, part.table):
        if key.rule not in ("CASCADE", "SET NULL"):
            continue
        child = table_of(server, key.schema, key.table)
        if child is None:
            continue
        if child.quoted in seen or part.depth + 1 > DEEPEST:
            raise Refused("records-not-offered", where=child.name, detail="foreign keys that go in circles")
        condition = key.condition(part)
        if key.rule == "SET NULL":
            yield Part(child, condition, part.values, key.columns, part.depth + 1)
            continue
        further = Part(child, condition, part.values, (), part.depth + 1)
        yield further
        yield from _followers(server, further, seen | {child.quoted})


def forbidding(server: Server, part: Part) -> int:
    """Rows elsewhere that refer to the part's rows and forbid that they go."""
    total = 0
    for key in keys_to(server, part.table):
        if key.rule in ("CASCADE", "SET NULL"):
            continue
        child = table_of(server, key.schema, key.table)
        if child is not None:
            total += count(server, Part(child, key.condition(part), part.values))
    return total


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key that leads to a table."""

    schema: str
    table: str
    rule: str
    columns: tuple[str, ...]
    referred: tuple[str, ...]

    def condition(self, part: Part) -> str:
        """Selects the rows that refer to those of the part."""
        own = ", ".join(map(quoted, self.columns))
        theirs = ", ".join(map(quoted, self.referred))
        return f"(({own}) IN (SELECT {theirs} FROM {part.table.quoted} WHERE {part.condition}))"


def keys_to(server: Server, table: Table) -> tuple[Key, ...]:
    """Foreign keys of other tables, and of itself, that lead to the table."""
    found = server.rows(
        "SELECT r.constraint_schema, r.table_name, r.delete_rule,"
        " GROUP_CONCAT(HEX(k.column_name) ORDER BY k.ordinal_position),"
        " GROUP_CONCAT(HEX(k.referenced_column_name) ORDER BY k.ordinal_position)"
        " FROM information_schema.referential_constraints r JOIN information_schema.key_column_usage k"
        " ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name"
        " AND k.table_name = r.table_name"
        " WHERE r.unique_constraint_schema = %s AND r.referenced_table_name = %s"
        " GROUP BY r.constraint_schema, r.table_name, r.constraint_name, r.delete_rule",
        table.schema,
        table.name,
    )
    return tuple(Key(schema, name, rule, _names(own), _names(theirs)) for schema, name, rule, own, theirs in found)


def _names(joined: str) -> tuple[str, ...]:
    return tuple(bytes.fromhex(one).decode() for one in joined.split(","))


def columns_of(server: Server, table: Table) -> tuple[tuple[str, str], ...]:
    """The table's stored columns and their types."""
    found = server.rows(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " AND COALESCE(extra, '') NOT LIKE '%%VIRTUAL%%' ORDER BY ordinal_position",
        table.schema,
        table.name,
    )
    return tuple((name, kind) for name, kind in found)


def files_of(server: Server, request: Request, table: Table) -> tuple[Path, ...]:
    """Every file that is the table's alone: definition, data, indexes, partitions, full-text tables."""
    schema, name = (_file_name(server, one) for one in (table.schema, table.name))
    folder = request.where / schema
    found = {path for path in folder.glob("*") if path.suffix in FILES and path.name.split("#")[0] in _stems(name)}
    found |= set(folder.glob(f"{name}#*"))
    spaces = server.rows(
        "SELECT t.table_id, d.filename FROM information_schema.innodb_sys_tables t"
        " LEFT JOIN information_schema.innodb_sys_tablespaces d ON d.space = t.space"
        " WHERE t.name = %s OR t.name LIKE %s",
        f"{schema}/{name}",
        f"{schema}/{name}#%".replace("_", "\\_"),
    )
    for number, path in spaces:
        if path is not None:
            found.add(request.where / path)
        found |= set(folder.glob(f"FTS_{number:016x}_*.ibd"))
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def put_aside(server: Server, request: Request, table: Table) -> tuple[Path, ...]:
    """Copies of the table's data that the server kept where it mended the table after a crash (aria_recover_options,
    myisam_recover_options: `BACKUP`)."""
    name = re.escape(_file_name(server, table.name)) + r"\.M[AY]D-[0-9]{12}\.BAK"
    return tuple(
        path for path in folder_of(server, request, table.schema).glob("*.BAK") if re.fullmatch(name, path.name)
    )


def _stems(name: str) -> frozenset[str]:
    return frozenset({name, *(name + end for end in FILES)})


def _file_name(server: Server, name: str) -> str:
    """A name as the server spells it in its data directory."""
    return bytes.fromhex(server.one("SELECT HEX(CONVERT(%s USING filename))", name)).decode("ascii")


def folder_of(server: Server, request: Request, schema: str) -> Path:
    """The directory of a schema."""
    return request.where / _file_name(server, schema)
