"""What a user reads when the server of the engine ``connect`` is not one."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pinterest_platform.engines.connect import connect_session
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.spark_connect import sail_server

TOKEN = "s3cret-t0ken"

# Ten for the answer that does not come, and imports on a busy machine.
SOON_SECONDS = 60


def refused(remote: str) -> str:
    """What is said of a server that cannot be used; soon, and without its token."""
    started = time.monotonic()
    with pytest.raises(PlatformError) as raised, connect_session(remote, "lake"):
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


def test_a_session_ends_and_the_server_does_not() -> None:
    with sail_server() as url:
        for _ in range(2):
            with connect_session(url, "lake") as session:
                assert session.sql("SELECT 1").collect()[0][0] == 1
