"""An audit names the check that does not hold, whoever lied: somebody outside, the host, the executor, the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates import bundle, claims
from certificates.audit import Finding, Report, Sign, Verdict, audit, audit_all, certificate_of
from certificates.encoding import decode, digest, encode
from certificates.envelope import unwrap
from certificates.selectors import commitment
from certificates.statements import (
    Advanced,
    ApprovalDocument,
    Certificate,
    Checked,
    Claim,
    Committed,
    ConstantPattern,
    Counted,
    Drew,
    Entry,
    EvidenceFile,
    Extent,
    Failure,
    FullReadBack,
    Grade,
    Hold,
    HoldScope,
    Level,
    Noted,
    Outcome,
    OverwriteRecord,
    PathSelector,
    PersonKey,
    Recorded,
    RefusedRun,
    Role,
    SampledReadBack,
    Selector,
    SelectorCommitment,
    Start,
)
from certificates.trust import Trust
from tests.support import world
from tests.support.story import Timed, sampled, story, tell
from tests.support.world import NOW, Papers, seal

LOST = (Failure(Extent(0, 4096, 512), "EIO"),)


@cache
def honest() -> Papers:
    return tell(story())


@cache
def by_sample() -> Papers:
    return tell(story(order=world.order(carriers=(world.carrier(verification=sampled()),))))


def report(papers: Papers) -> Report:
    return audit(papers.packed, papers.trust)


def failing(papers: Papers) -> list[tuple[str, str]]:
    """Name and code of every finding that does not hold."""
    found = report(papers).findings
    return [(one.name, one.code) for one in found if one.sign is Sign.FAILS]


def finding(papers: Papers, name: str) -> Finding:
    return next(one for one in report(papers).findings if one.name == name)


def lying(**changes: Any) -> Papers:
    """A host that seals another certificate than the journal supports; everybody signs it, the registry takes it."""
    return tell(story(certified=lambda told: replace(told, **changes)))


def binding(**changes: Any) -> Papers:
    return tell(story(certified=lambda told: replace(told, binding=replace(told.binding, **changes))))


def evidence(**changes: Any) -> Papers:
    """A host that seals other evidence, and the claim that follows from it."""

    def lie(told: Certificate) -> Certificate:
        seen = replace(told.evidence, **changes)
        return replace(told, evidence=seen, claim=claims.claim(seen, told.claim.ordered))

    return tell(story(certified=lie))


def honest_certificate() -> Certificate:
    return certificate_of(honest().entries)[0]


# ------------------------------------------------------------------------------------------------------- honest


@pytest.mark.parametrize("papers", [honest, by_sample])
def test_an_honest_bundle_is_proven(papers: Callable[[], Papers]) -> None:
    """And every check says how it can be redone."""
    told = report(papers())
    assert (told.verdict, told.verdict.exit_code) == (Verdict.PROVEN, 0)
    assert {one.sign for one in told.findings if one.name != "medium"} == {Sign.HOLDS}
    assert finding(papers(), "medium").sign is Sign.UNKNOWN


def test_a_zeros_pass_is_proven_too() -> None:
    """Constant patterns have no key to be drawn."""
    carrier = world.carrier(technique="zeros-1")
    assert (
        report(tell(story(order=world.order(carriers=(carrier,)), pattern=ConstantPattern("00")))).verdict.exit_code
        == 0
    )


def test_the_audit_is_the_same_every_time() -> None:
    """No clock, no chance."""
    assert encode(report(honest())) == encode(report(honest()))


def test_every_finding_is_told_in_both_languages() -> None:
    """Chinese is no translation pasted later."""
    for papers in (honest(), by_sample(), tell(story(failures=LOST, held=False, registered=False, decision="reject"))):
        for one in report(papers).findings:
            for told in (one.tell("en"), one.tell("zh"), one.tell_name("zh"), one.tell_basis("zh")):
                assert told
                assert "<" not in told, told


# ------------------------------------------------------------------------------------------- holds, but not proven


def test_an_unproven_claim_is_exit_5() -> None:
    """The documents hold; the claim is not reached."""
    told = report(tell(story(failures=LOST, unread=LOST)))
    assert told.verdict.exit_code == 5
    assert next(one for one in told.findings if one.name == "evidence").code == "claim-not-reached"


def test_unread_parts_leave_the_claim_unknown() -> None:
    """Unknown is never success."""
    papers = tell(story(unread=LOST))
    assert finding(papers, "evidence").code == "claim-unknown"
    assert report(papers).verdict.exit_code == 5


@pytest.mark.parametrize(
    ("changes", "name", "code"),
    [
        ({"signers": ("P-0230", "P-0311")}, "certificate", "certificate-awaits"),
        ({"registered": False}, "receipt", "receipt-none"),
        ({"decision": "reject"}, "validation", "validation-reject"),
    ],
)
def test_what_is_missing_keeps_it_from_being_proven(changes: dict[str, Any], name: str, code: str) -> None:
    """A witness who did not sign, a registry that was not asked, a validator who said no."""
    papers = tell(story(**changes))
    assert finding(papers, name).code == code
    assert report(papers).verdict.exit_code == 5


def test_who_has_not_signed_is_named() -> None:
    """So that somebody can go and ask."""
    assert "P-0729" in finding(tell(story(signers=("P-0230", "P-0311"))), "certificate").tell()


@pytest.mark.parametrize("changes", [{"decision": None}, {"held": False}])
def test_what_others_decide_does_not_change_the_claim(changes: dict[str, Any]) -> None:
    """No validation yet, or a site without a hold register: told, and left to the reader."""
    told = report(tell(story(**changes)))
    assert told.verdict.exit_code == 0
    assert sum(one.sign is Sign.UNKNOWN for one in told.findings) == 2


def test_a_trust_file_without_logs_leaves_the_receipt_unknown() -> None:
    """A log that nobody vouched for proves nothing."""
    papers = replace(honest(), trust=Trust(honest().trust.keyrings, ()))
    assert finding(papers, "receipt").code == "receipt-untrusted"
    assert report(papers).verdict.exit_code == 5


# ------------------------------------------------------------------------------------------------ somebody outside


def test_another_root_is_not_trusted() -> None:
    """Trust comes from the auditor's file, never from the bundle."""
    other = world.seal_keyring(world.keyring(site="elsewhere"))
    papers = replace(honest(), trust=world.trust(other))
    assert failing(papers) == [("keyring", "keyring-root")]
    assert finding(papers, "certificate").code == "not-examined"
    assert report(papers).verdict.exit_code == 7


