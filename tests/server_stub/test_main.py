"""expunge-registry: what each command does, prints and exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from certificates import bundle
from certificates.encoding import digest
from certificates.errors import Failure
from certificates.receipts import check_receipt
from server_stub.__main__ import EXITS, main
from server_stub.directory import DataDirectory
from server_stub.serving import parse_bind
from tests.server_stub.world import ORIGIN, Desk


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"LC_ALL": "C"}).invoke(
        main, [str(argument) for argument in arguments], catch_exceptions=False
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A registry set up, its keyring imported."""
    place = tmp_path / "data"
    assert run("init", "--data", place, "--origin", ORIGIN).exit_code == 0
    keyring = tmp_path / "keyring.dsse.json"
    keyring.write_bytes(Desk().sealed_keyring())
    assert run("keyring", "import", keyring, "--root", Desk().root, "--data", place).exit_code == 0
    return place


def test_init_tells_what_the_keyring_must_list(tmp_path: Path) -> None:
    """The keepers copy the public halves from here."""
    told = json.loads(run("init", "--data", tmp_path / "data", "--origin", ORIGIN, "--json").output)
    directory = DataDirectory(tmp_path / "data")
    assert told["origin"] == ORIGIN
    assert told["log"]["id"] == directory.signer("log.key").key_id
    assert told["vkey"] == directory.log_signer().key.vkey
    assert json.loads(run("key", "show", "--data", tmp_path / "data", "--json").output) == told
    assert "PRIVATE" not in run("key", "show", "--data", tmp_path / "data").output


def test_a_further_key_is_made_beside_the_others(data: Path) -> None:
    """Rotation begins with a key that the next keyring lists."""
    told = json.loads(run("key", "new", "log-2", "--data", data).output)
    assert told["id"] == DataDirectory(data).signer("log-2.key").key_id
    assert run("key", "new", "log-2", "--data", data).exit_code == 3
    assert run("key", "new", "../log", "--data", data).exit_code == 2


def test_a_keyring_that_does_not_list_this_registry_is_told(data: Path, tmp_path: Path) -> None:
    """Set up with one key, listed with another: nobody would believe its receipts."""
    keyring = tmp_path / "keyring.dsse.json"
    result = run("keyring", "import", keyring, "--data", data)
    assert result.exit_code == 0
    assert result.stderr.count("does not list this registry's key") == 2


def test_a_keyring_from_another_root_is_refused(tmp_path: Path) -> None:
    """Exit 7: a document does not hold."""
    run("init", "--data", tmp_path / "data", "--origin", ORIGIN)
    keyring = tmp_path / "keyring.dsse.json"
    keyring.write_bytes(Desk(hosts=("other",)).sealed_keyring())
    result = run("keyring", "import", keyring, "--root", Desk().root, "--data", tmp_path / "data")
    assert result.exit_code == 7
    assert result.stderr.startswith("Untrusted: ")


def test_documents_are_carried_in_and_receipts_out(data: Path, tmp_path: Path) -> None:
    """An air-gapped site hands in files and takes receipts home."""
    desk, files = Desk(), []
    documents = [desk.sealed_order(), desk.sealed_hold(), desk.sealed_certificate()]
    documents.append(desk.sealed_validation(documents[2]))
    for number, document in enumerate(documents):
        file = tmp_path / f"{number}.dsse.json"
        file.write_bytes(document)
        files.append(file)
    told = run("import", *files, "--receipts", tmp_path / "out", "--data", data, "--json")
    kinds = [item["kind"] for item in json.loads(told.output)["documents"]]
    assert kinds == ["order", "hold", "certificate", "validation"]
    certificate = digest(desk.certificate())
    receipt = (tmp_path / "out" / f"{certificate.removeprefix('sha256:')}.tlog-proof").read_text(encoding="utf-8")
    check_receipt(receipt, certificate, digest(documents[2]), [DataDirectory(data).log_signer().key])
    again = run("import", *files, "--data", data)
    assert again.output.count("was here") == 4


