"""Wiring: a data directory and a database become a registry, and the registry a server on a loopback socket."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

from certificates.errors import Refused
from server_stub.checking import check_head
from server_stub.directory import HOLD_KEY, DataDirectory
from server_stub.ports import Ports, current_time
from server_stub.service import Registry
from server_stub.store import Store

GRACE_SECONDS = 5
"""How long a stop waits for requests that are being answered."""
MOST_AT_ONCE = 256
"""Connections served at the same time; more are told to come back."""


def open_registry(directory: DataDirectory, database: str | None = None) -> tuple[Registry, Store]:
    """The registry of a data directory; Refused before `init`, Untrusted when its database lost a checkpoint."""
    log_signer, hold_signer = directory.log_signer(), directory.signer(HOLD_KEY)
    head, root = directory.head(), directory.root
    store = Store(database or directory.database)
    with store.read() as connection:
        check_head(connection, log_signer.key, head.read())
    ports = Ports(store, log_signer, hold_signer, root, current_time, secrets.token_bytes, head.advance)
    return Registry(ports), store


def parse_bind(text: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:8470`, `[::1]:0` or `localhost:8470`; Refused unless it is a loopback address."""
    address, _, port = text.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    if address == "localhost":
        address = "127.0.0.1"
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise Refused("registry-bind", address=address or text)
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Refused("registry-input", detail=f"port {port[:20]}")
    return address, int(port)


def open_socket(address: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Refused when the port is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise Refused("registry-not-ready", what=f"{address} port {port}: {error.strerror}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Where clients reach the socket."""
    address, port = listener.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def serve(registry: Registry, listener: socket.socket, on_ready: Callable[[str], None]) -> None:
    """Serve until told to stop (SIGINT, SIGTERM); `on_ready` gets the URL once requests can be answered."""
    import uvicorn

    from server_stub.heads import Hurried
    from server_stub.http import make_app

    app = make_app(registry, current_time)

    class Announcing(uvicorn.Server):
        """Tells when it is listening, and ends a stop with an exit of its own rather than with the signal again."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready(url_of(listener))

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            before = {number: signal.signal(number, self.stop) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handling in before.items():
                    signal.signal(number, handling)

        def stop(self, number: int, frame: FrameType | None) -> None:
            app.state.is_stopping = True
            self.handle_exit(number, frame)

    config = uvicorn.Config(
        app,
        http=Hurried,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Announcing(config).run(sockets=[listener])
