"""The whole story on a simulated machine, and what must never happen on the way."""

from __future__ import annotations

import errno
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from agent import workflow
from agent.carrying import Hands
from agent.resuming import resume
from agent.runs import RunFolder
from agent.submission import submit
from agent.workflow import Chosen
from certificates import bundle
from certificates.errors import Interrupted, Refused, Unproven, Unregistered
from certificates.statements import DeviceIdentity, Hold, HoldScope, HostKey, Outcome, RefusedRun, Secrecy
from tests.support import world
from tests.support.agent_site import agent, approved, carrier, order
from tests.support.simulated_host import Lies, Plug, PowerCut, Simulated, SimulatedHost

PLAIN = order(witnesses=())
EFFECTS = 4
"""Writes, reads and barriers of one run over the small device; finer cuts are made in tests/faults."""


def test_an_approved_order_ends_destroyed_proven_and_registered(tmp_path: Path) -> None:
    """The main job."""
    desk = agent(tmp_path)
    (result,) = desk.run(approved(PLAIN))
    assert result.failure is None
    assert result.claim is not None
    assert result.claim.outcome is Outcome.PROVEN
    assert result.bundle is not None
    assert bundle.RECEIPT in bundle.unpack(result.bundle.read_bytes())
    assert desk.machine.carriers["C-1"][0].secrets_left() == 0
    assert desk.machine.plug.effects == EFFECTS
    assert not list((tmp_path / "outbox").iterdir())


def test_an_ended_run_keeps_nothing_that_names_what_was_there(tmp_path: Path) -> None:
    """Also where the names themselves were not released, because not everything was proven."""
    desk = agent(tmp_path)
    desk.machine.carriers["C-1"][0].lies = Lies(drops_writes=frozenset({(0, 5)}))
    desk.run(approved(PLAIN))
    assert desk.machine.forgotten == ["C-1"]


def test_the_same_order_cannot_be_used_again_in_any_wrapping(tmp_path: Path) -> None:
    """A document's identity is its payload's, so another envelope is the same order."""
    desk = agent(tmp_path)
    desk.run(approved(PLAIN))
    desk.clock.at = world.NOW.replace(hour=11)
    for envelope in (approved(PLAIN), approved(PLAIN, "P-0417", "P-0588", "P-0102")):
        with pytest.raises(Refused) as refused:
            desk.run(envelope)
        assert refused.value.reason == "order-spent"


def test_cutting_the_ledger_does_not_bring_an_order_back(tmp_path: Path) -> None:
    """The journals remember what the ledger was made to forget."""
    desk = agent(tmp_path)
    desk.run(approved(PLAIN))
    (tmp_path / "ledger" / "ledger.jsonl").unlink()
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN))
    assert refused.value.reason == "order-spent"


def test_a_refusal_of_one_carrier_touches_none(tmp_path: Path) -> None:
    """All carriers are authorised, found, planned and held before the first write."""
    desk = agent(tmp_path, "C-1", "C-2")
    desk.machine.carriers["C-2"][0].lies = Lies(swapped="after-find")
    with pytest.raises(Refused) as refused:
        desk.run(approved(order(carrier("C-1"), carrier("C-2"), witnesses=())))
    assert refused.value.reason == "identity-changed"
    assert desk.machine.plug.effects == 0
    assert not desk.site.ledger.read().entries


@pytest.mark.parametrize("place", ["C-1", "C-2"])
def test_what_is_swapped_once_the_journals_have_begun_is_interrupted_and_stays_whole(
    tmp_path: Path, place: str
) -> None:
    """After a first write nothing is refused any more; the carriers beside it are carried out."""
    desk = agent(tmp_path, "C-1", "C-2")
    desk.machine.carriers[place][0].lies = Lies(swapped="after-open")
    results = desk.run(approved(order(carrier("C-1"), carrier("C-2"), witnesses=())))
    ends = {result.carrier: result.failure for result in results}
    swapped = ends.pop(place)
    assert isinstance(swapped, Interrupted)
    assert swapped.reason == "late-refusal"
    assert list(ends.values()) == [None]
    simulated = desk.machine.carriers[place][0]
    assert simulated.secrets_left() == simulated.size // 512


def test_a_refusal_is_journaled(tmp_path: Path) -> None:
    """Attempts are history too: a deleted one shows as a gap."""
    desk = agent(tmp_path)
    with pytest.raises(Refused):
        desk.run(approved(PLAIN, "P-0417"))
    journal = desk.site.journals.read(1)
    assert journal.opened.start is None
    assert journal.events[1] == RefusedRun("rule-not-met")


