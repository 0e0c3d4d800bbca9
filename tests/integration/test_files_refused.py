"""Files that must not be touched: each refusal says why, and leaves every byte as it was."""

from __future__ import annotations

import fcntl
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.errors import Refused
from certificates.reasons import REASONS
from tests.support import grounds
from tests.support.erasing import Ordered, erase, order_files, write_all
from tests.support.ext4_image import Mounted, ext4_image, mounted, run
from tests.support.scanner import total_found
from wipers.linux.machine import THIS_MACHINE
from wipers.linux.occupancy import system_refusals
from wipers.model import Obstacle

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

NEEDLE = b"NEEDLE-OF-REFUSALS-51c0"
CONTENT = (NEEDLE + b"\n") * 400


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with ext4_image(tmp_path) as found:
        (found.root / "in").mkdir()
        (found.root / "in" / "a.txt").write_bytes(CONTENT)
        (found.root / "in" / "b.txt").write_bytes(CONTENT)
        yield found


def order(disk: Mounted, *names: str, most: int = 10_000, least: int = 0) -> Ordered:
    return order_files(disk.root / "in", names, disk.image.parent / "state", most=most, least=least)


def refused(ordered: Ordered) -> str:
    """The reason with which opening is refused."""
    target = ordered.target()
    with pytest.raises(Refused) as caught, ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False):
        pass
    return caught.value.reason


def untouched(disk: Mounted) -> bool:
    return all((disk.root / "in" / name).read_bytes() == CONTENT for name in ("a.txt", "b.txt"))


def test_a_hard_link_outside_the_order_is_refused(disk: Mounted) -> None:
    """The other name's owner ordered nothing."""
    os.link(disk.root / "in" / "a.txt", disk.root / "elsewhere.txt")
    ordered = order(disk, "a.txt", "b.txt")
    assert ordered.reasons() == {"hard-links-outside"}
    assert refused(ordered) == "hard-links-outside"
    assert untouched(disk)


@pytest.mark.parametrize(("flag", "reason"), [("i", "file-immutable"), ("a", "file-append-only")])
def test_an_inode_flag_that_forbids_is_refused(disk: Mounted, flag: str, reason: str) -> None:
    """Under these flags a write fails, or is appended."""
    run("chattr", f"+{flag}", disk.root / "in" / "a.txt")
    try:
        ordered = order(disk, "a.txt")
        assert reason in ordered.reasons()
        assert refused(ordered) in REASONS
        assert untouched(disk)
    finally:
        run("chattr", f"-{flag}", disk.root / "in" / "a.txt")


@pytest.mark.parametrize(("flag", "reason"), [("i", "file-immutable"), ("a", "file-append-only")])
@pytest.mark.parametrize("names", [("a.txt",), ("all",)])
def test_a_directory_that_lets_no_name_go_is_refused(
    disk: Mounted, flag: str, reason: str, names: tuple[str, ...]
) -> None:
    """The contents could be overwritten and the run would never end."""
    (disk.root / "in" / "all").mkdir()
    (disk.root / "in" / "all" / "c.txt").write_bytes(CONTENT)
    folder = disk.root / "in" / ("all" if names == ("all",) else ".")
    run("chattr", f"+{flag}", folder)
    try:
        assert order(disk, *names).reasons() == {reason}
    finally:
        run("chattr", f"-{flag}", folder)


def test_clusters_are_refused(tmp_path: Path) -> None:
    """A cluster's unused blocks belong to no extent that could be read back."""
    with ext4_image(tmp_path, size=64 << 20, features="bigalloc") as disk:
        (disk.root / "in").mkdir()
        (disk.root / "in" / "a.txt").write_bytes(CONTENT)
        assert "file-system-not-supported" in order(disk, "a.txt").reasons()


def test_contents_inside_inodes_are_refused(tmp_path: Path) -> None:
    """They share the block with other files' inodes, and pass through the journal."""
    with ext4_image(tmp_path, features="inline_data") as disk:
        (disk.root / "in").mkdir()
        (disk.root / "in" / "a.txt").write_bytes(b"short")
        assert "file-inline" in order(disk, "a.txt").reasons()


