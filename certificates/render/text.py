"""A certificate on a terminal."""

from __future__ import annotations

import html
import unicodedata
from datetime import UTC, tzinfo

from certificates.render.layout import Section, lay_out, show_time
from certificates.render.page import Page
from certificates.render.words import Language, say

_LABEL = 21
"""Columns that a label takes."""


def render_text(page: Page, language: Language = "en", zone: tzinfo = UTC) -> str:
    """Return the first page as lines of text."""
    sheet = lay_out(page, language, zone)
    told = page.told
    issued = f"{say('label.number', language)} {told.id}   {say('label.issued', language)} "
    lines = [sheet.title, issued + show_time(told.issued_at, zone), "", f"{sheet.sign} {sheet.verdict}"]
    lines += [f"  {sign} {pad(what, _LABEL)} {how}" for sign, what, how in sheet.status[1:]]
    for section in sheet.sections:
        lines += _section(section)
    return "\n".join(printable(line) for line in (*lines, "", say("label.page_of", language))) + "\n"


def _section(section: Section) -> list[str]:
    lines = ["", section.title]
    lines += [f"  {pad(label, _LABEL)} {value.replace('`', '')}" for label, value in section.lines]
    if section.table:
        rows = (section.table.headings, *section.table.rows)
        widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [
            "  " + "  ".join(pad(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    return lines


def width(text: str) -> int:
    """Return the columns that text takes on a terminal: two for a wide character."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def pad(text: str, columns: int) -> str:
    """Return text filled up with blanks."""
    return text + " " * max(columns - width(text), 0)


def printable(text: str) -> str:
    """Return text with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def escape(text: str) -> str:
    """Return text as markup that only shows it, in the order in which it is written: no mark turns a line round."""
    return html.escape(printable(text))
