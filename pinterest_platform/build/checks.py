"""Counts a table's rows, runs its checks and previews it in one query.

On Spark, a query over a few rows takes about as long as one over thousands. So only samples of
offending rows take a second query.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Checked, Preview
from pinterest_platform.build.previews import Previews
from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.tables.contract import Check, Table

SAMPLE_ROWS = 5

# Parts of the query besides the checks with rows of their own.
_OWN, _ALL_DAYS = "the table's own rows", "rows of all days"

# Counts in every part, besides those of the checks.
_ROWS, _KEYS = "rows", "keys"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The result of a check.

    Args:
        covered: the number of rows that the check covers.
        offending: the number of those that offend.
        facts: the check's facts, by name.
    """

    covered: int
    offending: int
    facts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The result of a counting query.

    Args:
        rows: of each day of the request that has any; empty for an unpartitioned table.
        total_rows: of all days.
        checks: the results of the checks, by name.
        previews: rows as text, by name.
    """

    rows: Mapping[date, int]
    total_rows: int
    checks: Mapping[str, Counted]
    previews: Mapping[str, Preview]


@dataclass(frozen=True)
class _Part:
    """A part of the query: its rows are (part, day, counts), and ``counts`` names the counts."""

    name: str
    counts: tuple[str, ...]
    rows: DataFrame


def count(table: Table, checks: Sequence[Check], rows: TableRows, previews: Previews) -> Counts:
    """Count the rows of a table and the offending rows of each check, and collect previews."""
    parts = {part.name: part for part in _parts(table, checks, rows)}
    by_day: dict[date, int] = {}
    # The sum over the days.
    found: dict[str, Counter[str]] = {name: Counter() for name in parts}
    collected: dict[str, Preview] = {}
    no_cells = F.lit(None).cast("array<array<string>>")
    counted = [part.rows.withColumn("cells", no_cells) for part in parts.values()]
    query = reduce(DataFrame.unionAll, counted + [_preview(part) for part in previews.parts()])
    for row in query.collect():
        if row["cells"] is not None:
            collected[row["part"]] = previews.read(row["part"], row["cells"])
            continue
        counts = dict(zip(parts[row["part"]].counts, row["counts"], strict=True))
        found[row["part"]].update(counts)
        if row["day"] is not None:
            by_day[row["day"]] = counts[_ROWS]
    return Counts(
        rows=by_day,
        total_rows=found[_ALL_DAYS if _ALL_DAYS in found else _OWN][_ROWS],
        checks={check.name: _counted(check, found[_part_of(check)]) for check in checks},
        previews=collected,
    )


def evidence(
    checks: Sequence[Check], table: Table, counts: Counts, rows: TableRows
) -> dict[str, DataFrame]:
    """Samples of the offending rows and reasons for failures, as DataFrames by name."""
    frames: dict[str, DataFrame] = {}
    for check in checks:
        counted = counts.checks[check.name]
        if counted.offending:
            offends = _covered(table, check, rows).where(check.offends)
            # In order, so that every engine shows the same ones.
            frames[_samples(check)] = offends.orderBy(*offends.columns).limit(SAMPLE_ROWS)
        if check.reason is not None and (counted.offending or counted.covered < check.least_rows):
            frames[reason_of(check)] = check.reason(rows)
    return frames


def outcome_of(table: Table, check: Check, counts: Counts, shown: Mapping[str, Preview]) -> Checked:
    """The outcome of a counted check; ``shown`` is its ``evidence`` as text."""
    counted = counts.checks[check.name]
    few_offend = counted.offending <= check.max_share * counted.covered
    return Checked(
        table=table.full_name,
        check=check.name,
        passed=few_offend and counted.covered >= check.least_rows,
        severity=check.severity,
        offending=counted.offending,
        rows_checked=counted.covered,
        samples=shown.get(_samples(check), []),
        facts=dict(counted.facts),
        reason="".join(row["reason"] for row in shown.get(reason_of(check), [])),
        blocking=check.blocking,
    )


def reason_of(check: Check) -> str:
    """The name of a check's reason in ``evidence``."""
    return f"reason of {check.name}"


def _samples(check: Check) -> str:
    return f"samples of {check.name}"


def _parts(table: Table, checks: Sequence[Check], rows: TableRows) -> Iterator[_Part]:
    yield _own(table, [check for check in checks if check.over is None], rows)
    if table.daily and rows.days:
        every_row = rows(table.full_name, all_days=True)
        yield _part(_ALL_DAYS, every_row, {_ROWS: F.count("*")})
    for check in checks:
        if check.over is not None:
            yield _part(check.name, check.over(rows), {_ROWS: F.count("*"), **_aggregates(check)})


def _own(table: Table, checks: Sequence[Check], rows: TableRows) -> _Part:
    """Counts of the table's own rows and keys: by day for a daily table, else in one row.

    One scan is enough for all of them, and on Spark every scan of a Delta table is a job of its
    own: the scan counts rows by key, and the result counts the keys.
    """
    of_rows: dict[str, SparkColumn] = {_ROWS: F.count("*")}
    of_keys: dict[str, SparkColumn] = {_KEYS: F.count("*")}
    for check in checks:
        (of_keys if check.per_key else of_rows).update(_aggregates(check))
    days = ["day"] if table.daily else []
    keys = (
        rows(table.full_name)
        .groupBy(*days, F.struct(*table.key).alias("key"))
        .agg(*(aggregate.alias(name) for name, aggregate in of_rows.items()))
    )
    sums = {name: F.coalesce(F.sum(F.col(f"`{name}`")), F.lit(0)) for name in of_rows}
    return _part(_OWN, keys, {**sums, **of_keys}, *days)


def _preview(part: DataFrame) -> DataFrame:
    """The row of a preview, with the columns of the query."""
    return part.select(
        F.col("name").alias("part"),
        F.lit(None).cast("date").alias("day"),
        F.lit(None).cast("array<bigint>").alias("counts"),
        "cells",
    )


def _part(name: str, rows: DataFrame, aggregates: Mapping[str, SparkColumn], *days: str) -> _Part:
    day = F.col("day") if days else F.lit(None).cast("date").alias("day")
    counts = F.array(*(aggregate.cast("bigint") for aggregate in aggregates.values()))
    counted = rows.groupBy(*days).agg(counts.alias("counts"))
    return _Part(name, tuple(aggregates), counted.select(F.lit(name).alias("part"), day, "counts"))


def _aggregates(check: Check) -> dict[str, SparkColumn]:
    sql = {check.name: f"count_if({check.offends})"} | {
        _fact(check, name): aggregate for name, aggregate in check.facts.items()
    }
    return {name: F.expr(aggregate) for name, aggregate in sql.items()}


def _fact(check: Check, name: str) -> str:
    return f"{check.name}: {name}"


def _part_of(check: Check) -> str:
    return _OWN if check.over is None else check.name


def _counted(check: Check, counts: Mapping[str, int]) -> Counted:
    return Counted(
        covered=counts[_KEYS if check.per_key else _ROWS],
        offending=counts[check.name],
        facts={name: counts[_fact(check, name)] for name in check.facts},
    )


def _covered(table: Table, check: Check, rows: TableRows) -> DataFrame:
    if check.over is not None:
        return check.over(rows)
    own = rows(table.full_name)
    if check.per_key:
        return own.groupBy(F.struct(*table.key).alias("key")).agg(F.count("*").alias("rows"))
    return own
