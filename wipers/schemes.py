"""Overwrite schemes known by a name, as rows of data: taken only where an order names them, never called compliance.

Where a text leaves a byte to the tool, 0x00 and its complement 0xff are written; a `random character` is one byte drawn
for the run. Whatever stands last in a row is what stays on the medium: nothing is appended.
"""

from __future__ import annotations

from typing import Literal

from certificates.statements import (
    ComplementOf,
    ConstantByte,
    DrawnByte,
    Filling,
    FreshKeystream,
    Kind,
    Method,
    RepeatedWord,
    Scheme,
)
from wipers.model import Pass, Technique

OVERWRITTEN: dict[Kind, Method] = {
    "device": Method.DEVICE_OVERWRITE,
    "image": Method.DEVICE_OVERWRITE,
    "volume": Method.DEVICE_OVERWRITE,
    "files": Method.IN_PLACE_OVERWRITE,
    "database": Method.IN_PLACE_OVERWRITE,
    "records": Method.COPY_FORWARD,
}
"""Every overwrite applies to everything that is overwritten; most of these texts speak of whole media alone."""
_RANDOM = FreshKeystream()
_ONE_IS_ENOUGH = "NIST SP 800-88 r2 holds that one pass is enough"
_WITHDRAWN = f"Withdrawn: the rule it comes from no longer holds. {_ONE_IS_ENOUGH}."
_LEGACY = f"Legacy: more passes take longer and reach no higher level. {_ONE_IS_ENOUGH}."


def _bytes(*values: str) -> tuple[Filling, ...]:
    """Return a filling for each value: one byte, or several to be repeated."""
    return tuple(ConstantByte(value) if len(value) == 2 else RepeatedWord(value) for value in values)


def _scheme(
    row: str,
    name: str,
    fillings: tuple[Filling, ...],
    citation: str,
    warning: str,
    *,
    basis: Literal["text", "code"],
    shuffled: tuple[int, int] | None = None,
) -> Technique:
    passes = tuple(Pass(filling) for filling in fillings)
    return Technique(row, name, OVERWRITTEN, passes, citation, warning, basis, is_offered=False, shuffled=shuffled)


_ONES = _scheme(
    "ones-1",
    "One pass of 0xff",
    _bytes("ff"),
    "NIST SP 800-88 r2, clear by overwriting with a fixed value; `one` of nwipe, `fillff` of scrub",
    "Erased flash reads as 0xff too; random-1 tells a written block from such a one.",
    basis="text",
)

