"""HTTP routes: they read what was sent, within its limit, ask the service, and say what it decided; no more."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from certificates import endpoints
from certificates.encoding import format_time
from certificates.endpoints import ENVELOPE, JSON, MAX_CERTIFICATE, MAX_CHALLENGE, MAX_ORDER, MAX_WAIT, TEXT, TILE
from certificates.errors import Failure, Refused, Untrusted
from certificates.reasons import REASONS
from server_stub import problems
from server_stub.challenges import parse_challenge
from server_stub.records import Registered
from server_stub.service import Registry

POLL_SECONDS = 0.5
"""How often a waiting request looks for new orders, in seconds."""

BODY_SECONDS = 60.0
"""How long a body may take to arrive: 4 MiB over 70 kB a second."""

Digest = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Query(ge=0, le=(1 << 53) - 1)]
_TAKES = {ENVELOPE, JSON}
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-cache"}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused, with the reason", "content": {endpoints.PROBLEM: {}}}
}
_SENDS_ENVELOPE = {"requestBody": {"required": True, "content": {ENVELOPE: {}, JSON: {}}}}


def make_app(registry: Registry, now: Callable[[], Any]) -> FastAPI:
    """The registry's HTTP face; `now` gives the time that it tells."""
    app = FastAPI(
        title="expunge registry",
        version="1",
        summary="Delivers orders, stops them, and remembers what was destroyed. It can start nothing.",
        docs_url=None,  # the page would load scripts from elsewhere
        redoc_url=None,
        responses=_PROBLEMS,
    )
    app.state.is_stopping = False  # set when the process is told to stop, so that waiting requests end
    app.add_middleware(LoopbackOnly)
    app.add_exception_handler(Failure, problems.tell_failure)
    app.add_exception_handler(RequestValidationError, problems.tell_validation)
    app.add_exception_handler(HTTPException, problems.tell_status)
    for failing in (OperationalError, OSError):
        app.add_exception_handler(failing, problems.tell_storage)
    app.add_exception_handler(Exception, problems.tell_bug)
    _route_orders(app, registry)
    _route_holds(app, registry)
    _route_records(app, registry)
    _route_log(app, registry)
    _route_rest(app, registry, now)
    return app


