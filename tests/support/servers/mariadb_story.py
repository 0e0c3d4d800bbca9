"""Tables of a test on a MariaDB server: every third row is to go, and each value says whether it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from certificates.statements import Parameter, Scope
from tests.support.servers.mariadb import MariaDB
from tests.support.withdrawing import Asked, ask

GOES, STAYS = "VCTM", "KEEP"
FORMATS = {
    "plain": "ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "zipped": "ENGINE = InnoDB ROW_FORMAT = COMPRESSED",
    "holes": "ENGINE = InnoDB PAGE_COMPRESSED = 1",
    "aria": "ENGINE = Aria TRANSACTIONAL = 1",
}
"""Kinds of tables, by the name that a test gives its table."""


@dataclass(frozen=True, slots=True)
class Story:
    """A database of its own, so that tests share a server."""

    server: MariaDB
    database: str
    state: Path

    def pattern(self, table: str = "") -> bytes:
        """What tells any value that is to go, of one table or of all."""
        return GOES.encode() + self.database.encode() + (table or "[a-z]+").encode() + rb"[0-9]+-[0-9a-f]{4}"

    def value(self, table: str, column: str, row: int) -> str:
        """A value that says what is to become of it."""
        mark = hashlib.sha256(f"{table}{column}{row}".encode()).hexdigest()[:12]
        return f"{STAYS if row % 3 else GOES}{self.database}{table}{row}-{mark}{column}"

    def fill(self, table: str, how: str = FORMATS["plain"], count: int = 900, more: str = "") -> None:
        """Rows with an indexed text, a packed one, one outside its page; changed once, and their statistics taken."""
        rows = [
            (
                row,
                "anna" if row % 3 == 0 else "ben",
                self.value(table, "idx", row),
                self.value(table, "small", row) * 3,
                (self.value(table, "big", row) + " ") * (1 if row % 10 else 400),
            )
            for row in range(count)
        ]
        with self.server.connect() as session, session.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {self.database}")
            cursor.execute(f"USE {self.database}")
            cursor.execute(
                f"CREATE TABLE {table} (id INT PRIMARY KEY, owner VARCHAR(80), idx VARCHAR(90), small TEXT,"
                f" big MEDIUMTEXT, KEY (idx), KEY (owner){more}) {how}"
            )
            session.begin()
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s)", rows)
            session.commit()
            cursor.execute(f"UPDATE {table} SET small = CONCAT(small, 'x'), idx = CONCAT(idx, 'y')")
            cursor.execute(f"ANALYZE TABLE {table} PERSISTENT FOR ALL")

    def do(self, *statements: str) -> list[tuple[object, ...]]:
        """All of it, in one session of the database."""
        return self.server.query(*statements, database=self.database)

    def ask(
        self, table: str | None, scope: Scope = "rows", *, least: int = 1, most: int = 300, who: str = "anna"
    ) -> Asked:
        """An order for the rows of one owner, the table or the database."""
        is_rows = scope == "rows"
        return ask(
            "mariadb",
            self.server.data,
            self.state / f"{self.database}-{table}-{scope}",
            scope=scope,
            database=self.database,
            table=table,
            condition="owner = :who AND idx LIKE 'VCTM%'" if is_rows else None,
            parameters=(Parameter("who", "text", (who,)),) if is_rows else (),
            connect={"socket": str(self.server.socket)},
            system=str(self.server.query("SELECT @@global.server_uid")[0][0]),
            least=least,
            most=most,
        )

    def summed(self, table: str) -> tuple[int, str]:
        """How many rows are to stay, and one digest of what they hold, as the server makes it."""
        found = self.do(
            "SET SESSION group_concat_max_len = 1000000",
            f"SELECT COUNT(*), SHA1(GROUP_CONCAT(SHA1(CONCAT(id, owner, idx, small, big)) ORDER BY id))"
            f" FROM {table} WHERE owner = 'ben'",
        )
        return int(str(found[0][0])), str(found[0][1])

    def counted(self, table: str) -> tuple[int, int]:
        """Rows of a table that are there, and how many of them were to go."""
        ((every, gone),) = self.do(f"SELECT COUNT(*), COALESCE(SUM(idx LIKE '{GOES}%'), 0) FROM {table}")
        return int(str(every)), int(str(gone))
