"""Commands to a drive through the kernel, and which replies may be believed.

A reply counts only where the host adapter, the SCSI status, the sense data and the length agree: programs that looked
at one of them have reported an aborted command as success, and zeros as a drive's answer.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from wipers.linux.commands import PERMITTED, PERMITTED_NVME, Command, NvmeCommand
from wipers.linux.sense import Registers, Sense, parse_sense

SG_IO = 0x2285
NVME_IOCTL_ADMIN_CMD = 0xC0484E41

NO_TRANSFER, FROM_DEVICE = -1, -3
"""Directions of sg_io_hdr; to a device nothing is ever sent."""
SENSE_LENGTH = 64
TIME_OUT_MS = 3000
"""A drive answers what is asked here in milliseconds; one that is spinning up is not waited for."""

GOOD, CHECK_CONDITION = 0x00, 0x02
DID_TIME_OUT = 0x03
DRIVER_TIME_OUT, DRIVER_SENSE = 0x06, 0x08
NO_SENSE, RECOVERED_ERROR, ILLEGAL_REQUEST = 0x0, 0x1, 0x5
ERROR, DATA_REQUEST, FAULT, READY, BUSY = 0x01, 0x08, 0x20, 0x40, 0x80
"""Bits of the ATA status register."""
PATH_STATUS = 3
"""Status code type of NVMe that speaks of the way to the controller, not of the command."""


class SgHeader(ctypes.Structure):
    """sg_io_hdr of <scsi/sg.h>, version 3."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class NvmeHeader(ctypes.Structure):
    """nvme_admin_cmd of <linux/nvme_ioctl.h>."""

    _fields_ = (
        ("opcode", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("rsvd1", ctypes.c_uint16),
        ("nsid", ctypes.c_uint32),
        ("cdw2", ctypes.c_uint32),
        ("cdw3", ctypes.c_uint32),
        ("metadata", ctypes.c_uint64),
        ("addr", ctypes.c_uint64),
        ("metadata_len", ctypes.c_uint32),
        ("data_len", ctypes.c_uint32),
        ("cdw10", ctypes.c_uint32),
        ("cdw11", ctypes.c_uint32),
        ("cdw12", ctypes.c_uint32),
        ("cdw13", ctypes.c_uint32),
        ("cdw14", ctypes.c_uint32),
        ("cdw15", ctypes.c_uint32),
        ("timeout_ms", ctypes.c_uint32),
        ("result", ctypes.c_uint32),
    )


class Outcome(StrEnum):
    """What became of a command."""

    GOOD = "good"
    """Adapter, status, sense data and length agree that it was answered."""
    REFUSED = "refused"
    """The drive, or what stands before it, said no."""
    SHORT = "short"
    """Fewer bytes came than make an answer."""
    CONTRADICTORY = "contradictory"
    """One part of the reply says yes and another no."""
    TRANSPORT = "transport"
    """It did not get there, or its reply did not get back."""
    TIMED_OUT = "timed-out"
    """Nothing came in time."""
    NOT_SENT = "not-sent"
    """The kernel does not take such commands for this device, or an earlier one broke the way."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `data` and `registers` are filled in a good one only."""

    outcome: Outcome
    """What became of the command."""
    data: bytes = b""
    """What was read."""
    registers: Registers | None = None
    """What an ATA drive left in its registers."""
    sense: bytes = b""
    """Sense data as they came."""
    detail: str = ""
    """Why it is not good."""

    @property
    def is_good(self) -> bool:
        """Whether it may be believed."""
        return self.outcome is Outcome.GOOD

    @property
    def is_unknown_command(self) -> bool:
        """Whether it was refused as a command that the device does not have."""
        parsed = parse_sense(self.sense)
        return self.outcome is Outcome.REFUSED and parsed is not None and parsed.key == ILLEGAL_REQUEST


class Kernel(Protocol):
    """What is asked of the kernel; tests put recorded drives in its place."""

    def open(self, node: Path) -> tuple[int, int]:
        """A descriptor for reading and the number of the block device behind it; raises OSError."""
        ...

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        ...

    def submit(self, descriptor: int, request: int, header: ctypes.Structure) -> int:
        """Have the request done, which fills the header and what it points to; raises OSError."""
        ...


class LinuxKernel:
    """The kernel that this program runs on."""

    def open(self, node: Path) -> tuple[int, int]:
        # O_NONBLOCK: nobody waits for a medium to be put in; reading only: no command here needs more.
        descriptor = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        if not stat.S_ISBLK(found.st_mode):
            os.close(descriptor)
            raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK), str(node))
        return descriptor, found.st_rdev

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def submit(self, descriptor: int, request: int, header: ctypes.Structure) -> int:
        returned: int = fcntl.ioctl(descriptor, request, header)
        return returned


