"""Counts a table's rows and runs its checks in one query: on Spark, each query costs a second."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Checked
from pinterest_platform.build.previews import preview
from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.tables.contract import Check, Table

SAMPLE_ROWS = 5

# Parts of the query that no check has the name of.
_DAY, _TOTAL, _OWN = "rows of a day", "rows of all days", "checks of the table's own rows"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The result of a counting query.

    Args:
        rows: of each day of the request that has any; empty for an unpartitioned table.
        total_rows: of all days.
        checks: for each check, the rows that it covers, those that offend, and its facts.
    """

    rows: Mapping[date, int]
    total_rows: int
    checks: Mapping[str, Sequence[int]]


def count(table: Table, checks: Sequence[Check], rows: TableRows) -> Counts:
    """Count the table's rows, and for each check the rows that offend."""
    found = reduce(DataFrame.unionAll, _parts(table, checks, rows)).collect()
    counts = {row["part"]: row["counts"] for row in found}
    total, *of_own = counts[_OWN]
    for check in checks:
        if check.over is None:
            size = 1 + len(check.facts)
            counts[check.name] = [total, *of_own[:size]]
            of_own = of_own[size:]
    return Counts(
        rows={row["day"]: row["counts"][0] for row in found if row["part"] == _DAY},
        total_rows=counts.get(_TOTAL, [total])[0],
        checks={check.name: counts[check.name] for check in checks},
    )


def outcome_of(table: Table, check: Check, counts: Counts, rows: TableRows) -> Checked:
    """The outcome of a counted check, with samples and the reason if it failed."""
    covered, offending, *facts = counts.checks[check.name]
    samples = []
    reason = ""
    if offending:
        offends = _covered(table, check, rows).where(check.offends)
        # In order, so that every engine shows the same ones.
        samples = preview(offends.orderBy(*offends.columns).limit(SAMPLE_ROWS))
        if check.reason is not None:
            reason = "".join(row["reason"] for row in check.reason(rows).collect())
    return Checked(
        table=table.full_name,
        check=check.name,
        passed=offending <= check.max_share * covered,
        severity=check.severity,
        offending=offending,
        rows_checked=covered,
        samples=samples,
        facts=dict(zip(check.facts, facts, strict=True)),
        reason=reason,
        blocking=check.blocking,
    )


def _parts(table: Table, checks: Sequence[Check], rows: TableRows) -> Iterator[DataFrame]:
    """Rows of (part, day, counts)."""
    own = rows(table.full_name)
    of_own = [check for check in checks if check.over is None]
    yield _part(_OWN, own, [aggregate for check in of_own for aggregate in _aggregates(check)])
    if table.daily and rows.days:
        yield (
            own.groupBy("day")
            .agg(F.array(F.count("*")).alias("counts"))
            .select(F.lit(_DAY).alias("part"), "day", "counts")
        )
        yield _part(_TOTAL, rows(table.full_name, all_days=True), [])
    for check in checks:
        if check.over is not None:
            yield _part(check.name, check.over(rows), _aggregates(check))


def _part(name: str, covered: DataFrame, aggregates: Sequence[SparkColumn]) -> DataFrame:
    return covered.agg(F.array(F.count("*"), *aggregates).alias("counts")).select(
        F.lit(name).alias("part"), F.lit(None).cast("date").alias("day"), "counts"
    )


def _aggregates(check: Check) -> list[SparkColumn]:
    sql = (f"count_if({check.offends})", *check.facts.values())
    return [F.expr(aggregate).cast("bigint") for aggregate in sql]


def _covered(table: Table, check: Check, rows: TableRows) -> DataFrame:
    return rows(table.full_name) if check.over is None else check.over(rows)
