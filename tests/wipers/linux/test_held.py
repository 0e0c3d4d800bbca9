"""What is held: noted before it is taken, and put back or completed wherever a crash comes."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from certificates.errors import Refused
from wipers.linux import held as module
from wipers.linux.held import Held
from wipers.linux.manifest import Manifest
from wipers.model import Lost


def manifest(tmp_path: Path) -> Manifest:
    carrier = SimpleNamespace(selector=SimpleNamespace(commitment="sha256:" + "ab" * 32))
    return Manifest(tmp_path / "runs", carrier)  # type: ignore[arg-type]


def begun(tmp_path: Path, **files: str) -> Held:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    for name, content in files.items():
        (data / name).write_text(content)
    found = Held(manifest(tmp_path))
    found.begin(data, "0123456789abcdef")
    return found


class Cut(Exception):
    """The power went."""


def test_the_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """What is held was readable by the engine's group at most; it must not become readable by more."""
    folder = begun(tmp_path).path
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_swapped_file_leaves_one_of_the_same_mode(tmp_path: Path) -> None:
    """A server meets what it was given instead, and not a missing file."""
    held = begun(tmp_path, a="rows")
    path = tmp_path / "data" / "a"
    path.chmod(0o640)
    inode = path.stat().st_ino
    (taken,) = held.swap([path], b"\xff" * 16)
    assert path.read_bytes() == b"\xff" * 16
    assert path.stat().st_mode & 0o777 == 0o640
    assert (held.path or path).joinpath(taken.name).stat().st_ino == inode


@pytest.mark.parametrize("how", ["link", "swap", "move"])
def test_what_was_taken_can_be_put_back(tmp_path: Path, how: str) -> None:
    """An engine that could not commit goes on as if nothing had been."""
    held = begun(tmp_path, a="one", b="two")
    paths = [tmp_path / "data" / name for name in "ab"]
    inodes = [path.stat().st_ino for path in paths]
    getattr(held, how)(paths)
    Held(manifest(tmp_path)).put_back()
    assert [path.stat().st_ino for path in paths] == inodes
    assert [path.read_text() for path in paths] == ["one", "two"]
    assert Held(manifest(tmp_path)).names() == ()


@pytest.mark.parametrize("how", ["link", "swap", "move"])
@pytest.mark.parametrize("is_completed", [True, False])
def test_a_crash_in_the_middle_is_undone_or_completed(
    tmp_path: Path, how: str, is_completed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note comes first: whichever files were reached, the same note tells of all."""
    held = begun(tmp_path, a="one", b="two", c="three")
    paths = [tmp_path / "data" / name for name in "abc"]
    inodes = [path.stat().st_ino for path in paths]
    real, count = module._take_one, 0

    def cut(one: module.Taken, folder: int) -> bool:
        nonlocal count
        count += 1
        if count == 2:
            raise Cut
        return real(one, folder)

    monkeypatch.setattr(module, "_take_one", cut)
    with pytest.raises(Cut):
        getattr(held, how)(paths)
    monkeypatch.setattr(module, "_take_one", real)
    again = Held(manifest(tmp_path))
    if is_completed:
        again.finish()
        folder = again.path or tmp_path
        assert [(folder / one.name).stat().st_ino for one in again.taken()] == inodes
    else:
        again.put_back()
        assert [path.stat().st_ino for path in paths] == inodes


def test_a_name_that_leads_elsewhere_by_now_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a crash and the resume a server may have made a new file of that name."""
    held = begun(tmp_path, a="one")
    path = tmp_path / "data" / "a"
    monkeypatch.setattr(module, "_take_one", lambda *_: (_ for _ in ()).throw(Cut))
    with pytest.raises(Cut):
        held.move([path])
    monkeypatch.undo()
    path.rename(tmp_path / "data" / "old")
    path.write_text("new")
    Held(manifest(tmp_path)).finish()
    assert path.read_text() == "new"


def test_what_is_kept_is_not_put_back(tmp_path: Path) -> None:
    """Once the engine has committed, the way is forward."""
    held = begun(tmp_path, a="one", b="two")
    held.move([tmp_path / "data" / "a"])
    held.keep()
    held.move([tmp_path / "data" / "b"])
    assert Held(manifest(tmp_path)).put_back() == 1
    assert sorted(path.name for path in (tmp_path / "data").iterdir() if path.is_file()) == ["b"]


def test_a_name_that_the_engine_still_has_is_told(tmp_path: Path) -> None:
    """A file with a second name would be written over while it is in use."""
    held = begun(tmp_path, a="one")
    (taken,) = held.link([tmp_path / "data" / "a"])
    assert held.linked_elsewhere() == (taken.name,)
    (tmp_path / "data" / "a").unlink()
    assert held.linked_elsewhere() == ()


def test_a_link_is_not_taken(tmp_path: Path) -> None:
    """A link would let somebody name a file of his choice."""
    held = begun(tmp_path, a="one")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "data" / "a")
    with pytest.raises(Refused):
        held.move([tmp_path / "data" / "b"])


