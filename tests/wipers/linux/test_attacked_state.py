"""What a run keeps for a resume, cut off anywhere: refused or whole, and never a bug."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from certificates.errors import Refused
from wipers.linux.manifest import Manifest
from wipers.linux.runstate import StateFile

CARRIER = SimpleNamespace(selector=SimpleNamespace(commitment="sha256:" + "ab" * 32))
HEAD = {"format": "streams-2", "released": False, "facts": [["inode", "7"]], "size": 9, "objects": 1, "names": 3}


def test_a_list_of_files_that_was_cut_is_refused(tmp_path: Path) -> None:
    """Its last lines name what goes with the files: without one of them it ended as a bug."""
    lines = [HEAD | {"seed": "ab"}, ["a/b", [], [12, 1, 9], [[0, 4096, 4096]]], {"others": 1, "folders": 2}]
    whole = b"".join(json.dumps(one).encode() + b"\n" for one in [*lines, "a/link", "a", "."])
    path = tmp_path / f"{'ab' * 32}.streams"
    for end in range(len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(Refused, match="cannot be read"):
            StateFile(tmp_path, CARRIER).load()  # type: ignore[arg-type]
    path.write_bytes(whole)
    begun = StateFile(tmp_path, CARRIER).load()  # type: ignore[arg-type]
    assert begun is not None
    assert begun.streams is not None


def test_a_manifest_that_was_cut_has_its_whole_lines_and_goes_on_behind_them(tmp_path: Path) -> None:
    """What a crash cut off was not acted on."""
    made = Manifest(tmp_path, CARRIER)  # type: ignore[arg-type]
    for number in range(3):
        made.write("take", how="link", filling="", files=[["a", "000000", number]])
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for end in range(0, len(whole), 5):
        path.write_bytes(whole[:end])
        cut = Manifest(tmp_path, CARRIER)  # type: ignore[arg-type]
        count = max(whole[:end].count(b"\n") - 1, 0)
        assert [line.facts["files"][0][2] for line in cut.lines] == list(range(count))
        cut.write("kept", count=1)
        again = Manifest(tmp_path, CARRIER)  # type: ignore[arg-type]
        assert [line.phase for line in again.lines] == ["take"] * count + ["kept"]
