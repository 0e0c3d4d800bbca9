"""Real runs, killed or stopped in the middle, and what may happen to their targets before somebody takes them up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from agent import workflow
from agent.carrying import Hands
from agent.cli.orders import read_selectors
from agent.live import open_site
from agent.workflow import Chosen
from tests.campaigns.kill_block import LoopDevice, content
from tests.campaigns.kill_files import NEEDLE, tree
from tests.campaigns.kill_luks import container
from tests.support import world
from tests.support.halting import let_go_on, until_at_rest
from tests.support.kills import Victim, Watch, check_end
from tests.support.real_site import EXECUTOR, RealSite, ended
from tests.support.scanner import total_found
from tests.support.simulated_host import PowerCut

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

WRITING, READING = 5, 7
"""Entries with which a plain run begins to write, and to read back."""
SAMPLED = 2
"""Further entries where the order wants names and history gone: samples are kept before the first write."""
SIZE = 64 << 20


@pytest.fixture
def site(tmp_path: Path) -> RealSite:
    return RealSite(tmp_path / "site")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[LoopDevice]:
    found = LoopDevice(tmp_path / "image", ())
    found.image.write_bytes(memoryview(content())[:SIZE])
    found.attach()
    try:
        yield found
    finally:
        found.detach()


def killed(site: RealSite, victim: Victim, entry: int) -> Watch:
    """A run of the victim, killed as soon as that entry is in its journal."""
    cut = ended(site.start_run(victim.charge(site), moment=f"entry-{entry}"))
    assert cut.returncode == -signal.SIGKILL, cut.stdout
    return Watch(site)


def cut_before_the_first_write(site: RealSite, victim: Victim) -> Watch:
    """A run that has identified its target and gets no further: chance is what it asks for next."""

    def cut(size: int) -> bytes:
        raise PowerCut

    charge, key = victim.charge(site), world.signer(EXECUTOR)
    order = Chosen(charge.path.read_bytes(), read_selectors(charge.path))
    hands = Hands(key, None, threading.Event())
    live = replace(open_site(str(site.folder)), entropy=cut)
    with pytest.raises(PowerCut):
        workflow.run(live, order, key, hands, confirm=lambda one: one.warrant.carrier.label)
    return Watch(site)


def test_a_luks_run_knows_its_header_backups_again_after_a_restart(tmp_path: Path, site: RealSite) -> None:
    """They hold no header by then, and the device they lie on has another number."""
    with container(tmp_path, Random(3)) as victim:
        watch = killed(site, victim, READING)
        assert watch.stage == "read-back"
        victim.jolt()
        resumed = site.resume()
        assert resumed.returncode == 6, resumed.stdout
        check_end(site, victim)


def test_a_run_that_is_told_to_stop_rests_and_is_completed(site: RealSite, device: LoopDevice) -> None:
    """SIGTERM comes with every shutdown: the chunks in the air end, and the exit says that there is more to do."""
    watch = Watch(site)
    process = site.start_run(device.charge(site), moment="signal-3")
    until_at_rest(process)
    assert watch.stage == "writing"
    let_go_on(process, signal.SIGTERM)
    stopped = ended(process)
    assert stopped.returncode == 4, stopped.stdout
    assert watch.events()[-1] == {"kind": "interrupted", "reason": "stopped"}
    assert not watch.has_certificate
    resumed = site.resume()
    assert resumed.returncode == 6, resumed.stdout
    check_end(site, device)


def test_a_device_that_is_away_is_waited_for(site: RealSite, device: LoopDevice) -> None:
    """The run stays begun; nothing is certified meanwhile, and nothing else is taken for it."""
    watch = killed(site, device, WRITING)
    device.detach()
    away = site.resume()
    assert away.returncode == 4, away.stdout
    assert not watch.has_certificate
    device.attach()
    resumed = site.resume()
    assert resumed.returncode == 6, resumed.stdout
    check_end(site, device)


def test_another_medium_in_the_place_of_the_one_that_was_written_is_left_alone(
    site: RealSite, device: LoopDevice
) -> None:
    """Cheap bridges all bear one number: nothing but what was written tells the drive in the drawer from its twin."""
    watch = killed(site, device, READING)
    device.detach()
    written = device.image.read_bytes()
    with device.image.open("r+b") as file:
        file.write(memoryview(content())[:SIZE])
    device.attach()
    for _ in range(2):
        refused = site.resume()
        assert refused.returncode == 4, refused.stdout
        assert "Nothing was written to it now" in refused.stdout
    device.detach()
    assert device.image.read_bytes() == memoryview(content())[:SIZE]
    assert not watch.has_certificate
    with device.image.open("r+b") as file:
        file.write(written)
    device.attach()
    resumed = site.resume()
    assert resumed.returncode == 6, resumed.stdout
    check_end(site, device)


def test_the_kill_switch_stops_a_resume_until_it_is_lifted(site: RealSite, device: LoopDevice) -> None:
    """Expiry does not stop what has begun; this does."""
    watch = killed(site, device, WRITING)
    switch = site.folder / "kill-switch"
    switch.touch()
    left = device.left()
    stopped = site.resume()
    assert stopped.returncode == 4, stopped.stdout
    assert device.left() == left
    assert not watch.has_certificate
    switch.unlink()
    assert site.resume().returncode == 6
    check_end(site, device)


def test_files_that_came_before_the_first_write_are_not_destroyed_by_a_resume(tmp_path: Path, site: RealSite) -> None:
    """A person confirmed the plan as it was: more files than that are somebody else's."""
    with tree(tmp_path, Random(4)) as victim:
        watch = cut_before_the_first_write(site, victim)
        assert watch.stage == "begin"
        newcomer = victim.root / "all" / "newcomer"
        newcomer.write_bytes(b"nobody ordered this")
        left = victim.left()
        refused = site.resume()
        assert refused.returncode == 4, refused.stdout
        assert victim.left() == left
        assert not watch.has_certificate
        newcomer.unlink()
        resumed = site.resume()
        assert resumed.returncode == 6, resumed.stdout
        check_end(site, victim)


def test_a_new_file_with_an_old_inode_and_name_is_let_alone(tmp_path: Path, site: RealSite) -> None:
    """File systems hand numbers out again at once; only the generation tells the two files apart."""
    with tree(tmp_path, Random(5)) as victim:
        killed(site, victim, READING + SAMPLED)
        path = next(iter((victim.root / "all").rglob("file-7")))
        inode = path.stat().st_ino
        path.unlink()
        path.write_bytes(b"nobody ordered this")
        assert path.stat().st_ino == inode, "this file system gave it another number: the test shows nothing"
        resumed = site.resume()
        assert resumed.returncode == 5, resumed.stdout
        assert path.read_bytes() == b"nobody ordered this"
        victim.disk.sync()
        assert total_found(victim.disk.image, [NEEDLE]) == 0
