"""Copies of records go after the records, and a standby that replays them begins first: shown, not believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.turns import Handed, Shown, out_of_turn, relied_on, shown_of
from certificates.encoding import digest
from certificates.errors import Refused
from certificates.statements import Carrier, FilesIdentity, KnownCopy, Order, RecordsIdentity, Start
from certificates.turns import Turn, found_again, in_turn, turns_of
from tests.support import world
from tests.support.agent_site import Agent, agent, approved
from tests.support.agent_site import order as site_order

UUID = "5f7d4c52-8a3e-4c2b-9f6e-0d1a2b3c4d5e"
PRIMARY = RecordsIdentity("postgresql", "744413", UUID, 12, "erp", "table", 1, 9, object="16401")
OTHER = replace(PRIMARY, system="99")


def rows(*copies: KnownCopy, id: str = "rows", identity: RecordsIdentity = PRIMARY) -> Carrier:  # noqa: A002
    return replace(world.carrier(), id=id, identity=identity, copies=copies)


def plain(name: str, *copies: KnownCopy) -> Carrier:
    return replace(world.carrier(), id=name, copies=copies)


def order(*carriers: Carrier) -> Order:
    return world.order(carriers=carriers)


def ended(name: str = "rows") -> dict[str, Shown]:
    return {name: Shown(name, "ended", "run", "7")}


def codes(made: Order, *chosen: str, shown: dict[str, Shown] | None = None) -> dict[str, str]:
    return {name: refusal.reason for name, refusal in out_of_turn(made, chosen, shown or {}).items()}


ARCHIVED = order(plain("archive"), rows(KnownCopy("archive", "archive"), KnownCopy("dump", "archive")))
FOLLOWED = order(
    rows(KnownCopy("replica", "standby"), KnownCopy("archive", "archive")),
    rows(KnownCopy("archive", "archive"), id="standby"),
    plain("archive"),
)


def test_a_copy_waits_for_the_certificate_of_its_rows() -> None:
    """A server goes on sending to its archive what it logs while rows are taken out: the archive goes afterwards."""
    assert turns_of(ARCHIVED) == (Turn("rows", "archive", "certified"),)
    assert codes(ARCHIVED, "rows") == {}
    assert codes(ARCHIVED, "archive") == {"archive": "copy-before-rows"}
    assert codes(ARCHIVED, "archive", shown={"rows": Shown("rows", "begun", "run", "7")}) == {
        "archive": "copy-before-rows"
    }
    assert codes(ARCHIVED, "archive", shown=ended()) == {}
    assert codes(ARCHIVED, "archive", "rows") == {"archive": "copies-in-one-run"}


@pytest.mark.parametrize("named", [(KnownCopy("replica", "second"),), ()])
def test_a_replica_that_names_its_primary_goes_after_it(named: tuple[KnownCopy, ...]) -> None:
    """Whether or not the primary's order names the replica too: neither is the other's copy only."""
    maria = replace(PRIMARY, engine="mariadb")
    second = rows(KnownCopy("primary", "first"), id="second", identity=replace(maria, system="99"))
    made = order(second, rows(*named, id="first", identity=maria))
    assert in_turn(made) == ("first", "second")
    assert codes(made, "second") == {"second": "copy-before-rows"}
    assert codes(made, "first") == {}
    assert codes(made, "second", shown=ended("first")) == {}


def test_rows_that_are_still_where_they_were_let_no_copy_go() -> None:
    """Their certificate says so: the copy could be filled again, and would be certified gone."""
    assert codes(ARCHIVED, "archive", shown={"rows": Shown("rows", "left", "run", "7")}) == {"archive": "rows-left"}


def test_a_standby_begins_before_its_primary_and_its_archive_goes_last() -> None:
    """It samples while the rows are there; the primary needs its Start, not its certificate, for it ends later."""
    assert codes(FOLLOWED, "standby") == {}
    assert codes(FOLLOWED, "rows") == {"rows": "standby-not-begun"}
    assert codes(FOLLOWED, "rows", "standby") == {"rows": "standby-not-begun"}
    assert codes(FOLLOWED, "rows", shown={"standby": Shown("standby", "begun", "start", "sha256:1")}) == {}
    assert codes(FOLLOWED, "archive", shown=ended()) == {"archive": "copy-before-rows"}
    assert codes(FOLLOWED, "archive", shown=ended() | ended("standby")) == {}
    assert in_turn(FOLLOWED) == ("standby", "rows", "archive")


@pytest.mark.parametrize(
    "copy",
    [
        rows(id="copy", identity=OTHER),
        rows(id="copy", identity=replace(PRIMARY, engine="mariadb")),
        plain("copy"),
    ],
    ids=["a-subscriber", "another-engine", "the-files-of-a-stopped-replica"],
)
def test_other_replicas_go_after_their_primary(copy: Carrier) -> None:
    """They would get the rows again from a primary that still has them."""
    made = order(copy, rows(KnownCopy("replica", "copy")))
    assert in_turn(made) == ("rows", "copy")
    assert codes(made, "copy") == {"copy": "copy-before-rows"}


def files(name: str, filesystem: str = UUID, *destroy: Any) -> Carrier:
    return replace(plain(name), identity=FilesIdentity(filesystem, 2, 1, 1, 9), destroy=destroy)


def test_a_dump_beside_rows_whose_history_is_to_go_goes_with_them_or_before() -> None:
    """The hunt for the rows' history would find what it holds; nobody writes to it again, and if somebody did, the same
    hunt would find that. Elsewhere, or without history, it goes after the rows as any copy."""
    wanting = replace(rows(KnownCopy("dump", "dump")), destroy=("history",))
    made = order(wanting, files("dump"))
    assert turns_of(made) == (Turn("dump", "rows", "released"),)
    assert codes(made, "rows", "dump") == {}
    assert codes(made, "dump") == {}
    assert codes(made, "rows") == {"rows": "rows-before-copy"}
    assert codes(made, "rows", shown={"dump": Shown("dump", "begun", "run", "7")}) == {"rows": "rows-before-copy"}
    assert codes(made, "rows", shown=ended("dump")) == {}
    assert list(out_of_turn(made, ["rows", "dump"], {}, are_together=False)) == ["rows"]
    for other in (
        order(wanting, files("dump", UUID.replace("5", "6"))),
        order(wanting, replace(files("dump"), hosts=("sha256:" + "0" * 64,))),
        order(replace(wanting, destroy=()), files("dump")),
        order(replace(wanting, copies=(KnownCopy("archive", "dump"),)), files("dump")),
        order(replace(wanting, copies=(KnownCopy("dump", "dump"), KnownCopy("archive", "dump"))), files("dump")),
    ):
        assert turns_of(other) == (Turn("rows", "dump", "certified"),)


def test_history_that_cannot_be_proven_gone_is_told_before_anybody_signs() -> None:
    """A copy holds rows that stay, too, and its hunt finds those in the database; and an archive goes after rows."""
    wanting = replace(rows(KnownCopy("dump", "dump")), destroy=("history",))
    assert found_again(order(wanting, files("dump"))) == ()
    assert found_again(order(wanting, files("dump", UUID, "names", "history"))) == (("dump", "rows"),)
    assert found_again(order(wanting, files("dump", UUID.replace("5", "6"), "history"))) == ()
    archived = replace(wanting, copies=(KnownCopy("archive", "dump"),))
    assert found_again(order(archived, files("dump"))) == (("rows", "dump"),)


def test_carriers_that_are_copies_of_one_another_are_no_order_of_steps() -> None:
    """Neither could go first."""
    made = order(rows(KnownCopy("backup", "b"), id="a"), rows(KnownCopy("backup", "a"), id="b"))
    with pytest.raises(Refused) as refused:
        out_of_turn(made, ["a"], {})
    assert refused.value.reason == "order-inconsistent"


def test_copies_of_what_is_no_record_wait_for_nothing() -> None:
    """A drive sends nothing to its backups."""
    made = order(plain("drive", KnownCopy("backup", "tape")), plain("tape"))
    assert (turns_of(made), codes(made, "tape", "drive")) == ((), {})


def test_a_journal_says_what_was_relied_on() -> None:
    """Years later somebody asks why the copy was thought to be the last place."""
    assert relied_on(ARCHIVED, "archive", ended()) == ("after rows: run 7",)
    assert relied_on(ARCHIVED, "rows", ended()) == ()


def start(made: Order, ring: str, **changes: Any) -> bytes:
    """The executor's word that the standby has begun."""
    told = Start(
        order=digest(made),
        carrier="standby",
        plan="sha256:" + "1" * 64,
        host=world.host().key_id,
        keyring=ring,
        keyring_version=1,
        hold_state=None,
        selector=None,
        sequence=3,
        started_at=world.NOW,
        tool=world.TOOL,
        persons=(world.role_of("P-0230"),),
    )
    return world.seal(replace(told, **changes), "P-0230")


