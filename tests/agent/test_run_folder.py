"""Evidence as long as a tree has files is filed in parts, and is the same as if it had been filed at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.runs import WHERE, RunFolder
from certificates.encoding import digest


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "00000001")
    made.make()
    return made


def test_parts_are_filed_under_the_digest_of_the_whole(folder: RunFolder) -> None:
    """The certificate binds the file, however it came."""
    told = folder.save_evidence_parts("extents-1.jsonl", (b"one\n", b"", b"two\n"))
    assert (folder.path / "evidence/extents-1.jsonl").read_bytes() == b"one\ntwo\n"
    assert told == digest(b"one\ntwo\n")
    (bound,) = folder.evidence_files()
    assert (bound.name, bound.digest, bound.size) == ("extents-1.jsonl", told, 8)


def test_parts_that_end_early_leave_what_was_there(folder: RunFolder) -> None:
    """Half a list of extents would be bound by a certificate as if it were all."""

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError

    folder.save_evidence("extents-1.jsonl", b"whole")
    with pytest.raises(OSError):  # noqa: PT011 - whatever it is
        folder.save_evidence_parts("extents-1.jsonl", broken())
    assert (folder.path / "evidence/extents-1.jsonl").read_bytes() == b"whole"


@pytest.mark.parametrize("data", [None, b"", b"\xff", b"{", b"[]", b"{}"])
def test_a_spoilt_note_of_where_the_target_was_is_none(folder: RunFolder, data: bytes | None) -> None:
    """It is a hint: without it the target is found by what it is."""
    if data is None:
        (folder.path / WHERE).mkdir()
    else:
        folder.write(WHERE, data)
    assert folder.place() == ""
    folder.forget_names()


def test_what_a_crash_cut_short_of_the_evidence_goes_with_the_names(folder: RunFolder, tmp_path: Path) -> None:
    """It may hold names, and no certificate binds it. A link is nobody's draft, and where it leads is left alone."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"another's")
    evidence = folder.path / "evidence"
    (evidence / "link.new").symlink_to(outside)
    (evidence / "extents-1.jsonl.new").write_bytes(b"half a li")
    folder.save_evidence("extents-1.jsonl", b"whole")
    folder.save_evidence("profile-0.json", b"{}")
    (evidence / "profile-0.json.new").write_bytes(b"")
    folder.forget_names()
    assert sorted(path.name for path in evidence.iterdir()) == ["extents-1.jsonl", "link.new", "profile-0.json"]
    assert outside.read_bytes() == b"another's"
