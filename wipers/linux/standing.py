"""Whether the running system stands on a device: on it, on what it lies on and shares, or where that cannot be told."""

from __future__ import annotations

import os

from wipers.linux.below import identities_below
from wipers.linux.devices import BlockDevice
from wipers.linux.loops import Loop
from wipers.linux.machine import Machine, sys_folder, whole_disk
from wipers.linux.system import SystemDisks
from wipers.linux.volumes import is_volume, kind_of_part

ORDINARY = frozenset(
    {
        "0x7",
        "0x82",
        "0x83",
        "0x8e",
        "0xfd",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
        "0fc63daf-8483-4772-8e79-3d69d8477de4",
        "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
        "773f91ef-66d4-49b5-bd83-d683bf40ad16",
        "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
        "a19d880f-05fc-4d3b-a006-743f0f84911e",
        "ca7d7ccb-63ed-4c53-861c-1742536059cc",
        "e6d6d379-f507-44c2-a23c-238f2a3df928",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    }
)
"""Types of partitions that hold data and boot nothing: NTFS and exFAT, swap, Linux, LVM, RAID; the same by GUID with
home, srv and var folders, per-user homes, LUKS and basic data (UAPI discoverable partitions, UEFI 2.10 table 5.7)."""

FIRST_NAMESPACE = "pid:[4026531836]"
"""The kernel's own namespace of processes (PROC_PID_INIT_INO, linux/proc_ns.h)."""


def is_beside_the_system(machine: Machine, device: BlockDevice, system: SystemDisks) -> bool:
    """Whether it is a partition of the system's disk that does not say that it holds data: it may be booted from."""
    folder = sys_folder(machine, device.number)
    if folder is None or device.layer != "partition" or whole_disk(folder).name not in system.names:
        return False
    return device.kernel_name not in system.devices and kind_of_part(machine, device) not in ORDINARY


def carries_the_system(
    machine: Machine, device: BlockDevice, system: SystemDisks, own_loop: Loop | None, *, is_held: bool
) -> bool:
    """Whether the running system would lose something; unsure means yes, but for what lies in files in sight alone, and
    for what nobody claims on a machine of which everything can be seen."""
    if is_volume(device):
        return _volume_carries(machine, device, system, is_held=is_held)
    if device.kernel_name in system.names:
        return True
    if system.is_sure or (own_loop is not None and own_loop.is_reachable):
        return False
    return not (sees_everything(machine) and (is_held or _is_claimed_by_nobody(machine, device)))


def _volume_carries(machine: Machine, device: BlockDevice, system: SystemDisks, *, is_held: bool) -> bool:
    """A volume beside the system's own is none of its own."""
    folder = sys_folder(machine, device.number)
    if folder is None or device.kernel_name in system.devices:
        return True
    if system.is_sure or device.layer == "zram":
        return False
    lies_on = identities_below(machine, folder)
    if lies_on and all(one.kind == "image" for one in lies_on):
        return False
    return not (sees_everything(machine) and (is_held or _is_claimed_by_nobody(machine, device)))


def _is_claimed_by_nobody(machine: Machine, device: BlockDevice) -> bool:
    """Whether the kernel hands the device out exclusively. A mounted file system holds its devices in whatever
    namespace, moved out of sight or not, and a disk through any of its partitions; so do swap and mappings."""
    try:
        os.close(os.open(machine.dev / device.name, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError:
        return False
    return True


def sees_everything(machine: Machine) -> bool:
    """Whether this program sees every process: in a container's own namespace, others may use a disk unseen."""
    try:
        return os.readlink(machine.proc / "self" / "ns" / "pid") == FIRST_NAMESPACE
    except OSError:
        return False
