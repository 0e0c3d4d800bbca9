"""What an order names in a PostgreSQL database, and what hangs on it: found by reading the catalogs and counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from certificates.errors import Refused
from certificates.statements import Consequence
from wipers.conditions import bind
from wipers.linux.engines import Request
from wipers.linux.engines.postgresql_server import SESSION, one, quoted, rows, run
from wipers.model import Obstacle

if TYPE_CHECKING:
    from psycopg import Connection

FEW = 5000
"""Rows that are found again by their places, without reading the table once more."""
DEEPEST = 8
"""Foreign keys in a row that are followed; what goes by more was not counted, and is refused."""
ORDINARY, PARTITIONED, FOREIGN, VIEW = "r", "p", "f", "m"
Why = Literal["ordered", "deleted-with", "changed-with", "derived"]


@dataclass(frozen=True, slots=True)
class Table:
    """A relation that holds rows in files of its own."""

    oid: int
    name: str
    """Schema and name, quoted."""
    kind: str
    """`relkind`: r ordinary, m materialised view."""
    why: Why
    """Why it is written anew."""
    rows: int
    """Rows of it that go or change."""
    bytes: int
    """Size with indexes and TOAST."""


@dataclass(slots=True)
class Scope:
    """What goes, what is written anew for it, and what stands in the way."""

    object: str = "-"
    """The ordered table's oid."""
    name: str = ""
    """The ordered table, quoted."""
    condition: str = "true"
    values: tuple[Any, ...] = ()
    rows: int = 0
    tables: dict[int, Table] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    conditions: dict[int, str] = field(default_factory=dict)
    """Which rows of each table."""
    places: dict[int, frozenset[str] | None] = field(default_factory=dict)
    """Where those rows stand; none for a table in which they are many."""

    def narrowed(self, oid: int | None = None) -> str:
        """Return the condition of a table, else of the ordered one with all its parts, that finds the rows by their
        places, as long as they stand there."""
        condition = self.condition if oid is None else self.conditions.get(oid, "true")
        ordered = (table.oid for table in self.tables.values() if table.why == "ordered")
        known = [self.places.get(each) for each in (ordered if oid is None else (oid,))]
        if condition == "true" or None in known:
            return condition
        listed = ",".join(f'"{place}"' for place in sorted(set().union(*filter(None, known))))
        return f"ctid = ANY('{{{listed}}}'::tid[]) AND ({condition})"

    def consequences(self) -> tuple[Consequence, ...]:
        """What goes with it, in a fixed order."""
        return tuple(Consequence(code, count) for code, count in sorted(self.effects.items()) if count)

    def note(self, code: str, count: int) -> None:
        """Add to an effect."""
        self.effects[code] = self.effects.get(code, 0) + count


def find_scope(session: Connection[Any], request: Request) -> Scope:
    """Return what the order names now; raises Refused where the condition cannot be taken."""
    match request.identity.scope:
        case "rows":
            return _rows(session, request)
        case "table":
            return _table(session, request)
        case "schema":
            return _schema(session, request)
        case "database":
            return _database(session)
        case "cluster":
            raise Refused("records-not-offered", where=request.where, detail="a cluster is looked at by itself")


def _named(session: Connection[Any], request: Request, scope: Scope) -> tuple[int, str] | None:
    """Return the oid and kind of the ordered table, and note it in the scope."""
    selects = request.selects
    schema, table = selects.schema or "public", selects.table or ""
    found = run(
        session,
        "SELECT c.oid::int8, c.relkind::text, c.relpersistence::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        (schema, table),
    ).fetchone()
    if found is None or found[1] not in (ORDINARY, PARTITIONED) or found[2] == "t" or schema in _OWN:
        detail = "there is no such table" if found is None else "it is no table with files of its own"
        scope.obstacles.append(Obstacle("records-not-offered", (("where", str(request.where)), ("detail", detail))))
        return None
    scope.object, scope.name = str(found[0]), quoted(schema, table)
    return int(found[0]), found[1]


_OWN = ("pg_catalog", "information_schema", "pg_toast")


