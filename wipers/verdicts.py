"""Whether overwriting a file in place reaches the blocks that hold it: one row a case, read by code and by people.

Facts are of the Linux kernel's own documentation (Documentation/filesystems, fiemap.rst) and of what tests on real file
systems show; `docs/files.md` prints these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["reached", "refused", "removed"]
"""Overwriting in place reaches the blocks; nothing is touched; the name goes and nothing is opened."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done in one case, and why."""

    case: str
    """Id."""
    what: str
    """The case, for people."""
    outcome: Outcome
    """What becomes of it."""
    why: str
    """Why a write in place reaches the blocks there, or does not."""
    way: str
    """What is done besides, or what to order instead."""
    reason: str | None = None
    """Reason code of the refusal."""


def _reached(case: str, what: str, why: str, way: str = "Nothing more is needed") -> Verdict:
    return Verdict(case, what, "reached", why, way)


def _refused(case: str, what: str, reason: str, why: str, way: str) -> Verdict:
    return Verdict(case, what, "refused", why, way, reason)


def _removed(case: str, what: str) -> Verdict:
    why = "It holds no contents of its own; what it leads to is not what was ordered"
    return Verdict(case, what, "removed", why, "Removed with its directory, never opened nor followed")


WHOLE_DEVICE = "Order the whole device"

OF_FILE_SYSTEMS: tuple[Verdict, ...] = (
    _reached("ext4-ordered", "ext4, data=ordered (the default)", "Contents go to their own blocks and nowhere else"),
    _reached("ext4-writeback", "ext4, data=writeback", "Contents go to their own blocks and nowhere else"),
    _reached("ext4-no-journal", "ext4 without a journal, ext2", "Contents go to their own blocks and nowhere else"),
    _reached(
        "ext4-journal",
        "ext4, data=journal",
        "Contents go through the journal, which keeps them, and then to their own blocks",
        "The journal is wrapped afterwards and read back; where the storage below cannot be read: refused",
    ),
    _refused(
        "ext4-journal-unread",
        "ext4, data=journal, storage below not readable",
        "file-data-journaled",
        "Whether the journal still keeps what was overwritten cannot be seen",
        "Run where the block device can be read, or order the whole device",
    ),
    _refused(
        "ext4-unknown",
        "ext4 whose data mode cannot be told",
        "file-system-not-supported",
        "What the journal keeps is not known",
        "Run where /proc/fs/ext4 can be read, or order the whole device",
    ),
    _refused(
        "ext4-clusters",
        "ext4 with bigalloc",
        "file-system-not-supported",
        "Blocks are handed out in clusters, whose unused blocks belong to no file's extents",
        WHOLE_DEVICE,
    ),
    _reached("xfs", "xfs", "Blocks that no other file shares are written in place; the log holds no contents"),
    _reached(
        "btrfs",
        "btrfs on one device",
        "Files without copy-on-write (chattr +C, or mounted nodatacow) are written in place, in every copy",
        "Each file is judged by its own flags and extents, see below",
    ),
    _refused(
        "btrfs-devices",
        "btrfs on several devices",
        "file-system-spans-devices",
        "A block's copies lie on devices that are not held together here",
        "Order every device of it whole",
    ),
    _refused(
        "copies",
        "bcachefs, f2fs, nilfs2, zfs, ubifs, jffs2",
        "file-system-copies",
        "Every write takes new blocks; the old ones keep what they held until they are used again",
        "Erase the key where it is encrypted, or order the whole device",
    ),
    _refused(
        "memory",
        "tmpfs, ramfs, hugetlbfs",
        "file-system-in-memory",
        "No storage lies below, so nothing can be read back there; pages may have been written to swap",
        "Unmount it and order the swap areas (swapoff first); power off where no swap was in use",
    ),
    _refused(
        "overlay",
        "overlay, unionfs, aufs",
        "file-system-stacked",
        "The first write copies a file to the upper layer; the lower layer keeps it as it was",
        "Order the files in the directories of the layers, upper and lower, each on its own file system",
    ),
    _refused(
        "encrypting",
        "ecryptfs, encfs, gocryptfs",
        "file-system-stacked",
        "What is written here is enciphered into another file on another file system",
        "Order the files below, or erase the key",
    ),
    _refused(
        "network",
        "nfs, cifs, smb3, ceph, 9p, virtiofs, afs, gfs2, ocfs2",
        "file-system-remote",
        "Another machine stores the blocks, or writes to them too",
        "Order the files on the machine that stores them",
    ),
    _refused(
        "fuse",
        "FUSE (sshfs, ntfs-3g, ...)",
        "file-system-remote",
        "A program decides where contents go, and no kernel says where that is",
        "Order the files where that program keeps them, or the whole device below it",
    ),
    _refused(
        "vfat",
        "vfat, exfat, ntfs3, hfsplus, jfs, reiserfs, udf and all others",
        "file-system-not-supported",
        "It was not shown where it writes, or it does not tell where blocks lie and which inode is which",
        WHOLE_DEVICE,
    ),
    _refused(
        "direct-access",
        "any, mounted with dax",
        "file-direct-access",
        "Contents lie in memory that processes map directly, past every barrier of the file system",
        "Mount it again with dax=never, then plan again",
    ),
    _refused(
        "read-only",
        "any, mounted read-only",
        "file-system-read-only",
        "Nothing can be written",
        "Mount it for writing, then plan again",
    ),
    _refused(
        "layer-copies",
        "any, on an LVM or other snapshot, its origin, a thin volume, a cache, VDO, bcache, a ZFS or Ceph volume",
        "blocks-elsewhere",
        "A write there does not replace the block: the old one stays in a snapshot or on another device",
        "Order what it lies on, whole; or take the snapshot, cache or pool away first, and order a volume over the "
        "room that this leaves free too: what it kept stays there",
    ),
)