def test_a_start_that_the_ordered_executor_signed_shows_that_a_standby_waits(tmp_path: Path) -> None:
    """Of this order, by him, on a host that the order names: anything else shows nothing."""
    desk = agent(tmp_path)
    ring = desk.site.documents.chain().digest
    hosts = (world.host().key_id,)
    made = order(*(replace(one, hosts=hosts) for one in FOLLOWED.carriers))
    handed = Handed("start.dsse.json", start(made, ring))
    shown = shown_of(desk.site, made, digest(made), [handed])
    assert (shown["standby"].state, shown["standby"].kind) == ("begun", "start")
    assert codes(made, "rows", shown=shown) == {}
    for changes in (
        {"order": "sha256:" + "2" * 64},
        {"carrier": "nobody"},
        {"carrier": "archive", "host": "sha256:" + "3" * 64},
        {"keyring": "sha256:" + "4" * 64},
    ):
        assert unfounded(desk, made, start(made, ring, **changes))
    assert unfounded(desk, made, start(made, ring).replace(b'"sig":"', b'"sig":"AA'))
    assert unfounded(desk, made, b"{}")


def test_a_bundle_shows_only_its_own_order_and_only_unharmed(tmp_path: Path) -> None:
    """It is audited by what this site trusts, as any stranger would."""
    desk = agent(tmp_path)
    made = site_order(witnesses=())
    (result,) = desk.run(approved(made))
    assert result.bundle is not None
    data = result.bundle.read_bytes()
    assert "waits for C-1" in unfounded(desk, made, data)
    assert "another order" in unfounded(desk, FOLLOWED, data)
    assert unfounded(desk, made, data[:900] + bytes(9) + data[909:])


