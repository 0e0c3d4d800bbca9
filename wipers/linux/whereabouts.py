"""What a place on a raw storage belongs to: an ordered file, the journal, a directory, nobody, ...; as far as it can
be told."""

from __future__ import annotations

import errno
import os
import stat
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from certificates.statements import Place
from wipers.linux import space_map
from wipers.linux.chunks import ChunkMap, inodes_at
from wipers.linux.ext4_map import FREE, Ext4Map, Owned, Read
from wipers.linux.extents import UNWRITTEN, raw_extents
from wipers.linux.filesystems import FileSystem, open_raw
from wipers.linux.machine import Machine
from wipers.linux.mounts import mounts

MOST_FILES = 200_000
"""Files of a file system without tables that we can read which are asked where they lie."""
BACKGROUND = 0.2
"""Seconds between looks at whether xfs has taken back what was removed."""
PATIENCE = 5
"""Looks after which what is in use and in no file is something else."""
OTHERS = "other-file"
"""Where a find is that nobody ordered."""
RESERVED = 1 << 20
"""Bytes at the begin of a btrfs device that no chunk takes."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A file system on whose storage is hunted, and what is known of its blocks beforehand."""

    file_system: FileSystem
    spans: Sequence[tuple[str, int, int]] = ()
    """Place, first byte and length of stretches, by the addresses that files show."""
    inodes: Mapping[int, str] = field(default_factory=dict)
    """Place of what lies in some inodes."""
    is_given_back: bool = False
    """The ordered files were emptied: whatever file has a block of theirs by now took it afterwards."""


