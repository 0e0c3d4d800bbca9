"""The real agent and the real registry over a loopback socket: what they tell each other; one silent, or ill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.registry import RegistryClient
from certificates import bundle, endpoints
from certificates.audit import Report, Verdict
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Unregistered
from certificates.notes import parse_checkpoint as checkpoint_in
from certificates.notes import parse_proof
from certificates.statements import Certificate, Hold, HoldScope, SampledReadBack, SampledVerification
from tests.support import world
from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.real_registry import Answer, RealRegistry, ill_registry, site_with_registry
from tests.support.real_site import Charge, RealSite, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NOWHERE = "http://127.0.0.1:1"
"""A port where nothing listens."""
SAMPLED = SampledVerification(990_000, 100_000)


@dataclass
class Story:
    """A site, its registry, and loop devices to destroy."""

    site: RealSite
    registry: RealRegistry
    bench: Bench
    count: int = 0

    def image(self) -> Path:
        """A fresh loop device's image, full of needles."""
        self.count += 1
        image = self.bench.image(f"image-{self.count}", 4 * MIB, full_of_needles(4 * MIB))
        self.bench.attach(image)
        return image

    def charge(self, image: Path, **changes: Any) -> Charge:
        return self.site.charge(loop_carrier(image, **changes), name=f"order-{self.count}")

    def serve(self) -> RegistryClient:
        """The registry is up, and the site knows where."""
        url = self.registry.serve()
        self.site.configure(url)
        return RegistryClient(url)

    def command(self, *arguments: str) -> tuple[int, str]:
        """Exit and output of a command of the agent."""
        process = self.site.start(*arguments)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def waiting(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.site.folder / "outbox").iterdir())]

    def judged(self) -> list[Verdict]:
        return [report.verdict for report in self.site.audited()]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    site, registry = site_with_registry(tmp_path)
    try:
        with bench_in(tmp_path) as bench:
            yield Story(site, registry, bench)
    finally:
        registry.stop()


def receipt_of(entries: dict[str, bytes]) -> tuple[int, int]:
    """Position in the log, and size of the tree that a receipt shows."""
    proof = parse_proof(entries[bundle.RECEIPT].decode())
    return proof.index, checkpoint_in(proof.checkpoint).size


def failing(reports: tuple[Report, ...]) -> list[str]:
    return [finding.code for report in reports for finding in report.findings if finding.sign == "fails"]


def test_orders_holds_nonces_and_receipts_go_over_the_wire(story: Story) -> None:
    """The whole exchange: delivered, not held, sampled where neither side chose, registered, consistent, idempotent."""
    client = story.serve()
    image = story.image()
    charge = story.charge(image, verification=SAMPLED)
    client.submit_document(endpoints.ORDERS, charge.path.read_bytes())
    exit_code, told = story.command("fetch")
    assert exit_code == 0, told
    (delivered,) = (story.site.folder / "orders").rglob("*.dsse.json")
    assert delivered.read_bytes() == charge.path.read_bytes()

    first = story.site.run(charge)
    assert first.returncode == 0, first.stdout
    entries = story.site.entries()
    certificate = decode(unwrap(entries[bundle.CERTIFICATE], 4 << 20).payload, Certificate)
    (check,) = certificate.evidence.checks
    assert isinstance(check, SampledReadBack)
    assert check.seed.nonce is not None
    assert bundle.EVIDENCE + "nonce.dsse.json" in entries

    second = story.site.run(story.charge(story.image()))
    assert second.returncode == 0, second.stdout
    assert [receipt_of(story.site.entries(number)) for number in (0, 1)] == [(0, 1), (1, 2)]
    assert story.judged() == [Verdict.PROVEN, Verdict.PROVEN], failing(story.site.audited())
    assert story.waiting() == []


def test_handing_in_again_gives_the_same_entry(story: Story) -> None:
    """A crash between the answer and its filing must not make two entries."""
    client = story.serve()
    assert story.site.run(story.charge(story.image())).returncode == 0
    entries = story.site.entries()
    (story.site.folder / "outbox" / "00000001.dsse.json").write_bytes(entries[bundle.CERTIFICATE])
    exit_code, told = story.command("submit")
    assert exit_code == 0, told
    assert receipt_of(story.site.entries()) == receipt_of(entries) == (0, 1)
    assert story.waiting() == []
    assert parse_proof(client.submit_certificate(entries[bundle.CERTIFICATE])).index == 0


