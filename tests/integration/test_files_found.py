"""What is found on real file systems: each sort of file counted, each that overwriting in place would not reach refused
with the reason for it, and nothing outside the order looked into."""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.measuring import measure
from certificates.errors import Refused
from certificates.statements import FilesIdentity, FilesSelector, NamesFile
from tests.support import grounds
from tests.support.erasing import LABEL_KEY, Ordered, _ordered, erase
from tests.support.ext4_image import run
from tests.support.grounds import Ground
from wipers.linux import LinuxHost, spool
from wipers.linux.beneath import open_root
from wipers.linux.filesystems import FileSystem, file_system_of, refusals
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.streams import TOLD_EVERY
from wipers.linux.walking import survey
from wipers.verdicts import VERDICTS

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

CONTENT = b"CONTENT-OF-WHAT-IS-FOUND-7e11\n" * 300
NO_UUID = "00000000-0000-0000-0000-000000000000"


def system_of(root: Path) -> FileSystem:
    descriptor = open_root(str(root))
    try:
        return file_system_of(descriptor, THIS_MACHINE)
    finally:
        os.close(descriptor)


def order(root: Path, *names: str, selects: FilesSelector | None = None) -> Ordered:
    """An order for files below a directory of any file system."""
    identity = FilesIdentity(system_of(root).uuid or NO_UUID, root.stat().st_ino, 0, 10_000, 1 << 40)
    return _ordered(identity, selects or FilesSelector(str(root), names, LABEL_KEY), root.parent / "state")


def found(ordered: Ordered) -> dict[str, str]:
    """What the plan tells of what was found."""
    told = ordered.target().description
    return {fact.name.removeprefix("found-"): fact.value for fact in told if fact.name.startswith("found-")}


@pytest.fixture(scope="module")
def ext4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ext4()(tmp_path_factory.mktemp("ext4")) as ground:
        yield ground


@pytest.fixture(scope="module")
def xfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.xfs()(tmp_path_factory.mktemp("xfs")) as ground:
        yield ground


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.btrfs()(tmp_path_factory.mktemp("btrfs")) as ground:
        yield ground


def waited(is_so: Callable[[], bool], seconds: float = 10) -> None:
    """Return when it is so, or when it was not for too long."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.1)


def folder(ground: Ground, name: str) -> Path:
    """A directory with one file in it."""
    made = ground.root / name
    made.mkdir()
    (made / "a.txt").write_bytes(CONTENT)
    return made


def test_everything_in_a_tree_is_counted_and_names_are_not_told(ext4: Ground) -> None:
    """Who approves a plan sees that 7 sockets go, and not what they are called."""
    root = folder(ext4, "sorts")
    tree = root / "SECRET-NAME"
    (tree / "deep").mkdir(parents=True)
    (tree / "one.txt").write_bytes(CONTENT)
    os.link(tree / "one.txt", tree / "deep" / "two.txt")
    with (tree / "sparse").open("wb") as file:
        file.truncate(1 << 20)
        file.write(CONTENT)
    with (tree / "preallocated").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 16)
    (tree / "link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "pipe")
    os.mknod(tree / "null", 0o20600, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tree)
        listener.bind("socket")
        os.chdir("/")
    ordered = order(root, "SECRET-NAME")
    assert ordered.reasons() == set()
    assert found(ordered) == {
        "files": "3",
        "folders": "2",
        "further-names": "1",
        "hard-linked": "1",
        "sparse": "1",
        "preallocated": "1",
        "links": "1",
        "pipes": "1",
        "device-nodes": "1",
        "sockets": "1",
    }
    assert "SECRET" not in repr(ordered.target().description)
    with pytest.raises(AssertionError):
        assert found(order(root, "SECRET-NAME/deep"))["files"] == "2", "the other name of two.txt is not ordered"
    assert order(root, "SECRET-NAME/deep").reasons() == {"hard-links-outside"}


def test_a_plan_counts_files_too_short_for_a_sample_where_all_of_them_are(ext4: Ground) -> None:
    """Nothing of them could be looked for afterwards; one longer file, and there is something."""
    root = ext4.root / "short"
    root.mkdir()
    for number in range(300):
        (root / f"{number}.txt").write_bytes(b"1234567"[: number % 8])
    assert found(order(ext4.root, "short"))["too-short"] == "300"
    (root / "long.txt").write_bytes(b"12345678")
    assert "too-short" not in found(order(ext4.root, "short"))


def test_a_plan_names_who_has_a_file_mapped(ext4: Ground) -> None:
    """Its pages would be written back, or lost to who works on them: pid and command say whom to ask."""
    root = folder(ext4, "mapped")
    code = (
        "import mmap, sys; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close();"
        "print('mapped', flush=True); sys.stdin.read()"
    )
    command = ["python3", "-c", code, str(root / "a.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (obstacle,) = order(root, "a.txt").target().obstacles
        other.communicate()
    assert obstacle.reason == "in-use"
    assert dict(obstacle.facts)["by"].startswith(f"process {other.pid} (python3")


def test_files_on_xfs_are_reached_unless_they_share_blocks(xfs: Ground) -> None:
    """A reflink's first overwrite goes to new blocks; without one, xfs writes in place."""
    root = folder(xfs, "plain")
    (root / "b.txt").write_bytes(CONTENT)
    run("sync", "--file-system", root)
    run("cp", "--reflink=always", root / "b.txt", xfs.root / "copy")
    assert order(root, "b.txt").reasons() == {"file-shared"}
    (xfs.root / "copy").unlink()
    ordered = order(root, "a.txt", "b.txt")
    # xfs lets go of a removed file's blocks when it comes to it.
    waited(lambda: not ordered.reasons())
    assert ordered.reasons() == set()
    done = erase(ordered)
    assert (done.unwritten, done.names) == (0, 2)
    assert done.readback.matched == done.readback.position > 0
    assert xfs.hits(CONTENT[:30]) == 0


