"""What lies on a block device, by its signatures: kind, and label for people; nothing else of the content is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from wipers.linux.devices import BlockDevice
from wipers.linux.machine import Machine, sys_folder

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What a signature says."""

    kind: str
    """As udev names it: ext4, crypto_LUKS, LVM2_member, linux_raid_member, zfs_member, swap..."""
    label: str = ""
    """File-system label, for people who look for the right disk."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Bytes that tell a format, and where its label stands."""

    kind: str
    offset: int
    """Of the bytes; negative: from the end."""
    magic: bytes
    label: tuple[int, int] = (0, 0)
    """First byte and length; nothing where the format has none."""
    encoding: str = "utf-8"
    """Of the label."""


# Where formats put what they are known by, as libblkid and the formats' own documents give them.
SIGNATURES = (
    Signature("crypto_LUKS", 0, b"LUKS\xba\xbe"),
    Signature("BitLocker", 3, b"-FVE-FS-"),
    Signature("xfs", 0, b"XFSB", (108, 12)),
    Signature("btrfs", 64 * KIB + 64, b"_BHRfS_M", (64 * KIB + 299, 256)),
    Signature("ntfs", 3, b"NTFS    "),
    Signature("exfat", 3, b"EXFAT   "),
    Signature("vfat", 82, b"FAT32   ", (71, 11), "ascii"),
    Signature("vfat", 54, b"FAT1", (43, 11), "ascii"),
    Signature("f2fs", KIB, b"\x10\x20\xf5\xf2", (KIB + 124, 1024), "utf-16-le"),
    Signature("swap", 4 * KIB - 10, b"SWAPSPACE2", (4 * KIB - 10 - 4086 + 1052, 16)),
    Signature("swsuspend", 4 * KIB - 10, b"S1SUSPEND", (4 * KIB - 10 - 4086 + 1052, 16)),
    Signature("LVM2_member", 512, b"LABELONE"),
    Signature("LVM2_member", 0, b"LABELONE"),
    Signature("linux_raid_member", 4 * KIB, b"\xfc\x4e\x2b\xa9"),
    Signature("linux_raid_member", 0, b"\xfc\x4e\x2b\xa9"),
    Signature("bcache", 4 * KIB + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    Signature("apfs", 32, b"NXSB"),
    Signature("hfsplus", KIB, b"H+\x00\x04"),
    Signature("hfsplus", KIB, b"HX\x00\x05"),
    Signature("iso9660", 32 * KIB + 1, b"CD001", (32 * KIB + 40, 32), "ascii"),
    Signature("squashfs", 0, b"hsqs"),
    Signature("erofs", KIB, b"\xe2\xe1\xf5\xe0"),
    Signature("ceph_bluestore", 0, b"bluestore block device\n"),
    Signature("dm_verity", 0, b"verity\x00\x00"),
    Signature("dm_integrity", 0, b"integrt\x00"),
    Signature("vdo", 0, b"dmvdo001"),
    Signature("bcachefs", 4 * KIB + 24, bytes.fromhex("c68573f66e1a45ca8265f57f48ba6d81")),
    Signature("VMFS", MIB, b"\x0d\xd0\x01\xc0"),
    Signature("ddf_raid_member", -512, b"\xde\x11\xde\x11"),
    Signature("isw_raid_member", -1024, b"Intel Raid ISM Cfg Sig. "),
)
EXT_MAGIC = (KIB + 56, b"\x53\xef")
"""ext2, ext3 and ext4 share it and differ in their feature words."""
ZFS_LABELS = (0, 256 * KIB)
"""Two of the four labels that each device of a pool carries; 128 KiB into each begin its uberblocks."""
UBERBLOCK = (b"\x0c\xb1\xba\x00\x00\x00\x00\x00", b"\x00\x00\x00\x00\x00\xba\xb1\x0c")


def contents_of(machine: Machine, device: BlockDevice) -> tuple[Content, ...] | None:
    """What lies on the device itself, not on its partitions; none where it could not be looked at."""
    folder = sys_folder(machine, device.number)
    told = machine.properties(folder) if folder is not None else {}
    if told.get("ID_FS_TYPE"):
        return (Content(told["ID_FS_TYPE"], printable(told.get("ID_FS_LABEL", ""))),)
    try:
        descriptor = os.open(machine.dev / device.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return () if told else None
    try:
        return tuple(dict.fromkeys(_found(descriptor, device.size)))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _found(descriptor: int, size: int) -> Iterator[Content]:
    """What the signatures say; raises OSError."""
    head = _read(descriptor, 0, min(size, MIB + 4 * KIB))
    tail = _read(descriptor, max(0, size - 128 * KIB), min(size, 128 * KIB))
    if head[EXT_MAGIC[0] : EXT_MAGIC[0] + 2] == EXT_MAGIC[1]:
        yield Content(_ext_kind(head), _label(head, (KIB + 120, 16), "utf-8"))
    for one in SIGNATURES:
        place = head if one.offset >= 0 else tail
        at = one.offset if one.offset >= 0 else len(tail) + one.offset
        if at >= 0 and place[at : at + len(one.magic)] == one.magic:
            yield Content(one.kind, _label(head, one.label, one.encoding))
    begins = (at + 128 * KIB + number * KIB for at in ZFS_LABELS for number in range(128))
    if any(head[at : at + 8] in UBERBLOCK for at in begins):
        yield Content("zfs_member")
    if _is_at_its_end_a_member(tail, size):
        yield Content("linux_raid_member")


def _is_at_its_end_a_member(tail: bytes, size: int) -> bool:
    """Superblocks of version 1.0 and 0.90 lie near the end of a member (md(4))."""
    begin = size - len(tail)
    places = ((size - 8 * KIB) // (4 * KIB) * (4 * KIB), size // (64 * KIB) * (64 * KIB) - 64 * KIB)
    return any(tail[place - begin : place - begin + 4] == b"\xfc\x4e\x2b\xa9" for place in places if place >= begin)


def _ext_kind(head: bytes) -> str:
    """Which of the three: extents or 64 bits make it ext4, a journal alone ext3."""
    compatible, incompatible = (int.from_bytes(head[KIB + at : KIB + at + 4], "little") for at in (92, 96))
    if incompatible & 0x8:
        return "jbd"
    if incompatible & 0x2C0:
        return "ext4"
    return "ext3" if compatible & 0x4 else "ext2"


def _read(descriptor: int, offset: int, length: int) -> bytes:
    parts = []
    while length > 0:
        part = os.pread(descriptor, length, offset)
        if not part:
            break
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)


def _label(head: bytes, place: tuple[int, int], encoding: str) -> str:
    text = head[place[0] : place[0] + place[1]].decode(encoding, "replace")
    return printable(text.split("\x00")[0])


def printable(text: str) -> str:
    """The text without control characters, on one line and short."""
    return "".join(letter for letter in text if letter.isprintable())[:64].strip()
