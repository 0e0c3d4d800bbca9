"""Whole runs over records of a PostgreSQL server, as an agent makes them, without papers and signatures."""

from __future__ import annotations

from certificates.statements import KnownCopy
from tests.support.erasing import Ordered
from tests.support.records_ordered import order_records
from tests.support.servers.postgresql_story import Story


def ordered_by(story: Story, *, history: bool, most: int, copies: tuple[KnownCopy, ...] = ()) -> Ordered:
    """An order for every third row of a story, or the ten of the large one."""
    asked = story.ask(most=most)
    selects = asked.request.selects
    return order_records(
        "postgresql",
        story.server.data,
        story.state,
        table="docs",
        schema=story.schema,
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
