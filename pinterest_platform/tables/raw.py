"""The raw tables: one row per record as it arrived, with nothing parsed and nothing dropped."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import KINDS
from pinterest_platform.tables.contract import Check, Column, Table, violation

NATURAL_KEY = ("topic_or_stream", "partition_or_shard", "offset_or_sequence_number")

# A deleted and recreated topic or stream can restart its offsets or sequence numbers.
KEY = (*NATURAL_KEY, "arrived_at")

COLUMNS = (
    Column(
        name="value",
        type="STRING",
        description="The record's unchanged text; null if it is not UTF-8.",
    ),
    Column(
        name="value_bytes",
        type="BINARY",
        description="The record's bytes if they are not UTF-8; null otherwise.",
    ),
    Column(
        name="topic_or_stream",
        type="STRING",
        description="Kafka topic or Kinesis stream.",
        nullable=False,
    ),
    Column(
        name="partition_or_shard",
        type="STRING",
        description="Kafka partition or Kinesis shard.",
        nullable=False,
    ),
    Column(
        name="offset_or_sequence_number",
        type="STRING",
        description="Kafka offset or Kinesis sequence number, in decimal digits (too long for a "
        "BIGINT); for a record from an array or an aggregate, <number>:<place>, counted from 0.",
        nullable=False,
    ),
    Column(
        name="source", type="STRING", description="Key of the landing object; null for a stream."
    ),
    Column(
        name="arrived_at",
        type="TIMESTAMP",
        description="Arrival of the record in its channel, UTC.",
        nullable=False,
    ),
    Column(
        name="ingested_at",
        type="TIMESTAMP",
        description="Time at which the row was written, UTC.",
        nullable=False,
    ),
    Column(
        name="day",
        type="DATE",
        description="UTC date of arrived_at; the partition.",
        nullable=False,
    ),
)

COLUMN_NAMES = tuple(column.name for column in COLUMNS)


def _raw(name: str, row: str, *own_checks: Check) -> Table:
    return Table(
        schema="raw",
        name=name,
        row=row,
        columns=COLUMNS,
        key=KEY,
        own_checks=(
            violation(
                "bytes_kept",
                "Every row has its record, either as text or as bytes.",
                "(value IS NULL) = (value_bytes IS NULL)",
            ),
            violation(
                "day_of_arrival",
                "The partition is the UTC date of arrival.",
                "day <> CAST(arrived_at AS DATE)",
            ),
            *own_checks,
        ),
    )


def _of_stream(name: str, row: str) -> Table:
    return _raw(name, row, _nothing_expired(f"raw.{name}"))


def _nothing_expired(table: str) -> Check:
    """An error if the stream's retention was shorter than the time its records waited to be read.

    It does not block: expired records cannot be recovered. Whether any expired is unknown: a
    stream that was idle for longer than its retention gives the same result.
    """
    return Check(
        name="nothing_expired",
        description="No record expired in the stream between two reads.",
        severity="error",
        over=lambda rows: rows.readings(table),
        offends="read_until < kept_from",
        reason=lambda rows: _expired(rows.readings(table)),
        blocking=False,
    )


def _expired(readings: DataFrame) -> DataFrame:
    return readings.where("read_until < kept_from").select(
        F.concat(
            F.lit("Records that arrived from "),
            F.min("read_until").cast("string"),
            F.lit(" to "),
            F.max("kept_from").cast("string"),
            F.lit(" (UTC), if any, expired before they were read"),
        ).alias("reason")
    )


BATCH = {
    name: _raw(kind.raw_batch, f"A {kind.noun} record as it arrived from Kafka.")
    for name, kind in KINDS.items()
}
STREAM = {
    name: _of_stream(kind.raw_stream, f"A {kind.noun} record as it arrived from Kinesis.")
    for name, kind in KINDS.items()
}


def newest_first() -> list[SparkColumn]:
    """Sort keys for a post's records: descending by arrival, then by natural key."""
    # Numbers are digit strings, so the longer one is larger. A record that arrived in an aggregated
    # record or an array adds its position after the number; one that arrived in both adds two.
    number = F.col("offset_or_sequence_number")
    packed = number.contains(":")
    first = F.when(packed, F.substring_index(number, ":", 1)).otherwise(number)
    places = F.when(packed, F.split(number, ":"))
    order = [
        F.col("arrived_at"),
        F.col("topic_or_stream"),
        F.length("partition_or_shard"),
        F.col("partition_or_shard"),
        F.length(first),
        first,
        *(F.coalesce(F.get(places, F.lit(at)).cast("int"), F.lit(-1)) for at in (1, 2)),
    ]
    return [part.desc() for part in order]