def test_files_on_btrfs_are_judged_one_by_one(btrfs: Ground) -> None:
    """Copy-on-write, compression, inline extents and snapshots each leave the old block; a plan counts which."""
    root = folder(btrfs, "sorts")
    in_place = root / "in-place"
    in_place.mkdir()
    run("chattr", "+C", in_place)
    (in_place / "big.txt").write_bytes(CONTENT)
    (root / "small.txt").write_bytes(b"inside the leaf")
    packed = root / "packed"
    packed.mkdir()
    run("chattr", "+c", packed)
    (packed / "c.txt").write_bytes(CONTENT * 10)
    run("sync", "--file-system", root)
    assert order(root, "a.txt").reasons() == {"file-copy-on-write"}
    assert order(root, "packed").reasons() == {"file-compressed"}
    assert order(root, "small.txt").reasons() == {"file-copy-on-write", "file-inline"}
    assert order(root, "in-place/big.txt").reasons() == set()
    assert system_of(root).uuid == run("blkid", "-p", "-s", "UUID", "-o", "value", btrfs.storage[0]).strip()
    run("btrfs", "subvolume", "snapshot", "-r", btrfs.root, btrfs.root / "kept")
    try:
        assert order(root, "in-place/big.txt").reasons() == {"file-shared"}
        assert order(btrfs.root, "kept").reasons() >= {"mount-below"}
    finally:
        run("btrfs", "subvolume", "delete", "-C", btrfs.root / "kept")


def test_a_btrfs_over_two_devices_is_refused(tmp_path: Path) -> None:
    """A block's copies may lie on either."""
    images = [tmp_path / "one.img", tmp_path / "two.img"]
    devices = []
    for image in images:
        with image.open("wb") as file:
            file.truncate(128 << 20)
        devices.append(run("losetup", "--find", "--show", image).strip())
    try:
        run("mkfs.btrfs", "-q", "-f", *devices)
        run("btrfs", "device", "scan", *devices)
        (tmp_path / "root").mkdir()
        run("mount", devices[0], tmp_path / "root")
        try:
            assert [one.reason for one in refusals(system_of(tmp_path / "root"), "it")] == ["file-system-spans-devices"]
        finally:
            run("umount", tmp_path / "root")
    finally:
        run("btrfs", "device", "scan", "--forget")
        for device in devices:
            run("losetup", "--detach", device)


def test_an_overlay_is_refused_and_says_which_layer_holds_the_files(tmp_path: Path) -> None:
    """What an image brought along stays in its layer whatever is written over it."""
    with grounds.overlay(tmp_path) as ground:
        folder(ground, "in")
        below = tmp_path / "below" / "disk"
        grounds.lay_over(ground.root, below / "upper", below / "next")
        (ground.root / "in" / "new.txt").write_bytes(CONTENT)
        ordered = order(ground.root / "in", "a.txt", "new.txt")
        assert ordered.target().obstacles[0].reason == "file-system-stacked"
        told = found(ordered)
        assert (told["in-lower-layer"], told["in-upper-layer"]) == ("1", "1")
        with (ground.root / "in" / "a.txt").open("ab"):
            os.utime(ground.root / "in" / "a.txt")
        assert found(order(ground.root / "in", "a.txt")).get("in-upper-layer") == "1"


