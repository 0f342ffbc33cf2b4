"""Plans the reads of a stream: for each shard and day, the range that is not ingested yet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pinterest_platform.ingest.kinesis.client import Connection
from pinterest_platform.ingest.kinesis.shards import Position, Shard, Stream, pages

# AWS does not guarantee that arrival times ascend with a shard's sequence numbers. Only a clock
# that is off by minutes could put records further than this on the wrong side of midnight.
DISORDER = timedelta(minutes=5)

# Reads past the records within DISORDER of a midnight in a few requests.
FEW_RECORDS = 100


@dataclass(frozen=True)
class Span:
    """The records from position ``start`` that arrived from ``first`` until before ``until``."""

    start: Position
    first: datetime
    until: datetime


@dataclass(frozen=True)
class ShardRead:
    """The spans of a shard that one task reads."""

    shard: Shard
    spans: tuple[Span, ...]


def shard_reads(
    stream: Stream, ingested: Mapping[tuple[str, date], str], days: Sequence[date], now: datetime
) -> list[ShardRead]:
    """The reads for these days of a stream: one for each shard that can have records of them.

    Each day continues after its own last record, so that days can be ingested in any order.

    Args:
        stream: the stream as it is now.
        ingested: the largest ingested sequence number of each shard (id) and day.
        days: UTC dates of arrival, ascending.
        now: days that begin later, or whose records have all expired, are skipped.
    """
    oldest = _oldest(stream, now)
    readable = [
        day for day in days if oldest < midnight(day + timedelta(days=1)) and midnight(day) <= now
    ]
    reads = [ShardRead(shard, tuple(_spans(shard, ingested, readable))) for shard in stream.shards]
    return [read for read in reads if read.spans]


def midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def days_with_new(
    kinesis: Connection,
    stream: Stream,
    shard: Shard,
    ingested: Mapping[tuple[str, date], str],
    now: datetime,
) -> set[date]:
    """The days for which a shard has records after the ingested ones.

    Reads a few records per day, not all new ones.

    Raises:
        StreamError: the request to Kinesis failed.
    """
    found: set[date] = set()
    day = _oldest(stream, now).date()
    while day <= now.date():
        arrived = _first_arrival(kinesis, stream.name, shard, _start(shard, ingested, day), day)
        if arrived is None:
            break
        if arrived == day:
            found.add(day)
            arrived += timedelta(days=1)
        day = arrived
    return found


def _first_arrival(
    kinesis: Connection, stream: str, shard: Shard, start: Position, day: date
) -> date | None:
    """The arrival day of the first record from ``start`` that arrived on ``day`` or later."""
    for page in pages(kinesis, stream, shard, start, limit=FEW_RECORDS):
        for record in page.records:
            if record.arrived_at.date() >= day:
                return record.arrived_at.date()
    return None


def _oldest(stream: Stream, now: datetime) -> datetime:
    """The earliest possible arrival of an unexpired record of the stream."""
    return max(stream.created_at, now - stream.retention) - DISORDER


def _start(shard: Shard, ingested: Mapping[tuple[str, date], str], day: date) -> Position:
    """The position of a day's first record that is not ingested."""
    after = ingested.get((shard.id, day))
    return Position(after, None if after else midnight(day) - DISORDER)


def _spans(
    shard: Shard, ingested: Mapping[tuple[str, date], str], days: Sequence[date]
) -> Iterator[Span]:
    span: Span | None = None
    for day in days:
        first, until = midnight(day), midnight(day + timedelta(days=1))
        start = _start(shard, ingested, day)
        # Consecutive days without an ingested record are read together.
        if span and span.start.at and start.at and span.until == first:
            span = Span(span.start, span.first, until)
            continue
        if span:
            yield span
        span = Span(start, first, until)
    if span:
        yield span
