"""Programs that share no code with us read what we write."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key, SSlibKey  # type: ignore[attr-defined]

from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.statements import Keyring

GOLDEN = Path(__file__).parents[1] / "vectors" / "golden"
RING = decode(unwrap((GOLDEN / "keyring-1.dsse.json").read_bytes(), 4 << 20).payload, Keyring)
KEYS: dict[str, Key] = {
    key.id: SSlibKey.from_crypto(load_der_public_key(base64.b64decode(key.spki)), key.id)
    for key in (
        *(held.key for person in RING.persons for held in person.keys),
        *(host.key for host in RING.hosts),
        *RING.hold_keys,
    )
}
SEALED = sorted(GOLDEN.glob("*.dsse.json"))


@pytest.mark.parametrize("path", SEALED, ids=lambda path: path.stem)
def test_securesystemslib_verifies_every_signature_of_ours(path: Path) -> None:
    """The envelope is DSSE, not something like it."""
    tree = json.loads(path.read_bytes())
    signed_by = [signature["keyid"] for signature in tree["signatures"]]
    verified = Envelope.from_dict(tree).verify([KEYS[key_id] for key_id in signed_by], threshold=len(signed_by))
    assert set(verified) == set(signed_by)


def test_securesystemslib_refuses_another_payload() -> None:
    """It did look at the bytes."""
    tree = json.loads((GOLDEN / "certificate.dsse.json").read_bytes())
    tree["payload"] = json.loads((GOLDEN / "order.dsse.json").read_bytes())["payload"]
    keys = [KEYS[signature["keyid"]] for signature in tree["signatures"]]
    with pytest.raises(VerificationError):
        Envelope.from_dict(tree).verify(keys, threshold=1)