def test_two_things_that_fit_one_carrier_are_refused(tmp_path: Path) -> None:
    """Two loop devices over one file, two drives with one serial: nobody may guess."""
    desk = agent(tmp_path)
    desk.machine.carriers["C-1"] = (Simulated("image", serial="a"), Simulated("image", serial="b"))
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN))
    assert refused.value.reason == "carrier-ambiguous"


def test_a_wrong_word_at_confirmation_touches_nothing(tmp_path: Path) -> None:
    """A person names the object; 'y' is no name."""
    desk = agent(tmp_path)
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN), said="y")
    assert refused.value.reason == "not-confirmed"
    assert desk.machine.opened == 0


def test_another_plan_than_the_one_read_is_refused(tmp_path: Path) -> None:
    """`--plan` holds what a person confirmed against what would be done now."""
    desk = agent(tmp_path)
    (planned,) = workflow.plan(desk.site, Chosen(approved(PLAIN), {}))
    assert planned.plan is not None
    desk.machine.carriers["C-1"] = (Simulated("image", sizes=(32768,), serial="C-1"),)
    with pytest.raises(Refused) as refused:
        workflow.run(
            desk.site,
            Chosen(approved(PLAIN), {}),
            world.signer("P-0230"),
            Hands(None, None, desk.stop),
            confirm=lambda one: one.warrant.carrier.label,
            plan_digest=planned.plan.digest,
        )
    assert refused.value.reason == "plan-differs"


def test_plan_takes_drafts_and_touches_nothing(tmp_path: Path) -> None:
    """A clerk sees what would be done before anybody has signed."""
    desk = agent(tmp_path)
    (planned,) = workflow.plan(desk.site, Chosen(approved(PLAIN, "P-0417"), {}))
    assert planned.plan is not None
    assert planned.refusal is not None
    assert planned.refusal.reason == "rule-not-met"
    assert desk.machine.plug.effects == 0
    assert not list((tmp_path / "journal").iterdir())


@pytest.mark.parametrize("effect", range(1, EFFECTS + 1))
def test_wherever_the_plug_is_pulled_no_certificate_exists_before_all_is_gone(tmp_path: Path, effect: int) -> None:
    """And resuming completes it: invariant (a)."""
    plug = Plug(cut_at=effect)
    desk = agent(tmp_path, plug=plug)
    simulated = desk.machine.carriers["C-1"][0]
    with pytest.raises(PowerCut):
        desk.run(approved(PLAIN))
    assert not list((tmp_path / "outbox").iterdir())
    assert not list((tmp_path / "certificates").iterdir())
    simulated.storage.lose_power(random.Random(effect))
    plug.cut_at = None
    (result,) = desk.resume()
    assert result.failure is None
    assert simulated.secrets_left() == 0
    with pytest.raises(Refused):
        desk.resume()


def test_a_stop_is_an_interruption_and_resume_completes_it(tmp_path: Path) -> None:
    """Ctrl-C stops cleanly."""
    desk = agent(tmp_path)
    desk.stop.set()
    (result,) = desk.run(approved(PLAIN))
    assert isinstance(result.failure, Interrupted)
    assert result.bundle is None
    (result,) = desk.resume()
    assert result.failure is None


@pytest.mark.parametrize("name", ["profile-0.json", bundle.CERTIFICATE])
def test_a_full_disk_of_the_site_is_an_interruption_and_resume_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Evidence and certificate lie where the journal lies: what a person can mend is told so, and is no bug."""
    desk = agent(tmp_path)

    def full(folder: RunFolder, at: str, data: bytes) -> None:
        if at.endswith(name):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(folder, at, data)

    write = RunFolder.write
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write", full)
        (result,) = desk.run(approved(PLAIN))
        assert isinstance(result.failure, Interrupted)
        assert result.failure.reason == "journal-not-writable"
        if name == bundle.CERTIFICATE:
            assert isinstance(desk.resume()[0].failure, Interrupted)
    (result,) = desk.resume()
    assert result.failure is None


def test_expiry_does_not_stop_a_resume_but_a_hold_does(tmp_path: Path) -> None:
    """A begun destruction is finished unless somebody says stop."""
    desk = agent(tmp_path)
    desk.stop.set()
    desk.run(approved(PLAIN))
    desk.clock.at = PLAIN.expires_at.replace(year=2026, month=12, day=5)
    everything = (HoldScope("everything", "*"),)
    held = Hold("H-1", everything, "inquiry", "court", desk.clock.at, (world.role_of("P-0102"),))
    sealed = world.seal(held, "P-0102")
    desk.site.documents.take_hold(sealed, desk.site.documents.chain())
    (result,) = desk.resume()
    assert isinstance(result.failure, Interrupted)
    assert result.failure.reason == "late-refusal"
    for path in (tmp_path / "holds").glob("[0-9a-f]*"):
        path.unlink()
    desk.site.refresh()
    (result,) = desk.resume()
    assert result.failure is None


@pytest.mark.parametrize("name", ["P-0230", "host arch-07"])
def test_a_resume_stops_when_the_executors_or_the_hosts_key_was_revoked(tmp_path: Path, name: str) -> None:
    """Who has the thief's key in hand has begun this run, or would seal its end."""
    desk = agent(tmp_path)
    desk.stop.set()
    desk.run(approved(PLAIN))
    gone = world.public(world.signer(name), revoked_at=desk.clock.at)
    persons = tuple(
        replace(one, keys=(replace(one.keys[0], key=gone),)) if one.id == name else one for one in desk.ring.persons
    )
    hosts = (HostKey("arch-07", gone),) if name not in world.PEOPLE else desk.ring.hosts
    ring = world.next_keyring(desk.ring, persons=persons, hosts=hosts)
    desk.site.documents.take_keyring(world.seal_keyring(ring))
    (result,) = desk.resume()
    assert isinstance(result.failure, Interrupted)
    assert result.failure.reason == "late-refusal"


