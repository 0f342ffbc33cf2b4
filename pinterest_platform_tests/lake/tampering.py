"""Changes to a lake that the platform does not know of."""

from pathlib import Path

from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.contract import Table


def double_a_row(table: Path) -> None:
    """Duplicate a row of a table, which must fail a check."""
    rows = DeltaTable(str(table)).to_pyarrow_table()
    write_deltalake(str(table), rows.slice(0, 1), mode="append")


def let_pass(spark: SparkSession, lake: Lake, table: Table, *, days: int) -> None:
    """Move the arrival and ingestion times of a raw table's rows into the past by some days."""
    location = lake.location(table)
    moved = (
        spark.read.format("delta")
        .load(location)
        .withColumns(
            {
                name: F.col(name) - F.expr(f"INTERVAL {days} DAYS")
                for name in ("arrived_at", "ingested_at")
            }
        )
        .withColumn("day", F.date_sub("day", days))
    )
    kept = [row.asDict() for row in moved.collect()]
    rows = spark.createDataFrame(kept, table.ddl)
    rows.write.format("delta").mode("overwrite").save(location)
