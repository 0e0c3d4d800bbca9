"""A drive made of recorded replies, answering where the kernel would: at the two ioctls, with their own structures."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wipers.linux.commands import ATA_SECTOR, AtaCommand, Command, NvmeCommand
from wipers.linux.passthrough import NVME_IOCTL_ADMIN_CMD, SG_IO, NvmeHeader, SgHeader

DESCRIPTOR = 77
INVALID_COMMAND = bytes((0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0))
"""Fixed sense data: ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a drive, the way to it and the kernel say to one SCSI command."""

    data: bytes = b""
    status: int = 0
    sense: bytes = b""
    host: int = 0
    driver: int = 0
    left_over: int | None = None
    """Bytes that the adapter says did not come; none: what is missing from `data`."""


REFUSED = Said(status=2, sense=INVALID_COMMAND, driver=8)


class RecordedDrive:
    """Answers by CDB, or by NVMe opcode, namespace and what is asked for; everything else is an invalid command."""

    def __init__(self, number: int = os.makedev(8, 0), otherwise: Said = REFUSED) -> None:
        self.number = number
        self.otherwise = otherwise
        self.said: dict[bytes, Said] = {}
        self.nvme: dict[tuple[int, int, int], bytes | int] = {}
        self.asked: list[bytes] = []
        self.open_error: OSError | None = None
        self.ioctl_error: OSError | None = None
        self.is_open = False

    def on(self, command: Command | AtaCommand, said: Said) -> RecordedDrive:
        """It says that to the command, an ATA one in its long envelope."""
        self.said[(command.through_16 if isinstance(command, AtaCommand) else command).cdb] = said
        return self

    def on_nvme(self, command: NvmeCommand, answer: bytes | int, namespace: int | None = None) -> RecordedDrive:
        """It answers with that, padded with zeros, or with that status."""
        asked = command.namespace if namespace is None else namespace
        self.nvme[command.opcode, asked, command.cdw10] = answer
        return self

    def open(self, node: Path) -> tuple[int, int]:
        if self.open_error is not None:
            raise self.open_error
        self.is_open = True
        return DESCRIPTOR, self.number

    def close(self, descriptor: int) -> None:
        assert descriptor == DESCRIPTOR
        self.is_open = False

    def submit(self, descriptor: int, request: int, header: ctypes.Structure) -> int:
        assert descriptor == DESCRIPTOR
        if self.ioctl_error is not None:
            raise self.ioctl_error
        if request == SG_IO and isinstance(header, SgHeader):
            return self._scsi(header)
        assert request == NVME_IOCTL_ADMIN_CMD
        assert isinstance(header, NvmeHeader)
        return self._nvme(header)

    def _scsi(self, header: SgHeader) -> int:
        cdb = ctypes.string_at(header.cmdp, header.cmd_len)
        self.asked.append(cdb)
        said = self.said.get(cdb, self.otherwise)
        came = said.data[: header.dxfer_len]
        if came:
            ctypes.memmove(header.dxferp, came, len(came))
        sense = said.sense[: header.mx_sb_len]
        ctypes.memmove(header.sbp, sense, len(sense))
        header.status, header.sb_len_wr = said.status, len(sense)
        header.host_status, header.driver_status = said.host, said.driver
        header.resid = header.dxfer_len - len(came) if said.left_over is None else said.left_over
        return 0

    def _nvme(self, header: NvmeHeader) -> int:
        self.asked.append(struct.pack("<BII", header.opcode, header.nsid, header.cdw10))
        answer = self.nvme.get((header.opcode, header.nsid, header.cdw10), 0x4001)
        if isinstance(answer, int):
            return answer
        ctypes.memmove(header.addr, answer[: header.data_len], min(len(answer), header.data_len))
        return 0


class NoSuchRequest(RecordedDrive):
    """A device whose driver knows neither ioctl, as a loop device or a virtio disk."""

    def __init__(self) -> None:
        super().__init__()
        self.ioctl_error = OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


def registers(
    *, lba: int = 0, count: int = 0, status: int = 0x50, error: int = 0, is_extended: bool = True, key: int = 1
) -> Said:
    """A check condition that returns an ATA drive's registers, as libata makes it."""
    low, high = lba & 0xFFFFFF, lba >> 24
    halves = (high & 0xFF, low & 0xFF, high >> 8 & 0xFF, low >> 8 & 0xFF, high >> 16 & 0xFF, low >> 16 & 0xFF)
    descriptor = bytes((9, 12, int(is_extended), error, count >> 8, count & 0xFF, *halves, 0, status))
    sense = bytes((0x72, key, 0, 0x1D if key == 1 else 0, 0, 0, 0, len(descriptor))) + descriptor
    return Said(status=2, sense=sense, driver=8)


def aborted(data: bytes = b"") -> Said:
    """What QEMU's SATA disk says to commands that it does not have: sense 0Bh, error ABRT, and data all the same."""
    said = registers(status=0x41, error=0x04, is_extended=False, key=0x0B)
    return Said(data=data, status=2, sense=said.sense, driver=8, left_over=0)


def checked(sector: bytearray) -> bytes:
    """The ATA sector with its signature and checksum."""
    sector[510] = 0xA5
    sector[511] = -sum(sector[:511]) & 0xFF
    return bytes(sector)