def test_another_log_is_not_trusted() -> None:
    """A receipt from a log of one's own making is none."""
    log = replace(honest().trust.logs[0], origin="elsewhere.example/log")
    assert failing(replace(honest(), trust=Trust(honest().trust.keyrings, (log,)))) == [("receipt", "note-signer")]


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_fails_the_audit_also_when_it_was_packed_again(position: int, bit: int) -> None:
    """Whoever changes a byte can compute a checksum; he cannot sign."""
    entries = dict(honest().entries)
    position %= sum(map(len, entries.values()))
    for name, data in entries.items():
        if position < len(data):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            entries[name] = bytes(changed)
            break
        position -= len(data)
    assert report(Papers(entries, honest().trust)).verdict is Verdict.DOES_NOT_HOLD, name


@pytest.mark.parametrize("name", [name for name in honest().entries if name not in bundle.REQUIRED])
def test_an_entry_that_was_taken_out_is_missed(name: str) -> None:
    """Unless somebody may lawfully not have given it: a receipt not had, a validation not made."""
    verdict = report(honest().without(name)).verdict.exit_code
    assert verdict == {bundle.RECEIPT: 5, bundle.VALIDATION: 0}.get(name, 7)


def test_another_runs_documents_do_not_fit() -> None:
    """Each is bound from the certificate by digest."""
    other = tell(story(sequence=2))
    for name, expected in {
        bundle.START: "binding",
        bundle.JOURNAL: "journal",
        bundle.RECEIPT: "receipt",
        bundle.VALIDATION: "validation",
        bundle.CERTIFICATE: "binding",
    }.items():
        mixed = Papers({**honest().entries, name: other.entries[name]}, honest().trust)
        assert expected in [one for one, _ in failing(mixed)], name


