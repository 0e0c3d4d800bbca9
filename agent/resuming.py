"""Continue what a journal shows as begun: the same plan, the same bytes, from where they are known to be."""

from __future__ import annotations

from contextlib import AbstractContextManager

from agent.authorize import reauthorize
from agent.carrying import Hands, Result, conclude, finish, not_recorded, repair_ledger
from agent.journal import Journal
from agent.runs import RunFolder
from agent.signing import check_speaker
from agent.site import Site
from agent.together import Part, Seat, carry_all, in_turn
from agent.wishes import forget_cancelled, going
from agent.workflow import Begun, carry_out, late
from certificates import bundle
from certificates.encoding import decode
from certificates.envelope import Sealed, unseal, unwrap
from certificates.errors import Failure, Refused, Unregistered
from certificates.keyring import resolver
from certificates.signers import Signer
from certificates.statements import Order, Start
from wipers.model import Plan, Target, Warrant, Writer
from wipers.progress import replay


def resume(site: Site, sequence: int | None, hands: Hands) -> tuple[Result, ...]:
    """Return how each begun run (or the one named) ended; raises Refused when there is none."""
    journals = [j for j in site.journals.begun() if sequence in (None, j.opened.sequence)]
    if not journals:
        raise Refused("journal-to-resume-missing")
    with site.locked():
        repair_ledger(site)
    parts: list[Part] = []
    plans: list[Plan] = []
    left: list[Result] = []
    for journal in journals:
        try:
            plans.append(site.folder(journal.opened.sequence).check(journal.opened))
            parts.append(_part(site, journal, hands))
        except Failure as error:
            left.append(hands.told(_left(journal, error)))
    carried = carry_all(in_turn(parts, plans, hands.at_once), hands.stop, hands.at_once) if parts else ()
    return tuple(sorted((*left, *carried), key=lambda result: result.sequence))


def _left(journal: Journal, error: Failure) -> Result:
    """Return the result of a run whose documents do not hold: it stays as it was, and keeps no other one back."""
    return Result(journal.opened.carrier or "?", journal.opened.sequence, None, None, late(error))


def _part(site: Site, journal: Journal, hands: Hands) -> Part:
    sequence = journal.opened.sequence
    seat = Seat()

    def go() -> Result:
        return hands.told(_resume_one(site, journal, hands, seat))

    return Part(journal.opened.carrier or "?", sequence, go, seat)


def _resume_one(site: Site, journal: Journal, hands: Hands, seat: Seat) -> Result:
    """Return how one run ended; what goes wrong on the way leaves it interrupted, as it was."""
    folder = site.folder(journal.opened.sequence)
    carrier = journal.opened.carrier or "?"
    try:
        start, order = _documents(site, folder)
        if hands.executor is not None:
            _check_executor(site, start.statement, hands.executor)
        if (certificate := folder.fixed()) is not None:
            # Nothing is left to be destroyed, and the selector that a warrant needs may be forgotten already.
            return finish(site, folder, site.journals.take_up(folder.sequence), certificate, hands.executor)
        around = site.circumstances()
        warrant = reauthorize(order, start, folder.selector(), around)
        if replay(journal.entries).is_concluded:
            return conclude(site, folder, site.journals.take_up(folder.sequence), warrant, hands.executor)
        with _open_again(site, warrant, folder) as writer, going(folder):
            # Taken up only now: until the target was free, another process may have written to the journal.
            begun = Begun(warrant, folder, site.journals.take_up(folder.sequence))
            forget_cancelled(folder)
            observer = hands.observe(folder.sequence, carrier, folder.plan())
            return carry_out(site, begun, writer, hands, observer, seat=seat)
    except Unregistered:
        raise
    except Failure as error:
        return Result(carrier, folder.sequence, None, None, late(error))
    except OSError as error:
        return Result(carrier, folder.sequence, None, None, not_recorded(error))


def _check_executor(site: Site, start: Start, executor: Signer) -> None:
    """Check that the key will count on the certificate: a signature there cannot be taken away again."""
    keyring = site.documents.chain().version(start.keyring)
    if keyring is not None:
        check_speaker(start, executor.key_id, keyring, site.clock())


def _documents(site: Site, folder: RunFolder) -> tuple[Sealed[Start], Sealed[Order]]:
    """Return the Start and the order of a run, read with the keyring and at the instant of the Start."""
    start = decode(unwrap(folder.require(bundle.START)).payload, Start)
    keyring = site.documents.chain().version(start.keyring)
    if keyring is None:
        raise Refused("keyring-chain", detail="the keyring of the Start is not in the chain")
    begun = unseal(folder.require(bundle.START), Start, resolver(keyring, start.started_at))
    return begun, unseal(folder.require(bundle.ORDER), Order, resolver(keyring, start.started_at))


def _open_again(site: Site, warrant: Warrant, folder: RunFolder) -> AbstractContextManager[Writer]:
    """Open the target of a begun run, wherever it is now; partly destroyed as it may be."""
    found = site.host.find(warrant.carrier, warrant.selector)
    same = [target for target in found if target.facts == folder.plan().facts]
    if len({target.unit for target in same}) > 1:
        # Which of them was begun nobody can tell: bridges may all report one number.
        what = ", ".join(sorted(target.location for target in same))
        raise Refused("carrier-ambiguous", carrier=warrant.carrier.id, count=len(same), what=what)
    target = _as_planned(folder, min(same, key=lambda one: one.location) if same else None)
    return site.host.open(target, warrant.carrier, warrant.selector, resuming=True)


def _as_planned(folder: RunFolder, found: Target | None) -> Target:
    """Return the target with the plan's amounts: what came to it since nobody confirmed, and the host has to notice.

    Of files all names may be gone; then only the host can tell.
    """
    plan = folder.plan()
    where = found.location if found else folder.place()
    return Target(
        kind=plan.kind,
        location=where,
        facts=plan.facts,
        unit=found.unit if found else where,
        media=plan.media,
        size=plan.size,
        header_size=plan.header_size,
        sector_size=plan.sector_size,
        objects=plan.objects,
        residual=plan.residual,
    )
