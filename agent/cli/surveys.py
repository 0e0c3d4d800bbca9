"""Surveys for people and programs: taken on this machine, or read from a file."""

from __future__ import annotations

import re
from pathlib import Path

from agent.cli.desk import named_site, now, site_of
from agent.cli.screen import Screen
from agent.cli.sheets import local, rows, size_text, wire_tree
from agent.cli.words import WORDS
from agent.files import check_absent, write_new
from agent.surveying import SUFFIX, take_survey
from certificates.encoding import digest, encode
from certificates.envelope import seal
from certificates.errors import Refused
from certificates.render.words import number, term
from certificates.signers import Signer
from certificates.statements import DeviceIdentity, Survey, SurveyedDrive, SurveyedMachine
from wipers.model import Host


def run_survey(screen: Screen, output: str | None, *, is_signed: bool, with_images: bool) -> None:
    """Take a survey; write it where a file or folder is named, else only show it. Raises Refused before it writes."""
    host, signer = _host(screen, must_sign=is_signed and output is not None)
    key = signer.key_id if signer is not None and is_signed else None
    survey = take_survey(host, key, now(), with_images=with_images)
    path = None
    if output is not None:
        path = _file(output, survey)
        check_absent(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, encode(survey) if key is None or signer is None else seal(survey, (signer,)))
    told = {"file": None if path is None else str(path), "digest": digest(survey), "survey": wire_tree(survey)}
    lines = survey_sheet(screen, survey)
    if path is not None:
        lines += ["", screen.word("survey.made", file=path, digest=digest(survey))]
    screen.show("\n".join(lines), told)
    if survey.machine.unread:
        screen.tell(screen.word("survey.unread", facts=", ".join(survey.machine.unread)))


def _file(output: str, survey: Survey) -> Path:
    """Return the file to write: a name that ends with a slash means a folder, also before there is one."""
    path = Path(output)
    return path / default_name(survey) if output.endswith("/") or path.is_dir() else path


def _host(screen: Screen, *, must_sign: bool) -> tuple[Host, Signer | None]:
    """Return the machine, and the site's key where there is a site; raises Refused where one is needed."""
    try:
        site = site_of(screen)
        return site.host, site.signer
    except Refused as error:
        if error.reason != "site-missing" or named_site(screen) is not None:
            raise
        if must_sign:
            raise Refused("survey-unsigned", where=error.facts["where"]) from error
    import os

    from wipers.linux import LinuxHost

    return LinuxHost(state_directory=Path(os.devnull)), None


def default_name(survey: Survey) -> str:
    """Return the name of a survey's file: machine, day and time."""
    machine = re.sub(r"[^A-Za-z0-9._-]+", "-", survey.machine.name).strip(".-") or "machine"
    return f"{machine}-{survey.made_at:%Y%m%dT%H%M%SZ}{SUFFIX}"


def survey_sheet(screen: Screen, survey: Survey) -> list[str]:
    """Return a survey as lines."""
    lines = [screen.word("survey.head", machine=survey.machine.name, at=local(survey.made_at))]
    lines += rows([*_machine(screen, survey.machine), (screen.word("host"), survey.host or screen.word("survey.none"))])
    for drive in survey.drives:
        lines += ["", *_drive(screen, drive)]
    return lines if survey.drives else [*lines, "", screen.word("targets.none")]


def _machine(screen: Screen, machine: SurveyedMachine) -> list[tuple[str, str]]:
    def told(*parts: str | None) -> str:
        return "  ".join(part for part in parts if part)

    return [
        (screen.word("survey.system"), told(machine.vendor, machine.product, machine.serial)),
        (screen.word("survey.chassis"), machine.chassis_serial or ""),
        (screen.word("survey.tag"), machine.asset_tag or ""),
        (screen.word("survey.board"), told(machine.board_vendor, machine.board_product, machine.board_serial)),
        ("UUID", machine.uuid or ""),
        (screen.word("survey.kernel"), machine.kernel),
    ]


def _drive(screen: Screen, drive: SurveyedDrive) -> list[str]:
    say, language, identity = screen.word, screen.language, drive.identity
    if isinstance(identity, DeviceIdentity):
        facts = [(name, getattr(identity, name)) for name in ("vendor", "model", "serial", "wwn")]
    else:
        facts = [("filesystem", identity.filesystem), ("inode", str(identity.inode))]
    pairs = [
        (say("target.identity"), "  ".join(f"{name} {value}" for name, value in facts if value)),
        (say("target.size"), f"{size_text(identity.size)}  {number(identity.size)} B  {drive.sector_size} B"),
        (say("target.medium"), term("media", drive.media.value, language)),
        (say("target.more"), "  ".join(f"{fact.name} {fact.value}" for fact in drive.facts if fact.value)),
        *((say("target.obstacle"), "▲ " + coded(screen, "obstacle", code)) for code in drive.obstacles),
        (say("target.free"), "" if drive.obstacles else "● " + say("target.nothing")),
        (say("target.reaches"), term("level", drive.reaches.value if drive.reaches else "none", language)),
        *((say("target.why"), coded(screen, "why", code)) for code in drive.why_not_more),
        *((say("target.residual"), _residual(screen, code)) for code in drive.not_reached),
    ]
    return [drive.id, *rows(pairs, indent=2)]


def _residual(screen: Screen, code: str) -> str:
    from certificates.render.words import WORDS as TERMS

    return term("residual", code, screen.language) if f"residual.{code}" in TERMS else code


def coded(screen: Screen, group: str, code: str) -> str:
    """Return the words for a code; the code itself where another version of this program made it."""
    return screen.word(f"{group}.{code}") if f"{group}.{code}" in WORDS else code