async def read_body(request: Request, most: int) -> bytes:
    """The request's body; refused once known to be larger than `most` bytes, of another type or too slow."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _TAKES or request.headers.get("content-encoding", "identity") != "identity":
        raise Refused("registry-type", given=kind or "none", expected=ENVELOPE)
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared[:12]) > most:
        raise Untrusted("document-too-large", size=declared[:20], most=most)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Untrusted("document-too-large", size=len(body), most=most)
    except (TimeoutError, ClientDisconnect) as error:
        # Who hangs up or never ends keeps nobody's place, and fills no log with tracebacks.
        raise Refused("registry-input", detail="body") from error
    return bytes(body)


def _route_orders(app: FastAPI, registry: Registry) -> None:
    @app.get(endpoints.ORDERS)
    def orders(after: Count = 0) -> dict[str, Any]:
        """Orders that changed after a position, oldest first."""
        return {"orders": list(registry.orders.listed(after))}

    @app.post(endpoints.ORDERS, status_code=201, openapi_extra=_SENDS_ENVELOPE)
    async def post_order(request: Request) -> Response:
        """Hand in an order, or one that is known with further signatures."""
        body = await read_body(request, MAX_ORDER)
        return _filed(*await run_in_threadpool(registry.orders.accept, body), endpoints.ORDER)

    @app.get(endpoints.ORDER)
    def order(digest: Digest) -> Response:
        """The order's envelope, byte for byte."""
        return Response(registry.orders.envelope(digest), media_type=ENVELOPE, headers=_FRESH)

    @app.get(endpoints.HOST_ORDERS)
    async def host_orders(host: Digest, after: Count = 0, wait: Annotated[float, Query(ge=0)] = 0) -> dict[str, Any]:
        """A host's unexpired orders that changed after a position, in base64; waits `wait` seconds, 60 at most."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(wait, MAX_WAIT)
        while True:
            envelopes, reached = await run_in_threadpool(registry.orders.delivered, host, after)
            if envelopes or loop.time() >= deadline or app.state.is_stopping:
                return {"orders": [base64.b64encode(envelope).decode() for envelope in envelopes], "position": reached}
            await asyncio.sleep(min(POLL_SECONDS, max(deadline - loop.time(), 0)))


def _route_holds(app: FastAPI, registry: Registry) -> None:
    @app.get(endpoints.HOLD_STATE)
    def hold_state() -> Response:
        """All holds in force, sealed by the registry, as of now."""
        return Response(registry.holds.state(), media_type=ENVELOPE, headers={"Cache-Control": "no-store"})

    @app.get(endpoints.HOLDS)
    def holds() -> dict[str, Any]:
        """Digests and ids of the holds in force."""
        return {"holds": [{"digest": digest, "id": hold.id} for digest, hold in registry.holds.in_force()]}

    @app.get(endpoints.HOLD)
    def hold(digest: Digest) -> Response:
        """A hold's envelope, also after it was lifted."""
        return Response(registry.holds.envelope(digest), media_type=ENVELOPE, headers=_IMMUTABLE)

    @app.post(endpoints.HOLDS, status_code=201, openapi_extra=_SENDS_ENVELOPE)
    async def post_hold(request: Request) -> Response:
        """Set a hold."""
        body = await read_body(request, MAX_ORDER)
        return _filed(*await run_in_threadpool(registry.holds.accept, body), endpoints.HOLD)

    @app.post(endpoints.HOLD_LIFTS, status_code=201, openapi_extra=_SENDS_ENVELOPE)
    async def post_lift(request: Request) -> Response:
        """Lift a hold; two persons sign, and nothing starts."""
        body = await read_body(request, MAX_ORDER)
        return _filed(*await run_in_threadpool(registry.holds.lift, body), None)


def _route_records(app: FastAPI, registry: Registry) -> None:
    records = registry.records

    @app.post(endpoints.CERTIFICATES, status_code=201, openapi_extra=_SENDS_ENVELOPE)
    async def post_certificate(request: Request) -> Response:
        """Register a certificate: 201 with its receipt; 200 with the same one if it was registered before."""
        body = await read_body(request, MAX_CERTIFICATE)
        return _receipt(await run_in_threadpool(records.accept_certificate, body), endpoints.CERTIFICATE)

    @app.get(endpoints.CERTIFICATES)
    def certificates(after: Annotated[int, Query(ge=-1, le=(1 << 53) - 1)] = -1) -> dict[str, Any]:
        """Certificates whose entry number is above `after`."""
        return {"certificates": list(records.listed(after))}

    @app.get(endpoints.CERTIFICATE)
    def certificate(digest: Digest) -> Response:
        """The certificate's envelope, byte for byte."""
        return Response(records.certificate(digest), media_type=ENVELOPE, headers=_IMMUTABLE)

    @app.get(endpoints.RECEIPT)
    @app.get(endpoints.VALIDATION_RECEIPT)
    def receipt(digest: Digest) -> Response:
        """The receipt that a document got when it was registered (c2sp.org/tlog-proof)."""
        return Response(records.receipt(digest), media_type=TEXT, headers=_IMMUTABLE)

    @app.get(endpoints.CERTIFICATE_VALIDATIONS)
    def validations(digest: Digest) -> dict[str, Any]:
        """Digests of a certificate's validations, oldest first."""
        return {"validations": list(records.validations_of(digest))}

    @app.post(endpoints.VALIDATIONS, status_code=201, openapi_extra=_SENDS_ENVELOPE)
    async def post_validation(request: Request) -> Response:
        """Register a person's accept or reject; answers as for a certificate."""
        body = await read_body(request, MAX_ORDER)
        return _receipt(await run_in_threadpool(records.accept_validation, body), endpoints.VALIDATION)

    @app.get(endpoints.VALIDATION)
    def validation(digest: Digest) -> Response:
        """The validation's envelope, byte for byte."""
        return Response(records.validation(digest), media_type=ENVELOPE, headers=_IMMUTABLE)


