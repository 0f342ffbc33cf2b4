"""Tasks that the tests of the local workspace run there: this file is their wheel's only module."""

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
    """What the cluster takes for its region; it must import this to read it."""

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
    """Add a row, ind = the parameter, to a table that is made when missing; print what is in it."""
    spark = SparkSession.builder.getOrCreate()
    print("there" if spark.catalog.tableExists("main.raw.pin") else "new", end=" ")
    spark.sql("CREATE SCHEMA IF NOT EXISTS `main`.`raw`").collect()
    empty = spark.createDataFrame([], _DATA)
    empty.write.format("delta").partitionBy("day").mode("ignore").saveAsTable("main.raw.pin")
    # By position, as it is on Databricks.
    spark.sql(
        f"INSERT INTO main.raw.pin SELECT DATE'2026-01-01', {int(sys.argv[1])}, array('a')"
    ).collect()
    print([row.ind for row in spark.table("main.raw.pin").orderBy("ind").collect()])


def read_source() -> None:
    """Print what a Python data source gives."""
    spark = SparkSession.builder.getOrCreate()
    spark.dataSource.register(Regions)
    print([row.region for row in spark.read.format("regions").load().collect()])


def make_schema() -> None:
    """Make a schema: the parameter."""
    SparkSession.builder.getOrCreate().sql(f"CREATE SCHEMA {sys.argv[1]}").collect()


def fail() -> None:
    """Raise an error that names the parameter."""
    raise ValueError(f"no good: {sys.argv[1]}")


def wait() -> None:
    """Never end."""
    threading.Event().wait()


def tell() -> None:
    """Print parameters, variables, and whether the platform can be imported."""
    found = importlib.util.find_spec("pinterest_platform") is not None
    told = {"parameters": sys.argv[1:], "variables": dict(os.environ), "platform": found}
    print(json.dumps(told))


def secret() -> None:
    """Print a secret, of the scope and key that the parameters name."""
    # The import asks for credentials, which the cluster, where this module is imported too, lacks.
    from databricks.sdk.runtime import dbutils  # noqa: PLC0415

    print(dbutils.secrets.get(sys.argv[1], sys.argv[2]))


def write() -> None:
    """Write the second parameter into the file of the first."""
    Path(sys.argv[1]).write_text(sys.argv[2])
