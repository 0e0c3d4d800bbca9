"""A registry whose disk is full, or takes nothing any more: it says so, keeps what it acknowledged, and goes on when
there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from certificates import endpoints, receipts
from certificates.encoding import digest
from server_stub.__main__ import main
from tests.server_stub.world import Desk
from tests.support.bench import MIB, Bench, bench_in
from tests.support.ext4_image import run
from tests.support.real_registry import RealRegistry, desks_registry

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

SENT = {"Content-Type": endpoints.ENVELOPE}
BLOCK = 1024


@dataclass
class Shelf:
    """A registry on a disk of its own."""

    bench: Bench
    root: Path
    registry: RealRegistry
    url: str

    def post(self, path: str, body: bytes) -> requests.Response:
        return requests.post(self.url + path, data=body, headers=SENT, timeout=90)

    def again(self) -> None:
        """The process ends and another one begins."""
        self.registry.stop()
        self.url = self.registry.serve()

    def check(self) -> None:
        """The registry's own check of its whole log and of all that it stored."""
        result = CliRunner().invoke(main, ["check", "--data", str(self.registry.data.path)])
        assert result.exit_code == 0, result.output

    @contextmanager
    def room_for(self, blocks: int) -> Iterator[None]:
        """So many blocks are free, and no more."""
        filler = self.root / "filler"
        run("sync", "--file-system", self.root)
        with filler.open("wb") as file:
            # One by one at the end: the file's own list of extents takes blocks too.
            while (free := os.statvfs(self.root).f_bavail) > blocks:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), max(1, free - blocks - 8) * BLOCK)
                except OSError:
                    break
        try:
            yield
        finally:
            filler.unlink()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with bench_in(tmp_path) as bench:
        image = bench.image("disk.img", 12 * MIB)
        run("mkfs.ext4", "-q", "-F", "-b", str(BLOCK), "-m", "0", "-e", "remount-ro", image)
        root = bench.mount(bench.attach(image), "shelf")
        registry = desks_registry(tmp_path, root / "data")
        made = Shelf(bench, root, registry, registry.serve())
        try:
            yield made
        finally:
            registry.stop()


def test_a_full_disk_is_told_and_loses_nothing(shelf: Shelf) -> None:
    """With every amount of room from none on, so that it ends within each of the registry's writes. What was
    acknowledged is there, under the same receipt; what was not is taken once there is room; the log stays one log."""
    desk, key = Desk(), shelf.registry.data.log_signer().key
    assert shelf.post(endpoints.ORDERS, desk.sealed_order()).status_code == 201
    acknowledged: dict[bytes, str] = {}
    statuses: list[int] = []
    for number, blocks in enumerate(range(0, 120, 5), start=1):
        envelope = desk.sealed_certificate(number)
        with shelf.room_for(blocks):
            answer = shelf.post(endpoints.CERTIFICATES, envelope)
            statuses.append(answer.status_code)
            if answer.status_code == 507:
                told = answer.json()
                assert told["reason"] == "registry-storage"
                assert "What it acknowledged before was on its disk by then" in told["detail"]
            # Whoever only asks is answered all the same.
            assert requests.get(shelf.url + endpoints.LOG_CHECKPOINT, timeout=90).status_code == 200
        again = shelf.post(endpoints.CERTIFICATES, envelope)
        assert again.status_code in {200, 201}
        assert answer.status_code == 507 or answer.text == again.text
        acknowledged[envelope] = again.text
    assert set(statuses) == {507, 201}, statuses
    shelf.again()
    shelf.check()
    indexes = set()
    for number, envelope in enumerate(acknowledged, start=1):
        answer = shelf.post(endpoints.CERTIFICATES, envelope)
        assert (answer.status_code, answer.text) == (200, acknowledged[envelope])
        entry = receipts.check_receipt(answer.text, digest(desk.certificate(number)), digest(envelope), [key])
        indexes.add(entry.index)
    assert indexes == set(range(len(acknowledged)))
    assert not list(shelf.registry.data.path.glob(".head.*"))


def test_a_disk_that_takes_nothing_any_more_is_told(shelf: Shelf) -> None:
    """As after an error of the disk, when the kernel makes it read-only."""
    desk = Desk()
    assert shelf.post(endpoints.CERTIFICATES, desk.sealed_certificate(1)).status_code == 201
    device = Path(run("findmnt", "--noheadings", "--output", "SOURCE", shelf.root).strip())
    Path(f"/sys/fs/ext4/{device.name}/trigger_fs_error").write_text("a test of a registry")
    answer = shelf.post(endpoints.CERTIFICATES, desk.sealed_certificate(2))
    assert answer.status_code == 507, answer.text
    assert answer.json()["reason"] == "registry-storage"
    assert requests.get(shelf.url + endpoints.LOG_CHECKPOINT, timeout=90).status_code == 200
