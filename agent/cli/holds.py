"""What the hold commands share."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from agent import holding
from agent.cli.desk import signer_of, site_of
from agent.cli.screen import Screen
from agent.cli.sheets import local, table, wire_tree
from agent.files import check_absent, write_new
from agent.holding import Held
from certificates.encoding import digest, encode
from certificates.errors import Refused, Untrusted
from certificates.statements import Hold, HoldLift, HoldScope, Role

SCOPES = {"assets": "asset", "serials": "serial", "orders": "order"}


def add(screen: Screen, hold_id: str, told: dict[str, object], key_file: str, output: Path | None) -> None:
    """Set a hold on what was named; raises Refused where nothing was, or the key is not a security officer's."""
    site, signer = site_of(screen), signer_of(screen, key_file)
    officer = holding.person_in_role(site, signer.key_id, Role.SECURITY_OFFICER)
    reason, authority = str(told["reason"]), str(told["authority"])
    hold = Hold(hold_id, _scopes(told), reason, authority, site.clock(), (officer,))
    _check(hold)
    if output is not None:
        check_absent(output)
    envelope, trouble = holding.set_hold(site, hold, signer)
    if output is not None:
        write_new(output, envelope)
    _tell(screen, "hold.set", digest(hold), trouble)


def lift(screen: Screen, named: str, reason: str, key_files: tuple[str, ...], output: Path | None) -> None:
    """Lift a hold that this site knows; raises Refused when two persons do not sign, one a security officer."""
    site = site_of(screen)
    signers = tuple(signer_of(screen, name) for name in key_files)
    found = next((held for held in holding.list_holds(site) if named in (held.digest, held.hold.id)), None)
    if found is None:
        raise Refused("hold-unknown", hold=named)
    persons = tuple(holding.any_role(site, signer.key_id) for signer in signers)
    if len({person.id for person in persons}) < 2:
        raise Refused("signature-missing", who="a second person")
    if output is not None:
        check_absent(output)
    statement = HoldLift(found.digest, reason, site.clock(), persons)
    envelope, trouble = holding.lift_hold(site, statement, signers)
    if output is not None:
        write_new(output, envelope)
    _tell(screen, "hold.lifted", found.digest, trouble)


def show(screen: Screen) -> None:
    """List the holds."""
    held = holding.list_holds(site_of(screen))
    headings = tuple(
        screen.word(key) for key in ("hold", "hold.covers", "order.reason", "hold.authority", "hold.since")
    )
    lines = table(headings, (_row(screen, one) for one in held)) if held else [screen.word("hold.none")]
    screen.show("\n".join(lines), [_tree(one) for one in held])


def _row(screen: Screen, one: Held) -> tuple[str, ...]:
    covers = ", ".join(f"{scope.kind} {scope.value}" for scope in one.hold.scopes)
    return (one.hold.id, covers, one.hold.reason, one.hold.authority, local(one.hold.set_at))


def _tree(one: Held) -> dict[str, object]:
    return {"digest": one.digest, "local": one.is_local, "hold": wire_tree(one.hold)}


def _scopes(told: dict[str, object]) -> tuple[HoldScope, ...]:
    named = [
        HoldScope(kind, value)  # type: ignore[arg-type]
        for option, kind in SCOPES.items()
        for value in cast(tuple[str, ...], told[option])
    ]
    if told["everything"]:
        named.append(HoldScope("everything", "*"))
    if not named:
        raise Refused("hold-empty")
    return tuple(named)


def _check(hold: Hold) -> None:
    try:
        encode(hold)
    except Untrusted as error:
        raise Refused(error.reason, **error.facts) from error


def _tell(screen: Screen, key: str, name: str, trouble: str | None) -> None:
    if trouble is not None:
        screen.tell(screen.word("hold.unregistered", trouble=trouble))
    screen.show(screen.word(key, hold=name), {"hold": name, "registered": trouble is None, "detail": trouble})
