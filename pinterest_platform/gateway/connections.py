"""HTTP connections within limits: how long a client may keep the gateway waiting, with how much.

Routes and answers are in ``app``. uvicorn has no deadline for a request's head, and its faster
parser, httptools, no limit on its size; so both are here.
"""

import asyncio
import re
import time
from http import HTTPStatus

import httptools
import uvicorn
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pinterest_platform.gateway.errors import RETRY_AFTER_SECONDS, UNAVAILABLE, answer

# Method, path and headers: the limit of h11, uvicorn's other parser; API Gateway passes on 10 KiB.
MAX_HEAD_BYTES = 16 * 1024

# The limit of Apache and Tomcat.
MAX_HEADERS = 100

# A client sends its head at once; on a bad line, within two resent packets (Apache and nginx give
# 20 and 60 s to people behind modems).
HEAD_SECONDS = 10.0

# A body (20 s) and an answer (20 s for Kafka, 30 s for a free offset): by then every known client
# has given up (API Gateway after 29 s, the emulation 30 s after its last byte).
REQUEST_SECONDS = 75.0

# How long the rest of a refused request is read and thrown away: nginx's lingering_timeout.
LINGER_SECONDS = 5.0

# Each holds up to 256 KiB of unread body, the size of one read. Five times as many as are at work
# at once in a gateway that answers 1,500 requests a second.
MAX_CONNECTIONS = 256

_BUSY = "the gateway has as many requests as it can take: send the request again later"

_BLANK_LINES = re.compile(rb"[\r\n]*")
_HEAD_END = re.compile(rb"\n\r?\n")
_UPGRADE = re.compile(rb"\nupgrade:[^\n]*", re.IGNORECASE)
_TARGET = re.compile(rb"(?:[a-z][a-z0-9+.-]*://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)", re.I)


