"""The pending records of the stream channel: in Kinesis, but not in the raw table."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.errors import ConfigurationError
from pinterest_platform.ingest.data_source import carrying
from pinterest_platform.ingest.kinesis.client import Connection, is_configured
from pinterest_platform.ingest.kinesis.shard_reads import days_with_new, shard_reads
from pinterest_platform.ingest.kinesis.shards import Stream, describe
from pinterest_platform.ingest.kinesis.source import FORMAT, KinesisSource, options
from pinterest_platform.ingest.kinesis.watermark import StreamWatermark
from pinterest_platform.ingest.new_records import NewRecords
from pinterest_platform.ingest.rows import micros, moment
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.stored_rows import of_days
from pinterest_platform.places import Places
from pinterest_platform.tables import raw
from pinterest_platform.tables.contract import Table

# Shards polled concurrently; a response takes tens of milliseconds.
THREADS = 16

# Sequence numbers have up to 129 digits (API reference, GetShardIterator). Zero-padded, they sort
# as text.
_DIGITS = 129

_KINDS = {table.full_name: kind for kind, table in raw.STREAM.items()}


def find(
    spark: SparkSession, lake: Lake, places: Places, table: Table, days: Sequence[date]
) -> NewRecords:
    """The records that arrived on ``days`` and follow those in the table, up to now.

    Raises:
        StreamError: the request to Kinesis failed.
    """
    stream = _stream_of(places, table)
    if stream is None:
        return NewRecords({"shards": 0}, lambda: None)
    ingested = _last_numbers(_rows_of(lake, table, stream))
    reads = shard_reads(stream, ingested, sorted(days), datetime.now(UTC))
    if not reads:
        return NewRecords({"shards": 0}, lambda: None)
    spark.dataSource.register(carrying(KinesisSource, places.environment))
    selection = options(places.region, stream.name, reads)

    def watermark() -> StreamWatermark:
        numbers: dict[str, str] = {}
        for (shard, _), number in _last_numbers(
            of_days(_rows_of(lake, table, stream), days)
        ).items():
            numbers[shard] = max(number, numbers.get(shard, "0"), key=int)
        return StreamWatermark(stream.created_at.isoformat(), numbers)

    return NewRecords(
        {"shards": len(reads)},
        watermark,
        lambda: spark.read.format(FORMAT).options(**selection).load(),
    )


def days_arrived(lake: Lake, places: Places, table: Table) -> set[date]:
    """The days with records that follow those of the same day in the table.

    Raises:
        PlatformError: a request to Kinesis failed; or a record arrived before the first partition.
    """
    stream = _stream_of(places, table)
    if stream is None:
        return set()
    ingested = _last_numbers(_rows_of(lake, table, stream))
    kinesis = Connection(places.region or None, THREADS)
    now = datetime.now(UTC)
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(
            lambda shard: days_with_new(kinesis, stream, shard, ingested, now), stream.shards
        )
        days = set[date]().union(*found)
    early = min(days, default=places.start_date)
    if early < places.start_date:
        raise ConfigurationError(
            f"records of the stream {stream.name} arrived on {early}, before the first partition "
            f"{places.start_date}: set PINTEREST_START_DATE to {early} or earlier"
        )
    return days


def readings(
    spark: SparkSession, lake: Lake, places: Places, table: Table, days: Sequence[date]
) -> DataFrame:
    """The reads that added rows of ``days``, or of all days if empty; see ``Rows.readings``.

    Raises:
        StreamError: the request to Kinesis failed.
    """
    stream = _stream_of(places, table)
    found: list[tuple[datetime | None, datetime]] = []
    if stream is not None:
        covered = F.least("ingested_at", F.date_add("day", 1).cast("timestamp"))
        rows = _rows_of(lake, table, stream).withColumn("covered", covered)
        read_until: int | None = None
        selected = rows
        if days:
            selected = of_days(rows, days)
            before = rows.where(F.col("day") < F.lit(min(days)))
            read_until = before.agg(F.max(F.unix_micros("covered")).alias("last")).collect()[0][
                "last"
            ]
        times = (
            selected.groupBy(F.unix_micros("ingested_at").alias("at"))
            .agg(F.max(F.unix_micros("covered")).alias("covered"))
            .orderBy("at")
            .collect()
        )
        for time in times:
            kept_from = moment(time["at"]) - stream.retention
            found.append((None if read_until is None else moment(read_until), kept_from))
            read_until = max(read_until or 0, time["covered"])
    return spark.createDataFrame(found, "read_until TIMESTAMP, kept_from TIMESTAMP")


def _stream_of(places: Places, table: Table) -> Stream | None:
    """The current stream of a raw table; None if there is none, or Kinesis is not configured."""
    if not places.streams or not is_configured(places.region):
        return None
    return describe(Connection(places.region or None), places.streams[_KINDS[table.full_name]])


def _rows_of(lake: Lake, table: Table, stream: Stream) -> DataFrame:
    """The table's rows of this stream, without those of a deleted stream with the same name."""
    return lake.read(table).where(
        (F.col("topic_or_stream") == stream.name)
        & (F.unix_micros("arrived_at") >= micros(stream.created_at))
    )


def _last_numbers(rows: DataFrame) -> dict[tuple[str, date], str]:
    """The largest sequence number of each shard and day."""
    number = F.split("offset_or_sequence_number", ":")[0]
    largest = rows.groupBy("partition_or_shard", "day").agg(
        F.max(F.lpad(number, _DIGITS, "0")).alias("number")
    )
    return {
        (row["partition_or_shard"], row["day"]): row["number"].lstrip("0") or "0"
        for row in largest.collect()
    }
