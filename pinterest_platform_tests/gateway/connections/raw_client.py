"""Raw connections to a gateway, the requests that they send, and apps that answer them."""

import select
import socket
from typing import Any

from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, PIN, RECORDS_TYPE

RECORD = b'{"records":[{"value":1}]}'
HEAD = (
    f"POST /topics/{PIN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {RECORDS_TYPE}\r\n".encode()
)
POST = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(RECORD), RECORD)


class Client:
    """A raw connection that can send anything."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS)
        self._file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> "Client":
        for part in parts:
            self.socket.sendall(part)
        return self

    def status(self) -> int:
        """The status of the next answer, whose body is read; 0 when the connection ends."""
        line = self._file.readline()
        if not line:
            return 0
        length = 0
        while (header := self._file.readline().lower()) not in (b"\r\n", b""):
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        self._file.read(length)
        return int(line.split()[1])

    def is_cut_off(self, letter: bytes) -> bool:
        """Send another letter: whether the connection has ended, or an answer has come."""
        try:
            self.socket.sendall(letter)
        except ConnectionError:
            return True
        return bool(select.select([self.socket], [], [], 0.05)[0])

    def status_line(self) -> bytes:
        """The first line of the next answer."""
        return self._file.readline()

    def end(self) -> None:
        self._file.close()
        self.socket.close()

    def ended(self) -> bool:
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers without reading the body."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body"})


async def silence(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and never answers."""
    while (await receive())["type"] == "http.request":
        pass
