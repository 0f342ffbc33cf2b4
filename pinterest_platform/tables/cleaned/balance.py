"""Reconciles the cleaned tables with the raw ones, by counts and keys, without parsing.

Each raw row becomes a cleaned row, a duplicate (an older record of a post that has a cleaned row)
or a quarantined row.
"""

from collections.abc import Iterator, Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import Kind
from pinterest_platform.tables import raw
from pinterest_platform.tables.contract import Check, Rows
from pinterest_platform.tables.records import united

_COUNTS = ("raw_rows", "cleaned_rows", "duplicates_dropped", "quarantined_rows")
_ACCOUNTED = "cleaned_rows + duplicates_dropped + quarantined_rows"


def balance(rows: Rows, kinds: Sequence[Kind], *per: str) -> DataFrame:
    """(``per``, ``raw_rows``, ``accounted_rows``), both counts of raw rows.

    ``per`` names the columns to group by: kind, day and ``ingested_at``, which is the time of an
    ingestion in microseconds since 1970. Raw rows of a post count as accounted for at the time of
    the post's last ingestion.
    """
    return _summed(united(*_entries(rows, kinds)), *per).select(
        *per, "raw_rows", F.expr(_ACCOUNTED).alias("accounted_rows")
    )


def days_behind(rows: Rows, kinds: Sequence[Kind]) -> DataFrame:
    """(day) of the days with raw rows that are not accounted for, once per kind."""
    return balance(rows, kinds, "kind", "day").where("raw_rows <> accounted_rows").select("day")


def days_with_rows(rows: Rows, kinds: Sequence[Kind]) -> DataFrame:
    """(day) of the days with raw rows, once per kind."""
    return balance(rows, kinds, "kind", "day").where("raw_rows > 0").select("day")


def reconciles(kind: Kind) -> Check:
    """The check that each raw row of a day was cleaned, quarantined, or dropped as a duplicate.

    It compares the counts of each day, and looks up the raw row of each cleaned and quarantined row
    by its natural key.
    """

    def days(rows: Rows) -> DataFrame:
        # A raw row and the row made from it share a key. Grouping by it is cheaper than a join.
        by_key = _summed(united(*_entries(rows, [kind])), "day", *raw.KEY)
        lost = F.sum(F.when(F.col("raw_rows") == 0, F.expr(_ACCOUNTED)).otherwise(0))
        return by_key.groupBy("day").agg(
            *(F.sum(name).alias(name) for name in _COUNTS), lost.alias("rows_without_raw_row")
        )

    return Check(
        name="reconciles_with_raw",
        description=f"Of a day, rows of {' and '.join(kind.raw_tables)} = {kind.cleaned_table} "
        "rows + duplicates dropped + quarantined rows, and each of these has its raw row.",
        severity="error",
        over=days,
        offends=f"raw_rows <> {_ACCOUNTED} OR rows_without_raw_row > 0",
        facts={name: f"coalesce(sum({name}), 0)" for name in _COUNTS},
    )


def _summed(entries: DataFrame, *per: str) -> DataFrame:
    return entries.groupBy(*per).agg(*(F.sum(name).alias(name) for name in _COUNTS))


def _entries(rows: Rows, kinds: Sequence[Kind]) -> Iterator[DataFrame]:
    """One entry per row of the kinds' raw and cleaned tables and of quarantine."""
    for kind in kinds:
        name = F.lit(kind.name)
        for table in kind.raw_tables:
            yield _entry(rows(table), name, raw_rows=F.lit(1))
        yield _entry(
            rows(kind.cleaned_table),
            name,
            cleaned_rows=F.lit(1),
            # Null in rows of an earlier contract.
            duplicates_dropped=F.coalesce("duplicates_dropped", F.lit(0)),
        )
    quarantined = rows("cleaned.quarantine").where(
        F.col("kind").isin([kind.name for kind in kinds])
    )
    yield _entry(quarantined, F.col("kind"), quarantined_rows=F.lit(1))


def _entry(rows: DataFrame, kind: SparkColumn, **counts: SparkColumn) -> DataFrame:
    return rows.select(
        kind.alias("kind"),
        "day",
        *raw.KEY,
        F.unix_micros("ingested_at").alias("ingested_at"),
        *(counts.get(name, F.lit(0)).cast("bigint").alias(name) for name in _COUNTS),
    )
