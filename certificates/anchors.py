"""Anchors: where partition tables, file systems and volume managers keep their marks. Always read, beside any sample.

A sample finds a fraction of the medium and hardly ever one block; but whoever looks at a wiped medium looks at these
first. The places follow from sizes alone, so that an auditor finds the same ones. They do not count towards the sample:
no confidence rests on them. A rule once published never changes; other places make another rule.

Sources: UEFI 2.10, 5.3 (GPT); Documentation/filesystems/ext4, "Layout"; XFS Algorithms & Data Structures, "Allocation
Groups", with the sizes that mkfs.xfs gives a single disk; btrfs on-disk format, "Superblock"; LUKS1 1.2.3 and LUKS2
1.1.3 on-disk formats; md(4) superblock versions; ZFS on-disk specification, 1.2; ECMA-167 (volume descriptor pointer).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from certificates.sampling import BLOCK_SIZE
from certificates.statements import Extent

DISK_RULE = "anchors-1"
"""Ends, tables, superblocks and labels, on the whole medium and in each partition that stood on it."""
ENDS_RULE = "ends-1"
"""The first and the last block of what lies in a file system: nothing on it has a place of its own."""
RULES = (DISK_RULE, ENDS_RULE)

_KIB, _MIB, _GIB, _TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
_END = 64 * _KIB
"""Bytes read at either end. In front: MBR, GPT of 512 and of 4096 byte sectors, boot sectors with their copies, swap,
ext, XFS, LUKS, LVM, md 1.1 and 1.2. Behind: the second GPT, the mirror of NTFS, md 1.0, firmware RAID."""
_LABEL = 256 * _KIB
"""Bytes of a ZFS label: two in front, two behind."""


def anchor_blocks(rule: str, size: int, partitions: Sequence[Extent] = ()) -> tuple[int, ...]:
    """Return the block numbers, ascending, of an area of `size` bytes; raises KeyError for a rule that never was."""
    places = {DISK_RULE: _on_disk, ENDS_RULE: _at_ends}[rule](size, partitions)
    return tuple(sorted({place // BLOCK_SIZE for place in places if 0 <= place < size}))


def _at_ends(size: int, partitions: Sequence[Extent]) -> Iterator[int]:
    yield from (0, size - 1)


def _on_disk(size: int, partitions: Sequence[Extent]) -> Iterator[int]:
    """Yield offsets in bytes: on the whole, and in each partition as if it were a medium of its own."""
    yield from _places(size)
    for one in partitions:
        length = min(one.length, size - one.offset)
        yield from (one.offset + place for place in _places(length) if 0 <= place < length)


def _places(size: int) -> Iterator[int]:
    yield from range(0, min(_END, size), BLOCK_SIZE)
    yield from (max(size - 1 - back, 0) for back in range(0, min(_END, size), BLOCK_SIZE))
    yield _MIB  # where the first partition usually begins
    yield 512 * _KIB  # UDF
    yield size // _END * _END - _END  # md 0.90
    yield from (64 * _KIB, 64 * _MIB, 256 * _GIB)  # btrfs; the first also ReiserFS and GFS2
    yield from (16 * _KIB << power for power in range(9))  # second header of LUKS2
    yield from _zfs_labels(size)
    yield from _ext_backups(size)
    yield from _xfs_groups(size)


def _zfs_labels(size: int) -> Iterator[int]:
    """Yield begin, name-value list and first uberblock of each of the four labels."""
    even = size // _LABEL * _LABEL
    for label in (0, _LABEL, even - 2 * _LABEL, even - _LABEL):
        yield from (label, label + 16 * _KIB, label + 128 * _KIB)


def _ext_backups(size: int) -> Iterator[int]:
    """Yield the backup superblocks of ext2, 3 and 4: in group 1 and those whose number is a power of 3, 5 or 7."""
    for block in (_KIB, 2 * _KIB, 4 * _KIB):
        group_size, first = 8 * block * block, block if block == _KIB else 0
        groups = {base**power for base in (3, 5, 7) for power in range(24)}
        yield from (first + group * group_size for group in sorted(groups) if group * group_size < size)


def _xfs_groups(size: int) -> Iterator[int]:
    """Yield where allocation groups begin: four a disk, or as many of just under 1 TiB as there is room for."""
    blocks = size // BLOCK_SIZE
    length = (_TIB - 1) // BLOCK_SIZE if size >= 4 * _TIB else -(-blocks // 4)
    yield from range(0, size, max(length, 1) * BLOCK_SIZE)
