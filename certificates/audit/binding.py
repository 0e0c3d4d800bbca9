"""The certificate binds what is in the bundle, and repeats truly what order and keyring say: people read only it."""

from __future__ import annotations

from collections.abc import Mapping

from certificates import bundle
from certificates.audit.documents import signers_of
from certificates.audit.dossier import Dossier
from certificates.audit.findings import Basis, Finding, holds
from certificates.encoding import decode, digest
from certificates.errors import Untrusted
from certificates.keyring import highest_grade
from certificates.selectors import commitment
from certificates.statements import Certificate, DeviceIdentity, LuksIdentity, Participant, Selector

Pairs = Mapping[str, tuple[object, object]]
"""Field -> (what the certificate says, what it has to say)."""


def check_binding(case: Dossier) -> Finding:
    """Every digest in the certificate is that of the document in the bundle, and it repeats the others truly."""
    told = case.certificate.statement
    for pairs in (_of_documents(case, told), _of_order(case, told), _of_medium(case, told)):
        for field, (found, wanted) in pairs.items():
            if found != wanted:
                raise Untrusted("binding-broken", document="certificate", field=field)
    _check_people(case, told.participants)
    _check_files(case, told)
    _check_selector(case)
    return holds("binding", Basis.RECOMPUTABLE, "binding-holds", files=len(told.binding.evidence_files))


def _of_documents(case: Dossier, told: Certificate) -> Pairs:
    binding, start, order = told.binding, case.start.statement, case.order
    return {
        "order": (binding.order, order.digest),
        "order_id": (binding.order_id, order.statement.id),
        "order_version": (binding.order_version, order.statement.version),
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


def _of_order(case: Dossier, told: Certificate) -> Pairs:
    order, carrier, evidence = case.order.statement, case.carrier, told.evidence
    return {
        "carrier": (told.carrier, carrier.id),
        "carrier_label": (told.carrier_label, carrier.label),
        "unit": (told.unit, order.unit),
        "assets": (set(told.assets), {asset for asset in order.assets if asset.card in carrier.assets}),
        "grade": (told.grade, highest_grade(order, carrier)),
        "level": (told.applied.level, carrier.level),
        "claim.ordered": (told.claim.ordered, carrier.level),
        "verification": (told.applied.verification, carrier.verification),
        "destination": (told.destination, carrier.destination),
        "otherwise": (told.otherwise, carrier.otherwise),
        "keep_until": (told.keep_until, order.keep_until),
        "approved_by": (set(told.approved_by), set(signers_of(case.order))),
        "evidence.kind": (evidence.kind, carrier.identity.kind),
        "evidence.destroy": (evidence.destroy, carrier.destroy),
        "evidence.copies": (evidence.copies, carrier.copies),
        "evidence.crypto_erase": (evidence.crypto_erase, carrier.crypto_erase),
        "evidence.technique": (evidence.technique, carrier.technique or evidence.technique),
        "technique": (told.applied.technique, evidence.technique),
    }


def _of_medium(case: Dossier, told: Certificate) -> Pairs:
    carrier, medium = case.carrier, told.medium
    host = next((host.name for host in case.keyring.hosts if host.key.id == told.host), None)
    pairs: dict[str, tuple[object, object]] = {
        "medium.property_number": (medium.property_number, carrier.card),
        "medium.source": (medium.source, carrier.chassis),
        "medium.host_name": (medium.host_name, host),
    }
    identity = carrier.identity.container if isinstance(carrier.identity, LuksIdentity) else carrier.identity
    if isinstance(identity, DeviceIdentity):
        said = (medium.manufacturer, medium.model, medium.serial)
        pairs["medium"] = (said, (identity.vendor, identity.model, identity.serial))
    return pairs


def _check_people(case: Dossier, participants: tuple[Participant, ...]) -> None:
    """Names and titles are the keyring's."""
    known = {person.id: (person.name, person.title, person.unit) for person in case.keyring.persons}
    for one in participants:
        if (one.name, one.title, one.unit) != known.get(one.person, (one.name, one.title, one.unit)):
            raise Untrusted("binding-broken", document="certificate", field="participants")


def _check_files(case: Dossier, told: Certificate) -> None:
    found = {name: (digest(data), len(data)) for name, data in bundle.evidence(case.entries).items()}
    if found != {file.name: (file.digest, file.size) for file in told.binding.evidence_files}:
        raise Untrusted("binding-broken", document="certificate", field="evidence_files")
    digests = {file.digest for file in told.binding.evidence_files}
    for check in told.evidence.checks:
        extents = getattr(check, "extents", None)
        if extents is not None and extents not in digests:
            raise Untrusted("binding-broken", document="evidence", field="extents")


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