OF_FILES: tuple[Verdict, ...] = (
    _reached("regular", "A regular file, with the slack of its last block", "Its extents are its own"),
    _reached("sparse", "A sparse file", "Holes hold nothing; what is allocated is written, and holes stay holes"),
    _reached(
        "preallocated",
        "Extents allocated and never written, also behind the end of the file",
        "They read as zeros but keep what lay there before; they are written over like all others",
    ),
    _reached(
        "hard-linked",
        "Several ordered names of one inode",
        "The inode is written once, and goes with the last of its names",
    ),
    _refused(
        "hard-links-outside",
        "A name of the inode that the order does not name",
        "hard-links-outside",
        "The contents would be gone under that name too",
        "Order every name, or remove the other one",
    ),
    _refused(
        "inline",
        "Contents inside the inode (ext4 inline_data) or inside a tree's leaf (btrfs inline extents)",
        "file-inline",
        "A file system's block holds them between other things, and its journal or older leaves hold them again",
        WHOLE_DEVICE,
    ),
    _reached(
        "data-journaled",
        "Contents journaled by the file's own flag (chattr +j)",
        "As ext4 with data=journal",
        "The journal is wrapped afterwards and read back; where the storage below cannot be read: refused",
    ),
    _refused(
        "copy-on-write",
        "A btrfs file without chattr +C",
        "file-copy-on-write",
        "Every write takes new blocks; the old ones keep what they held",
        "Erase the key where it is encrypted, order the whole device, or remove the file and have free space filled",
    ),
    _refused(
        "compressed",
        "A compressed file",
        "file-compressed",
        "What is written is not as long as what it replaces and takes other blocks",
        "Order the whole device, or remove the file and have free space filled",
    ),
    _refused(
        "shared",
        "Extents shared by a reflink, deduplication or a btrfs snapshot",
        "file-shared",
        "The first write takes new blocks; the shared ones keep what they held",
        "Order or delete the other file and the snapshot too, then plan again",
    ),
    _refused(
        "encrypted",
        "A file encrypted by the file system (fscrypt)",
        "file-encrypted",
        "The storage below shows other bytes than were written, so nothing can be proven there",
        "Destroy the key where it is kept, with every copy (fscrypt metadata destroy), or order the whole device",
    ),
    _refused(
        "verity",
        "A file sealed by fs-verity",
        "file-verity",
        "The kernel lets nobody write to it",
        "Order the whole device",
    ),
    _refused(
        "realtime",
        "An xfs file on the realtime device",
        "file-realtime",
        "Its addresses count on another device than the file system's own",
        "Order the realtime device, whole",
    ),
    _refused(
        "not-provable",
        "Extents whose address cannot be told",
        "extents-not-provable",
        "Nothing can be read back below the file system",
        WHOLE_DEVICE,
    ),
    _refused(
        "immutable", "Immutable (chattr +i)", "file-immutable", "The kernel lets nobody write to it", "Clear the flag"
    ),
    _refused(
        "append-only",
        "Append-only (chattr +a)",
        "file-append-only",
        "The kernel lets nobody write over it",
        "Clear the flag",
    ),
    _refused(
        "in-use",
        "Open for writing, open or mapped by a process, below a loop device, swapped to",
        "in-use",
        "Whoever uses it would write its old contents back, or lose what it works on; the plan says who",
        "End the process, detach the loop device, swapoff",
    ),
    _refused(
        "mount-below",
        "A mount, bind mount or subvolume inside",
        "mount-below",
        "What lies there is another file system's, or is reached under another name",
        "Order it by its own root, or unmount it",
    ),
    _refused(
        "differs",
        "A file whose contents are not what the manifest says",
        "file-differs",
        "It is not the file that was approved",
        "See who changed it; make the manifest and the order anew",
    ),
    _removed("links", "A symbolic link"),
    Verdict(
        "links-long",
        "A symbolic link whose target is 60 bytes or longer (ext4), or does not fit into its inode (xfs)",
        "removed",
        "Its target has a block of its own, which nobody can open and which is given back as it was",
        'Removed with its directory; the block is reached by filling free space alone (`destroy = ["history"]`)',
    ),
    _removed("sockets", "A socket"),
    _removed("pipes", "A pipe"),
    _removed("device-nodes", "A device node"),
    Verdict(
        "folders",
        "A directory",
        "removed",
        "It holds names alone",
        'Removed when empty; its names by `destroy = ["names"]`',
    ),
    _refused(
        "swap-in-use",
        "A swap area in use: partition, volume or file",
        "in-use",
        "The kernel writes pages there at any time",
        "swapoff, then plan again: a partition or volume is ordered as such, a swap file as a file",
    ),
)

