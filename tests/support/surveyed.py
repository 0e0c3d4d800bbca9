"""Machines and drives as surveys show them, and cards as the finance department lists them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.cards import Card
from agent.surveying import Read, make_survey
from certificates.encoding import digest, encode
from certificates.envelope import seal
from certificates.statements import Fact, Media, Survey, SurveyedMachine
from tests.support import world
from wipers.model import Obstacle, Target

HOST = "sha256:" + "ab" * 32
FACTS: dict[str, Any] = {
    "name": "Drive",
    "code": "A02010500",
    "grade": "general",
    "personal_information": False,
    "secrecy": "none",
    "book_value": 90_000,
}


def drive(serial: str, *reasons: str, wwn: str = "", media: Media = Media.MAGNETIC, **facts: str) -> Target:
    """A drive with this serial number, with what stands in its way."""
    told = {"vendor": "ATA", "model": "ST4000DM004", "serial": serial, "wwn": wwn, "size": "4000787030016"} | facts
    return Target(
        kind="device",
        location="/dev/sdz",
        facts=tuple(Fact(name, value) for name, value in told.items()),
        unit=f"{wwn} {serial}",
        media=media,
        size=int(told["size"]),
        header_size=0,
        sector_size=512,
        objects=1,
        obstacles=tuple(
            Obstacle(reason, (("where", "/dev/sdz"), ("by", "mount /srv/case-4711"))) for reason in reasons
        ),
        description=(Fact("bus", "sata"), Fact("file-system", "ext4 case-4711")),
    )


def machine(name: str, **facts: Any) -> SurveyedMachine:
    """A machine of that name."""
    return SurveyedMachine(name, "6.1.0", **facts)


def survey(name: str, *drives: Target, host: str | None = HOST, at: datetime = world.NOW, **facts: Any) -> Survey:
    """The survey of a machine with these drives."""
    return make_survey(machine(name, **facts), drives, host, at)


def read(name: str, *drives: Target, doubt: Any = None, **how: Any) -> Read:
    """The same, as read from a file; its host vouches for it unless there is a doubt."""
    made = survey(name, *drives, **how)
    return Read(Path(f"{name}.survey.json"), digest(made), made, doubt)


def card(number: str, *serials: str, **how: Any) -> Card:
    """A card that names these serial numbers; facts other than the usual ones by name."""
    own = {name: how.pop(name) for name in tuple(how) if name not in Card.__dataclass_fields__}
    return replace(Card(number, 2, serials, facts=FACTS | own), **how)


def write_survey(folder: Path, made: Survey, signer: str | None = "host arch-07") -> Path:
    """The survey's file, signed by the host of that name in the world."""
    path = folder / f"{made.machine.name}.survey.json"
    path.write_bytes(encode(made) if signer is None else seal(made, (world.signer(signer),)))
    return path
