"""The engine ``connect``: errors of unusable servers, and the lifetime of sessions."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import urlsplit

import pytest
from pyspark.sql import functions
from pyspark.sql.connect.session import SparkSession as ConnectSession

from local_servers.spark_connect import sail_server
from pinterest_platform.engines import session
from pinterest_platform.engines.connect import connect_session
from pinterest_platform.engines.sail import sail_session
from pinterest_platform.errors import PlatformError

TOKEN = "s3cret-t0ken"

# Ten for a missing answer, the rest for imports on a busy machine.
SOON_SECONDS = 60

# Sail's setting for the seconds after which it ends a session without requests.
PATIENCE = "SAIL_SPARK__SESSION_TIMEOUT_SECS"


# The first bytes of gzip.
GZIP = b"\x1f\x8b\x08\x00"


def refused(remote: str) -> str:
    """The error of an unusable server, which must come soon and not contain the token."""
    started = time.monotonic()
    with pytest.raises(PlatformError) as raised, connect_session(remote):
        pass
    assert time.monotonic() - started < SOON_SECONDS
    assert TOKEN not in str(raised.value)
    assert "PINTEREST_SPARK_REMOTE" in str(raised.value)
    return str(raised.value)


@contextmanager
def listening() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def web_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_address_of_a_missing_server_is_named() -> None:
    with listening() as port:
        pass
    printed = refused(f"sc://me:{TOKEN}@127.0.0.1:{port}/;token={TOKEN}")
    assert f"127.0.0.1:{port}" in printed


def test_a_silent_server_is_an_error() -> None:
    with listening() as port:
        assert "does not answer" in refused(f"sc://127.0.0.1:{port}/;use_ssl=true;token={TOKEN}")


def test_a_web_server_is_an_error() -> None:
    with web_server() as port:
        assert "does not answer" in refused(f"sc://127.0.0.1:{port}")


def test_invalid_parameters_are_not_repeated() -> None:
    with listening() as port:
        assert "/;name=value" in refused(f"sc://127.0.0.1:{port}/;{TOKEN}")


def pump(source: socket.socket, sink: socket.socket, received: bytearray) -> None:
    """Forward data from one side until its end."""
    with suppress(OSError):
        while printed := source.recv(65536):
            received += printed
            sink.sendall(printed)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def recorded(url: str) -> Iterator[tuple[str, bytearray]]:
    """A proxy of a server for one client, and the server's data."""
    received = bytearray()
    server = urlsplit(url)
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client = stack.enter_context(listening.accept()[0])
                    there = stack.enter_context(
                        socket.create_connection((server.hostname, server.port))
                    )
                    for ends in ((client, there, bytearray()), (there, client, received)):
                        threading.Thread(target=pump, args=ends, daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"sc://127.0.0.1:{listening.getsockname()[1]}", received
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_answers_are_not_compressed() -> None:
    """Because gRPC fails to decompress about one in 100,000 answers (see ``engines.session``)."""
    with sail_server() as url, recorded(url) as (way, received):
        with connect_session(way) as session:
            session.conf.get("spark.sql.session.timeZone")
            name = cast(ConnectSession, session).session_id.encode()
        assert name in received
        assert GZIP not in received


def test_a_session_ends_and_the_server_does_not() -> None:
    with sail_server() as url:
        for _ in range(2):
            with connect_session(url) as session:
                assert session.sql("SELECT 1").collect()[0][0] == 1


def as_slow_as(seconds: float) -> Callable[[int], int]:
    """A slow function for a query."""

    def slow(value: int) -> int:
        time.sleep(seconds)  # work that takes longer than the server's timeout
        return value

    return slow


@pytest.mark.parametrize("engine", ["sail", "connect"])
def test_a_query_longer_than_the_servers_timeout_succeeds(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PULSE_SECONDS", 0.2)
    monkeypatch.setenv(PATIENCE, "2")
    with ExitStack() as stack:
        opened = (
            sail_session()
            if engine == "sail"
            else connect_session(stack.enter_context(sail_server()))
        )
        spark = stack.enter_context(opened)
        slow = functions.udf(as_slow_as(5), "long", useArrow=False)
        assert spark.range(1).select(slow("id")).collect()[0][0] == 0
