"""A long stream is written anew in pieces while others add, read, acknowledge, delete and replace: nothing of theirs is
lost, and nothing that goes is left."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates.statements import Parameter
from tests.support.ext4_image import Mounted
from tests.support.raw_scanner import scan
from tests.support.servers import disk_for_a_server
from tests.support.servers.redis import TOLD, Redis, redis
from tests.support.withdrawing import Asked, Told, ask, destroy_held, withdraw
from wipers.acts import Halted
from wipers.linux.engines import redis_stream, redis_stroke
from wipers.linux.engines.redis_script import SCRIPT
from wipers.linux.engines.redis_stream import Beside
from wipers.linux.engines.redis_stream_script import PIECE, STREAMS
from wipers.model import Lost

pytestmark = [pytest.mark.integration, pytest.mark.needs_root]

COUNT = 600
GOING = range(3, COUNT + 1, 3)


@pytest.fixture(scope="module")
def disk() -> Iterator[Mounted]:
    with disk_for_a_server(48 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def server(disk: Mounted) -> Iterator[Redis]:
    with redis(disk.root, *TOLD) as found:
        yield found


@pytest.fixture(autouse=True)
def small(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of some twenty entries, so that some hundred are many pieces."""
    monkeypatch.setattr(redis_stream, "LONG", 10)
    monkeypatch.setattr(redis_stream, "AT_ONCE", 11)
    monkeypatch.setattr(redis_stream, "NEARLY", 0)
    of_pieces = STREAMS.replace("STEP, MOST, PIECE = 20, 1000,", "STEP, MOST, PIECE = 6, 24,")
    assert of_pieces != STREAMS
    for module, name in ((redis_stream, "BEGIN"), (redis_stream, "PIECE"), (redis_stream, "SWEEP")):
        monkeypatch.setattr(module, name, getattr(module, name).replace(STREAMS, of_pieces))
    monkeypatch.setattr(redis_stroke, "SCRIPT", SCRIPT.replace(STREAMS, of_pieces))
    server.do("FLUSHALL")


def fill(server: Redis, kind: str) -> None:
    """Entries of which each third goes; two readers, one of whom has acknowledged some of what it got."""
    commands: list[tuple[bytes | str | int, ...]] = [
        ("XADD", "stream", f"{row}-1", "text", text_of(kind, row), "row", row) for row in range(1, COUNT + 1)
    ]
    read = ("XREADGROUP", "GROUP", "readers")
    server.pipeline(
        [
            *commands,
            ("XGROUP", "CREATE", "stream", "readers", "0"),
            ("XGROUP", "CREATE", "stream", "idle", "50-1"),
            (*read, "one", "COUNT", 30, "STREAMS", "stream", ">"),
            (*read, "two", "COUNT", 31, "STREAMS", "stream", ">"),
            ("XACK", "stream", "readers", "1-1", "2-1", "40-1"),
            ("PEXPIREAT", "stream", 4_000_000_000_000),
            ("SET", "ben", "KEEP"),
            ("SAVE",),
        ]
    )


def text_of(kind: str, row: int) -> str:
    return f"{'KEEP' if row % 3 else 'VCTM'}{kind}-{row:05d}"


def order(server: Redis, state: Path) -> Asked:
    # One of them is not there any more, and one is spelled as no server spells it.
    names = ("0-7", "007-1", *(f"{row}-1" for row in GOING))
    return ask(
        "redis",
        server.data,
        state,
        database="0",
        table="stream",
        condition=":names",
        parameters=(Parameter("names", "text", names),),
        connect={"socket": str(server.socket)},
        least=len(GOING),
        most=len(GOING),
    )


def entries(server: Redis) -> dict[str, str]:
    found: Any = server.do("XRANGE", "stream", "-", "+")
    return {name.decode(): words[1].decode() for name, words in found}


def staying(kind: str) -> dict[str, str]:
    return {f"{row}-1": text_of(kind, row) for row in range(1, COUNT + 1) if row % 3}