def test_what_a_registry_does_not_take_is_refused(data: Path, tmp_path: Path) -> None:
    """A keyring comes by its own command, whose root is pinned."""
    file = tmp_path / "state.dsse.json"
    file.write_bytes(Desk().sealed_keyring())
    assert run("import", file, "--data", data).exit_code == 7
    file.write_bytes(b"PK\x03\x04 no bundle")
    assert run("import", file, "--data", data).exit_code == 7


def test_check_ends_with_0_where_all_holds_and_7_where_not(data: Path, tmp_path: Path) -> None:
    """A person, or a timer, runs it."""
    file = tmp_path / "certificate.dsse.json"
    file.write_bytes(Desk().sealed_certificate())
    run("import", file, "--data", data)
    sound = run("check", "--data", data)
    assert sound.exit_code == 0
    assert "WRONG" not in sound.output
    (data / "registry.sqlite").unlink()
    for suffix in ("-wal", "-shm"):
        (data / f"registry.sqlite{suffix}").unlink(missing_ok=True)
    damaged = run("check", "--data", data, "--json")
    assert damaged.exit_code == 7
    assert [item for item in json.loads(damaged.stdout)["findings"] if not item["holds"]]


def test_a_database_that_lost_a_checkpoint_is_not_served(data: Path, tmp_path: Path) -> None:
    """Also not written to by `import`."""
    file = tmp_path / "certificate.dsse.json"
    file.write_bytes(Desk().sealed_certificate())
    run("import", file, "--data", data)
    (data / "registry.sqlite").unlink()
    for suffix in ("-wal", "-shm"):
        (data / f"registry.sqlite{suffix}").unlink(missing_ok=True)
    result = run("serve", "--data", data, "--bind", "127.0.0.1:0")
    assert result.exit_code == 7
    assert "smaller" in result.stderr


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:8470", "192.168.1.2:8470", "[::]:8470", "registry.example:8470", ":8470", "8470"]
)
def test_only_a_loopback_address_is_served(data: Path, bind: str) -> None:
    """Until hosts can prove who they are; the message has three parts."""
    result = run("serve", "--data", data, "--bind", bind)
    assert result.exit_code == 3
    assert "is not a loopback address" in result.stderr
    assert "Nothing was written" in result.stderr
    assert "Bind to 127.0.0.1" in result.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8470", ("127.0.0.1", 8470)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("127.8.8.8:1", ("127.8.8.8", 1)),
    ],
)
def test_loopback_addresses_are_taken(text: str, place: tuple[str, int]) -> None:
    """In both families."""
    assert parse_bind(text) == place


@pytest.mark.parametrize("text", ["127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:http", "[::1]:-1"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    """With the same family of error as any wrong input."""
    with pytest.raises(Failure):
        parse_bind(text)


def test_every_family_of_failures_has_its_exit() -> None:
    """The same codes as the agent's."""
    assert set(EXITS) == set(Failure.__subclasses__())
    assert len(set(EXITS.values())) == len(EXITS)


def test_a_bundle_is_taken_in_as_its_parts(data: Path, tmp_path: Path) -> None:
    """The order first, then the certificate that answers it, then the validation."""
    desk = Desk()
    certificate = desk.sealed_certificate()
    entries = {
        bundle.ORDER: desk.sealed_order(),
        "keyrings/1.dsse.json": desk.sealed_keyring(),
        bundle.START: b"{}",
        bundle.CERTIFICATE: certificate,
        bundle.JOURNAL: b"",
        bundle.VALIDATION: desk.sealed_validation(certificate),
    }
    file = tmp_path / "disk-1.expunge"
    file.write_bytes(bundle.pack(entries))
    told = json.loads(run("import", file, "--data", data, "--json").output)["documents"]
    assert [item["kind"] for item in told] == ["order", "certificate", "validation"]
