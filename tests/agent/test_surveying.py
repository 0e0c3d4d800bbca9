"""A survey tells what a machine is and has, nothing that is stored there; and who vouches for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from agent.reading import read_document
from agent.surveying import NAMELESS, drive_id, find_surveys, make_survey, read_survey, take_survey
from certificates.encoding import decode, digest, encode
from certificates.envelope import seal, unseal
from certificates.errors import Refused, Untrusted
from certificates.keyring import Chain, check_chain, resolver
from certificates.schemas import schema
from certificates.statements import DeviceIdentity, ImageIdentity, Level, Media, Residual, Survey
from tests.support import world
from tests.support.simulated_host import SimulatedHost
from tests.support.surveyed import drive, machine, survey, write_survey
from wipers.linux.identity import image_facts
from wipers.model import Target

KEY = world.host().key_id


def chain() -> Chain:
    ring = world.keyring()
    return check_chain((world.seal_keyring(ring),), digest(ring))


def test_a_survey_travels_like_every_other_document() -> None:
    """Canonical, in its schema, in an envelope that securesystemslib reads too."""
    made = survey("filer-3", drive("S1", "in-use"), host=KEY, serial="7J2K9Q3")
    assert decode(encode(made), Survey) == made
    jsonschema.validate(json.loads(encode(made)), schema("survey"))
    sealed = unseal(seal(made, (world.host(),)), Survey, resolver(world.keyring(), world.NOW))
    assert sealed.statement == made


def test_nobody_but_the_host_itself_signs_a_survey() -> None:
    """Neither a person nor another host knows what is in it."""
    made = survey("filer-3", host="sha256:" + "cd" * 32)
    for signer in (world.host(), world.signer("P-0417")):
        with pytest.raises(Untrusted, match="does not list"):
            unseal(seal(made, (signer,)), Survey, resolver(world.keyring(), world.NOW))


def test_nothing_that_is_stored_or_runs_there_is_told() -> None:
    """A survey leaves the host: file systems, mount points and programs stay."""
    made = survey("filer-3", drive("S1", "in-use", "system-disk"))
    assert "4711" not in encode(made).decode()
    assert made.drives[0].obstacles == ("in-use", "system-disk")
    assert [fact.name for fact in made.drives[0].facts] == ["bus"]


def test_a_drive_has_the_same_id_in_every_survey() -> None:
    """So that one that was moved is seen, and an order names what the survey showed."""
    first, second = survey("a", drive("S1")), survey("b", drive("S0"), drive("S1", "in-use"))
    assert first.drives[0].id == second.drives[1].id == drive_id(first.drives[0].identity)


def test_two_paths_of_one_unit_are_one_drive() -> None:
    """Multipath and dual ports show it twice."""
    assert len(survey("a", drive("S1", wwn="naa.5"), drive("S1", wwn="naa.5")).drives) == 1


def test_two_units_that_say_the_same_cannot_be_ordered() -> None:
    """Both are told, neither can be named."""
    one = drive("SAME")
    made = make_survey(machine("a"), (one, replace(one, unit="sdb")), None, world.NOW)
    assert len({found.id for found in made.drives}) == 2
    assert all(NAMELESS in found.obstacles for found in made.drives)


@pytest.mark.parametrize(
    ("media", "why"), [(Media.FLASH, ("overwriting-alone",)), (Media.OPAQUE, ("overwriting-alone", "medium-opaque"))]
)
def test_a_drive_tells_what_it_reaches_and_why_not_more(media: Media, why: tuple[str, ...]) -> None:
    """Whoever orders purge learns it before anybody signs."""
    target = replace(drive("S1", media=media), residual=(Residual("remapped-sectors"), Residual("over-provisioning")))
    found = survey("a", target).drives[0]
    assert (found.reaches, found.why_not_more) == (Level.CLEAR, why)
    assert found.not_reached == ("remapped-sectors", "over-provisioning")


def test_a_drive_with_foreign_sectors_reaches_nothing() -> None:
    """520-byte sectors are no medium for this kernel."""
    found = survey("a", drive("S1", "sector-size-foreign")).drives[0]
    assert (found.reaches, found.why_not_more) == (None, ("sector-size-foreign",))


def test_a_loop_device_is_known_by_its_file() -> None:
    """As an order names it."""
    file_system = "0a1b2c3d-0000-4000-8000-000000000001"
    facts = image_facts(file_system, 12, 1024, is_attached=True)
    loop = replace(drive("S1"), kind="image", facts=facts)
    found = survey("a", loop).drives[0].identity
    assert found == ImageIdentity(file_system, 12, 1024, attached=True)


def test_a_loop_device_whose_file_is_out_of_sight_does_not_spoil_the_survey() -> None:
    """No order could name it, and the drives beside it are there."""
    gone = replace(drive("S1"), kind="image", facts=image_facts("", 0, 1024, is_attached=True))

    class Machine(SimulatedHost):
        def list_targets(self, *, with_contents: bool = True) -> tuple[Target, ...]:
            return (gone, drive("S2"))

    made = take_survey(Machine({}, None), None, world.NOW, with_images=True)
    assert decode(encode(made), Survey) == made
    assert len(made.drives) == 1


def test_an_empty_world_wide_name_is_none() -> None:
    """As an order states it."""
    found = survey("a", drive("S1")).drives[0].identity
    assert found == DeviceIdentity("ATA", "ST4000DM004", "S1", None, 4_000_787_030_016)


def test_a_signed_survey_is_vouched_for(tmp_path: Path) -> None:
    """By the host that the keyring knows."""
    path = write_survey(tmp_path, survey("filer-3", drive("S1"), host=KEY))
    found = read_survey(path, chain(), world.NOW)
    assert found.doubt is None
    assert found.digest == digest(found.survey)


@pytest.mark.parametrize(
    ("host", "signer", "has_chain", "days", "doubt"),
    [
        (None, None, True, 0, "unsigned"),
        (KEY, None, True, 0, "unsigned"),
        (KEY, "host arch-07", False, 0, "no-keyring"),
        ("sha256:" + "cd" * 32, "host arch-07", True, 0, "unknown-host"),
        (KEY, "host arch-07", True, 40_000, "key-not-valid"),
    ],
)
def test_a_survey_for_which_nobody_known_vouches_says_so(
    tmp_path: Path, host: str | None, signer: str | None, has_chain: bool, days: int, doubt: str
) -> None:
    """It is no refusal yet: a rescue system has no key."""
    path = write_survey(tmp_path, survey("filer-3", host=host), signer)
    found = read_survey(path, chain() if has_chain else None, world.NOW + timedelta(days=days))
    assert found.doubt == doubt


def test_a_forged_survey_is_refused(tmp_path: Path) -> None:
    """Somebody else's signature under the host's name is no doubt, it is a forgery."""
    path = write_survey(tmp_path, survey("filer-3", host=KEY), "P-0417")
    with pytest.raises(Refused) as caught:
        read_survey(path, chain(), world.NOW)
    assert caught.value.reason == "survey-unusable"


@pytest.mark.parametrize("data", [b"", b"{}", b'{"drives":[]}', b"\x00", b'{"payload":"","payloadType":"x"}'])
def test_another_file_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    """Among two thousand files the wrong one must be found."""
    (tmp_path / "x.survey.json").write_bytes(data)
    with pytest.raises(Refused, match=r"x\.survey\.json"):
        read_survey(tmp_path / "x.survey.json", None, world.NOW)


def test_a_folder_stands_for_the_surveys_in_it(tmp_path: Path) -> None:
    """In a fixed order, each once, and nothing else of what lies there."""
    for name in ("b.survey.json", "a.survey.json", "order.dsse.json"):
        (tmp_path / name).write_bytes(b"")
    found = find_surveys((tmp_path, tmp_path / "a.survey.json"))
    assert [path.name for path in found] == ["a.survey.json", "b.survey.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match="no file in it ends in"):
        find_surveys((tmp_path / "empty",))


def test_an_unsigned_survey_is_known_by_its_bytes() -> None:
    """`show` takes it without being told what it is."""
    made = survey("filer-3", drive("S1"), host=None)
    assert read_document("any", encode(made)).statement == made
