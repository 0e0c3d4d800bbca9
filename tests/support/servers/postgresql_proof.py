"""Whole runs over records of a PostgreSQL server, as an agent makes them, without papers and signatures."""

from __future__ import annotations

from certificates.statements import KnownCopy, Scope
from tests.support.erasing import Ordered
from tests.support.records_ordered import order_records
from tests.support.servers.postgresql_story import Story


def ordered_by(
    story: Story, *, history: bool, most: int, copies: tuple[KnownCopy, ...] = (), scope: Scope = "rows"
) -> Ordered:
    """An order for every third row of a story, or the ten of the large one; or for all that its server holds."""
    asked = story.ask(scope, most=most)
    selects = asked.request.selects
    return order_records(
        "postgresql",
        story.server.data,
        story.state,
        table="docs" if scope == "rows" else None,
        schema=story.schema if scope == "rows" else None,
        scope=scope,
        condition=selects.condition,
        parameters=selects.parameters,
        least=1,
        most=most,
        system=asked.request.identity.system,
        database="postgres",
        connect=asked.request.connect,
        credentials=selects.credentials,
        copies=copies,
        history=history,
    )
