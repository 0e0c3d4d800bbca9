"""Golden documents verify for ever, every flawed one is refused for its flaw, and the code still makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.authorize import Circumstances, Policy, authorize
from agent.ledger import Ledger
from certificates.audit import Verdict, audit
from certificates.encoding import decode, parse_time
from certificates.envelope import unseal, unwrap
from certificates.errors import Refused
from certificates.keyring import check_chain, resolver
from certificates.statements import HoldState, Keyring, Survey
from certificates.trust import parse_trust
from tests.support import world
from tests.support.generate import MAKERS, compare, write

FOLDER = Path(__file__).parent / "vectors"
GOLDEN = FOLDER / "golden"
REFUSED = sorted((FOLDER / "refused").glob("*.json"))


def _golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def _text_or_golden(vector: dict[str, Any], field: str, name: str) -> bytes:
    return vector[field].encode() if field in vector else _golden(name)


def _refusal(vector: dict[str, Any], order: bytes) -> str | None:
    """The reason an agent gives, whose clock shows the vector's instant."""
    ring = _text_or_golden(vector, "keyring", "keyring-1.dsse.json")
    chain = check_chain([ring], unwrap(ring, 4 << 20).digest)
    state = _text_or_golden(vector, "hold_state", "hold-state.dsse.json")
    at = decode(unwrap(state).payload, HoldState).as_of
    around = Circumstances(
        chain=chain,
        host=world.host().key_id,
        now=parse_time(vector["at"]),
        seen=None,
        hold_state=unseal(state, HoldState, resolver(chain.current, at)),
        local_holds=(),
        ledger=Ledger(),
        policy=Policy(),
    )
    try:
        authorize(order, {}, (), world.signer("P-0230").key_id, around)
    except Refused as error:
        return error.reason
    return None


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_flawed_document_is_refused_for_its_flaw(path: Path) -> None:
    """The file's name says what is wrong with it, and nothing else is."""
    vector = json.loads(path.read_bytes())
    assert vector["flaw"] == path.stem
    assert _refusal(vector, vector["order"].encode()) == vector["reason"]


def test_the_golden_order_is_not_refused() -> None:
    """The flaws above are the only thing wrong with the documents that have them."""
    assert _refusal({"at": "2026-11-20T10:02:11Z"}, _golden("order.dsse.json")) is None


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("full.expunge", Verdict.PROVEN),
        ("sampled.expunge", Verdict.PROVEN),
        ("stratified.expunge", Verdict.PROVEN),
        ("raw.expunge", Verdict.NOT_PROVEN),
        ("rotated.expunge", Verdict.PROVEN),
        ("shuffled.expunge", Verdict.PROVEN),
        ("character.expunge", Verdict.PROVEN),
        ("not-proven.expunge", Verdict.NOT_PROVEN),
    ],
)
def test_a_golden_bundle_verifies_for_ever(name: str, verdict: Verdict) -> None:
    """An audit takes no instant, so neither clock nor expired keys can change it; nor can rotations since."""
    report = audit(_golden(name), parse_trust(_golden("trust.json")), name)
    assert report.verdict is verdict, [finding.tell() for finding in report.findings]


def test_the_golden_survey_holds_for_ever() -> None:
    """An order that was drafted from it can be traced to the host's word."""
    ring = decode(unwrap(_golden("keyring-1.dsse.json")).payload, Keyring)
    told = decode(unwrap(_golden("survey.dsse.json")).payload, Survey)
    unseal(_golden("survey.dsse.json"), Survey, resolver(ring, told.made_at))


@pytest.mark.parametrize("name", MAKERS)
def test_the_checkout_holds_what_the_code_makes(name: str) -> None:
    """A form that changes by itself breaks certificates issued before; where it should, run scripts/generate."""
    assert compare(name) == []


def test_a_file_that_is_no_longer_made_is_found(tmp_path: Path) -> None:
    """Otherwise a page about something that is gone would stay."""
    write("schemas", tmp_path)
    assert compare("schemas", tmp_path) == []
    (tmp_path / "docs/schemas/gone.schema.json").write_bytes(b"{}")
    (tmp_path / "docs/schemas/order.schema.json").write_bytes(b"{}")
    assert compare("schemas", tmp_path) == ["docs/schemas/order.schema.json", "docs/schemas/gone.schema.json"]
    write("schemas", tmp_path)
    assert compare("schemas", tmp_path) == []
