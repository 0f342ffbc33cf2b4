"""Reads a Kinesis stream's shards and their records, page by page. No Spark here."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pinterest_platform.errors import StreamError
from pinterest_platform.ingest.kinesis.aggregation import taken_apart
from pinterest_platform.ingest.kinesis.client import Connection

# AWS's quotas per shard, shared by all readers: 5 GetRecords and 2 MB per second.
READ_SECONDS = 0.2
BYTES_A_SECOND = 2_000_000

# GetRecords' maximum per call.
MOST_RECORDS = 10_000

# A shared shard has capacity for one more read within a second or two; after a minute of
# throttling, other readers use all of it.
THROTTLED_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 5.0

_EXPIRED_ITERATOR = "ExpiredIteratorException"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A shard: its range of hash keys, and whether a reshard has closed it."""

    id: str
    first_hash: int = 0
    last_hash: int = 2**128 - 1
    closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The current state of a stream. A deleted and recreated stream has another ``created_at``."""

    name: str
    created_at: datetime
    retention: timedelta
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Position:
    """Where to start: after a sequence number, else at a time, else at the oldest record kept."""

    after: str | None = None
    at: datetime | None = None


TRIM_HORIZON = Position()


@dataclass(frozen=True)
class Record:
    """A producer's record: its text as bytes, and its arrival time (UTC).

    ``number`` is the sequence number; for a record from an aggregated record, it is ``<sequence
    number>:<place>``, with the place counted from 0.
    """

    number: str
    data: bytes
    arrived_at: datetime


@dataclass(frozen=True)
class Page:
    """The result of one read: records in order, the lag behind the tip, and the next position.

    ``position`` is None if no record can follow: the shard is closed and read to its end.
    """

    records: tuple[Record, ...]
    behind: timedelta
    position: Position | None


def describe(kinesis: Connection, name: str) -> Stream | None:
    """A stream with all of its shards, including closed ones; None if there is no such stream.

    Raises:
        StreamError: the request to Kinesis failed.
    """
    try:
        summary = kinesis.ask(
            "describe_stream_summary", "StreamDescriptionSummary", StreamName=name
        )["StreamDescriptionSummary"]
        shards = list(_shards(kinesis, name)) if _has_shards(summary) else []
    except StreamError as error:
        if error.status == 404:
            return None
        raise
    return Stream(
        name=name,
        created_at=summary["StreamCreationTimestamp"].astimezone(UTC),
        retention=timedelta(hours=summary["RetentionPeriodHours"]),
        shards=tuple(shards),
    )


def pages(
    kinesis: Connection,
    stream: str,
    shard: Shard,
    start: Position,
    *,
    limit: int = MOST_RECORDS,
    patience: float = THROTTLED_SECONDS,
) -> Iterator[Page]:
    """Read a shard from ``start`` to its tip, at the rate that AWS allows one reader.

    The last page reaches the tip, or the end of a closed shard.

    Args:
        kinesis: the connection to the stream's region.
        stream: the stream's name.
        shard: one of the stream's shards, open or closed.
        start: the position to start from.
        limit: records per page, at most ``MOST_RECORDS``.
        patience: seconds for which a throttled read is retried.

    Raises:
        StreamError: Kinesis is unavailable, or throttles for longer than ``patience``.
    """
    position: Position | None = start
    iterator = ""
    while position is not None:
        began = time.monotonic()
        iterator = iterator or _iterator(kinesis, stream, shard, position, patience)
        try:
            answer = _patiently(
                kinesis, patience, "get_records", "Records", ShardIterator=iterator, Limit=limit
            )
        except StreamError as error:
            if error.type != _EXPIRED_ITERATOR:
                raise
            # An iterator expires after five minutes; a caller that works longer on a page gets a
            # new one.
            iterator = ""
            continue
        page, size = _page(answer, shard, position)
        yield page
        if not page.behind:
            return
        position, iterator = page.position, answer.get("NextShardIterator") or ""
        pause = max(READ_SECONDS, size / BYTES_A_SECOND) - (time.monotonic() - began)
        # AWS's quotas for the reads and bytes of a shard; see READ_SECONDS.
        time.sleep(max(0.0, pause))


def _has_shards(summary: dict[str, Any]) -> bool:
    """Whether the stream can list its shards: one that is still being created cannot."""
    return bool(summary["StreamStatus"] in ("ACTIVE", "UPDATING"))


def _shards(kinesis: Connection, name: str) -> Iterator[Shard]:
    which = {"StreamName": name}
    while True:
        answer = _patiently(kinesis, THROTTLED_SECONDS, "list_shards", "Shards", **which)
        for shard in answer["Shards"]:
            yield Shard(
                id=shard["ShardId"],
                first_hash=int(shard["HashKeyRange"]["StartingHashKey"]),
                last_hash=int(shard["HashKeyRange"]["EndingHashKey"]),
                closed="EndingSequenceNumber" in shard["SequenceNumberRange"],
            )
        if not answer.get("NextToken"):
            return
        which = {"NextToken": answer["NextToken"]}


def _iterator(
    kinesis: Connection, stream: str, shard: Shard, position: Position, patience: float
) -> str:
    where: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
    if position.after is not None:
        where = {
            "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
            "StartingSequenceNumber": position.after,
        }
    elif position.at is not None:
        where = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": position.at}
    answer = _patiently(
        kinesis,
        patience,
        "get_shard_iterator",
        "ShardIterator",
        StreamName=stream,
        ShardId=shard.id,
        **where,
    )
    return str(answer["ShardIterator"])


def _page(answer: dict[str, Any], shard: Shard, start: Position) -> tuple[Page, int]:
    """The page in a GetRecords response, and its size in bytes as AWS counts them."""
    records: list[Record] = []
    size = 0
    for record in answer["Records"]:
        data, number = record["Data"], record["SequenceNumber"]
        arrived_at = record["ApproximateArrivalTimestamp"].astimezone(UTC)
        size += len(data) + len(record["PartitionKey"])
        packed = taken_apart(data, shard.first_hash, shard.last_hash)
        if packed is None:
            records.append(Record(number, data, arrived_at))
        else:
            records += [Record(f"{number}:{place}", part, arrived_at) for place, part in packed]
    last = answer["Records"][-1]["SequenceNumber"] if answer["Records"] else None
    ended = not answer.get("NextShardIterator")
    # The end of a closed shard counts as a tip: no record follows it.
    behind = timedelta(milliseconds=0 if ended else answer.get("MillisBehindLatest") or 0)
    return Page(tuple(records), behind, None if ended else Position(last) if last else start), size


def _patiently(
    kinesis: Connection, patience: float, operation: str, field: str, **parameters: Any
) -> dict[str, Any]:
    """Send a request, and retry it while Kinesis is too busy to respond."""
    end = time.monotonic() + patience
    pause = READ_SECONDS
    while True:
        try:
            return kinesis.ask(operation, field, **parameters)
        except StreamError as error:
            # 500 is an internal error of Kinesis (InternalFailure), which AWS says to retry.
            if error.status not in (429, 500) or time.monotonic() + pause > end:
                raise
        # Random, so that the readers of a shard do not collide again.
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311
        pause = min(2 * pause, LONGEST_WAIT_SECONDS)
