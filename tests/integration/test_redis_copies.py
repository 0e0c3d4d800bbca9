"""What Redis keeps beside a server's own files: a replica's, packed texts, its memory."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from certificates.statements import Outcome
from tests.support.carrying_out import CarriedOut
from tests.support.erasing import Ordered, order_files
from tests.support.ext4_image import Mounted
from tests.support.records_ordered import order_records
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import TOLD, Redis, redis, reserved_port
from tests.support.servers.redis_scanner import found_in_memory, found_on
from wipers.hunting import hunt
from wipers.linux.direct import Storage
from wipers.linux.engines.redis_lzf import Lzf
from wipers.needles import Needle
from wipers.pipeline import Unstopped

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

ROWS = 200
TRACE = rb"VCTMcopy-[0-9]{5}"
SETTINGS = (*TOLD, "--repl-diskless-sync-delay", "0")


def fill(server: Redis) -> None:
    """Texts, and small hashes, which a snapshot holds as one packed piece each."""
    for row in range(ROWS):
        for kind, who in (("VCTM", "anna"), ("KEEP", "ben")):
            mark = f"{kind}copy-{row:05d}-telling-it-apart"
            server.pipeline(
                [("SET", f"{who}:{row}", mark), ("HSET", f"{who}:h:{row}", "name", mark * 2, "town", "Bern")]
            )
    server.do("SAVE")


def order(disk: Mounted, server: Redis) -> Ordered:
    return order_records(
        "redis",
        server.data,
        disk.image.parent / "state",
        table=None,
        condition="anna:*",
        least=2 * ROWS,
        most=2 * ROWS,
        database="0",
        connect={"socket": str(server.socket)},
        history=True,
    )


def proven(ordered: Ordered) -> CarriedOut:
    run = CarriedOut(ordered)
    run.go()
    assert run.stopped is None
    assert run.claim.outcome is Outcome.PROVEN, run.claim
    return run


def traces(disk: Mounted) -> int:
    disk.sync()
    return sum(found_on(disk.image, TRACE))


def wait_for_keys(server: Redis, count: int) -> None:
    deadline = time.monotonic() + 60
    while server.do("DBSIZE") != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_replica_is_erased_as_a_copy_and_filled_again_by_its_primary() -> None:
    """Its files keep what was taken out at the primary, in blocks of its own: stopped, erased as files once the primary
    is done, and started empty; nothing is left on either raw image. The primary's memory keeps what it freed
    until it is started again, as its certificate says."""
    with ExitStack() as left:
        port = left.enter_context(reserved_port())
        disks = [left.enter_context(disk_for_a_server(24 << 20)) for _ in range(2)]
        primary = left.enter_context(redis(disks[0].root, *SETTINGS, "--bind", "127.0.0.1", "--port", port))
        follows = (*SETTINGS, "--replicaof", "127.0.0.1", port)
        with redis(disks[1].root, *follows) as replica:
            replica.wait_for(primary)
            fill(primary)
            wait_for_keys(replica, 4 * ROWS)
            replica.do("SAVE")
            assert order(disks[1], replica).reasons() == {"records-not-offered"}
            primary.pipeline([("DEL", f"anna:{row}", f"anna:h:{row}") for row in range(ROWS)])
            wait_for_keys(replica, 2 * ROWS)
            replica.do("SAVE")
            assert traces(disks[1]) > 2 * ROWS
        fill(primary)
        run = proven(order(disks[0], primary))
        assert traces(disks[1]) > 2 * ROWS
        proven(order_files(disks[1].root, ("redis",), disks[1].image.parent / "state", destroy=("history",)))
        assert traces(disks[1]) == 0
        assert run.plan is not None
        assert "server-memory" in {one.code for one in run.plan.residual}
        assert primary.process is not None
        assert found_in_memory(primary.process.pid, TRACE) > 0
        primary.kill()
        primary.start()
        assert primary.process is not None
        assert found_in_memory(primary.process.pid, TRACE) == 0
        with redis(disks[1].root, *follows) as replica:
            wait_for_keys(replica, 2 * ROWS)
            replica.do("SAVE")
            assert replica.do("GET", "ben:7") == b"KEEPcopy-00007-telling-it-apart"
        assert [traces(disk) for disk in disks] == [0, 0]


def hunted(disk: Mounted, needle: bytes) -> int:
    """Where our own hunt finds it on the device."""
    disk.sync()
    with disk.device.open("rb", buffering=0) as device:
        storage = Storage(device.fileno(), str(disk.device), disk.image.stat().st_size, 512)
        found = hunt(
            storage, (Needle(0, "contents", needle),), (Lzf(),), told=lambda _, __: None, stop=Unstopped(), threads=1
        )
    return len(found.hits)


def test_what_stands_nowhere_as_it_is_but_in_something_packed_is_found_and_goes() -> None:
    """A value that repeats pieces of others is packed into references to them: of a small hash, of a node of a list
    and of a text a search for its bytes finds nothing. Unpacked it is found in each, by both readers, also in free
    blocks after DEL and another snapshot; after a run it is not."""
    pieces = ("VCTMcopy-", "0000", "-of-anna-and", "7 of Springfield")
    value = "VCTMcopy-00007 of Springfield"
    fillers = [f"{one}~{at}~{one}" for at, one in enumerate(pieces)]
    fields = [word for at, one in enumerate([*fillers, value]) for word in (f"f{at}", one)]
    with disk_for_a_server(16 << 20) as disk, redis(disk.root) as server:
        connect = {"socket": str(server.socket)}
        for command in (("HSET", "anna:1", *fields), ("RPUSH", "anna:1", *fillers, value)):
            server.pipeline([command, ("SAVE",)])
            disk.sync()
            plain, packed = found_on(disk.image, TRACE)
            assert (plain, packed > 0, hunted(disk, value.encode()) > 0) == (0, True, True), command[0]
            server.pipeline([("DEL", "anna:1"), ("SAVE",)])
        server.pipeline([("SET", "anna:1", " ".join([*fillers, value])), ("SET", "ben", "KEEP"), ("SAVE",)])
        disk.sync()
        plain, packed = found_on(disk.image, TRACE)
        assert (plain, packed > 1, hunted(disk, value.encode()) > 1) == (0, True, True)
        state = disk.image.parent / "state"
        proven(
            order_records(
                "redis", server.data, state, table="anna:1", scope="table", database="0", connect=connect, history=True
            )
        )
        disk.sync()
        assert (found_on(disk.image, TRACE), hunted(disk, value.encode())) == ((0, 0), 0)
        assert server.do("GET", "ben") == b"KEEP"
