"""What a command says: the result on stdout, messages and progress on stderr, in the reader's language."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from agent.site import Site

Language = Literal["en", "zh"]


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language that the locale asks for, by POSIX precedence."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    return "zh" if locale.lower().startswith("zh") else "en"


@dataclass(slots=True)
class Screen:
    """The options that every command shares, and the two streams."""

    language: Language = field(default_factory=lambda: language_of(os.environ))
    """Language of messages and headings."""
    as_json: bool = False
    """Results are printed as JSON."""
    is_quiet: bool = False
    """No messages or progress."""
    site: str | None = None
    """Site named by `--site`."""
    opener: Callable[[str | None], Site] | None = None
    """Opens the site of that name; none: the live one."""

    def word(self, key: str, /, **facts: object) -> str:
        """Return a word or sentence of the table in the reader's language."""
        from agent.cli.words import say

        return say(key, self.language, **facts)

    def tell(self, text: str) -> None:
        """Print a message for people on stderr, unless they asked for quiet."""
        if not self.is_quiet:
            say_to(text, to_stderr=True)

    def show(self, text: str, tree: object) -> None:
        """Print the result on stdout: the text, or the JSON tree where JSON was asked for."""
        if self.as_json:
            text = json.dumps(tree, indent=2, ensure_ascii=False)
        if text:
            say_to(text, to_stderr=False)


def say_to(text: str, *, to_stderr: bool) -> None:
    """Print a text; a terminal that was closed in the meantime must not change the exit."""
    try:
        click.echo(text, err=to_stderr)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
