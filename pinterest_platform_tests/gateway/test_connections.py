"""What a client may do to a connection, and when the gateway gives it up."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn

from pinterest_platform.gateway.connections import MAX_HEAD_BYTES, Connection, Server
from pinterest_platform_tests.gateway.conftest import (
    DEADLINE_SECONDS,
    PIN,
    RECORDS_TYPE,
    Gateway,
    wait_until,
)

# More than the gateway keeps, and more than most processes may open.
MANY = 1100

RECORD = b'{"records":[{"value":1}]}'
HEAD = (
    f"POST /topics/{PIN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {RECORDS_TYPE}\r\n".encode()
)
POST = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(RECORD), RECORD)


class Client:
    """A connection that says what it likes."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS)
        self._file = self.socket.makefile("rb")

    def say(self, *parts: bytes) -> "Client":
        for part in parts:
            self.socket.sendall(part)
        return self

    def status(self) -> int:
        """The next answer's status, once its body was read; 0 when the connection ends."""
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
        """Whether the connection ended, or an answer came; else one letter more was sent."""
        try:
            self.socket.sendall(letter)
        except ConnectionError:
            return True
        return bool(select.select([self.socket], [], [], 0.05)[0])

    def ended(self) -> bool:
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True


@pytest.fixture
def connect() -> Iterator[Callable[[str], Client]]:
    with ExitStack() as sockets:

        def connect(url: str) -> Client:
            client = Client(url)
            sockets.enter_context(client.socket)
            return client

        yield connect


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve an app on connections of these limits; gives the URL."""
    with ExitStack() as servers:

        def serve(app: Any, **limits: Any) -> str:
            limited = type("Limited", (Connection,), limits)
            listening = socket.create_server(("127.0.0.1", 0))
            server = Server(uvicorn.Config(app, http=limited, ws="none", lifespan="off"))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()

            def end() -> None:
                server.force_exit = server.should_exit = True
                thread.join()

            servers.callback(end)
            return f"http://127.0.0.1:{listening.getsockname()[1]}"

        yield serve


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body"})


async def silence(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and never answers."""
    while (await receive())["type"] == "http.request":
        pass


@pytest.mark.parametrize("part", [b"", POST[:20], HEAD + b"Content-Length: 100\r\n\r\n{"])
def test_clients_that_keep_the_gateway_waiting_keep_nobody_else_out(
    shared: Gateway, connect: Any, part: bytes
) -> None:
    for _ in range(MANY):
        connect(shared.url).say(part)

    started = time.monotonic()
    assert connect(shared.url).say(POST).status() == 200
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("part", "status"), [(b"", 0), (b"\r\n", 408), (b"POST /", 408), (HEAD, 408)]
)
def test_a_head_that_does_not_arrive_ends_the_connection(
    serve: Any, connect: Any, part: bytes, status: int
) -> None:
    client = connect(serve(hello, head_seconds=0.1)).say(part)

    assert client.status() == status
    assert client.ended()


def test_a_head_that_comes_letter_by_letter_ends_the_connection(serve: Any, connect: Any) -> None:
    client = connect(serve(hello, head_seconds=0.1)).say(b"GET /")

    wait_until(lambda: client.is_cut_off(b"a"))


def test_the_second_request_of_a_connection_has_the_same_time(serve: Any, connect: Any) -> None:
    client = connect(serve(hello, head_seconds=0.1)).say(POST)
    assert client.status() == 200

    client.say(b"GET / HT")

    assert client.status() == 408


def test_the_rest_of_a_body_that_was_answered_is_not_waited_for(serve: Any, connect: Any) -> None:
    client = connect(serve(hello)).say(HEAD + b"Content-Length: 100000\r\n\r\n{")
    assert client.status() == 200

    wait_until(lambda: client.is_cut_off(b" "))


def test_a_request_that_is_never_answered_ends(serve: Any, connect: Any) -> None:
    client = connect(serve(silence, request_seconds=0.1)).say(POST)

    assert client.ended()


def test_while_all_requests_are_worked_on_others_are_503(serve: Any, connect: Any) -> None:
    url = serve(silence, max_connections=2)
    for _ in range(2):
        connect(url).say(POST)

    client = connect(url).say(POST)

    answer = client.socket.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 5\r\n" in answer
    assert b'"error_code":50302' in answer
    assert client.say(POST).status() == 503


