"""What each named scheme writes, pass by pass, set down by hand: the answer that the program's own rows are held to.

Two hex digits: that byte. More: those bytes over and over from offset 0. `random`: a keystream with a key of its own.
A letter: a byte drawn for the run; behind `~`, its complement.
"""

from __future__ import annotations

SCHEMES: dict[str, tuple[str, ...]] = {
    name: tuple(row.split())
    for name, row in {
        "ones-1": "ff",
        "dod-5220.22-m": "00 ff b",
        "dod-short": "a ~a random",
        "dod-5220.22-m-ece": "a ~a random b c ~c random",
        "dod-5200.28-std": "35 ca 97 68 ac 53 random",
        "ncsc-tg-025": "35 ca 97",
        "nnsa-nap-14.1-c": "random random 00",
        "us-army-ar380-19": "a 00 ff",
        "navso-p-5239-26-rll": "ff e4ffffff random",
        "navso-p-5239-26-mfm": "ff fdffffff random",
        "hmg-is5-enhanced": "00 ff random",
        "cesg-cpa-foundation": "00 ff random",
        "bsi-bit-walk-9": "ff fe fd fb f7 ef df bf 7f",
        "gost-r-50739-95": "00 random",
        "asd-ism-magnetic": "random",
        "asd-ism-magnetic-old": "random random random",
        "asd-ism-flash": "random random",
        "ga-t-1143-3": "00 ff b",
        "bmb21-nwipe": "ff 00 random random random ff",
        "schneier-7": "ff 00 random random random random random",
        "gutmann-35": "random random random random 55 aa 924924 492492 249249 00 11 22 33 44 55 66 77 88 99 aa bb cc"
        " dd ee ff 924924 492492 249249 6db6db b6db6d db6db6 random random random random",
        "pfitzner-7": "random " * 7,
        "pfitzner-33": "random " * 33,
        "shred-default": "random random random",
    }.items()
}
