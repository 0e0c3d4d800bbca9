"""What a search found is taken over by the opening after it, as long as nothing of it was changed in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.statements import FilesSelector, Selector
from tests.support import grounds
from tests.support.erasing import Ordered, erase, order_files
from tests.support.ext4_image import Mounted, ext4_image, run
from wipers.linux.beneath import open_root
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.seen import MOST, SEEN
from wipers.linux.streams import Streams

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with ext4_image(tmp_path_factory.mktemp("seen")) as found:
        yield found


@pytest.fixture
def top(volume: Mounted) -> Iterator[Path]:
    """Two directories with two files each, one of which has two names, and a link."""
    top = volume.root / "in"
    for folder in ("all", "all/below"):
        (top / folder).mkdir(parents=True)
        for name in ("a", "b"):
            (top / folder / name).write_bytes(name.encode() * 5000)
    os.link(top / "all/a", top / "all/below/c")
    (top / "all/link").symlink_to("a")
    yield top
    if (top / "all/b").is_file():
        run("chattr", "-i", top / "all/b")
    shutil.rmtree(top)


def found(top: Path, volume: Mounted, *names: str) -> Ordered:
    """An order whose files were found."""
    ordered = order_files(top, names or ("all",), volume.image.parent / "state")
    assert ordered.reasons() == set()
    return ordered


def taken(ordered: Ordered, top: Path, state: Path) -> Streams | None:
    """What an opening would take over."""
    assert ordered.selector is not None
    assert isinstance(ordered.selector.selects, FilesSelector)
    root = open_root(str(top))
    try:
        return SEEN.take(replace(THIS_MACHINE, runs=state), ordered.selector.selects, root)
    finally:
        os.close(root)


def test_what_did_not_change_is_taken_over_once(top: Path, volume: Mounted) -> None:
    """A million files are asked a dozen questions each by the search: to ask them again costs half a minute."""
    ordered = found(top, volume)
    streams = taken(ordered, top, volume.image.parent / "state")
    assert streams is not None
    assert sorted(streams.tree.paths) == ["all/a", "all/b", "all/below/a", "all/below/b"]
    assert taken(ordered, top, volume.image.parent / "state") is None


def test_files_named_one_by_one_are_taken_over(top: Path, volume: Mounted) -> None:
    """Then the directory that they are taken out of is looked at too."""
    assert taken(found(top, volume, "all/b", "all/below/b"), top, volume.image.parent / "state") is not None


def grown(top: Path) -> None:
    with (top / "all/below/b").open("ab") as file:
        file.write(b"more")


def replaced(top: Path) -> None:
    (top / "all/b.new").write_bytes(b"b" * 5000)
    (top / "all/b.new").rename(top / "all/b")


def written_to(top: Path) -> None:
    with (top / "all/a").open("r+b") as file:
        file.write(b"x")


def swapped_for_a_link(top: Path) -> None:
    (top / "all/below").rename(top / "aside")
    (top / "all/below").symlink_to(top / "aside")


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": grown,
    "replaced": replaced,
    "written to": written_to,
    "one more": lambda top: (top / "all/below/d").write_bytes(b"d"),
    "one less": lambda top: (top / "all/b").unlink(),
    "moved": lambda top: (top / "all/b").rename(top / "all/z"),
    "linked outside": lambda top: os.link(top / "all/b", top / "outside"),
    "made immutable": lambda top: run("chattr", "+i", top / "all/b"),
    "folder moved": lambda top: (top / "all/below").rename(top / "all/under"),
    "folder swapped for a link": swapped_for_a_link,
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_searched_for_again(top: Path, volume: Mounted, what: str) -> None:
    """Whatever could matter leaves its time on the file or on its directory, and nobody can set that time."""
    ordered = found(top, volume)
    CHANGES[what](top)
    assert taken(ordered, top, volume.image.parent / "state") is None


def test_a_link_made_after_the_search_is_refused(top: Path, volume: Mounted) -> None:
    """The second search says what is against it, and nothing is touched."""
    ordered = found(top, volume)
    target = ordered.target()
    os.link(top / "all/b", top / "outside")
    with pytest.raises(Refused) as caught, ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False):
        pass
    assert caught.value.reason == "hard-links-outside"
    assert (top / "outside").read_bytes() == b"b" * 5000


def test_what_was_taken_over_is_erased_and_proven(top: Path, volume: Mounted) -> None:
    """The numbers that the search gave are those of the run."""
    erased = erase(found(top, volume))
    assert erased.readback.matched == erased.readback.position == 4 * 8192
    assert erased.unwritten == 0
    assert erased.names == 4 + 1 + 1 + 2
    assert not (top / "all").exists()


def test_patterns_are_searched_again(top: Path, volume: Mounted) -> None:
    """What a pattern leads to is for the directories to say, and none of those above was looked at."""
    ordered = order_files(top, (), volume.image.parent / "state")
    assert isinstance(ordered.selector, Selector)
    assert isinstance(ordered.selector.selects, FilesSelector)
    selects = replace(ordered.selector.selects, globs=("al*",))
    ordered = replace(ordered, selector=replace(ordered.selector, selects=selects))
    assert ordered.target().objects == 4
    assert taken(ordered, top, volume.image.parent / "state") is None


def test_searches_that_nobody_opens_do_not_add_up(top: Path, volume: Mounted) -> None:
    """A process that only looks would hold every name that it ever found."""
    state = volume.image.parent / "state"
    first = found(top, volume, "all/b")
    for number in range(MOST):
        shutil.copytree(top / "all/below", top / f"other-{number}")
        found(top, volume, f"other-{number}")
    assert taken(first, top, state) is None


def test_a_clone_made_since_the_search_is_refused_by_the_opening(tmp_path: Path) -> None:
    """A clone takes a share in a file's blocks and changes no time of it: overwritten then, the old blocks would have
    stayed in the clone, and the file would have been destroyed for nothing."""
    with grounds.xfs()(tmp_path) as ground:
        (ground.root / "in").mkdir()
        (ground.root / "in" / "a").write_bytes(b"a" * 5000)
        ground.sync()
        ordered = order_files(ground.root / "in", ("a",), tmp_path / "state")
        assert ordered.reasons() == set()
        target = ordered.target()
        run("cp", "--reflink=always", ground.root / "in" / "a", ground.root / "clone")
        with pytest.raises(Refused) as refused, ordered.host.open(target, ordered.carrier, ordered.selector, False):
            pass
        assert refused.value.reason == "file-shared"
