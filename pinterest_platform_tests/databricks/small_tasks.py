"""Tasks for the tests of the local workspace: the only module of their wheel."""

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from typing_extensions import override

_DATA = "day date, ind int, names array<string>"


class Regions(DataSource):
    """A data source that returns the cluster's region; the cluster must import this module."""

    @classmethod
    @override
    def name(cls) -> str:
        return "regions"

    @override
    def schema(self) -> str:
        return "region string"

    @override
    def reader(self, schema: Any) -> DataSourceReader:
        return _Reader()


class _Reader(DataSourceReader):
    @override
    def read(self, partition: InputPartition) -> Iterator[tuple[str]]:
        yield (os.environ["AWS_REGION"],)


def make_table() -> None:
    """Add a row with ind = the parameter to a table, created if missing; print its rows."""
    spark = SparkSession.builder.getOrCreate()
    print("there" if spark.catalog.tableExists("main.raw.pin") else "new", end=" ")
    spark.sql("CREATE SCHEMA IF NOT EXISTS `main`.`raw`").collect()
    empty = spark.createDataFrame([], _DATA)
    empty.write.format("delta").partitionBy("day").mode("ignore").saveAsTable("main.raw.pin")
    # By position, as on Databricks.
    spark.sql(
        f"INSERT INTO main.raw.pin SELECT DATE'2026-01-01', {int(sys.argv[1])}, array('a')"
    ).collect()
    print([row.ind for row in spark.table("main.raw.pin").orderBy("ind").collect()])


def read_source() -> None:
    """Print the rows of a Python data source."""
    spark = SparkSession.builder.getOrCreate()
    spark.dataSource.register(Regions)
    print([row.region for row in spark.read.format("regions").load().collect()])


def make_schema() -> None:
    """Create the schema that the parameter names."""
    SparkSession.builder.getOrCreate().sql(f"CREATE SCHEMA {sys.argv[1]}").collect()


def fail() -> None:
    """Raise an error that names the parameter."""
    raise ValueError(f"no good: {sys.argv[1]}")


def wait() -> None:
    """Wait for ever."""
    threading.Event().wait()


def tell() -> None:
    """Print parameters, variables, and whether the platform can be imported."""
    found = importlib.util.find_spec("pinterest_platform") is not None
    summary = {"parameters": sys.argv[1:], "variables": dict(os.environ), "platform": found}
    print(json.dumps(summary))


def secret() -> None:
    """Print the secret of a scope and key, given as parameters."""
    # The import needs credentials, and the cluster, which imports this module too, has none.
    from databricks.sdk.runtime import dbutils  # noqa: PLC0415

    print(dbutils.secrets.get(sys.argv[1], sys.argv[2]))


def write() -> None:
    """Write the second parameter to the file named by the first."""
    Path(sys.argv[1]).write_text(sys.argv[2])