def _rows(session: Connection[Any], request: Request) -> Scope:
    scope = Scope()
    if _named(session, request, scope) is None:
        return scope
    scope.condition, scope.values = bind(request.selects.condition or "", request.parameters, lambda _: "%s", "%%")
    _count(session, scope, scope.name, scope.condition, "ordered")
    scope.rows = sum(table.rows for table in scope.tables.values())
    _follow(session, scope, _Parent(int(scope.object), scope.name, scope.condition), DEEPEST)
    _derived(session, scope)
    _beside(session, scope)
    return scope


_COUNTED = (
    "SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, f.count, pg_total_relation_size(c.oid)"
    " FROM (SELECT tableoid, count(*) FROM {found} GROUP BY 1) f JOIN pg_class c ON c.oid = f.tableoid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1"
)


def _count(session: Connection[Any], scope: Scope, name: str, condition: str, why: Why) -> int:
    """Note the tables (partitions, children) in which the condition selects rows; return how many rows."""
    places = _places(session, scope, name, condition)
    if places is None:
        found = rows(session, _COUNTED.format(found=f"{name} WHERE ({condition})"), scope.values)
    else:
        told = "unnest(%s::int8[]) listed(tableoid)"
        found = rows(session, _COUNTED.format(found=told), ([oid for oid, _ in places],))
    for oid, schema, table, kind, count, size in found:
        known_places = scope.places.get(oid, frozenset())
        here = frozenset(place for other, place in places or () if other == oid)
        scope.places[oid] = None if places is None or known_places is None else known_places | here
        if kind == FOREIGN:
            scope.note("foreign-tables", 1)
            scope.obstacles.append(_not_offered(f"{count} of the rows are in a foreign table"))
        before = scope.tables.get(oid)
        total = count + (before.rows if before is not None else 0)
        known = scope.conditions.get(oid)
        scope.conditions[oid] = f"({known}) OR ({condition})" if known and known != condition else condition
        scope.tables[oid] = Table(oid, quoted(schema, table), kind, before.why if before else why, total, size)
    return sum(count for *_, count, _ in found)


_FOREIGN_BELOW = (
    "WITH RECURSIVE b(oid) AS (SELECT %s::regclass::oid UNION SELECT i.inhrelid FROM b JOIN pg_inherits i"
    " ON i.inhparent = b.oid) SELECT count(*) FROM b JOIN pg_class c ON c.oid = b.oid WHERE c.relkind = 'f'"
)


def _places(session: Connection[Any], scope: Scope, name: str, condition: str) -> list[tuple[int, str]] | None:
    """Return table and place of each row that the condition selects; none where they are many, or have no places."""
    if one(session, _FOREIGN_BELOW, (name.replace("%%", "%"),)):
        return None
    statement = f"SELECT tableoid::int8, ctid::text FROM {name} WHERE ({condition}) LIMIT {FEW + 1}"
    found = rows(session, statement, scope.values)
    return [(oid, place) for oid, place in found] if len(found) <= FEW else None


def _not_offered(detail: str) -> Obstacle:
    return Obstacle("records-not-offered", (("where", "the table"), ("detail", detail)))


