"""HTTP/1.1 framing: the parser gets one request at a time, within limits on its size.

How long a client may take, and how many connections there are, is in ``connections``. httptools,
uvicorn's faster parser, has no limit on the size of a request's head.
"""

import asyncio
import re
from http import HTTPStatus

import httptools
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pinterest_platform.gateway.errors import RETRY_AFTER_SECONDS, UNAVAILABLE, answer

# h11, uvicorn's other parser, has the same limit; API Gateway accepts 10 KiB.
MAX_HEAD_BYTES = 16 * 1024

# The limit of Apache and Tomcat.
MAX_HEADERS = 100

_BLANK_LINES = re.compile(rb"[\r\n]*")
_HEAD_END = re.compile(rb"\n\r?\n")
_UPGRADE = re.compile(rb"\nupgrade:[^\n]*", re.IGNORECASE)
_TARGET = re.compile(rb"(?:[a-z][a-z0-9+.-]*://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)", re.I)


class Framing(HttpToolsProtocol):
    """Gives the parser one request at a time, its head in one piece.

    Requests sent ahead stay unread until ``read_on``, after the answer before theirs.
    """

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        self._unread = bytearray()
        # Bytes of the head so far or, within a body, since the parser last returned some of it:
        # trailers and chunk extensions have no other limit.
        self._unused = 0
        self._blank = 0
        self._in_head = False
        self._arriving = False
        self._body_left: int | None = None
        self._refused = False

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        searched = len(self._unread)
        self._unread += data
        self.read_on(searched)
        part = 0 if self.is_idle or self._refused else len(self.cycle.body)
        if self._arriving and part >= MAX_HEAD_BYTES:
            # Until the app asks for more of the body. A small body is read at once.
            self.flow.pause_reading()

    @override
    def on_message_begin(self) -> None:
        if not self._in_head:
            raise ValueError("a request begins before the previous one has ended")
        self._arriving = True
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
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
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._arriving = False
        self._unused = 0
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        self.flow.on_hold = False
        super().on_response_complete()

    def on_head_begin(self) -> None:
        """Called when the gateway expects a head, or one begins to arrive."""

    def on_refusal(self) -> None:
        """Called when a request is refused; its rest is discarded as it arrives."""

    @property
    def is_idle(self) -> bool:
        """Whether the app works on no request; part of a head may have arrived."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_arriving(self) -> bool:
        """Whether part of a request has arrived and the rest has not."""
        return self._arriving or bool(self._unused)

    def read_on(self, searched: int = 0) -> None:
        """Give the parser what may follow; the first ``searched`` bytes contain no head's end."""
        advances = True
        while advances and self._unread and not self._refused and not self.transport.is_closing():
            if self._arriving:
                advances = self._read_body()
            elif self.is_idle:
                advances = self._read_head(searched)
            else:
                self.flow.hold()
                return
            searched = 0

    def _read_head(self, searched: int) -> bool:
        """Give the parser a head; False while it is incomplete."""
        unread = self._unread
        if not self._unused:
            self._blank = 0
            self.on_head_begin()
        if blank := _BLANK_LINES.match(unread).end():  # type: ignore[union-attr]
            del unread[:blank]
            self._blank += blank
            searched = 0
        # The blank line that ends the head may have begun in the last two bytes already searched.
        found = _HEAD_END.search(unread, max(searched - 2, 0))
        length = found.end() if found else len(unread)
        self._unused = self._blank + length
        if self._unused > MAX_HEAD_BYTES:
            self.refuse(431, f"method, path and headers have more than {MAX_HEAD_BYTES} bytes")
        elif unread.count(b"\n", 0, length) > MAX_HEADERS + 2:
            self.refuse(431, f"the request has more than {MAX_HEADERS} headers")
        elif found or (unread and not unread[:1].isupper()):
            # A TLS greeting does not begin with a method and may have no end.
            self._in_head = True
            # RFC 9110, 7.8: a server may ignore an Upgrade. httptools takes no body after one.
            self._parse(_UPGRADE.sub(b"", unread[:length]))
            if self._in_head:
                self._refuse_malformed()
            del unread[:length]
            return True
        return False

    def _read_body(self) -> bool:
        """Give the parser a piece that ends at the latest with the body; False without one."""
        length = min(len(self._unread), MAX_HEAD_BYTES)
        if self._body_left is not None:
            length = min(length, self._body_left)
            self._body_left -= length
        elif (end := self._unread.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)) >= 0:
            length = end + 4
        else:
            # Part of such an end stays unread until the rest of it arrives.
            length = max(len(self._unread[:length].rstrip(b"\r\n")), length - 3)
        self._unused += length
        self._parse(self._unread[:length])
        del self._unread[:length]
        if self._unused > MAX_HEAD_BYTES:
            self.refuse(431, f"a chunk's extension or trailer has more than {MAX_HEAD_BYTES} bytes")
        return length > 0

    def _parse(self, data: bytes | bytearray) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse_malformed()
        except httptools.HttpParserUpgrade:
            # After CONNECT, the rest can be anything.
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
        """The path of the current request, as far as it has arrived."""
        if not self.is_idle:
            return self.cycle.scope["path"]
        words = self._unread[:MAX_HEAD_BYTES].split(b" ", 2)
        target = _TARGET.match(words[1]) if len(words) > 1 else None
        return target["path"].decode("latin-1") if target else ""

    def _refuse_malformed(self) -> None:
        self.refuse(400, "this is not an HTTP/1.1 request")

    def refuse(self, status: int, message: str) -> None:
        """Answer without the app, and discard the rest of the request."""
        if self._refused or self.transport.is_closing():
            return
        code = UNAVAILABLE if status == 503 else status
        headers = {"connection": "close"}
        if status == 503:
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        refusal = answer(self._path(), status, message, code=code, headers=headers)
        is_answered = self.is_idle and self._arriving and not self._in_head
        self._refused = True
        self._unread.clear()
        self.on_refusal()
        if not self.is_idle:
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
    """Flow control that can hold reading until an answer is sent, and spares closed transports."""

    on_hold = False

    def hold(self) -> None:
        self.pause_reading()
        self.on_hold = True

    @override
    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            super().pause_reading()

    @override
    def resume_reading(self) -> None:
        if not self.on_hold and not self._transport.is_closing():
            super().resume_reading()
