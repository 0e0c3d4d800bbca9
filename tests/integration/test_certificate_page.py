"""The page on the certificate's format is followed to the letter, by programs that share no code with us."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certificates import bundle
from certificates.audit.patterns import expected
from certificates.statements import DeviceIdentity
from tests.support import world
from tests.support.house_rules import ROOT
from tests.support.story import RANDOM, story, tell
from tests.support.world import Papers

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in ("bash", "jq", "openssl", "unzip")),
        reason="needs bash, jq, openssl and unzip",
    ),
]
SIZE = (3 << 20) + 512


def commands() -> str:
    """Every bash block of the page, in order."""
    text = (ROOT / "docs" / "certificate-format.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def small() -> Papers:
    """A run on a drive that fits into a test; one approver and one witness sign by P-256."""
    identity = DeviceIdentity("ATA", "TINY", "WD-WX11A123", None, SIZE)
    carrier = world.carrier(identity=identity)
    return tell(story(order=world.order(carriers=(carrier,))))


def follow(folder: Path, papers: Papers, medium: bytes | None = None) -> list[str]:
    """What the page's commands print about a bundle and a medium."""
    (folder / "target").write_bytes(expected(RANDOM, 0, SIZE) if medium is None else medium)
    (folder / "one.expunge").write_bytes(papers.packed)
    (folder / "trust.json").write_bytes(world.trust_file(papers.trust))
    names = {"BUNDLE": "one.expunge", "TRUST": "trust.json", "TARGET": "target"}
    environment = {name: str(folder / file) for name, file in names.items()} | {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-u", "-c", commands()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "command not found" not in done.stderr
    return done.stdout.splitlines()


GOOD = [
    "order: bound",
    "start: bound",
    "keyring root: trusted",
    "keyring: bound",
    *(f"keyrings/1: signature of {name} holds" for name in ("P-0001", "P-0002")),
    *(f"order: signature of {name} holds" for name in ("P-0101", "P-0417", "P-0588", "P-0102")),
    "start: signature of P-0230 holds",
    *(f"certificate: signature of {name} holds" for name in ("arch-07", "P-0230", "P-0311", "P-0729")),
    "order: needs P-0101 as requester",
    "order: needs P-0417 as approver",
    "order: needs P-0588 as approver",
    "order: needs P-0102 as security-officer",
    "certificate: needs P-0230 as executor",
    "certificate: needs P-0311 as witness",
    "certificate: needs P-0729 as witness",
    "receipt: inclusion holds",
    "receipt: checkpoint of registry.example/expunge holds",
    "journal: chain unbroken",
    "journal: head is bound",
    "journal: records are the certificate's",
    "medium: every byte is the last pass",
    "medium: the block at 1572864 is the last pass",
]


def test_a_good_bundle_passes_every_command_of_the_page(tmp_path: Path) -> None:
    """With bash, unzip, openssl and jq, and nothing of ours."""
    assert follow(tmp_path, small()) == GOOD


def damaged(name: str, old: bytes, new: bytes) -> Papers:
    papers = small()
    data = papers.entries[name]
    assert old in data
    return replace(papers, entries={**papers.entries, name: data.replace(old, new, 1)})


@pytest.mark.parametrize(
    ("name", "old", "new", "lost"),
    [
        (bundle.JOURNAL, b'"kind":"drew"', b'"kind":"drwe"', "journal: chain unbroken"),
        (bundle.RECEIPT, b"index 7", b"index 6", "receipt: inclusion holds"),
        (bundle.RECEIPT, b"\n12\n", b"\n13\n", "receipt: checkpoint of registry.example/expunge holds"),
        (bundle.ORDER, b'"payload":"ey', b'"payload":"eX', "order: signature of P-0417 holds"),
    ],
    ids=["journal", "index", "checkpoint", "order"],
)
def test_a_damaged_document_fails_a_command_of_the_page(
    tmp_path: Path, name: str, old: Any, new: Any, lost: str
) -> None:
    """A page whose commands always pass would be worse than none."""
    assert lost not in follow(tmp_path, damaged(name, old, new))


def test_a_medium_that_differs_in_one_byte_fails_the_comparison(tmp_path: Path) -> None:
    """The last one, which a careless range would miss."""
    medium = bytearray(expected(RANDOM, 0, SIZE))
    medium[-1] ^= 1
    told = follow(tmp_path, small(), bytes(medium))
    assert "medium: every byte is the last pass" not in told
    assert "receipt: inclusion holds" in told
