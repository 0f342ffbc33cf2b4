"""Counts a table's rows and runs its checks in one query: on Spark, each query costs a second."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Checked, Preview
from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.tables.contract import Check, Table

SAMPLE_ROWS = 5

# Parts of the query that no check has the name of.
_OWN, _TOTAL = "the table's own rows", "rows of all days"


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
    """Count the table's rows, and for each check those that offend."""
    found = reduce(DataFrame.unionAll, _parts(table, checks, rows)).collect()
    counts: dict[str, list[int]] = {row["part"]: row["counts"] for row in found}
    # Of each day with rows, or of an unpartitioned table: rows, keys, and what the checks count.
    own = [row for row in found if row["part"] == _OWN]
    nothing = [0] * (2 + sum(1 + len(check.facts) for check in _of_own(checks)))
    of_all = [nothing, *(row["counts"] for row in own)]
    total, keys, *of_checks = map(sum, zip(*of_all, strict=True))
    for check in _of_own(checks):
        size = 1 + len(check.facts)
        counts[check.name] = [keys if check.per_key else total, *of_checks[:size]]
        of_checks = of_checks[size:]
    return Counts(
        rows={row["day"]: row["counts"][0] for row in own if row["day"] is not None},
        total_rows=counts.get(_TOTAL, [total])[0],
        checks={check.name: counts[check.name] for check in checks},
    )


def evidence(
    checks: Sequence[Check], table: Table, counts: Counts, rows: TableRows
) -> dict[str, DataFrame]:
    """The frames to show for checks that found something: samples and reasons."""
    frames: dict[str, DataFrame] = {}
    for check in checks:
        covered, offending, *_ = counts.checks[check.name]
        if offending:
            offends = _covered(table, check, rows).where(check.offends)
            # In order, so that every engine shows the same ones.
            frames[_samples(check)] = offends.orderBy(*offends.columns).limit(SAMPLE_ROWS)
        if check.reason is not None and (offending or covered < check.least_rows):
            frames[reason_of(check)] = check.reason(rows)
    return frames


def outcome_of(table: Table, check: Check, counts: Counts, shown: Mapping[str, Preview]) -> Checked:
    """The outcome of a counted check, with the shown ``evidence``."""
    covered, offending, *facts = counts.checks[check.name]
    return Checked(
        table=table.full_name,
        check=check.name,
        passed=offending <= check.max_share * covered and covered >= check.least_rows,
        severity=check.severity,
        offending=offending,
        rows_checked=covered,
        samples=shown.get(_samples(check), []),
        facts=dict(zip(check.facts, facts, strict=True)),
        reason="".join(row["reason"] for row in shown.get(reason_of(check), [])),
        blocking=check.blocking,
    )


def _samples(check: Check) -> str:
    return f"samples of {check.name}"


def reason_of(check: Check) -> str:
    """The name of the frame with the reason for a check's failure."""
    return f"reason of {check.name}"


def _parts(table: Table, checks: Sequence[Check], rows: TableRows) -> Iterator[DataFrame]:
    """Rows of (part, day, counts)."""
    yield _own(table, checks, rows)
    if table.daily and rows.days:
        yield _part(_TOTAL, rows(table.full_name, all_days=True).agg(F.array(F.count("*"))))
    for check in checks:
        if check.over is not None:
            counted = check.over(rows).agg(F.array(F.count("*"), *_aggregates(check)))
            yield _part(check.name, counted)


def _own(table: Table, checks: Sequence[Check], rows: TableRows) -> DataFrame:
    """For each day of a daily table, or once: its rows, its keys, and what the checks count.

    Everything comes from one scan, because on Spark, each scan of a Delta table starts a job.
    """
    of_rows = [F.count("*"), *_flat(check for check in _of_own(checks) if not check.per_key)]
    names = [f"count_{at}" for at in range(len(of_rows))]
    named = [each.alias(name) for each, name in zip(of_rows, names, strict=True)]
    by_day = ["day"] if table.daily else []
    keys = (
        rows(table.full_name)
        .groupBy(*by_day, F.struct(*table.key).alias("key"))
        .agg(*named)
        .withColumnRenamed(names[0], "rows")
    )
    total, *sums = (F.coalesce(F.sum(name), F.lit(0)) for name in ("rows", *names[1:]))
    counts = [total, F.count("*")]
    for check in _of_own(checks):
        if check.per_key:
            counts += _aggregates(check)
        else:
            size = 1 + len(check.facts)
            counts += sums[:size]
            sums = sums[size:]
    of_day = F.col("day") if table.daily else F.lit(None).cast("date")
    return (
        keys.groupBy(*by_day)
        .agg(F.array(*counts).alias("counts"))
        .select(F.lit(_OWN).alias("part"), of_day.alias("day"), "counts")
    )


def _of_own(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.over is None]


def _part(name: str, counts: DataFrame) -> DataFrame:
    return counts.toDF("counts").select(
        F.lit(name).alias("part"), F.lit(None).cast("date").alias("day"), "counts"
    )


def _flat(checks: Iterable[Check]) -> list[SparkColumn]:
    return [aggregate for check in checks for aggregate in _aggregates(check)]


def _aggregates(check: Check) -> list[SparkColumn]:
    sql = (f"count_if({check.offends})", *check.facts.values())
    return [F.expr(aggregate).cast("bigint") for aggregate in sql]


def _covered(table: Table, check: Check, rows: TableRows) -> DataFrame:
    if check.over is not None:
        return check.over(rows)
    own = rows(table.full_name)
    if check.per_key:
        return own.groupBy(F.struct(*table.key).alias("key")).agg(F.count("*").alias("rows"))
    return own
