"""A certificate as one self-contained HTML file: no script, nothing fetched, everything escaped, made for A4."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo

from certificates.render.layout import Section, Sheet, Table, lay_out, show_time
from certificates.render.page import Page
from certificates.render.picture import draw_map, draw_speed
from certificates.render.raw import lay_out_raw, sealed_text
from certificates.render.style import STYLE
from certificates.render.text import escape
from certificates.render.words import Language, say

_TAGS = {"en": "en", "zh": "zh-CN"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_html(page: Page, languages: Sequence[Language] = ("zh", "en"), zone: tzinfo = UTC) -> str:
    """Return the page in each language, the reader's first, and then everything raw, once."""
    sheets = [_first(page, language, zone) for language in languages]
    title = lay_out(page, languages[0], zone).title
    return (
        f'<!DOCTYPE html>\n<html lang="{_TAGS[languages[0]]}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} {escape(page.told.id)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(sheets)
        + _second(page, languages[0], zone)
        + "\n</body></html>\n"
    )


def _first(page: Page, language: Language, zone: tzinfo) -> str:
    sheet = lay_out(page, language, zone)
    parts = {section.id: section for section in sheet.sections}
    pictures = f'<div class="picture"><h3>{escape(say("label.map", language))}</h3>'
    pictures += f"<div>{draw_map(page.told.evidence, page.profiles, language)}</div>"
    pictures += draw_speed(page.journal, page.speeds, language) + "</div>"
    return (
        f'<article class="sheet" lang="{_TAGS[language]}">'
        + _head(page, sheet, language, zone)
        + _section(parts["assets"])
        + f'<div class="two">{_section(parts["medium"])}{_section(parts["order"])}</div>'
        + _section(parts["method"])
        + _section(parts["verification"], pictures)
        + _section(parts["residual"])
        + _section(parts["people"])
        + f'<div class="last">{_section(parts["check"])}{_code(page)}</div>'
        + f"<footer>{escape(say('label.page_of', language))}</footer></article>"
    )


def _head(page: Page, sheet: Sheet, language: Language, zone: tzinfo) -> str:
    number = f"{say('label.number', language)} {page.told.id}"
    issued = f"{say('label.issued', language)} {show_time(page.told.issued_at, zone)}"
    status = "".join(
        f"<li><b>{sign}</b><span>{escape(what)}</span><em>{escape(how)}</em></li>" for sign, what, how in sheet.status
    )
    return (
        f"<header><h1>{escape(sheet.title)}</h1>"
        f"<p class='number'><span>{escape(number)}</span><span>{escape(issued)}</span></p></header>"
        f"<div class='verdict'><b>{sheet.sign}</b><p>{escape(sheet.verdict)}</p></div><ul class='status'>{status}</ul>"
    )


def _section(section: Section, after: str = "") -> str:
    lines = "".join(
        f"<dt>{escape(label)}</dt><dd>{_breakable(value)}</dd>" if label else f"<dd class='on'>{_breakable(value)}</dd>"
        for label, value in section.lines
    )
    return (
        f"<section class='{section.id}'><h2>{escape(section.title)}</h2>"
        + (f"<dl>{lines}</dl>" if lines else "")
        + (_table(section.table) if section.table else "")
        + after
        + "</section>"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.headings)
    rows = "".join("<tr>" + "".join(f"<td>{_breakable(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _breakable(text: str) -> str:
    """Return escaped text; commands between backticks, digests and keys stand in a fixed pitch."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if at % 2 else _with_digests(part) for at, part in enumerate(parts))


def _with_digests(text: str) -> str:
    words = text.split(" ")
    return " ".join(f"<code>{escape(w)}</code>" if len(w) > 40 and w.isascii() else escape(w) for w in words)


def _code(page: Page) -> str:
    """Return the certificate's digest and registry entry as a QR code."""
    import segno

    text = page.certificate.digest
    if page.entry:
        text += f"\n{page.entry[0]} #{page.entry[1]}"
    drawing = segno.make(text, error="m", micro=False).svg_inline(
        border=0, omitsize=True, svgclass="qr", lineclass=None
    )
    caption = f"{page.entry[0]} #{page.entry[1]:,}" if page.entry else "-"
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def _second(page: Page, language: Language, zone: tzinfo) -> str:
    sections = "".join(_section(section) for section in lay_out_raw(page, language, zone))
    title = say("label.raw", language)
    return (
        f'<article class="sheet raw" lang="{_TAGS[language]}"><header><h1>{escape(title)}</h1></header>{sections}'
        f"<section><pre>{escape(sealed_text(page))}</pre></section></article>"
    )
