"""HTTP connections with deadlines and a limit on their number.

Limits on a request's size are in ``framing``, routes and answers in ``app``. uvicorn has no
deadline for a request's head.
"""

import asyncio
import time

import uvicorn
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from pinterest_platform.gateway.errors import RETRY_AFTER_SECONDS, UNAVAILABLE, answer
from pinterest_platform.gateway.framing import Framing

# A client sends its head at once, or after two lost packets on a bad line (Apache and nginx allow
# 20 and 60 s, for modems).
HEAD_SECONDS = 10.0

# A body (20 s) and an answer (20 s for Kafka, 30 s for a free offset): by then every known client
# has timed out (API Gateway after 29 s, the emulation 30 s after its last byte).
REQUEST_SECONDS = 75.0

# How long the rest of a refused request is discarded: nginx's lingering_timeout.
LINGER_SECONDS = 5.0

# 256 KiB of unread body each; five times as many as are busy at 1,500 requests a second.
MAX_CONNECTIONS = 256

_BUSY = "the gateway has too many connections: send the request again later"


class Connection(Framing):
    """A connection that ends when its client keeps the gateway waiting.

    At most ``max_connections`` are open. When another one comes, the connection whose client has
    kept the gateway waiting longest is closed; if the app works on requests of all of them, the
    new one is answered 503. ``Server`` ends connections at their deadlines.
    """

    max_connections = MAX_CONNECTIONS
    head_seconds = HEAD_SECONDS
    request_seconds = REQUEST_SECONDS

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_surplus = False
        self._wait(self.head_seconds)
        if len(self.connections) > self.max_connections:
            self._make_room()

    @override
    def on_head_begin(self) -> None:
        self._wait(self.head_seconds)

    @override
    def on_headers_complete(self) -> None:
        self._is_surplus = self._is_surplus and len(self.connections) > self.max_connections
        self.app = _busy if self._is_surplus else self.config.loaded_app
        super().on_headers_complete()
        self._wait(self.request_seconds)

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.is_idle:
            self._wait(self.timeout_keep_alive)

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._arriving or self.transport.is_closing():
            self._wait(LINGER_SECONDS)
        else:
            self._wait(self.timeout_keep_alive)
        self.read_on()

    @override
    def on_refusal(self) -> None:
        self._wait(LINGER_SECONDS)

    @override
    def shutdown(self) -> None:
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def end_if_due(self, now: float) -> None:
        """End the connection when its client has kept the gateway waiting for too long."""
        if now < self._due:
            return
        if self.transport.is_closing() or self._refused or not self.is_idle:
            self.transport.abort()
        elif self._unused:
            self.refuse(408, f"method, path and headers took more than {self.head_seconds:g} s")
            self.transport.close()
        else:
            self.transport.close()

    @property
    def _waits_for_client(self) -> bool:
        # With reading paused, the client waits for the app to ask for more of the body.
        return self.is_idle or (self.cycle.more_body and not self.flow.read_paused)

    def _wait(self, seconds: float) -> None:
        self._since = time.monotonic()
        self._due = self._since + seconds

    def _make_room(self) -> None:
        waiting = [
            connection
            for connection in self.connections
            if isinstance(connection, Connection)
            and connection is not self
            and not connection.transport.is_closing()
            and connection._waits_for_client
        ]
        if waiting:
            longest = min(waiting, key=lambda connection: connection._since)
            if longest.is_arriving:
                longest.refuse(503, _BUSY)
            longest.transport.close()
        else:
            self._is_surplus = True


class Server(uvicorn.Server):
    """Ends connections at their deadlines."""

    @override
    async def on_tick(self, counter: int) -> bool:
        # uvicorn ticks ten times a second.
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.end_if_due(now)
        return await super().on_tick(counter)


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    refusal = answer(scope["path"], 503, _BUSY, code=UNAVAILABLE, headers=headers)
    await refusal(scope, receive, send)
