"""Images whose bytes are not the disk's own: overwriting one would leave what its layers hold elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bench import MIB, Bench, bench_in, carrier_of, image_identity, path_selector

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def on_ext4(bench: Bench, begin: bytes) -> Path:
    image = bench.ext4() / "image"
    image.write_bytes(begin.ljust(2 * MIB, b"."))
    return image


def test_a_layered_image_is_refused_attached_or_not(bench: Bench) -> None:
    """A snapshot inside a qcow2 file, or its backing file, keeps the data that an overwrite seems to end."""
    image = on_ext4(bench, b"QFI\xfb\0\0\0\3")
    (target,) = bench.host.find(carrier_of(image_identity(image)), path_selector(image))
    assert [(one.reason, dict(one.facts)["format"]) for one in target.obstacles] == [("image-layered", "qcow or qcow2")]
    assert "image-layered" in bench.reasons(bench.attach(image))


def test_a_raw_image_is_none_whatever_stands_further_in(bench: Bench) -> None:
    """Only where a format begins does its mark mean anything; a disk may hold files of any sort."""
    image = on_ext4(bench, bytes(4096) + b"QFI\xfb" + b"conectix")
    (target,) = bench.host.find(carrier_of(image_identity(image)), path_selector(image))
    assert target.obstacles == ()
    device = bench.attach(image)
    assert bench.reasons(device) == []
