"""Limits of a connection, and rude clients."""

import asyncio
import http.client
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn

from pinterest_platform.gateway.connections import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    Connection,
    Server,
)
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
    """A raw connection that may send anything."""

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

    def end(self) -> None:
        self._file.close()
        self.socket.close()

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
    """Answers without reading the body."""
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


def test_a_malformed_rest_of_a_body_gets_no_second_answer(serve: Any, connect: Any) -> None:
    client = connect(serve(hello)).say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    assert client.status() == 200

    client.say(b"x\r\n")

    assert client.ended()


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


def head_of(size: int) -> bytes:
    head = HEAD + b"Content-Length: %d\r\nX: " % len(RECORD)
    return head + b"a" * (size - len(head) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize("before", [b"", POST], ids=["first", "after another request"])
@pytest.mark.parametrize("piece", [1, 1000, MAX_HEAD_BYTES - 1, MAX_HEAD_BYTES, 1_000_000])
def test_the_limit_of_a_head_is_exact_in_any_segments(
    serve: Any, connect: Any, piece: int, before: bytes
) -> None:
    url = serve(hello)
    for size, status in ((MAX_HEAD_BYTES, 200), (MAX_HEAD_BYTES + 1, 431), (20_000, 431)):
        client = connect(url)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = before + head_of(size) + RECORD
        client.say(*(sent[start : start + piece] for start in range(0, len(sent), piece)))

        if before:
            assert client.status() == 200
        assert client.status() == status


@pytest.mark.parametrize(("headers", "status"), [(MAX_HEADERS, 200), (MAX_HEADERS + 1, 431)])
def test_a_request_has_so_many_headers_and_no_more(
    shared: Gateway, connect: Any, headers: int, status: int
) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * (headers - 1)

    assert connect(shared.url).say(head + b"\r\n").status() == status


def test_a_trailer_is_no_header(shared: Gateway, connect: Any) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(RECORD), RECORD)

    assert connect(shared.url).say(HEAD + chunks + b"Host: evil.example\r\n\r\n").status() == 200


def test_requests_in_a_row_are_answered_in_their_order(shared: Gateway, connect: Any) -> None:
    missing = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = connect(shared.url).say(POST + missing + POST)

    assert [client.status() for _ in range(3)] == [200, 404, 200]


def test_requests_sent_ahead_are_all_answered(shared: Gateway, connect: Any) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for size in (1, 7, len(RECORD)):
        for start in range(0, len(RECORD), size):
            chunk = RECORD[start : start + size]
            chunked += b"%x\r\n%s\r\n" % (len(chunk), chunk)
        chunked += b"0\r\n\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    chunked = chunked.removesuffix(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    sent = (POST * 5 + b"\r\n" + chunked) * 10
    client = connect(shared.url)
    for start in range(0, len(sent), 777):
        client.say(sent[start : start + 777])

    assert [client.status() for _ in range(80)] == [200] * 80


def test_a_request_sent_ahead_is_read_once_the_one_before_is_answered(
    serve: Any, connect: Any
) -> None:
    taken: list[Any] = []
    answering = threading.Event()

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        taken.append(scope)
        while not answering.is_set():
            await asyncio.sleep(0.01)
        await hello(scope, receive, send)

    client = connect(serve(later))
    client.socket.settimeout(0.2)
    # Unread requests fill the socket.
    with pytest.raises(TimeoutError):
        client.say(POST * 200_000)
    assert len(taken) == 1

    answering.set()
    client.socket.settimeout(DEADLINE_SECONDS)
    assert [client.status() for _ in range(100)] == [200] * 100


def test_a_malformed_request_comes_after_the_answers_before_it(
    shared: Gateway, connect: Any
) -> None:
    client = connect(shared.url).say(POST * 20 + b"nonsense\r\n\r\n")

    assert [client.status() for _ in range(21)] == [200] * 20 + [400]
    assert client.ended()


def test_what_is_no_http_is_400(shared: Gateway, connect: Any) -> None:
    assert connect(shared.url).say(b"\x16\x03\x01 hello\r\n\r\n").status() == 400