def test_encrypted_files_are_counted_with_and_without_their_key(tmp_path: Path) -> None:
    """fscrypt: what lies below is not what was written, and the key is the way; locked, nothing can even be opened, and
    the answer must not be to come back as root."""
    with grounds.ext4("-O", "encrypt", prepare=grounds.encrypted)(tmp_path) as ground:
        (ground.root / "in" / "all").mkdir()
        for number in range(5):
            (ground.root / "in" / "all" / str(number)).write_bytes(b"secret" * 1000)
        (ground.root / "beside").mkdir()
        (ground.root / "beside" / "plain").write_bytes(b"plain" * 1000)
        ground.sync()
        orders = [order_files(ground.root, names, tmp_path / "state") for names in (("in",), ("in", "beside"))]
        counted = (Obstacle("file-encrypted", (("count", "5"), ("where", str(ground.root)))),)
        assert [order.target().obstacles for order in orders] == [counted] * 2
        grounds.lock(ground.root)
        assert [order.target().obstacles for order in orders] == [counted] * 2
        assert "key" in REASONS["file-encrypted"].next_en


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_a_file_system_in_memory_is_refused(tmp_path: Path, kind: str) -> None:
    """Nothing lies below it that could be read back."""
    run("mount", "-t", kind, kind, tmp_path)
    try:
        root = os.open(tmp_path, os.O_RDONLY)
        try:
            from wipers.linux.filesystems import file_system_of, refusals

            found = refusals(file_system_of(root), "here")
        finally:
            os.close(root)
        assert [one.reason for one in found] == ["file-system-in-memory"]
        assert dict(found[0].facts)["what"] == kind
    finally:
        run("umount", tmp_path)


def test_a_read_only_mount_is_refused(disk: Mounted) -> None:
    """The first write would fail; better said before."""
    run("mount", "-o", "remount,ro", disk.root)
    assert "file-system-read-only" in order(disk, "a.txt").reasons()


def test_more_or_fewer_files_than_ordered_are_refused(disk: Mounted) -> None:
    """A count that approvers signed bounds what a wrong path can destroy."""
    assert order(disk, "a.txt", "b.txt", most=1).reasons() == {"count-outside-order"}
    assert order(disk, "a.txt", least=2).reasons() == {"count-outside-order"}
    assert order(disk, "a.txt", "b.txt", least=2, most=2).reasons() == set()


def test_a_name_that_is_missing_is_refused(disk: Mounted) -> None:
    """The order is then not about what is there."""
    assert order(disk, "a.txt", "c.txt", "in/no.txt").reasons() == {"files-missing"}


@pytest.mark.parametrize("name", ["../in/a.txt", "./a.txt", "x/../a.txt"])
def test_a_way_out_of_the_root_is_refused(disk: Mounted, name: str) -> None:
    """Names stay below the directory that approvers saw."""
    assert order(disk, name).reasons() == {"name-not-plain"}


def test_a_link_named_by_the_order_is_refused(disk: Mounted) -> None:
    """Neither as the name itself nor on the way to it is a link followed."""
    (disk.root / "in" / "link").symlink_to("a.txt")
    (disk.root / "in" / "folder").symlink_to(disk.root / "in", target_is_directory=True)
    assert order(disk, "link").reasons() == {"not-regular-file"}
    assert order(disk, "folder/a.txt").reasons() == {"link-in-path"}


def test_a_link_in_the_root_path_finds_nothing(disk: Mounted) -> None:
    """A link can be turned to elsewhere between plan and run."""
    (disk.root / "way").symlink_to(disk.root / "in", target_is_directory=True)
    ordered = order_files(disk.root / "way", ("a.txt",), disk.image.parent / "state")
    assert ordered.find() == ()


