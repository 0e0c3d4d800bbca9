"""Programs that people recover files with get the documents back after a deletion, and nothing after an erasure."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.documents import write_documents
from tests.support.erasing import erase, order_files
from tests.support.ext4_image import Mounted, ext4_image, run
from tests.support.scanner import total_found

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

COUNT = 4
MARK = "MARK-OF-A-DOCUMENT-e81f"

Recover = Callable[[Path, Path], None]


def by_tsk_recover(image: Path, out: Path) -> None:
    """What The Sleuth Kit finds by the file system's own records of deleted files."""
    run("tsk_recover", image, out)


def by_photorec(image: Path, out: Path) -> None:
    """What photorec finds by the first bytes of known kinds of files, on the whole image."""
    steps = "partition_none,options,paranoid,fileopt,everything,enable,wholespace,search"
    command = ["photorec", "/log", "/d", str(out / "found"), "/cmd", str(image), steps]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


def recovered(recover: Recover, disk: Mounted, out: Path, documents: dict[str, bytes]) -> set[str]:
    """Names of the documents whose text or picture stands in any file that the program brought back."""
    disk.sync()
    copy = out / "copy.img"
    out.mkdir()
    shutil.copyfile(disk.image, copy)
    (out / "files").mkdir()
    recover(copy, out / "files")
    copy.unlink()
    found = [path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix not in {".log", ".se2"}]
    return {name for name, content in documents.items() if any(_heart(content) in one for one in found)}


def _heart(content: bytes) -> bytes:
    """Bytes from the middle, which are the document's own."""
    middle = len(content) // 2
    return content[middle : middle + 64]


def delete_by_kernel(disk: Mounted, names: list[str]) -> None:
    """What `rm` does."""
    for name in names:
        (disk.root / name).unlink()


def delete_by_debugfs(disk: Mounted, names: list[str]) -> None:
    """What an implementation of ext4 does that frees a file and leaves its inode as it was. The kernel clears the
    inode's extents, so that no program can follow them."""
    run("umount", disk.root)
    try:
        for name in names:
            run("debugfs", "-w", "-R", f"rm /{name}", disk.device)
    finally:
        run("mount", disk.device, disk.root)


@pytest.mark.parametrize(
    ("recover", "delete"),
    [
        pytest.param(by_tsk_recover, delete_by_debugfs, marks=needs("tsk_recover"), id="tsk_recover"),
        pytest.param(by_photorec, delete_by_kernel, marks=needs("photorec"), id="photorec"),
    ],
)
def test_a_deletion_gives_everything_back_and_an_erasure_nothing(
    tmp_path: Path, recover: Recover, delete: Callable[[Mounted, list[str]], None]
) -> None:
    """A program that recovers nothing proves nothing, unless it recovered the canary on this very image."""
    with ext4_image(tmp_path, size=24 << 20) as disk:
        folder = disk.root / "office"
        canaries = write_documents(folder / "canaries", COUNT, "CANARY")
        victims = write_documents(folder / "victims", COUNT, MARK)
        disk.sync()
        assert total_found(disk.image, [MARK.encode()]) > 0
        delete(disk, [f"office/canaries/{name}" for name in canaries])
        assert recovered(recover, disk, tmp_path / "deleted", canaries) == set(canaries)
        erase(order_files(folder, ("victims",), tmp_path / "state"))
        assert recovered(recover, disk, tmp_path / "erased", victims) == set()
        assert total_found(disk.image, [MARK.encode()]) == 0
        assert recovered(recover, disk, tmp_path / "again", canaries) == set(canaries)