class Whereabouts:
    """Tells places on one device of a file system apart."""

    def __init__(self, ground: Ground, root: int | None, chunks: ChunkMap | None = None, device: int = 1) -> None:
        """Take any descriptor of the file system, and its chunks where its addresses are its own."""
        self._ground = ground
        self._root = root
        self._chunks = chunks
        self._device = device
        self._spans = sorted((begin, length, place) for place, begin, length in ground.spans)
        self._begins = [begin for begin, _, _ in self._spans]

    def places(self, positions: Iterable[int]) -> dict[int, Place]:
        """Return the place of each position."""
        found: dict[int, str] = {}
        left: dict[int, int] = {}
        taken: dict[int, int] = {}
        for position in positions:
            address = self._address(position)
            known = self._ordered(address) if address is not None else None
            if known is not None:
                found[position] = known
                if address is not None and self._ground.is_given_back:
                    taken[position] = address
            elif address is None:
                found[position] = "unknown" if position < RESERVED else "free"
            else:
                left[position] = address
        found |= dict(zip(left, self._told(list(left.values())), strict=True))
        for position, place in zip(taken, self._told(list(taken.values())), strict=True):
            if place == OTHERS:
                found[position] = place
        return cast(dict[int, Place], found)

    def at_once(self, position: int) -> Place:
        """Return the place of a position as far as it is known beforehand: the ordered files', or unknown."""
        address = self._address(position)
        return cast(Place, (self._ordered(address) if address is not None else None) or "unknown")

    def _address(self, position: int) -> int | None:
        """Return the position by the addresses that files show; none where no file ever lies."""
        return position if self._chunks is None else self._chunks.logical_at(self._device, position)

    def _ordered(self, address: int) -> str | None:
        at = bisect_right(self._begins, address) - 1
        if at < 0:
            return None
        begin, length, place = self._spans[at]
        return place if address < begin + length else None

    def _told(self, addresses: list[int]) -> list[str]:
        """Return what the file system says of each address."""
        try:
            match self._ground.file_system.kind:
                case "ext2" | "ext3" | "ext4":
                    return self._by_tables(addresses)
                case "xfs" if self._root is not None:
                    return self._by_space_map(addresses, self._root)
                case "btrfs" if self._root is not None:
                    return [self._by_extent_tree(address, self._root) for address in addresses]
        except (OSError, ValueError):
            # Whatever is wrong with tables that are read beside the file system, the finds themselves stand.
            pass
        return ["unknown"] * len(addresses)

    def _by_tables(self, addresses: list[int]) -> list[str]:
        with _cached(self._ground.file_system) as read:
            tables = Ext4Map(read)
            owners = tables.owners([address // tables.block_size for address in addresses])
            return [self._in_ext4(tables, address, owners) for address in addresses]

    def _in_ext4(self, tables: Ext4Map, address: int, owners: Mapping[int, Owned]) -> str:
        block, within = divmod(address, tables.block_size)
        owned = owners.get(block)
        if owned is None:
            return "unknown"
        if owned is FREE:
            return "free"
        if owned.inode == 0:
            record = tables.inode_at(address)
            if record is None:
                return "unknown"
            return self._ground.inodes.get(record[0], OTHERS) if record[1] else "free"
        if owned.inode == tables.journal:
            return "file-system-journal"
        return self._in_file(owned.inode, owned.mode, is_written=owned.is_written, beyond=owned.beyond - within)

    def _in_file(self, inode: int, mode: int, *, is_written: bool, beyond: int) -> str:
        """Return the place of a byte of an inode that lies so many bytes in front of the end."""
        if stat.S_ISDIR(mode):
            return "directories"
        if not is_written:
            return "unwritten"
        if stat.S_ISREG(mode) and beyond <= 0:
            return "slack"
        return self._ground.inodes.get(inode, OTHERS)

    def _by_space_map(self, addresses: list[int], root: int) -> list[str]:
        size = self._ground.file_system.block_size
        blocks = sorted({address // size * size for address in addresses})
        found = {block: self._of_space(block, size, root) for block in blocks}
        if sought := [block for block, place in found.items() if place is None]:
            found |= self._by_files(sought, root)
            self._wait_for_removed(found, size, root)
        # What is in use and in no file may be anything: trees, inodes, or what was removed a moment ago.
        return [found.get(address // size * size) or "unknown" for address in addresses]

    def _wait_for_removed(self, found: dict[int, str | None], size: int, root: int) -> None:
        """Ask again for what is in use and in no file: xfs takes back what was removed in the background."""
        for _ in range(PATIENCE):
            sought = [block for block, place in found.items() if place is None]
            if not sought:
                return
            # Asking for its room hurries it.
            os.fstatvfs(root)
            time.sleep(BACKGROUND)
            found |= {block: self._of_space(block, size, root) for block in sought}

    def _of_space(self, block: int, size: int, root: int) -> str | None:
        """Return what the map of space says of a block; none where it is in use by something."""
        for one in space_map.ranges(root, block, block + size):
            if one.is_special and one.owner == space_map.FREE:
                return "free"
            if one.is_special and one.owner == space_map.LOG:
                return "file-system-journal"
        return None

    def _by_files(self, sought: list[int], root: int) -> dict[int, str | None]:
        """Return the place of each block that a file or directory says is its own."""
        found: dict[int, str | None] = {}
        for descriptor, about in space_map.files_below(root, MOST_FILES):
            for first, begin, length, is_written in _extents(descriptor, about):
                for block in sought[bisect_right(sought, begin - 1) : bisect_right(sought, begin + length - 1)]:
                    beyond = about.st_size - (first + block - begin)
                    place = self._in_file(about.st_ino, about.st_mode, is_written=is_written, beyond=beyond)
                    found[block] = place
            if len(found) == len(sought):
                break
        return found

    def _by_extent_tree(self, address: int, root: int) -> str:
        try:
            inodes = inodes_at(root, address)
        except OSError as error:
            # EINVAL: a block of a tree; ENOENT: in no extent.
            return {errno.EINVAL: "directories", errno.ENOENT: "free"}.get(error.errno or 0, "unknown")
        if not inodes:
            return "slack"
        return next((self._ground.inodes[inode] for inode in inodes if inode in self._ground.inodes), OTHERS)


def root_of(found: FileSystem, machine: Machine) -> int | None:
    """Return a descriptor of the file system's own root, where it is mounted whole; none where it is not."""
    wanted = found.files_device or found.device
    for mount in mounts(machine):
        if mount.root != "/" or mount.kind != found.kind:
            continue
        try:
            descriptor = os.open(mount.point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        if os.fstat(descriptor).st_dev == wanted:
            return descriptor
        os.close(descriptor)
    return None


def _extents(descriptor: int, about: os.stat_result) -> Iterator[tuple[int, int, int, bool]]:
    """Yield offset, first byte below, length, and whether it was written, of what is open."""
    try:
        if stat.S_ISDIR(about.st_mode):
            yield from ((0, begin, length, True) for begin, length in space_map.extents_of_folder(descriptor))
        else:
            for logical, physical, length, marks in raw_extents(descriptor):
                yield logical, physical, length, not marks & UNWRITTEN
    except OSError:
        return


@contextmanager
def _cached(found: FileSystem) -> Iterator[Read]:
    """Give a reader of the device through its cache, where the mounted file system keeps its tables."""
    if found.node is None:
        raise FileNotFoundError("no device")
    descriptor = open_raw(found.node, found.device)
    try:
        yield lambda offset, length: os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)
