"""The HTTP face: statuses, media types, limits and problem documents. What is decided is tested with the service."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import sqlite3
import threading
import time

import pytest
from fastapi import Request
from sqlalchemy.exc import OperationalError

from certificates import endpoints, receipts
from certificates.encoding import digest
from certificates.endpoints import ENVELOPE, JSON, MAX_CERTIFICATE, MAX_CHALLENGE, MAX_ORDER
from certificates.envelope import seal
from certificates.errors import Refused
from certificates.notes import check_checkpoint, parse_note
from certificates.reasons import REASONS
from server_stub import http, problems
from server_stub.http import is_loopback, make_app
from tests.server_stub.asgi import Client
from tests.server_stub.world import SOME, World, signer

HOST = signer("host").key_id
SENT = {"Content-Type": ENVELOPE}


@pytest.fixture
def client(world: World) -> Client:
    return Client(make_app(world.registry, world.clock))


def test_a_certificate_is_created_once_and_confirmed_afterwards(world: World, client: Client) -> None:
    """201, then 200 with the same receipt; the certificate and its receipt can be fetched."""
    envelope = world.desk.sealed_certificate()
    first = client.post(endpoints.CERTIFICATES, envelope, SENT)
    again = client.post(endpoints.CERTIFICATES, envelope, SENT)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.text == again.text
    place = first.headers["location"]
    assert client.get(place).content == envelope
    assert client.get(f"{place}/receipt").text == first.text
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    receipts.check_receipt(first.text, digest(world.desk.certificate()), digest(envelope), [world.log_key])


def test_another_envelope_of_the_same_certificate_conflicts(world: World, client: Client) -> None:
    """409, as a problem document in two languages that names the reason."""
    client.post(endpoints.CERTIFICATES, world.desk.sealed_certificate(), SENT)
    reordered = seal(world.desk.certificate(), [signer("witness"), signer("host"), signer("executor")])
    answer = client.post(endpoints.CERTIFICATES, reordered, SENT)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == endpoints.PROBLEM
    problem = answer.json()
    assert problem["reason"] == "registry-conflict"
    assert problem["status"] == 409
    assert client.get(problem["type"]).json()["en"] == REASONS["registry-conflict"].en


def test_a_boast_cannot_be_processed(world: World, client: Client) -> None:
    """422: well-formed, signed, and false."""
    boast = world.desk.sealed_certificate(evidence=world.desk.evidence(mismatched=512))
    answer = client.post(endpoints.CERTIFICATES, boast, SENT)
    assert (answer.status_code, answer.json()["reason"]) == (422, "claim-boasts")


def test_a_number_used_twice_conflicts_and_is_listed(world: World, client: Client) -> None:
    """The incident is there for whoever looks."""
    client.post(endpoints.CERTIFICATES, world.desk.sealed_certificate(), SENT)
    other = world.desk.sealed_certificate(carrier_label="OTHER")
    assert client.post(endpoints.CERTIFICATES, other, SENT).status_code == 409
    (incident,) = client.get(endpoints.INCIDENTS).json()["incidents"]
    assert incident["kind"] == "host sequence number"


def test_certificates_and_validations_are_listed(world: World, client: Client) -> None:
    """What a console shows."""
    certificate = world.desk.sealed_certificate()
    client.post(endpoints.CERTIFICATES, certificate, SENT)
    validation = world.desk.sealed_validation(certificate)
    answer = client.post(endpoints.VALIDATIONS, validation, SENT)
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).content == validation
    assert client.get(f"{answer.headers['location']}/receipt").text == answer.text
    name = digest(world.desk.certificate())
    assert client.get(endpoints.CERTIFICATE_VALIDATIONS.format(digest=name)).json()["validations"]
    (row,) = client.get(endpoints.CERTIFICATES).json()["certificates"]
    assert (row["digest"], row["outcome"], row["validations"]) == (name, "proven", ["accept"])
    assert client.get(f"{endpoints.CERTIFICATES}?after=0").json()["certificates"] == []


def test_orders_go_in_and_out(world: World, client: Client) -> None:
    """Byte for byte, in base64 where several travel together."""
    envelope = world.desk.sealed_order()
    answer = client.post(endpoints.ORDERS, envelope, SENT)
    assert (answer.status_code, client.post(endpoints.ORDERS, envelope, SENT).status_code) == (201, 200)
    assert client.get(answer.headers["location"]).content == envelope
    assert [row["id"] for row in client.get(endpoints.ORDERS).json()["orders"]] == ["order-1"]
    delivered = client.get(endpoints.HOST_ORDERS.format(host=HOST)).json()
    assert [base64.b64decode(item) for item in delivered["orders"]] == [envelope]
    assert delivered["position"] == 1
    assert client.get(endpoints.HOST_ORDERS.format(host=SOME)).json() == {"orders": [], "position": 0}


def test_a_waiting_host_hears_of_an_order_when_it_comes(world: World, client: Client) -> None:
    """A long poll: no order is missed, and none is asked for every second."""
    late = threading.Timer(0.1, world.registry.orders.accept, [world.desk.sealed_order()])
    late.start()
    answer = client.get(f"{endpoints.HOST_ORDERS.format(host=HOST)}?wait=20").json()
    late.join()
    assert len(answer["orders"]) == 1


def test_a_long_poll_ends(client: Client) -> None:
    """With nothing, when its time is over."""
    begun = time.monotonic()
    answer = client.get(f"{endpoints.HOST_ORDERS.format(host=HOST)}?wait=0.1").json()
    assert answer == {"orders": [], "position": 0}
    assert time.monotonic() - begun < 30


def test_holds_go_in_and_the_state_comes_out(world: World, client: Client) -> None:
    """Set, shown, lifted."""
    answer = client.post(endpoints.HOLDS, world.desk.sealed_hold(), SENT)
    assert answer.status_code == 201
    name = answer.json()["digest"]
    assert client.get(answer.headers["location"]).content == world.desk.sealed_hold()
    assert client.get(endpoints.HOLDS).json() == {"holds": [{"digest": name, "id": "hold-1"}]}
    state = client.get(endpoints.HOLD_STATE)
    assert state.content == world.registry.holds.state()
    assert state.headers["cache-control"] == "no-store"
    assert client.post(endpoints.HOLD_LIFTS, world.desk.sealed_lift(name), SENT).status_code == 201
    assert client.get(endpoints.HOLDS).json() == {"holds": []}


def test_the_log_can_be_followed(world: World, client: Client) -> None:
    """Checkpoint, consistency, tiles and entries, as C2SP names them."""
    old = client.get(endpoints.LOG_CHECKPOINT).text
    for number in (1, 2, 3):
        client.post(endpoints.CERTIFICATES, world.desk.sealed_certificate(number), SENT)
    before = check_checkpoint(parse_note(old), [world.log_key])
    proof = client.get(f"{endpoints.LOG_CONSISTENCY}?from=0&to=2")
    assert receipts.check_consistency_text(proof.text, before, [world.log_key]).size == 2
    tile = client.get("/v1/log/tile/0/000.p/3")
    assert (len(tile.content), tile.headers["content-type"]) == (96, "application/octet-stream")
    assert "immutable" in tile.headers["cache-control"]
    assert len(client.get("/v1/log/tile/entries/000.p/3").content) == 3 * 34
    for missing in ("/v1/log/tile/0/000", "/v1/log/tile/0/000.p/4", "/v1/log/tile/nonsense"):
        assert client.get(missing).status_code == 404
    assert client.get(f"{endpoints.LOG_CONSISTENCY}?from=9").status_code == 404


def test_a_challenge_is_answered_with_a_sealed_nonce(world: World, client: Client) -> None:
    """The same question, the same answer."""
    asked = json.dumps({"commitment": SOME, "journal_head": digest(b"head")}).encode()
    first, again = (client.post(endpoints.CHALLENGE, asked, {"Content-Type": JSON}) for _ in range(2))
    assert first.status_code == 200
    assert first.content == again.content
    assert client.post(endpoints.CHALLENGE, b'{"commitment":""}', SENT).status_code == 422


def test_keyrings_and_time_can_be_read(world: World, client: Client) -> None:
    """What `fetch` takes along; a keyring is believed for its signatures, never for where it came from."""
    assert client.get(endpoints.KEYRINGS).json()["keyrings"] == [{"version": 1, "digest": world.desk.root}]
    assert client.get(endpoints.KEYRING.format(version=1)).content == world.desk.sealed_keyring()
    assert client.get(endpoints.KEYRING.format(version=2)).status_code == 404
    assert client.get(endpoints.TIME).json() == {"now": "2026-11-22T12:00:00Z"}


LIMITS = [
    (endpoints.ORDERS, MAX_ORDER),
    (endpoints.HOLDS, MAX_ORDER),
    (endpoints.HOLD_LIFTS, MAX_ORDER),
    (endpoints.VALIDATIONS, MAX_ORDER),
    (endpoints.CERTIFICATES, MAX_CERTIFICATE),
    (endpoints.CHALLENGE, MAX_CHALLENGE),
]


@pytest.mark.parametrize(("path", "most"), LIMITS)
def test_a_body_over_the_limit_is_refused_before_it_is_read(client: Client, path: str, most: int) -> None:
    """By its declared length, and while it arrives where none is declared."""
    declared = client.post(path, b"x" * (most + 1), SENT)
    assert (declared.status_code, declared.json()["reason"]) == (413, "document-too-large")
    pieces = [b"x" * 4096] * (2 * most // 4096)
    streamed = client.ask("POST", path, pieces, SENT)
    assert (declared.read, streamed.status_code) == (0, 413)
    assert streamed.read <= most // 4096 + 1


@pytest.mark.parametrize("is_silent", [False, True], ids=["hangs up", "falls silent"])
def test_who_never_ends_a_body_keeps_nobodys_place_and_fills_no_log(
    monkeypatch: pytest.MonkeyPatch, *, is_silent: bool
) -> None:
    """A few hundred connections that stay open would be all that the registry takes; each left a traceback."""
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> dict[str, object]:
        if not pieces and is_silent:
            await asyncio.Event().wait()
        return pieces.pop() if pieces else {"type": "http.disconnect"}

    monkeypatch.setattr(http, "BODY_SECONDS", 0.01 if is_silent else 600.0)
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", ENVELOPE.encode())]}
    with pytest.raises(Refused) as refused:
        asyncio.run(http.read_body(Request(scope, receive), MAX_ORDER))
    assert problems.status_of(refused.value) == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_a_body_that_a_web_page_could_send_unasked_is_refused(client: Client, kind: str | None) -> None:
    """Browsers send these types to other sites without asking first."""
    answer = client.post(endpoints.ORDERS, b"{}", {"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.json()["reason"]) == (415, "registry-type")


def test_a_compressed_body_is_refused(client: Client) -> None:
    """A small body could unfold into a large one."""
    headers = SENT | {"Content-Encoding": "gzip"}
    assert client.post(endpoints.ORDERS, b"{}", headers).status_code == 415


def test_json_is_taken_as_well(world: World, client: Client) -> None:
    """curl users write application/json."""
    headers = {"Content-Type": f"{JSON}; charset=utf-8"}
    assert client.post(endpoints.ORDERS, world.desk.sealed_order(), headers).status_code == 201


MALFORMED = {
    "not a digest": "/v1/orders/abc",
    "upper case": f"/v1/certificates/{SOME.upper()}",
    "negative": "/v1/orders?after=-1",
    "a word": "/v1/log/consistency?from=one",
    "nothing": "/v1/log/consistency",
    "a size beyond all logs": f"/v1/log/consistency?from=0&to={1 << 64}",
    "a wait below zero": f"/v1/hosts/{SOME}/orders?wait=-1",
    "no number": f"/v1/hosts/{SOME}/orders?wait=nan",
}


@pytest.mark.parametrize("path", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_told_which_part(client: Client, path: str) -> None:
    """400, and nothing of what was sent comes back."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (400, "registry-input")
    assert answer.headers["content-type"] == endpoints.PROBLEM


