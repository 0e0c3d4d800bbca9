"""Erasures repeated after a restore, as a person meets them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from agent.carrying import Hands
from agent.cli.desk import signer_of, site_of
from agent.cli.planning import carrier_lines
from agent.cli.progress import observe
from agent.cli.running import SIGNS, stopping
from agent.cli.screen import Screen
from agent.cli.sheets import masked
from agent.files import read_file
from agent.replaying import Again, Replayed, as_past, carry_out_again, check_confirmed, look_again
from agent.site import Site
from agent.workflow import late
from certificates import bundle
from certificates.encoding import decode
from certificates.errors import Refused
from certificates.render.words import number, term
from certificates.signers import Signer
from certificates.statements import Carrier, Outcome, Selector


def replay_bundles(
    screen: Screen,
    bundles: Sequence[Path],
    key_file: str,
    selectors: Sequence[Path],
    *,
    confirmed: Sequence[str],
    is_look: bool,
) -> int:
    """Look for what every bundle's order names, then destroy it again; return the exit code. Everything is looked at,
    planned and confirmed before the first write; raises Refused when nothing was touched."""
    if len(bundles) != len(selectors):
        raise click.UsageError("Give one --selector for each BUNDLE, in the same order.")
    site, signer = site_of(screen), signer_of(screen, key_file)
    site.refresh()
    planned: list[Looked] = []
    for path, selector in zip(bundles, selectors, strict=True):
        beside = tuple(again.past.carrier for _, again in planned if again is not None)
        planned.append(_look(site, path, selector, signer, beside))
    if is_look:
        found = [Replayed(carrier, again.plan.objects if again else 0, None, None) for carrier, again in planned]
        return _tell(screen, found, is_look=True)

    for _, again in planned:
        if again is not None:
            check_confirmed(again, _ask(screen, again, confirmed))
    with stopping() as stop, observe(screen) as watch:
        done = list(_carry_out(site, planned, Hands(signer, watch, stop)))
    return _tell(screen, done, is_look=False)


Looked = tuple[str, Again | None]
"""A carrier, and what of it is there again."""


def _carry_out(site: Site, planned: Sequence[Looked], hands: Hands) -> Iterator[Replayed]:
    """Yield how each ended; once one was touched, a refusal of the next is told as an interruption."""
    is_touched = False
    for carrier, again in planned:
        if again is None:
            yield Replayed(carrier, 0, None, None)
            continue
        try:
            yield carry_out_again(site, again, hands)
        except Refused as error:
            if is_touched:
                raise late(error) from error
            raise
        is_touched = True


def _look(site: Site, path: Path, selector: Path, signer: Signer, beside: tuple[Carrier, ...]) -> Looked:
    selects = decode(read_file(selector, 4 << 20), Selector)
    past = as_past(site, read_file(path, bundle.MAX_SIZE), path.name, selects)
    return past.carrier.id, look_again(site, past, signer, beside)


def _ask(screen: Screen, again: Again, confirmed: Sequence[str]) -> str:
    """Return the label: from `--confirm`, else typed at the terminal; empty where there is neither."""
    label = again.past.carrier.label
    if label in [text.strip() for text in confirmed]:
        return label
    if not sys.stdin.isatty():
        return ""
    lines = carrier_lines(screen, again.warrant.carrier, again.target, again.plan)
    click.echo("\n".join([again.past.carrier.id, *lines]), err=True)
    asked = screen.word("run.confirm", names=masked(label))
    return str(click.prompt(asked, err=True, default="", show_default=False))


def _tell(screen: Screen, done: Sequence[Replayed], *, is_look: bool) -> int:
    """Print how each ended; return 0 where all are gone or were only looked at, 5 where one is not proven gone."""
    lines = [line for one in done for line in _lines(screen, one, is_look=is_look)]
    is_proven = all(one.claim is None or one.claim.outcome is Outcome.PROVEN for one in done)
    code = 0 if is_proven else 5
    tree = {"results": [_tree(one) for one in done], "exit": code}
    screen.show("\n".join([*lines, f"[exit {code}]"]), tree)
    return code


def _lines(screen: Screen, one: Replayed, *, is_look: bool) -> list[str]:
    if one.claim is None:
        words = "replay.there" if is_look and one.rows else "replay.gone"
        return [f"{one.carrier}  {screen.word(words, rows=number(one.rows))}"]
    outcome = term("outcome", one.claim.outcome.value, screen.language)
    head = f"{SIGNS[one.claim.outcome]} {one.carrier}  {screen.word('replay.done', rows=number(one.rows))}  {outcome}"
    reasons = (term("reason", why.code, screen.language, count=number(why.count or 0)) for why in one.claim.reasons)
    return [f"{head}  ({screen.word('run.number', number=one.sequence)})", *(f"  {why}" for why in reasons)]


def _tree(one: Replayed) -> dict[str, object]:
    return {
        "carrier": one.carrier,
        "rows": one.rows,
        "sequence": one.sequence,
        "outcome": one.claim.outcome.value if one.claim else None,
        "reasons": [why.code for why in one.claim.reasons] if one.claim else [],
    }
