"""Balances the cleaned tables with the raw ones: every raw row has become one thing.

It is a cleaned row, an older record of a cleaned row's post, or a quarantined row. The columns of
the tables say which; no record is parsed again.
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

    ``per`` is any of kind, day and ``ingested_at``, the time of an ingestion in microseconds since
    1970. The rows of the tables are accounted for with the last ingestion of their post.
    """
    return _summed(united(*_entries(rows, kinds)), *per).select(
        *per, "raw_rows", F.expr(_ACCOUNTED).alias("accounted_rows")
    )


def days_behind(rows: Rows, kinds: Sequence[Kind]) -> DataFrame:
    """(day) of the raw rows for which no row of the cleaned tables accounts."""
    return balance(rows, kinds, "kind", "day").where("raw_rows <> accounted_rows").select("day")


def days_with_rows(rows: Rows, kinds: Sequence[Kind]) -> DataFrame:
    """(day) of all raw rows."""
    return balance(rows, kinds, "kind", "day").where("raw_rows > 0").select("day")


def reconciles(kind: Kind) -> Check:
    """A check that the day's raw rows are cleaned, quarantined, or dropped as duplicates.

    By count for the day, and row by row from the cleaned and quarantined ones to their raw rows.
    """

    def days(rows: Rows) -> DataFrame:
        # One group for each raw row and what was made from it, because joins are more expensive.
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
    """One entry for each row of the kinds' tables."""
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