@pytest.mark.parametrize(
    "offer",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
        b"Connection: upgrade\r\nUPGRADE: websocket\r\nSec-WebSocket-Version: 13\r\n",
        b"upgrade:TLS/1.0, h2c\r\nUpgrade: other\r\nConnection: keep-alive, Upgrade\r\n",
    ],
    ids=["h2c", "websocket", "several"],
)
@pytest.mark.parametrize("piece", [1, 1000])
def test_an_offer_to_upgrade_is_ignored(
    shared: Gateway, connect: Any, offer: bytes, piece: int
) -> None:
    counted = HEAD + offer + b"Content-Length: %d\r\n\r\n%s" % (len(RECORD), RECORD)
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(RECORD), RECORD)
    sent = counted + HEAD + offer + chunks + POST
    client = connect(shared.url)

    client.say(*(sent[start : start + piece] for start in range(0, len(sent), piece)))

    assert [client.status() for _ in range(3)] == [200, 200, 200]


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


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost", "localhost", 404),
        ("http://localhost/health", "evil.example", 200),
        ("HTTP://LOCALHOST:8082/health?x", "evil.example", 200),
        ("http://evil.example/health", "localhost", 421),
        ("http://evil.example", "localhost", 421),
        ("http://evil.example?/health", "localhost", 421),
        ("http://localhost@evil.example/health", "localhost", 421),
        ("http:///health", "localhost", 421),
        ("https://evil.example/health", "localhost", 421),
        ("//evil.example/health", "localhost", 404),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_authority_of_a_target_is_the_host(
    shared: Gateway, connect: Any, target: str, host: str, status: int, version: str
) -> None:
    request = f"GET {target} HTTP/{version}\r\nHost: {host}\r\n\r\n"

    assert connect(shared.url).say(request.encode()).status() == status


def test_the_authority_of_a_target_needs_no_host_in_http_1_0_only(
    shared: Gateway, connect: Any
) -> None:
    for target, version, status in (
        ("http://localhost/health", "1.0", 200),
        ("http://evil.example/health", "1.0", 421),
        ("http://localhost/health", "1.1", 400),
    ):
        request = f"GET {target} HTTP/{version}\r\n\r\n"
        assert connect(shared.url).say(request.encode()).status() == status


MANY_HEADERS = b"X: a\r\n" * 200 + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"PUT %s HTTP/1.1\r\n" + MANY_HEADERS, 431),
        (b"PUT http://localhost%s HTTP/1.1\r\n" + MANY_HEADERS, 431),
        (b"PUT %s HTTP/1.1\r\nHost\r\n\r\n", 400),
        (b"PUT %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
        (b"PUT %s HTTP/1.1\r\n", 408),
    ],
    ids=["headers", "absolute", "head", "body", "time"],
)
def test_a_refusal_has_the_form_of_its_path(
    serve: Any, connect: Any, sent: bytes, status: int
) -> None:
    url = serve(silence, head_seconds=0.1)
    for path, key in ((b"/streams/a/record?b", "__type"), (b"/topics/a", "error_code")):
        answer = http.client.HTTPResponse(connect(url).say(sent % path).socket)
        answer.begin()

        assert answer.status == status
        assert sorted(json.loads(answer.read())) == sorted((key, "message"))


def test_a_surplus_request_is_refused_in_the_form_of_its_path(serve: Any, connect: Any) -> None:
    url = serve(silence, max_connections=1)
    connect(url).say(POST)
    request = b"GET /streams HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = http.client.HTTPResponse(connect(url).say(request).socket)
    answer.begin()

    assert (answer.status, answer.getheader("Retry-After")) == (503, "5")
    assert json.loads(answer.read())["__type"] == "ServiceUnavailableException"


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
LONG = HEAD + b"Content-Length: 5000000\r\n\r\n"

RUDE = {
    "no HTTP": b"\x16\x03\x01\x02\x00",
    "a bad chunk": CHUNKED + b"\r\nx",
    "a bad chunk where 100 Continue is expected": CHUNKED + b"Expect: 100-continue\r\n\r\nx",
    "requests ahead": POST * 20,
    "requests and nonsense": POST * 3 + b"x\r\n\r\n" + POST,
    "large requests ahead": (LONG + b" " * 5_000_000) * 2,
    "half a body": LONG + b" " * 300_000,
    "half a body after others": POST * 3 + LONG + b" " * 300_000,
    "half a head": POST + b"POST /",
    "a long head": b"GET /" + b"a" * 100_000,
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"x" * 1000,
    "a tunnel to a path": b"CONNECT /x HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"x" * 1000,
    "all of the server": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a web socket": HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x00\xff",
}


def test_rude_clients_leave_no_line_in_the_log(start: Any, connect: Any) -> None:
    gateway = start()
    clients = []
    for _ in range(3):
        for sent in RUDE.values():
            for leave in ("reset", "close", "half", "stay"):
                client = connect(gateway.url)
                clients.append(client)
                try:
                    client.say(sent)
                    if leave == "half":
                        client.socket.shutdown(socket.SHUT_WR)
                except ConnectionError:
                    continue
                if leave == "reset":
                    linger = struct.pack("ii", 1, 0)
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if leave != "stay":
                    client.end()
    assert connect(gateway.url).say(POST).status() == 200
    for client in clients:
        client.end()
    gateway.terminate()

    assert gateway.output() == (0, "", "")
