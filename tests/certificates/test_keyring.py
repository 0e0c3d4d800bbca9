"""The keyring chain: from a trusted root, each version by old and new keepers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certificates.encoding import digest
from certificates.errors import Untrusted
from certificates.keyring import check_chain, highest_grade, is_valid
from certificates.statements import Grade, Keyring, PersonKey, Role
from tests.support import world
from tests.support.world import BORN, role_of, seal, seal_keyring

FIRST = world.keyring()
ROOT = digest(FIRST)


def reason_of(*envelopes: bytes, root: str = ROOT) -> str:
    with pytest.raises(Untrusted) as refused:
        check_chain(envelopes, root)
    return refused.value.reason


def follows(old: Keyring = FIRST, **changes: object) -> Keyring:
    return replace(world.next_keyring(old), **changes)  # type: ignore[arg-type]


def test_a_chain_of_three_ends_in_the_third() -> None:
    """Rotation by keepers of both."""
    second = follows()
    third = follows(second, signers=(role_of("P-0002"), role_of("P-0003")))
    chain = check_chain([seal_keyring(made) for made in (FIRST, second, third)], ROOT)
    assert (chain.current, chain.root, chain.version(digest(second))) == (third, ROOT, second)
    assert chain.version(digest(b"other")) is None


def test_another_root_is_not_trusted() -> None:
    """Whoever brings his own keyring brings another root."""
    assert reason_of(seal_keyring(FIRST), root=digest(b"mine")) == "keyring-root"
    assert reason_of() == "keyring-missing"


@pytest.mark.parametrize(
    "second",
    [
        follows(version=3),
        follows(version=1),
        follows(previous=digest(b"other")),
        follows(previous=None),
        follows(site="elsewhere"),
        follows(issued_at=BORN - timedelta(days=1), persons=()),
    ][:5],
    ids=["skips a number", "repeats a number", "names another", "names none", "another site"],
)
def test_a_version_that_does_not_follow_is_refused(second: Keyring) -> None:
    """Number exactly one higher, digest of the one before."""
    assert reason_of(seal_keyring(FIRST), seal_keyring(second)) == "keyring-chain"


def test_one_keeper_is_too_few() -> None:
    """The threshold is two, whatever the keyring says."""
    second = follows(keepers=1)
    assert reason_of(seal_keyring(FIRST), seal(second, "P-0001")) == "keyring-chain"
    alone = world.keyring(keepers=1)
    assert reason_of(seal(alone, "P-0001"), root=digest(alone)) == "keyring-chain"


def test_keepers_of_the_new_keyring_alone_cannot_take_over() -> None:
    """The old ones must agree (TUF's root rule)."""
    newcomers = tuple(
        replace(world.person("P-0003"), id=name, keys=(PersonKey(world.public(world.signer(name)), (Role.KEEPER,)),))
        for name in ("P-0004", "P-0005")
    )
    signers = tuple(replace(role_of("P-0001"), id=person.id) for person in newcomers)
    second = follows(persons=(*FIRST.persons, *newcomers), signers=signers)
    assert reason_of(seal_keyring(FIRST), seal(second, "P-0004", "P-0005")) == "keyring-chain"


def test_keepers_of_the_old_keyring_alone_cannot_install_keepers_who_did_not_sign() -> None:
    """A threshold of the new ones must have signed too: else nobody could ever rotate again."""
    persons = tuple(person for person in FIRST.persons if person.id not in ("P-0001", "P-0002"))
    assert reason_of(seal_keyring(FIRST), seal_keyring(follows(persons=persons))) == "keyring-chain"


def test_a_stranger_among_the_signers_fails_the_keyring() -> None:
    """A bad extra signature fails any document."""
    assert reason_of(seal(FIRST, "P-0001", "P-0002", "P-0417")) == "signature-unknown-key"


def test_one_key_for_two_persons_is_refused() -> None:
    """It would count for the wrong one."""
    twin = replace(world.person("P-0417"), id="P-0418")
    made = world.keyring(persons=(*FIRST.persons, twin))
    assert reason_of(seal_keyring(made), root=digest(made)) == "keyring-chain"


def test_validity_has_an_open_end_and_a_revocation_ends_it() -> None:
    """Judged at the time of the act."""
    key = world.public(world.signer("P-0417"), revoked_at=BORN + timedelta(days=9))
    assert is_valid(key, BORN)
    assert not is_valid(key, BORN - timedelta(seconds=1))
    assert not is_valid(key, BORN + timedelta(days=9))
    unrevoked = world.public(world.signer("P-0417"))
    assert is_valid(unrevoked, world.DIES - timedelta(seconds=1))
    assert not is_valid(unrevoked, world.DIES)


def test_the_highest_grade_among_a_carriers_assets_rules() -> None:
    """One important asset makes the carrier important."""
    general = replace(world.ASSET, card="ZC-2", grade=Grade.GENERAL)
    carrier = world.carrier(assets=("ZC-2", "ZC-2019-00431"))
    assert highest_grade(world.order(assets=(general, world.ASSET)), carrier) is Grade.IMPORTANT