def identify(
    words: Mapping[int, int] | None = None, *, serial: str = "WD-WCC7K1", model: str = "WDC WD40EFRX"
) -> bytes:
    """An IDENTIFY DEVICE sector of a 48-bit drive of 1,953,525,168 sectors; words over it."""
    sector = bytearray(ATA_SECTOR)
    for at, text, length in ((20, serial, 20), (46, "82.00A82", 8), (54, model, 40)):
        sector[at : at + length] = swapped(text.ljust(length).encode())
    own = {0: 0x0040, 80: 0x07F0, 82: 0x0001, 83: 0x4400, 85: 0x0001, 86: 0x0400, 87: 0x4000, 217: 5400}
    size = 1_953_525_168
    own |= {60: 0xFFFF, 61: 0x0FFF, 100: size & 0xFFFF, 101: size >> 16, 102: 0, 103: 0}
    for number, value in {**own, **(words or {})}.items():
        sector[2 * number : 2 * number + 2] = value.to_bytes(2, "little")
    return checked(sector)


def swapped(text: bytes) -> bytes:
    """Each pair of letters the other way round."""
    return b"".join(text[at : at + 2][::-1] for at in range(0, len(text), 2))


def overlay(last: int, revision: int = 2) -> bytes:
    """A DEVICE CONFIGURATION IDENTIFY page with that last address."""
    sector = bytearray(ATA_SECTOR)
    sector[0:2] = revision.to_bytes(2, "little")
    sector[6:14] = last.to_bytes(8, "little")
    return checked(sector)


def smart(**attributes: int) -> bytes:
    """A SMART data sector with raw values, each under `a` and its number."""
    sector = bytearray(ATA_SECTOR)
    sector[0] = 16
    for place, (name, raw) in enumerate(attributes.items()):
        at = 2 + 12 * place
        sector[at] = int(name.removeprefix("a"))
        sector[at + 5 : at + 11] = raw.to_bytes(6, "little")
    sector[511] = -sum(sector[:511]) & 0xFF
    return bytes(sector)


def inquiry(vendor: str = "ATA", product: str = "WDC WD40EFRX", kind: int = 0, *, is_removable: bool = False) -> bytes:
    """Standard inquiry data."""
    text = vendor.ljust(8).encode() + product.ljust(16).encode() + b"0A82"
    return (bytes((kind, 0x80 if is_removable else 0, 6, 2, 91, 0, 0, 0)) + text).ljust(96, b"\x00")


def page(code: int, body: bytes) -> bytes:
    """A page of vital product data."""
    return bytes((0, code)) + len(body).to_bytes(2, "big") + body


def log(code: int, parameters: Mapping[int, bytes]) -> bytes:
    """A SCSI log page."""
    body = b"".join(number.to_bytes(2, "big") + bytes((3, len(value))) + value for number, value in parameters.items())
    return bytes((code, 0)) + len(body).to_bytes(2, "big") + body


def capacity(blocks: int, block_size: int, protection: int = 0) -> bytes:
    """A reply to READ CAPACITY(16)."""
    return struct.pack(">QI", blocks - 1, block_size) + bytes((protection, 0, 0, 0)) + bytes(16)


def controller(**fields: int) -> bytes:
    """Identify Controller data; fields by name."""
    places = {
        "id": (78, 2),
        "version": (80, 4),
        "oacs": (256, 2),
        "warning": (266, 2),
        "total": (280, 16),
        "free": (296, 16),
        "rpmb": (312, 4),
        "sanicap": (328, 4),
        "fna": (524, 1),
    }
    data = bytearray(4096)
    data[4:24] = b"S64GNE0R500000".ljust(20)
    data[24:64] = b"SAMSUNG MZQL23T8HCLS".ljust(40)
    data[64:72] = b"GDC5602Q"
    name = b"nqn.1994-11.com.samsung:nvme:PM9A3"
    data[768 : 768 + len(name)] = name
    for field, value in {"version": 0x020000, **fields}.items():
        at, length = places[field]
        data[at : at + length] = value.to_bytes(length, "little")
    return bytes(data)


def namespace(blocks: int, shift: int = 9, metadata: int = 0) -> bytes:
    """Identify Namespace data in its first format."""
    data = bytearray(4096)
    data[0:8] = blocks.to_bytes(8, "little")
    data[128:132] = metadata.to_bytes(2, "little") + bytes((shift, 0))
    data[104:120] = bytes.fromhex("36344730525000000025385300000001")
    return bytes(data)


def names(*namespaces: int) -> bytes:
    """A namespace list."""
    return struct.pack(f"<{len(namespaces)}I", *namespaces)


def health_log(
    *, warning: int = 0, kelvin: int = 310, used: int = 3, hours: int = 8760, media_errors: int = 0
) -> bytes:
    """SMART / Health Information."""
    data = bytearray(512)
    data[0] = warning
    data[1:3] = kelvin.to_bytes(2, "little")
    data[3:6] = bytes((100, 10, used))
    data[128:144] = hours.to_bytes(16, "little")
    data[160:176] = media_errors.to_bytes(16, "little")
    return bytes(data)