def test_a_bundle_that_does_not_unpack_is_one_finding() -> None:
    """There is nothing to say about what is in it."""
    told = audit(honest().packed + b"\0", honest().trust)
    assert [(one.name, one.sign) for one in told.findings] == [("bundle", Sign.FAILS)]
    assert (told.certificate, told.verdict.exit_code) == (None, 7)


# ------------------------------------------------------------------------------------------------ a lying host


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order": "sha256:" + "0" * 64}, "order"),
        ({"keyring_version": 2}, "keyring_version"),
        ({"plan": "sha256:" + "0" * 64}, "plan"),
        ({"hold_state": None}, "hold_state"),
        ({"journal_sequence": 2}, "journal_sequence"),
        ({"evidence_files": (EvidenceFile("x", "sha256:" + "0" * 64, 1),)}, "evidence_files"),
    ],
)
def test_a_certificate_that_binds_something_else_does_not_hold(changes: dict[str, Any], field: str) -> None:
    """The finding names the field."""
    papers = binding(**changes)
    assert ("binding", "binding-broken") in failing(papers)
    assert field in finding(papers, "binding").tell()


@pytest.mark.parametrize(
    "changes",
    [
        {"assets": (replace(world.ASSET, name="另一资产"),)},
        {"carrier_label": "OTHER"},
        {"grade": Grade.GENERAL},
        {"destination": "recycling"},
        {"approved_by": ()},
        {"unit": replace(world.order().unit, name="另一单位")},
        {"keep_until": "2066-12-31"},
        {"medium": replace(honest_certificate().medium, serial="WD-OTHER")},
        {"medium": replace(honest_certificate().medium, host_name="arch-08")},
        {"applied": replace(honest_certificate().applied, technique="seven-passes")},
        {"participants": (replace(honest_certificate().participants[0], name="别人"),)},
        {"started_at": NOW - timedelta(days=1)},
        {"paper": "财资〔2026〕1号"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_certificate_that_repeats_the_order_wrongly_does_not_hold(changes: dict[str, Any]) -> None:
    """People read the certificate, not the order."""
    changes = {"approved_by": (world.role_of("P-0417"),)} if "approved_by" in changes else changes
    assert failing(lying(**changes)) == [("binding", "binding-broken")]


def test_a_boast_does_not_hold_though_everybody_signed() -> None:
    """Claims are derived, never asserted."""
    boast = Claim("expunge-rules-1", Level.CLEAR, Outcome.PROVEN, Level.CLEAR, (), ())
    papers = tell(story(failures=LOST, certified=lambda told: replace(told, claim=boast)))
    assert failing(papers) == [("evidence", "claim-boasts")]
    assert report(papers).verdict.exit_code == 7


def test_a_rule_book_that_never_was_does_not_hold() -> None:
    """Nobody cites rules of his own."""
    claim = Claim("house-rules", Level.CLEAR, Outcome.PROVEN, Level.CLEAR, (), ())
    assert failing(lying(claim=claim)) == [("evidence", "rule-book-unknown")]


def test_evidence_that_the_journal_does_not_hold_does_not_hold() -> None:
    """What was journaled before cannot be told better after."""

    def prettier(told: Certificate) -> Certificate:
        (check,) = told.evidence.checks
        assert isinstance(check, FullReadBack)
        clean = replace(check, matched=check.size, mismatched=(), mismatched_size=0)
        seen = replace(told.evidence, checks=(clean,))
        return replace(told, evidence=seen, claim=claims.claim(seen, Level.CLEAR))

    papers = tell(story(differs=(Extent(0, 0, 512),), certified=prettier))
    assert failing(papers) == [("journal", "journal-broken")]


def journal_with(change: Callable[[list[Timed]], list[Timed]]) -> Papers:
    return tell(story(journaled=change))


@pytest.mark.parametrize(
    "change",
    [
        lambda events: events[1:],
        lambda events: events[:-1],
        lambda events: [one for one in events if not isinstance(one[1], Checked)],
        lambda events: [one for one in events if not isinstance(one[1], Recorded)],
        lambda events: [
            (at, replace(e, sequence=2) if at == NOW and hasattr(e, "sequence") else e) for at, e in events
        ],
        lambda events: [(at, Drew(("0" * 64,)) if isinstance(e, Drew) else e) for at, e in events],
        lambda events: [(at - timedelta(hours=9) if isinstance(e, Checked) else at, e) for at, e in events],
        lambda events: [events[0], *events],
        lambda events: [*events[:4], (events[3][0], Drew(("0" * 64,))), *events[4:]],
        lambda events: [*events[:3], *events[4:-1], (events[-2][0], events[3][1]), events[-1]],
        lambda events: [*events[:3], *events[2:]],
        lambda events: [*events[:-1], (events[-2][0], RefusedRun("stopped")), events[-1]],
        lambda events: [*events[:-1], (events[-2][0], Committed("sha256:" + "0" * 64, "0" * 64)), events[-1]],
        lambda events: [(at, Counted((world.role_of("P-0417"),)) if isinstance(e, Counted) else e) for at, e in events],
    ],
    ids=[
        *("no opening", "no conclusion", "no check", "no record", "another run", "another key", "time runs back"),
        *("opened twice", "drawn twice", "drawn too late", "identified twice", "ended before its end"),
        *("a seed too many", "other signers"),
    ],
)
def test_a_journal_that_tells_another_story_does_not_hold(change: Callable[[list[Timed]], list[Timed]]) -> None:
    """The certificate's evidence is rebuilt from it."""
    papers = journal_with(change)
    assert ("journal", "journal-broken") in failing(papers)


def test_a_removed_line_breaks_the_chain() -> None:
    """Each line names the one before."""
    lines = honest().entries[bundle.JOURNAL].splitlines(keepends=True)
    assert ("journal", "journal-broken") in failing(honest().changed(journal=b"".join(lines[:5] + lines[6:])))


def test_an_edited_line_breaks_the_chain() -> None:
    """Also where number and head are as they were."""
    lines = honest().entries[bundle.JOURNAL].splitlines(keepends=True)
    told = decode(lines[1].rstrip(), Entry)
    lines[1] = encode(replace(told, event=Noted("nothing of note"))) + b"\n"
    assert ("journal", "journal-broken") in failing(honest().changed(journal=b"".join(lines)))


def test_another_journal_of_the_same_story_does_not_hold() -> None:
    """Chained anew in full, with other times: the certificate binds one head."""

    def later(events: list[Timed]) -> list[Timed]:
        return [(at + timedelta(seconds=1) if isinstance(e, Advanced) else at, e) for at, e in events]

    other = tell(story(journaled=later)).entries[bundle.JOURNAL]
    assert failing(honest().changed(journal=other)) == [("journal", "journal-broken")]


def test_a_smaller_target_than_ordered_does_not_hold() -> None:
    """Read back whole, of a tenth of the drive."""
    assert ("evidence", "evidence-scope") in failing(evidence(size=4096))


def test_another_target_than_ordered_does_not_hold() -> None:
    """The identity on the open descriptor is the ordered one."""
    other = tuple(replace(f, value="WD-OTHER") if f.name == "serial" else f for f in honest_evidence().before)
    assert ("evidence", "identity-changed") in failing(evidence(before=other, after=other))


def honest_evidence() -> Any:
    return honest_certificate().evidence


# --------------------------------------------------------------------------------------------------- samples


def sample_with(**changes: Any) -> Papers:
    """A host that journals and certifies another sample than the seed gives."""

    def lie(check: Any) -> Any:
        return replace(check, **changes) if isinstance(check, SampledReadBack) else check

    def journaled(events: list[Timed]) -> list[Timed]:
        return [(at, Checked(lie(e.check)) if isinstance(e, Checked) else e) for at, e in events]

    def certified(told: Certificate) -> Certificate:
        seen = replace(told.evidence, checks=tuple(lie(check) for check in told.evidence.checks))
        return replace(told, evidence=seen, claim=claims.claim(seen, Level.CLEAR))

    order = world.order(carriers=(world.carrier(verification=sampled()),))
    return tell(story(order=order, journaled=journaled, certified=certified))


def test_samples_are_recomputed_from_seed_and_pattern() -> None:
    """Positions and digests follow from what the certificate publishes."""
    assert finding(by_sample(), "samples").code == "samples-hold"
    assert "459 of 244,190,646" in finding(by_sample(), "samples").tell()


@pytest.mark.parametrize(
    "changes",
    [{"samples": "sha256:" + "0" * 64}, {"read": 500}],
    ids=["other digests", "other blocks"],
)
def test_samples_that_the_seed_does_not_give_do_not_hold(changes: dict[str, Any]) -> None:
    """A host cannot choose where it is looked at."""
    assert failing(sample_with(**changes)) == [("samples", "samples-wrong")]


def test_a_seed_without_the_registry_says_so() -> None:
    """Positions that this host alone chose are worth less, and the sentence says it."""
    order = world.order(carriers=(world.carrier(verification=sampled()),))
    papers = tell(story(order=order, nonce=False))
    assert finding(papers, "samples").code == "samples-hold-local"
    assert report(papers).verdict.exit_code == 0


def test_a_nonce_for_another_commitment_does_not_hold() -> None:
    """The registry answered once, to this host's word given after its last write."""

    def lie(told: Certificate) -> Certificate:
        (check,) = told.evidence.checks
        assert isinstance(check, SampledReadBack)
        local = world.secret("a seed that pleases")
        seed = replace(check.seed, local=local.hex(), commitment=digest(local))
        return replace(told, evidence=replace(told.evidence, checks=(replace(check, seed=seed),)))

    order = world.order(carriers=(world.carrier(verification=sampled()),))
    assert ("samples", "samples-wrong") in failing(tell(story(order=order, certified=lie)))


def by_sample_with(**changes: Any) -> Papers:
    order = world.order(carriers=(world.carrier(verification=sampled()),))
    return tell(story(order=order, **changes))


@pytest.mark.parametrize("changes", [{"commitment": "sha256:" + "0" * 64}, {"journal_head": "sha256:" + "0" * 64}])
def test_a_nonce_that_answers_something_else_does_not_hold(changes: dict[str, str]) -> None:
    """It is bound to this host's commitment, and to the journal that held it."""
    papers = by_sample_with(answered=lambda nonce: replace(nonce, **changes))
    assert failing(papers) == [("samples", "binding-broken")]


def test_a_commitment_to_another_seed_does_not_hold() -> None:
    """Or a host could commit to anything and choose its seed when it knows the nonce."""
    other = "sha256:" + "0" * 64

    def journaled(events: list[Timed]) -> list[Timed]:
        made = [(at, replace(e, commitment=other) if isinstance(e, Committed) else e) for at, e in events]
        return [(at, Checked(lie(e.check)) if isinstance(e, Checked) else e) for at, e in made]

    def lie(check: Any) -> Any:
        return replace(check, seed=replace(check.seed, commitment=other))

    def certified(told: Certificate) -> Certificate:
        return replace(told, evidence=replace(told.evidence, checks=tuple(map(lie, told.evidence.checks))))

    answered = {"answered": lambda nonce: replace(nonce, commitment=other)}
    papers = by_sample_with(journaled=journaled, certified=certified, **answered)
    assert failing(papers) == [("samples", "samples-wrong")]


def test_a_pass_after_the_commitment_does_not_hold() -> None:
    """Who knows the positions must not write any more."""

    def late(events: list[Timed]) -> list[Timed]:
        record = next(one for one in events if isinstance(one[1], Recorded))
        rest = [one for one in events if one is not record]
        at = next(i for i, one in enumerate(rest) if isinstance(one[1], Checked))
        return [*rest[:at], (rest[at][0], record[1]), *rest[at:]]

    order = world.order(carriers=(world.carrier(verification=sampled()),))
    assert ("samples", "samples-wrong") in failing(tell(story(order=order, journaled=late, nonce=False)))


# ------------------------------------------------------------------------------------------- orders and people


def order_story(**changes: Any) -> Papers:
    return tell(story(order=world.order(**changes)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": NOW}, "order-expired"),
        ({"issued_at": NOW + timedelta(seconds=1)}, "order-not-yet-valid"),
        ({"not_after": NOW}, "order-window"),
        ({"retention": replace(world.order().retention, due="2026-12-01")}, "retention-not-ended"),
        ({"validator": "P-0417"}, "roles-not-distinct"),
        ({"persons": world.order().persons[:2] + world.order().persons[3:]}, "rule-not-met"),
        ({"witnesses": ("P-0311",)}, "witnesses-missing"),
        ({"approval": ApprovalDocument("31", "财政局", "2026-11-16", 100)}, "authority-exceeded"),
        ({"assets": (world.ASSET, replace(world.ASSET, card="ZC-2"))}, "order-inconsistent"),
    ],
)
def test_an_order_that_the_agent_should_have_refused_does_not_hold(changes: dict[str, Any], code: str) -> None:
    """The rules are counted again, at the instant of the start."""
    papers = order_story(**changes)
    assert ("order", code) in failing(papers)


def test_a_signature_short_does_not_hold() -> None:
    """Being named is not having signed."""
    order = seal(world.order(), "P-0101", "P-0417", "P-0102")
    assert ("order", "rule-not-met") in failing(honest().changed(order=order))


def test_a_certificate_without_the_hosts_signature_does_not_hold() -> None:
    """People saw it; the host did it."""
    told = certificate_of(honest().entries)[0]
    certificate = seal(told, "P-0230", "P-0311", "P-0729")
    assert ("certificate", "signature-missing") in failing(honest().changed(certificate=certificate))


def test_a_certificate_that_leaves_a_witness_out_does_not_hold() -> None:
    """The order says who signs, not the host."""
    papers = tell(story(signers=("P-0230", "P-0311"), certified=lambda told: replace(told, persons=told.persons[:2])))
    assert ("certificate", "binding-broken") in failing(papers)


def test_a_hold_state_from_after_the_start_does_not_hold() -> None:
    """Looked up when it was too late."""
    state = world.hold_state(as_of=NOW + timedelta(seconds=1))
    papers = tell(story(started=lambda start: replace(start, hold_state=digest(state))))
    assert ("hold", "binding-broken") in failing(papers.changed(hold_state=seal(state, world.registry())))


SELECTOR = Selector("C-1", "5" * 64, PathSelector("/srv/names.sqlite", "6" * 64))


def disclosed(disclosure: str, selector: Selector) -> Papers:
    """A run whose order binds `SELECTOR`; its bundle holds `selector`."""
    bound = SelectorCommitment(commitment(SELECTOR), 1, 4096)
    carrier = world.carrier(selector=bound, disclosure=disclosure)
    papers = tell(story(order=world.order(carriers=(carrier,))))
    return replace(papers, entries={**papers.entries, bundle.SELECTOR: encode(selector)})


def test_a_selector_is_there_only_where_the_order_discloses_names() -> None:
    """Evidence must not leak what was destroyed."""
    assert report(disclosed("names", SELECTOR)).verdict.exit_code == 0
    assert failing(disclosed("none", SELECTOR)) == [("binding", "binding-broken")]


@pytest.mark.parametrize("changes", [{"salt": "7" * 64}, {"carrier": "C-2"}], ids=["salt", "carrier"])
def test_another_selector_than_the_approvers_saw_does_not_hold(changes: dict[str, Any]) -> None:
    """The order commits to one."""
    assert failing(disclosed("names", replace(SELECTOR, **changes))) == [("binding", "selector-mismatch")]


def test_a_start_that_opened_another_selector_does_not_hold() -> None:
    """What was destroyed is what was selected."""
    papers = tell(story(started=lambda start: replace(start, selector="sha256:" + "0" * 64)))
    assert ("start", "binding-broken") in failing(papers)


def test_another_executors_start_does_not_hold() -> None:
    """The order names who carries it out."""
    ring = world.keyring()
    persons = tuple(
        replace(p, keys=(PersonKey(p.keys[0].key, (Role.EXECUTOR, Role.AUDITOR)),)) if p.id == "P-0900" else p
        for p in ring.persons
    )

    def other(start: Start) -> Start:
        return replace(start, persons=(replace(start.persons[0], id="P-0900"),))

    papers = tell(story(ring=replace(ring, persons=persons), started=other))
    assert ("start", "executor-not-named") in failing(papers)


def test_a_start_on_another_host_does_not_hold() -> None:
    """The order names the hosts."""
    carrier = world.carrier(hosts=("sha256:" + "0" * 64,))
    assert ("start", "order-other-host") in failing(order_story(carriers=(carrier,)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("everything", "*"), ("order", "2026-0117"), ("asset", "ZC-2019-00431"), ("serial", "WD-WX11A123")],
)
def test_a_hold_that_was_overrun_is_found(kind: Any, value: str) -> None:
    """The host says that it looked; here is what it should have seen."""
    hold = Hold("H-1", (HoldScope(kind, value),), "诉讼", "法院", NOW - timedelta(days=1), ())
    state = world.hold_state(hold)
    papers = honest().changed(hold_state=seal(state, world.registry()))
    assert ("hold", "binding-broken") in failing(papers)
    bound = tell(story(started=lambda start: replace(start, hold_state=digest(state))))
    assert ("hold", "on-hold") in failing(bound.changed(hold_state=seal(state, world.registry())))


def test_a_key_revoked_before_the_act_by_a_later_keyring_does_not_count() -> None:
    """A theft is often noticed after its use."""
    ring = world.keyring()
    stolen = world.public(world.signer("P-0588"), revoked_at=NOW - timedelta(days=1))
    persons = tuple(
        replace(p, keys=(PersonKey(stolen, (Role.APPROVER,)),)) if p.id == "P-0588" else p for p in ring.persons
    )
    later = world.next_keyring(ring, persons=persons, issued_at=NOW + timedelta(days=3))
    rings = (world.seal_keyring(ring), world.seal_keyring(later))
    assert ("order", "key-not-valid") in failing(tell(story(rings=rings)))


def test_a_newer_keyring_that_the_host_did_not_use_is_told() -> None:
    """It may not have had it yet; the reader should know."""
    ring = world.keyring()
    rings = (world.seal_keyring(ring), world.seal_keyring(world.next_keyring(ring)))
    told = report(tell(story(rings=rings)))
    assert [one.code for one in told.findings if one.name == "keyring"] == ["keyring-holds", "keyring-newer"]
    assert told.verdict.exit_code == 0


# ------------------------------------------------------------------------------------------------------ medium


def reread(**changes: Any) -> Callable[[Certificate], FullReadBack]:
    def read(told: Certificate) -> FullReadBack:
        (check,) = told.evidence.checks
        assert isinstance(check, FullReadBack)
        return replace(check, **changes)

    return read


def test_a_medium_that_still_holds_the_pattern_is_told() -> None:
    """The strongest check there is, years later."""
    told = audit(honest().packed, honest().trust, reread=reread())
    assert told.findings[-1].code == "medium-matches"
    assert told.verdict.exit_code == 0


def test_a_medium_that_differs_is_told_and_not_proven() -> None:
    """It may have been used since; that is for a person to find out."""
    told = audit(honest().packed, honest().trust, reread=reread(matched=0, mismatched_size=1_000_204_886_016))
    assert (told.findings[-1].code, told.verdict.exit_code) == ("medium-differs", 5)


# --------------------------------------------------------------------------------------------------- many runs


def reports(*sequences: int) -> tuple[Report, ...]:
    return tuple(report(tell(story(sequence=number))) for number in sequences)


def codes(told: Any) -> list[str]:
    return [one.code for one in told.runs]


def test_a_deleted_run_shows_as_a_gap() -> None:
    """Host sequence numbers rise by one, refused runs included."""
    told = audit_all(reports(1, 2, 5), (), is_complete=True)
    assert codes(told) == ["runs-missing"]
    assert "3-4" in told.runs[0].tell()
    assert codes(audit_all(reports(2, 1), (), is_complete=True)) == ["runs-complete"]


def test_a_journal_beside_the_bundles_fills_the_gap() -> None:
    """A refused run has a journal and no certificate."""
    journal = tell(story(sequence=2)).entries[bundle.JOURNAL]
    told = audit_all(reports(1, 3), (("00000002.jsonl", journal),), is_complete=True)
    assert codes(told) == ["runs-complete"]


def test_journals_that_do_not_chain_are_found() -> None:
    """Each run opens with the end of the one before."""
    first = tell(story(sequence=1)).entries[bundle.JOURNAL]
    end = digest(first.splitlines()[-1])
    good = tell(story(sequence=2, previous=end)).entries[bundle.JOURNAL]
    bad = tell(story(sequence=2)).entries[bundle.JOURNAL]
    assert codes(audit_all((), (("1", first), ("2", good)), is_complete=True)) == ["runs-complete", "runs-chained"]
    told = audit_all((), (("1", first), ("2", bad)), is_complete=True)
    assert (told.runs[-1].code, told.verdict.exit_code) == ("journal-broken", 7)


def test_one_run_with_two_certificates_is_an_incident() -> None:
    """A host that was restored from a backup does what it did before, differently."""
    other = report(lying(limits=("none",)))
    told = audit_all((*reports(1), other), (), is_complete=True)
    assert (told.runs[0].code, told.verdict.exit_code) == ("run-twice", 7)


def test_one_certificate_in_two_files_is_told() -> None:
    """A copy is no incident, and no second destruction either."""
    assert codes(audit_all(reports(1, 1), (), is_complete=True)) == ["certificate-twice", "runs-complete"]


def test_the_worst_bundle_decides() -> None:
    """A folder is proven when everything in it is."""
    unproven = report(tell(story(sequence=2, unread=LOST)))
    assert audit_all((*reports(1), unproven), (), is_complete=True).verdict.exit_code == 5


def test_findings_keep_nothing_that_could_steer_a_terminal() -> None:
    """Text in a stranger's document is shown, never obeyed."""
    order = world.order(id="A-1")
    papers = tell(story(order=order))
    told = unwrap(papers.entries[bundle.VALIDATION])
    assert b"\x1b" not in told.payload
    nasty = world.validation(certificate_of(papers.entries)[1], NOW + timedelta(hours=9))
    envelope = seal(replace(nasty, reason="fine\n\u202e\t[exit 0]"), "P-0640")
    assert finding(papers.changed(validation=envelope), "validation").tell().isprintable()


def test_passes_are_of_the_ordered_pattern_kind_only_where_the_order_says() -> None:
    """An order that wants random-1 is not met by zeros."""
    papers = tell(story(pattern=ConstantPattern("00")))
    assert failing(papers) == [("binding", "binding-broken")]
    assert any(isinstance(record, OverwriteRecord) for record in honest_evidence().records)
