"""From where to where the shards of a stream are to be read, day by day, given what is ingested."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pinterest_platform.ingest.kinesis.client import Connection
from pinterest_platform.ingest.kinesis.shards import Position, Shard, Stream, pages

# AWS gives no guarantee that arrival times ascend with the sequence numbers of a shard. Those that
# differ by more than this around a midnight would take a clock that is minutes off.
DISORDER = timedelta(minutes=5)

# Enough to get past what arrived within DISORDER of a midnight in one read or a few.
FEW_RECORDS = 100


@dataclass(frozen=True)
class Span:
    """Records of a shard from ``start`` on that arrived from ``first`` to before ``until``."""

    start: Position
    first: datetime
    until: datetime


@dataclass(frozen=True)
class ShardRead:
    """What one task reads: a shard, span by span."""

    shard: Shard
    spans: tuple[Span, ...]


def shard_reads(
    stream: Stream, ingested: Mapping[tuple[str, date], str], days: Sequence[date], now: datetime
) -> list[ShardRead]:
    """How the days of a stream are read: a task for each shard that can have records of them.

    Every day is read from where it was left itself, so that the days can be made in any order.

    Args:
        stream: the stream as it is now.
        ingested: the largest sequence number ingested of a shard (id) and day.
        days: UTC dates of arrival, ascending.
        now: days that begin later, or whose records have all expired, are not read.
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
    """The days of a shard that have a record behind what is held of that day.

    It reads a few records for each day, not all that are new.

    Raises:
        StreamError: Kinesis cannot be asked.
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
    """The day of the first record from ``start`` on that did not arrive before ``day``."""
    for page in pages(kinesis, stream, shard, start, limit=FEW_RECORDS):
        for record in page.records:
            if record.arrived_at.date() >= day:
                return record.arrived_at.date()
    return None


def _oldest(stream: Stream, now: datetime) -> datetime:
    """The earliest arrival that a record of the stream can still have."""
    return max(stream.created_at, now - stream.retention) - DISORDER


def _start(shard: Shard, ingested: Mapping[tuple[str, date], str], day: date) -> Position:
    """Where the records of a day that are not held begin."""
    after = ingested.get((shard.id, day))
    return Position(after, None if after else midnight(day) - DISORDER)


def _spans(
    shard: Shard, ingested: Mapping[tuple[str, date], str], days: Sequence[date]
) -> Iterator[Span]:
    span: Span | None = None
    for day in days:
        first, until = midnight(day), midnight(day + timedelta(days=1))
        start = _start(shard, ingested, day)
        # Days of which nothing is held are read in one go.
        if span and span.start.at and start.at and span.until == first:
            span = Span(span.start, span.first, until)
            continue
        if span:
            yield span
        span = Span(start, first, until)
    if span:
        yield span
