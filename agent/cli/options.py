"""Options that many commands share. They may stand before or behind the command's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from agent.cli.screen import Screen

C = TypeVar("C", bound=Callable[..., Any] | click.Command)


def _into(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that puts an option's value on the screen, which all commands share."""

    def put(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        screen = ctx.ensure_object(Screen)
        if value:
            setattr(screen, name, value)

    return put


def _option(*names: str, into: str, **settings: Any) -> Callable[[C], C]:
    return click.option(*names, expose_value=False, callback=_into(into), is_eager=True, **settings)


def shared(command: C) -> C:
    """Add what every command takes: language, JSON, quiet, site."""
    for option in (
        _option("--quiet", into="is_quiet", is_flag=True, help="No messages and no progress."),
        _option("--json", into="as_json", is_flag=True, help="Print the result as JSON."),
        _option("--lang", into="language", type=click.Choice(["en", "zh"]), help="Language; by default that of LANG."),
        _option("--site", into="site", type=click.Path(file_okay=False), help="Directory that holds the whole site."),
    ):
        command = option(command)
    return command


def keys(command: C) -> C:
    """Add `--key`, once or several times."""
    kind = click.Path(exists=True, dir_okay=False)
    return click.option("--key", "key_files", type=kind, multiple=True, required=True, help="Signing key file.")(
        command
    )


def key(command: C) -> C:
    """Add `--key`, once."""
    kind = click.Path(exists=True, dir_okay=False)
    return click.option("--key", "key_file", type=kind, required=True, help="Signing key file.")(command)


def output(command: C) -> C:
    """Add `-o`."""
    kind = click.Path(dir_okay=False)
    return click.option("-o", "--output", type=kind, required=True, help="File to write; never overwritten.")(command)


def at_once(command: C) -> C:
    """Add `--at-once`."""
    told = "Most carriers carried out at a time; by default all."
    return click.option("--at-once", type=click.IntRange(min=1), metavar="N", help=told)(command)


def after(command: C) -> C:
    """Add `--after`, once or several times."""
    kind = click.Path(exists=True, dir_okay=False)
    told = "Certificate's bundle, or a standby's Start, of a carrier that goes first and that another host carries out."
    return click.option("--after", "after", type=kind, metavar="FILE", multiple=True, help=told)(command)


existing_file = click.Path(exists=True, dir_okay=False)
"""Type of an argument that names a file to read."""
