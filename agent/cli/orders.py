"""What the order commands share: draft, write, sign, and say who still has to sign."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import signing
from agent.cli.copies_sheet import warnings
from agent.cli.desk import chain_at_hand, now, signer_of
from agent.cli.screen import Screen, say_to
from agent.cli.sheets import order_sheet, roles, wire_tree
from agent.drafting import Draft, Means, draft
from agent.files import PRIVATE, check_absent, read_file, write_new
from agent.reading import Document, expect
from certificates.encoding import digest, encode
from certificates.envelope import MIB
from certificates.keyring import Chain, lacking, rule_for
from certificates.statements import Order, PersonRole, Selector


def read_draft(screen: Screen, file: Path, keyrings: tuple[Path, ...], is_measured: bool) -> Draft:
    """Return the order that a TOML file describes, measured on this host where asked for; raises Refused."""
    return draft(file, _means(chain_at_hand(screen, keyrings), is_measured=is_measured))


def _means(chain: Chain | None, *, is_measured: bool) -> Means:
    hosts = {host.name: host.key.id for host in chain.current.hosts} if chain else {}
    if not is_measured:
        return Means(hosts, os.urandom)
    from agent.measuring import measure

    return Means(hosts, os.urandom, measure)


@dataclass(frozen=True, slots=True)
class Given:
    """What a person gave for a draft from surveys."""

    file: Path
    keyrings: tuple[Path, ...]
    surveys: tuple[Path, ...]
    cards: Path
    is_measured: bool


def draft_from_survey(screen: Screen, given: Given, output: Path, *, is_partial: bool, is_split: bool) -> int:
    """Write the orders for what goes together, and the list of it beside them; return 3 where there is none."""
    from agent.cards import read_cards
    from agent.cli.exits import describe, sentence
    from agent.cli.matching import check_room, matching_sheet, order_paths, write_list
    from agent.stocktaking import Stock, take_stock
    from agent.surveying import find_surveys, read_survey

    chain, at = chain_at_hand(screen, given.keyrings), now()
    reads = tuple(read_survey(path, chain, at) for path in find_surveys(given.surveys))
    stock = Stock(read_cards(given.cards), given.cards, reads, at)
    means = _means(chain, is_measured=given.is_measured)
    taken = take_stock(given.file, means, stock, is_partial=is_partial, is_split=is_split)
    told: dict[str, object] = {"orders": [], "matching": wire_tree(taken.matching), "list": []}
    lines = matching_sheet(screen, taken.matching)
    if taken.refusal is not None:
        screen.show("\n".join(lines), told | {"error": describe(taken.refusal)})
        say_to(sentence(taken.refusal, screen), to_stderr=True)
        return 3
    check_room(output, taken.drafts)
    paths = order_paths(output, len(taken.drafts))
    written = [_write(path, made) for path, made in zip(paths, taken.drafts, strict=True)]
    beside = write_list(screen, output, taken.matching)
    told |= {"orders": written, "list": [str(path) for path in beside]}
    drafted = [screen.word("order.drafted", **one) for one in written]
    screen.show("\n".join([*lines, "", *drafted, screen.word("matching.made", file=beside[1])]), told)
    return 0


def selector_path(order: Path, carrier: str) -> Path:
    """Return where a carrier's selector lies, beside its order."""
    return order.parent / f"{carrier}.selector.json"


def write_draft(screen: Screen, made: Draft, output: Path) -> None:
    """Write the order, unsigned, and its selectors, readable by their owner alone; raises Refused before any."""
    paths = [selector_path(output, selector.carrier) for selector in made.selectors]
    check_absent(output, *paths)
    told = _write(output, made)
    lines = [*order_sheet(screen, made.order), "", *warnings(screen, made.order), screen.word("order.drafted", **told)]
    screen.show("\n".join([*lines, *(screen.word("selector.made", file=path) for path in paths)]), told)


def _write(path: Path, made: Draft) -> dict[str, Any]:
    """Write an order and its selectors, whose places are known to be free; return what there is to tell."""
    selectors = [selector_path(path, selector.carrier) for selector in made.selectors]
    write_new(path, made.envelope)
    for where, selector in zip(selectors, made.selectors, strict=True):
        write_new(where, encode(selector), PRIVATE)
    return {"file": str(path), "digest": digest(made.payload), "selectors": [str(where) for where in selectors]}


def read_selectors(order: Path) -> dict[str, Selector]:
    """Return the selectors that lie beside an order, by carrier; raises Untrusted on one that is malformed."""
    from certificates.encoding import decode

    statement = expect(read_file(order, MIB), Order).statement
    paths = {carrier.id: selector_path(order, carrier.id) for carrier in statement.carriers}
    most = 16 * MIB
    return {name: decode(read_file(path, most), Selector) for name, path in paths.items() if path.exists()}


def sign(screen: Screen, path: Path, key_files: tuple[str, ...], keyrings: tuple[Path, ...]) -> None:
    """Show an order, add the signatures, say what is still missing; raises Refused."""
    envelope = read_file(path, MIB)
    document = expect(envelope, Order)
    chain = chain_at_hand(screen, keyrings)
    sheet = [*order_sheet(screen, document.statement), *warnings(screen, document.statement)]
    screen.tell("\n".join(sheet) + "\n")
    signers = [signer_of(screen, name) for name in key_files]
    speakers = []
    if chain is None:
        screen.tell(screen.word("sign.unchecked"))
    else:
        speakers = [signing.check_speaker(document.statement, s.key_id, chain.current, now()) for s in signers]
    signed = expect(signing.add(path, envelope, signers), Order)
    _tell_signed(screen, path, signed, speakers, chain)


def _tell_signed(
    screen: Screen, path: Path, document: Document, speakers: list[PersonRole], chain: Chain | None
) -> None:
    missing = missing_on(document, chain) if chain else None
    told = {
        "file": str(path),
        "digest": document.digest,
        "signatures": len(document.key_ids),
        "signed_as": [{"id": one.id, "role": one.role.value} for one in speakers],
        "missing": missing,
    }
    who = roles(screen, speakers) or ", ".join(document.key_ids[-1:])
    lines = [screen.word("signed", who=who, file=path)]
    if missing is not None:
        lines.append(screen.word("sign.missing", missing="; ".join(missing)) if missing else screen.word("sign.enough"))
    screen.show("\n".join(lines), told)


def missing_on(document: Document, chain: Chain) -> list[str]:
    """Return what the rules of the newest keyring still ask for, a line a carrier; signatures are not checked here."""
    order: Order = document.statement
    keyring = chain.current
    owners = {held.key.id: person.id for person in keyring.persons for held in person.keys}
    signed = {owners.get(key_id) for key_id in document.key_ids}
    speakers = [person for person in order.persons if person.id in signed]
    gaps = []
    for carrier in order.carriers:
        rule = rule_for(keyring, order, carrier)
        gap = lacking(rule, order, speakers) if rule else f"no rule for {carrier.level.value}"
        if gap:
            gaps.append(f"{carrier.id}: {gap}")
    return gaps