def test_another_directory_or_file_system_is_not_found(disk: Mounted, tmp_path: Path) -> None:
    """The path alone names nothing: a copy of the tree elsewhere is not what was ordered."""
    ordered = order(disk, "a.txt")
    (disk.root / "in").rename(disk.root / "moved")
    (disk.root / "in").mkdir()
    (disk.root / "in" / "a.txt").write_bytes(CONTENT)
    assert ordered.find() == ()


def test_a_mount_below_is_refused(disk: Mounted) -> None:
    """Another file system's files, or the same one's from elsewhere, are not below the root."""
    (disk.root / "in" / "mnt").mkdir()
    (disk.root / "other").mkdir()
    run("mount", "--bind", disk.root / "other", disk.root / "in" / "mnt")
    try:
        assert order(disk, "mnt").reasons() == {"mount-below"}
    finally:
        run("umount", disk.root / "in" / "mnt")


def test_a_file_mounted_over_a_file_is_refused(disk: Mounted) -> None:
    """What is read under that name is another file."""
    run("mount", "--bind", disk.root / "in" / "b.txt", disk.root / "in" / "a.txt")
    try:
        assert not order(disk, "a.txt").reasons().isdisjoint({"mount-below", "files-changing"})
    finally:
        run("umount", disk.root / "in" / "a.txt")


def test_a_file_that_another_process_writes_is_refused_and_the_process_named(disk: Mounted) -> None:
    """It would write its old content back."""
    code = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(disk.root / "in" / "a.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ordered = order(disk, "a.txt", "b.txt")
        assert ordered.reasons() == {"in-use"}
        said = " ".join(dict(one.facts)["by"] for one in ordered.target().obstacles)
        assert f"process {other.pid} " in said
        assert refused(ordered) == "in-use"
        other.communicate()
    assert untouched(disk)


def test_a_file_that_another_process_has_mapped_is_refused(disk: Mounted) -> None:
    """A mapping outlives its descriptor, and dirty pages of it come later."""
    code = (
        "import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close();"
        "print('mapped', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(disk.root / "in" / "a.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert order(disk, "a.txt").reasons() == {"in-use"}
        other.communicate()


def test_a_writer_that_no_list_of_processes_shows_is_refused(disk: Mounted) -> None:
    """A writer in another namespace is in no /proc of ours; the kernel still refuses a lease. Here it is ourselves,
    whom the list of processes leaves out."""
    with (disk.root / "in" / "a.txt").open("r+b") as file, mmap.mmap(file.fileno(), 0):
        assert order(disk, "a.txt").reasons() == {"in-use"}
    assert order(disk, "a.txt").reasons() == set()


def test_a_file_below_a_loop_device_is_refused(disk: Mounted) -> None:
    """It is somebody's disk."""
    victim = disk.root / "in" / "inner.img"
    victim.write_bytes(bytes(1 << 20))
    device = run("losetup", "--find", "--show", "--read-only", victim).strip()
    try:
        ordered = order(disk, "inner.img")
        assert ordered.reasons() == {"in-use"}
        assert any(device in dict(one.facts)["by"] for one in ordered.target().obstacles)
    finally:
        run("losetup", "--detach", device)


@pytest.mark.parametrize(
    "where", ["/", "/usr", "/usr/lib", "/etc", "/boot", "/var", "/var/lib", "/var/lib/expunge/runs"]
)
def test_the_system_and_this_program_are_refused(where: str) -> None:
    """No order may take the machine from under its owner, and none the program that carries it out."""
    assert [one.reason for one in system_refusals(where, THIS_MACHINE)] == ["system-path"]


def test_this_programs_own_directory_is_refused() -> None:
    """Wherever it is installed."""
    import wipers

    here = Path(wipers.__file__).resolve().parent
    assert system_refusals(str(here), THIS_MACHINE) != ()
    assert system_refusals(str(here.parent), THIS_MACHINE) != ()
    assert system_refusals("/srv/data", THIS_MACHINE) == ()


def test_a_second_run_on_the_same_directory_is_refused(disk: Mounted) -> None:
    """Two runs would number and release each other's files."""
    ordered = order(disk, "a.txt")
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False):
        assert refused(ordered) == "in-use"


def test_a_tree_that_grew_since_the_plan_is_refused(disk: Mounted) -> None:
    """What a person confirmed is what is done."""
    ordered = order(disk, "a.txt", "b.txt")
    target = ordered.target()
    with (disk.root / "in" / "a.txt").open("ab") as file:
        file.write(CONTENT * 9)
    with pytest.raises(Refused) as caught, ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False):
        pass
    assert caught.value.reason == "identity-changed"