def _route_log(app: FastAPI, registry: Registry) -> None:
    @app.get(endpoints.LOG_CHECKPOINT)
    def checkpoint() -> Response:
        """The newest signed checkpoint (c2sp.org/tlog-checkpoint)."""
        return Response(registry.checkpoint(), media_type=TEXT, headers=_FRESH)

    @app.get(endpoints.LOG_CONSISTENCY)
    def consistency(
        old: Annotated[int, Query(alias="from", ge=0, le=(1 << 53) - 1)],
        new: Annotated[int | None, Query(alias="to", ge=0, le=(1 << 53) - 1)] = None,
    ) -> Response:
        """That the log at `to` (or now) extends the log at `from`, in the form that witnesses are sent."""
        return Response(registry.consistency(old, new), media_type=TEXT, headers=_FRESH)

    @app.get("/v1/log/tile/{path:path}")
    def tile(path: str) -> Response:
        """A tile of hashes, or a bundle of entries (c2sp.org/tlog-tiles)."""
        return Response(registry.tile(path), media_type=TILE, headers=_IMMUTABLE)


def _route_rest(app: FastAPI, registry: Registry, now: Callable[[], Any]) -> None:
    @app.get(endpoints.KEYRINGS)
    def keyrings() -> dict[str, Any]:
        """Versions of the keyring chain and their digests."""
        chain = registry.keyrings.chain().sealed
        return {"keyrings": [{"version": item.statement.version, "digest": item.digest} for item in chain]}

    @app.get(endpoints.KEYRING)
    def keyring(version: Annotated[int, Path(ge=1, le=(1 << 53) - 1)]) -> Response:
        """One version of the keyring, as its keepers signed it."""
        return Response(registry.keyrings.envelope(version), media_type=ENVELOPE, headers=_IMMUTABLE)

    @app.post(endpoints.CHALLENGE, openapi_extra=_SENDS_ENVELOPE)
    async def challenge(request: Request) -> Response:
        """The registry's signed sampling nonce for a journal: always the same one for the same journal."""
        asked = parse_challenge(await read_body(request, MAX_CHALLENGE))
        return Response(await run_in_threadpool(registry.challenges.answer, *asked), media_type=ENVELOPE)

    @app.get(endpoints.INCIDENTS)
    def incidents() -> dict[str, Any]:
        """Numbers that a host used twice."""
        return {"incidents": list(registry.incidents())}

    @app.get(endpoints.TIME)
    def time() -> dict[str, str]:
        """The registry's clock; unsigned, so good for a warning and for nothing else."""
        return {"now": format_time(now())}

    @app.get("/v1/problems/{reason}")
    def reason(reason: str) -> dict[str, str]:
        """The sentences behind a reason code."""
        if reason not in REASONS:
            raise Refused("registry-unknown", what=f"reason {reason[:80]}")
        row = REASONS[reason]
        return {"en": row.en, "next_en": row.next_en, "zh": row.zh, "next_zh": row.next_zh}


class LoopbackOnly:
    """Refuses requests that name another host than this machine: no web page may reach in through a browser."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application to guard."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if not is_loopback(host):
                await problems.problem(Refused("registry-bind", address=host[:80]))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether a Host header, with or without port, names this machine by a loopback address or as localhost."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _filed(digest: str, is_new: bool, place: str | None) -> Response:
    headers = {} if place is None else {"Location": place.format(digest=digest)}
    return JSONResponse({"digest": digest}, status_code=201 if is_new else 200, headers=headers)


def _receipt(registered: Registered, place: str) -> Response:
    status = 201 if registered.is_new else 200
    headers = {"Location": place.format(digest=registered.digest)}
    return Response(registered.receipt, status_code=status, media_type=TEXT, headers=headers)