_REFERRING = (
    "SELECT c.oid::int8, c.conrelid::int8, n.nspname, r.relname, c.confdeltype::text,"
    " (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(at, n)"
    "  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.at),"
    " (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(at, n)"
    "  JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.at)"
    " FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace"
    " WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid IN"
    " (SELECT %s::oid UNION ALL SELECT relid FROM pg_partition_ancestors(%s::regclass)) ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class _Parent:
    """Rows that others may refer to."""

    oid: int
    name: str
    condition: str


def _follow(session: Connection[Any], scope: Scope, parent: _Parent, deep: int) -> None:
    """Note what refers to the rows: what is deleted or changed with them, and what forbids it."""
    for _, child, schema, table, action, keys, wanted in rows(session, _REFERRING, (parent.oid, parent.oid)):
        child_name = quoted(schema, table)
        columns, theirs = ", ".join(map(quoted, keys)), ", ".join(map(quoted, wanted))
        inner = f"({columns}) IN (SELECT {theirs} FROM {parent.name} WHERE ({parent.condition}))"
        if action in ("a", "r"):
            count = one(session, f"SELECT count(*) FROM {child_name} WHERE ({inner})", scope.values)
            if count and not (child == parent.oid and action == "a"):
                detail = f"{count} rows of {child_name}"
                facts = (("where", scope.name), ("detail", detail))
                scope.obstacles.append(Obstacle("records-referenced", facts))
            continue
        count = _count(session, scope, child_name, inner, "deleted-with" if action == "c" else "changed-with")
        scope.note("rows-by-foreign-key", count)
        if action == "c" and count and deep:
            _follow(session, scope, _Parent(child, child_name, inner), deep - 1)
        elif action == "c" and count:
            scope.obstacles.append(_not_offered(f"rows go with rows by more than {DEEPEST} foreign keys in a row"))


_DERIVED = (
    "WITH RECURSIVE d(oid, depth) AS (SELECT unnest(%s::int8[])::oid, 0 UNION SELECT r.ev_class, d.depth + 1 FROM d"
    " JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = d.oid"
    " AND p.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = p.objid"
    " AND r.ev_class <> d.oid"
    " AND d.depth < (SELECT count(*) FROM pg_class v WHERE v.relkind IN ('m', 'v') AND v.oid >= 16384))"
    " SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, pg_total_relation_size(c.oid)"
    " FROM d JOIN pg_class c ON c.oid = d.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE NOT c.oid = ANY(%s::int8[]) AND c.relkind IN ('m', 'v') GROUP BY c.oid, n.nspname ORDER BY max(d.depth), 1"
)
"""What reads the tables, and how far away: no way is longer than there are views, however they read one another."""


def _derived(session: Connection[Any], scope: Scope) -> None:
    """Note the materialised views that hold what was read from the tables, each after those that it reads."""
    known = with_parents(session, list(scope.tables))
    for oid, schema, table, kind, size in rows(session, _DERIVED, (known, known)):
        if kind == VIEW:
            scope.tables[oid] = Table(oid, quoted(schema, table), kind, "derived", 0, size)
            scope.note("materialized-views-refreshed", 1)


def with_parents(session: Connection[Any], oids: list[int]) -> list[int]:
    """Return the tables and what they are partitions or children of."""
    found = rows(
        session,
        "WITH RECURSIVE p(oid) AS (SELECT unnest(%s::int8[])::oid UNION"
        " SELECT i.inhparent FROM p JOIN pg_inherits i ON i.inhrelid = p.oid) SELECT oid::int8 FROM p",
        (oids,),
    )
    return [oid for (oid,) in found]


_BESIDE = {
    "triggers-fire": (
        "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid = ANY(%s)"
    ),
    "publications": "SELECT count(*) FROM pg_publication_rel WHERE prrelid = ANY(%s)",
    "indexes-rewritten": "SELECT count(*) FROM pg_index WHERE indrelid = ANY(%s)",
    "toast-tables-rewritten": "SELECT count(*) FROM pg_class WHERE reltoastrelid <> 0 AND oid = ANY(%s)",
    "extended-statistics": "SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = ANY(%s)",
    "large-object-columns": (
        "SELECT count(*) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attnum > 0 AND"
        " NOT a.attisdropped AND (t.typname = 'lo' OR t.oid = 'oid'::regtype) AND a.attrelid = ANY(%s)"
    ),
    "partitions": "SELECT count(*) FROM pg_class WHERE relispartition AND oid = ANY(%s)",
}


def _beside(session: Connection[Any], scope: Scope) -> None:
    """Note what hangs on the tables that are written anew."""
    oids = list(scope.tables)
    for code, statement in _BESIDE.items():
        scope.note(code, int(one(session, statement, (oids,)) or 0))


_BELOW = (
    "WITH RECURSIVE b(oid) AS (SELECT %s::oid UNION SELECT i.inhrelid FROM b JOIN pg_inherits i ON i.inhparent = b.oid)"
    " SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, pg_total_relation_size(c.oid) FROM b"
    " JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1"
)


def _table(session: Connection[Any], request: Request) -> Scope:
    scope = Scope()
    named = _named(session, request, scope)
    if named is None:
        return scope
    scope.rows = int(one(session, f"SELECT count(*) FROM {scope.name}"))
    _all_of(session, scope, rows(session, _BELOW, (named[0],)))
    return scope


_IN_SCHEMA = (
    "SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, pg_total_relation_size(c.oid) FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind IN ('r', 'm', 'S', 'p', 'f')"
    " ORDER BY 1"
)


def _schema(session: Connection[Any], request: Request) -> Scope:
    scope = Scope()
    name = request.selects.schema or ""
    oid = one(session, "SELECT oid::int8 FROM pg_namespace WHERE nspname = %s", (name,))
    if oid is None or name in _OWN:
        scope.obstacles.append(_not_offered("there is no such schema"))
        return scope
    scope.object, scope.name = str(oid), quoted(name)
    found = rows(session, _IN_SCHEMA, (name,))
    for _, schema, table, kind, _ in found:
        if kind == ORDINARY:
            scope.rows += int(one(session, f"SELECT count(*) FROM ONLY {quoted(schema, table)}"))
    _all_of(session, scope, found, scope.object)
    scope.note("sequences", sum(kind == "S" for *_, kind, _ in found))
    return scope


_OUTSIDE = (
    (
        "SELECT count(*) FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = ANY(%(all)s)"
        " AND NOT c.conrelid = ANY(%(all)s)"
    ),
    (
        "SELECT count(*) FROM pg_depend p JOIN pg_rewrite r ON r.oid = p.objid JOIN pg_class c ON c.oid = r.ev_class"
        " WHERE p.classid = 'pg_rewrite'::regclass AND p.refclassid = 'pg_class'::regclass"
        " AND p.refobjid = ANY(%(all)s) AND NOT r.ev_class = ANY(%(all)s)"
        " AND (%(schema)s = '' OR c.relnamespace::text <> %(schema)s)"
    ),
    "SELECT count(*) FROM pg_inherits WHERE inhparent = ANY(%(all)s) AND NOT inhrelid = ANY(%(all)s)",
)


def _all_of(session: Connection[Any], scope: Scope, found: list[tuple[Any, ...]], schema_oid: str = "") -> None:
    """Note whole tables, and what outside of them, and of their schema where all of it goes, depends on them."""
    for oid, schema, table, kind, size in found:
        if kind == FOREIGN:
            scope.note("foreign-tables", 1)
            continue
        scope.tables[oid] = Table(oid, quoted(schema, table), kind, "ordered", 0, size)
    _beside(session, scope)
    named = {"all": list(scope.tables), "schema": schema_oid}
    outside = 0
    for statement in _OUTSIDE:
        outside += int(one(session, statement, named))
    if outside:
        facts = (("where", scope.name), ("detail", f"{outside} foreign keys or views"))
        scope.obstacles.append(Obstacle("records-referenced", facts))


_CONNECTED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> %s"
    " AND backend_type = 'client backend'"
)


