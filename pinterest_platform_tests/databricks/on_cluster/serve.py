"""A cluster: a Sail server, with requests about its catalog on standard input.

``serve.py SESSION MANAGED``. Sail's catalogs belong to a session and are in memory. So all tasks
share the session SESSION, and before each task it registers the tables in the folder MANAGED:
``<catalog>/<schema>/<table>``. Each request and answer is a line of JSON; the process ends with its
standard input.
"""

import json
import os
import sys
from pathlib import Path

from pysail.spark import SparkConnectServer
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

FIRST_COMMIT = f"_delta_log/{0:020}.json"


def learn(spark: SparkSession, managed: Path, schemas: dict[str, str]) -> None:
    """Register schemas and tables that others created in the session.

    Args:
        spark: the session.
        managed: the folder of the tables.
        schemas: the columns of tables as JSON, by ``catalog.schema.table``.
    """
    for folder in sorted(managed.glob("*/*")):
        catalog, schema = folder.relative_to(managed).parts
        spark.sql(
            f"CREATE SCHEMA IF NOT EXISTS `{catalog}`.`{schema}` LOCATION '{folder}'"
        ).collect()
    for name, location in tables(managed).items():
        if not known(spark, name):
            delta = spark.read.format("delta")
            # The log has partition columns last; Databricks keeps the declared order.
            columns = (
                StructType.fromJson(json.loads(schemas[name]))
                if name in schemas
                else delta.load(str(location)).schema
            )
            writer = spark.createDataFrame([], columns).write.format("delta").mode("ignore")
            writer.partitionBy(*partitions(location)).saveAsTable(name)


def columns_of_tables(spark: SparkSession, managed: Path) -> dict[str, str]:
    """The columns of the session's tables, as JSON."""
    return {name: spark.table(name).schema.json() for name in tables(managed) if known(spark, name)}


def tables(managed: Path) -> dict[str, Path]:
    """The tables that exist, by ``catalog.schema.table``."""
    commits = sorted(managed.glob(f"*/*/*/{FIRST_COMMIT}"))
    locations = [commit.parents[1] for commit in commits]
    return {".".join(each.relative_to(managed).parts): each for each in locations}


def known(spark: SparkSession, name: str) -> bool:
    """Whether the session has the table."""
    return spark.catalog.tableExists(name)


def partitions(location: Path) -> list[str]:
    """A table's partition columns, from its first commit."""
    commit = (location / FIRST_COMMIT).read_text()
    actions = [json.loads(line) for line in commit.splitlines()]
    columns: list[str]
    (columns,) = [each["metaData"]["partitionColumns"] for each in actions if "metaData" in each]
    return columns


def serve(session: str, managed: Path) -> None:
    """Serve until standard input ends."""
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    url = f"sc://{host}:{port}/;session_id={session};user_id=databricks"
    spark = SparkSession.builder.remote(url).create()
    print(json.dumps({"url": url}), flush=True)
    for line in sys.stdin:
        requested = json.loads(line)
        answer: dict[str, object]
        try:
            if "learn" in requested:
                learn(spark, managed, requested["learn"])
            answer = {"columns": columns_of_tables(spark, managed)}
        except PySparkException as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    # Otherwise the session would wait for the server for ever.
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