def test_a_connection_that_was_too_many_is_one_of_the_others_later(
    serve: Any, connect: Any
) -> None:
    url = serve(silence, max_connections=1)
    working = connect(url).say(POST)
    surplus = connect(url)
    assert surplus.say(POST).status() == 503

    working.socket.shutdown(socket.SHUT_RDWR)
    surplus.socket.settimeout(0.5)

    # Taken up, so not answered by this app.
    def is_taken_up() -> bool:
        try:
            return surplus.say(POST).status() != 503
        except TimeoutError:
            return True

    wait_until(is_taken_up)


def test_a_body_that_the_app_does_not_ask_for_is_not_given_up(serve: Any, connect: Any) -> None:
    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(DEADLINE_SECONDS)

    url = serve(deaf, max_connections=1)
    uploading = connect(url).say(HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 100_000)
    wait_until(lambda: connect(url).say(POST).status() == 503)

    assert not uploading.is_cut_off(b" ")


def test_a_connection_that_waits_for_us_is_not_the_one_to_make_room(
    serve: Any, connect: Any
) -> None:
    answering = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        loops.append(asyncio.get_running_loop())
        await answering.wait()
        await hello(scope, receive, send)

    url = serve(later, max_connections=2)
    working = connect(url).say(POST)
    wait_until(lambda: loops)
    idle = connect(url).say(b"GET")
    third = connect(url).say(POST)
    wait_until(lambda: len(loops) == 2)
    loops[0].call_soon_threadsafe(answering.set)

    assert (working.status(), third.status(), idle.status()) == (200, 200, 503)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n" % (b"a" * 50_000_000),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (b"X: a\r\n" * 500_000),
        b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 100_000),
        b"\r\n" * 50_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX: " + b"a" * 1_000_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 1_000_000,
    ],
    ids=["a header", "many headers", "a path", "blank lines", "a trailer", "a chunk's extension"],
)
def test_what_is_not_a_body_has_a_limit(shared: Gateway, connect: Any, head: bytes) -> None:
    assert connect(shared.url).say(head).status() == 431


def test_a_head_up_to_the_limit_is_taken(shared: Gateway, connect: Any) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "
    filled = head + b"a" * (MAX_HEAD_BYTES - len(head) - 4) + b"\r\n\r\n"

    assert connect(shared.url).say(filled, filled).status() == 200


def test_a_trailer_is_no_header(shared: Gateway, connect: Any) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(RECORD), RECORD)

    assert connect(shared.url).say(HEAD + chunks + b"Host: evil.example\r\n\r\n").status() == 200


def test_requests_in_a_row_are_answered_in_their_order(shared: Gateway, connect: Any) -> None:
    missing = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = connect(shared.url).say(POST + missing + POST)

    assert [client.status() for _ in range(3)] == [200, 404, 200]


def test_too_many_requests_in_a_row_end_the_connection(serve: Any, connect: Any) -> None:
    assert connect(serve(silence)).say(POST * 1000).ended()


def test_what_is_no_http_is_400(shared: Gateway, connect: Any) -> None:
    assert connect(shared.url).say(b"\x16\x03\x01 hello\r\n\r\n").status() == 400


def test_an_upgrade_is_answered_as_plain_http(shared: Gateway, connect: Any) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nHost: localhost\r\n\r\n"
    client = connect(shared.url).say(b"GET /health HTTP/1.1\r\n" + upgrade)

    assert client.status() == 200
    assert client.ended()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /health HTTP/1.0", 200),
        ("HEAD /health HTTP/1.0", 200),
        ("OPTIONS /topics HTTP/1.1\r\nHost: localhost\r\nConnection: close", 405),
        ("BREW /topics HTTP/1.1\r\nHost: localhost", 400),
        ("GET http://localhost/health HTTP/1.1\r\nHost: localhost", 200),
    ],
)
def test_other_ways_to_ask(shared: Gateway, connect: Any, request_line: str, status: int) -> None:
    client = connect(shared.url).say(f"{request_line}\r\n\r\n".encode())

    assert int(client._file.readline().split()[1]) == status
