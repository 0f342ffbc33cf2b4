"""Reading a shard to its tip: AWS's quotas, throttling and errors."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pinterest_platform.errors import StreamError
from pinterest_platform.ingest.kinesis import shards
from pinterest_platform.ingest.kinesis.client import Connection
from pinterest_platform.ingest.kinesis.shards import TRIM_HORIZON, Position, Shard, describe, pages
from pinterest_platform_tests.gateway.aws import Aws, Fault, running_aws

STREAM = "streaming-pinterest-pin"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Aws, dict[str, str]]]:
    with running_aws() as found:
        yield found


@pytest.fixture
def aws(running: tuple[Aws, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """Kinesis with one stream of one shard, in the environment."""
    aws, environment = running
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    aws.client.create_stream(StreamName=STREAM, ShardCount=1)
    yield aws
    aws.faults.clear()
    aws.client.delete_stream(StreamName=STREAM)


@pytest.fixture
def kinesis(aws: Aws) -> Connection:
    return Connection("us-east-1")


def put(aws: Aws, *data: bytes) -> None:
    for value in data:
        aws.client.put_record(StreamName=STREAM, Data=value, PartitionKey="any")


def only_shard(kinesis: Connection) -> Shard:
    stream = describe(kinesis, STREAM)
    assert stream
    return stream.shards[0]


def read(kinesis: Connection, start: Position = TRIM_HORIZON, **how: float) -> list[bytes]:
    read = pages(kinesis, STREAM, only_shard(kinesis), start, **how)  # type: ignore[arg-type]
    return [record.data for page in read for record in page.records]


def test_a_shard_is_read_from_a_sequence_number_or_from_its_start(
    aws: Aws, kinesis: Connection
) -> None:
    put(aws, b"a", b"b", b"c")
    page = next(iter(pages(kinesis, STREAM, only_shard(kinesis), TRIM_HORIZON, limit=2)))
    assert page.position
    assert page.behind > timedelta(0)
    assert read(kinesis) == [b"a", b"b", b"c"]
    assert read(kinesis, page.position) == [b"c"]
    assert abs(page.records[0].arrived_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_shard_is_read_five_times_a_second_at_most(aws: Aws, kinesis: Connection) -> None:
    put(aws, *(b"%d" % number for number in range(5)))
    began = time.monotonic()
    assert len(read(kinesis, limit=1)) == 5
    assert time.monotonic() - began >= 4 * shards.READ_SECONDS


def test_a_throttled_read_is_retried(aws: Aws, kinesis: Connection) -> None:
    put(aws, b"a", b"b")
    throttled = Fault.error("GetRecords", "ProvisionedThroughputExceededException")
    aws.faults.extend([throttled] * 3)
    assert read(kinesis) == [b"a", b"b"]
    assert not aws.faults


def test_a_read_fails_if_other_readers_use_the_whole_quota(aws: Aws, kinesis: Connection) -> None:
    throttled = Fault.error("GetRecords", "ProvisionedThroughputExceededException", "Rate exceeded")
    aws.faults.extend([throttled] * 50)
    with pytest.raises(StreamError, match="Rate exceeded"):
        read(kinesis, patience=0.5)


def test_an_expired_iterator_is_renewed_at_its_position(aws: Aws, kinesis: Connection) -> None:
    put(aws, b"a", b"b", b"c")
    reading = pages(kinesis, STREAM, only_shard(kinesis), TRIM_HORIZON, limit=1)
    found = [next(reading)]
    aws.faults.append(Fault.error("GetRecords", "ExpiredIteratorException"))
    found += reading
    assert [record.data for page in found for record in page.records] == [b"a", b"b", b"c"]


def test_an_internal_error_of_kinesis_is_retried(aws: Aws, kinesis: Connection) -> None:
    put(aws, b"a")
    mishap = Fault.error("GetRecords", "InternalFailure", status=500)
    aws.faults.extend([mishap] * 3)
    assert read(kinesis) == [b"a"]


def test_a_refusal_is_not_retried(aws: Aws, kinesis: Connection) -> None:
    aws.faults.append(Fault.error("GetRecords", "AccessDeniedException"))
    before = aws.count("GetRecords")
    with pytest.raises(StreamError, match="AccessDenied"):
        read(kinesis)
    assert aws.count("GetRecords") == before + 1


def test_a_closed_shard_ends_and_its_children_begin(aws: Aws, kinesis: Connection) -> None:
    put(aws, b"a", b"b")
    aws.client.split_shard(
        StreamName=STREAM,
        ShardToSplit=only_shard(kinesis).id,
        NewStartingHashKey=str(2**127),
    )
    put(aws, b"c")
    stream = describe(kinesis, STREAM)
    assert stream
    assert [shard.closed for shard in stream.shards] == [True, False, False]
    *_, last = pages(kinesis, STREAM, stream.shards[0], TRIM_HORIZON)
    assert last.position is None
    found = [
        record.data
        for shard in stream.shards
        for page in pages(kinesis, STREAM, shard, TRIM_HORIZON)
        for record in page.records
    ]
    assert sorted(found) == [b"a", b"b", b"c"]


def test_a_missing_stream_is_none(aws: Aws, kinesis: Connection) -> None:
    assert describe(kinesis, "streaming-other-pin") is None