def described(server: Redis) -> dict[str, Any]:
    """What the server says of the stream, its groups, consumers and what they have pending."""
    found: Any = server.do("XINFO", "STREAM", "stream", "FULL", "COUNT", 0)
    return {k.decode(): v for k, v in zip(found[::2], found[1::2], strict=True)}


def pending(server: Redis) -> list[Any]:
    """Every pending entry of each group with reader, time and count, but those of entries that go."""
    groups = [dict(zip(one[::2], one[1::2], strict=True)) for one in described(server)["groups"]]
    kept = [f"{row}-1".encode() for row in GOING]
    return [(one[b"name"], [entry for entry in one[b"pending"] if entry[0] not in kept]) for one in groups]


def between(monkeypatch: pytest.MonkeyPatch, others: Callable[[int], None], script: str = PIECE) -> list[int]:
    """Others have their turn after each piece, numbered from 1; the list says how many there were."""
    run, last = Beside._run, script[len(STREAMS) :]
    count: list[int] = []

    def running(beside: Beside, given: str, *words: Any) -> Any:
        found = run(beside, given, *words)
        if given.endswith(last):
            count.append(1)
            others(len(count))
        return found

    monkeypatch.setattr(Beside, "_run", running)
    return count


def no_trace(disk: Mounted, server: Redis, state: Path, kind: str) -> None:
    """Nothing of what went is on the raw image, and nothing of ours in the server."""
    destroy_held(order(server, state))
    disk.sync()
    assert scan(disk.image, b"VCTM" + kind.encode(), packed=False).total == 0
    assert server.do("KEYS", "expunge:*") == []
    assert [name for name, _ in pending(server)] == [b"idle", b"readers"]
    assert server.do("GET", "ben") == b"KEEP"