def test_a_link_put_in_a_files_place_after_the_plan_is_refused(disk: Mounted) -> None:
    """The oldest trick against a program that runs as root."""
    precious = disk.root / "precious.txt"
    precious.write_bytes(CONTENT)
    ordered = order(disk, "a.txt")
    target = ordered.target()
    (disk.root / "in" / "a.txt").unlink()
    (disk.root / "in" / "a.txt").symlink_to(precious)
    with pytest.raises(Refused), ordered.host.open(target, ordered.carrier, ordered.selector, resuming=False):
        pass
    assert precious.read_bytes() == CONTENT


@pytest.mark.parametrize("swap", ["link", "file", "folder-link"])
def test_what_is_swapped_in_during_the_run_is_not_touched(disk: Mounted, swap: str) -> None:
    """Identity is looked at on every descriptor; the file that went is a finding, and the run says so."""
    folder = disk.root / "in" / "all"
    folder.mkdir()
    (folder / "victim.txt").write_bytes(CONTENT)
    precious = disk.root / "precious"
    precious.mkdir()
    (precious / "victim.txt").write_bytes(CONTENT)
    ordered = order(disk, "all")
    with ordered.host.open(ordered.target(), ordered.carrier, ordered.selector, resuming=False) as writer:
        if swap == "folder-link":
            folder.rename(disk.root / "aside")
            folder.symlink_to(precious, target_is_directory=True)
        else:
            (folder / "victim.txt").rename(disk.root / "aside")
            if swap == "link":
                (folder / "victim.txt").symlink_to(precious / "victim.txt")
            else:
                os.link(precious / "victim.txt", folder / "victim.txt")
        assert write_all(writer) == ordered.target().size if swap == "file" else write_all(writer) > 0
        writer.settle()
        writer.release()
    assert (precious / "victim.txt").read_bytes() == CONTENT


def test_whoever_opens_a_file_while_it_is_looked_at_gets_it(disk: Mounted) -> None:
    """The lease by which writers are found is given back at once, and its signal kills nobody."""
    victim = disk.root / "in" / "a.txt"
    stop = threading.Event()

    def open_again_and_again() -> None:
        while not stop.is_set():
            os.close(os.open(victim, os.O_RDWR))

    other = threading.Thread(target=open_again_and_again)
    other.start()
    try:
        for _ in range(50):
            assert order(disk, "a.txt").reasons() <= {"in-use"}
    finally:
        stop.set()
        other.join()


def test_a_flock_of_somebody_else_on_the_root_is_refused(disk: Mounted) -> None:
    """The directory is held by a lock that others can see."""
    descriptor = os.open(disk.root / "in", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert refused(order(disk, "a.txt")) == "in-use"
    finally:
        os.close(descriptor)


def test_the_same_files_after_a_remount_are_still_found(tmp_path: Path) -> None:
    """The identity is the file system's and the directory's, not the device's number of the day."""
    with ext4_image(tmp_path) as disk:
        (disk.root / "in").mkdir()
        (disk.root / "in" / "a.txt").write_bytes(CONTENT)
        ordered = order(disk, "a.txt")
    spare = tmp_path / "spare.img"
    spare.write_bytes(bytes(1 << 20))
    device = run("losetup", "--find", "--show", spare).strip()
    try:
        with mounted(disk.image, disk.root) as again:
            assert ordered.reasons() == set()
            erase(ordered)
            again.sync()
            assert total_found(again.image, [NEEDLE]) == 0
    finally:
        run("losetup", "--detach", device)
