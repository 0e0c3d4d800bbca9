"""What a machine is: the firmware's words about system, chassis and board (SMBIOS), without what makers left blank."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from certificates.statements import SurveyedMachine
from wipers.linux.machine import THIS_MACHINE, Machine, attribute

DMI = {
    "vendor": "sys_vendor",
    "product": "product_name",
    "serial": "product_serial",
    "uuid": "product_uuid",
    "chassis_serial": "chassis_serial",
    "asset_tag": "chassis_asset_tag",
    "board_vendor": "board_vendor",
    "board_product": "board_name",
    "board_serial": "board_serial",
}
"""Fact -> attribute below /sys/class/dmi/id (SMBIOS 3.7, structures of type 1 to 3); serials and UUID are for root."""
TREE = {"product": "model", "serial": "serial-number"}
"""Fact -> property of the device tree's root, where there is no SMBIOS (Devicetree Specification 0.4, 2.3 and 3.2)."""

# What boards carry where nobody filled anything in, without blanks, marks and case.
LEFT_BLANK = frozenset(
    {
        "assettag",
        "asset1234567890",
        "atnumber",
        "baseboardserialnumber",
        "boardserialnumber",
        "chassisassettag",
        "chassisserialnumber",
        "defaultstring",
        "defaultstringdefaultstring",
        "empty",
        "fillbyoem",
        "invalid",
        "na",
        "noassetinformation",
        "noassettag",
        "noenclosure",
        "none",
        "notapplicable",
        "notavailable",
        "notprovided",
        "notspecified",
        "null",
        "oem",
        "sernum0",
        "serialnumber",
        "systemmanufacturer",
        "systemproductname",
        "systemserialnumber",
        "systemversion",
        "tobefilled",
        "tobefilledbyoem",
        "tobefilledbyoemtobefilledbyoem",
        "undefined",
        "unknown",
    }
)
# AMI's firmware gives this UUID to every board whose maker set none: it counts up, by the byte order of SMBIOS.
SAMPLE_UUID = "03000200040005000006000700080009"
COUNTED = "01234567890123456789"


def describe(machine: Machine = THIS_MACHINE) -> SurveyedMachine:
    """What the machine is; nothing that identifies its installation, which an erasure ends anyway."""
    kernel = machine.proc / "sys" / "kernel"
    folder = machine.sys / "class" / "dmi" / "id"
    found = {fact: _read(folder / name) for fact, name in DMI.items()}
    tree = machine.sys / "firmware" / "devicetree" / "base"
    found |= {fact: _read(tree / name) for fact, name in TREE.items() if not found[fact] and (tree / name).exists()}
    return SurveyedMachine(
        name=_text(attribute(kernel / "hostname")),
        kernel=_text(attribute(kernel / "osrelease")),
        **{fact: value for fact, value in found.items() if value is not None and not is_left_blank(value)},
        unread=tuple(fact.replace("_", "-") for fact, value in found.items() if value is None),
    )


def is_left_blank(value: str) -> bool:
    """Whether a firmware's text is what stands there when nobody fills it in: nothing, one sign repeated, a sample."""
    bare = re.sub(r"[\W_]", "", value).lower()
    if not bare or len(set(bare)) == 1 or bare in LEFT_BLANK or bare == SAMPLE_UUID:
        return True
    return len(bare) >= 6 and bare in COUNTED


def _read(path: Path) -> str | None:
    """An attribute's text, empty where there is none; none where it is there and may not be read."""
    try:
        return _text(path.read_bytes().decode("utf-8", "replace"))
    except PermissionError:
        return None
    except OSError:
        return ""


def _text(value: str) -> str:
    printable = "".join(letter for letter in value if letter.isprintable())
    return unicodedata.normalize("NFC", printable.strip())[:200]
