"""Names from patterns, lists and manifests: exactly what was approved, read without holding it in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import FilesSelector, NamesFile
from wipers.linux.beneath import open_root
from wipers.linux.selection import Named, expanded, lines_in, listed, manifested, selected
from wipers.linux.trees import Tree
from wipers.linux.walking import plain_names, survey

pytestmark = pytest.mark.integration

KEY = "0" * 64


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A small tree, with a link that leads out of it."""
    for name in ("a/one.log", "a/deep/er/two.log", "a/deep/.hidden.log", "b/three.txt", "[odd]", "top.log"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(name.encode())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "other.log").write_bytes(b"somebody else's")
    (tmp_path / "in" / "a" / "way").symlink_to(tmp_path / "out", target_is_directory=True)
    descriptor = open_root(str(tmp_path / "in"))
    yield descriptor
    os.close(descriptor)


def bound(path: Path, data: bytes) -> NamesFile:
    path.write_bytes(data)
    return NamesFile(str(path), f"sha256:{hashlib.sha256(data).hexdigest()}")


def line(name: str, data: bytes, mark: str = "") -> str:
    return f"{mark}{hashlib.sha256(data).hexdigest()}  {name}\n"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.log", {"top.log"}),
        ("**/*.log", {"top.log", "a/one.log", "a/deep/er/two.log", "a/deep/.hidden.log"}),
        ("a/*", {"a/one.log", "a/deep", "a/way"}),
        ("a/**/two.log", {"a/deep/er/two.log"}),
        ("?/three.t[xy]t", {"b/three.txt"}),
        ("*/way/*.log", set()),
        ("a/way/other.log", set()),
        ("[[]odd]", {"[odd]"}),
    ],
)
def test_a_pattern_leads_to_names_and_follows_no_link(root: int, pattern: str, names: set[str]) -> None:
    """What lies behind a link is not below the root, whatever a pattern says; a dot hides nothing."""
    found = list(expanded(root, pattern))
    if names:
        assert {one.name for one in found} == names
        assert not any(one.is_literal for one in found)
    else:
        assert found == [Named(pattern)]


def test_a_pattern_that_leads_to_nothing_is_a_missing_name(root: int) -> None:
    """Whoever wrote it meant something that is not there."""
    assert survey(root, selected(root, FilesSelector("/", (), KEY, globs=("*.zip",)))).problems == {"files-missing": 1}


def test_a_link_that_a_pattern_leads_to_is_removed_and_one_that_is_named_is_refused(root: int) -> None:
    """A pattern takes what stands there as a directory does; a person who names a link meant what it leads to."""
    by_pattern = survey(root, expanded(root, "a/*"))
    assert (by_pattern.problems, list(by_pattern.others)) == ({}, ["a/way"])
    assert survey(root, ["a/way"]).problems == {"not-regular-file": 1}


def test_lists_end_names_by_line_feeds_or_by_zero_bytes() -> None:
    """As `find` prints them; a chunk may end anywhere."""
    assert list(lines_in([b"on", b"e\ntw", b"o\n\nthree"], "x")) == [b"one", b"two", b"three"]
    assert list(lines_in([b"on\ne\0tw", b"o\0"], "x")) == [b"on\ne", b"two"]
    with pytest.raises(Refused) as caught:
        list(lines_in([b"a" * 20_000], "x"))
    assert caught.value.reason == "list-unreadable"


