"""Which file system an open file lies on, what that does with contents, and what its inodes' flags forbid."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.beneath import mount_id
from wipers.linux.layers import obstacles_of_layers
from wipers.linux.machine import THIS_MACHINE, Machine, attribute, devno, entries, number, sys_folder, whole_disk
from wipers.linux.mounts import mount_in
from wipers.model import Obstacle
from wipers.verdicts import EXT, Verdict, case_of

FS_IOC_GETFSUUID = 0x80111500
"""_IOR(0x15, 0, struct fsuuid2), Linux 6.9."""
FS_IOC_GETFLAGS = 0x80086601
BTRFS_IOC_FS_INFO = 0x8400941F
"""_IOR(0x94, 31, struct btrfs_ioctl_fs_info_args): highest device id, number of devices, UUID, ..."""
FS_IOC_GETVERSION = 0x80087601

_LONG = bytes(8)
_HALF_OF_LONG = struct.Struct("=I")

SUPERBLOCK_OFFSET = 1024
SUPERBLOCK_SIZE = 1024
EXT4_MAGIC = 0xEF53
BIGALLOC = 0x0200
"""s_feature_ro_compat: blocks are handed out in clusters, whose unused blocks belong to no file's extents."""

JOURNALED = 0x00004000
FORBIDDING_FLAGS = {
    0x00000010: "file-immutable",
    0x00000020: "file-append-only",
    0x00000800: "file-encrypted",
    JOURNALED: "file-data-journaled",
    0x00100000: "file-verity",
    0x10000000: "file-inline",
    0x02000000: "file-direct-access",
}
"""Inode flags (linux/fs.h FS_*_FL) under which writing in place is refused, or does not replace what is stored."""

NO_JOURNAL = "no journal"
"""Data mode of an ext4 that was made without a journal: it lists none."""
DIRECT_ACCESS = frozenset({"dax", "dax=always"})
"""Mount options under which contents are accessed past every cache of the kernel."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The file system that a descriptor was opened on."""

    kind: str
    """Type as mounted, e.g. ext4."""
    device: int
    """Number of the block device below it; what its files report where there is none."""
    uuid: str | None
    """UUID in lower case; none where it cannot be told."""
    node: Path | None
    """Node of the block device below it; none where there is none that can be named."""
    block_size: int
    """Bytes of a block."""
    sector_size: int
    """Smallest unit of direct read and write below, in bytes."""
    data_mode: str
    """What the journal does with contents: ordered, journal, writeback; empty where it cannot be told."""
    has_clusters: bool
    """Whether blocks are handed out in clusters."""
    is_read_only: bool
    """Whether this mount takes no writes."""
    is_raw_readable: bool
    """Whether this process may read the storage below."""
    files_device: int = 0
    """Device number that its files report; another than the block device's on btrfs."""
    devices: int = 1
    """Block devices that it lies on."""
    options: tuple[str, ...] = ()
    """Options of the mount and of the file system."""

    @property
    def wraps_journal(self) -> bool:
        """Whether what the journal keeps of contents is wrapped away after an overwrite, and seen to be gone."""
        return self.is_raw_readable

    @property
    def verdict(self) -> Verdict:
        """Whether a write in place reaches the blocks here, as far as the file system alone decides."""
        return case_of(
            self.kind,
            data_mode=self.data_mode,
            has_clusters=self.has_clusters,
            devices=self.devices,
            is_raw_readable=self.wraps_journal,
        )


def file_system_of(descriptor: int, machine: Machine = THIS_MACHINE) -> FileSystem:
    """Return what the descriptor's file system is, by its mount and the device below; raises OSError."""
    files_device = os.fstat(descriptor).st_dev
    kind, source, options = _mounted_as(descriptor, machine)
    device, devices, own_uuid = files_device, 1, None
    if kind == "btrfs":
        device, devices, own_uuid = _below_btrfs(descriptor, files_device, source, machine)
    folder = sys_folder(machine, device)
    node = _node(machine, device, folder)
    superblock = _superblock(node, device) if kind in EXT else None
    return FileSystem(
        kind=kind,
        device=device,
        uuid=own_uuid or _uuid(descriptor, superblock, node, machine),
        node=node,
        block_size=os.fstatvfs(descriptor).f_bsize,
        sector_size=_sector_size(folder),
        data_mode=_data_mode(machine, folder) if kind in EXT else "",
        has_clusters=_has_clusters(superblock),
        is_read_only="ro" in options,
        is_raw_readable=_is_readable(node, device),
        files_device=files_device,
        devices=devices,
        options=options,
    )


def refusals(found: FileSystem, where: str, machine: Machine = THIS_MACHINE) -> tuple[Obstacle, ...]:
    """Return why nothing may be overwritten in place here: by the file system, and by the layers below it."""
    refused = list(_of_verdict(found, found.verdict, where))
    if found.is_read_only:
        refused.append(Obstacle("file-system-read-only", (("where", where),)))
    if DIRECT_ACCESS.intersection(found.options):
        refused.append(Obstacle("file-direct-access", (("count", "all"), ("where", where))))
    folder = sys_folder(machine, found.device)
    if folder is not None:
        refused += [one for one in obstacles_of_layers(machine, folder) if one.reason != "in-use"]
    return tuple(refused)


def lasting_refusal(found: FileSystem, where: str) -> Obstacle | None:
    """Return why nothing on this kind of file system can be overwritten in place, whoever asks and however it is
    mounted; none where it can be, or where another user or mount could see what this one cannot."""
    if found.kind in EXT and not found.has_clusters:
        return None
    return next(_of_verdict(found, found.verdict, where), None)