_DEFENCE = (
    _scheme(
        "dod-5220.22-m",
        "DoD 5220.22-M, 8-306 procedure d (1995), 3 passes",
        (*_bytes("00", "ff"), DrawnByte("b")),
        "NISPOM 1995, 8-306, procedure d: a character, its complement, a random character",
        f"{_WITHDRAWN} The Department of Defense dropped it in 2006. Disputed: scrub, Eraser, dskwipe and wipefreespace"
        " each write other bytes under this name.",
        basis="text",
    ),
    _scheme(
        "dod-short",
        "DoD Short: passes 1, 2 and 7 of the 7",
        (DrawnByte("a"), ComplementOf("a"), _RANDOM),
        "nwipe, `dodshort`",
        f"{_WITHDRAWN} A shortening by programs: no text of the Department of Defense has it.",
        basis="code",
    ),
    _scheme(
        "dod-5220.22-m-ece",
        "DoD 5220.22-M ECE, 7 passes",
        (
            *(DrawnByte("a"), ComplementOf("a"), _RANDOM, DrawnByte("b")),
            *(DrawnByte("c"), ComplementOf("c"), _RANDOM),
        ),
        "nwipe `dod522022m` and Eraser, which agree",
        _WITHDRAWN,
        basis="code",
    ),
    _scheme(
        "dod-5200.28-std",
        "DoD 5200.28-STD style, 7 passes",
        (*_bytes("35", "ca", "97", "68", "ac", "53"), _RANDOM),
        "dskwipe, `--dod7`",
        f"{_WITHDRAWN} One program's reading; the standard of that number was not at hand.",
        basis="code",
    ),
    _scheme(
        "ncsc-tg-025",
        "NCSC-TG-025, purge by overwriting, one cycle",
        _bytes("35", "ca", "97"),
        "NCSC-TG-025 (Rainbow series): a character, its complement, another character; the bytes are its own example",
        f"{_WITHDRAWN} The text sets the number of cycles by component; this is one. Its word purge is not today's.",
        basis="text",
    ),
    _scheme(
        "nnsa-nap-14.1-c",
        "NNSA NAP-14.1-C, 3 passes",
        (_RANDOM, _RANDOM, *_bytes("00")),
        "scrub, `nnsa`",
        _LEGACY,
        basis="code",
    ),
    _scheme(
        "us-army-ar380-19",
        "US Army AR 380-19, 3 passes",
        (DrawnByte("a"), *_bytes("00", "ff")),
        "AR 380-19: a random character, a specified character, its complement",
        f"{_WITHDRAWN} Disputed: scrub writes 00, ff, random under this name, Eraser a keystream first.",
        basis="text",
    ),
    _scheme(
        "navso-p-5239-26-rll",
        "US Navy NAVSO P-5239-26 for RLL drives, 3 passes",
        (*_bytes("ff", "e4ffffff"), _RANDOM),
        "NAVSO P-5239-26: all ones; a 32-bit pattern, given least significant bit first; a pseudorandom sequence",
        f"{_WITHDRAWN} Disputed: others read the bits from the other end, 27ffffff, and write 0x01 for all ones.",
        basis="text",
    ),
    _scheme(
        "navso-p-5239-26-mfm",
        "US Navy NAVSO P-5239-26 for MFM drives, 3 passes",
        (*_bytes("ff", "fdffffff"), _RANDOM),
        "NAVSO P-5239-26: all ones; a one, a zero and ones, least significant bit first; a pseudorandom sequence",
        f"{_WITHDRAWN} Disputed: others write 7fffffff; one zero bit a data block may be meant, not one in 32 bits.",
        basis="text",
    ),
)

_OTHERS = (
    _scheme(
        "hmg-is5-enhanced",
        "UK HMG Infosec Standard 5, Enhanced, 3 passes",
        (*_bytes("00", "ff"), _RANDOM),
        "nwipe, `is5enh`",
        f"{_WITHDRAWN} The original text could not be found. Disputed: Eraser writes 0x01 for 0xff.",
        basis="code",
    ),
    _scheme(
        "cesg-cpa-foundation",
        "CESG CPA Data Sanitisation, DEV.M557, 3 passes",
        (*_bytes("00", "ff"), _RANDOM),
        "CESG CPA Data Sanitisation, DEV.M557: a value, its complement, random data",
        _WITHDRAWN,
        basis="text",
    ),
    _scheme(
        "bsi-bit-walk-9",
        "Walking zero bit, 9 passes (`bsi` of scrub)",
        _bytes("ff", "fe", "fd", "fb", "f7", "ef", "df", "bf", "7f"),
        "scrub, `bsi`",
        f"{_LEGACY} It is not VSITR, and no text of the BSI was found that has it.",
        basis="code",
    ),
    _scheme(
        "gost-r-50739-95",
        "GOST R 50739-95 as programs have it, 2 passes",
        (*_bytes("00"), _RANDOM),
        "Eraser and secure-rm, which agree",
        f"{_LEGACY} Disputed: no passage of the standard that fixes a pattern was found, and programs differ.",
        basis="code",
    ),
    _scheme(
        "asd-ism-magnetic",
        "Australian ISM-0354, magnetic media, 1 pass",
        (_RANDOM,),
        "ASD Information Security Manual, ISM-0354: overwrite once with a random pattern, then read back",
        "Magnetic media from 2001 on and of 15 GB or more only. The manual also has HPA and DCO reset first (ISM-1065)"
        " and ATA secure erase run besides (ISM-1067); neither is part of these passes.",
        basis="text",
    ),
    _scheme(
        "asd-ism-magnetic-old",
        "Australian ISM-0354, magnetic media before 2001 or under 15 GB, 3 passes",
        (_RANDOM,) * 3,
        "ASD Information Security Manual, ISM-0354: three times with a random pattern, then read back",
        "Magnetic media only. The manual also has HPA and DCO reset first (ISM-1065) and ATA secure erase run besides"
        " (ISM-1067); neither is part of these passes.",
        basis="text",
    ),
    _scheme(
        "asd-ism-flash",
        "Australian ISM-0359, flash media, 2 passes",
        (_RANDOM,) * 2,
        "ASD Information Security Manual, ISM-0359: twice with a random pattern, then read back",
        "Flash media only. Spare blocks are not reached, however often the rest is overwritten.",
        basis="text",
    ),
    _scheme(
        "ga-t-1143-3",
        "GA/T 1143-2014, 3 passes (3次数据销毁方法)",
        (*_bytes("00", "ff"), DrawnByte("b")),
        "GA/T 1143-2014: 固定字符, 补码, 随机字符 (a fixed character, its complement, a random character)",
        "Written for magnetic media only. The 7-pass method of the same text was not at hand whole and is not offered.",
        basis="text",
    ),
    _scheme(
        "bmb21-nwipe",
        "Passes that nwipe calls BMB21-2019, 6 passes",
        (*_bytes("ff", "00"), _RANDOM, _RANDOM, _RANDOM, *_bytes("ff")),
        "nwipe, `bmb`, without the pass of zeros that nwipe appends by default",
        "NEVER compliance with BMB21: that text is restricted, and these bytes are one contributor's word. Carriers of"
        " state secrets are not wiped by this program at all: they go to the body that the secrecy authority names."
        " 不得作为 BMB21 合规依据；涉密载体一律不得用本程序销毁。",
        basis="code",
    ),
)

