"""Brings landing objects into the raw tables: what the tables hold, and how the rest is added."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from pinterest_platform.engines.lake import Lake
from pinterest_platform.engines.request import Places
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.arrivals import (
    Arrival,
    Held,
    new_arrivals,
    reject_undated,
)
from pinterest_platform.ingest.landing_source import (
    FORMAT,
    BrokenObjectError,
    LandingSource,
    options,
)
from pinterest_platform.landing import open_store
from pinterest_platform.tables.contract import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ingest(
    spark: SparkSession, lake: Lake, places: Places, table: Table, days: Sequence[date]
) -> dict[str, int]:
    """Add what has arrived on ``days`` in the table's topic and is not in the table yet.

    Returns:
        How many new objects were found on the days, and how many arrived on other days.

    Raises:
        PlatformError: see ``arrivals``; or an object that is broken, by its key.
    """
    arrivals = pending(lake, places, table)
    todo = [arrival for arrival in arrivals if arrival.day in days]
    facts = {"new_objects": len(todo), "new_objects_of_other_days": len(arrivals) - len(todo)}
    if not todo:
        return facts
    spark.dataSource.register(LandingSource)
    ingested_at = datetime.now(UTC)

    def arrived() -> DataFrame:
        return (
            spark.read.format(FORMAT)
            .options(**options(places.landing, todo))
            .load()
            .withColumn("arrived_at", F.timestamp_micros("arrived_at_micros"))
            .withColumns({"ingested_at": F.lit(ingested_at), "day": F.to_date("arrived_at")})
        )

    try:
        lake.add(table, arrived, days)
    except PySparkException as error:
        raise _broken_object(error) or error from None
    return facts


def pending(lake: Lake, places: Places, table: Table) -> list[Arrival]:
    """What has arrived in the table's topic and is not in the table, of whatever day.

    Raises:
        PlatformError: see ``arrivals``; or something arrived on a day that cannot be one.
    """
    topic = places.topics[table.name]
    held = _held(lake.read(table).where(F.col("topic_or_stream") == topic))
    arrivals = new_arrivals(open_store(places.landing), topic, held, places.landing)
    reject_undated(arrivals, places.start_date, datetime.now(UTC))
    return arrivals


def _held(rows: DataFrame) -> dict[int, list[Held]]:
    """The runs of offsets that a raw table holds, by partition."""
    offsets = rows.select(
        F.col("partition_or_shard").cast("int").alias("partition"),
        F.col("offset_or_sequence_number").cast("bigint").alias("offset"),
        "source",
        F.unix_micros("arrived_at").alias("arrived_at"),
        F.lit(0).alias("run"),
    )
    whole = _runs(offsets).collect()
    broken = [row["partition"] for row in whole if row["last"] - row["first"] + 1 != row["rows"]]
    # A window over all rows is what it takes to find the holes, so only where there are some.
    numbered = _numbered(offsets.where(F.col("partition").isin(broken)))
    runs = [row for row in whole if row["partition"] not in broken]
    runs += _runs(numbered).collect() if broken else []
    held: dict[int, list[Held]] = {}
    for row in sorted(runs, key=lambda row: (row["partition"], row["first"])):
        arrived_at = _EPOCH + timedelta(microseconds=row["arrived_at"])
        run = Held(row["first"], row["last"], row["source"], arrived_at)
        held.setdefault(row["partition"], []).append(run)
    return held


def _runs(offsets: DataFrame) -> DataFrame:
    """Numbered offsets -> one row per partition and run, with the object that its end is from."""
    return offsets.groupBy("partition", "run").agg(
        F.min("offset").alias("first"),
        F.max("offset").alias("last"),
        F.count("*").alias("rows"),
        F.max_by("source", "offset").alias("source"),
        F.max_by("arrived_at", "offset").alias("arrived_at"),
    )


def _numbered(offsets: DataFrame) -> DataFrame:
    """The offsets with the number of the ``run`` without a gap that each belongs to."""
    in_order = Window.partitionBy("partition").orderBy("offset")
    begins = F.col("offset") != F.lag("offset", 1, -2).over(in_order) + 1
    return offsets.withColumn("begins", begins.cast("int")).withColumn(
        "run", F.sum("begins").over(in_order)
    )


def _broken_object(error: PySparkException) -> PlatformError | None:
    """What the data source said about a broken object, taken out of the engine's error."""
    marker = f"{BrokenObjectError.__name__}: "
    for line in str(error).splitlines():
        if marker in line:
            return PlatformError(line.split(marker, 1)[1].strip())
    return None
