"""Raw clients, and servers with an app and limits of a test's own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn

from pinterest_platform.gateway.connections import Connection, Server
from pinterest_platform_tests.gateway.connections.raw_client import Client


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
    """Serve an app on connections with these limits; returns the URL."""
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
