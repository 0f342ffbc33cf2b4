"""A Kinesis with a clock that tests set, for records with any arrival and retention.

Unlike moto's Kinesis, it has arrivals on other days, expired records, and pages without records. It
supports the operations of readers (Amazon Kinesis Data Streams API reference).
"""

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from pinterest_platform_tests.landing import as_json
from pinterest_platform_tests.local_aws import CREDENTIALS

LAST_HASH = 2**128 - 1


@dataclass
class Shard:
    """Records as (sequence number, arrival, data), ascending by number."""

    records: list[tuple[int, datetime, bytes]] = field(default_factory=list)
    closed: bool = False
    hashes: tuple[int, int] = (0, LAST_HASH)


@dataclass
class Stream:
    """A stream; ``empty_pages`` pages precede each page of at most ``page_records``."""

    created_at: datetime
    shards: dict[str, Shard]
    retention: timedelta = timedelta(days=7)
    empty_pages: int = 0
    page_records: int = 10_000

    def put(self, arrived_at: datetime, *values: Any, shard: str = "shard-0") -> None:
        """Add records with an arrival; values other than bytes become JSON."""
        records = self.shards[shard].records
        for value in values:
            data = value if isinstance(value, bytes) else as_json(value)
            number = records[-1][0] + 1 if records else 10**55
            records.append((number, arrived_at, data))


class TurnedKinesis:
    """The streams by name, and the number of requests of each operation."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.requests: Counter[str] = Counter()

    def create(self, name: str, *, shards: int = 1, created_at: datetime | None = None) -> Stream:
        """A stream with shards shard-0, shard-1, ...; by default created thirty days ago."""
        self.streams[name] = Stream(
            created_at or datetime.now(UTC) - timedelta(days=30),
            {f"shard-{number}": Shard() for number in range(shards)},
        )
        return self.streams[name]

    def answer(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """The API's answer; None for a missing stream."""
        self.requests[operation] += 1
        if operation == "GetRecords":
            return self._records(json.loads(parameters["ShardIterator"]), parameters["Limit"])
        if parameters["StreamName"] not in self.streams:
            return None
        stream = self.streams[parameters["StreamName"]]
        if operation == "DescribeStreamSummary":
            return {
                "StreamDescriptionSummary": {
                    "StreamStatus": "ACTIVE",
                    "StreamCreationTimestamp": stream.created_at.timestamp(),
                    "RetentionPeriodHours": stream.retention // timedelta(hours=1),
                }
            }
        if operation == "ListShards":
            return {"Shards": [_described(name, shard) for name, shard in stream.shards.items()]}
        assert operation == "GetShardIterator", operation
        return {"ShardIterator": json.dumps(_where(stream, parameters))}

    def _records(self, iterator: dict[str, Any], limit: int) -> dict[str, Any]:
        stream = self.streams[iterator["stream"]]
        shard = stream.shards[iterator["shard"]]
        kept = [record for record in _kept(stream, shard) if record[0] >= iterator["from"]]
        empty = iterator["empty"] if kept else 0
        page = [] if empty else kept[: min(limit, stream.page_records)]
        rest = kept[len(page) :]
        following = iterator | {
            "from": page[-1][0] + 1 if page else iterator["from"],
            "empty": empty - 1 if empty else stream.empty_pages,
        }
        ended = shard.closed and not rest
        return {
            "Records": [
                {
                    "SequenceNumber": str(number),
                    "ApproximateArrivalTimestamp": arrived_at.timestamp(),
                    "Data": base64.b64encode(data).decode(),
                    "PartitionKey": "any",
                }
                for number, arrived_at, data in page
            ],
            "NextShardIterator": None if ended else json.dumps(following),
            "MillisBehindLatest": 1000 if rest else 0,
        }


def _kept(stream: Stream, shard: Shard) -> list[tuple[int, datetime, bytes]]:
    oldest = datetime.now(UTC) - stream.retention
    return [record for record in shard.records if record[1] >= oldest]


def _described(name: str, shard: Shard) -> dict[str, Any]:
    first, last = shard.hashes
    numbers = {"StartingSequenceNumber": "0"}
    return {
        "ShardId": name,
        "HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": str(last)},
        "SequenceNumberRange": numbers | ({"EndingSequenceNumber": "9"} if shard.closed else {}),
    }


def _where(stream: Stream, parameters: dict[str, Any]) -> dict[str, Any]:
    kept = _kept(stream, stream.shards[parameters["ShardId"]])
    start = 0
    if parameters["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER":
        start = int(parameters["StartingSequenceNumber"]) + 1
    elif parameters["ShardIteratorType"] == "AT_TIMESTAMP":
        at = datetime.fromtimestamp(parameters["Timestamp"], UTC)
        start = next((number for number, arrived_at, _ in kept if arrived_at >= at), 10**60)
    return {
        "stream": parameters["StreamName"],
        "shard": parameters["ShardId"],
        "from": start,
        "empty": stream.empty_pages,
    }


@contextmanager
def turned_kinesis() -> Iterator[tuple[TurnedKinesis, dict[str, str]]]:
    """The Kinesis, and the environment with which boto3 finds it."""
    kinesis = TurnedKinesis()
    handler = type("Answering", (_Answering,), {"kinesis": kinesis})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # Do not wait for clients with open connections.
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield kinesis, CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        finally:
            server.shutdown()
            thread.join()


class _Answering(BaseHTTPRequestHandler):
    kinesis: TurnedKinesis
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        parameters = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].removeprefix("Kinesis_20131202.")
        answer = self.kinesis.answer(operation, parameters)
        content = json.dumps(answer or {"__type": "ResourceNotFoundException"}).encode()
        self.send_response(400 if answer is None else 200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
