"""The raw tables: records as they arrived, one row each, nothing parsed and nothing dropped."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from pinterest_platform.tables.contract import Column, Table, violation

NATURAL_KEY = ("topic_or_stream", "partition_or_shard", "offset_or_sequence_number")

COLUMNS = (
    Column("value", "STRING", "The record's text, untouched; null when it is not UTF-8."),
    Column("value_bytes", "BINARY", "The record's bytes when they are not UTF-8; null otherwise."),
    Column("topic_or_stream", "STRING", "Kafka topic or Kinesis stream.", nullable=False),
    Column("partition_or_shard", "STRING", "Kafka partition or Kinesis shard.", nullable=False),
    Column(
        "offset_or_sequence_number",
        "STRING",
        "Kafka offset or Kinesis sequence number, in decimal digits (too long for a BIGINT).",
        nullable=False,
    ),
    Column("source", "STRING", "Key of the landing object; null for a stream."),
    Column(
        "arrived_at", "TIMESTAMP", "When the record arrived in its channel, UTC.", nullable=False
    ),
    Column("ingested_at", "TIMESTAMP", "When the row was written here, UTC.", nullable=False),
    Column("day", "DATE", "UTC date of arrived_at; the partition.", nullable=False),
)


def _raw(name: str, row: str) -> Table:
    full_name = f"raw.{name}"
    return Table(
        "raw",
        name,
        row,
        COLUMNS,
        NATURAL_KEY,
        own_checks=(
            violation(
                full_name,
                "bytes_kept",
                "Every row holds its record: as text or, where that cannot be, as bytes.",
                "(value IS NULL) = (value_bytes IS NULL)",
            ),
            violation(
                full_name,
                "day_of_arrival",
                "The partition is the UTC date of arrival.",
                "day <> CAST(arrived_at AS DATE)",
            ),
        ),
    )


PIN = _raw("pin", "A pin record as it arrived from Kafka.")
GEO = _raw("geo", "A geolocation record as it arrived from Kafka.")
USER = _raw("user", "A user record as it arrived from Kafka.")


def recency() -> SparkColumn:
    """What orders the records of a post: arrival, then natural key; the newer one's is larger."""
    return F.struct(*_recency())


def newest_first() -> list[SparkColumn]:
    """The same order for a window, in which Sail takes no struct."""
    return [part.desc() for part in _recency()]


def _recency() -> list[SparkColumn]:
    # Numbers are kept as digits, so the longer one is the larger one.
    return [
        F.col("arrived_at"),
        F.col("topic_or_stream"),
        F.length("partition_or_shard"),
        F.col("partition_or_shard"),
        F.length("offset_or_sequence_number"),
        F.col("offset_or_sequence_number"),
    ]