THIS_KERNEL: Kernel = LinuxKernel()


class Channel:
    """The way to one drive; once it breaks, nothing more is sent, since every further wait may reset the drive."""

    def __init__(self, descriptor: int, kernel: Kernel = THIS_KERNEL) -> None:
        """Speak through a descriptor that stays its owner's."""
        self.is_broken = False
        self.replies: list[tuple[str, Reply]] = []
        self._descriptor = descriptor
        self._kernel = kernel

    def ask(self, command: Command) -> Reply:
        """The reply to a SCSI command of the table; raises ValueError for any other."""
        if command not in PERMITTED:
            raise ValueError(f"{command.name} is not among the commands that read")
        data, sense = ctypes.create_string_buffer(max(command.length, 1)), ctypes.create_string_buffer(SENSE_LENGTH)
        cdb = ctypes.create_string_buffer(command.cdb, len(command.cdb))
        header = SgHeader(
            interface_id=ord("S"),
            dxfer_direction=FROM_DEVICE if command.length else NO_TRANSFER,
            cmd_len=len(command.cdb),
            mx_sb_len=SENSE_LENGTH,
            dxfer_len=command.length,
            dxferp=ctypes.addressof(data) if command.length else None,
            cmdp=ctypes.addressof(cdb),
            sbp=ctypes.addressof(sense),
            timeout=TIME_OUT_MS,
        )
        status = self._submitted(SG_IO, header)
        if isinstance(status, Reply):
            return self._kept(command.name, status)
        return self._kept(command.name, judge(command, header, sense.raw, data.raw))

    def ask_nvme(self, command: NvmeCommand) -> Reply:
        """The reply to an NVMe command of the table; raises ValueError for any other."""
        if command.of(0) not in PERMITTED_NVME:
            raise ValueError(f"{command.name} is not among the commands that read")
        data = ctypes.create_string_buffer(command.length)
        header = NvmeHeader(
            opcode=command.opcode,
            nsid=command.namespace,
            addr=ctypes.addressof(data),
            data_len=command.length,
            cdw10=command.cdw10,
            timeout_ms=TIME_OUT_MS,
        )
        status = self._submitted(NVME_IOCTL_ADMIN_CMD, header)
        if isinstance(status, Reply):
            return self._kept(command.name, status)
        return self._kept(command.name, judge_nvme(status, data.raw))

    def _submitted(self, request: int, header: ctypes.Structure) -> int | Reply:
        if self.is_broken:
            return Reply(Outcome.NOT_SENT, detail="the way to the drive broke before")
        try:
            return self._kernel.submit(self._descriptor, request, header)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, f"E{error.errno}")
            return Reply(Outcome.NOT_SENT, detail=name)

    def _kept(self, name: str, reply: Reply) -> Reply:
        self.is_broken |= reply.outcome in {Outcome.TRANSPORT, Outcome.TIMED_OUT, Outcome.NOT_SENT}
        self.replies.append((name, reply))
        return reply


