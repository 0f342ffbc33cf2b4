"""Differences between Sail and Apache Spark that the platform works around or accepts.

Each test records the behaviour of pysail 0.7.2. A failure means that Sail has changed: then review
the workaround that the test names.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

FIRST = "DATE'2026-01-01'"
SECOND = "DATE'2026-01-02'"


def rows(spark: SparkSession, *selected: str) -> DataFrame:
    return spark.sql(" UNION ALL ".join(f"SELECT {one}" for one in selected))


def days_of(frame: DataFrame) -> list[str]:
    return sorted(str(row["day"]) for row in frame.select("day").collect())


def two_days(spark: SparkSession, value: str) -> DataFrame:
    return rows(spark, f"{value} AS c, {FIRST} AS day", f"{value} AS c, {SECOND} AS day")


def test_replace_where_accepts_an_array_only_from_a_union(
    spark: SparkSession, tmp_path: Path
) -> None:
    """So ``Lake._replace_where`` forms a union of the new rows and no rows of the table."""
    location = str(tmp_path / "table")
    spark.createDataFrame([], "c ARRAY<DOUBLE>, day DATE").write.format("delta").partitionBy(
        "day"
    ).save(location)
    new = rows(spark, f"array(1D) AS c, {FIRST} AS day")

    def replace(frame: DataFrame) -> None:
        writer = frame.write.format("delta").mode("overwrite")
        writer.option("replaceWhere", f"day = {FIRST}").save(location)

    united = spark.read.format("delta").load(location).limit(0).unionAll(new)
    for _ in range(2):
        replace(united)
    with pytest.raises(PySparkException, match="same data type"):
        replace(new)


def test_replace_where_on_a_catalog_table_replaces_the_whole_table(
    spark: SparkSession, tmp_path: Path
) -> None:
    """So ``UnityLake`` uses INSERT INTO ... REPLACE WHERE."""
    spark.sql(f"CREATE DATABASE limits LOCATION '{tmp_path}'").collect()
    try:
        two_days(spark, "1").write.format("delta").saveAsTable("limits.held")
        writer = rows(spark, f"2 AS c, {FIRST} AS day").write.format("delta").mode("overwrite")
        writer.option("replaceWhere", f"day = {FIRST}").saveAsTable("limits.held")
        assert days_of(spark.table("limits.held")) == ["2026-01-01"]
    finally:
        spark.sql("DROP DATABASE limits CASCADE").collect()


def test_dynamic_partition_overwrite_replaces_all_partitions(
    spark: SparkSession, tmp_path: Path
) -> None:
    """So ``Lake`` replaces days with ``replaceWhere``."""
    location = str(tmp_path / "table")
    two_days(spark, "1").write.format("delta").partitionBy("day").save(location)
    writer = rows(spark, f"2 AS c, {FIRST} AS day").write.format("delta").mode("overwrite")
    writer.option("partitionOverwriteMode", "dynamic").save(location)
    assert days_of(spark.read.format("delta").load(location)) == ["2026-01-01"]


def test_a_merge_reads_its_source_twice(spark: SparkSession, tmp_path: Path) -> None:
    """So ``Lake.add`` first writes new rows to files. Apache Spark reads the source once."""
    taken = tmp_path / "taken"

    def take(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with taken.open("a") as file:
            file.write("once ")
        yield from batches

    location = tmp_path / "table"
    spark.createDataFrame([], "c BIGINT").write.format("delta").save(str(location))
    spark.range(1).toDF("c").coalesce(1).mapInArrow(take, "c BIGINT").createTempView("new")
    try:
        spark.sql(
            f"MERGE INTO delta.`{location}` AS held USING new ON held.c = new.c "
            "WHEN NOT MATCHED THEN INSERT *"
        ).collect()
    finally:
        spark.catalog.dropTempView("new")
    assert spark.read.format("delta").load(str(location)).count() == 1
    assert taken.read_text() == "once once "


@pytest.mark.parametrize(
    ("expression", "on_sail"),
    [
        # Apache Spark: [0.0, null]
        ("CAST(array(0D, CAST(NULL AS DOUBLE)) AS STRING)", "[0.0, NULL]"),
        # Apache Spark: ? , Infinity in quotes, all the digits, 0, 1.23456789E7 and read.
        (r"""from_json('{"t": "\\ud800"}', 't STRING').t""", None),
        ("""from_json('{"t": 1e400}', 't STRING').t""", None),
        ("""from_json('{"t": 100000000000000000000000}', 't STRING').t""", "1e+23"),
        ("""from_json('{"t": -0}', 't STRING').t""", "-0.0"),
        ("""from_json('{"t": 12345678.9}', 't STRING').t""", "12345678.9"),
        (f"""from_json('{{"t": 1, "z": {"[" * 127}{"]" * 127}}}', 't STRING').t""", None),
        # Apache Spark: 2018-11-08 04:29:00
        ("CAST(TRY_CAST('2018-11-08T06:29+02:00' AS TIMESTAMP) AS STRING)", None),
    ],
)
def test_text_that_is_read_differently_from_apache_spark(
    spark: SparkSession, expression: str, on_sail: Any
) -> None:
    """So ``json_text`` and ``text.moment`` rewrite such text."""
    assert spark.sql(f"SELECT {expression} AS t").collect()[0]["t"] == on_sail


def test_invalid_base64_makes_the_whole_batch_null(spark: SparkSession) -> None:
    """So ``json_text`` decodes only valid base64. Apache Spark gives null for that value only."""
    texts = spark.createDataFrame([("e30=",), ("[1]",)], "t STRING")
    read = texts.selectExpr("hex(try_to_binary(t, 'base64')) AS t").collect()
    assert [row["t"] for row in read] == [None, None]
