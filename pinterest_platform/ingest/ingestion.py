"""Ingests arrivals of both channels into the raw tables."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.errors import (
    ConfigurationError,
    OutageError,
    PlatformError,
    StreamError,
    StreamOutageError,
)
from pinterest_platform.ingest.kinesis import pending as kinesis
from pinterest_platform.ingest.landing import pending as landing
from pinterest_platform.ingest.landing.source import BrokenObjectError, UnreadableObjectError
from pinterest_platform.lake.delta import Lake
from pinterest_platform.places import Places
from pinterest_platform.tables import raw
from pinterest_platform.tables.contract import Table

# Errors of the data sources by class name: engines report them as text.
_OF_SOURCES: dict[str, type[PlatformError]] = {
    BrokenObjectError.__name__: ConfigurationError,
    UnreadableObjectError.__name__: OutageError,
    StreamError.__name__: ConfigurationError,
    StreamOutageError.__name__: OutageError,
}


def ingest(
    spark: SparkSession, lake: Lake, places: Places, table: Table, days: Sequence[date]
) -> tuple[dict[str, int], dict[str, Any]]:
    """Add the records that arrived on ``days`` and are not in the table yet.

    Returns:
        Facts about the new records, and the JSON of the table's watermark.

    Raises:
        PlatformError: the landing place or Kinesis cannot be read, or an object is broken.
    """
    channel = kinesis if table in raw.STREAM.values() else landing
    found = channel.find(spark, lake, places, table, days)
    if found.rows is not None:
        _add(lake, table, days, found.rows)
    watermark = found.watermark()
    return found.facts, {} if watermark is None else watermark.to_json()


def _add(lake: Lake, table: Table, days: Sequence[date], read: Callable[[], DataFrame]) -> None:
    ingested_at = datetime.now(UTC)

    def arrived() -> DataFrame:
        return (
            read()
            .withColumn("arrived_at", F.timestamp_micros("arrived_at_micros"))
            .withColumns({"ingested_at": F.lit(ingested_at), "day": F.to_date("arrived_at")})
        )

    try:
        lake.add(table, arrived, days)
    except PySparkException as error:
        raise _of_source(error) or error from None


def days_arrived(lake: Lake, places: Places, table: Table) -> set[date]:
    """The days with arrivals that are not in the table.

    Raises:
        PlatformError: as for ``ingest``, or a record arrived on a day without a partition.
    """
    if table in raw.STREAM.values():
        return kinesis.days_arrived(lake, places, table)
    return {arrival.day for arrival in landing.pending(lake, places, table)}


def _of_source(error: PySparkException) -> PlatformError | None:
    """The error that a data source raised, parsed from the engine's; None for another error."""
    for line in str(error).splitlines():
        if found := re.search(rf"\b({'|'.join(_OF_SOURCES)}): (.*)", line):
            return _OF_SOURCES[found[1]](found[2].strip())
    return None
