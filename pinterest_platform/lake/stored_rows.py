"""Rows in the form in which a table stores them: typed, in order, of some days."""

from collections.abc import Collection
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.contract import Table

# The largest LIMIT that Spark accepts, and more rows than an ordered table can have.
_ALL = 2**31 - 1


def typed(table: Table, rows: DataFrame) -> DataFrame:
    """The rows, cast to the columns and types of the table's contract."""
    return rows.select(
        *(F.col(column.name).cast(column.type).alias(column.name) for column in table.columns)
    )


def in_order(rows: DataFrame) -> DataFrame:
    """The rows ordered by their columns, in one partition.

    Before a write, engines drop a sort unless something depends on it, such as a limit.
    """
    return rows.coalesce(1).orderBy(*rows.columns).limit(_ALL)


def of_days(rows: DataFrame, days: Collection[date]) -> DataFrame:
    """The rows of the given days."""
    return rows.where(F.expr(f"day IN ({day_list(days)})"))


def day_list(days: Collection[date]) -> str:
    """The days as a list of SQL literals."""
    return ", ".join(f"DATE'{day}'" for day in sorted(days))
