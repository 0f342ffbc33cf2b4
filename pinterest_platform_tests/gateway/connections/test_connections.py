"""Deadlines and the number of connections, and rude clients."""

import asyncio
import http.client
import json
import socket
import struct
import time
from typing import Any

import pytest

from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway, wait_until
from pinterest_platform_tests.gateway.connections.raw_client import HEAD, POST, hello, silence

# More than the gateway keeps, and more than most processes may open.
MANY = 1100


@pytest.mark.parametrize("part", [b"", POST[:20], HEAD + b"Content-Length: 100\r\n\r\n{"])
def test_slow_clients_do_not_keep_others_out(shared: Gateway, connect: Any, part: bytes) -> None:
    for _ in range(MANY):
        connect(shared.url).send(part)

    started = time.monotonic()
    assert connect(shared.url).send(POST).status() == 200
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("part", "status"), [(b"", 0), (b"\r\n", 408), (b"POST /", 408), (HEAD, 408)]
)
def test_a_head_that_does_not_arrive_ends_the_connection(
    serve: Any, connect: Any, part: bytes, status: int
) -> None:
    client = connect(serve(hello, head_seconds=0.1)).send(part)

    assert client.status() == status
    assert client.ended()


def test_a_head_sent_letter_by_letter_ends_the_connection(serve: Any, connect: Any) -> None:
    client = connect(serve(hello, head_seconds=0.1)).send(b"GET /")

    wait_until(lambda: client.is_cut_off(b"a"))


def test_the_second_request_of_a_connection_has_the_same_time(serve: Any, connect: Any) -> None:
    client = connect(serve(hello, head_seconds=0.1)).send(POST)
    assert client.status() == 200

    client.send(b"GET / HT")

    assert client.status() == 408


def test_the_rest_of_an_answered_body_is_not_awaited(serve: Any, connect: Any) -> None:
    client = connect(serve(hello)).send(HEAD + b"Content-Length: 100000\r\n\r\n{")
    assert client.status() == 200

    wait_until(lambda: client.is_cut_off(b" "))


def test_a_malformed_rest_of_an_answered_body_gets_no_second_answer(
    serve: Any, connect: Any
) -> None:
    client = connect(serve(hello)).send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    assert client.status() == 200

    client.send(b"x\r\n")

    assert client.ended()


def test_a_request_that_is_never_answered_ends(serve: Any, connect: Any) -> None:
    client = connect(serve(silence, request_seconds=0.1)).send(POST)

    assert client.ended()


def test_a_request_beyond_the_limit_is_a_503_while_all_others_are_busy(
    serve: Any, connect: Any
) -> None:
    url = serve(silence, max_connections=2)
    for _ in range(2):
        connect(url).send(POST)

    client = connect(url).send(POST)

    answer = client.socket.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 5\r\n" in answer
    assert b'"error_code":50302' in answer
    assert client.send(POST).status() == 503


def test_a_surplus_connection_is_served_once_there_is_room(serve: Any, connect: Any) -> None:
    url = serve(silence, max_connections=1)
    working = connect(url).send(POST)
    surplus = connect(url)
    assert surplus.send(POST).status() == 503

    working.socket.shutdown(socket.SHUT_RDWR)
    surplus.socket.settimeout(0.5)

    # Served, so not answered by this app.
    def is_served() -> bool:
        try:
            return bool(surplus.send(POST).status() != 503)
        except TimeoutError:
            return True

    wait_until(is_served)


def test_a_connection_that_waits_for_the_app_is_kept(serve: Any, connect: Any) -> None:
    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(DEADLINE_SECONDS)

    url = serve(deaf, max_connections=1)
    uploading = connect(url).send(HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 100_000)
    wait_until(lambda: connect(url).send(POST).status() == 503)

    assert not uploading.is_cut_off(b" ")


def test_a_client_that_waits_for_an_answer_is_not_closed_to_make_room(
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
    working = connect(url).send(POST)
    wait_until(lambda: loops)
    idle = connect(url).send(b"GET")
    third = connect(url).send(POST)
    wait_until(lambda: len(loops) == 2)
    loops[0].call_soon_threadsafe(answering.set)

    assert (working.status(), third.status(), idle.status()) == (200, 200, 503)


def test_a_surplus_request_is_refused_in_the_form_of_its_path(serve: Any, connect: Any) -> None:
    url = serve(silence, max_connections=1)
    connect(url).send(POST)
    request = b"GET /streams HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = http.client.HTTPResponse(connect(url).send(request).socket)
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
                    client.send(sent)
                    if leave == "half":
                        client.socket.shutdown(socket.SHUT_WR)
                except ConnectionError:
                    continue
                if leave == "reset":
                    linger = struct.pack("ii", 1, 0)
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if leave != "stay":
                    client.end()
    assert connect(gateway.url).send(POST).status() == 200
    for client in clients:
        client.end()
    gateway.terminate()

    assert gateway.output() == (0, "", "")
