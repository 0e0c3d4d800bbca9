"""The registry port over HTTP: the only module of the agent that imports an HTTP library."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import requests
from urllib3.exceptions import HTTPError

from certificates import endpoints
from certificates.errors import Unregistered

TIMEOUT = (5, 30)
"""Seconds to connect, and between two bytes."""
MOST_KEYRINGS = 64
"""Keyrings fetched at once."""
MOST = 8 << 20
"""Bytes of an answer read at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry said."""

    status: int
    body: bytes
    at: datetime | None
    """The registry's clock."""


class Registry(Protocol):
    """The registry as the agent knows it; every failure is Unregistered: the data's fate does not hang on it."""

    def fetch_orders(self, host: str) -> tuple[bytes, ...]:
        """Return the envelopes of the orders that name this host."""
        ...

    def fetch_keyrings(self, after: int) -> tuple[bytes, ...]:
        """Return the envelopes of the keyrings that follow version `after`, in order."""
        ...

    def fetch_hold_state(self) -> Answer:
        """Return the newest hold state's envelope, and the registry's clock."""
        ...

    def submit_certificate(self, envelope: bytes) -> str:
        """Return the receipt of a certificate; the registry is idempotent by digest."""
        ...

    def submit_document(self, path: str, envelope: bytes) -> bytes:
        """Hand in an order, hold, lift or validation; return what the registry answered."""
        ...

    def prove_consistency(self, old: int, new: int) -> str:
        """Return the consistency proof between two sizes of the log."""
        ...

    def challenge(self, request: dict[str, str]) -> bytes:
        """Return the registry's signed nonce, bound to a commitment and a journal head."""
        ...


class RegistryClient:
    """The registry over HTTP."""

    def __init__(self, url: str) -> None:
        """Take the registry's base URL."""
        self._url = url.rstrip("/")
        self._own = threading.local()

    @property
    def _session(self) -> requests.Session:
        """The session of this thread: one is not made for several, and a slow answer must hold up nobody else."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.trust_env = False
        session: requests.Session = self._own.session
        return session

    def fetch_orders(self, host: str) -> tuple[bytes, ...]:
        """Return the envelopes of the orders that name this host."""
        listed = self._get(endpoints.HOST_ORDERS.format(host=host))
        try:
            return tuple(base64.b64decode(item, validate=True) for item in json.loads(listed.body)["orders"])
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable() from error

    def fetch_keyrings(self, after: int) -> tuple[bytes, ...]:
        """Return the envelopes of the keyrings that follow version `after`, in order."""
        listed = self._get(endpoints.KEYRINGS)
        try:
            newest = max(int(item["version"]) for item in json.loads(listed.body)["keyrings"])
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable() from error
        versions = range(after + 1, min(newest, after + MOST_KEYRINGS) + 1)
        return tuple(self._get(endpoints.KEYRING.format(version=version)).body for version in versions)

    def fetch_hold_state(self) -> Answer:
        """Return the newest hold state's envelope, and the registry's clock."""
        return self._get(endpoints.HOLD_STATE)

    def submit_certificate(self, envelope: bytes) -> str:
        """Return the receipt of a certificate; the registry is idempotent by digest."""
        return _text(self._post(endpoints.CERTIFICATES, envelope, endpoints.ENVELOPE))

    def submit_document(self, path: str, envelope: bytes) -> bytes:
        """Hand in an order, hold, lift or validation; return what the registry answered."""
        return self._post(path, envelope, endpoints.ENVELOPE).body

    def prove_consistency(self, old: int, new: int) -> str:
        """Return the consistency proof between two sizes of the log."""
        return _text(self._get(f"{endpoints.LOG_CONSISTENCY}?from={old}&to={new}"))

    def challenge(self, request: dict[str, str]) -> bytes:
        """Return the registry's signed nonce, bound to a commitment and a journal head."""
        return self._post(endpoints.CHALLENGE, json.dumps(request).encode(), endpoints.JSON).body

    def _get(self, path: str) -> Answer:
        return self._ask("GET", path, None, None)

    def _post(self, path: str, body: bytes, media_type: str) -> Answer:
        return self._ask("POST", path, body, media_type)

    def _ask(self, verb: str, path: str, body: bytes | None, media_type: str | None) -> Answer:
        headers = {"Content-Type": media_type} if media_type else {}
        try:
            with self._session.request(
                verb, self._url + path, data=body, headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False
            ) as response:
                content = response.raw.read(MOST + 1, decode_content=False)
                answer = Answer(response.status_code, content, _clock_of(response))
                promised = response.headers.get("Content-Length")
        except (requests.RequestException, HTTPError, OSError) as error:
            raise Unregistered("registry-unreachable", detail=f"{self._url} ({type(error).__name__})") from error
        if len(content) > MOST:
            raise Unregistered("registry-refused", detail="its answer is too long")
        if promised is not None and promised != str(len(content)):
            raise Unregistered("registry-unreachable", detail="its answer was cut short")
        if answer.status not in (200, 201):
            raise Unregistered("registry-refused", detail=_problem(answer))
        return answer


def _text(answer: Answer) -> str:
    """Return the answer as text; raises Unregistered where it is none."""
    try:
        return answer.body.decode()
    except UnicodeDecodeError as error:
        raise _unreadable() from error


def _unreadable() -> Unregistered:
    return Unregistered("registry-refused", detail="its answer cannot be read")


def _problem(answer: Answer) -> str:
    """Return the registry's reason (RFC 9457) in one line."""
    try:
        problem: Any = json.loads(answer.body)
        return f"{problem['title']}: {problem.get('detail', '')}"[:300]
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {answer.status}"


def _clock_of(response: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return None
