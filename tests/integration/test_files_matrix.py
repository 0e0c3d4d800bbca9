"""File systems against verdicts: what is called proven is nowhere on the raw storage, and what is refused is refused
for a reason that the raw storage shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from certificates.reasons import REASONS
from certificates.statements import Outcome
from tests.support import grounds
from tests.support.ext4_image import run
from tests.support.grounds import MakeGround
from tests.support.trials import SIZES, Trial, trial

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

PROVEN = "proven"
NOT_INLINE = tuple(size for size in SIZES if size > 2048)
"""What btrfs keeps in blocks of its own."""


def as_laid(laid: Trial) -> None:
    """Nothing more is done to the files."""


def share_extents(laid: Trial) -> None:
    """A copy that shares its blocks lies outside the order."""
    run("cp", "-r", "--reflink=always", laid.folder, laid.ground.root / "copy")
    laid.ground.sync()


def take_snapshot(laid: Trial) -> None:
    """The whole subvolume as it is now stays readable beside the files."""
    run("btrfs", "subvolume", "snapshot", "-r", laid.ground.root, laid.ground.root / "snapshot")
    laid.ground.sync()


def journal_their_contents(laid: Trial) -> None:
    """Each file bears the flag (chattr +j is not given to root here), and is written once more under it."""
    (device,) = (line.split()[0] for line in run("df", laid.ground.root).splitlines()[1:])
    run("umount", laid.ground.root)
    try:
        for path in laid.victims:
            name = Path(path).relative_to(laid.ground.root)
            run("debugfs", "-w", "-R", f"set_inode_field /{name} flags 0x84000", device)
    finally:
        run("mount", device, laid.ground.root)
    for path, content in laid.victims.items():
        # Not cut short first, which would leave the contents in free blocks as well.
        with open(path, "r+b") as file:
            file.write(content)
    laid.ground.sync()


def move_into_the_lower_layer(laid: Trial) -> None:
    """Another overlay over them, as a container sees the files of its image."""
    below = laid.ground.root.parent / "below" / "disk"
    grounds.lay_over(laid.ground.root, below / "upper", below / "next")


@dataclass(frozen=True, slots=True)
class Cell:
    """A file system, and what must come of an order for files on it."""

    name: str
    make: MakeGround
    verdict: str
    """`proven`, or the code of the refusal."""
    is_left: bool | None = None
    """Of what is refused: whether an overwrite through the file leaves contents on the storage; none where the storage
    shows no contents in the first place."""
    arrange: Callable[[Trial], None] = as_laid
    sizes: tuple[int, ...] = SIZES
    also: tuple[str, ...] = ()
    """What else is proven where the order asks for it."""


EVERYTHING = ("names", "history")

CELLS = (
    Cell("ext4-ordered", grounds.ext4(), PROVEN, also=EVERYTHING),
    Cell("ext4-ordered-1k", grounds.ext4("-b", "1024"), PROVEN, also=EVERYTHING),
    Cell("ext4-without-journal", grounds.ext4("-O", "^has_journal"), PROVEN, also=EVERYTHING),
    Cell("ext4-writeback", grounds.ext4(options="data=writeback"), PROVEN, also=EVERYTHING),
    Cell("ext4-journal", grounds.ext4(options="data=journal"), PROVEN, also=EVERYTHING),
    Cell("ext4-journal-1k", grounds.ext4("-b", "1024", options="data=journal"), PROVEN, also=EVERYTHING),
    Cell("ext4-journal-by-file", grounds.ext4(), PROVEN, arrange=journal_their_contents, also=EVERYTHING),
    Cell("ext4-inline", grounds.ext4("-O", "inline_data"), "file-inline", is_left=True),
    Cell("ext4-encrypted", grounds.ext4("-O", "encrypt", prepare=grounds.encrypted), "file-encrypted"),
    Cell("ext2", grounds.ext4("-t", "ext2"), PROVEN, also=EVERYTHING),
    Cell("xfs", grounds.xfs(), PROVEN, also=("names",)),
    Cell("xfs-without-reflink", grounds.xfs("-m", "reflink=0"), PROVEN, also=("names",)),
    Cell("xfs-shared", grounds.xfs(), "file-shared", is_left=True, arrange=share_extents),
    Cell("btrfs", grounds.btrfs(), "file-copy-on-write", is_left=True),
    Cell("btrfs-nodatacow", grounds.btrfs(prepare=grounds.without_cow), PROVEN, sizes=NOT_INLINE),
    Cell("btrfs-nodatacow-inline", grounds.btrfs(prepare=grounds.without_cow), PROVEN),
    Cell("btrfs-nodatacow-mirrored", grounds.btrfs("", grounds.without_cow, "-d", "dup"), PROVEN, sizes=NOT_INLINE),
    Cell("btrfs-compressed", grounds.btrfs("compress-force=zstd"), "file-copy-on-write"),
    Cell("btrfs-snapshot", grounds.btrfs(), "file-copy-on-write", is_left=True, arrange=take_snapshot),
    Cell(
        "btrfs-nodatacow-snapshot",
        grounds.btrfs(prepare=grounds.without_cow),
        "file-shared",
        is_left=True,
        arrange=take_snapshot,
    ),
    Cell("overlay", grounds.overlay, "file-system-stacked", is_left=False),
    Cell("overlay-lower-layer", grounds.overlay, "file-system-stacked", True, move_into_the_lower_layer),
    Cell("tmpfs", grounds.tmpfs, "file-system-in-memory"),
)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_verdict_is_what_the_raw_storage_shows(tmp_path: Path, cell: Cell) -> None:
    """One promise in every cell: nothing that a certificate calls proven can be found below, and a refusal touches
    nothing and stands for a thing that an overwrite in place would truly have left."""
    with trial(tmp_path, cell.make) as laid:
        laid.lay(cell.sizes)
        cell.arrange(laid)
        before = laid.contents_left()
        ending = laid.run()
        laid.check_kept()
        if cell.verdict == PROVEN:
            assert before > 0, "the reader finds nothing here, and would find nothing afterwards either"
            check_proven(laid, ending.exit)
        else:
            assert (ending.exit, ending.reason) == (3, cell.verdict), ending
            check_refused(laid, cell, before)


def check_proven(laid: Trial, code: int) -> None:
    """Everything ordered is gone from the storage, and the papers say so."""
    assert code == 6, "destroyed and certified, with no registry to hand it to"
    assert laid.certificate.claim.outcome is Outcome.PROVEN
    assert laid.contents_left() == 0
    assert not laid.folder.exists()
    laid.check_audit()


def check_refused(laid: Trial, cell: Cell, before: int) -> None:
    """Nothing was touched; and whoever overwrites the files all the same finds them again, or not, as the cell says."""
    assert REASONS[cell.verdict].next_en, "a refusal names the way out"
    laid.check_untouched()
    assert laid.contents_left() >= before
    assert laid.site.certificates() == ()
    if cell.is_left is not None:
        assert before > 0
        laid.overwrite_as_others_do()
        assert (laid.contents_left() > 0) == cell.is_left


OTHERWISE_ALIKE = {"ext4-writeback", "ext4-journal-1k", "btrfs-nodatacow-inline", "btrfs-nodatacow-mirrored"}
ASKED_FURTHER = tuple(cell for cell in CELLS if cell.verdict == PROVEN and cell.name not in OTHERWISE_ALIKE)


@pytest.mark.parametrize("wish", EVERYTHING)
@pytest.mark.parametrize("cell", ASKED_FURTHER, ids=lambda cell: cell.name)
def test_names_and_history_are_claimed_only_where_the_raw_storage_shows_none(
    tmp_path: Path, cell: Cell, wish: Literal["names", "history"]
) -> None:
    """An order may ask for names, and for what was deleted before; where they are not reached the claim says so, and
    the contents are gone all the same."""
    with trial(tmp_path, cell.make) as laid:
        laid.lay(cell.sizes)
        cell.arrange(laid)
        laid.lay_history()
        assert laid.names_left() > 0
        assert laid.history_left() > 0
        ending = laid.run(destroy=(wish,))
        laid.check_kept()
        laid.check_audit()
        assert laid.contents_left() == 0
        is_proven = laid.certificate.claim.outcome is Outcome.PROVEN
        assert (ending.exit, is_proven) == ((6, True) if wish in cell.also else (5, False)), laid.certificate.claim
        if is_proven:
            assert (laid.names_left() if wish == "names" else laid.history_left()) == 0