def test_a_registry_that_is_down_stops_nothing_and_loses_nothing(story: Story) -> None:
    """Destroyed and certified; handed in as soon as somebody answers."""
    story.serve()
    assert story.command("fetch")[0] == 0
    story.registry.stop()
    done = story.site.run(story.charge(story.image()))
    assert done.returncode == 6, done.stdout
    assert "Unregistered" in done.stdout
    (waiting,) = story.waiting()
    assert story.judged() == [Verdict.NOT_PROVEN]
    assert story.command("submit")[0] == 6
    assert story.waiting() == [waiting]
    story.serve()
    exit_code, told = story.command("submit")
    assert exit_code == 0, told
    assert story.judged() == [Verdict.PROVEN]
    assert story.site.entries()[bundle.CERTIFICATE] == waiting


def test_a_hold_at_the_registry_stops_the_next_run(story: Story) -> None:
    """The registry cannot start a destruction; this it can."""
    client = story.serve()
    image = story.image()
    hold = Hold("H-1", (HoldScope("asset", world.ASSET.card),), "审计", "市审计局", story.site.now, ())
    hold = Hold(**{**{name: getattr(hold, name) for name in hold.__slots__}, "persons": (world.role_of("P-0102"),)})
    client.submit_document(endpoints.HOLDS, world.seal(hold, "P-0102"))
    refused = story.site.run(story.charge(image))
    assert refused.returncode == 3, refused.stdout
    assert "H-1" in refused.stdout
    assert image.read_bytes() == full_of_needles(4 * MIB)


ILL = {
    "garbage": Answer(200, b"\xff\xfe\x00 no receipt \x80"),
    "empty": Answer(200, b""),
    "too-long": Answer(200, bytes(9 << 20)),
    "cut": Answer(200, b"c2sp.org/tlog-proof@v1\n", missing=1000),
    "cut-in-a-chunk": Answer(200, b"17\r\nc2sp.org", missing=1, is_chunked=True),
    "redirect": Answer(302, b"", location="http://127.0.0.1:1/v1/certificates"),
    "broken": Answer(500, b"<html>oops</html>"),
    "problem": Answer(409, b'{"title": "conflict", "detail": ["not", "text"]}'),
    "half-a-problem": Answer(400, b"[1, 2]"),
}


@pytest.fixture(scope="module")
def destroyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A run whose certificate waits; what an ill registry says to it changes nothing."""
    folder = tmp_path_factory.mktemp("ill")
    site, registry = site_with_registry(folder)
    try:
        with bench_in(folder) as bench:
            story = Story(site, registry, bench)
            story.serve()
            assert story.command("fetch")[0] == 0
            registry.stop()
            assert site.run(story.charge(story.image())).returncode == 6
            yield story
            story.serve()
            assert story.command("submit")[0] == 0, "after all that it could not be handed in"
    finally:
        registry.stop()


@pytest.mark.parametrize("name", ILL)
def test_an_ill_registry_takes_nothing_away(destroyed: Story, name: str) -> None:
    """Whatever it says, the certificate goes on waiting, and the operator is told so."""
    before, bundles = destroyed.waiting(), [path.read_bytes() for path in destroyed.site.bundles()]
    with ill_registry(ILL[name]) as (url, asked):
        destroyed.site.configure(url)
        exit_code, told = destroyed.command("submit")
        assert endpoints.CERTIFICATES in asked
    assert exit_code == 6, told
    assert "Unregistered" in told
    assert destroyed.waiting() == before
    assert [path.read_bytes() for path in destroyed.site.bundles()] == bundles


@pytest.mark.parametrize("name", ILL)
def test_every_question_to_an_ill_registry_ends_in_unregistered(name: str) -> None:
    """One family for all that can be wrong with it: the data's fate does not hang on it."""
    with ill_registry(ILL[name]) as (url, _):
        client = RegistryClient(url)
        questions: list[Any] = [lambda: client.fetch_orders("sha256:" + "0" * 64), lambda: client.fetch_keyrings(0)]
        if ILL[name].status != 200 or ILL[name].missing or len(ILL[name].body) > 8 << 20:
            questions += [
                client.fetch_hold_state,
                lambda: client.submit_document(endpoints.VALIDATIONS, b"{}"),
                lambda: client.challenge({}),
            ]
        if ILL[name].body:
            questions += [lambda: client.submit_certificate(b"{}"), lambda: client.prove_consistency(1, 2)]
        for question in questions:
            with pytest.raises(Unregistered):
                question()