VERDICTS = {row.case: row for row in (*OF_FILE_SYSTEMS, *OF_FILES)}

EXT = frozenset({"ext2", "ext3", "ext4"})
"""Kinds of which the driver of ext4 takes care."""
BY_KIND: dict[str, str] = {
    **dict.fromkeys(("xfs", "btrfs"), ""),
    **dict.fromkeys(("bcachefs", "f2fs", "nilfs2", "zfs", "ubifs", "jffs2"), "copies"),
    **dict.fromkeys(("tmpfs", "ramfs", "hugetlbfs", "devtmpfs", "rootfs"), "memory"),
    **dict.fromkeys(("overlay", "unionfs", "aufs"), "overlay"),
    **dict.fromkeys(("ecryptfs", "fuse.encfs", "fuse.gocryptfs"), "encrypting"),
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "afs", "gfs2", "ocfs2"), "network"),
    **dict.fromkeys(("fuse", "fuseblk"), "fuse"),
}
"""Kind of file system, as mounted -> its case; empty where the case has the kind's name."""
OF_DATA_MODE = {"ordered": "ext4-ordered", "writeback": "ext4-writeback", "no journal": "ext4-no-journal"}


def case_of(
    kind: str, *, data_mode: str = "", has_clusters: bool = False, devices: int = 1, is_raw_readable: bool = True
) -> Verdict:
    """Return the verdict on a file system, by its kind and how it is set up."""
    if kind in EXT:
        journaled = "ext4-journal" if is_raw_readable else "ext4-journal-unread"
        mode = journaled if data_mode == "journal" else OF_DATA_MODE.get(data_mode, "ext4-unknown")
        return VERDICTS["ext4-clusters" if has_clusters else mode]
    if kind == "btrfs" and devices != 1:
        return VERDICTS["btrfs-devices"]
    known = BY_KIND.get(kind, "fuse" if kind.startswith("fuse.") else "vfat")
    return VERDICTS[known or kind]
