"""How cards and drives came together, for those who decide whether to approve."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from agent.cli.screen import Screen
from agent.cli.sheets import local, table, wire_tree
from agent.cli.surveys import coded
from agent.drafting import Draft
from agent.files import check_absent, write_new
from certificates.encoding import encode
from certificates.render.words import term
from certificates.statements import Matching, Noticed


def matching_sheet(screen: Screen, matching: Matching) -> list[str]:
    """Return what goes together, what does not, and what else approvers should know."""
    say = screen.word
    lines = [
        say("matching.head", at=local(matching.made_at)),
        say(
            "matching.counts",
            cards=matching.cards,
            drives=matching.drives,
            surveys=len(matching.surveys),
            ordered=len({one.drive for one in matching.matched if one.order is not None}),
        ),
        *(say("matching.order", order=one.id, carriers=one.carriers, digest=one.digest) for one in matching.orders),
        say("matching.cards", digest=matching.cards_file),
    ]
    if matching.ignored_columns:
        lines.append(say("matching.ignored", columns=", ".join(matching.ignored_columns)))
    for stops in (True, False):
        lines += _noticed(screen, tuple(one for one in matching.noticed if one.stops is stops), stops=stops)
    if any("≈" in (one.detail or "") for one in matching.noticed):
        lines += ["", say("matching.alike")]
    return [*lines, *_matched(screen, matching)]


def _noticed(screen: Screen, noticed: tuple[Noticed, ...], *, stops: bool) -> Iterator[str]:
    for finding, found in groupby(noticed, key=lambda one: one.finding):
        these = tuple(found)
        yield ""
        yield f"{'▲' if stops else '○'} {screen.word('finding.' + finding)} ({len(these)})"
        for one in these:
            place = screen.word("matching.line", line=one.row) if one.row is not None else ""
            detail = _detail(screen, one)
            parts = (one.card, place, one.serial, one.drive, one.machine, detail)
            yield "    " + "  ".join(part for part in parts if part)


def _detail(screen: Screen, one: Noticed) -> str:
    """Return what more there is to tell; what stands there as codes, in words."""
    if one.finding == "in-use" and one.detail:
        return ", ".join(coded(screen, "obstacle", code) for code in one.detail.split(", "))
    if one.finding == "secrecy" and one.detail:
        return term("secrecy", one.detail, screen.language)
    return coded(screen, "doubt", one.detail) if one.detail else ""


def _matched(screen: Screen, matching: Matching) -> Iterator[str]:
    say = screen.word
    if not matching.matched:
        return
    yield ""
    names = ("asset", "matching.serial", "carrier", "matching.machine", "matching.by", "order")
    lines = (
        (one.card, one.serial, one.drive, one.machine, say(f"matched.{one.by}"), one.order or say("matching.out"))
        for one in matching.matched
    )
    yield from table(tuple(map(say, names)), lines)


def paths_beside(order: Path) -> tuple[Path, Path]:
    """Return where the list lies for programs and for people, beside the order."""
    stem = order.name.removesuffix(".json").removesuffix(".dsse")
    return order.with_name(f"{stem}.matching.json"), order.with_name(f"{stem}.matching.txt")


def order_paths(order: Path, count: int) -> tuple[Path, ...]:
    """Return the file of each order: the one that was named, or numbered ones in its place."""
    if count == 1:
        return (order,)
    stem, dot, end = order.name.partition(".")
    return tuple(order.with_name(f"{stem}-{number:03}{dot}{end}") for number in range(1, count + 1))


def check_room(order: Path, drafts: tuple[Draft, ...]) -> None:
    """Return if nothing lies where orders and list are to be written; raises Refused."""
    from agent.cli.orders import selector_path

    selectors = [selector_path(order, selector.carrier) for draft in drafts for selector in draft.selectors]
    check_absent(*order_paths(order, len(drafts)), *paths_beside(order), *selectors)


def write_list(screen: Screen, order: Path, matching: Matching) -> tuple[Path, Path]:
    """Write the list beside the order and return its files; raises Refused where they exist."""
    for_programs, for_people = paths_beside(order)
    write_new(for_programs, encode(matching))
    write_new(for_people, ("\n".join(matching_sheet(screen, matching)) + "\n").encode())
    return for_programs, for_people


def matching_tree(matching: Matching) -> object:
    """Return the list as JSON."""
    return wire_tree(matching)
