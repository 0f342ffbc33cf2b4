"""Which days the cleaned tables lag behind the raw ones, read off the tables themselves."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables import raw
from pinterest_platform.tables.cleaned.quarantine import KINDS
from pinterest_platform.tables.contract import Rows
from pinterest_platform.tables.records import classified

CLEANED = {
    "raw.pin": "cleaned.pins",
    "raw.geo": "cleaned.geolocations",
    "raw.user": "cleaned.users",
}


def days_behind(rows: Rows) -> DataFrame:
    """(day) of the raw rows that are neither cleaned, quarantined, nor older than a cleaned row.

    Only the rows that no table accounts for are parsed: duplicates, and what is looked for.
    """
    return reduce(DataFrame.unionAll, [_of_kind(rows, table) for table in KINDS]).distinct()


def _of_kind(rows: Rows, raw_table: str) -> DataFrame:
    kind = KINDS[raw_table]
    key = ["day", *raw.NATURAL_KEY]
    cleaned = rows(CLEANED[raw_table])
    quarantined = rows("cleaned.quarantine").where(F.col("kind") == kind.name)
    unaccounted = (
        rows(raw_table).join(cleaned, key, "left_anti").join(quarantined, key, "left_anti")
    )
    kept = cleaned.select("day", "ind", raw.recency().alias("kept"))
    return (
        classified(unaccounted, kind)
        .select("day", "ind", "reason", raw.recency().alias("recency"))
        .join(kept, ["day", "ind"], "left")
        .where("reason IS NOT NULL OR kept IS NULL OR recency > kept")
        .select("day")
    )
