"""Groups whose commands are named in a table and imported only when they are used, so that help is at once there."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

import click

from agent.cli.screen import Screen
from agent.cli.table import Row


class TableGroup(click.Group):
    """A group that lists its commands from rows, without importing them."""

    def __init__(self, name: str, rows: Mapping[str, Row], **settings: object) -> None:
        """Take the group's rows."""
        super().__init__(name, **settings)  # type: ignore[arg-type]
        self.rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self.rows.get(cmd_name)
        if row is None:
            return None
        if row.below:
            return TableGroup(cmd_name, dict(row.below), help=row.en)
        return cast(click.Command, import_module(f"agent.cli.{row.module}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        language = ctx.ensure_object(Screen).language
        with formatter.section("命令" if language == "zh" else "Commands"):
            formatter.write_dl([(name, row.zh if language == "zh" else row.en) for name, row in self.rows.items()])
