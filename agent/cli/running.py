"""Runs as a person meets them: confirmed object by object, watched, stopped cleanly, and told how they ended."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from agent.carrying import Hands, Prepared, Result
from agent.cli.copies_sheet import steps_lines, steps_of
from agent.cli.desk import signer_of, site_of
from agent.cli.exits import UNEXPECTED, code_of, code_of_all, describe, sentence, unexpected, write_traceback
from agent.cli.planning import carrier_lines, read_chosen
from agent.cli.progress import observe
from agent.cli.screen import Screen
from agent.cli.sheets import masked
from agent.resuming import resume
from agent.site import Site
from agent.workflow import Chosen, names_of, run
from certificates.errors import Failure, Refused, Unregistered
from certificates.render.words import number, term
from certificates.statements import Outcome

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNS = {Outcome.PROVEN: "●", Outcome.NOT_REACHED: "▲", Outcome.UNKNOWN: "○"}


def run_order(screen: Screen, order: Path, key_file: str, carriers: tuple[str, ...], given: dict[str, Any]) -> int:
    """Run an order; print how each carrier ended; return the exit code. Raises Refused when nothing was touched."""
    site, signer, chosen = site_of(screen), signer_of(screen, key_file), read_chosen(order, carriers, given["after"])

    def confirm(one: Prepared) -> str:
        return ask(screen, one, given["confirmed"])

    with stopping() as stop, observe(screen) as watch:
        hands = Hands(signer, watch, stop, given["at_once"])
        results = run(site, chosen, signer, hands, confirm=confirm, plan_digest=given["digest"])
    code = tell_results(screen, site, results)
    _tell_steps(screen, site, order, chosen)
    return code


def _tell_steps(screen: Screen, site: Site, path: Path, chosen: Chosen) -> None:
    """Say what comes next, where carriers wait for one another."""
    if lines := steps_lines(screen, steps_of(site, chosen, path)):
        screen.tell("\n".join(lines))


def resume_runs(screen: Screen, journal: Path | None, key_file: str | None, at_once: int | None) -> int:
    """Continue begun runs; print how each ended; return the exit code."""
    site = site_of(screen)
    signer = signer_of(screen, key_file) if key_file else None
    sequence = _sequence(journal)
    with stopping() as stop, observe(screen) as watch:
        results = resume(site, sequence, Hands(signer, watch, stop, at_once))
    return tell_results(screen, site, results)


def _sequence(journal: Path | None) -> int | None:
    """Return the host sequence number in a journal's name; raises Refused where it has none."""
    if journal is None:
        return None
    if not (journal.stem.isdigit() and journal.suffix == ".jsonl"):
        raise Refused("journal-to-resume-missing")
    return int(journal.stem)


def ask(screen: Screen, one: Prepared, confirmed: Sequence[str]) -> str:
    """Return what names the object: from `--confirm`, else typed at the terminal; empty where there is neither."""
    carrier = one.warrant.carrier
    names = names_of(carrier)
    given = next((text for text in confirmed if text.strip() in names), None)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        return ""
    click.echo("\n".join([carrier.id, *carrier_lines(screen, carrier, one.target, one.plan)]), err=True)
    shown = ", ".join(masked(name) for name in names)
    try:
        with _on_signals(_leave):
            return str(click.prompt(screen.word("run.confirm", names=shown), err=True, default="", show_default=False))
    except click.Abort:
        return ""


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM and SIGHUP set: the run then ends after the chunks in the air."""
    stop = threading.Event()

    def note(_: int, __: FrameType | None) -> None:
        stop.set()

    with _on_signals(note):
        yield stop


@contextmanager
def _on_signals(deed: Any) -> Iterator[None]:
    """Have signals do `deed` inside, and afterwards what they did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, deed) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _leave(_: int, __: FrameType | None) -> None:
    """End a question: nothing was touched yet."""
    raise KeyboardInterrupt


def tell_results(screen: Screen, site: Site, results: Sequence[Result]) -> int:
    """Print how each carrier ended; return the exit code of all."""
    code = code_of_all(code_of(result.failure) for result in results)
    failures = [_told(screen, result.failure) for result in results]
    lines = [
        line for result, told in zip(results, failures, strict=True) for line in _lines(screen, site, result, told)
    ]
    trees = [_tree(site, result, told) for result, told in zip(results, failures, strict=True)]
    tree = {"results": trees, "exit": code}
    screen.show("\n".join([*lines, f"[exit {code}]"]), tree)
    return code


Told = tuple[str, dict[str, object]] | None
"""A failure for people, and for programs."""


def _told(screen: Screen, failure: Exception | None) -> Told:
    """Return how a failure is told; a bug leaves its traceback in a file, and the other carriers theirs."""
    if failure is None:
        return None
    if isinstance(failure, Failure):
        return sentence(failure, screen), describe(failure)
    where = write_traceback(failure)
    return unexpected(screen, failure, where), {"family": "Unexpected", "exit": UNEXPECTED, "traceback": str(where)}


def _lines(screen: Screen, site: Site, result: Result, told: Told) -> list[str]:
    say, language, claim = screen.word, screen.language, result.claim
    head = f"○ {result.carrier}  {say('run.unfinished')}"
    if claim is not None:
        level = term("level", claim.level.value if claim.level else "none", language)
        head = f"{SIGNS[claim.outcome]} {result.carrier}  {term('outcome', claim.outcome.value, language)}: {level}"
    lines = [f"{head}  ({say('run.number', number=result.sequence)})"]
    if claim is not None:
        why = (term("reason", one.code, language, count=number(one.count or 0)) for one in claim.reasons)
        lines += [f"  {one}" for one in why]
    if result.bundle is not None:
        lines.append(f"  {say('run.bundle', where=result.bundle)}")
    waiting = site.waiting(result.sequence)
    if waiting.exists():
        lines.append(f"  {say('run.waiting', where=waiting)}")
    return lines + ([f"  {told[0]}"] if told else [])


def _tree(site: Site, result: Result, told: Told) -> dict[str, object]:
    claim, waiting = result.claim, site.waiting(result.sequence)
    return {
        "carrier": result.carrier,
        "sequence": result.sequence,
        "outcome": claim.outcome.value if claim else None,
        "level": claim.level.value if claim and claim.level else None,
        "reasons": [one.code for one in claim.reasons] if claim else [],
        "bundle": str(result.bundle) if result.bundle else None,
        "waiting": str(waiting) if waiting.exists() else None,
        "registered": claim is not None and not waiting.exists() and not isinstance(result.failure, Unregistered),
        "failure": told[1] if told else None,
        "exit": code_of(result.failure),
    }
