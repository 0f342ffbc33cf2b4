"""HTTP connections within limits: how long a client may keep the gateway waiting, with how much.

What is asked, and answered, is in ``app``. uvicorn has no deadline for a request's head, and its
faster parser, httptools, no limit of one; so both are here.
"""

import asyncio
import json
import time
from http import HTTPStatus

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pinterest_platform.gateway.errors import RETRY_AFTER_SECONDS, UNAVAILABLE

# Method, path and headers: what h11, uvicorn's other parser, takes; API Gateway passes on 10 KiB.
MAX_HEAD_BYTES = 16 * 1024

# A client sends its head at once; on a bad line, within two resent packets (Apache and nginx give
# 20 and 60 s to people behind modems).
HEAD_SECONDS = 10.0

# A body (20 s) and an answer (Kafka has 20 s, a free offset is looked for 30 s): whoever has none
# by then has given up (API Gateway after 29 s, the emulation 30 s after its last byte).
REQUEST_SECONDS = 75.0

# How long the rest of a refused request is read and thrown away: nginx's lingering_timeout.
LINGER_SECONDS = 5.0

# Each holds up to 256 KiB of a body that nobody asked for yet, what one read gives. Five times as
# many as are at work at once in a gateway that answers 1,500 requests a second.
MAX_CONNECTIONS = 256

# Clients that send many requests without waiting for answers are none of ours.
MAX_PIPELINED = 16

_BUSY = "the gateway has as many requests as it can take: send the request again later"


class Connection(HttpToolsProtocol):
    """A connection that is given up when its client keeps the gateway waiting.

    ``max_connections`` and no more are open. When another one comes, the one whose client has kept
    the gateway waiting longest makes room; where all have requests that are worked on, the new one
    is answered 503. ``Server`` looks after the deadlines.
    """

    max_connections = MAX_CONNECTIONS
    head_seconds = HEAD_SECONDS
    request_seconds = REQUEST_SECONDS

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Bytes since the parser last made something of them: a head, a trailer and blank lines are
        # as long as somebody likes.
        self._unused = 0
        self._in_head = False
        self._arriving = False
        self._refused = False
        self._is_surplus = False
        self._wait(self.head_seconds)
        if len(self.connections) > self.max_connections:
            self._make_room()

    @override
    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_HEAD_BYTES):
            if self._refused or self.transport.is_closing():
                return
            if self._is_idle and not self._arriving and not self._unused:
                self._wait(self.head_seconds)
            piece = data[start : start + MAX_HEAD_BYTES]
            self._unused += len(piece)
            super().data_received(piece)
            if self._unused > MAX_HEAD_BYTES:
                self._refuse(431, f"method, path and headers have more than {MAX_HEAD_BYTES} bytes")
        part = 0 if self._is_idle or self._in_head or self._refused else len(self.cycle.body)
        if self._arriving and part >= MAX_HEAD_BYTES:
            # Until the app asks for more of the body. A small one comes whole.
            self.flow.pause_reading()

    @override
    def on_message_begin(self) -> None:
        self._in_head = self._arriving = True
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a chunked body is no header of the request.
        if self._in_head:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unused = 0
        self._is_surplus = self._is_surplus and len(self.connections) > self.max_connections
        self.app = _busy if self._is_surplus else self.config.loaded_app
        super().on_headers_complete()
        self._wait(self.request_seconds)
        if len(self.pipeline) > MAX_PIPELINED:
            self._refuse(400, f"more than {MAX_PIPELINED} requests wait for their answers")

    @override
    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._arriving = False
        self._unused = 0
        super().on_message_complete()
        if self._is_idle:
            self._wait(self.timeout_keep_alive)

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_idle:
            self._wait(self.request_seconds)
        elif self._arriving or self.transport.is_closing():
            self._wait(LINGER_SECONDS)
        else:
            self._wait(self.timeout_keep_alive)

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not a request of HTTP/1.1")

    @override
    def _unsupported_upgrade_warning(self) -> None:
        # The answer is HTTP/1.1; what comes after it may be anything.
        if self.cycle:
            self.cycle.keep_alive = False

    @override
    def shutdown(self) -> None:
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def give_up_when_due(self, now: float) -> None:
        """End the connection when its client has kept the gateway waiting for too long."""
        if now < self._due:
            return
        if self.transport.is_closing() or self._refused or not self._is_idle:
            self.transport.abort()
        elif self._unused:
            self._refuse(408, f"method, path and headers took more than {self.head_seconds:g} s")
            self.transport.close()
        else:
            self.transport.close()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is here, or only part of its head."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _waits_for_client(self) -> bool:
        # Where reading is paused, the client waits for the app to ask for more of the body.
        return self._is_idle or (self.cycle.more_body and not self.flow.read_paused)

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
            if longest._arriving or longest._unused:
                longest._refuse(503, _BUSY)
            longest.transport.close()
        else:
            self._is_surplus = True

    def _refuse(self, status: int, message: str) -> None:
        """Answer without the app; what still comes is read and thrown away."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._wait(LINGER_SECONDS)
        if not self._is_idle:
            if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
                # An answer now would be taken for that of an earlier request.
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        code = UNAVAILABLE if status == 503 else status
        body = json.dumps({"error_code": code, "message": message}).encode()
        retry = f"retry-after: {RETRY_AFTER_SECONDS}\r\n" if status == 503 else ""
        self.transport.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{retry}connection: close\r\n\r\n".encode()
            + body
        )
        self.flow.resume_reading()
        self.transport.write_eof()


class Server(uvicorn.Server):
    """Gives up connections when they are due."""

    @override
    async def on_tick(self, counter: int) -> bool:
        # Ten ticks are a second.
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.give_up_when_due(now)
        return await super().on_tick(counter)


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    answer = JSONResponse({"error_code": UNAVAILABLE, "message": _BUSY}, 503, headers=headers)
    await answer(scope, receive, send)