def test_a_stream_that_rests_is_the_same_but_for_what_went(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, groups, readers, what is pending with its times and counts, the last id, all that were ever added, the time
    at which it ends: as before; all entries that stay are summed."""
    fill(server, "rest")
    before, waiting = described(server), pending(server)
    pieces = between(monkeypatch, lambda _: None)
    done = withdraw(order(server, tmp_path))
    assert len(pieces) > 20
    assert (done.rows, done.before, done.before.rows) == (len(GOING), done.after, COUNT - len(GOING) + 1)
    assert "rows-counted-only" not in {one.code for one in done.consequences}
    assert entries(server) == staying("rest")
    after = described(server)
    kept = ("last-generated-id", "entries-added")
    assert [after[one] for one in kept] == [before[one] for one in kept]
    assert after["max-deleted-entry-id"] == f"{COUNT}-1".encode()
    assert pending(server) == waiting
    assert server.do("PEXPIRETIME", "stream") == 4_000_000_000_000
    no_trace(disk, server, tmp_path, "rest")
    server.kill()
    server.start()
    assert entries(server) == staying("rest")
    assert pending(server) == waiting


def test_what_others_do_between_the_pieces_is_there_afterwards(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They add, cut the head off, delete in the middle and what they have just added, read and acknowledge."""
    fill(server, "busy")
    expected = staying("busy")

    def others(number: int) -> None:
        if number > 40:
            return
        new = {f"{9000 + number}-{n}": f"KEEPbusy-{number}-{n}" for n in (1, 2, 3)}
        server.pipeline([("XADD", "stream", name, "text", text) for name, text in new.items()])
        expected.update(new)
        gone = [f"{9000 + number}-2"]
        if number in {5, 15, 25}:
            gone += [f"{row}-1" for row in (200 + number * 3 + 1, 61 + number) if row % 3]
        if number in {10, 20}:
            # Those of the head, which none of the readers waits for; what goes among them stays.
            gone += list(expected)[: number // 3]
        server.do("XDEL", "stream", *gone)
        for name in gone:
            expected.pop(name, None)
        server.pipeline(
            [
                ("XREADGROUP", "GROUP", "readers", "three", "COUNT", 1, "STREAMS", "stream", ">"),
                ("XACK", "stream", "readers", f"{10 + number}-1"),
            ]
        )

    pieces = between(monkeypatch, others)
    seen = pending_at_stroke(monkeypatch, server)
    done = withdraw(order(server, tmp_path))
    assert len(pieces) > 20
    assert (done.rows, done.before) == (len(GOING), done.after)
    assert entries(server) == expected
    # Of an entry that somebody deleted nobody can have anything pending in what is written anew.
    there = {name.encode() for name in expected}
    was = [(group, [one for one in waiting if one[0] in there]) for group, waiting in seen[-1]]
    assert pending(server) == was
    no_trace(disk, server, tmp_path, "busy")


def pending_at_stroke(monkeypatch: pytest.MonkeyPatch, server: Redis) -> list[list[Any]]:
    """What is pending just before each stroke, without our own group."""
    seen: list[list[Any]] = []
    advance = Beside.advance

    def advancing(beside: Beside) -> None:
        advance(beside)
        seen.append([one for one in pending(server) if not one[0].startswith(b"expunge:")])

    monkeypatch.setattr(Beside, "advance", advancing)
    return seen


@pytest.mark.parametrize(
    "command",
    [("RENAME", "other", "stream"), ("XSETID", "stream", "99999-1")],
    ids=["another stream", "another last id"],
)
def test_a_stream_that_is_no_longer_the_same_is_copied_anew(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Another under its name has entries of its own under the same ids."""
    kind = command[0].lower()
    fill(server, kind)
    expected = staying(kind)
    if command[0] == "RENAME":
        another = ("XADD", "other", "99998-1", "text", "KEEP-of-another")
        server.pipeline([("COPY", "stream", "other"), ("XDEL", "other", "1-1"), another])
        del expected["1-1"]
        expected["99998-1"] = "KEEP-of-another"
    pieces = between(monkeypatch, lambda number: None if number != 9 else void(server.do(*command)))
    done = withdraw(order(server, tmp_path))
    assert len(pieces) > 30
    assert (done.rows, done.before) == (len(GOING), done.after)
    assert entries(server) == expected
    if command[0] == "XSETID":
        assert described(server)["last-generated-id"] == b"99999-1"
        no_trace(disk, server, tmp_path, kind)
    else:
        destroy_held(order(server, tmp_path))


def void(_: object) -> None:
    """For what is done and not asked about."""


def test_a_stream_that_does_not_come_to_rest_is_written_at_one_stroke(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who deletes in its middle all the while must not keep it from its end."""
    fill(server, "never")
    monkeypatch.setattr(redis_stream, "SWEEPS", 2)
    expected = staying("never")
    advance = Beside.advance
    strokes: list[int] = []

    def advancing(beside: Beside) -> None:
        advance(beside)
        gone = list(expected)[len(expected) // 2 - len(strokes)]
        strokes.append(1)
        server.do("XDEL", "stream", gone)
        del expected[gone]

    monkeypatch.setattr(Beside, "advance", advancing)
    done = withdraw(order(server, tmp_path))
    assert len(strokes) == 4
    assert (done.rows, done.before) == (len(GOING), done.after)
    assert entries(server) == expected
    no_trace(disk, server, tmp_path, "never")


def evict(server: Redis) -> None:
    """As a server does that has no room."""
    names: Any = server.do("KEYS", "expunge:*")
    server.do("DEL", "nothing", *names)


@pytest.mark.parametrize("at", [1, 12], ids=["begun", "amid"])
def test_a_run_that_stops_or_fails_leaves_no_copy(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Nor a group of ours in the stream; and the resume begins it anew."""
    fill(server, f"stop{at}")
    told = Told()
    with monkeypatch.context() as patched:
        between(patched, lambda number: told.stop.set() if number == at else None)
        with pytest.raises(Halted):
            withdraw(order(server, tmp_path), told)
    assert server.do("KEYS", "expunge:*") == []
    assert [name for name, _ in pending(server)] == [b"idle", b"readers"]
    with monkeypatch.context() as patched:
        # It is evicted each time: a copy that is not all there is none.
        between(patched, lambda _: evict(server))
        assert withdraw(order(server, tmp_path), resuming=True).rows == len(GOING)
    assert entries(server) == staying(f"stop{at}")
    no_trace(disk, server, tmp_path, f"stop{at}")


def test_an_entry_that_came_too_wide_amid_it_leaves_all_as_it_was(
    disk: Mounted, server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script cannot write it again: the copy is given up, and the stream is as it was."""
    fill(server, "wide")
    wide = ("XADD", "stream", "9999-1", *(f"{one}" for one in range(10_000)))
    with monkeypatch.context() as patched:
        between(patched, lambda number: void(server.do(*wide)) if number == 3 else None)
        with pytest.raises(Lost):
            withdraw(order(server, tmp_path))
    assert server.do("XLEN", "stream") == COUNT + 1
    assert sorted(server.do("KEYS", "*")) == [b"ben", b"stream"]  # type: ignore[arg-type, type-var]
    assert [name for name, _ in pending(server)] == [b"idle", b"readers"]
    server.do("XDEL", "stream", "9999-1")
    assert withdraw(order(server, tmp_path), resuming=True).rows == len(GOING)
    no_trace(disk, server, tmp_path, "wide")


def test_no_word_of_writers_and_readers_at_work_is_lost(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """Two add, one reads and acknowledges, one waits for what comes, all the while: whatever the server confirmed is
    there, and what was acknowledged is not pending."""
    fill(server, "load")
    expected, failed, over = staying("load"), list[BaseException](), threading.Event()
    acknowledged: list[bytes] = []

    def adding(who: int) -> None:
        number = 0
        while not over.is_set() or number == 0:
            number += 1
            text = f"KEEPload-{who}-{number}"
            (name,) = server.pipeline([("XADD", "stream", "*", "text", text)])
            assert isinstance(name, bytes)
            expected[name.decode()] = text

    def reading() -> None:
        while not over.is_set() or not acknowledged:
            read = ("XREADGROUP", "GROUP", "readers", "four", "COUNT", 5, "BLOCK", 200, "STREAMS", "stream", ">")
            found: Any = server.do(*read)
            names = [name for _, these in found or () for name, _ in these]
            if names:
                server.do("XACK", "stream", "readers", *names)
                acknowledged.extend(names)

    def guarded(work: Callable[..., None], *words: Any) -> None:
        try:
            work(*words)
        except Exception as error:  # noqa: BLE001 - the test fails with it in its own thread
            failed.append(error)

    work: list[tuple[Any, ...]] = [(adding, 1), (adding, 2), (reading,)]
    threads = [threading.Thread(target=guarded, args=one) for one in work]
    for one in threads:
        one.start()
    try:
        done = withdraw(order(server, tmp_path))
    finally:
        over.set()
        for one in threads:
            one.join()
    assert failed == []
    assert (done.rows, done.before) == (len(GOING), done.after)
    assert entries(server) == expected
    left = {entry[0] for _, waiting in pending(server) for entry in waiting}
    assert not left & set(acknowledged)
    no_trace(disk, server, tmp_path, "load")


def test_whoever_waits_for_an_entry_goes_on_waiting_and_gets_it(disk: Mounted, server: Redis, tmp_path: Path) -> None:
    """The exchange of one stream for the other is none to them."""
    fill(server, "wait")
    server.do("XGROUP", "CREATE", "stream", "last", "$")
    waiting = []
    for words in ("XREAD BLOCK 0 STREAMS stream $", "XREADGROUP GROUP last me BLOCK 0 STREAMS stream >"):
        one = socket.socket(socket.AF_UNIX)
        waiting.append(one)
        one.settimeout(60)
        one.connect(str(server.socket))
        one.sendall(words.encode() + b"\r\n")
    try:
        while b"blocked_clients:2" not in server.do("INFO", "clients"):  # type: ignore[operator]
            time.sleep(0.01)
        withdraw(order(server, tmp_path))
        server.do("XADD", "stream", "99999-1", "text", "KEEP-for-all")
        for one in waiting:
            told = b""
            while b"KEEP-for-all" not in told:
                told += one.recv(4096)
                assert told
    finally:
        for one in waiting:
            one.close()
    server.do("XGROUP", "DESTROY", "stream", "last")
    no_trace(disk, server, tmp_path, "wait")