def revoking(desk: Agent, name: str, at: datetime) -> None:
    """A later keyring reaches the site: that person's or host's key was stolen at that instant."""
    gone = world.public(world.signer(name), revoked_at=at)
    persons = tuple(
        replace(one, keys=(replace(one.keys[0], key=gone),)) if one.id == name else one for one in desk.ring.persons
    )
    hosts = tuple(replace(one, key=gone) if one.key.id == gone.id else one for one in desk.ring.hosts)
    desk.site.documents.take_keyring(world.seal_keyring(world.next_keyring(desk.ring, persons=persons, hosts=hosts)))


def test_a_start_under_a_key_that_was_stolen_by_then_shows_nothing(tmp_path: Path) -> None:
    """Who has the executor's old key names the keyring in which it was still good."""
    desk = agent(tmp_path)
    ring = desk.site.documents.chain().digest
    hosts = (world.host().key_id,)
    made = order(*(replace(one, hosts=hosts) for one in FOLLOWED.carriers))
    data = start(made, ring)
    revoking(desk, "P-0230", world.NOW + timedelta(seconds=1))
    assert shown_of(desk.site, made, digest(made), [Handed("earlier", data)])["standby"].state == "begun"
    assert "revoked" in unfounded(desk, made, start(made, ring, started_at=world.NOW + timedelta(hours=1)))


def test_a_bundle_under_a_key_that_was_stolen_by_then_shows_nothing(tmp_path: Path) -> None:
    """A bundle knows the keyrings of the day it was packed; who forges one leaves the newest out."""
    desk = agent(tmp_path)
    made = site_order(witnesses=())
    (result,) = desk.run(approved(made))
    assert result.bundle is not None
    data = result.bundle.read_bytes()
    revoking(desk, "host arch-07", world.NOW)
    assert "not valid" in unfounded(desk, made, data)


def unfounded(desk: Agent, made: Order, data: bytes) -> str:
    """Why what was handed over shows nothing."""
    with pytest.raises(Refused) as refused:
        shown_of(desk.site, made, digest(made), [Handed("handed", data)])
    assert refused.value.reason == "after-unfounded"
    return str(refused.value.facts["detail"])
