"""What a user reads when the server of the engine ``connect`` is not one, and how sessions last."""

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

# Ten for the answer that does not come, and imports on a busy machine.
SOON_SECONDS = 60

# For how many seconds Sail keeps a session of which it hears nothing; a setting of its own.
PATIENCE = "SAIL_SPARK__SESSION_TIMEOUT_SECS"


# How what gzip compressed begins.
GZIP = b"\x1f\x8b\x08\x00"


def refused(remote: str) -> str:
    """What is said of a server that cannot be used; soon, and without its token."""
    started = time.monotonic()
    with pytest.raises(PlatformError) as raised, connect_session(remote):
        pass
    assert time.monotonic() - started < SOON_SECONDS
    assert TOKEN not in str(raised.value)
    assert "PINTEREST_SPARK_REMOTE" in str(raised.value)
    return str(raised.value)


@contextmanager
def listening() -> Iterator[int]:
    """The port of something that takes connections and never says a word."""
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


def test_where_nobody_listens_the_address_is_named() -> None:
    with listening() as port:
        pass
    said = refused(f"sc://me:{TOKEN}@127.0.0.1:{port}/;token={TOKEN}")
    assert f"127.0.0.1:{port}" in said


def test_what_never_answers_is_not_waited_for() -> None:
    with listening() as port:
        assert "does not answer" in refused(f"sc://127.0.0.1:{port}/;use_ssl=true;token={TOKEN}")


def test_a_web_server_is_no_spark_connect_server() -> None:
    with web_server() as port:
        assert "does not answer" in refused(f"sc://127.0.0.1:{port}")


def test_parameters_that_cannot_be_read_are_not_repeated() -> None:
    with listening() as port:
        assert "/;name=value" in refused(f"sc://127.0.0.1:{port}/;{TOKEN}")


def pump(source: socket.socket, sink: socket.socket, heard: bytearray) -> None:
    """Pass on what one side says, until it has said all."""
    with suppress(OSError):
        while said := source.recv(65536):
            heard += said
            sink.sendall(said)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def overheard(url: str) -> Iterator[tuple[str, bytearray]]:
    """A way to a server for one client, and what the server says on it."""
    heard = bytearray()
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
                    for ends in ((client, there, bytearray()), (there, client, heard)):
                        threading.Thread(target=pump, args=ends, daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"sc://127.0.0.1:{listening.getsockname()[1]}", heard
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_answers_are_not_compressed() -> None:
    """Of those that are, one of some hundred thousand cannot be read."""
    with sail_server() as url, overheard(url) as (way, heard):
        with connect_session(way) as session:
            session.conf.get("spark.sql.session.timeZone")
            name = cast(ConnectSession, session).session_id.encode()
        assert name in heard
        assert GZIP not in heard


def test_a_session_ends_and_the_server_does_not() -> None:
    with sail_server() as url:
        for _ in range(2):
            with connect_session(url) as session:
                assert session.sql("SELECT 1").collect()[0][0] == 1


def as_slow_as(seconds: float) -> Callable[[int], int]:
    """A function for a query that is to take some time."""

    def slow(value: int) -> int:
        time.sleep(seconds)  # the work that takes longer than the server waits
        return value

    return slow


@pytest.mark.parametrize("engine", ["sail", "connect"])
def test_a_query_that_outlasts_the_patience_of_the_server_ends_well(
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
