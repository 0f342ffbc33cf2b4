"""What a request may look like: sizes, order, targets, and the answers to malformed ones."""

import asyncio
import http.client
import json
import socket
import threading
from typing import Any

import pytest

from pinterest_platform.gateway.framing import MAX_HEAD_BYTES, MAX_HEADERS
from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway
from pinterest_platform_tests.gateway.connections.raw_client import (
    HEAD,
    POST,
    RECORD,
    hello,
    silence,
)


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
def test_everything_but_the_body_has_a_limit(shared: Gateway, connect: Any, head: bytes) -> None:
    assert connect(shared.url).send(head).status() == 431


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
        client.send(*(sent[start : start + piece] for start in range(0, len(sent), piece)))

        if before:
            assert client.status() == 200
        assert client.status() == status


@pytest.mark.parametrize(("headers", "status"), [(MAX_HEADERS, 200), (MAX_HEADERS + 1, 431)])
def test_the_number_of_headers_has_a_limit(
    shared: Gateway, connect: Any, headers: int, status: int
) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * (headers - 1)

    assert connect(shared.url).send(head + b"\r\n").status() == status


def test_a_trailer_is_not_a_header(shared: Gateway, connect: Any) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(RECORD), RECORD)

    assert connect(shared.url).send(HEAD + chunks + b"Host: evil.example\r\n\r\n").status() == 200


def test_pipelined_requests_are_answered_in_order(shared: Gateway, connect: Any) -> None:
    missing = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = connect(shared.url).send(POST + missing + POST)

    assert [client.status() for _ in range(3)] == [200, 404, 200]


def test_all_pipelined_requests_are_answered(shared: Gateway, connect: Any) -> None:
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
        client.send(sent[start : start + 777])

    assert [client.status() for _ in range(80)] == [200] * 80


def test_a_pipelined_request_is_read_after_the_answer_before_it(serve: Any, connect: Any) -> None:
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
        client.send(POST * 200_000)
    assert len(taken) == 1

    answering.set()
    client.socket.settimeout(DEADLINE_SECONDS)
    assert [client.status() for _ in range(100)] == [200] * 100


def test_a_malformed_request_is_answered_in_order(shared: Gateway, connect: Any) -> None:
    client = connect(shared.url).send(POST * 20 + b"nonsense\r\n\r\n")

    assert [client.status() for _ in range(21)] == [200] * 20 + [400]
    assert client.ended()


def test_bytes_that_are_not_http_are_a_400(shared: Gateway, connect: Any) -> None:
    assert connect(shared.url).send(b"\x16\x03\x01 hello\r\n\r\n").status() == 400


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

    client.send(*(sent[start : start + piece] for start in range(0, len(sent), piece)))

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
def test_other_request_lines(shared: Gateway, connect: Any, request_line: str, status: int) -> None:
    client = connect(shared.url).send(f"{request_line}\r\n\r\n".encode())

    assert int(client.status_line().split()[1]) == status


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

    assert connect(shared.url).send(request.encode()).status() == status


def test_the_authority_of_a_target_needs_no_host_in_http_1_0_only(
    shared: Gateway, connect: Any
) -> None:
    for target, version, status in (
        ("http://localhost/health", "1.0", 200),
        ("http://evil.example/health", "1.0", 421),
        ("http://localhost/health", "1.1", 400),
    ):
        request = f"GET {target} HTTP/{version}\r\n\r\n"
        assert connect(shared.url).send(request.encode()).status() == status


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
        answer = http.client.HTTPResponse(connect(url).send(sent % path).socket)
        answer.begin()

        assert answer.status == status
        assert sorted(json.loads(answer.read())) == sorted((key, "message"))
