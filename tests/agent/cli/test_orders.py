"""Orders are shown before they are signed, signed only by those who speak in them, and say what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import world
from tests.support.screens import Desk, desk, invoke, tree


@pytest.fixture(name="at")
def _at(tmp_path: Path) -> Desk:
    """A desk with a drafted order for general data: one approver and a security officer sign."""
    made = desk(tmp_path)
    arguments = ("-o", tmp_path / "o.json", "--keyring", made.keyring)
    assert invoke("order", "draft", tmp_path / "device-order.toml", *arguments).exit_code == 0
    return made


def sign(at: Desk, *names: str, keyring: bool = True) -> tuple[int, str]:
    keys = [part for name in names for part in ("--key", at.folder / name)]
    result = invoke("order", "sign", at.folder / "o.json", *keys, *(("--keyring", at.keyring) if keyring else ()))
    return result.exit_code, result.output


def test_what_is_signed_is_shown_first(at: Desk) -> None:
    """A signature is given to what was read."""
    _, told = sign(at, "P-0101")
    for part in ("2026-0118", "ST4000DM004-2CV1", "WFN0ABCD", "clear", "财资处〔2026〕32号"):
        assert part in told


def test_all_that_is_written_and_read_back_is_shown_to_signers(tmp_path: Path) -> None:
    """Who signs approves the order's own bytes, its policy, what a sample is worth, and what happens if it fails."""
    made = desk(tmp_path)
    toml = (tmp_path / "device-order.toml").read_text("utf-8")
    toml = toml.replace('technique = "random-1"', 'scheme = "schemes/own.toml"\npolicy = "nist-800-88-r2"')
    toml = toml.replace('verification = "full"', 'verification = { confidence = "99 %", fraction = "0.1 %" }')
    toml += '[carriers.otherwise]\naction = "physical-destruction"\nnote = "The shredder in room 4"\n'
    (tmp_path / "device-order.toml").write_text(toml, "utf-8")
    arguments = ("-o", tmp_path / "o.json", "--keyring", made.keyring)
    result = invoke("order", "draft", tmp_path / "device-order.toml", *arguments)
    assert result.exit_code == 0, result.output
    told = sign(made, "P-0101")[1]
    for part in (
        "archive-2026",
        "3  0x924924",
        "Archive regulation 2026-7",
        "nist-800-88-r2",
        "0.1 %",
        "99 %",
        "room 4",
    ):
        assert part in told


def test_each_signature_brings_the_order_closer(at: Desk) -> None:
    """The signer learns who is next."""
    assert "security-officer 0 of 1" in sign(at, "P-0101", "P-0417")[1]
    assert "Enough signatures" in sign(at, "P-0102")[1]


@pytest.mark.parametrize(
    ("name", "why"), [("P-0230", "does not list"), ("P-0588", "does not list"), ("arch-07", "does not list")]
)
def test_a_key_that_does_not_speak_in_the_order_is_refused(at: Desk, name: str, why: str) -> None:
    """A bad extra signature would spoil the order for all others: the file stays as it was."""
    before = (at.folder / "o.json").read_bytes()
    code, told = sign(at, "P-0101", name)
    assert code == 3
    assert why in told
    assert (at.folder / "o.json").read_bytes() == before


def test_nobody_signs_twice(at: Desk) -> None:
    """Persons are counted, not signatures."""
    assert sign(at, "P-0101")[0] == 0
    assert sign(at, "P-0101")[0] == 3


def test_without_a_keyring_the_signer_is_told_that_nothing_was_checked(at: Desk) -> None:
    """At a desk far from the site."""
    code, told = sign(at, "P-0101", keyring=False)
    assert code == 0
    assert "was not checked" in told


def test_a_locked_key_asks_for_its_passphrase(at: Desk, tmp_path: Path) -> None:
    """Never on the command line, where others can read it."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from agent.keys import write_key

    write_key(tmp_path / "locked", ed25519.Ed25519PrivateKey.from_private_bytes(world.secret("P-0101")), "open sesame")
    arguments = ("order", "sign", tmp_path / "o.json", "--key", tmp_path / "locked", "--keyring", at.keyring)
    assert invoke(*arguments, typed="wrong\n").exit_code == 3
    assert invoke(*arguments, typed="open sesame\n").exit_code == 0


def test_show_tells_who_signed_and_what_is_missing(at: Desk) -> None:
    """Of an order, against the keyring at hand."""
    sign(at, "P-0101", "P-0417")
    told = tree("show", at.folder / "o.json", "--keyring", at.keyring)
    assert told["signed_by"] == ["P-0101", "P-0417"]
    assert told["holds"] is True
    assert "security-officer 0 of 1" in told["missing"][0]


def test_show_tells_a_signature_that_does_not_hold(at: Desk) -> None:
    """Somebody edited the order after it was signed."""
    import base64

    sign(at, "P-0101")
    path = at.folder / "o.json"
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b"WFN0ABCD", b"WFN0ABCE")
    envelope["payload"] = base64.b64encode(payload).decode()
    path.write_bytes(json.dumps(envelope, separators=(",", ":")).encode())
    result = invoke("show", path, "--keyring", at.keyring)
    assert "▲" in result.stdout
    assert tree("show", path, "--keyring", at.keyring)["holds"] is False


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1.dsse.json", "municipal-archive"),
        ("P-0101.pub", "ed25519"),
        ("P-0101", "It is not opened here"),
    ],
)
def test_show_takes_any_document(at: Desk, name: str, expected: str) -> None:
    """Nobody should have to know what kind of file he was sent."""
    assert expected in invoke("show", at.folder / name).stdout
    assert invoke("--lang", "zh", "show", at.folder / name).exit_code == 0


def test_show_keeps_a_selector_s_secrets(at: Desk) -> None:
    """Salt and label key stay in the file, whoever looks over the shoulder."""
    invoke("order", "draft", at.folder / "order.toml", "-o", at.folder / "f.json", "--keyring", at.keyring)
    path = at.folder / "files-1.selector.json"
    secrets = json.loads(path.read_bytes())
    told = invoke("show", path).stdout + invoke("--json", "show", path).stdout
    assert "/srv/scans" in told
    assert secrets["salt"] not in told
    assert secrets["selects"]["label_key"] not in told


def test_show_refuses_what_is_none_of_ours(tmp_path: Path) -> None:
    """With the exit of a document that does not hold."""
    (tmp_path / "x").write_text("{}")
    assert invoke("show", tmp_path / "x").exit_code == 7
