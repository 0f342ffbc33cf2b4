"""What the gateway takes: requests a second and latencies, to landing objects and to Kafka.

    .venv/bin/python bench/gateway.py --requests 5000

A request is one record. ``ab`` (Debian: apache2-utils) posts it over so many connections; beside it
stands what the emulation itself sends, to a server that answers at once and to the gateway. Prints
a Markdown table. Clients, gateway and broker share the machine.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pinterest_platform_tests.emulator.recording_gateway import RecordingGateway
from pinterest_platform_tests.gateway.conftest import RECORDS_TYPE, Gateway
from pinterest_platform_tests.kafka import kafka
from pinterest_platform_tests.landing import as_json, pin
from pinterest_platform_tests.process import Pinterest

CONNECTIONS = (1, 16, 64)

_RATE = re.compile(r"Requests per second:\s+([\d.]+)")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+(\d+)", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx responses:\s+(\d+)")


@contextmanager
def gateways(folder: Path) -> Iterator[dict[str, str]]:
    """URLs of gateways, by how the table calls them."""
    with ExitStack() as stack:
        (folder / "kafka").mkdir()
        broker = stack.enter_context(kafka(folder / "kafka"))
        to_landing = stack.enter_context(Gateway(str(folder / "landing"), "--partitions", "3"))
        to_kafka = stack.enter_context(
            Gateway(
                str(folder / "none"),
                "--partitions",
                "3",
                PINTEREST_KAFKA_BOOTSTRAP=broker.bootstrap,
            )
        )
        yield {"landing objects": to_landing.url, "Kafka": to_kafka.url}


def posted(url: str, body: Path, requests: int, connections: int) -> str:
    """A row's cell: requests a second, and the latencies that half and 99% stay below."""
    asked = subprocess.run(
        [
            *("ab", "-q", "-k", "-n", str(requests), "-c", str(connections)),
            *("-p", str(body), "-T", RECORDS_TYPE, f"{url}/topics/pinterest.pin"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if _FAILED.search(asked):
        sys.exit(asked)
    rate = float(_RATE.findall(asked)[0])
    half, most = (int(milliseconds) for _, milliseconds in _PERCENTILE.findall(asked))
    return f"{rate:,.0f}/s, {half} and {most} ms"


def emulated(pinterest: Pinterest, url: str, requests: int) -> str:
    """What the emulation sends a second; three requests are a post."""
    posts = requests // 3
    started = time.monotonic()
    done = pinterest("emulate", "batch", "--rate", "0", "--posts", str(posts), "--gateway", url)
    if done.returncode:
        sys.exit(done.stderr)
    return f"{3 * posts / (time.monotonic() - started):,.0f}/s"


def main() -> None:
    """Measure one after the other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=5000)
    requests = arguments.parse_args().requests
    print("|", *(f"| {number} connections" for number in CONNECTIONS), "| the emulation |")
    print("| ---", "| --- " * (len(CONNECTIONS) + 1), "|")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        body = folder / "body"
        body.write_bytes(b'{"records":[{"value":' + as_json(pin(1)) + b"}]}")
        pinterest = Pinterest(folder / "home")
        pinterest("seed-db")
        nobody = RecordingGateway()
        alone = emulated(pinterest, nobody.url, requests)
        nobody.close()
        print("| a server that answers at once |", " | " * len(CONNECTIONS), alone, "|", flush=True)
        with gateways(folder) as found:
            for name, url in found.items():
                cells = [posted(url, body, requests, number) for number in CONNECTIONS]
                cells.append(emulated(pinterest, url, requests))
                print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