@contextmanager
def channel_to(node: Path, number: int, kernel: Kernel = THIS_KERNEL) -> Iterator[Channel | None]:
    """A channel to the block device of that number behind that node; none where the node cannot be opened or is
    another device."""
    try:
        descriptor, found = kernel.open(node)
    except OSError:
        yield None
        return
    try:
        yield Channel(descriptor, kernel) if found == number else None
    finally:
        kernel.close(descriptor)


def judge(command: Command, header: SgHeader, sense: bytes, data: bytes) -> Reply:
    """The reply that a returned sg_io_hdr amounts to, with what the drive wrote into the two buffers."""
    seen = sense[: min(header.sb_len_wr, SENSE_LENGTH)]
    broken = _broken(header)
    if broken is not None:
        return Reply(broken, sense=seen, detail=f"host {header.host_status:#x}, driver {header.driver_status:#x}")
    if header.status not in {GOOD, CHECK_CONDITION}:
        return Reply(Outcome.REFUSED, sense=seen, detail=f"status {header.status:#x}")
    parsed = parse_sense(seen)
    against = _against(command, header, parsed)
    if against is not None:
        return Reply(against[0], sense=seen, detail=against[1])
    received = command.length - header.resid
    if not 0 <= received <= command.length:
        return Reply(Outcome.CONTRADICTORY, sense=seen, detail=f"{header.resid} of {command.length} bytes left over")
    if received < command.least:
        return Reply(Outcome.SHORT, sense=seen, detail=f"{received} of {command.least} bytes")
    return Reply(Outcome.GOOD, data[:received], parsed.registers if parsed else None, seen)


def _broken(header: SgHeader) -> Outcome | None:
    """What the host adapter or the driver reports of the way; the kernel's call itself succeeds all the same."""
    driver = header.driver_status & 0x0F
    if header.host_status == DID_TIME_OUT or driver == DRIVER_TIME_OUT:
        return Outcome.TIMED_OUT
    return Outcome.TRANSPORT if header.host_status or driver not in {0, DRIVER_SENSE} else None


def _against(command: Command, header: SgHeader, sense: Sense | None) -> tuple[Outcome, str] | None:
    """Why the status and the sense data do not say that the command was carried out; none where they do."""
    if sense is None:
        if header.status == CHECK_CONDITION:
            return Outcome.CONTRADICTORY, "a check condition without sense data"
        return (Outcome.CONTRADICTORY, "no registers came") if command.is_answered_in_registers else None
    said = f"sense {sense.key:#x}/{sense.code:02x}/{sense.qualifier:02x}"
    if sense.is_deferred:
        return Outcome.CONTRADICTORY, f"{said} of an earlier command"
    if sense.key not in {NO_SENSE, RECOVERED_ERROR}:
        return (Outcome.REFUSED if header.status == CHECK_CONDITION else Outcome.CONTRADICTORY), said
    registers = sense.registers if command.is_ata else None
    if registers is None:
        return (Outcome.CONTRADICTORY, "no registers came") if command.is_answered_in_registers else None
    if registers.status & (ERROR | FAULT):
        return Outcome.REFUSED, f"ATA status {registers.status:#x}, error {registers.error:#x}"
    # Some bridges return a descriptor full of zeros: a drive that has done something says that it is ready.
    if registers.status & (READY | BUSY | DATA_REQUEST) != READY:
        return Outcome.CONTRADICTORY, f"ATA status {registers.status:#x}"
    return None


def judge_nvme(status: int, data: bytes) -> Reply:
    """The reply that the kernel's return value amounts to: 0, or the controller's status without its phase bit."""
    if status == 0:
        return Reply(Outcome.GOOD, data)
    is_of_the_path = status >> 8 & 7 == PATH_STATUS
    return Reply(Outcome.TRANSPORT if is_of_the_path else Outcome.REFUSED, detail=f"status {status:#06x}")
