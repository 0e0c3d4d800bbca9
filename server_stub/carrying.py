"""Documents carried in by hand, out of a site that no network reaches: bundles, or single sealed documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from certificates import bundle
from certificates.encoding import decode
from certificates.envelope import kind_of, unwrap
from certificates.errors import Untrusted
from certificates.statements import Certificate
from server_stub.keyrings import cited
from server_stub.records import MOST
from server_stub.service import Registry


@dataclass(frozen=True, slots=True)
class Carried:
    """One document that was taken in."""

    kind: str
    digest: str
    is_new: bool
    receipt: str | None = None
    """What to carry back, for a certificate or validation."""


def take_in(registry: Registry, content: bytes) -> tuple[Carried, ...]:
    """Every document in a bundle, or the one sealed document; raises as if each had been posted."""
    if content.startswith(b"PK"):
        return tuple(_take_bundle(registry, bundle.unpack(content)))
    kind = kind_of(unwrap(content, MOST))
    take = _takers(registry).get(kind)
    if take is None:
        raise Untrusted("document-wrong-kind", found=kind, expected="document that a registry takes")
    return (take(content),)


def _take_bundle(registry: Registry, entries: dict[str, bytes]) -> Iterator[Carried]:
    """The order first, so that the certificate is held against it; keyrings only ever come by `keyring import`."""
    certificate = entries[bundle.CERTIFICATE]
    binding = decode(unwrap(certificate, MOST).payload, Certificate).binding
    keyring = cited(registry.keyrings.chain(), binding.keyring, binding.keyring_version)
    yield Carried("order", *registry.orders.accept_carried(entries[bundle.ORDER], keyring))
    takers = _takers(registry)
    yield takers["certificate"](certificate)
    if bundle.VALIDATION in entries:
        yield takers["validation"](entries[bundle.VALIDATION])


def _takers(registry: Registry) -> dict[str, Callable[[bytes], Carried]]:
    def certificate(content: bytes) -> Carried:
        registered = registry.records.accept_certificate(content)
        return Carried("certificate", registered.digest, registered.is_new, registered.receipt)

    def validation(content: bytes) -> Carried:
        registered = registry.records.accept_validation(content)
        return Carried("validation", registered.digest, registered.is_new, registered.receipt)

    return {
        "order": lambda content: Carried("order", *registry.orders.accept(content)),
        "hold": lambda content: Carried("hold", *registry.holds.accept(content)),
        "hold-lift": lambda content: Carried("hold-lift", *registry.holds.lift(content)),
        "certificate": certificate,
        "validation": validation,
    }
