"""The command `expunge`: one command a file, named in `table.py`; here only what all of them share."""

from __future__ import annotations

from typing import Any

import click

from agent.cli.groups import TableGroup
from agent.cli.options import shared
from agent.cli.screen import Screen
from agent.cli.table import COMMANDS

HELP = """Destroys data on signed orders, and proves it.

Exit: 0 done and proven, 1 a bug, 2 usage, 3 refused (nothing was touched), 4 interrupted (resume), 5 not proven,
6 not registered yet (submit), 7 a document does not hold.
"""


class Root(TableGroup):
    """The outermost group: turns every error into its exit."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the one place where a bug becomes a line and a file
            from agent.cli.exits import report

            ctx.exit(report(error, ctx.ensure_object(Screen)))


@click.pass_context
def _begin(ctx: click.Context) -> None:
    ctx.ensure_object(Screen)


main = Root("expunge", COMMANDS, help=HELP, callback=_begin, context_settings={"help_option_names": ["-h", "--help"]})
main = shared(main)
main = click.version_option(package_name="expunge", prog_name="expunge")(main)
