"""Kinesis for the tests: the local AWS behind a server that can answer with AWS's errors."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from typing_extensions import override

from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS
from pinterest_platform_tests.local_aws import client, running_moto

SECRET = "swordfish"  # a credential that no message may contain
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}


@dataclass(frozen=True)
class Fault:
    """An answer to an operation, which is then not passed on."""

    operation: str
    status: int
    body: bytes

    @classmethod
    def error(cls, operation: str, code: str, message: str = "why", status: int = 400) -> "Fault":
        """An error of AWS."""
        return cls(operation, status, json.dumps({"__type": code, "message": message}).encode())


class Aws:
    """Each of ``faults`` answers one operation; others are passed on once ``answering`` is set.

    ``calls`` are the operations and their parameters, in order.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults: deque[Fault] = deque()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answering = threading.Event()
        self.answering.set()
        self._changed = threading.Condition()
        self.client = client("kinesis", upstream)

    def take(self, operation: str, body: bytes) -> Fault | None:
        with self._changed:
            self.calls.append((operation, json.loads(body)))
            self._changed.notify_all()
            if self.faults and self.faults[0].operation == operation:
                return self.faults.popleft()
        self.answering.wait(DEADLINE_SECONDS)
        return None

    def count(self, operation: str) -> int:
        return sum(called == operation for called, _ in self.calls)

    def wait_for(self, operation: str, number: int) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        with self._changed:
            while self.count(operation) < number:
                assert self._changed.wait(end - time.monotonic()), f"too few {operation} in time"

    def records(self, stream: str) -> list[dict[str, Any]]:
        """All records of a stream, shard by shard, with their ShardId."""
        found: list[dict[str, Any]] = []
        description = self.client.describe_stream(StreamName=stream)["StreamDescription"]
        for shard in description["Shards"]:
            iterator = self.client.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            answer = self.client.get_records(ShardIterator=iterator)
            assert not answer["MillisBehindLatest"]
            found += [record | {"ShardId": shard["ShardId"]} for record in answer["Records"]]
        return found

    def data(self, stream: str) -> list[bytes]:
        return [record["Data"] for record in self.records(stream)]


@contextmanager
def running_aws() -> Iterator[tuple[Aws, dict[str, str]]]:
    """Kinesis, and the environment with which the gateway finds it."""
    with running_moto() as upstream:
        aws = Aws(upstream)
        handler = type("Between", (_Between,), {"aws": aws})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as between:
            thread = threading.Thread(target=between.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            endpoint = f"http://127.0.0.1:{between.server_port}"
            try:
                yield aws, CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION}
            finally:
                between.shutdown()
                thread.join()


class _Between(BaseHTTPRequestHandler):
    aws: Aws
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].removeprefix("Kinesis_20131202.")
        fault = self.aws.take(operation, body)
        if fault:
            status, content = fault.status, fault.body
        else:
            answer = requests.post(
                self.aws.upstream,
                data=body,
                headers=dict(self.headers),
                timeout=DEADLINE_SECONDS,
            )
            status, content = answer.status_code, answer.content
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
