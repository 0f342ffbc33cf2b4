"""A real gateway process, real HTTP, and the landing folder that it writes."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

# A gateway starts and answers within a second or two; a busy machine may take much longer. Shorter
# than the gateway's own limit for a request, which must not be what ends a test.
DEADLINE_SECONDS = 60

# Kafka and the sink may take even longer to notice an outage.
WAIT_SECONDS = 180

RECORDS_TYPE = "application/vnd.kafka.json.v2+json"
PIN = "pinterest.pin"

# A gateway's environment, without the caller's settings.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PINTEREST_", "AWS_"))
}


class Gateway:
    """A gateway process that listens at ``url``, and ways to end it."""

    def __init__(self, landing: str, *options: str, **environment: str) -> None:
        # Not a pipe: tests read the log while the gateway runs.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the gateway
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("pinterest"), "gateway", "--port", "0", *options],
            env=ENVIRONMENT | environment | {"PINTEREST_LANDING": landing},
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], DEADLINE_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line.startswith("Gateway listening on http://127.0.0.1:"):
            self.kill()
            raise AssertionError(f"no gateway: {line!r} {self.output()}")
        self.url = line.split()[-1]

    @property
    def pid(self) -> int:
        return self._process.pid

    def post(self, records: list[Any], topic: str = PIN) -> requests.Response:
        return self.post_body(json.dumps({"records": records}), topic)

    def post_body(self, body: Any, topic: str = PIN, **headers: str) -> requests.Response:
        return requests.post(
            f"{self.url}/topics/{topic}",
            data=body,
            headers={"Content-Type": RECORDS_TYPE} | headers,
            timeout=DEADLINE_SECONDS,
        )

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=DEADLINE_SECONDS)

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()

    def log(self) -> str:
        """Stderr so far."""
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), size, 0).decode()

    def output(self) -> tuple[int, str, str]:
        """Exit code, the rest of stdout, and stderr, once the process has ended."""
        stdout, _ = self._process.communicate(timeout=DEADLINE_SECONDS)
        return self._process.returncode, stdout, self.log()

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
            self.output()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def start(landing: Path) -> Iterator[Any]:
    """Start a gateway on this test's landing folder; it ends with the test."""
    with ExitStack() as gateways:

        def start(*options: str) -> Gateway:
            return gateways.enter_context(Gateway(str(landing), *options))

        yield start


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with three partitions, for tests that check only answers."""
    with Gateway(str(tmp_path_factory.mktemp("shared")), "--partitions", "3") as gateway:
        yield gateway


def objects(landing: Path, topic: str = PIN, partition: int = 0) -> dict[int, bytes]:
    """The landing objects of a partition: start offset -> content, in order."""
    folder = landing / "topics" / topic / f"partition={partition}"
    names = sorted(path.name for path in folder.iterdir())
    expected = [f"{topic}+{partition}+{_offset(name):010d}.json" for name in names]
    assert names == expected
    return {_offset(name): (folder / name).read_bytes() for name in names}


def dense_lines(landing: Path, topic: str = PIN, partition: int = 0) -> list[bytes]:
    """The lines of a partition: line k has offset k, and no offset is missing."""
    lines: list[bytes] = []
    for offset, content in objects(landing, topic, partition).items():
        assert offset == len(lines)
        assert content.endswith(b"\n")
        lines += content[:-1].split(b"\n")
    return lines


def landed(landing: Path, topic: str, partition: int = 0) -> list[bytes]:
    """The lines of a partition as from ``dense_lines``; none before the first object."""
    if not (landing / "topics" / topic / f"partition={partition}").exists():
        return []
    return dense_lines(landing, topic, partition)


def transitions(stderr: str) -> list[str]:
    """The level and message of each log line, without reasons and times."""
    messages = re.findall(r"^\S+ \S+ ([A-Z]+ )[\w.]+: (.*)$", stderr, re.MULTILINE)
    return [level + re.split(r": | after \d", text)[0] for level, text in messages]


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not in time"


def _offset(name: str) -> int:
    return int(name.removesuffix(".json").rsplit("+", 1)[-1])
