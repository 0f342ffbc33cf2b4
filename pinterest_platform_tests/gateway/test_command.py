"""The gateway's process: start, end and log."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pinterest_platform_tests.gateway.conftest import (
    DEADLINE_SECONDS,
    ENVIRONMENT,
    PIN,
    RECORDS_TYPE,
    Gateway,
    dense_lines,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start: Any, number: signal.Signals) -> None:
    gateway = start()
    gateway.post([{"value": 1}])

    gateway.terminate(number)

    assert gateway.output() == (0, "", "")


def test_requests_under_way_are_answered_before_it_ends(start: Any, landing: Path) -> None:
    gateway: Gateway = start()
    host, port = gateway.url.removeprefix("http://").split(":")
    body = json.dumps({"records": [{"value": "late"}]}).encode()
    with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as client:
        client.sendall(
            f"POST /topics/{PIN} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {RECORDS_TYPE}\r\n"
            f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        # The gateway has asked for the body, so the request is under way when the signal comes.
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        gateway.terminate()
        client.sendall(body)
        answer = client.makefile("rb").readline()

    assert answer.startswith(b"HTTP/1.1 200")
    assert gateway.output() == (0, "", "")
    assert dense_lines(landing) == [b'"late"']


def test_a_client_that_disconnects_leaves_no_trace(start: Any, landing: Path) -> None:
    gateway: Gateway = start()
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as client:
        client.sendall(
            f"POST /topics/{PIN} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {RECORDS_TYPE}\r\n"
            f"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n".encode()
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        client.sendall(b'{"records":[{"value":1}]}')

    assert gateway.post([{"value": 2}]).status_code == 200
    gateway.terminate()
    assert gateway.output() == (0, "", "")
    assert dense_lines(landing) == [b"2"]


def run_gateway(*options: str, **environment: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [Path(sys.executable).with_name("pinterest"), "gateway", *options],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_port_in_use_is_one_line(landing: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, stdout, stderr = run_gateway("--port", port, PINTEREST_LANDING=str(landing))

    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"Error: port {port} of 127.0.0.1 is in use: ")
    assert stderr.count("\n") == 1


def test_a_landing_place_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    code, stdout, stderr = run_gateway(PINTEREST_LANDING=str(tmp_path / "file"))

    assert (code, stdout, stderr.count("\n")) == (1, "", 1)
    assert "set PINTEREST_LANDING" in stderr