def _of_verdict(found: FileSystem, verdict: Verdict, where: str) -> Iterator[Obstacle]:
    if verdict.reason is not None:
        yield Obstacle(verdict.reason, (("count", "all"), ("what", _told(found)), ("where", where)))


def _told(found: FileSystem) -> str:
    """Return the file system in a word, with what makes it another case."""
    if found.has_clusters:
        return f"{found.kind} with bigalloc"
    if found.kind in EXT and found.data_mode not in {"ordered", "writeback", NO_JOURNAL}:
        return f"{found.kind} with data={found.data_mode or 'unknown'}"
    return found.kind


def inode_flags(descriptor: int) -> int:
    """Return the inode's flags (linux/fs.h FS_*_FL); raises OSError."""
    return _long_of(descriptor, FS_IOC_GETFLAGS)


def forbidding_flags(descriptor: int) -> tuple[str, ...]:
    """Return the reason code of each inode flag that forbids erasure in place; raises OSError."""
    flags = inode_flags(descriptor)
    return tuple(reason for flag, reason in FORBIDDING_FLAGS.items() if flags & flag)


def generation(descriptor: int) -> int:
    """Return the inode's generation, which tells a reused inode number from the first; raises OSError."""
    return _long_of(descriptor, FS_IOC_GETVERSION) & 0xFFFFFFFF


def _long_of(descriptor: int, request: int) -> int:
    # The requests say long, the kernel moves 32 bits: only the low half counts.
    return int(_HALF_OF_LONG.unpack_from(fcntl.ioctl(descriptor, request, _LONG))[0])


def _mounted_as(descriptor: int, machine: Machine) -> tuple[str, str, tuple[str, ...]]:
    """Return type, source and options of the very mount that the descriptor was opened through."""
    wanted = str(mount_id(descriptor))
    with open(machine.proc / "self" / "mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if line.split(" ", 1)[0] == wanted and (mount := mount_in(line)) is not None:
                return mount.kind, mount.source, mount.options
    return "unknown", "", ()


def _below_btrfs(descriptor: int, files_device: int, source: str, machine: Machine) -> tuple[int, int, str]:
    """Return the number of the block device that a btrfs was mounted by, how many it lies on, and its UUID; raises
    OSError. Its files report numbers that no device has."""
    answer = bytearray(1024)
    fcntl.ioctl(descriptor, BTRFS_IOC_FS_INFO, answer)
    number = devno(machine.dev / source.removeprefix("/dev/")) if source.startswith("/dev/") else None
    own_uuid = str(uuid.UUID(bytes=bytes(answer[16:32])))
    return (files_device if number is None else number), struct.unpack_from("=QQ", answer)[1], own_uuid


def _node(machine: Machine, device: int, folder: Path | None) -> Path | None:
    """Return the node of the device, if a node of that very number stands where the kernel says."""
    if folder is None:
        return None
    for line in attribute(folder / "uevent").splitlines():
        name, _, value = line.partition("=")
        node = machine.dev / value
        if name == "DEVNAME" and devno(node) == device:
            return node
    return None


def open_raw(node: Path, device: int, flags: int = 0) -> int:
    """Return a read-only descriptor of the block device, checked to be that number; raises OSError."""
    descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags)
    found = os.fstat(descriptor)
    if not stat.S_ISBLK(found.st_mode) or found.st_rdev != device:
        os.close(descriptor)
        raise FileNotFoundError(f"{node} is another device")
    return descriptor


def _is_readable(node: Path | None, device: int) -> bool:
    """Tell by trying: what a permission bit promises, a container's device filter may refuse."""
    if node is None:
        return False
    try:
        os.close(open_raw(node, device))
    except OSError:
        return False
    return True


def _superblock(node: Path | None, device: int) -> bytes | None:
    """Return ext4's superblock; none where the device cannot be read."""
    if node is None:
        return None
    try:
        descriptor = open_raw(node, device)
    except OSError:
        return None
    try:
        found = os.pread(descriptor, SUPERBLOCK_SIZE, SUPERBLOCK_OFFSET)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    is_whole = len(found) == SUPERBLOCK_SIZE and struct.unpack_from("<H", found, 0x38)[0] == EXT4_MAGIC
    return found if is_whole else None


def _has_clusters(superblock: bytes | None) -> bool:
    return superblock is not None and bool(struct.unpack_from("<I", superblock, 0x64)[0] & BIGALLOC)


def _uuid(descriptor: int, superblock: bytes | None, node: Path | None, machine: Machine) -> str | None:
    """Return the UUID as the kernel tells (6.9), else as the superblock or the links of udev do."""
    answer = bytearray(17)
    try:
        fcntl.ioctl(descriptor, FS_IOC_GETFSUUID, answer)
    except OSError:
        answer = bytearray(17)
    if answer[0] == 16:
        return str(uuid.UUID(bytes=bytes(answer[1:17])))
    if superblock is not None:
        return str(uuid.UUID(bytes=superblock[0x68:0x78]))
    links = machine.dev / "disk" / "by-uuid"
    wanted = devno(node) if node is not None else None
    named = (name for name in entries(links) if wanted is not None and devno(links / name) == wanted)
    return next(named, None)


def _sector_size(folder: Path | None) -> int:
    if folder is None:
        return 512
    return number(whole_disk(folder) / "queue" / "logical_block_size", 512)


def _data_mode(machine: Machine, folder: Path | None) -> str:
    """Return the journal mode in force, defaults included, as /proc/fs/ext4 tells it to everybody."""
    if folder is None:
        return ""
    options = attribute(machine.proc / "fs" / "ext4" / folder.name / "options")
    modes = [line.removeprefix("data=") for line in options.splitlines() if line.startswith("data=")]
    if options and not modes:
        return NO_JOURNAL
    return modes[0] if len(modes) == 1 else ""
