"""What an agent leaves behind, an auditor finds in order: every kind of carrier, read back whole or by sample."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from certificates import bundle
from certificates.audit import Report, Sign, audit
from certificates.render.html import render_html
from certificates.render.page import page_of
from certificates.render.text import render_text
from certificates.selectors import commitment
from certificates.statements import (
    Carrier,
    DatabaseIdentity,
    DeviceIdentity,
    Fact,
    FilesIdentity,
    FilesSelector,
    FullVerification,
    ImageIdentity,
    Kind,
    LuksIdentity,
    Media,
    PathSelector,
    SampledVerification,
    Selector,
    SelectorCommitment,
    Verification,
    VolumeIdentity,
)
from tests.support import world
from tests.support.agent_site import Agent, approved, order, ring_without_witnesses
from tests.support.simulated_host import Lies, Simulated, SimulatedHost

UUID = "01234567-89ab-cdef-0123-456789abcdef"
SIZES = {"files": (4096, 12288, 8192), "luks": (1 << 20,)}
DRIVE = DeviceIdentity("ATA", "SIMULATED", "C-1", None, 65536)
IDENTITIES = {
    "device": DRIVE,
    "image": ImageIdentity(UUID, 12, 65536, attached=True),
    "volume": VolumeIdentity("partition", UUID, 1 << 20, 65536, (DRIVE,)),
    "files": FilesIdentity(UUID, 2, 1, 9, 1 << 20),
    "database": DatabaseIdentity("sqlite", UUID, 13, "database", 1, 9),
    "luks": LuksIdentity(UUID, ImageIdentity(UUID, 14, 1 << 20, attached=True)),
}
PLACE = Fact("filesystem", UUID)
FACTS = {
    "device": (Fact("vendor", "ATA"), Fact("model", "SIMULATED"), Fact("wwn", "")),
    "image": (PLACE, Fact("inode", "12"), Fact("attached", "true")),
    "volume": VolumeIdentity("partition", UUID, 1 << 20, 65536, (DRIVE,)).facts,
    "files": (PLACE, Fact("parent-inode", "2")),
    "database": (PLACE, Fact("inode", "13")),
    "luks": (PLACE, Fact("inode", "14"), Fact("attached", "true")),
}
SECRET = "/srv/secret-plans"
SELECTORS: dict[str, FilesSelector | PathSelector] = {
    "files": FilesSelector(SECRET, ("merger",), "0" * 64),
    "database": PathSelector(SECRET + "/names.sqlite", "0" * 64),
}

WAYS = [FullVerification(), SampledVerification(990_000, 50_000)]


def run(folder: Path, kind: Kind, verification: Verification, lies: Lies | None = None) -> tuple[Agent, bytes]:
    """A run to its end; the bundle that it left."""
    header = 1 << 16 if kind == "luks" else 0
    media = Media.OPAQUE if kind in ("image", "luks") else Media.MAGNETIC
    thing = Simulated(kind, SIZES.get(kind, (65536,)), header, media, "C-1", lies or Lies(), more=FACTS[kind])
    desk = Agent(folder, SimulatedHost({"C-1": (thing,)}), ring=ring_without_witnesses())
    made, selectors = _carrier(kind, verification)
    results = desk.run(approved(order(made, witnesses=())), selectors=selectors)
    assert results[0].bundle is not None, results
    return desk, results[0].bundle.read_bytes()


def _carrier(kind: Kind, verification: Verification) -> tuple[Carrier, dict[str, Selector]]:
    changes: dict[str, Any] = {"technique": None, "verification": verification, "identity": IDENTITIES[kind]}
    selectors = {}
    if kind in SELECTORS:
        selector = Selector("C-1", "5" * 64, SELECTORS[kind])
        selectors["C-1"] = selector
        changes["selector"] = SelectorCommitment(commitment(selector), 1, 4096)
    return replace(world.carrier(), id="C-1", label="LABEL-1", **changes), selectors


def judged(desk: Agent, data: bytes) -> Report:
    return audit(data, world.trust(world.seal_keyring(desk.ring)))


@pytest.mark.parametrize("verification", WAYS, ids=["full", "sampled"])
@pytest.mark.parametrize("kind", IDENTITIES)
def test_an_honest_run_holds_in_every_check(tmp_path: Path, kind: Kind, verification: Verification) -> None:
    """Agent and auditor share no code but the vocabulary: two readers of one story."""
    desk, data = run(tmp_path, kind, verification)
    report = judged(desk, data)
    told = [(one.name, one.sign.value, one.tell()) for one in report.findings]
    assert report.verdict.exit_code < 7, told
    documents = [one for one in report.findings if one.name != "evidence"]
    assert [one for one in documents if one.sign is Sign.FAILS] == [], told
    assert [one.name for one in documents if one.sign is Sign.UNKNOWN and one.name not in ("medium", "samples")] == [
        "validation"
    ], told


@pytest.mark.parametrize("kind", IDENTITIES)
def test_its_page_can_be_read(tmp_path: Path, kind: Kind) -> None:
    """In both languages, with nothing left as a code in braces."""
    _, data = run(tmp_path, kind, FullVerification())
    page = page_of(bundle.unpack(data))
    for text in (render_text(page, "en"), render_text(page, "zh"), render_html(page, zone=UTC)):
        assert "None" not in text
    assert "{" not in render_text(page, "zh")


@pytest.mark.parametrize("kind", SELECTORS)
def test_no_name_of_what_was_destroyed_stands_in_the_bundle_or_on_its_page(tmp_path: Path, kind: Kind) -> None:
    """Evidence must not leak what it proves to be gone."""
    _, data = run(tmp_path, kind, FullVerification())
    entries = bundle.unpack(data)
    assert bundle.SELECTOR not in entries
    page = render_html(page_of(entries)).encode()
    for name in (b"secret-plans", b"merger", b"names.sqlite"):
        assert name not in data
        assert name not in page


def test_a_device_that_drops_writes_is_not_titled_a_certificate(tmp_path: Path) -> None:
    """What the host could not show, no page may claim."""
    desk, data = run(tmp_path, "device", FullVerification(), Lies(drops_writes=frozenset({(0, 5)})))
    assert judged(desk, data).verdict.exit_code == 5
    assert render_text(page_of(bundle.unpack(data))).startswith("Record of disposal (not proven)")
