"""The table `from_survey` of a draft: what decides over the drives that surveys bring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from agent.drafting import Means, check_names, host_ids, verification
from agent.forms import Form
from certificates.statements import Form as Shape
from certificates.statements import Grade, Id, Items, Level, Otherwise, Secrecy, Text, Verification

HOURS = {"h": 1, "d": 24}


@dataclass(frozen=True, slots=True)
class AssetDefaults:
    """What a card's empty cells mean."""

    code_system: Literal["GB/T 14885-2010", "GB/T 14885-2022"] = "GB/T 14885-2022"
    code: Id | None = None
    grade: Grade | None = None
    personal_information: bool | None = None
    secrecy: Secrecy | None = None


@dataclass(frozen=True, slots=True)
class LevelsByGrade:
    """Minimum level for each grade."""

    general: Level
    important: Level
    core: Level


@dataclass(frozen=True, slots=True)
class ByHand:
    """A drive, and the cards that a person puts with it."""

    drive: Text
    cards: Annotated[tuple[Id, ...], Items(1, 64)]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A card or drive that stays out of the order, and why."""

    reason: Text
    card: Id | None = None
    drive: Text | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The table `from_survey` of a draft."""

    secrecy_declared_by: Id
    levels: LevelsByGrade
    verification: Verification
    destination: Literal["internal-reuse", "external-reuse", "recycling", "manufacturer", "destruction-body", "storage"]
    hosts: Annotated[tuple[Text, ...], Items(0, 255)] = ()
    technique: Id | None = None
    policy: Id | None = None
    otherwise: Otherwise | None = None
    oldest: Annotated[str, Shape(r"[1-9][0-9]{0,3}[hd]", 5, "hours or days, e.g. 36h or 30d")] = "30d"
    accept_unverified: bool = False
    asset: AssetDefaults = AssetDefaults()
    by_hand: Annotated[tuple[ByHand, ...], Items(0, 4096)] = ()
    leave_out: Annotated[tuple[LeftOut, ...], Items(0, 4096)] = ()

    @property
    def oldest_age(self) -> timedelta:
        """Age from which a survey no longer counts."""
        return timedelta(hours=int(self.oldest[:-1]) * HOURS[self.oldest[-1]])


def read_settings(form: Form, means: Means) -> Settings | None:
    """Return the table `from_survey`, taken out of the tree; none where it has faults, which are noted."""
    table = form.table(form.tree, "from_survey")
    form.tree.pop("from_survey", None)
    level = table.pop("level", None)
    if level is not None and "levels" in table:
        form.fault("from_survey.level", "and from_survey.levels say the same: leave one of them")
    if level is not None:
        table["levels"] = dict.fromkeys(("general", "important", "core"), level)
    form.convert(table, "verification", "from_survey", lambda value, at: verification(form, value, at))
    form.convert(table, "hosts", "from_survey", lambda value, at: host_ids(form, value, at, means.hosts))
    check_names(form, table, "from_survey")
    table.setdefault("asset", {})
    return form.read(table, Settings, "from_survey")
