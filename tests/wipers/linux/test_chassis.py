"""What a machine says it is; what nobody filled in counts as not said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wipers.linux.chassis import describe, is_left_blank
from wipers.linux.machine import Machine

DELL = {
    "sys_vendor": "Dell Inc.\n",
    "product_name": "PowerEdge R740xd\n",
    "product_serial": "7J2K9Q3\n",
    "product_uuid": "4c4c4544-004a-3210-804b-b7c04f395133\n",
    "chassis_serial": "7J2K9Q3\n",
    "chassis_asset_tag": "ZC-2019-00400 \n",
    "board_vendor": "Dell Inc.\n",
    "board_name": "0923K0\n",
    "board_serial": ".7J2K9Q3.CNFCP0085G00LY.\n",
}
# From dmidecode outputs that people posted with questions about boards whose maker left everything open.
WHITE_BOX = {
    "sys_vendor": "To Be Filled By O.E.M.\n",
    "product_name": "System Product Name\n",
    "product_serial": "Default string\n",
    "product_uuid": "03000200-0400-0500-0006-000700080009\n",
    "chassis_serial": "0123456789\n",
    "chassis_asset_tag": " \n",
    "board_vendor": "ASUSTeK COMPUTER INC.\n",
    "board_name": "None\n",
    "board_serial": "000000000000\n",
}


def shown(root: Path, attributes: dict[str, str]) -> Machine:
    folder = root / "sys" / "class" / "dmi" / "id"
    folder.mkdir(parents=True)
    for name, text in attributes.items():
        (folder / name).write_text(text)
    kernel = root / "proc" / "sys" / "kernel"
    kernel.mkdir(parents=True)
    (kernel / "hostname").write_text("filer-3\n")
    (kernel / "osrelease").write_text("6.1.0-31-amd64\n")
    return Machine(sys=root / "sys", proc=root / "proc")


def test_a_machine_is_told_by_its_chassis_and_board(tmp_path: Path) -> None:
    """The books know it by a serial number or a tag, never by a host name."""
    found = describe(shown(tmp_path, DELL))
    assert (found.serial, found.chassis_serial, found.asset_tag) == ("7J2K9Q3", "7J2K9Q3", "ZC-2019-00400")
    assert (found.name, found.kernel, found.product) == ("filer-3", "6.1.0-31-amd64", "PowerEdge R740xd")
    assert found.unread == ()


def test_what_a_maker_left_open_is_absent(tmp_path: Path) -> None:
    """Ten thousand boards with the serial number 'Default string' would all be one machine."""
    found = describe(shown(tmp_path, WHITE_BOX))
    assert found.board_vendor == "ASUSTeK COMPUTER INC."
    told = (found.vendor, found.product, found.serial, found.uuid, found.chassis_serial, found.asset_tag)
    assert told == (None,) * 6
    assert (found.board_product, found.board_serial) == (None, None)


@pytest.mark.parametrize(
    "text",
    ["", " ", "To be filled by O.E.M.", "TO BE FILLED BY O.E.M", "default string", "None", "N/A", "Not Specified", "0",
     "00000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "00000000-0000-0000-0000-000000000000", "xxxxxxxx", "....",
     "1234567890", "123456789", "Chassis Serial Number", "Not Applicable", "INVALID", "Unknown"],
)  # fmt: skip
def test_placeholders_are_known(text: str) -> None:
    """In any case, with any marks."""
    assert is_left_blank(text)


@pytest.mark.parametrize("text", ["7J2K9Q3", "CN-0117", "12345", "00123", "S64MNE0R512345", "A0", "2UA1234567"])
def test_a_serial_number_is_no_placeholder(text: str) -> None:
    """Short ones, ones with leading zeros, ones with digits in a row."""
    assert not is_left_blank(text)


def test_what_only_root_may_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent and unread are different: the one is a fact, the other a reason to run it again as root."""
    closed = frozenset({"product_serial", "chassis_serial"})
    read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name in closed:
            raise PermissionError(13, os.strerror(13))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    found = describe(shown(tmp_path, DELL))
    assert found.unread == ("serial", "chassis-serial")
    assert found.serial is None


def test_a_machine_without_smbios_is_told_by_its_device_tree(tmp_path: Path) -> None:
    """Boards with ARM processors have no other place for a serial number."""
    machine = shown(tmp_path, {})
    tree = tmp_path / "sys" / "firmware" / "devicetree" / "base"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"Kunpeng Desktop Board D920S10\0")
    (tree / "serial-number").write_bytes(b"2102312YUA10L8000123\0")
    found = describe(machine)
    assert (found.product, found.serial) == ("Kunpeng Desktop Board D920S10", "2102312YUA10L8000123")


def test_the_installation_stays_unsaid(tmp_path: Path) -> None:
    """machine-id(5) asks that it be kept from others, and the erasure ends it anyway."""
    machine = shown(tmp_path, DELL)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "machine-id").write_text("4c4f9ab1d1a94f0c8b1dd54f1f6f8a2e\n")
    assert "4c4f9ab1" not in str(describe(machine))
