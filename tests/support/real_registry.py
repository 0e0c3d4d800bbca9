"""A real registry as a process on a loopback port, with a site that knows its keys; and one that answers ill."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from click.testing import CliRunner

from certificates.encoding import digest
from certificates.statements import LogKey
from server_stub.__main__ import main
from server_stub.directory import HOLD_KEY, LOG_KEY, DataDirectory
from server_stub.serving import open_registry
from tests.server_stub.world import ORIGIN, Desk
from tests.support import world
from tests.support.real_site import ROOT, RealSite


@dataclass
class RealRegistry:
    """A registry's data, served or not."""

    data: DataDirectory
    process: subprocess.Popen[str] | None = None

    def serve(self) -> str:
        """Its URL, once it answers."""
        arguments = ["serve", "--data", str(self.data.path), "--bind", "127.0.0.1:0"]
        command = [sys.executable, "-m", "server_stub", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
        assert found is not None, f"the registry did not start: {line}"
        return found.group()

    def stop(self) -> None:
        """Nothing listens any more."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(timeout=90)
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process = None


def desks_registry(folder: Path, data: Path) -> RealRegistry:
    """A registry in a directory, made by its own commands, that knows the desk's keyring; not served yet."""
    keyring = folder / "keyring.dsse.json"
    keyring.write_bytes(Desk().sealed_keyring())
    for arguments in (
        ["init", "--data", str(data), "--origin", ORIGIN],
        ["keyring", "import", str(keyring), "--root", Desk().root, "--data", str(data)],
    ):
        assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    return RealRegistry(DataDirectory(data))


def site_with_registry(folder: Path) -> tuple[RealSite, RealRegistry]:
    """A site and a registry that know each other's keys; neither is started."""
    directory = DataDirectory(folder / "registry")
    directory.initialise(world.ORIGIN)
    logs = (LogKey(world.ORIGIN, world.public(directory.signer(LOG_KEY))),)
    site = RealSite(folder / "site", logs=logs, hold_keys=(world.public(directory.signer(HOLD_KEY)),))
    directory.pin_root(digest(site.ring))
    registry, store = open_registry(directory)
    registry.keyrings.add(world.seal_keyring(site.ring))
    store.close()
    return site, RealRegistry(directory)


@dataclass(frozen=True)
class Answer:
    """What an ill registry says to everything."""

    status: int
    body: bytes
    location: str | None = None
    missing: int = 0
    """Bytes that it promises and does not send."""
    is_chunked: bool = False
    """The body is sent as the pieces of a chunked one."""


@contextmanager
def ill_registry(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """The URL of a server that always says the same, and what was asked of it."""
    asked: list[str] = []

    class Saying(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(answer.status)
            if answer.is_chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(answer.body) + answer.missing))
            if answer.location is not None:
                self.send_header("Location", answer.location)
            self.end_headers()
            self.wfile.write(answer.body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Saying)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
