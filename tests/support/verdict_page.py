"""The tables of `docs/files.md`, made from the rows that the program decides by."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.house_rules import ROOT
from wipers.verdicts import OF_FILE_SYSTEMS, OF_FILES, Verdict

PAGE = "docs/files.md"
BEGIN, END = "<!-- verdicts -->\n", "<!-- /verdicts -->"


def files_page() -> str:
    """The page as it stands, with its tables made anew."""
    before, _, rest = (ROOT / PAGE).read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_table('file system', OF_FILE_SYSTEMS)}\n{_table('what', OF_FILES)}\n{END}{after}"


def _table(heading: str, rows: Iterable[Verdict]) -> str:
    lines = [f"| {heading} | | why | besides, or instead | reason |", "|---|---|---|---|---|"]
    for row in rows:
        reason = f"`{row.reason}`" if row.reason else ""
        lines.append(f"| {row.what} | {row.outcome} | {row.why} | {row.way} | {reason} |")
    return "\n".join(lines) + "\n"
