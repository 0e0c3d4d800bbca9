"""The drives that QEMU plugs into the guest of the device tests, beside those that tests make for themselves there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import image
from tests.lab.machine import disk

MIB = 1 << 20
SIZE = 8 * MIB
NAMES = (
    "LAB-TWIN",
    "LAB-LIAR",
    "LAB-SICK-NVME",
    "LAB-SICK-SATA",
    "LAB-SATA",
    "LAB-SCSI",
    "LAB-USB",
    "LAB-UAS",
    "LAB-VIRTIO",
    "LAB-PAIR",
    "LAB-PAIR-2",
    "LAB-PAIR-3",
    "LAB-ZNS",
)
"""Serial numbers, and names of the images."""
BAD_SECTOR = 5000
"""The one sector of the sick drives that takes no write."""
WWN = 0x5000C50015EA71AC
ZONE_SIZE, ZONE_CAPACITY = MIB, 768 << 10
"""Bytes of a zone of the ZNS drive, and how many of them can be written."""


@contextmanager
def plugged_in() -> Iterator[tuple[str, ...]]:
    """QEMU's words for all of them; their image files are gone afterwards."""
    with image.scratch() as folder:
        for name in NAMES:
            (folder / name).touch()
            os.truncate(folder / name, SIZE)
        yield tuple(_words(folder))


def _words(folder: Path) -> Iterator[str]:
    # Two controllers of one NVMe subsystem, both with a way to the one namespace in it.
    yield from ("-device", "nvme-subsys,id=twins")
    for name in ("twin-1", "twin-2"):
        yield from ("-device", f"nvme,id={name},serial=LAB-TWIN,subsys=twins")
    yield from ("-drive", f"file={folder / 'LAB-TWIN'},if=none,id=LAB-TWIN,format=raw,cache=none")
    yield from ("-device", "nvme-ns,drive=LAB-TWIN,bus=twin-1,nsid=1,shared=on")
    # A discard succeeds there, and everything stays.
    yield from disk(folder / "LAB-LIAR", "LAB-LIAR", "nvme", ",discard=ignore")
    yield from _sick(folder, "LAB-SICK-NVME", "nvme")
    yield from _sick(folder, "LAB-SICK-SATA", "ide-hd,bus=ide.0")
    yield from disk(folder / "LAB-SATA", "LAB-SATA", "ide-hd,bus=ide.1", extra=f",wwn={WWN:#x}")
    yield from ("-device", "virtio-scsi-pci,id=scsi")
    named = f",vendor=SEAGATE,product=ST8000NM0075,ver=E002,wwn={WWN + 1:#x}"
    yield from disk(folder / "LAB-SCSI", "LAB-SCSI", "scsi-hd,bus=scsi.0", extra=named)
    yield from ("-device", "qemu-xhci,id=usb", "-device", "usb-uas,id=uas,bus=usb.0")
    yield from disk(folder / "LAB-USB", "LAB-USB", "usb-storage,bus=usb.0")
    yield from disk(folder / "LAB-UAS", "LAB-UAS", "scsi-hd,bus=uas.0")
    yield from disk(folder / "LAB-VIRTIO", "LAB-VIRTIO")
    # One controller with three namespaces; the third has metadata between its blocks, which Linux does not address.
    yield from ("-device", "nvme-subsys,id=pairs", "-device", "nvme,id=pair,serial=LAB-PAIR,subsys=pairs")
    for number, name, format_ in ((1, "LAB-PAIR", ""), (2, "LAB-PAIR-2", ""), (3, "LAB-PAIR-3", ",ms=8,mset=1")):
        yield from ("-drive", f"file={folder / name},if=none,id={name},format=raw,cache=none")
        yield from ("-device", f"nvme-ns,drive={name},bus=pair,nsid={number}{format_}")
    # Zones that must be filled in order, each with a part behind which no block lies; two may be begun at a time.
    zoned = (
        f"zoned=on,zoned.zone_size={ZONE_SIZE},zoned.zone_capacity={ZONE_CAPACITY},zoned.max_active=2,zoned.max_open=2"
    )
    yield from ("-device", "nvme-subsys,id=zones", "-device", "nvme,id=zns,serial=LAB-ZNS,subsys=zones")
    yield from ("-drive", f"file={folder / 'LAB-ZNS'},if=none,id=LAB-ZNS,format=raw,cache=none")
    yield from ("-device", f"nvme-ns,drive=LAB-ZNS,bus=zns,nsid=1,{zoned}")


def _sick(folder: Path, name: str, device: str) -> Iterator[str]:
    """A drive with one sector that takes no write."""
    fault = f"event=none,iotype=write,errno=5,once=off,sector={BAD_SECTOR}"
    injected = ",".join(f"file.inject-error.0.{word}" for word in fault.split(","))
    below = f"file.driver=blkdebug,file.image.driver=file,file.image.filename={folder / name}"
    reported = "" if device == "nvme" else ",werror=report,rerror=report"
    yield from ("-drive", f"if=none,id={name},driver=raw,{below},{injected},cache=none{reported}")
    yield from ("-device", f"{device},drive={name},serial={name}")
