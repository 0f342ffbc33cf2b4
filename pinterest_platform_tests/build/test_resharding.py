"""Many shards and records, resharded midway and ingested in several runs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import functions as F

from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables import raw
from pinterest_platform_tests.build.conftest import Platform, failed
from pinterest_platform_tests.landing import as_json, pin
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto

SHARDS = 8
RECORDS = 20_000  # a stream


def put(kinesis: Any, stream: str, numbers: range) -> None:
    for some in (numbers[first : first + 500] for first in range(0, len(numbers), 500)):
        answer = kinesis.put_records(
            StreamName=stream,
            Records=[
                {"Data": as_json(pin(number)), "PartitionKey": str(number)} for number in some
            ],
        )
        assert answer["FailedRecordCount"] == 0


def reshard(kinesis: Any, stream: str) -> None:
    """Split the first three open shards and merge the last two."""
    description = kinesis.describe_stream(StreamName=stream)["StreamDescription"]
    open_shards = [
        shard
        for shard in description["Shards"]
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    ]
    for shard in open_shards[:3]:
        first, last = map(int, shard["HashKeyRange"].values())
        half = str((first + last) // 2)
        kinesis.split_shard(
            StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=half
        )
    left, right = open_shards[-2:]
    kinesis.merge_shards(
        StreamName=stream, ShardToMerge=left["ShardId"], AdjacentShardToMerge=right["ShardId"]
    )


def test_sixty_thousand_records_of_resharded_streams_are_raw_rows_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = list(platform.places.streams.values())
    tables = [table.full_name for table in raw.STREAM.values()]
    with running_moto() as endpoint, ThreadPoolExecutor(len(streams)) as threads:
        for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}).items():
            monkeypatch.setenv(name, value)
        platform.places = replace(platform.places, region=CREDENTIALS["AWS_REGION"])
        kinesis = client("kinesis", endpoint)
        for stream in streams:
            kinesis.create_stream(StreamName=stream, ShardCount=SHARDS)

        def put_all(*numbers: int) -> None:
            list(threads.map(lambda stream: put(kinesis, stream, range(*numbers)), streams))

        def ingest() -> None:
            today = datetime.now(UTC).date()
            outcomes = platform.build(tables, [today - timedelta(days=1), today])
            assert not failed(outcomes)

        put_all(0, 6_000)
        ingest()
        put_all(6_000, 10_000)
        for stream in streams:
            reshard(kinesis, stream)
        put_all(10_000, 14_000)
        ingest()
        put_all(14_000, RECORDS)
        ingest()
        ingest()
    lake = Lake(platform.spark, platform.places.lake)
    for table in raw.STREAM.values():
        counts = (
            lake.read(table)
            .agg(
                F.count("*").alias("rows"),
                F.countDistinct("value").alias("values"),
                F.countDistinct("partition_or_shard").alias("shards"),
            )
            .collect()[0]
        )
        assert counts.asDict() == {"rows": RECORDS, "values": RECORDS, "shards": SHARDS + 7}
