"""Runs SQL over the lake, under the platform's table names."""

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pinterest_platform.errors import PlatformError, first_line
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.sql import parsed
from pinterest_platform.tables.catalog import TABLES


def query(spark: SparkSession, root: str, sql: str) -> pa.Table:
    """The answer to a query over tables such as ``raw.pin`` and ``analytics.posts``.

    Args:
        spark: the session that runs it.
        root: of the lake, see ``Lake``.
        sql: one SELECT.

    Raises:
        PlatformError: the SQL is not a query, fails, or names a table that does not exist yet.
    """
    accepted = parsed(sql, TABLES)
    lake = Lake(spark, root)
    for schema, name in accepted.tables:
        table = TABLES[f"{schema}.{name}".lower()]
        if not lake.exists(table):
            raise PlatformError(
                f"there is no {table.full_name} in the lake {root} yet: `pinterest run`"
            )
        # Spelled as in the query: not every engine matches names case-insensitively.
        lake.register(table, schema, name)
    try:
        # Apache Spark would substitute environment variables such as ${env:HOME}, even in strings:
        # a server that refuses the setting gets no query.
        spark.conf.set("spark.sql.variable.substitute", "false")
        return spark.sql(accepted.sql).toArrow()
    except (PySparkException, Py4JJavaError) as error:
        # No tables to check: registering them has just read their logs.
        raise lake.fault(error, ()) or PlatformError(
            f"the SQL cannot be run: {lake.with_own_path(first_line(error))}"
        ) from None
