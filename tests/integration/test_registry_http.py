"""The registry as a process on a loopback socket: served, killed, restarted, flooded, and stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from certificates import endpoints, notes, receipts
from certificates.encoding import digest
from server_stub.__main__ import main
from server_stub.directory import DataDirectory
from tests.server_stub.world import Desk, signer
from tests.support.real_registry import desks_registry

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
SENT = {"Content-Type": endpoints.ENVELOPE}


@dataclass
class Server:
    """A running registry process."""

    process: subprocess.Popen[str]
    url: str

    def post(self, path: str, body: bytes) -> requests.Response:
        return requests.post(self.url + path, data=body, headers=SENT, timeout=90)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=90)


def start(data: Path) -> Server:
    """Serve a data directory on a free port; returns once the process says where it listens."""
    command = [sys.executable, "-m", "server_stub", "serve", "--data", str(data), "--bind", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
    if found is None:
        process.kill()
        process.wait()
        pytest.fail(f"the registry did not start: {line}{process.stderr.read()}")
    return Server(process, found.group())


def stop(server: Server, how: signal.Signals = signal.SIGTERM) -> int:
    server.process.send_signal(how)
    code = server.process.wait(timeout=50)
    assert server.process.stderr is not None
    server.process.stderr.close()
    return code


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return desks_registry(tmp_path, tmp_path / "data").data.path


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    found = start(data)
    yield found
    if found.process.poll() is None:
        stop(found)


def log_key(data: Path) -> notes.NoteKey:
    return DataDirectory(data).log_signer().key


def test_the_whole_exchange_over_a_socket(server: Server, data: Path) -> None:
    """Order out, certificate in, receipt checked, consistency demanded: what an agent does."""
    desk, key = Desk(), log_key(data)
    before = notes.check_checkpoint(notes.parse_note(server.get(endpoints.LOG_CHECKPOINT).text), [key])
    assert server.post(endpoints.ORDERS, desk.sealed_order()).status_code == 201
    host = signer("host").key_id
    assert len(server.get(endpoints.HOST_ORDERS.format(host=host)).json()["orders"]) == 1
    envelope = desk.sealed_certificate()
    answer = server.post(endpoints.CERTIFICATES, envelope)
    assert answer.status_code == 201
    entry = receipts.check_receipt(answer.content.decode(), digest(desk.certificate()), digest(envelope), [key])
    proof = server.get(f"{endpoints.LOG_CONSISTENCY}?from={before.size}&to={entry.checkpoint.size}").content.decode()
    assert receipts.check_consistency_text(proof, before, [key]) == entry.checkpoint
    assert "Date" in answer.headers
    assert server.get("/openapi.json").json()["info"]["title"] == "expunge registry"


def test_certificates_from_many_connections_become_distinct_leaves(server: Server, data: Path) -> None:
    """Eighty posts at once, each certificate twice: each gets its own leaf, and the tree checks."""
    desk = Desk()
    envelopes = [desk.sealed_certificate(number) for number in range(1, 41)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda envelope: server.post(endpoints.CERTIFICATES, envelope), envelopes * 2))
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    indexes = {notes.parse_proof(answer.content.decode()).index for answer in answers}
    assert indexes == set(range(40))
    assert stop(server) == 0
    assert CliRunner().invoke(main, ["check", "--data", str(data)]).exit_code == 0


def test_a_receipt_survives_a_kill(server: Server, data: Path) -> None:
    """Whatever had a receipt before the process was killed is there afterwards, with the same receipt."""
    desk = Desk()
    given = []
    for number in range(1, 6):
        envelope = desk.sealed_certificate(number)
        given.append((envelope, server.post(endpoints.CERTIFICATES, envelope).text))
    stop(server, signal.SIGKILL)
    again = start(data)
    try:
        for envelope, receipt in given:
            answer = again.post(endpoints.CERTIFICATES, envelope)
            assert (answer.status_code, answer.text) == (200, receipt)
    finally:
        stop(again)


def test_a_kill_between_two_answers_leaves_a_log_that_checks(data: Path) -> None:
    """Killed while certificates pour in, several times over: whole entries only, and every answer kept."""
    desk, answered = Desk(), []
    for round_ in range(3):
        server = start(data)

        def submit(number: int, server: Server = server) -> tuple[bytes, str] | None:
            envelope = desk.sealed_certificate(number)
            try:
                return envelope, server.post(endpoints.CERTIFICATES, envelope).text
            except requests.RequestException:
                return None

        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(submit, round_ * 100 + number) for number in range(1, 40)]
            time.sleep(0.2)
            stop(server, signal.SIGKILL)
            answered += [item for item in (future.result() for future in waiting) if item is not None]
        assert CliRunner().invoke(main, ["check", "--data", str(data)]).exit_code == 0
    server = start(data)
    try:
        for envelope, receipt in answered:
            assert server.post(endpoints.CERTIFICATES, envelope).text == receipt
    finally:
        stop(server)
    assert answered


def test_a_database_from_a_backup_is_not_served(server: Server, data: Path) -> None:
    """Serving on would sign a second history; the message says what was lost."""
    stop(server)
    backup = (data / "registry.sqlite").read_bytes()
    again = start(data)
    again.post(endpoints.CERTIFICATES, Desk().sealed_certificate())
    stop(again)
    for suffix in ("-wal", "-shm"):
        (data / f"registry.sqlite{suffix}").unlink(missing_ok=True)
    (data / "registry.sqlite").write_bytes(backup)
    command = [sys.executable, "-m", "server_stub", "serve", "--data", str(data), "--bind", "127.0.0.1:0"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert refused.returncode == 7
    assert "is smaller (0) than" in refused.stderr


def test_an_endless_body_is_cut_off(server: Server) -> None:
    """A hundred megabytes are offered; the connection ends after the limit, and the registry goes on."""

    def endless() -> Iterator[bytes]:
        for _ in range(1600):
            yield b"x" * 65536

    begun = time.monotonic()
    try:
        answer = requests.post(server.url + endpoints.ORDERS, data=endless(), headers=SENT, timeout=90)
        assert answer.status_code == 413
    except requests.ConnectionError:
        pass  # the registry may hang up while we are still sending
    assert time.monotonic() - begun < 60
    assert server.get(endpoints.LOG_CHECKPOINT).status_code == 200


def test_the_registry_listens_on_loopback_only(server: Server) -> None:
    """The kernel's own list of listening sockets says so."""
    port = int(server.url.rsplit(":", 1)[1])
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.split(":")[1], 16) == port:
                listening.append(local.split(":")[0])
    assert listening == ["0100007F"]


def test_a_stop_lets_a_waiting_request_end(server: Server) -> None:
    """A long poll does not hold the process up."""
    host = signer("host").key_id
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            requests.get, f"{server.url}{endpoints.HOST_ORDERS.format(host=host)}?wait=60", timeout=90
        )
        time.sleep(0.3)
        begun = time.monotonic()
        stop(server)
        assert time.monotonic() - begun < 45
        waiting.exception()


def test_a_port_in_use_is_told(server: Server, data: Path) -> None:
    """With the family and exit of any refusal."""
    port = server.url.rsplit(":", 1)[1]
    result = CliRunner().invoke(main, ["serve", "--data", str(data), "--bind", f"127.0.0.1:{port}"])
    assert result.exit_code == 3
    assert "in use" in result.stderr


def test_a_hold_reaches_the_next_state_at_once(server: Server) -> None:
    """Between the post and the next fetch lies nothing that waits."""
    assert server.post(endpoints.HOLDS, Desk().sealed_hold()).status_code == 201
    assert len(server.get(endpoints.HOLDS).json()["holds"]) == 1