def test_a_resume_with_another_persons_key_signs_nothing(tmp_path: Path) -> None:
    """A signature that does not count would stand on the certificate for ever, and nobody would take it."""
    desk = agent(tmp_path)
    desk.stop.set()
    desk.run(approved(PLAIN))
    (result,) = resume(desk.site, None, Hands(world.signer("P-0311"), None, threading.Event()))
    assert isinstance(result.failure, Interrupted)
    (result,) = desk.resume()
    assert result.failure is None


def test_a_drive_without_a_serial_is_not_confirmed_by_saying_nothing() -> None:
    """Enter alone must never be an answer."""
    nameless = replace(world.carrier(), identity=DeviceIdentity("", "VIRTUAL", "", None, 65536))
    assert workflow.names_of(nameless) == (nameless.label,)


def test_only_a_security_officers_hold_is_taken(tmp_path: Path) -> None:
    """One approver must not be able to stop what all approved; that is what officers are for."""
    desk = agent(tmp_path)
    everything = (HoldScope("everything", "*"),)
    approver, officer = world.role_of("P-0417"), world.role_of("P-0102")
    for persons, signers in (((approver,), ("P-0417",)), ((officer, approver), ("P-0102",))):
        held = Hold("H-1", everything, "inquiry", "court", desk.clock.at, persons)
        with pytest.raises(Refused):
            desk.site.documents.take_hold(world.seal(held, *signers), desk.site.documents.chain())


def test_no_registry_leaves_the_certificate_in_the_outbox(tmp_path: Path) -> None:
    """Destroyed and certified; `submit` hands it in once, whenever."""
    desk = agent(tmp_path)
    desk.site.refresh()
    desk.line.is_cut = True
    (result,) = desk.run(approved(PLAIN))
    assert isinstance(result.failure, Unregistered)
    assert result.claim is not None
    assert result.bundle is not None
    assert result.bundle.exists()
    desk.line.is_cut = False
    path = submit(desk.site, desk.site.folder(result.sequence))
    assert bundle.RECEIPT in bundle.unpack(path.read_bytes())


def test_a_certificate_with_witnesses_waits_for_them(tmp_path: Path) -> None:
    """The agent never submits what the order's witnesses have not signed."""
    desk = agent(tmp_path)
    (result,) = desk.run(approved(order()))
    assert isinstance(result.failure, Unregistered)
    assert result.failure.reason == "awaiting-signatures"


@pytest.mark.parametrize(
    "lies",
    [
        Lies(drops_writes=frozenset({(0, 5)})),
        Lies(answers_old=frozenset({(0, 100)})),
        Lies(bad_writes={(0, 7): "EIO"}),
        Lies(bad_reads={(0, 9): "ENODATA"}),
    ],
)
def test_a_device_that_lies_or_fails_never_yields_a_proven_claim(tmp_path: Path, lies: Lies) -> None:
    """Success is proven or it is not said."""
    desk = agent(tmp_path)
    desk.machine.carriers["C-1"][0].lies = lies
    (result,) = desk.run(approved(PLAIN))
    assert isinstance(result.failure, Unproven)
    assert result.claim is not None
    assert result.claim.outcome is not Outcome.PROVEN