def test_memory_is_refused_whether_or_not_it_has_a_name(tmp_path: Path) -> None:
    """No storage lies below it that could be read back; what the plan says is why, not that nothing was found."""
    with grounds.tmpfs(tmp_path) as ground:
        folder(ground, "in")
        ordered = order(ground.root / "in", "a.txt")
        assert "file-system-in-memory" in ordered.reasons()
        assert "extents-not-provable" not in ordered.reasons()
        assert refused_draft(ground.root / "in") == "file-system-in-memory"
        with closing(sqlite3.connect(ground.root / "people.db")) as database:
            database.execute("CREATE TABLE people (name)")
        with pytest.raises(Refused) as caught:
            measure({"kind": "database"}, {"path": str(ground.root / "people.db")}, "C-1")
        assert caught.value.reason == "file-system-in-memory"


def refused_draft(root: Path, *names: str, **selects: object) -> str | None:
    """Why no order for the files there can be measured; none where it can."""
    try:
        measure({"kind": "files"}, {"root": str(root), "names": list(names or ("a.txt",)), **selects}, "C-1")
    except Refused as refused:
        return refused.reason
    return None


def test_a_selection_that_no_run_would_take_is_told_to_the_clerk(ext4: Ground) -> None:
    """A name that leads nowhere was counted as nothing, and found out by the plan, with every signature on it."""
    root = folder(ext4, "chosen")
    (root / "way").symlink_to(root, target_is_directory=True)
    assert refused_draft(root, "a.txt", "b.txt") == "files-missing"
    assert refused_draft(root, "../chosen/a.txt") == "name-not-plain"
    assert refused_draft(root, "way/a.txt") == "link-in-path"
    assert refused_draft(root, "a.txt", globs=["*.tmp"]) == "files-missing"
    assert refused_draft(root, "a.txt", globs=["*.txt"]) is None


def test_a_clerk_is_told_before_anybody_signs_and_only_what_will_last(ext4: Ground, tmp_path: Path) -> None:
    """An order for files that no run can reach would be refused after all approvals; a mount for reading alone is not
    such a thing."""
    root = folder(ext4, "drafted")
    assert refused_draft(root) is None
    run("mount", "--bind", root, root)
    try:
        run("mount", "-o", "remount,bind,ro", root)
        assert refused_draft(root) is None
        assert "file-system-read-only" in order(root, "a.txt").reasons()
    finally:
        run("umount", root)
    with ntfs(tmp_path) as served:
        folder_served = served / "in"
        folder_served.mkdir()
        (folder_served / "a.txt").write_bytes(CONTENT)
        assert refused_draft(folder_served) == "file-system-remote"


@contextmanager
def ntfs(folder: Path) -> Iterator[Path]:
    """A file system that a program serves through FUSE."""
    image, root = folder / "ntfs.img", folder / "ntfs"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    run("mkntfs", "-q", "-F", "-f", image)
    root.mkdir()
    run("ntfs-3g", image, root)
    try:
        yield root
    finally:
        run("umount", root)


def test_what_a_program_serves_is_refused(tmp_path: Path) -> None:
    """Only the program knows where contents go."""
    with ntfs(tmp_path) as root:
        (root / "in").mkdir()
        (root / "in" / "a.txt").write_bytes(CONTENT)
        assert system_of(root).kind in {"fuse", "fuseblk"}
        assert "file-system-remote" in order(root / "in", "a.txt").reasons()


def test_ext2_and_writeback_are_reached(tmp_path: Path) -> None:
    """Neither has a journal of contents."""
    for number, ground in enumerate((grounds.ext4("-t", "ext2"), grounds.ext4(options="data=writeback"))):
        with ground(tmp_path / str(number)) as made:
            ordered = order(folder(made, "in"), "a.txt")
            assert ordered.reasons() == set()
            assert erase(ordered).readback.mismatched_size == 0
            assert made.hits(CONTENT[:30]) == 0


def names_file(path: Path, data: bytes) -> NamesFile:
    path.write_bytes(data)
    return NamesFile(str(path), f"sha256:{hashlib.sha256(data).hexdigest()}")


