"""Programs that people recover files with get documents back after a deletion, and neither contents nor names of what
was erased."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from certificates.statements import Outcome
from tests.support.documents import write_documents
from tests.support.ext4_image import Mounted, ext4_image, run
from tests.support.kept_disk import KeptDisk, on_format
from tests.support.real_site import RealSite, files_carrier, image_carrier
from tests.support.scanner import total_found
from tests.support.trials import Ending, command

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

COUNT = 3
MARK = "MARK-OF-A-DOCUMENT-e81f"
OFFICE = "private-office-of-e81f"
"""Begin of every name that is to go."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a program brought back: files, and all it printed."""

    said: str
    files: dict[str, bytes] = field(default_factory=dict)

    def contents(self, documents: dict[str, bytes]) -> set[str]:
        """Names of the documents whose text or picture stands in any file."""
        hearts = {name: content[len(content) // 2 :][:64] for name, content in documents.items()}
        return {name for name, heart in hearts.items() if any(heart in one for one in self.files.values())}

    def names(self, documents: dict[str, bytes]) -> set[str]:
        """Those of whose names the program knows."""
        told = "\n".join((self.said, *self.files))
        return {name for name in documents if name in told}


Recover = Callable[[Path, Path], str]


def by_tsk_recover(image: Path, out: Path) -> str:
    """What The Sleuth Kit finds by the file system's own records of deleted files."""
    return run("tsk_recover", image, out)


def by_fls(image: Path, out: Path) -> str:
    """The names that The Sleuth Kit finds of what was deleted."""
    return run("fls", "-r", "-d", "-p", image)


def by_lsdel(image: Path, out: Path) -> str:
    """The inodes that debugfs lists as deleted, each dumped."""
    listed = run("debugfs", "-R", "lsdel", image)
    for inode in re.findall(r"^ *(\d+) +\d+ +\d{6} ", listed, re.MULTILINE):
        run("debugfs", "-R", f"dump <{inode}> {out / inode}", image)
    return listed


def by_ext4magic(image: Path, out: Path) -> str:
    """What old copies of directories and inodes in the journal lead to, names included: the state at the last mount."""
    with image.open("rb") as file:
        file.seek(1024 + 0x2C)
        mounted_at = int.from_bytes(file.read(4), "little")
    # It counts in seconds. Without an end it takes the newest state, in which the directory may be empty already.
    return run("ext4magic", image, "-R", "-a", str(mounted_at - 1), "-b", str(mounted_at + 1), "-d", out / "found")


def by_extundelete(image: Path, out: Path) -> str:
    """The same, by another program."""
    done = subprocess.run(["extundelete", "--restore-all", image], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_photorec(image: Path, out: Path) -> str:
    """What photorec finds by the first bytes of known kinds of files, on the whole image."""
    steps = "partition_none,options,paranoid,fileopt,everything,enable,wholespace,search"
    command = ["photorec", "/log", "/d", str(out / "found"), "/cmd", str(image), steps]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return ""


def brought_back(recover: Recover, image: Path, out: Path) -> Brought:
    """What the program finds on a copy of the image."""
    (out / "files").mkdir(parents=True)
    copy = out / "copy.img"
    shutil.copyfile(image, copy)
    said = recover(copy, out / "files")
    found = [path for path in (out / "files").rglob("*") if path.is_file() and path.suffix not in {".log", ".se2"}]
    return Brought(said, {str(path): path.read_bytes() for path in found})


def delete_by_kernel(disk: KeptDisk, names: list[str]) -> None:
    """What `rm` does."""
    for name in names:
        (disk.root / name).unlink()
    disk.release()


def delete_by_debugfs(disk: KeptDisk, names: list[str]) -> None:
    """What an implementation does that frees a file and leaves its inode and its entry as they were. The kernel clears
    both, so that no program can follow them."""
    disk.release()
    for name in names:
        run("debugfs", "-w", "-R", f"rm /{name}", disk.image)
        run("debugfs", "-w", "-R", f"sif /{name} links_count 0", disk.image)


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and on what it is known to work."""

    recover: Recover
    made: tuple[str, ...] = ()
    """Options of mkfs."""
    delete: Callable[[KeptDisk, list[str]], None] = delete_by_debugfs
    finds: tuple[str, ...] = ("contents", "names")


TOOLS = {
    "tsk_recover": Tool(by_tsk_recover, ("-t", "ext2")),
    "fls": Tool(by_fls, ("-t", "ext2"), finds=("names",)),
    "lsdel": Tool(by_lsdel, ("-t", "ext2"), finds=("contents",)),
    "ext4magic": Tool(by_ext4magic, ("-t", "ext3"), delete_by_kernel),
    "extundelete": Tool(by_extundelete, ("-t", "ext3"), delete_by_kernel, ("contents",)),
    "photorec": Tool(by_photorec, (), delete_by_kernel, ("contents",)),
}


def ended(site: RealSite, *ordered: tuple[object, object]) -> Ending:
    """The order is carried out by the command."""
    charge = site.charge(*ordered)  # type: ignore[arg-type]
    confirmed = [part for label in charge.labels for part in ("--confirm", label)]
    return command(site, "run", str(charge.path), "--key", str(site.key), *confirmed)


@pytest.mark.parametrize("name", TOOLS)
def test_a_deletion_gives_everything_back_and_an_erasure_nothing(tmp_path: Path, name: str) -> None:
    """A program that recovers nothing proves nothing, unless it recovered the canary on this very image."""
    tool = TOOLS[name]
    with on_format(tmp_path, *tool.made, size=24 << 20) as disk:
        canaries = documents(disk.root / "in" / "canaries", "canary-of-e81f", "CANARY")
        victims = documents(disk.root / "in" / "all", OFFICE, MARK)
        # Once more from the journal's begin, so that deletions stand in it apart from what made the files.
        disk.release()
        disk.mount()
        # Old states are told apart by seconds.
        time.sleep(1.1 if name == "ext4magic" else 0)
        tool.delete(disk, [f"in/canaries/{one}" for one in canaries])
        before = brought_back(tool.recover, disk.image, tmp_path / "deleted")
        for sort in tool.finds:
            assert getattr(before, sort)(canaries) == set(canaries), f"{name} finds no {sort} even of what was deleted"
        disk.mount()
        site = RealSite(tmp_path / "site")
        assert ended(site, files_carrier(disk.root / "in", "all", destroy=("names",))).exit == 6
        assert site.certificates()[0].claim.outcome is Outcome.PROVEN
        disk.release()
    after = brought_back(tool.recover, disk.image, tmp_path / "erased")
    assert (after.contents(victims), after.names(victims)) == (set(), set())
    assert total_found(disk.image, [MARK.encode(), OFFICE.encode()]) == 0


def documents(folder: Path, prefix: str, mark: str) -> dict[str, bytes]:
    """Documents of all kinds under names that nothing else has."""
    return {
        path.rename(path.with_name(f"{prefix}-{name}")).name: content
        for name, content in write_documents(folder, COUNT, mark).items()
        for path in (folder / name,)
    }


def test_a_stick_is_recovered_after_a_deletion_and_not_after_its_erasure(tmp_path: Path) -> None:
    """A FAT keeps entry and content of what is deleted. Files on it are not erased one by one; the whole image is."""
    image, source = tmp_path / "stick.img", tmp_path / "source"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    run("mkfs.vfat", image)
    papers = documents(source, OFFICE, MARK)
    run("mcopy", "-i", image, *(source / name for name in papers), "::")
    run("mdel", "-i", image, *(f"::{name}" for name in papers))
    assert brought_back(by_tsk_recover, image, tmp_path / "deleted").contents(papers) == set(papers)
    site = RealSite(tmp_path / "site")
    with ext4_image(tmp_path) as disk:
        ended_well(site, disk, image)
        found = brought_back(by_photorec, disk.root / "stick.img", tmp_path / "erased")
        assert found.contents(papers) == set()
        assert total_found(disk.image, [MARK.encode()]) == 0


def ended_well(site: RealSite, disk: Mounted, image: Path) -> None:
    """The image was copied onto the disk, erased there, and proven."""
    copy = disk.root / "stick.img"
    shutil.copyfile(image, copy)
    disk.sync()
    assert total_found(disk.image, [MARK.encode()]) > 0
    assert ended(site, image_carrier(copy)).exit == 6
    assert site.certificates()[0].claim.outcome is Outcome.PROVEN
