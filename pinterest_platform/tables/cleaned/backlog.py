"""Finds the days on which the cleaned tables lag behind the raw ones, from the tables alone."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables import raw
from pinterest_platform.tables.cleaned.contracts import CLEANED
from pinterest_platform.tables.contract import Rows, Table
from pinterest_platform.tables.records import RecordContract, classified, united


def days_behind(rows: Rows) -> DataFrame:
    """(day) of the raw rows that are neither cleaned, quarantined, nor older than a cleaned row.

    Only rows that no table accounts for are parsed: duplicates and the backlog itself.
    """
    return united(*(_of_kind(rows, table, contract) for table, contract in CLEANED)).distinct()


def _of_kind(rows: Rows, table: Table, contract: RecordContract) -> DataFrame:
    key = ["day", *raw.KEY]
    cleaned = rows(table.full_name)
    quarantined = rows("cleaned.quarantine").where(F.col("kind") == contract.kind.name)
    unaccounted = (
        united(*map(rows, table.inputs))
        .join(cleaned, key, "left_anti")
        .join(quarantined, key, "left_anti")
    )
    kept = cleaned.select("day", "ind", raw.recency().alias("kept"))
    return (
        classified(unaccounted, contract)
        .select("day", "ind", "reason", raw.recency().alias("recency"))
        .join(kept, ["day", "ind"], "left")
        .where("reason IS NOT NULL OR kept IS NULL OR recency > kept")
        .select("day")
    )