def test_a_line_that_a_crash_cut_was_not_acted_on(tmp_path: Path) -> None:
    """A line counts once it is whole and durable."""
    found = manifest(tmp_path)
    found.write("one", a=1)
    (path,) = (tmp_path / "runs").iterdir()
    with path.open("ab") as file:
        file.write(b'["two", {"a"')
    again = manifest(tmp_path)
    assert [line.phase for line in again.lines] == ["one"]
    again.write("three", a=3)
    assert [line.phase for line in manifest(tmp_path).lines] == ["one", "three"]


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """To begin anew over an unknown state would lose what is held."""
    found = manifest(tmp_path)
    found.write("one", a=1)
    (path,) = (tmp_path / "runs").iterdir()
    path.write_bytes(b"nothing of ours\n")
    with pytest.raises(Refused) as caught:
        manifest(tmp_path)
    assert caught.value.reason == "run-state-unreadable"


def test_a_line_that_did_not_fit_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes part of a line and says no more: what was not noted whole must not be done."""
    found = manifest(tmp_path)
    found.write("begun", path="/data")
    whole = os.write
    monkeypatch.setattr("wipers.linux.manifest.os.write", lambda descriptor, data: whole(descriptor, data[:7]))
    with pytest.raises(OSError, match="No space"):
        found.write("take", files=["a"])
    monkeypatch.undo()
    assert [line.phase for line in found.lines] == ["begun"]
    found.write("kept", count=1)
    assert [line.phase for line in manifest(tmp_path).lines] == ["begun", "kept"]


def test_a_swap_whose_filling_did_not_fit_leaves_the_file_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that met half a page instead would call its table broken."""
    held = begun(tmp_path, a="rows")
    path = tmp_path / "data" / "a"
    whole = os.write

    def short(descriptor: int, data: bytes) -> int:
        return whole(descriptor, data[:3] if data == b"\xff" * 16 else data)

    monkeypatch.setattr("wipers.linux.held.os.write", short)
    with pytest.raises(OSError, match="No space"):
        held.swap([path], b"\xff" * 16)
    assert path.read_text() == "rows"


@pytest.mark.parametrize("what", ["a-link", "a-directory"])
def test_another_directory_under_the_name_is_neither_filled_nor_emptied(tmp_path: Path, what: str) -> None:
    """Whoever owns the engine's directory can rename in it: where root moves files is not his to choose."""
    held = begun(tmp_path, a="one", b="two")
    held.link([tmp_path / "data" / "a"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "000000").write_text("nobody ordered this")
    folder = held.path
    assert folder is not None
    folder.rename(tmp_path / "aside")
    if what == "a-link":
        folder.symlink_to(elsewhere)
    else:
        elsewhere.rename(folder)
    for does in (held.names, held.linked_elsewhere, held.finish, held.put_back):
        with pytest.raises(Lost):
            does()
    with pytest.raises(Lost):
        held.move([tmp_path / "data" / "b"])
    assert (folder / "000000").read_text() == "nobody ordered this"
    assert sorted(one.name for one in folder.iterdir()) == ["000000"]
    assert (tmp_path / "data" / "b").read_text() == "two"


def test_a_directory_that_was_made_before_its_manifest_knew_it_is_taken_up(tmp_path: Path) -> None:
    """The power went between the two; an empty directory of ours is as good as a new one."""
    noted = manifest(tmp_path)
    (tmp_path / "data").mkdir()
    noted.write("begun", path=str(tmp_path / "data" / ".expunge-ab"))
    (tmp_path / "data" / ".expunge-ab").mkdir(mode=0o700)
    held = Held(manifest(tmp_path))
    assert held.begin(tmp_path / "data", "cd") == tmp_path / "data" / ".expunge-ab"
    assert held.names() == ()


def test_a_file_that_took_the_name_at_the_last_moment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look and the move whoever owns the directory may put another file there: it is not written over."""
    held = begun(tmp_path, a="one", b="two")
    real = os.rename

    def swapped(source: Path, *more: object, **where: object) -> None:
        real(tmp_path / "data" / "b", source)
        real(source, *more, **where)  # type: ignore[arg-type]

    monkeypatch.setattr("wipers.linux.held.os.rename", swapped)
    with pytest.raises(Lost):
        held.move([tmp_path / "data" / "a"])