def test_a_list_is_the_one_that_was_approved_or_nothing_is_found(root: int, tmp_path: Path) -> None:
    """Its digest is what people signed; names may be any bytes but none may leave the root."""
    file = bound(tmp_path / "list", b"./a/one.log\nb\n" + os.fsencode("caf\udce9") + b"\n")
    assert [one.name for one in listed(file)] == ["a/one.log", "b", "caf\udce9"]
    (tmp_path / "list").write_bytes(b"./a\n")
    with pytest.raises(Refused) as caught:
        survey(root, listed(file))
    assert caught.value.reason == "list-differs"
    with pytest.raises(Refused) as caught:
        list(listed(bound(tmp_path / "list", b"a\n/etc/passwd\n")))
    assert (caught.value.reason, caught.value.facts["detail"]) == (
        "list-unreadable",
        "line 2 is not relative to the root",
    )
    with pytest.raises(Refused) as caught:
        list(listed(NamesFile(str(tmp_path / "none"), file.digest)))
    assert caught.value.reason == "list-unreadable"


@pytest.mark.parametrize("line", [".", "..", "../a", "./.", "./../a", "a/..", "a/./b", "././a"])
def test_a_line_that_leads_elsewhere_is_told_by_its_number(tmp_path: Path, line: str) -> None:
    """`find .` prints the root itself first: whoever takes that as a list must see which line is none."""
    kept = ("./.a", "..a", "a/..b", "a/.b/c.", "a..b")
    whole = "\n".join((*kept, line)).encode()
    with pytest.raises(Refused) as caught:
        list(listed(bound(tmp_path / "list", whole)))
    assert caught.value.facts["detail"] == "line 6 has '.' or '..' as a part of its name"
    assert [one.name for one in listed(bound(tmp_path / "list", "\n".join(kept).encode()))] == [".a", *kept[1:]]


def test_a_manifest_is_read_as_sha256sum_writes_it(tmp_path: Path) -> None:
    """Names with line feeds are escaped there, or ended by zero bytes."""
    digest = hashlib.sha256(b"x").hexdigest()
    text = f"{digest}  ./a b\n\\{digest} *new\\nline\\\\\n".encode()
    assert list(manifested(bound(tmp_path / "m", text))) == [
        Named("a b", digest=bytes.fromhex(digest)),
        Named("new\nline\\", digest=bytes.fromhex(digest)),
    ]
    zeros = f"{digest}  new\nline\0".encode()
    assert [one.name for one in manifested(bound(tmp_path / "m", zeros))] == ["new\nline"]
    with pytest.raises(Refused) as caught:
        list(manifested(bound(tmp_path / "m", text + b"SHA256 (a) = 00\n")))
    assert caught.value.facts["detail"] == "line 3 is not as sha256sum writes it"


def test_contents_that_differ_from_the_manifest_are_a_problem(root: int, tmp_path: Path) -> None:
    """Somebody wrote another version under the name: that one nobody approved."""
    good = line("a/one.log", b"a/one.log") + line("top.log", b"top.log")
    assert survey(root, manifested(bound(tmp_path / "m", good.encode()))).problems == {}
    other = line("a/one.log", b"a/one.log") + line("top.log", b"older")
    assert survey(root, manifested(bound(tmp_path / "m", other.encode()))).problems == {"file-differs": 1}
    folder = line("a", b"")
    assert survey(root, manifested(bound(tmp_path / "m", folder.encode()))).problems == {"not-regular-file": 1}
    twice = line("top.log", b"top.log") + line("top.log", b"older")
    assert survey(root, manifested(bound(tmp_path / "m", twice.encode()))).problems == {"file-differs": 1}


def test_a_name_below_another_goes_with_it_wherever_it_was_named() -> None:
    """Each file once, in the order of names' parts: `a!` stands between `a` and `a/b` in plain bytes."""
    tree = Tree()
    found = [one.name for one in plain_names(["a/b", "a!", "a", "c/d/e", "c/d", "a"], tree)]
    assert (found, tree.problems) == (["a", "a!", "c/d"], {})


@pytest.mark.parametrize("name", ["..", "a/../b", "./.", "", "/"])
def test_ways_out_are_problems_in_lists_too(name: str) -> None:
    """A list of a million names is read by no person."""
    tree = Tree()
    assert list(plain_names([name], tree)) == []
    assert tree.problems == {"name-not-plain": 1}
