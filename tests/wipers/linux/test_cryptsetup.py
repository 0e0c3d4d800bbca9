"""Whether a container is open now is what the device mapper's names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fake_machine import FakeMachine
from wipers.linux.cryptsetup import mappings

UUID = "12345678-1234-1234-1234-123456789abc"


@pytest.mark.parametrize(
    ("label", "open_as"),
    [
        ("CRYPT-LUKS2-12345678123412341234123456789abc-vault", ("vault",)),
        ("CRYPT-LUKS2-87654321123412341234123456789abc-vault", ()),
        ("LVM-12345678123412341234123456789abc", ()),
        ("CRYPT-PLAIN-vault", ()),
    ],
)
def test_an_open_mapping_is_known_by_the_containers_uuid(tmp_path: Path, label: str, open_as: tuple[str, ...]) -> None:
    """An image's mapping holds a loop that holds the image; by its UUID it is found in one step."""
    fake = FakeMachine(tmp_path)
    fake.disk("sda", "8:0")
    fake.disk("dm-0", "253:0", dm__name="vault", dm__uuid=label)
    assert mappings(fake.machine, UUID) == open_as
