"""Where something packed may begin, and what it holds: a value inside is found by unpacking alone."""

from __future__ import annotations

import struct
import zlib
from typing import Protocol

from wipers.searching import is_native

MOST_UNPACKED = 1 << 20
"""Bytes of what is unpacked that are looked through, counted from its begin."""
PIECE = 256
"""Packed bytes given at once: where a stream was cut into, what the last piece held is lost."""
REACH = 1 << 17
"""Most packed bytes that a trial looks at; a sweep reads that much beyond each of its chunks."""


class Packing(Protocol):
    """A way of packing. Others may be handed to a hunt beside those here."""

    @property
    def name(self) -> str:
        """Name of the form."""
        ...

    @property
    def anchor(self) -> bytes:
        """Regular expression (see `searching.Pattern`) of the bytes where something so packed may begin."""
        ...

    @property
    def anchor_size(self) -> int:
        """Bytes of every match of the anchor."""
        ...

    @property
    def anchors(self) -> tuple[bytes, ...]:
        """The same told apart in many expressions that begin with fixed bytes, which a native search finds twenty times
        as fast; none where one expression will do."""
        ...

    @property
    def align(self) -> int:
        """Positions on the storage at which it begins are multiples of this."""
        ...

    def unpack(self, view: memoryview) -> bytes:
        """Return what the bytes hold that begin here, cut at `MOST_UNPACKED`; nothing where it is something else."""
        ...


def anchors_of(packing: Packing) -> tuple[bytes, ...]:
    """Return the expressions by which a packing is looked for on this machine."""
    return packing.anchors if packing.anchors and is_native() else (packing.anchor,)


def repeat(made: bytearray, offset: int, length: int) -> bool:
    """What was made so far is repeated from so far back; false where that is before the begin."""
    if not 0 < offset <= len(made):
        return False
    if offset >= length:
        made += made[len(made) - offset : len(made) - offset + length]
    else:
        piece = bytes(made[-offset:])
        made += (piece * (length // offset + 1))[:length]
    return True


def inflate(view: memoryview, window: int) -> bytes:
    """Return what a deflate stream holds, up to where it breaks off or makes no sense; `window` as zlib knows it."""
    stream = zlib.decompressobj(window)
    try:
        # Most trials are of chance bytes and end at once: the long way is for those that begin well.
        stream.decompress(view[:256], 64)
    except zlib.error:
        return b""
    whole = zlib.decompressobj(window)
    found = bytearray()
    for begin in range(0, len(view), PIECE):
        try:
            found += whole.decompress(view[begin : begin + PIECE], MOST_UNPACKED - len(found))
        except zlib.error:
            break
        if whole.eof or whole.unconsumed_tail or len(found) >= MOST_UNPACKED:
            break
    return bytes(found)


DEFLATE_HEAD = 2 + 3 + 8
"""Bytes of RFC 1950 and of RFC 1951 in which a header of a block has ended."""
_LENGTHS = tuple(sum(128 >> (bits >> shift & 7) & 127 for shift in (0, 3, 6, 9)) for bits in range(4096))
"""What four lengths of three bits take of a code, in 128ths; a length of nought takes nothing."""


def may_be_deflate(head: memoryview) -> bool:
    """Tell whether zlib would read a block that begins so, where `_FIRST` allows its first byte (RFC 1951 3.2.4 and
    3.2.7): most of a sweep's trials are of chance bytes, which hardly ever make a code that is complete."""
    if len(head) < DEFLATE_HEAD - 2:
        return len(head) > 0
    kind = head[0] >> 1 & 3
    if kind == 0:
        return head[1] ^ head[3] == 0xFF and head[2] ^ head[4] == 0xFF
    if kind == 1 or head[1] & 31 > 29:
        return kind == 1
    bits = int.from_bytes(head[1:10], "little") >> 5
    count = (bits & 15) + 4
    lengths = bits >> 4 & (1 << 3 * count) - 1
    taken = 0
    while lengths:
        taken += _LENGTHS[lengths & 4095]
        lengths >>= 12
    return taken == 128


def _may_begin(byte: int) -> bool:
    """Tell whether a block may begin with the byte (RFC 1951 3.2.3, 3.2.6, 3.2.7)."""
    match byte >> 1 & 3:
        case 0:
            return True
        case 1:
            # Nothing stands before the first symbol that it could repeat: it is a literal byte, or the block's end.
            first = int(f"{byte >> 3:05b}"[::-1], 2)
            return first == 0 or (first >= 6 and first != 24)
        case 2:
            return byte >> 3 <= 29
    return False


_FIRST = b"[" + b"".join(b"\\x%02x" % byte for byte in range(256) if _may_begin(byte)) + b"]"


class Zlib:
    """RFC 1950: method 8, a window of 32 or 16 KiB, no dictionary, every level. InnoDB writes windows of 16 KiB."""

    name = "zlib"
    anchor = rb"(?:\x78[\x01\x5e\x9c\xda]|\x68[\x05\x43\x81\xde])" + _FIRST
    anchor_size = 3
    anchors: tuple[bytes, ...] = ()
    align = 1

    def unpack(self, view: memoryview) -> bytes:
        return inflate(view, zlib.MAX_WBITS) if may_be_deflate(view[2:DEFLATE_HEAD]) else b""


class Gzip:
    """RFC 1952: one member, with any of the optional fields."""

    name = "gzip"
    anchor = rb"\x1f\x8b\x08[\x00-\x1f]"
    anchor_size = 4
    anchors: tuple[bytes, ...] = ()
    align = 1

    def unpack(self, view: memoryview) -> bytes:
        return inflate(view, zlib.MAX_WBITS | 16)


_LOCAL = struct.Struct("<4s5H3I2H")


class Zip:
    """A deflated file in an archive (APPNOTE 4.3.7), and so in office documents."""

    name = "zip"
    anchor = rb"PK\x03\x04[\x00-\x3f]\x00..\x08\x00"
    anchor_size = 10
    anchors: tuple[bytes, ...] = ()
    align = 1

    def unpack(self, view: memoryview) -> bytes:
        if len(view) < _LOCAL.size:
            return b""
        *_, name, extra = _LOCAL.unpack_from(view)
        return inflate(view[_LOCAL.size + name + extra :], -zlib.MAX_WBITS)


PACKINGS: tuple[Packing, ...] = (Zlib(), Gzip(), Zip())
"""What every hunt unpacks."""
