"""The local AWS through boto3: it behaves like Kinesis where moto does not."""

import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import requests

from pinterest_platform import local_aws
from pinterest_platform.environment import replaced
from pinterest_platform_tests.local_aws import client, running_moto

DEADLINE_SECONDS = 30
NAMES = (f"stream-{number}" for number in itertools.count())
LAST_HASH = 2**128 - 1
MIDDLE = 2**127

FIRST, SECOND, THIRD, FOURTH = (f"shardId-{number:012}" for number in range(4))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_moto() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def kinesis(endpoint: str) -> Any:
    return client("kinesis", endpoint)


def stream_of(kinesis: Any, shards: int) -> str:
    name = next(NAMES)
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    return name


def put(kinesis: Any, stream: str, data: bytes = b"data", key: int = 0) -> tuple[str, int]:
    """Put a record at a hash key; returns its shard and sequence number."""
    answer = kinesis.put_record(
        StreamName=stream, Data=data, PartitionKey="any", ExplicitHashKey=str(key)
    )
    return answer["ShardId"], int(answer["SequenceNumber"])


def put_many(kinesis: Any, stream: str, number: int) -> None:
    for start in range(0, number, 500):
        kinesis.put_records(
            StreamName=stream,
            Records=[
                {"Data": b"data", "PartitionKey": f"{start + place}"}
                for place in range(min(500, number - start))
            ],
        )


def iterator(kinesis: Any, stream: str, shard: str, kind: str = "TRIM_HORIZON", **at: Any) -> str:
    found: str = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType=kind, **at
    )["ShardIterator"]
    return found


def read(kinesis: Any, stream: str, shard: str) -> list[dict[str, Any]]:
    """The records of a shard from its start to its tip or end."""
    records: list[dict[str, Any]] = []
    place = iterator(kinesis, stream, shard)
    while True:
        page = kinesis.get_records(ShardIterator=place)
        records += page["Records"]
        if not page["MillisBehindLatest"]:
            return records
        place = page["NextShardIterator"]


def test_concurrent_records_are_all_kept_with_distinct_numbers(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: put_many(kinesis, stream, 500), range(16)))
    numbers = [int(record["SequenceNumber"]) for record in read(kinesis, stream, FIRST)]
    assert numbers == list(range(1, 8_001))


def test_a_connection_serves_many_requests(endpoint: str) -> None:
    with requests.Session() as session:
        answers = [
            session.get(f"{endpoint}/no-bucket-{number}/key", stream=True, timeout=DEADLINE_SECONDS)
            for number in range(2)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert all(answer.headers.get("Connection") != "close" for answer in answers)
        assert all(answer.content for answer in answers)


def test_a_split_keeps_the_records_in_the_parent_and_puts_new_ones_into_the_children(
    kinesis: Any,
) -> None:
    stream = stream_of(kinesis, 1)
    put(kinesis, stream, b"low", 0)
    put(kinesis, stream, b"high", LAST_HASH)
    before = read(kinesis, stream, FIRST)

    kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey=str(MIDDLE))

    after = read(kinesis, stream, FIRST)
    assert [record["Data"] for record in after] == [b"low", b"high"]
    for was, now in zip(before, after, strict=True):
        assert was["SequenceNumber"] == now["SequenceNumber"]
        assert was["ApproximateArrivalTimestamp"] == now["ApproximateArrivalTimestamp"]
    assert (read(kinesis, stream, SECOND), read(kinesis, stream, THIRD)) == ([], [])
    # The last key of the first child, too.
    keys = (0, MIDDLE - 1, MIDDLE, LAST_HASH)
    assert [put(kinesis, stream, key=key)[0] for key in keys] == [SECOND, SECOND, THIRD, THIRD]
    shards = kinesis.list_shards(StreamName=stream)["Shards"]
    assert [shard.get("ParentShardId") for shard in shards] == [None, FIRST, FIRST]
    ends = [shard["SequenceNumberRange"].get("EndingSequenceNumber") for shard in shards]
    assert ends == ["2", None, None]


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_a_merge_keeps_the_records_in_the_parents_and_puts_new_ones_into_the_child(
    kinesis: Any, order: tuple[str, str]
) -> None:
    stream = stream_of(kinesis, 2)
    put(kinesis, stream, b"low", 0)
    put(kinesis, stream, b"high", LAST_HASH)

    kinesis.merge_shards(StreamName=stream, ShardToMerge=order[0], AdjacentShardToMerge=order[1])

    assert [record["Data"] for record in read(kinesis, stream, FIRST)] == [b"low"]
    assert [record["Data"] for record in read(kinesis, stream, SECOND)] == [b"high"]
    assert read(kinesis, stream, THIRD) == []
    assert {put(kinesis, stream, key=key)[0] for key in (0, MIDDLE, LAST_HASH)} == {THIRD}
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 1


