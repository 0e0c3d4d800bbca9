"""Clients that take every place of a registry and say nothing, or too little: honest ones are served all the same."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from certificates import endpoints
from server_stub.heads import HEAD_SECONDS
from server_stub.serving import MOST_AT_ONCE
from tests.support.real_registry import desks_registry

pytestmark = pytest.mark.integration

LONGEST = 90.0
END = b"\r\n\r\n"
"""Of a head."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    registry = desks_registry(tmp_path, tmp_path / "data")
    try:
        yield registry.serve()
    finally:
        registry.stop()


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@contextmanager
def every_place_taken(url: str, said: bytes) -> Iterator[list[socket.socket]]:
    """As many connections as leave no place for one more, each of which says so much, hears what is answered to that,
    and then says a letter of a head now and then."""
    end = threading.Event()
    with ExitStack() as held:
        taken = [held.enter_context(socket.create_connection(address_of(url))) for _ in range(MOST_AT_ONCE - 1)]
        for one in taken:
            one.sendall(said)
            if END in said:
                assert b"404" in one.recv(4096)

        def trickle() -> None:
            while not end.wait(1):
                for one in taken:
                    with suppress(OSError):
                        one.sendall(b"x")

        trickler = threading.Thread(target=trickle)
        trickler.start()
        try:
            yield taken
        finally:
            end.set()
            trickler.join()


def status(url: str) -> int:
    return requests.get(url + endpoints.LOG_CHECKPOINT, timeout=LONGEST).status_code


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /v1/log/checkpoint HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        # One request is answered, and the next one never comes to its end.
        b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /nothing HTTP/1.1\r\nX-Slow: ",
    ],
    ids=["nothing", "half a head", "half a head after an answer"],
)
def test_places_are_taken_from_those_who_say_nothing(url: str, said: bytes) -> None:
    """They had every place; each is closed in time, however often a letter comes."""
    assert status(url) == 200
    with every_place_taken(url, said):
        until = time.monotonic() + LONGEST
        while (found := status(url)) != 200:
            assert (found, time.monotonic() < until) == (503, True)
            time.sleep(0.2)


def test_a_connection_that_asks_now_and_then_is_kept(url: str) -> None:
    """An agent asks again over the connection that it has; one that rests for long is closed, and asks anew."""
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(url + endpoints.LOG_CHECKPOINT, timeout=LONGEST).status_code == 200
            time.sleep(1)


def test_a_request_that_waits_for_orders_is_no_slow_head(url: str) -> None:
    """It was said in time; the answer takes as long as it asked for."""
    host = "sha256:" + "0" * 64
    begun = time.monotonic()
    wait = HEAD_SECONDS + 3
    answer = requests.get(f"{url}{endpoints.HOST_ORDERS.format(host=host)}?wait={wait}", timeout=LONGEST)
    assert answer.status_code == 200
    assert time.monotonic() - begun >= wait - 1
