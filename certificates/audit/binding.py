"""The certificate binds what is in the bundle, and repeats truly what order and keyring say: people read only it."""

from __future__ import annotations

from certificates import bundle
from certificates.answers import Pairs, check_answers, check_pairs
from certificates.approval import paper_of
from certificates.audit.documents import signers_of
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, holds
from certificates.encoding import decode, digest
from certificates.errors import Untrusted
from certificates.selectors import commitment
from certificates.statements import Certificate, Participant, Selector


def check_binding(case: Dossier) -> Finding:
    """Every digest in the certificate is that of the document in the bundle, and it repeats the others truly."""
    told = case.certificate.statement
    check_pairs(_of_documents(case, told))
    check_answers(told, case.order.statement, case.carrier)
    check_pairs(_of_keyring(case, told))
    _check_people(case, told.participants)
    _check_files(case, told)
    _check_selector(case)
    return holds("binding", Basis.RECOMPUTABLE, "binding-holds", files=len(told.binding.evidence_files))


def _of_documents(case: Dossier, told: Certificate) -> Pairs:
    binding, start, order = told.binding, case.start.statement, case.order
    return {
        "order": (binding.order, order.digest),
        "selector": (binding.selector, start.selector),
        "keyring": (binding.keyring, start.keyring),
        "keyring_version": (binding.keyring_version, start.keyring_version),
        "hold_state": (binding.hold_state, start.hold_state),
        "start": (binding.start, case.start.digest),
        "plan": (binding.plan, start.plan),
        "journal_sequence": (binding.journal_sequence, start.sequence),
        "host": (told.host, start.host),
        "started_at": (start.started_at <= told.started_at <= told.ended_at <= told.issued_at, True),
    }


def _of_keyring(case: Dossier, told: Certificate) -> Pairs:
    keyring, order = case.keyring, case.order.statement
    signers = signers_of(case.order)
    host = next((host.name for host in keyring.hosts if host.key.id == told.host), None)
    return {
        "approved_by": (set(told.approved_by), set(signers)),
        "paper": (told.paper, paper_of(keyring, order, case.carrier, signers)),
        "medium.host_name": (told.medium.host_name, host),
    }


def _check_people(case: Dossier, participants: tuple[Participant, ...]) -> None:
    """Names and titles are the keyring's; whom it does not list has no more than the id."""
    known = {person.id: (person.name, person.title, person.unit, person.contact) for person in case.keyring.persons}
    for one in participants:
        if (one.name, one.title, one.unit, one.contact) != known.get(one.person, (one.person, "", "", None)):
            raise Untrusted("binding-broken", document="certificate", field="participants")


def _check_files(case: Dossier, told: Certificate) -> None:
    found = {name: (digest(data), len(data)) for name, data in bundle.evidence(case.entries).items()}
    if found != {file.name: (file.digest, file.size) for file in told.binding.evidence_files}:
        raise Untrusted("binding-broken", document="certificate", field="evidence_files")
    digests = {file.digest for file in told.binding.evidence_files}
    for check in told.evidence.checks:
        for field in ("extents", "raw", "located"):
            named = getattr(check, field, None)
            if named is not None and named not in digests:
                raise Untrusted("binding-broken", document="evidence", field=field)


def _check_selector(case: Dossier) -> None:
    """A selector is there only where the order discloses names, and is the one that approvers saw."""
    data = case.entries.get(bundle.SELECTOR)
    if data is None:
        return
    bound = case.carrier.selector
    if case.carrier.disclosure != "names" or bound is None:
        raise Untrusted("binding-broken", document="selector", field="disclosure")
    selector = decode(data, Selector)
    if selector.carrier != case.carrier.id or commitment(selector) != bound.commitment:
        raise Untrusted("selector-mismatch", carrier=case.carrier.id)