_FIXED_BY_GUTMANN = (
    *("55", "aa", "924924", "492492", "249249"),
    *("00", "11", "22", "33", "44", "55", "66", "77", "88", "99", "aa", "bb", "cc", "dd", "ee", "ff"),
    *("924924", "492492", "249249", "6db6db", "b6db6d", "db6db6"),
)

_AUTHORS = (
    _scheme(
        "schneier-7",
        "Schneier, Applied Cryptography, 7 passes",
        (*_bytes("ff", "00"), *(_RANDOM,) * 5),
        "nwipe, dskwipe and wipefreespace, which agree",
        f"{_LEGACY} Disputed: scrub and secure-rm write 00 before ff, Eraser 0x01 for 0xff.",
        basis="code",
    ),
    _scheme(
        "gutmann-35",
        "Gutmann 1996, 35 passes, the 27 fixed ones in an order drawn for the run",
        (*(_RANDOM,) * 4, *_bytes(*_FIXED_BY_GUTMANN), *(_RANDOM,) * 4),
        "nwipe, scrub, Eraser and secure-rm, whose tables are identical; the order is shuffled as in nwipe",
        f"{_LEGACY} Made for encodings that drives have not used since the 1990s; its author advises against all 35.",
        basis="code",
        shuffled=(4, 31),
    ),
    _scheme("pfitzner-7", "Pfitzner, 7 passes", (_RANDOM,) * 7, "scrub, `pfitzner7`", _LEGACY, basis="code"),
    _scheme(
        "pfitzner-33",
        "Pfitzner, 33 passes",
        (_RANDOM,) * 33,
        "scrub `pfitzner33`, and secure-rm",
        _LEGACY,
        basis="code",
    ),
    _scheme(
        "shred-default",
        "GNU shred as it runs by default, 3 passes",
        (_RANDOM,) * 3,
        "shred of GNU coreutils, without options",
        f"{_LEGACY} Sometimes sold as DoD, which it is not.",
        basis="code",
    ),
)

SCHEMES: tuple[Technique, ...] = (_ONES, *_DEFENCE, *_OTHERS, *_AUTHORS)
"""Rows that a plan takes only where the order names them."""


def technique_of(scheme: Scheme) -> Technique:
    """Return an order's own scheme as a technique of everything that is overwritten; taken where it is named alone."""
    return Technique(
        id=scheme.id,
        name=scheme.name,
        method=OVERWRITTEN,
        passes=tuple(Pass(filling) for filling in scheme.passes),
        citation=scheme.source,
        warning=scheme.warning or "The order's own scheme: its passes are what was approved, its name says nothing.",
        basis="order",
        is_offered=False,
    )
