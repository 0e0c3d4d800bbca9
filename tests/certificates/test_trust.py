"""The auditor's trust file: strict in what it says, free in how it is spaced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from certificates.encoding import encode
from certificates.errors import Untrusted
from certificates.trust import parse_trust
from tests.support import world

GOOD = json.loads(world.trust_file(world.trust()))


def test_a_trust_file_may_be_spaced_as_people_like() -> None:
    """It is written by hand, and signed by nobody."""
    trust = parse_trust(json.dumps(GOOD, indent=4).encode())
    assert trust == world.trust()
    assert encode(trust) == world.trust_file(world.trust())
    assert [key.name for key in trust.log_keys] == [world.ORIGIN]
    assert trust.log_keys == (world.log_key(),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"keyrings": []}, "field-wrong"),
        ({"keyrings": ["1234"]}, "field-wrong"),
        ({"logs": None}, "field-wrong"),
        ({"logs": [{"origin": "registry.example"}]}, "field-missing"),
        ({"logs": [{"origin": "registry.example", "key": "AAAA"}]}, "note-key"),
        ({"logs": [{"origin": "registry.example", "key": "A"}]}, "note-key"),
        ({"keyring": "sha256:" + "0" * 64}, "field-unknown"),
    ],
)
def test_a_wrong_trust_file_is_refused(changes: dict[str, Any], reason: str) -> None:
    """A mistyped anchor must not become no anchor."""
    with pytest.raises(Untrusted) as caught:
        parse_trust(json.dumps(GOOD | changes).encode())
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"not json", b'{"keyrings":[],"keyrings":[],"logs":[]}', bytes(2 << 20)]
)
def test_what_is_no_trust_file_is_refused(text: bytes) -> None:
    """An empty file trusts nobody, and says so."""
    with pytest.raises(Untrusted):
        parse_trust(text)