def test_what_patterns_and_a_list_lead_to_goes_and_nothing_beside_it(ext4: Ground, tmp_path: Path) -> None:
    """A pattern takes no more than it says, through no link; a list stands for as many names as it has."""
    root = folder(ext4, "patterns")
    for name in ("deep/er/b.log", "deep/c.txt", "d.log", "kept.txt", "listed/e.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(CONTENT)
    (root / "way").symlink_to(root / "listed", target_is_directory=True)
    chosen = names_file(tmp_path / "list", b"./listed/e.txt\0a.txt\0")
    ordered = order(root, selects=FilesSelector(str(root), (), LABEL_KEY, globs=("**/*.log",), list=chosen))
    assert ordered.reasons() == set()
    assert erase(ordered).names == 4
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
    assert left == ["deep/c.txt", "kept.txt"]
    assert (root / "way").is_symlink()


def test_a_file_that_is_not_the_manifests_keeps_everything_from_being_touched(ext4: Ground, tmp_path: Path) -> None:
    """Also where it was changed after the plan: what was approved is what is destroyed."""
    root = folder(ext4, "manifest")
    (root / "b.txt").write_bytes(CONTENT)
    lines = "".join(f"{hashlib.sha256(CONTENT).hexdigest()}  {name}\n" for name in ("a.txt", "b.txt"))
    manifest = names_file(tmp_path / "SHA256SUMS", lines.encode())
    ordered = order(root, selects=FilesSelector(str(root), (), LABEL_KEY, manifest=manifest))
    target = ordered.target()
    assert target.obstacles == ()
    (root / "b.txt").write_bytes(CONTENT[:-1] + b"!")
    assert ordered.reasons() == {"file-differs"}
    with pytest.raises(Refused) as caught, ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False):
        pass
    assert caught.value.reason == "file-differs"
    assert (root / "a.txt").read_bytes() == CONTENT
    (root / "b.txt").write_bytes(CONTENT)
    assert erase(ordered).names == 2


def test_a_list_that_was_changed_since_it_was_approved_finds_nothing(ext4: Ground, tmp_path: Path) -> None:
    """Whoever may write the list must not be able to say what goes."""
    root = folder(ext4, "list")
    chosen = names_file(tmp_path / "list", b"a.txt\n")
    ordered = order(root, selects=FilesSelector(str(root), (), LABEL_KEY, list=chosen))
    assert ordered.reasons() == set()
    (tmp_path / "list").write_bytes(b"a.txt\nb.txt\n")
    with pytest.raises(Refused) as caught:
        ordered.find()
    assert caught.value.reason == "list-differs"


def test_a_directory_too_large_to_sort_in_memory_is_numbered_the_same(
    ext4: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is taken up again, and one on a machine with less memory, must mean the same file by a number."""
    root = ext4.root / "large"
    (root / "tree" / "below").mkdir(parents=True)
    for number in range(300):
        (root / "tree" / f"{number * 7919 % 300:03d}").write_bytes(b"x")
    os.link(root / "tree" / "007", root / "tree" / "below" / "linked")
    descriptor = open_root(str(root))
    try:
        whole = survey(descriptor, ["tree"])
        monkeypatch.setattr(spool, "SORTED_AT_ONCE", 16)
        in_parts = survey(descriptor, ["tree"])
    finally:
        os.close(descriptor)
    assert list(whole.paths) == list(in_parts.paths)
    assert list(whole.paths)[:2] == ["tree/000", "tree/001"]
    assert list(whole.paths)[-1] == "tree/007", "what has several names comes last"
    assert list(whole.further.of(299)) == list(in_parts.further.of(299)) == ["tree/below/linked"]


def test_a_search_tells_every_thousand_files_how_many_there_are(ext4: Ground) -> None:
    """It takes half a minute for a million of them, and people must see that something happens."""
    (ext4.root / "many").mkdir()
    for number in range(2 * TOLD_EVERY + 1):
        (ext4.root / "many" / str(number)).touch()
    told: list[int] = []
    identity = FilesIdentity(system_of(ext4.root).uuid or NO_UUID, ext4.root.stat().st_ino, 0, 10_000, 1 << 40)
    ordered = _ordered(identity, FilesSelector(str(ext4.root), ("many",), LABEL_KEY), ext4.root.parent / "state")
    LinuxHost(ext4.root.parent / "state", met=told.append).find(ordered.carrier, ordered.selector)
    assert told == [TOLD_EVERY, 2 * TOLD_EVERY]


def test_every_accepted_case_is_one_that_a_test_erased() -> None:
    """A row that says `reached` and was never tried is a promise without a ground."""
    tried = {"ext4-ordered", "ext4-writeback", "ext4-no-journal", "ext4-journal", "xfs", "btrfs"}
    tried |= {"regular", "sparse", "preallocated", "hard-linked", "data-journaled"}
    assert {row.case for row in VERDICTS.values() if row.outcome == "reached"} == tried
