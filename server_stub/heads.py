"""Connections of which each must say soon what it wants."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive, in seconds, from the connection or the answer before on. Whoever
connects and says nothing, or says it letter by letter, keeps a place from somebody else."""


class Hurried(H11Protocol):
    """A connection that is closed when no request's head is there in time; its body has a limit of its own."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, which may be the rest of a head."""
        super().data_received(data)
        if not self._is_idle():
            self._wait_no_longer()
        elif self._late is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it came already."""
        super().on_response_complete()
        self._wait_no_longer()
        if self._is_idle():
            self._wait()

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request, whatever its type says
        return cycle is None or cycle.response_complete

    def _wait(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._leave)

    def _wait_no_longer(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _leave(self) -> None:
        self._late = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()
