"""Measures the gateway: requests a second and latencies, with landing objects and with Kafka.

    .venv/bin/python bench/gateway.py --requests 5000

Each request has one record. ``ab`` (Debian: apache2-utils) posts over several connections; the
emulation posts to the gateway and, for comparison, to a server that only acknowledges. Prints a
Markdown table. Clients, gateway and broker share the machine.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from typing_extensions import override

sys.path.insert(0, str(Path(__file__).parents[1]))

from local_servers.kafka import kafka
from pinterest_platform.emulator.sample import sample
from pinterest_platform.processes import Process, running

CONNECTIONS = (1, 16, 64)

RECORDS_TYPE = "application/vnd.kafka.json.v2+json"

_RATE = re.compile(r"Requests per second:\s+([\d.]+)")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+(\d+)", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx responses:\s+(\d+)")


@contextmanager
def gateways(folder: Path) -> Iterator[dict[str, str]]:
    """URLs of gateways, by their names in the table."""
    with ExitStack() as stack:
        (folder / "kafka").mkdir()
        broker = stack.enter_context(kafka(folder / "kafka"))
        to_landing = stack.enter_context(gateway(PINTEREST_LANDING=str(folder / "landing")))
        to_kafka = stack.enter_context(gateway(PINTEREST_KAFKA_BOOTSTRAP=broker.bootstrap))
        yield {"landing objects": to_landing.url(), "Kafka": to_kafka.url()}


def gateway(**settings: str) -> AbstractContextManager[Process]:
    """A gateway with three partitions, which ends with the block."""
    command = ("pinterest_platform", "gateway", "--port", "0", "--partitions", "3")
    return running("The gateway", *command, environment=os.environ | settings)


@contextmanager
def answering_at_once() -> Iterator[str]:
    """The URL of a server that acknowledges every request without parsing it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Acknowledging) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Acknowledging(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(b"[]")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b'{"offsets":[{"partition":0,"offset":0}]}')

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing between the rows."""


def posted(url: str, body: Path, requests: int, connections: int) -> str:
    """A cell of a row: requests a second, and the median and 99th percentile of the latencies."""
    printed = subprocess.run(
        [
            *("ab", "-q", "-k", "-n", str(requests), "-c", str(connections)),
            *("-p", str(body), "-T", RECORDS_TYPE, f"{url}/topics/pinterest.pin"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if _FAILED.search(printed):
        sys.exit(printed)
    rate = float(_RATE.findall(printed)[0])
    half, most = (int(milliseconds) for _, milliseconds in _PERCENTILE.findall(printed))
    return f"{rate:,.0f}/s, {half} and {most} ms"


def pinterest(home: Path, *arguments: str) -> None:
    """Run a command in a home."""
    subprocess.run(
        [sys.executable, "-m", "pinterest_platform", *arguments],
        env=os.environ | {"PINTEREST_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def emulated(home: Path, url: str, requests: int) -> str:
    """Requests that the emulation sends a second; a post is three requests."""
    posts = requests // 3
    started = time.monotonic()
    pinterest(home, "emulate", "batch", "--rate", "0", "--posts", str(posts), "--gateway", url)
    return f"{3 * posts / (time.monotonic() - started):,.0f}/s"


def main() -> None:
    """Measure the gateways one after the other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=5000)
    requests = arguments.parse_args().requests
    print("|", *(f"| {number} connections" for number in CONNECTIONS), "| the emulation |")
    print("| ---", "| --- " * (len(CONNECTIONS) + 1), "|")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        body = folder / "body"
        pin = next(iter(sample(1, 100)))["pin"]
        body.write_text(json.dumps({"records": [{"value": pin}]}, ensure_ascii=False))
        pinterest(folder, "seed-db")
        with answering_at_once() as url:
            alone = emulated(folder, url, requests)
        print("| a server that answers at once |", " | " * len(CONNECTIONS), alone, "|", flush=True)
        with gateways(folder) as found:
            for name, url in found.items():
                cells = [posted(url, body, requests, number) for number in CONNECTIONS]
                cells.append(emulated(folder, url, requests))
                print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