def test_a_closed_shard_is_not_merged_again(kinesis: Any) -> None:
    stream = stream_of(kinesis, 2)
    kinesis.merge_shards(StreamName=stream, ShardToMerge=FIRST, AdjacentShardToMerge=SECOND)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.merge_shards(StreamName=stream, ShardToMerge=FIRST, AdjacentShardToMerge=SECOND)


def test_a_closed_shard_has_an_end_and_an_open_one_has_none(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)
    for _ in range(3):
        put(kinesis, stream)
    kinesis.split_shard(StreamName=stream, ShardToSplit=FIRST, NewStartingHashKey=str(MIDDLE))

    page = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST), Limit=2)
    assert (len(page["Records"]), "NextShardIterator" in page) == (2, True)
    page = kinesis.get_records(ShardIterator=page["NextShardIterator"], Limit=2)
    assert (len(page["Records"]), "NextShardIterator" in page) == (1, False)
    page = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST, "LATEST"))
    assert (page["Records"], "NextShardIterator" in page) == ([], False)
    page = kinesis.get_records(ShardIterator=iterator(kinesis, stream, SECOND))
    assert (page["Records"], "NextShardIterator" in page) == ([], True)


def test_a_page_has_ten_thousand_records_and_only_the_last_is_at_the_tip(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)
    put_many(kinesis, stream, 20_001)
    place = iterator(kinesis, stream, FIRST)
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["Records"]:
        pages.append(kinesis.get_records(ShardIterator=place))
        place = pages[-1]["NextShardIterator"]
    assert [len(page["Records"]) for page in pages] == [10_000, 10_000, 1, 0]
    assert [page["MillisBehindLatest"] > 0 for page in pages] == [True, True, False, False]
    numbers = [int(record["SequenceNumber"]) for page in pages for record in page["Records"]]
    assert numbers == list(range(1, 20_002))


def test_a_page_has_ten_megabytes(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)
    for _ in range(11):
        put(kinesis, stream, bytes(1024 * 1024 - 3))
    page = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST))
    assert len(page["Records"]) == 10
    page = kinesis.get_records(ShardIterator=page["NextShardIterator"])
    assert (len(page["Records"]), page["MillisBehindLatest"]) == (1, 0)


def test_a_full_page_that_reaches_the_tip_is_not_behind(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)
    for _ in range(2):
        put(kinesis, stream)
    for limit, behind in ((1, True), (2, False)):
        page = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST), Limit=limit)
        assert (page["MillisBehindLatest"] > 0) is behind


def test_reading_the_tip_of_a_long_shard_does_not_scan_it(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)

    def quickest() -> float:
        place = iterator(kinesis, stream, FIRST, "LATEST")
        times = []
        for _ in range(20):
            started = time.monotonic()
            assert kinesis.get_records(ShardIterator=place)["Records"] == []
            times.append(time.monotonic() - started)
        return min(times)

    empty = quickest()
    put_many(kinesis, stream, 50_000)
    # moto takes more than twice as long.
    assert quickest() < 1.7 * empty


def test_reading_starts_at_the_requested_position(kinesis: Any) -> None:
    stream = stream_of(kinesis, 1)
    for number in (b"1", b"2", b"3"):
        put(kinesis, stream, number)

    def data(kind: str, **at: Any) -> list[bytes]:
        page = kinesis.get_records(ShardIterator=iterator(kinesis, stream, FIRST, kind, **at))
        return [record["Data"] for record in page["Records"]]

    assert data("AT_SEQUENCE_NUMBER", StartingSequenceNumber="2") == [b"2", b"3"]
    assert data("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber="2") == [b"3"]
    assert data("LATEST") == []
    now = datetime.now(UTC)
    assert data("AT_TIMESTAMP", Timestamp=now - timedelta(minutes=1)) == [b"1", b"2", b"3"]
    assert data("AT_TIMESTAMP", Timestamp=now + timedelta(minutes=1)) == []


def test_it_replaces_the_users_own_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "mine")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with local_aws.running() as aws:
        with replaced(aws.instead_of_aws(os.environ)):
            local_aws.create_streams(["a", "b"], 2)
            names = boto3.client("kinesis", region_name="us-east-1").list_streams()["StreamNames"]
        assert names == ["a", "b"]
        assert os.environ["AWS_PROFILE"] == "mine"
        # Requests leave no line.
        assert aws.process.output().count("\n") == 1
