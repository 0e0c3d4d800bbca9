"""What a drive holds beyond the bytes that a host can address: reckoned from its own numbers, unknown where they cannot
be true. Two published burns: "real maximum 1" taken for a hidden area of minus the whole drive, and of all of it."""

from __future__ import annotations

from dataclasses import dataclass

from certificates.statements import Fact, Residual

LARGEST = 1 << 50
"""Bytes that no drive has: a petabyte. Registers full of ones would be 128."""
SATURATED = 1 << 28
"""Sectors at which a 28-bit address stops counting."""
FEWEST = 2
"""Native sizes of 0 or 1 sectors come from empty registers, never from a drive."""

Amount = int | None
"""Bytes; none: unknown. 0 is known to be nothing."""


@dataclass(frozen=True, slots=True)
class AtaSizes:
    """The sizes that an ATA drive reports, in sectors; each none where it was asked and gave nothing sound."""

    sector_size: int
    """Bytes of a sector."""
    current: int
    """Sectors that it lets its host address."""
    has_hpa: bool = False
    """Whether it says that it has the Host Protected Area feature set."""
    native: int | None = None
    """Sectors without the Host Protected Area."""
    is_native_saturated: bool = False
    """Whether the native size was asked for with a 28-bit command."""
    has_dco: bool = False
    """Whether it says that it has the Device Configuration Overlay feature set."""
    configured: int | None = None
    """Sectors without the overlay."""
    has_ama: bool = False
    """Whether it says that it has the Accessible Max Address feature set."""
    accessible: int | None = None
    """Sectors whatever accessible maximum is set."""
    seen: int | None = None
    """Bytes that the kernel addresses through whatever stands before the drive; none where it was not compared."""


@dataclass(frozen=True, slots=True)
class Unattached:
    """A namespace that no device of this host shows."""

    id: int
    """Namespace identifier."""
    size: int | None
    """Bytes; none where the controller does not say."""


@dataclass(frozen=True, slots=True)
class HiddenAreas:
    """What lies beyond the bytes that a host can address."""

    hpa: Amount = 0
    """Host Protected Area."""
    dco: Amount = 0
    """Device Configuration Overlay."""
    ama: Amount = 0
    """Accessible Max Address Configuration."""
    bridge: Amount = 0
    """What stands between the host and the drive and keeps some of it for itself."""
    unattached: tuple[Unattached, ...] | None = ()
    """Namespaces of the drive that this controller does not show; none: unknown."""
    rpmb: int = 0
    """Bytes in replay-protected memory blocks."""
    boot_partitions: Amount = 0
    """Bytes in a controller's boot partitions."""
    unallocated: Amount = 0
    """Bytes of a drive that are in no namespace."""

    @property
    def total(self) -> Amount:
        """Bytes that an ATA drive hides at its end; none as soon as one part is unknown."""
        parts = (self.hpa, self.dco, self.ama, self.bridge)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def residuals(self) -> tuple[Residual, ...]:
        """What an overwrite of everything addressable does not reach."""
        return (*self._hidden, *self._beside)

    @property
    def _hidden(self) -> tuple[Residual, ...]:
        known = sum(part for part in (self.hpa, self.dco, self.ama, self.bridge) if part)
        some = (Residual("hidden-area", known),) if known else ()
        is_known = self.total is not None and self.unattached is not None
        return some if is_known else (*some, Residual("hidden-area-unknown"))

    @property
    def _beside(self) -> tuple[Residual, ...]:
        found: list[Residual] = []
        if self.unattached:
            found.append(Residual("unattached-namespaces", len(self.unattached)))
        if self.rpmb:
            found.append(Residual("rpmb", self.rpmb))
        if self.boot_partitions:
            found.append(Residual("boot-partitions", self.boot_partitions))
        if self.unallocated:
            found.append(Residual("unallocated-capacity", self.unallocated))
        return tuple(found)


UNKNOWN = HiddenAreas(hpa=None, dco=None, ama=None)
"""A drive that could not be asked."""


def of_ata(sizes: AtaSizes) -> HiddenAreas:
    """What an ATA drive hides at the end of its addresses, each part beyond those before it."""
    native = _sound(sizes, sizes.native, sizes.current)
    if sizes.is_native_saturated and sizes.native is not None and sizes.native >= SATURATED - 1:
        native = None
    accessible = _sound(sizes, sizes.accessible, sizes.current)
    visible = max(native or 0, sizes.current)
    reached = max(accessible or 0, visible)
    configured = _sound(sizes, sizes.configured, reached)
    return HiddenAreas(
        hpa=_beyond(sizes, native, sizes.current) if sizes.has_hpa else 0,
        ama=_beyond(sizes, accessible, visible) if sizes.has_ama else 0,
        dco=_beyond(sizes, configured, reached) if sizes.has_dco else 0,
        bridge=_kept_by_bridge(sizes),
    )


def _sound(sizes: AtaSizes, sectors: int | None, least: int) -> int | None:
    """The number of sectors, where a drive of that current size can have it."""
    if sectors is None or sectors < max(least, FEWEST) or sectors * sizes.sector_size > LARGEST:
        return None
    return sectors


def _beyond(sizes: AtaSizes, sectors: int | None, reached: int) -> Amount:
    return None if sectors is None else max(0, sectors - reached) * sizes.sector_size


def _kept_by_bridge(sizes: AtaSizes) -> Amount:
    """A kernel that sees more than the drive has sees several drives, or something else."""
    if sizes.seen is None:
        return 0
    kept = sizes.current * sizes.sector_size - sizes.seen
    return kept if 0 <= kept <= LARGEST else None


def ata_facts(areas: HiddenAreas) -> tuple[Fact, ...]:
    """Hidden areas of an ATA drive, for people: bytes, `none` or `unknown`."""
    parts = (("hpa", areas.hpa), ("dco", areas.dco), ("accessible-max-address", areas.ama), ("bridge", areas.bridge))
    return tuple(
        Fact(f"hidden-{name}", _words(part)) for name, part in parts if name != "bridge" or part is None or part > 0
    )


def nvme_facts(areas: HiddenAreas) -> tuple[Fact, ...]:
    """What an NVMe drive holds beside its active namespaces, for people: bytes, `none` or `unknown`."""
    found = areas.unattached
    names = "unknown" if found is None else " ".join(_named(one) for one in found) or "none"
    return (
        Fact("namespaces-unattached", names[:2000]),
        Fact("rpmb", _words(areas.rpmb)),
        Fact("boot-partitions", _words(areas.boot_partitions)),
        Fact("namespaces-unallocated", _words(areas.unallocated)),
    )


def _named(one: Unattached) -> str:
    return f"{one.id}:{'unknown' if one.size is None else one.size}"


def _words(amount: Amount) -> str:
    return "unknown" if amount is None else str(amount) if amount else "none"
