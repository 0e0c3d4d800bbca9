"""`expunge verify` on real devices: it agrees with cmp and openssl, and no cache answers for the medium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates.encoding import encode
from tests.integration.test_block_erased import nested
from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.real_site import RealSite, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

SIZE = 24 * MIB + 512


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


def verify(*arguments: object) -> dict[str, Any]:
    """What the command prints, as a process of its own."""
    command = [Path(sys.executable).parent / "expunge", "verify", *arguments, "--json", "--quiet"]
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["exit"] == done.returncode, done.stderr
    return told


def differing(place: Path, reference: Path) -> list[int]:
    """Offsets of the bytes that `cmp` finds different, counted from 0."""
    done = subprocess.run(["cmp", "-l", place, reference], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) - 1 for line in done.stdout.splitlines()]


def overwrite(place: Path, offset: int, data: bytes) -> None:
    """Bytes on the medium, durable, the way any other program would put them there."""
    with place.open("r+b") as file:
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@pytest.mark.parametrize("options", [(), ("--sector-size", "4096"), ("--direct-io=on",)], ids=["512", "4096", "direct"])
def test_it_finds_the_same_differences_as_cmp(bench: Bench, options: tuple[str, ...]) -> None:
    """On a device of either sector size; every byte that cmp lists lies in a range told, and every range has one."""
    size = SIZE // 4096 * 4096
    image = bench.image("image", size)
    reference = bench.image("reference", size)
    device = bench.attach(image, *options)
    assert verify(device, "--expect", "zeros")["exit"] == 0
    for offset in (0, 5 * MIB + 77, size - 1):
        overwrite(device, offset, b"\x55")
    told = verify(device, "--expect", "zeros")
    ranges = [range(one["offset"], one["offset"] + one["length"]) for one in told["differing"]]
    found = differing(device, reference)
    assert [sum(at in one for at in found) for one in ranges] == [1, 1, 1]
    assert told["differing_size"] == sum(len(one) for one in ranges)


def test_it_agrees_with_openssl_on_a_wiped_device(bench: Bench, tmp_path: Path) -> None:
    """The pattern comes from the bundle; a stranger's own tools make the same bytes."""
    image = bench.image("image", SIZE, full_of_needles(SIZE))
    device = bench.attach(image)
    site = RealSite(tmp_path / "site")
    trust = site.folder / "trust.json"
    trust.write_bytes(encode(site.trust))
    assert site.run(site.charge(loop_carrier(image))).returncode == 6
    (bundle,) = site.bundles()
    told = verify(device, "--expect", bundle)
    assert (told["exit"], told["matched"], told["expected"]["document"]["checked"]) == (0, SIZE, False)
    assert verify(device, "--expect", bundle, "--trust", trust)["expected"]["document"]["checked"] is True
    key = told["expected"]["pattern"]["key"]
    made = f"openssl enc -aes-256-ctr -K {key} -iv {'0' * 32} -in /dev/zero 2>/dev/null | head -c {SIZE}"
    with (tmp_path / "made").open("wb") as file:
        subprocess.run(["sh", "-c", made], stdout=file, check=True)
    assert differing(device, tmp_path / "made") == []
    overwrite(device, 7 * MIB + 3, b"still here")
    assert {at // 512 * 512 for at in differing(device, tmp_path / "made")} == {
        one["offset"] for one in verify(device, "--expect", bundle)["differing"]
    }
    assert verify(device, "--expect", bundle, "--sample", "0.99,0.5")["looked_at"] < SIZE
    assert verify(device, "--expect", "zeros", "--stop-at-first")["stopped"]


@pytest.mark.parametrize("sampled", [(), ("--sample", "0.99,0.5")], ids=["full", "sampled"])
def test_no_cache_answers_for_the_medium(bench: Bench, sampled: tuple[str, ...]) -> None:
    """What was wiped rots on the medium below: the device's cache and its file's still show what was written."""
    medium, inner, device = nested(bench)
    mark = b"\xffWIPED.." * 512
    with inner.open("r+b") as file:
        file.write(mark)
        file.write(bytes(4 * MIB - len(mark)))
        os.fsync(file.fileno())
    with device.open("rb", buffering=0) as cached:
        assert os.pread(cached.fileno(), 4096, 0) == mark
        bytes_below = medium.read_bytes()
        at = bytes_below.index(mark)
        overwrite(medium, at, bytes(4096))
        assert os.pread(cached.fileno(), 4096, 0) == mark, "the cache has to hold the old, or this shows nothing"
        assert inner.read_bytes()[:4096] == mark, "so has the cache of the file, or this shows less"
        told = verify(device, "--expect", "zeros", *sampled)
    assert told["exit"] == 0, "everything on the medium is zero by now"


def test_an_empty_image_is_refused(bench: Bench) -> None:
    """There is nothing to be read; that is no match."""
    empty = bench.image("empty", 0)
    command = [str(Path(sys.executable).parent / "expunge"), "verify", str(empty), "--expect", "zeros"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "it is empty" in done.stderr) == (3, True)
