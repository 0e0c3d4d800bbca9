"""Policies as rows of data: which techniques an organisation's rules allow on which medium, and what they leave open.

A policy narrows the choice of a plan; it raises no level and is never called compliance. What a text does not support,
or what was not at hand, stands in the row as left out, so that nobody takes silence for a yes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from certificates.errors import Refused
from certificates.statements import Carrier, Media, Residual
from wipers.model import Target, Technique

_EVERYWHERE = tuple(Media)
_ONE_PASS = ("random-1", "zeros-1", "ones-1")
_KEYS = ("luks2-header", "luks2-header-and-payload")
_SANITIZE = "sanitize commands that the drive carries out itself: this version overwrites from the host alone"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a policy allows on some media."""

    media: tuple[Media, ...]
    """What the bits lie on."""
    techniques: tuple[str, ...]
    """Rows of the technique table, the preferred one first."""


@dataclass(frozen=True, slots=True)
class SanitizationPolicy:
    """An organisation's rules, as far as their text supports them."""

    id: str
    """Id that orders and sites name."""
    name: str
    """Name for people."""
    citation: str
    """Where it comes from, and how much of it was at hand."""
    rules: tuple[Rule, ...]
    """None: nothing of it could be supported."""
    left_out: tuple[str, ...]
    """What the text asks for besides, or what it does not settle."""
    needs_hidden_areas_reset: bool = False
    """Whether an area that the host does not reach forbids the run."""


POLICIES: tuple[SanitizationPolicy, ...] = (
    SanitizationPolicy(
        id="nist-800-88-r2",
        name="NIST SP 800-88 r2",
        citation="NIST SP 800-88 r2 (2025-09-26), 3.1, and its official FAQ, 6 and 9: one pass, or cryptographic erase",
        rules=(Rule(_EVERYWHERE, (*_ONE_PASS, *_KEYS)),),
        left_out=(
            f"purge of a whole drive by {_SANITIZE}",
            "which technique purges which drive: r2 sends its readers to IEEE 2883 and keeps no tables of its own",
            "a share of the medium to be sampled: r2 asks for no read-back unless the organisation's policy does",
            "validation: a person's decision, made by `certificate validate`",
        ),
    ),
    SanitizationPolicy(
        id="ieee-2883",
        name="IEEE 2883-2022",
        citation="IEEE 2883-2022, clear by writing the user area; known from public command tables, not from its text",
        rules=(Rule((Media.MAGNETIC, Media.FLASH), _ONE_PASS),),
        left_out=(
            f"purge: {_SANITIZE}",
            "virtual disks, RAID volumes and LUNs: the part for them (P2883.2) was a draft when this was written",
            "shares to be read back: none could be checked against its text",
        ),
        needs_hidden_areas_reset=True,
    ),
    SanitizationPolicy(
        id="asd-ism",
        name="ASD Information Security Manual",
        citation="ASD ISM-0354 (magnetic: once at random, then read back), ISM-0359 (flash: twice), ISM-1065, ISM-1067",
        rules=(
            Rule((Media.MAGNETIC,), ("asd-ism-magnetic", "asd-ism-magnetic-old")),
            Rule((Media.FLASH,), ("asd-ism-flash",)),
        ),
        left_out=(
            "ATA secure erase in addition (ISM-1067): not a part of these passes",
            "the three passes for drives from before 2001 or under 15 GB: order asd-ism-magnetic-old by name",
            "media that cannot be told apart, such as virtual disks: the manual has no rule for them",
        ),
        needs_hidden_areas_reset=True,
    ),
    SanitizationPolicy(
        id="bsi",
        name="BSI (Germany)",
        citation="BSI VSITR of 1998, replaced in 2009; BSI-GS and BSI-GSE as vendors describe them",
        rules=(),
        left_out=(
            "VSITR: withdrawn, and its last pass is told in three ways; docs/examples/schemes holds one of them",
            "BSI-2011-VS: no public source says what its four passes write",
            f"BSI-GS and BSI-GSE: random passes, then {_SANITIZE}; known from vendors alone",
        ),
    ),
    SanitizationPolicy(
        id="gb-46864-2025",
        name="GB 46864-2025 电子产品信息清除技术要求",
        citation="GB 46864-2025 (in force 2027-01-01), contents and official answers: fixed or random data over every"
        " unit that holds user data, or block erase; its clauses were not at hand",
        rules=(Rule(_EVERYWHERE, _ONE_PASS),),
        left_out=(
            f"block erase: {_SANITIZE}",
            "its clauses on sampling and records: not at hand; the full read-back is what this program does by default",
            "two overwrites, which one seller claims: nothing public confirms it",
            "notice to and consent of the user, and the trader's duties before resale: not a program's to fulfil",
            "state secrets, which it excludes (涉密载体不适用)",
        ),
    ),
    SanitizationPolicy(
        id="ga-t-1143-2014",
        name="GA/T 1143-2014 数据销毁软件产品安全技术要求",
        citation="GA/T 1143-2014, 3次数据销毁方法: 固定字符, 补码, 随机字符; written for magnetic media",
        rules=(Rule((Media.MAGNETIC,), ("ga-t-1143-3",)),),
        left_out=(
            "flash and virtual disks: the text speaks of magnetic media alone",
            "the 7-pass method of the same text: not at hand whole",
        ),
    ),
)
"""Rows that an order or a site may name."""


def find_policy(name: str) -> SanitizationPolicy:
    """Return the row with this id; raises Refused for one that never was."""
    for row in POLICIES:
        if row.id == name:
            return row
    raise Refused("policy-unknown", policy=name, known=", ".join(row.id for row in POLICIES))


def in_force_for(carrier: Carrier, named: Iterable[str]) -> tuple[str, ...]:
    """Return the policies that hold for a carrier: those of the site and the order's own, each once."""
    return tuple(dict.fromkeys((*named, *((carrier.policy,) if carrier.policy is not None else ()))))


def allowed(
    carrier: Carrier, target: Target, rows: Iterable[Technique], policies: Iterable[str]
) -> tuple[Technique, ...]:
    """Return the rows that every policy allows on the target, preferred first.

    A policy makes rows eligible that no plan takes by itself. Raises Refused where nothing is left, or where a policy
    wants hidden areas reset and one is there.
    """
    found = tuple(rows)
    for name in policies:
        found = _allowed_by(find_policy(name), carrier, target, found)
    return found


def _allowed_by(
    policy: SanitizationPolicy, carrier: Carrier, target: Target, rows: tuple[Technique, ...]
) -> tuple[Technique, ...]:
    if policy.needs_hidden_areas_reset and _hidden(target.residual):
        raise Refused("policy-hidden-area", carrier=carrier.id, policy=policy.id, where=target.location)
    order = {
        name: place for rule in policy.rules if target.media in rule.media for place, name in enumerate(rule.techniques)
    }
    found = sorted((row for row in rows if row.id in order), key=lambda row: order[row.id])
    if not found:
        facts = {"carrier": carrier.id, "policy": policy.id, "media": target.media.value}
        raise Refused("policy-allows-nothing", **facts, why="; ".join(policy.left_out))
    return tuple(found)


def _hidden(residual: tuple[Residual, ...]) -> bool:
    return any(str(one.code) == "hidden-area" for one in residual)
