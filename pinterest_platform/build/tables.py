"""Builds tables: the one function that a local step and a remote entry point both call."""

import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from typing_extensions import override

from pinterest_platform.build.outcomes import Checked, Materialized, Outcome, Preview, Skipped
from pinterest_platform.build.request import Request
from pinterest_platform.ingest.ingestion import ingest
from pinterest_platform.ingest.kinesis.pending import readings
from pinterest_platform.lake.delta import Lake, of_days, retried
from pinterest_platform.lake.unity import lake_of
from pinterest_platform.places import Places
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Check, Rows, Table

PREVIEW_ROWS = 5
SAMPLE_ROWS = 5

# A cell of a preview is there to recognise a row by, and event logs keep it for ever.
_CELL = 80


def build(spark: SparkSession, places: Places, request: Request) -> Iterator[Outcome]:
    """Make the requested tables and run the requested checks, in an order that lineage allows.

    A table below one that failed a check of severity error is not made.

    Raises:
        PlatformError: the landing place or the lake cannot be read or written.
    """
    lake = lake_of(spark, places.lake)
    rows = TableRows(lake, request.days, partial(readings, spark, lake, places))
    failed: dict[str, str] = {}
    for name, table in TABLES.items():
        cause = next((failed[above] for above in table.inputs if above in failed), None)
        if name in request.tables:
            if cause is not None:
                failed[name] = cause
                yield Skipped(name, cause)
                continue
            with lake.explaining(f"{name} cannot be made"):
                made = _make(spark, lake, places, table, rows)
            yield made
        for check in table.checks:
            if (name, check.name) in request.checks:
                with lake.explaining(f"{name} cannot be checked for {check.name}"):
                    checked = retried(partial(_run, name, check, rows))
                yield checked
                if checked.stops:
                    failed[name] = f"{name}:{check.name}"


class TableRows(Rows):
    """The rows of tables in the lake, for the days of a request."""

    def __init__(
        self,
        lake: Lake,
        days: tuple[date, ...] = (),
        readings: Callable[[Table, tuple[date, ...]], DataFrame] | None = None,
    ) -> None:
        self._lake = lake
        self._days = days
        self._readings = readings

    @override
    def __call__(self, table: str, *, all_days: bool = False) -> DataFrame:
        whole = self._lake.read(TABLES[table])
        if all_days or not self._days or not TABLES[table].daily:
            return whole
        return of_days(whole, self._days)

    @override
    def readings(self, table: str) -> DataFrame:
        assert self._readings is not None, table  # noqa: S101 - those who run checks give it
        return self._readings(TABLES[table], self._days)

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the request."""
        return self._days


def _make(
    spark: SparkSession, lake: Lake, places: Places, table: Table, rows: TableRows
) -> Materialized:
    started = time.monotonic()
    facts: dict[str, int] = {}
    watermark: dict[str, Any] = {}
    if table.schema == "raw":
        facts, watermark = ingest(spark, lake, places, table, rows.days)
    elif table.daily:
        lake.replace_days(table, _transformed(table, places, rows), rows.days)
    else:
        lake.replace(table, _transformed(table, places, rows))

    def described() -> Materialized:
        made = rows(table.full_name)
        return Materialized(
            table=table.full_name,
            rows=_rows_by_day(made, rows.days) if table.daily else {},
            total_rows=rows(table.full_name, all_days=True).count(),
            preview=_preview(made.orderBy(*table.key).limit(PREVIEW_ROWS)),
            seconds=time.monotonic() - started,
            breakdown=_breakdown(table, made),
            facts=facts,
            watermark=watermark,
        )

    return retried(described)


def _transformed(table: Table, places: Places, rows: TableRows) -> Callable[[], DataFrame]:
    parameters = {name: places.parameters[name] for name in table.parameters}
    transform = table.transform
    assert transform is not None, table.full_name  # noqa: S101 - only raw tables have none
    return lambda: transform(*(rows(name) for name in table.inputs), **parameters)


def _rows_by_day(made: DataFrame, days: tuple[date, ...]) -> dict[date, int]:
    counts = {
        row["day"]: row["rows"]
        for row in made.groupBy("day").agg(F.count("*").alias("rows")).collect()
    }
    return {day: counts.get(day, 0) for day in days}


def _breakdown(table: Table, made: DataFrame) -> Preview:
    if not table.breakdown:
        return []
    counted = made.groupBy(*table.breakdown).agg(F.count("*").alias("rows"))
    return _preview(counted.orderBy(F.desc("rows"), *table.breakdown))


def _run(table: str, check: Check, rows: TableRows) -> Checked:
    looked_at = check.over(rows)
    facts = {name: F.expr(aggregate) for name, aggregate in check.facts.items()}
    counted = (
        looked_at.agg(
            F.count("*").alias("looked_at"),
            F.expr(f"count_if({check.offends})").alias("offending"),
            *(fact.alias(name) for name, fact in facts.items()),
        )
        .collect()[0]
        .asDict()
    )
    total, offending = counted.pop("looked_at"), counted.pop("offending")
    offends = looked_at.where(check.offends)
    # In order, so that every engine shows the same ones.
    first = offends.orderBy(*offends.columns).limit(SAMPLE_ROWS)
    samples = _preview(first) if offending else []
    reasons = check.reason(rows).collect() if samples and check.reason else []
    return Checked(
        table=table,
        check=check.name,
        passed=offending <= check.max_share * total,
        severity=check.severity,
        offending=offending,
        looked_at=total,
        samples=samples,
        facts=counted,
        reason="".join(row["reason"] for row in reasons),
        blocking=check.blocking,
    )


def _preview(rows: DataFrame) -> Preview:
    """The rows as text, long cells cut."""
    printable = rows.select(
        *(
            F.hex(name).alias(name) if type_ == "binary" else F.col(name).cast("string")
            for name, type_ in rows.dtypes
        )
    )
    return [
        {name: _cell(value) for name, value in row.asDict().items()} for row in printable.collect()
    ]


def _cell(text: str | None) -> str:
    if text is None:
        return ""
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
