"""The pending records of the batch channel: in landing objects, but not in the raw table."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from pinterest_platform.ingest.data_source import carrying
from pinterest_platform.ingest.kinesis.client import is_configured
from pinterest_platform.ingest.landing.arrivals import (
    Arrival,
    OffsetRange,
    began_at,
    has_record,
    new_arrivals,
    reject_undated,
)
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.ingest.landing.source import FORMAT, LandingSource, options
from pinterest_platform.ingest.landing.watermark import LandingWatermark
from pinterest_platform.ingest.new_records import NewRecords
from pinterest_platform.ingest.rows import micros, moment
from pinterest_platform.lake.delta import Lake
from pinterest_platform.object_store import Store, open_store
from pinterest_platform.places import Places
from pinterest_platform.tables.contract import Table


def find(
    spark: SparkSession, lake: Lake, places: Places, table: Table, days: Sequence[date]
) -> NewRecords:
    """The records in landing objects of ``days`` that are not in the table.

    Raises:
        PlatformError: see ``pending``.
    """
    ingested, arrivals = _ranges_and_arrivals(lake, places, table)
    todo = [arrival for arrival in arrivals if arrival.day in days]
    facts = {"new_objects": len(todo), "new_objects_of_other_days": len(arrivals) - len(todo)}
    last = {partition: _last(runs[-1]) for partition, runs in ingested.items()}
    for arrival in todo:
        mine = (arrival.key.offset, micros(arrival.arrived_at))
        last[arrival.key.partition] = max(mine, last.get(arrival.key.partition, mine))
    watermark = LandingWatermark(last)
    if not todo:
        return NewRecords(facts, lambda: watermark)
    spark.dataSource.register(carrying(LandingSource, places.environment))
    selection = options(places.landing, todo)
    return NewRecords(
        facts, lambda: watermark, lambda: spark.read.format(FORMAT).options(**selection).load()
    )


def pending(lake: Lake, places: Places, table: Table) -> list[Arrival]:
    """The landing objects of all days with records that are not in the table.

    Raises:
        PlatformError: see ``arrivals``; or an object arrived on a day without a partition.
    """
    return _ranges_and_arrivals(lake, places, table)[1]


def _ranges_and_arrivals(
    lake: Lake, places: Places, table: Table
) -> tuple[dict[int, list[OffsetRange]], list[Arrival]]:
    """The table's ranges of offsets by partition, and the objects outside them."""
    topic = places.topics[table.name]
    local = not places.landing.startswith("s3://")
    if local and not Path(places.landing).exists() and is_configured(places.region):
        # A platform that only uses streams has no landing folder.
        return {}, []
    store = open_store(places.landing)
    rows = lake.read(table).where(F.col("topic_or_stream") == topic)
    ingested = _ingested(rows, store, topic, places.landing)
    arrivals = new_arrivals(store, topic, ingested, places.landing)
    reject_undated(arrivals, places.start_date, datetime.now(UTC))
    return ingested, arrivals


def _last(run: OffsetRange) -> tuple[int, int]:
    """The last object of a range: its first offset, and its arrival in us."""
    return LandingKey.parse(run.last_key).offset, micros(run.last_arrived_at)


def _ingested(
    rows: DataFrame, store: Store, topic: str, place: str
) -> dict[int, list[OffsetRange]]:
    """The gapless ranges of offsets in the raw table, by partition of the current topic."""
    # The first record of an array represents the array's offset.
    number = F.col("offset_or_sequence_number")
    lines = rows.where(~number.contains(":") | number.endswith(":0"))
    offsets = lines.select(
        F.col("partition_or_shard").cast("int").alias("partition"),
        _offset().alias("offset"),
        "source",
        F.unix_micros("arrived_at").alias("arrived_at"),
        F.lit(0).alias("run"),
    )
    whole = _runs(offsets).collect()
    since = {
        row["partition"]: begun
        for row in whole
        if row["begins"] and (begun := _begun_again(rows, store, topic, place, row)) is not None
    }
    broken = [
        row["partition"]
        for row in whole
        if row["partition"] in since or row["last"] - row["first"] + 1 != row["rows"]
    ]
    runs = [row for row in whole if row["partition"] not in broken]
    if broken:
        # Finding gaps takes a window over all rows, so only partitions with gaps pay for it.
        now = F.lit(None).cast("bigint")
        for partition, begun in since.items():
            now = F.when(F.col("partition") == partition, micros(begun)).otherwise(now)
        of_now = offsets.where(F.col("partition").isin(broken)).where(
            now.isNull() | (F.col("arrived_at") >= now)
        )
        runs += _runs(_numbered(of_now)).collect()
    ingested: dict[int, list[OffsetRange]] = {}
    for row in sorted(runs, key=lambda row: (row["partition"], row["first"])):
        arrived_at = moment(row["arrived_at"])
        run = OffsetRange(
            first=row["first"], last=row["last"], last_key=row["source"], last_arrived_at=arrived_at
        )
        ingested.setdefault(row["partition"], []).append(run)
    return ingested


def _begun_again(
    rows: DataFrame, store: Store, topic: str, place: str, partition: Row
) -> datetime | None:
    """When a partition last restarted at offset 0; None if it never did since its first row.

    A recreated topic counts from 0 again. Then its first object is newer than the ingested row of
    offset 0, and the last ingested record is gone. If that record is still there, the objects were
    only copied or rewritten.
    """
    last_begun = moment(partition["begun"])
    first = began_at(store, topic, partition["partition"], place)
    if first is not None and first > last_begun:
        before = rows.where(
            (F.col("partition_or_shard") == str(partition["partition"]))
            & (F.unix_micros("arrived_at") >= micros(last_begun))
            & (F.unix_micros("arrived_at") < micros(first))
        ).withColumn("offset", _offset())
        (last,) = before.orderBy(F.desc("offset")).limit(1).collect()
        record = last["value"].encode() if last["value"] is not None else last["value_bytes"]
        key = LandingKey.parse(last["source"])
        if not has_record(store, key, last["offset_or_sequence_number"], bytes(record), place):
            return first
    return last_begun if partition["begins"] > 1 else None


def _offset() -> SparkColumn:
    """The offset as a number; records that came in an array share one."""
    return F.substring_index("offset_or_sequence_number", ":", 1).cast("bigint")


def _runs(offsets: DataFrame) -> DataFrame:
    """Numbered offsets -> one row per partition and run, with the object of its last offset."""
    return offsets.groupBy("partition", "run").agg(
        F.min("offset").alias("first"),
        F.max("offset").alias("last"),
        F.count("*").alias("rows"),
        F.max_by("source", "offset").alias("source"),
        F.max_by("arrived_at", "offset").alias("arrived_at"),
        F.count_if(F.col("offset") == 0).alias("begins"),
        F.max(F.when(F.col("offset") == 0, F.col("arrived_at"))).alias("begun"),
    )


def _numbered(offsets: DataFrame) -> DataFrame:
    """The offsets, each with the number of its gapless ``run``."""
    in_order = Window.partitionBy("partition").orderBy("offset")
    # An offset can occur twice: as one record, and split into an array's elements.
    begins = F.col("offset") > F.lag("offset", 1, -2).over(in_order) + 1
    return offsets.withColumn("begins", begins.cast("int")).withColumn(
        "run", F.sum("begins").over(in_order)
    )
