"""A keyring from TOML says what was meant, and follows the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.keyring_files import read_chain, read_keyring
from certificates.errors import Refused, Untrusted
from certificates.keyring import check_chain
from certificates.statements import Grade, Level, Requirement, Role
from tests.support import world
from tests.support.screens import Desk, desk, invoke, tree


def faults(made: Desk, *changes: tuple[str, str]) -> str:
    with pytest.raises(Refused) as caught:
        read_keyring(made.edit("keyring.toml", *changes), world.NOW)
    return str(caught.value.facts.get("faults", caught.value))


def test_the_example_becomes_a_chain_that_holds(tmp_path: Path) -> None:
    """Signed by both keepers, it is a root."""
    made = desk(tmp_path)
    envelope = made.keyring.read_bytes()
    chain = check_chain([envelope], read_chain((made.keyring,)).root)
    assert chain.current.site == "municipal-archive"
    assert chain.current.hosts[0].key.id == world.signer("arch-07").key_id


def test_rules_left_out_never_let_one_person_decide(tmp_path: Path) -> None:
    """Whatever level and grade; important and core data have two witnesses."""
    rules = read_chain((desk(tmp_path).keyring,)).current.rules
    assert {(rule.level, rule.grade) for rule in rules} == {(a, b) for a in (Level.CLEAR, Level.PURGE) for b in Grade}
    for rule in rules:
        assert rule.witnesses == (0 if rule.grade is Grade.GENERAL else 2)
        for way in rule.alternatives:
            assert sum(need.count for need in way.requirements) >= 2
            assert Requirement(Role.SECURITY_OFFICER, 1) in way.requirements


def test_rules_can_be_written(tmp_path: Path) -> None:
    """Then they are all there is."""
    path = desk(tmp_path).edit("keyring.toml")
    with path.open("a") as file:
        file.write('\n[[rules]]\nlevel = "clear"\ngrade = "general"\nany_of = [{ approver = 3, paper = true }]\n')
    (rule,) = read_keyring(path, world.NOW).rules
    assert rule.alternatives[0].requirements == (Requirement(Role.APPROVER, 3),)
    assert rule.alternatives[0].paper
    assert rule.witnesses == 0


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """With the person whom each concerns."""
    told = faults(
        desk(tmp_path),
        ('roles = ["executor"]', 'roles = ["boss"]'),
        ("P-0311.pub", "P-none.pub"),
        ('authority = "5000000.00"', "authority = 5"),
        ('title = "Auditor"', "titel = 1"),
    )
    for expected in (
        "persons[P-0230].roles must be a list of requester",
        "persons[P-0311].key is no usable key",
        "persons[P-0417].authority must be an amount",
        "persons[P-0729].titel is not known here; did you mean title?",
        "persons[P-0729].title is missing",
    ):
        assert expected in told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('roles = ["keeper"]', 'roles = ["auditor"]'), "signers must be two or more keepers"),
        (("not_after = 2029-01-01T00:00:00+08:00", ""), "not_after is missing"),
        (('file = "registry-hold.pub"', 'spki = "AAAA"'), "is no usable key"),
        (('key = "arch-07.pub"', "key = 5"), "must name a public key file"),
        (('key = "P-0588.pub"', 'key = "P-0417.pub"'), "stands twice"),
        (('id = "P-0588"', 'id = "P-0417"'), "stands twice"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    """And what is expected there."""
    assert expected in faults(desk(tmp_path), change)


def test_a_key_may_stand_in_the_file_itself(tmp_path: Path) -> None:
    """The registry prints its keys; nobody should have to make PEM files of them."""
    import base64

    made = desk(tmp_path)
    spki = base64.b64encode(world.signer("registry-log").spki).decode()
    path = made.edit("keyring.toml", ('key = "registry-log.pub"', f'key = {{ spki = "{spki}" }}'))
    assert read_keyring(path, world.NOW).logs == read_keyring(tmp_path / "keyring.toml", world.NOW).logs


def test_a_rotation_needs_old_and_new_keepers(tmp_path: Path) -> None:
    """TUF's root rule: neither side alone can replace the other."""
    made = desk(tmp_path)
    path = made.edit(
        "keyring.toml", ('key = "P-0902.pub"\nroles = ["keeper"]', 'key = "P-0902.pub"\nroles = ["auditor"]')
    )
    with path.open("a") as file:
        file.write('\n[[persons]]\nid = "P-0903"\nname = "N"\ntitle = "T"\nunit = "U"\n')
        file.write('key = "P-0903.pub"\nroles = ["keeper"]\n')
    assert invoke("key", "new", tmp_path / "P-0903").exit_code == 0
    keys = ("--key", tmp_path / "P-0901", "--key", tmp_path / "P-0903")
    told = tree("keyring", "rotate", path, "--after", made.keyring, "-o", tmp_path / "2.dsse.json", *keys)
    assert "1 of 2 keepers of version 1" in told["missing"]
    with pytest.raises(Untrusted):
        read_chain((made.keyring, tmp_path / "2.dsse.json"))
    more = ("--after", made.keyring, "--key", tmp_path / "P-0902")
    assert tree("keyring", "sign", tmp_path / "2.dsse.json", *more)["missing"] is None
    checked = tree("keyring", "check", made.keyring, tmp_path / "2.dsse.json")
    assert [version["version"] for version in checked["versions"]] == [1, 2]


def test_nobody_but_a_keeper_signs(tmp_path: Path) -> None:
    """A signature that does not count spoils the whole document."""
    made = desk(tmp_path)
    result = invoke("keyring", "sign", made.keyring, "--key", tmp_path / "P-0417")
    assert result.exit_code == 3


def test_a_root_that_is_not_the_trusted_one_is_told(tmp_path: Path) -> None:
    """`keyring check --root` is what a second person does before the root is written into a site."""
    made = desk(tmp_path)
    root = read_chain((made.keyring,)).root
    assert invoke("keyring", "check", made.keyring, "--root", root).exit_code == 0
    assert invoke("keyring", "check", made.keyring, "--root", "sha256:" + "0" * 64).exit_code == 7
