"""What the order commands share: draft, write, sign, and say who still has to sign."""

from __future__ import annotations

import os
from pathlib import Path

from agent import signing
from agent.cli.desk import chain_at_hand, now, signer_of
from agent.cli.screen import Screen
from agent.cli.sheets import order_sheet, roles
from agent.drafting import Draft, Means, draft
from agent.files import PRIVATE, check_absent, read_file, write_new
from agent.reading import Document, expect
from certificates.encoding import digest, encode
from certificates.envelope import MIB, seal
from certificates.keyring import Chain, lacking, rule_for
from certificates.statements import Order, PersonRole, Selector


def read_draft(screen: Screen, file: Path, keyrings: tuple[Path, ...], is_measured: bool) -> Draft:
    """Return the order that a TOML file describes, measured on this host where asked for; raises Refused."""
    chain = chain_at_hand(screen, keyrings)
    hosts = {host.name: host.key.id for host in chain.current.hosts} if chain else {}
    if not is_measured:
        return draft(file, Means(hosts, os.urandom))
    from agent.measuring import measure

    return draft(file, Means(hosts, os.urandom, measure))


def selector_path(order: Path, carrier: str) -> Path:
    """Return where a carrier's selector lies, beside its order."""
    return order.parent / f"{carrier}.selector.json"


def write_draft(screen: Screen, made: Draft, output: Path) -> None:
    """Write the order, unsigned, and its selectors, readable by their owner alone; raises Refused before any."""
    paths = [selector_path(output, selector.carrier) for selector in made.selectors]
    check_absent(output, *paths)
    write_new(output, seal(made.order, ()))
    for path, selector in zip(paths, made.selectors, strict=True):
        write_new(path, encode(selector), PRIVATE)
    told = {"file": str(output), "digest": digest(made.order), "selectors": [str(path) for path in paths]}
    lines = [*order_sheet(screen, made.order), "", screen.word("order.drafted", **told)]
    screen.show("\n".join([*lines, *(screen.word("selector.made", file=path) for path in paths)]), told)


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
    screen.tell("\n".join(order_sheet(screen, document.statement)) + "\n")
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