class Connection(HttpToolsProtocol):
    """A connection that is given up when its client keeps the gateway waiting.

    ``max_connections`` and no more are open. When another one comes, the one whose client has kept
    the gateway waiting longest makes room; where all have requests that are worked on, the new one
    is answered 503. ``Server`` ends connections at their deadlines.

    The parser gets one request at a time, its head in one piece. Requests sent ahead stay unread
    until the answer before theirs has gone out.
    """

    max_connections = MAX_CONNECTIONS
    head_seconds = HEAD_SECONDS
    request_seconds = REQUEST_SECONDS

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        self._unread = bytearray()
        # Bytes of the head so far, blank lines before it included; within a body, bytes since the
        # parser last gave some of it out: a trailer and a chunk's extension have no other limit.
        self._unused = 0
        self._blank = 0
        self._in_head = False
        self._arriving = False
        self._body_left: int | None = None
        self._refused = False
        self._is_surplus = False
        self._wait(self.head_seconds)
        if len(self.connections) > self.max_connections:
            self._make_room()

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        searched = len(self._unread)
        self._unread += data
        self._read(searched)
        part = 0 if self._is_idle or self._refused else len(self.cycle.body)
        if self._arriving and part >= MAX_HEAD_BYTES:
            # Until the app asks for more of the body. A small one comes whole.
            self.flow.pause_reading()

    @override
    def on_message_begin(self) -> None:
        if not self._in_head:
            raise ValueError("a request begins where the one before has not ended")
        self._arriving = True
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer, after a chunked body, is no header of the request.
        if self._in_head:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unused = 0
        self._use_target()
        found = dict(self.headers)
        self._body_left = int(found.get(b"content-length", 0))
        if b"transfer-encoding" in found:
            self._body_left = None
        self._is_surplus = self._is_surplus and len(self.connections) > self.max_connections
        self.app = _busy if self._is_surplus else self.config.loaded_app
        super().on_headers_complete()
        self._wait(self.request_seconds)

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
        self.flow.held = False
        super().on_response_complete()
        if self._arriving or self.transport.is_closing():
            self._wait(LINGER_SECONDS)
        else:
            self._wait(self.timeout_keep_alive)
        self._read()

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
        """Whether no request is worked on; part of a head may be here."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _waits_for_client(self) -> bool:
        # Where reading is paused, the client waits for the app to ask for more of the body.
        return self._is_idle or (self.cycle.more_body and not self.flow.read_paused)

    def _wait(self, seconds: float) -> None:
        self._since = time.monotonic()
        self._due = self._since + seconds

    def _read(self, searched: int = 0) -> None:
        """Give the parser all that it may have; the first ``searched`` bytes end no head."""
        goes_on = True
        while goes_on and self._unread and not self._refused and not self.transport.is_closing():
            if self._arriving:
                goes_on = self._read_body()
            elif self._is_idle:
                goes_on = self._read_head(searched)
            else:
                self.flow.hold()
                return
            searched = 0

    def _read_head(self, searched: int) -> bool:
        """Give the parser a head; False while it is not whole."""
        unread = self._unread
        if not self._unused:
            self._blank = 0
            self._wait(self.head_seconds)
        if blank := _BLANK_LINES.match(unread).end():  # type: ignore[union-attr]
            del unread[:blank]
            self._blank += blank
            searched = 0
        # The end's last byte is new; the two before it may not be.
        found = _HEAD_END.search(unread, max(searched - 2, 0))
        length = found.end() if found else len(unread)
        self._unused = self._blank + length
        if self._unused > MAX_HEAD_BYTES:
            self._refuse(431, f"method, path and headers have more than {MAX_HEAD_BYTES} bytes")
        elif unread.count(b"\n", 0, length) > MAX_HEADERS + 2:
            self._refuse(431, f"the request has more than {MAX_HEADERS} headers")
        elif found or (unread and not unread[:1].isupper()):
            # A greeting of TLS begins with no method and may have no end.
            self._in_head = True
            # RFC 9110, 7.8: a server may ignore an Upgrade. httptools takes no body after one.
            self._parse(_UPGRADE.sub(b"", unread[:length]))
            if self._in_head:
                self._refuse_malformed()
            del unread[:length]
            return True
        return False

    def _read_body(self) -> bool:
        """Give the parser a piece that ends with the body at the latest; False without one."""
        length = min(len(self._unread), MAX_HEAD_BYTES)
        if self._body_left is not None:
            length = min(length, self._body_left)
            self._body_left -= length
        elif (end := self._unread.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)) >= 0:
            length = end + 4
        else:
            # Part of such an end is kept until the rest of it is here.
            length = max(len(self._unread[:length].rstrip(b"\r\n")), length - 3)
        self._unused += length
        self._parse(self._unread[:length])
        del self._unread[:length]
        if self._unused > MAX_HEAD_BYTES:
            self._refuse(
                431, f"a chunk's extension or trailer has more than {MAX_HEAD_BYTES} bytes"
            )
        return length > 0

    def _parse(self, data: bytes | bytearray) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse_malformed()
        except httptools.HttpParserUpgrade:
            # After CONNECT, the rest may be anything.
            self.cycle.keep_alive = False

    def _use_target(self) -> None:
        """RFC 9112, 3.2.2: the authority of an absolute target replaces the Host."""
        target = _TARGET.match(self.url)
        if target is None or target["authority"] is None:
            return
        self.headers[:] = [
            (name, target["authority"] if name == b"host" else value)
            for name, value in self.headers
        ]
        if b"host" not in dict(self.headers) and self.parser.get_http_version() == "1.0":
            self.headers.append((b"host", target["authority"]))
        self.url = (target["path"] or b"/") + self.url[target.end() :]

    def _path(self) -> str:
        """The path of the request that is here, or part of it."""
        if not self._is_idle:
            return self.cycle.scope["path"]
        words = self._unread[:MAX_HEAD_BYTES].split(b" ", 2)
        target = _TARGET.match(words[1]) if len(words) > 1 else None
        return target["path"].decode("latin-1") if target else ""

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

    def _refuse_malformed(self) -> None:
        self._refuse(400, "this is not a request of HTTP/1.1")

    def _refuse(self, status: int, message: str) -> None:
        """Answer without the app; the rest of the request is read and thrown away."""
        if self._refused or self.transport.is_closing():
            return
        code = UNAVAILABLE if status == 503 else status
        headers = {"connection": "close"}
        if status == 503:
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        refusal = answer(self._path(), status, message, code=code, headers=headers)
        is_answered = self._is_idle and self._arriving and not self._in_head
        self._refused = True
        self._unread.clear()
        self._wait(LINGER_SECONDS)
        if not self._is_idle:
            if self.cycle.response_started:
                self.cycle.keep_alive = False
                return
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
            self.cycle.message_event.set()
        if not is_answered:
            lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
            lines += [name + b": " + value for name, value in refusal.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(refusal.body)]))
        self.flow.resume_reading()
        self.transport.write_eof()


class _Flow(FlowControl):
    """Reading can be held until an answer is out; a closed transport is left alone."""

    held = False

    def hold(self) -> None:
        self.pause_reading()
        self.held = True

    @override
    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            super().pause_reading()

    @override
    def resume_reading(self) -> None:
        if not self.held and not self._transport.is_closing():
            super().resume_reading()


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
    refusal = answer(scope["path"], 503, _BUSY, code=UNAVAILABLE, headers=headers)
    await refusal(scope, receive, send)