@pytest.mark.parametrize(
    "path",
    [
        endpoints.ORDER.format(digest=SOME),
        endpoints.CERTIFICATE.format(digest=SOME),
        endpoints.RECEIPT.format(digest=SOME),
        endpoints.VALIDATION.format(digest=SOME),
        endpoints.HOLD.format(digest=SOME),
        "/v1/problems/no-such-reason",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    """404 with a reason."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (404, "registry-unknown")


def test_paths_and_methods_that_do_not_exist_are_problems_too(client: Client) -> None:
    """A client reads one form of error."""
    for answer, status in ((client.get("/nowhere"), 404), (client.delete(endpoints.ORDERS), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == endpoints.PROBLEM


@pytest.mark.parametrize("host", ["registry.example", "10.0.0.1", "", "127.0.0.1.evil.example", "[::2]:80"])
def test_a_request_that_names_another_host_is_refused(client: Client, host: str) -> None:
    """A page elsewhere whose name was pointed at this machine gets nothing."""
    answer = client.get(endpoints.HOLD_STATE, headers={"Host": host})
    assert (answer.status_code, answer.json()["reason"]) == (421, "registry-bind")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8470", "localhost:1", "[::1]:8470", "LOCALHOST"])
def test_loopback_names_are_known(host: str) -> None:
    """With and without a port."""
    assert is_loopback(host)


FAULTS: tuple[Exception, ...] = (
    RuntimeError("test of a bug: secret"),
    FileNotFoundError(errno.ENOENT, "test of a bug: secret"),
    OperationalError("SELECT secret", {}, sqlite3.OperationalError("test of a bug: secret")),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_bug_says_nothing_of_the_inside(world: World, client: Client, fault: Exception) -> None:
    """500 without a word about the code; the traceback is the server's own. A file that is not there, or a table, is no
    full disk: whoever is told of one may rely on what was acknowledged."""

    def fail(after: int) -> None:
        raise fault

    world.registry.records.listed = fail  # type: ignore[method-assign, assignment]
    answer = client.get(endpoints.CERTIFICATES)
    assert answer.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}


def test_the_description_lists_every_path(client: Client) -> None:
    """OpenAPI, from the routes themselves; every declared endpoint is there."""
    described = client.get("/openapi.json").json()["paths"]
    declared = {
        value
        for name, value in vars(endpoints).items()
        if isinstance(value, str) and value.startswith("/v1/") and name != "PROBLEM_TYPE"
    }
    assert declared <= set(described)
    assert "requestBody" in described[endpoints.CERTIFICATES]["post"]


def test_every_status_belongs_to_a_reason_that_exists() -> None:
    """The table names reasons by hand."""
    assert set(problems.STATUS) <= set(REASONS)
