"""What a page about one carrier is made of: the documents of its bundle, found to agree with each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from certificates import bundle, notes
from certificates.audit.acts import check_acts, check_hunts
from certificates.audit.binding import check_binding
from certificates.audit.dossier import Broken, Dossier
from certificates.audit.profiles import profiles_in
from certificates.audit.records import check_claim, check_journal
from certificates.encoding import digest
from certificates.envelope import Sealed, unwrap
from certificates.errors import Untrusted
from certificates.keyring import HOST
from certificates.statements import Certificate, Entry, Order, Outcome, PersonRole, SpeedProfile, Validation
from certificates.trust import Trust


@dataclass(frozen=True, slots=True)
class Page:
    """One carrier's documents, as a page shows them."""

    certificate: Sealed[Certificate]
    """The certificate, every signature on it holding."""
    order: Order
    """The order that it carries out."""
    validation: Validation | None
    """The validator's decision."""
    entry: tuple[str, int] | None
    """Log's name and entry number counted from 1, as the receipt says; the receipt's proof is the audit's concern."""
    journal: tuple[Entry, ...]
    """The run's journal."""
    profiles: tuple[SpeedProfile, ...] = ()
    """How fast the steps went, where that was measured."""

    @property
    def told(self) -> Certificate:
        """What the certificate says."""
        return self.certificate.statement

    @property
    def speeds(self) -> tuple[SpeedProfile, ...]:
        """Return the profiles that a page shows: of the last overwrite, and of the last read-back."""
        last = {one.act: one for one in self.profiles if one.average}
        return tuple(last[act] for act in ("overwrite", "read-back") if act in last)

    @property
    def is_proven(self) -> bool:
        """Tell whether the ordered level is proven: only then is this a certificate of destruction."""
        return self.told.claim.outcome is Outcome.PROVEN

    @property
    def signed(self) -> frozenset[str]:
        """Ids of the persons who signed."""
        return frozenset(s.signer.id for s in self.certificate.signatures if isinstance(s.signer, PersonRole))

    @property
    def missing(self) -> tuple[PersonRole, ...]:
        """Persons who must sign and have not."""
        return tuple(person for person in self.told.persons if person.id not in self.signed)


def page_of(entries: Mapping[str, bytes]) -> Page:
    """Return the page of a bundle whose documents hold together; raises Untrusted.

    No anchor is asked for: the documents agree; whether anyone should trust them is for `audit` to say.
    """
    root = unwrap(entries[bundle.keyring_name(1)], 4 << 20).digest
    try:
        return _read(Dossier(dict(entries), Trust((root,), ())))
    except Broken as broken:
        raise broken.error from broken


def _read(case: Dossier) -> Page:
    sealed = case.certificate
    check_binding(case)
    if not any(signature.signer == HOST for signature in sealed.signatures):
        raise Untrusted("signature-missing", who="host")
    check_journal(case)
    check_acts(case)
    check_hunts(case)
    check_claim(case)
    return Page(
        certificate=sealed,
        order=case.order.statement,
        validation=case.validation.statement if case.validation else None,
        entry=_entry(case.entries),
        journal=tuple(entry for entry, _ in case.journal),
        profiles=profiles_in(bundle.evidence(case.entries), sealed.statement.evidence),
    )


def _entry(entries: Mapping[str, bytes]) -> tuple[str, int] | None:
    data = entries.get(bundle.RECEIPT)
    if data is None:
        return None
    proof = notes.parse_proof(data.decode("utf-8", "replace"))
    return notes.parse_checkpoint(proof.checkpoint).origin, proof.index + 1


def envelope_digest(page: Page) -> str:
    """Return the digest of the certificate's envelope: with the payload's, what the log's leaf is made of."""
    return digest(page.certificate.envelope)
