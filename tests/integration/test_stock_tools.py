"""A stranger with the system's own programs, and nothing of ours, comes to the same verdict on a wiped device."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from certificates.encoding import encode
from tests.support.bench import MIB, Bench, bench_in, full_of_needles
from tests.support.kept_disk import kept_disk
from tests.support.real_site import RealSite, ended, files_carrier, image_carrier, loop_carrier

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

SIZE = 24 * MIB + 4096
REGENERATE = 'openssl enc -aes-256-ctr -K "$1" -iv "$2" -in /dev/zero 2>/dev/null | head -c "$3" | cmp - "$4"'
"""Byte n of stream s: counter block = 8 bytes s || 8 bytes n/16, so the first block of stream s has the IV s, 0."""
OF_CERTIFICATE = 'unzip -p "$1" certificate.dsse.json | jq -r .payload | base64 -d | jq -c .evidence'


def shell(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The script, with the arguments as $1, $2, ..."""
    command = ["sh", "-c", script, "sh", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def evidence_in(path: Path) -> dict[str, Any]:
    """The evidence in a bundle, as unzip, jq and base64 show it."""
    told: dict[str, Any] = json.loads(shell(OF_CERTIFICATE, path).stdout)
    return told


def agrees(key: str, place: Path, size: int, stream: int = 0) -> bool:
    """Whether openssl and cmp find the keystream there."""
    return shell(REGENERATE, key, f"{stream:016x}{0:016x}", size, place).returncode == 0


@contextmanager
def damaged(place: Path, offset: int) -> Iterator[None]:
    """One bit differs meanwhile."""
    with place.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        for value in (byte ^ 0x10, byte):
            file.seek(offset)
            file.write(bytes([value]))
            file.flush()
            os.fsync(file.fileno())
            if value != byte:
                yield


def verified_by_nwipe(device: Path, method: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Its own read-only verification: exit 0 where every byte is zero, or one."""
    options = ["--autonuke", "--nogui", f"--method=verify_{method}", f"--logfile={folder / 'nwipe.log'}"]
    command = ["nwipe", *options, str(device)]
    # It takes what happens to lie in memory for a loop device's serial number, and logs that: no text to be decoded.
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, cwd=folder, capture_output=True)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode("utf-8", "replace"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as found:
        yield found


@pytest.fixture
def site(tmp_path: Path) -> RealSite:
    made = RealSite(tmp_path / "site")
    (made.folder / "trust.json").write_bytes(encode(made.trust))
    return made


def audited(site: RealSite, place: Path) -> tuple[int, str]:
    """Exit and findings on the medium of `audit --against`."""
    (path,) = site.bundles()
    done = ended(site.start("audit", str(path), "--against", str(place), "--json"))
    return done.returncode, done.stdout


def test_openssl_and_cmp_agree_with_a_wiped_device(bench: Bench, site: RealSite) -> None:
    """Key from the certificate, bytes from openssl, comparison by cmp; and a changed bit is seen by them and by us."""
    image = bench.image("image", SIZE, full_of_needles(SIZE))
    device = bench.attach(image)
    assert site.run(site.charge(loop_carrier(image))).returncode == 6
    (record,) = evidence_in(site.bundles()[0])["records"]
    key = record["pattern"]["key"]
    assert (record["pattern"]["kind"], record["size"]) == ("aes-256-ctr", SIZE)
    for place in (device, image):
        assert agrees(key, place, SIZE)
    assert '"medium-differs"' not in audited(site, device)[1]
    for offset in (0, 10 * MIB + 777, SIZE - 1):
        with damaged(device, offset):
            assert not agrees(key, device, SIZE)
            exit_code, told = audited(site, device)
            assert exit_code != 0
            assert '"medium-differs"' in told
    assert agrees(key, device, SIZE)


@pytest.mark.parametrize(("technique", "method", "byte"), [("zeros-1", "zero", "00"), ("ones-1", "one", "ff")])
def test_nwipe_verifies_what_was_wiped_and_catches_what_was_not(
    bench: Bench, site: RealSite, technique: str, method: str, byte: str
) -> None:
    """Another program's verification, which shares nothing with ours: both find the device whole, both one bad bit."""
    image = bench.image("image", SIZE - 4096, full_of_needles(SIZE - 4096))
    device = bench.attach(image)
    assert verified_by_nwipe(device, method, bench.folder).returncode == 1
    assert site.run(site.charge(loop_carrier(image, technique=technique))).returncode == 6
    assert evidence_in(site.bundles()[0])["records"][0]["pattern"]["byte"] == byte
    told = verified_by_nwipe(device, method, bench.folder)
    assert told.returncode == 0, told.stdout
    assert '"medium-differs"' not in audited(site, device)[1]
    with damaged(device, 10 * MIB + 777):
        assert verified_by_nwipe(device, method, bench.folder).returncode == 1
        assert '"medium-differs"' in audited(site, device)[1]


def test_openssl_regenerates_an_image_and_every_file(tmp_path: Path, site: RealSite) -> None:
    """An image is stream 0 under its own name; a file's stream is its number, and only its blocks are left to see."""
    with kept_disk(tmp_path, size=48 << 20) as disk:
        image = disk.root / "image"
        image.write_bytes(full_of_needles(2 * MIB))
        folder = disk.root / "in"
        folder.mkdir()
        for number in range(5):
            (folder / f"file-{number}").write_bytes(full_of_needles(MIB)[: 9000 * (number + 1)])
        disk.sync()
        targets = (image_carrier(image), files_carrier(folder, *(f"file-{n}" for n in range(5)), id="C-2", label="L-2"))
        done = site.run(site.charge(*targets))
        assert done.returncode == 6, done.stdout
        disk.sync()
        whole, files = (evidence_in(path)["records"][0] for path in site.bundles())
        assert agrees(whole["pattern"]["key"], image, 2 * MIB)
        extents = shell('unzip -p "$1" "evidence/extents-*.jsonl"', site.bundles()[1]).stdout.splitlines()
        assert len({json.loads(line)["stream"] for line in extents}) == 5
        for line in extents:
            span = json.loads(line)
            counter = f"{span['stream']:016x}{span['logical'] // 16:016x}"
            below = f'tail -c +{span["physical"] + 1} "$4" | head -c "$3" > "$4.part"; '
            script = below + REGENERATE.replace('"$4"', '"$4.part"')
            there = shell(script, files["pattern"]["key"], counter, span["length"], disk.image)
            assert there.returncode == 0, (span, there.stdout, there.stderr)
