"""A certificate as a page for people, or as JSON."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from agent.cli.screen import Screen
from agent.cli.sheets import wire_tree
from agent.files import read_file, write_new
from certificates import bundle
from certificates.render.html import render_html
from certificates.render.page import Page, page_of
from certificates.render.text import render_text


def export(screen: Screen, file: Path, form: str, output: Path | None) -> None:
    """Write a bundle's certificate in a human form; raises Untrusted where its documents do not agree."""
    page = page_of(bundle.unpack(read_file(file, bundle.MAX_SIZE)))
    text = _page(screen, page, form)
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    write_new(output, text.encode("utf-8"))
    screen.show(str(output), {"file": str(output), "format": form})


def _page(screen: Screen, page: Page, form: str) -> str:
    zone = datetime.now().astimezone().tzinfo
    if form == "json":
        return json.dumps(wire_tree(page.told), indent=2, ensure_ascii=False) + "\n"
    if zone is None:
        raise RuntimeError("the local time has a zone")
    if form == "html":
        return render_html(page, ("zh", "en") if screen.language == "zh" else ("en", "zh"), zone=zone)
    return render_text(page, screen.language, zone)
