"""The page on sampling holds: a stranger's program from it redoes our samples, and its table is what the code says."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from certificates import bundle
from certificates.sampling import sample_size, stratified_size
from tests.support.house_rules import ROOT

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "sampling.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "vectors" / "golden"
TERABYTE = 244_140_625
"""Blocks of 4 KiB."""


def redone(folder: Path, name: str, check: str = "") -> subprocess.CompletedProcess[str]:
    """The program on the page, beside an unzipped golden bundle; `check` is Python that changes the check it reads."""
    entries = bundle.unpack((GOLDEN / name).read_bytes())
    for entry, data in entries.items():
        path = folder / "bundle" / entry
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    payload = base64.b64decode(json.loads(entries[bundle.CERTIFICATE])["payload"])
    (folder / "certificate.json").write_bytes(payload)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    program = program.replace("record = next", f"{check}\nrecord = next")
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "says"),
    [("stratified.expunge", "3000 blocks recomputed, 0 of all differ"), ("raw.expunge", "25 blocks recomputed, 1 of")],
)
def test_the_program_on_the_page_redoes_a_golden_sample(tmp_path: Path, name: str, says: str) -> None:
    """With the registry's half of the seed, and with a block that differs."""
    done = redone(tmp_path, name)
    assert says in done.stdout, done.stderr


def test_the_program_on_the_page_sees_a_false_digest(tmp_path: Path) -> None:
    """Otherwise it would check nothing."""
    done = redone(tmp_path, "raw.expunge", 'check["samples"] = "sha256:" + "0" * 64')
    assert "AssertionError" in done.stderr


def test_the_table_on_the_page_is_what_the_code_says() -> None:
    """Confidence, share, plain size, blocks a section."""
    rows = re.findall(r"^\| C (\d+) %, p ([\d.]+) % \| ([\d,]+) \| (\d+) a section", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for confidence, share, plain, each in rows:
        wanted = (int(confidence) * 10_000, round(float(share) * 10_000))
        assert sample_size(2**50, *wanted) == int(plain.replace(",", ""))
        assert stratified_size(TERABYTE, 1000, *wanted) == 1000 * int(each)