def test_an_older_keyring_is_refused_after_a_newer_one_was_seen(tmp_path: Path) -> None:
    """TUF's rollback rule."""
    desk = agent(tmp_path)
    newer = world.next_keyring(desk.ring)
    desk.site.documents.take_keyring(world.seal_keyring(newer))
    (tmp_path / "keyring" / "2.dsse.json").unlink()
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN))
    assert refused.value.reason == "keyring-rollback"


def test_a_replayed_hold_state_is_refused(tmp_path: Path) -> None:
    """An old state may lack the hold that was set since."""
    desk = agent(tmp_path)
    desk.site.refresh()
    old = (tmp_path / "holds" / "state.dsse.json").read_bytes()
    desk.clock.at = world.NOW.replace(minute=30)
    desk.site.refresh()
    desk.line.is_cut = True
    (tmp_path / "holds" / "state.dsse.json").write_bytes(old)
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN))
    assert refused.value.reason == "hold-state-replayed"


def test_a_clock_set_back_is_refused(tmp_path: Path) -> None:
    """Validity judged by a wrong clock is no validity."""
    desk = agent(tmp_path)
    desk.site.refresh()
    desk.line.is_cut = True
    desk.clock.at = world.NOW.replace(hour=9)
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN))
    assert refused.value.reason == "clock-behind"


@pytest.mark.parametrize("lie", ["forked", "rolled back", "receipt of another"])
def test_a_log_that_is_forked_or_rolled_back_is_caught(tmp_path: Path, lie: str) -> None:
    """The agent keeps the last checkpoint and demands consistency before it files a receipt."""
    desk = agent(tmp_path / "one", "C-1", "C-2", "C-3")
    desk.run(approved(order(carrier("C-1"), witnesses=())))
    second = order(carrier("C-2"), witnesses=(), id="2026-0118")
    if lie == "receipt of another":
        first = desk.site.folder(1).require(bundle.RECEIPT).decode()
        desk.line.forged["receipt"] = lambda: first
    else:
        other = agent(tmp_path / "two", "C-9").line.registry
        if lie == "forked":
            other.records.accept_certificate(_foreign(tmp_path / "foreign"))
        envelope = desk.site.waiting(2)
        desk.line.forged["receipt"] = lambda: other.records.accept_certificate(envelope.read_bytes()).receipt
        desk.line.forged["consistency"] = lambda: other.consistency(1)
    (result,) = desk.run(approved(second))
    assert isinstance(result.failure, Unregistered)
    assert result.failure.reason == "receipt-wrong"
    assert desk.site.waiting(2).exists()


def _foreign(folder: Path) -> bytes:
    """A certificate that some other agent of this host's name made."""
    desk = agent(folder)
    desk.line.is_cut = True
    desk.site.documents.take_hold_state(world.seal(world.hold_state(), world.registry()), desk.site.documents.chain())
    desk.run(approved(order(witnesses=(), id="2026-0099")))
    return desk.site.waiting(1).read_bytes()


def test_the_secrecy_gate_ends_in_a_hand_over_list(tmp_path: Path) -> None:
    """A carrier with state secrets is never wiped by this tool, however well approved."""
    desk = agent(tmp_path)
    secret = replace(world.ASSET, secrecy=Secrecy.SUSPECTED)
    for version in (1, 2):
        with pytest.raises(Refused) as refused:
            desk.run(approved(order(witnesses=(), assets=(secret,), version=version)))
        assert refused.value.reason == "secrecy-gate"
    written = sorted(path.name.split("-", 3)[3] for path in (tmp_path / "handover").iterdir())
    assert written == ["hand-over-note.txt", "hand-over-note.txt", "registration-list.txt", "registration-list.txt"]


def test_nothing_at_all_is_found(tmp_path: Path) -> None:
    """The device was unplugged between approval and run."""
    desk = agent(tmp_path)
    desk.machine = SimulatedHost({})
    desk.site = replace(desk.site, host=desk.machine)
    with pytest.raises(Refused) as refused:
        desk.run(approved(PLAIN))
    assert refused.value.reason == "carrier-not-found"


def test_a_checkpoint_that_another_process_filed_is_not_lowered(tmp_path: Path) -> None:
    """Whoever read what was seen a moment ago must not write the smaller log back."""
    desk = agent(tmp_path, "C-1", "C-2")
    desk.run(approved(order(carrier("C-1"), witnesses=())))
    stale = desk.site.documents.seen
    desk.run(approved(order(carrier("C-2"), witnesses=(), id="2026-0118")))
    newest = desk.site.documents.seen.checkpoint
    assert newest != stale.checkpoint
    desk.site.documents.remember(replace(stale, hold_sequence=stale.hold_sequence + 9))
    assert desk.site.documents.seen.checkpoint == newest