def _database(session: Connection[Any]) -> Scope:
    scope = Scope()
    scope.name = quoted(str(one(session, "SELECT current_database()")))
    scope.object = str(one(session, "SELECT oid::int8 FROM pg_database WHERE datname = current_database()"))
    found = rows(
        session,
        "SELECT c.oid::int8, n.nspname, c.relname, pg_total_relation_size(c.oid) FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> ALL(%s) ORDER BY 1",
        (list(_OWN),),
    )
    for oid, schema, table, size in found:
        name = quoted(schema, table)
        scope.tables[oid] = Table(oid, name, ORDINARY, "ordered", 0, size)
        scope.rows += int(one(session, f"SELECT count(*) FROM ONLY {name}"))
    if one(session, "SELECT count(*) FROM pg_class WHERE reltablespace NOT IN (0, 1664)"):
        scope.obstacles.append(_not_offered("part of it lies in another tablespace"))
    others = one(session, _CONNECTED, (SESSION,))
    if others:
        facts = (("where", scope.name), ("detail", f"{others} sessions are connected to it"))
        scope.obstacles.append(Obstacle("records-in-use", facts))
    scope.note("tables", len(found))
    scope.note("large-objects", int(one(session, "SELECT count(*) FROM pg_largeobject_metadata")))
    return scope
