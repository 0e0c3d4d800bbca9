"""Tables of a test on a PostgreSQL server: every third row is to go, and each value says whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from certificates.errors import Refused
from certificates.statements import Method, Parameter, Scope
from tests.support.servers.postgresql import PostgreSQL
from tests.support.withdrawing import Asked, Told, ask
from wipers.linux.engines import Withdrawn
from wipers.linux.engines.postgresql_server import system_identifier

GOES, STAYS = "VCTM", "KEEP"


@dataclass(frozen=True, slots=True)
class Story:
    """A schema of its own, so that tests share a server."""

    server: PostgreSQL
    schema: str
    state: Path
    database: str = "postgres"

    @property
    def pattern(self) -> bytes:
        """What tells any value that is to go, in the database's own spelling and as the text search has it."""
        return rb"(?i)" + GOES.encode() + self.schema.encode() + rb"[a-z]+[0-9]+-[0-9a-f]{4}"

    def fill(self, count: int = 600) -> None:
        """Rows with an ordinary text, a long one, a document that is packed, and one outside its row."""
        tag = f"case when g % 3 = 0 then '{GOES}' else '{STAYS}' end || '{self.schema}'"
        values = (
            f"g, {tag} || 'who' || g || '-' || left(md5(g::text), 12),"
            f" {tag} || 'body' || g || '-' || left(md5('b' || g), 12) || repeat(' lorem ipsum', 30),"
            f" jsonb_build_object('k', {tag} || 'doc' || g || '-' || md5('d' || g), 'p',"
            " (SELECT string_agg(md5(x::text || g), '') FROM generate_series(1, 70) x)),"
            f" repeat({tag} || 'pack' || g || '-' || md5('p' || g) || ' ', 80)"
        )
        self.do(
            f"CREATE SCHEMA {self.schema}",
            "CREATE TABLE docs (id int PRIMARY KEY, who text NOT NULL, body text, doc jsonb, packed text)",
            "CREATE INDEX ON docs (who)",
            "CREATE INDEX ON docs USING gin (to_tsvector('simple', body))",
            f"INSERT INTO docs SELECT {values} FROM generate_series(1, {count}) g",
            "UPDATE docs SET body = body || ' again' WHERE id % 2 = 0",
            "CREATE STATISTICS s (mcv) ON who, body FROM docs",
            "ANALYZE docs",
        )

    def fill_large(self, count: int = 60000) -> None:
        """Sixty thousand rows, which the planner would rather not write anew, or fewer; ten of them are to go."""
        tag = f"case when g % {count // 10} = 0 then '{GOES}' else '{STAYS}' end || '{self.schema}"
        self.do(
            f"CREATE SCHEMA {self.schema}",
            "CREATE TABLE docs (id int PRIMARY KEY, who text NOT NULL UNIQUE, note text)",
            "CREATE INDEX ON docs (lower(who))",
            f"INSERT INTO docs SELECT g, {tag}who' || g || '-' || md5(g::text), {tag}note' || g || '-' || md5('n' || g)"
            f" || repeat('x', g * 7 % 200) FROM generate_series(1, {count}) g",
            "ANALYZE docs",
        )

    def refer(self, count: int = 600) -> None:
        """Another table whose rows go with those they refer to, and a view that keeps what it read of a younger one."""
        tag = f"case when g % 3 = 0 then '{GOES}' else '{STAYS}' end || '{self.schema}'"
        self.do(
            "CREATE TABLE visits (id serial PRIMARY KEY, doc int REFERENCES docs ON DELETE CASCADE, note text)",
            f"INSERT INTO visits (doc, note) SELECT g, {tag} || 'note' || g || '-' || md5('n' || g)"
            f" FROM generate_series(1, {count}) g",
            "CREATE VIEW every AS SELECT who FROM docs",
            "CREATE MATERIALIZED VIEW seen AS SELECT who FROM every",
            "CREATE MATERIALIZED VIEW younger AS SELECT who FROM docs",
            "CREATE OR REPLACE VIEW every AS SELECT who FROM younger",
            "ANALYZE visits",
            "ANALYZE seen",
        )

    def do(self, *statements: str) -> None:
        """All of it, one statement after the other, with the schema first in the path."""
        with self.server.connect(self.database) as session:
            session.execute(f"SET search_path = {self.schema}, public".encode())
            for statement in statements:
                session.execute(statement.encode())

    def ask(self, scope: Scope = "rows", *, least: int = 1, most: int = 300, table: str | None = "docs") -> Asked:
        """An order for every third row, the table or the schema."""
        is_rows = scope == "rows"
        return ask(
            "postgresql",
            self.server.data,
            self.state,
            scope=scope,
            database=self.database,
            schema=self.schema,
            table=table,
            condition="id % :three = 0 AND who LIKE :like" if is_rows else None,
            parameters=(
                (Parameter("three", "integer", ("3",)), Parameter("like", "text", (f"{GOES}%",))) if is_rows else ()
            ),
            connect={"socket": str(self.server.socket), "user": "postgres"},
            credentials=str(self.server.password_file),
            system=system_identifier(self.server.data),
            least=least,
            most=most,
        )

    def counted(self, table: str = "docs") -> tuple[int, int]:
        """Rows of a table that are there, and how many of them were to go."""
        statement = f"SELECT count(*), count(*) FILTER (WHERE t::text LIKE '%{GOES}%') FROM {self.schema}.{table} t"
        ((every, gone),) = self.server.query(statement, self.database)
        return int(every), int(gone)

    def summed(self, table: str = "docs") -> str:
        """What the rows that are to stay hold, summed by the server."""
        statement = (
            f"SELECT count(*), sum(hashtextextended(t::text, 7)::numeric) FROM {self.schema}.{table} t"
            f" WHERE t::text LIKE '%{STAYS}%'"
        )
        return str(self.server.query(statement, self.database))


def withdraw(
    asked: Asked,
    told: Told | None = None,
    *,
    method: Method = Method.COPY_FORWARD,
    resuming: bool = False,
    unchecked: bool = False,
) -> Withdrawn:
    """The engine took out what was ordered; a resume recovers first, as the frame does. Unchecked: whatever changed
    since it was looked at is only seen under the lock."""
    from certificates.statements import Fact

    held, engine = asked.held(), asked.engine
    line = held.manifest.last("target")
    if resuming and line is not None:
        engine.recover(asked.request, held)
        facts = tuple(Fact(name, value) for name, value in line.facts["facts"])
    else:
        found = engine.look(asked.request)
        assert found is not None
        for obstacle in found.obstacles:
            raise Refused(obstacle.reason, **dict(obstacle.facts))
        resuming = unchecked
        facts = found.facts
        held.manifest.write("target", facts=[[one.name, one.value] for one in facts])
    with engine.open(asked.request, facts, resuming) as session:
        assert session.facts() == facts
        done = session.withdraw(held, (told or Told()).given(resumed=resuming), method)
        assert not held.linked_elsewhere()
        assert session.facts() == facts
        name, is_sound = session.check()
        assert is_sound, name
    return done
