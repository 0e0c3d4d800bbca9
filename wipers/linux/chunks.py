"""btrfs: from the addresses that its files show to the places on its devices, every copy of them.

FIEMAP gives addresses in a space of the file system's own; the chunk tree says where each stretch of it lies, once or
several times (linux/btrfs_tree.h: btrfs_chunk, btrfs_stripe; linux/btrfs.h: TREE_SEARCH_V2, DEV_INFO, LOGICAL_INO).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from certificates.statements import Extent
from wipers.linux.direct import Storage, device_geometry, page_aligned
from wipers.model import MediumError

TREE_SEARCH_V2 = 0xC0709411
DEV_INFO = 0xD000941E
LOGICAL_INO = 0xC0389424
CHUNK_TREE = 3
FIRST_CHUNK = 256
CHUNK_ITEM = 228
RAID0, RAID1, DUP, RAID10, RAID5, RAID6, RAID1C3, RAID1C4 = (1 << bit for bit in range(3, 11))
PROFILES = RAID0 | RAID1 | DUP | RAID10 | RAID5 | RAID6 | RAID1C3 | RAID1C4
SUPERBLOCK = 1 << 16
MAGIC = b"_BHRfS_M"

_KEY = struct.Struct("=7Q4I4QQ")
_ITEM = struct.Struct("=QQQII")
_CHUNK = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16s")
_ROOM = 1 << 16
_EVERY = 0xFFFFFFFFFFFFFFFF


class Stripe(NamedTuple):
    """Where one part of a chunk lies."""

    device: int
    """Number of the device within the file system."""
    offset: int
    """First byte there."""


class Segment(NamedTuple):
    """A stretch that lies in one piece, with all its copies."""

    logical: int
    """First byte in the file system's own space."""
    length: int
    """Bytes."""
    places: tuple[Stripe, ...]
    """Where each copy begins; none where that cannot be told: striped with parity, or mapped nowhere."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the file system's own space."""

    logical: int
    length: int
    profile: int
    stripe_length: int
    copies: int
    """Stripes side by side that hold the same (RAID 10: two)."""
    stripes: tuple[Stripe, ...]

    @property
    def width(self) -> int:
        """Stripes among which what follows each other is dealt out; 1 where a stripe holds the chunk in one piece."""
        if self.profile & RAID0:
            return len(self.stripes)
        return len(self.stripes) // max(self.copies, 1) if self.profile & RAID10 else 1

    def segment(self, logical: int, most: int) -> Segment:
        """Return the piece that begins there, at most so long."""
        within = logical - self.logical
        length = min(most, self.length - within)
        if self.profile & (RAID5 | RAID6):
            return Segment(logical, length, ())
        if self.width == 1:
            return Segment(logical, length, tuple(Stripe(one.device, one.offset + within) for one in self.stripes))
        row, rest = divmod(within, self.stripe_length)
        turn, column = divmod(row, self.width)
        group = len(self.stripes) // self.width
        places = self.stripes[column * group : (column + 1) * group]
        at = turn * self.stripe_length + rest
        moved = tuple(Stripe(one.device, one.offset + at) for one in places)
        return Segment(logical, min(length, self.stripe_length - rest), moved)

    def logical_at(self, device: int, physical: int) -> int | None:
        """Return which byte of the space lies at that place; none where the chunk does not lie there."""
        if self.profile & (RAID5 | RAID6):
            return None
        group = max(len(self.stripes) // self.width, 1)
        for number, stripe in enumerate(self.stripes):
            at = physical - stripe.offset
            if stripe.device != device or not 0 <= at < self.length // self.width:
                continue
            if self.width == 1:
                return self.logical + at
            turn, rest = divmod(at, self.stripe_length)
            return self.logical + (turn * self.width + number // group) * self.stripe_length + rest
        return None


@dataclass(frozen=True, slots=True)
class ChunkMap:
    """All chunks, in order."""

    chunks: tuple[Chunk, ...]

    def segments(self, logical: int, length: int) -> Iterator[Segment]:
        """Yield the pieces that hold the bytes, in order; what is mapped nowhere has no places."""
        end = logical + length
        begins = [chunk.logical for chunk in self.chunks]
        while logical < end:
            at = bisect_right(begins, logical) - 1
            chunk = self.chunks[at] if at >= 0 else None
            if chunk is None or logical >= chunk.logical + chunk.length:
                following = begins[at + 1] if at + 1 < len(begins) else end
                segment = Segment(logical, min(end, following) - logical, ())
            else:
                segment = chunk.segment(logical, end - logical)
            yield segment
            logical += segment.length

    def logical_at(self, device: int, physical: int) -> int | None:
        """Return which byte of the space lies at that place of a device; none for what no chunk holds."""
        found = (chunk.logical_at(device, physical) for chunk in self.chunks)
        return next((one for one in found if one is not None), None)

    @property
    def devices(self) -> tuple[int, ...]:
        """Numbers of the devices that hold something."""
        return tuple(sorted({stripe.device for chunk in self.chunks for stripe in chunk.stripes}))

    @property
    def end(self) -> int:
        """First byte behind the last chunk."""
        return max((chunk.logical + chunk.length for chunk in self.chunks), default=0)


def chunk_map(descriptor: int) -> ChunkMap:
    """Return the chunks of the btrfs that the descriptor lies on, as they are now; raises OSError."""
    found = [chunk_of(offset, data) for _, offset, data in search(descriptor, CHUNK_TREE, FIRST_CHUNK, CHUNK_ITEM)]
    return ChunkMap(tuple(sorted(found, key=lambda chunk: chunk.logical)))


def chunk_of(logical: int, data: bytes) -> Chunk:
    """Return a chunk from its item of the tree."""
    length, _, stripe_length, kind, _, _, _, count, copies = _CHUNK.unpack_from(data)
    stripes = []
    for at in range(count):
        device, offset, _ = _STRIPE.unpack_from(data, _CHUNK.size + at * _STRIPE.size)
        stripes.append(Stripe(device, offset))
    return Chunk(logical, length, kind & PROFILES, stripe_length, copies, tuple(stripes))


def search(
    descriptor: int, tree: int, objects: int | tuple[int, int], kind: int | tuple[int, int], first: int = 0
) -> Iterator[tuple[int, int, bytes]]:
    """Yield object id, offset and data of the tree's items of some kinds, in order; raises OSError."""
    least, most = objects if isinstance(objects, tuple) else (objects, objects)
    lowest, highest = kind if isinstance(kind, tuple) else (kind, kind)
    position = (least, lowest, first)
    while True:
        buffer = bytearray(_KEY.size + _ROOM)
        from_object, from_kind, from_offset = position
        key = (tree, from_object, most, from_offset, _EVERY, 0, _EVERY, from_kind, highest, 0xFFFFFFFF, 0)
        _KEY.pack_into(buffer, 0, *key, 0, 0, 0, 0, _ROOM)
        fcntl.ioctl(descriptor, TREE_SEARCH_V2, buffer, True)
        count = _KEY.unpack_from(buffer, 0)[9]
        at, last = _KEY.size, position
        for _ in range(count):
            _, found, offset, found_kind, length = _ITEM.unpack_from(buffer, at)
            at += _ITEM.size + length
            last = (found, found_kind, offset)
            if lowest <= found_kind <= highest and least <= found <= most:
                yield found, offset, bytes(buffer[at - length : at])
        if not count or last[2] == _EVERY:
            return
        position = (last[0], last[1], last[2] + 1)


def device_path(descriptor: int, device: int) -> str:
    """Return the node of one of the file system's devices; raises OSError."""
    buffer = bytearray(4096)
    struct.pack_into("=Q", buffer, 0, device)
    fcntl.ioctl(descriptor, DEV_INFO, buffer, True)
    return os.fsdecode(bytes(buffer[3072:]).partition(b"\x00")[0])


def open_device(descriptor: int, device: int) -> Storage:
    """Return one of the file system's devices, opened for reading past every cache; raises OSError where what stands
    at its node is another device."""
    path = device_path(descriptor, device)
    opened = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC)
    geometry = device_geometry(opened)
    storage = Storage(opened, path, geometry.size, geometry.sector_size)
    try:
        head = storage.peek(SUPERBLOCK, 4096)
    except MediumError as error:
        storage.close()
        raise OSError(str(error)) from error
    if head[0x40:0x48] != MAGIC or struct.unpack_from("<Q", head, 0xC9)[0] != device:
        storage.close()
        raise FileNotFoundError(f"{path} is another device")
    return storage


class ChunkStorage:
    """The file system's own space, read on its devices past every cache: every copy, which must all be the same."""

    def __init__(self, descriptor: int) -> None:
        """Open every device; the descriptor may be any of the file system; raises OSError."""
        self._root = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        self._held = ExitStack()
        self._held.callback(os.close, self._root)
        self.map = self.before = chunk_map(self._root)
        self.devices: dict[int, Storage] = {}
        try:
            for device in self.map.devices:
                self.devices[device] = self._held.enter_context(open_device(self._root, device))
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> ChunkStorage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptors back."""
        self._held.close()

    @property
    def size(self) -> int:
        """First byte behind what the space maps."""
        return self.map.end

    @property
    def sector_size(self) -> int:
        """Smallest unit of direct read, in bytes."""
        return max((storage.sector_size for storage in self.devices.values()), default=512)

    def settle(self) -> None:
        """No cache above the devices answers, and the chunks are those of now; raises MediumError, Lost, OSError."""
        for storage in self.devices.values():
            storage.settle()
        self.map = chunk_map(self._root)

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the page-aligned buffer; raises MediumError: ENXIO for what lies where nobody can tell, ESTALE for what
        was moved to other places since the storage was opened, EUCLEAN where copies differ. Thread-safe."""
        before = list(self.before.segments(offset, len(buffer)))
        for segment in self.map.segments(offset, len(buffer)):
            begin = segment.logical - offset
            part = buffer[begin : begin + segment.length]
            extent = Extent(0, segment.logical, segment.length)
            if not segment.places or any(place.device not in self.devices for place in segment.places):
                raise MediumError("ENXIO", extent)
            if segment not in before:
                raise MediumError("ESTALE", extent)
            self._read_copies(segment, part, extent)

    def _read_copies(self, segment: Segment, part: memoryview, extent: Extent) -> None:
        first, *others = segment.places
        self.devices[first.device].read(first.offset, part)
        for other in others:
            copy = page_aligned(len(part))
            self.devices[other.device].read(other.offset, copy)
            if copy != part:
                raise MediumError("EUCLEAN", extent)


class _Asked(ctypes.Structure):
    """struct btrfs_ioctl_logical_ino_args."""

    _fields_ = (
        ("logical", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("reserved", ctypes.c_uint64 * 3),
        ("flags", ctypes.c_uint64),
        ("inodes", ctypes.c_uint64),
    )


def inodes_at(descriptor: int, logical: int) -> tuple[int, ...]:
    """Return the inodes whose contents lie at that byte of the space; raises OSError: ENOENT where nobody's do, EINVAL
    where a tree's block lies."""
    room = (ctypes.c_uint64 * (_ROOM // 8))()
    asked = _Asked(logical=logical, size=_ROOM, inodes=ctypes.addressof(room))
    fcntl.ioctl(descriptor, LOGICAL_INO, asked)
    count = room[1] & 0xFFFFFFFF
    return tuple(int(room[2 + at]) for at in range(0, count, 3))
