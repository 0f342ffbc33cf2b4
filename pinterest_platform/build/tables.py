"""Builds tables: the one function that a local step and a remote entry point both call."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.build.checks import count, evidence, outcome_of, reason_of
from pinterest_platform.build.outcomes import Checked, Maintained, Materialized, Outcome, Skipped
from pinterest_platform.build.previews import Previews
from pinterest_platform.build.request import Request
from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.build.table_writer import TableWriter, Written
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.kinesis.pending import readings
from pinterest_platform.lake.conflicts import retried
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.unity import lake_of
from pinterest_platform.lake.upkeep import maintain, size
from pinterest_platform.places import Places
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Check, Table

PREVIEW_ROWS = 5

# More than there are kinds of record and reasons for quarantine.
BREAKDOWN_ROWS = 1000

_PREVIEW, _BREAKDOWN = "preview", "breakdown"


def build(spark: SparkSession, places: Places, request: Request) -> Iterator[Outcome]:
    """Make, check and maintain the requested tables, in an order that lineage allows.

    A table below one that failed a check of severity error is not made.

    Raises:
        PlatformError: the landing place or the lake cannot be read or written.
    """
    lake = lake_of(spark, places.lake)
    rows = TableRows(lake, request.days, partial(readings, spark, lake, places))
    failed: dict[str, str] = {}
    with ExitStack() as spools:
        writer = TableWriter(spark, lake, places, rows, spools, full=request.full)
        for name, table in TABLES.items():
            checks = [check for check in table.checks if (name, check.name) in request.checks]
            cause = next((failed[above] for above in table.inputs if above in failed), None)
            written: Written | None = None
            if name in request.tables:
                if cause is not None:
                    failed[name] = cause
                    yield Skipped(name, cause)
                    continue
                with lake.explaining(f"{name} cannot be made"):
                    written = writer.write(table)
            elif not checks:
                continue
            with lake.explaining(f"{name} cannot be counted and checked"):
                outcomes = retried(partial(_outcomes, table, checks, rows, written))
            for outcome in outcomes:
                yield outcome
                if isinstance(outcome, Checked) and outcome.stops:
                    failed[name] = f"{name}:{outcome.check}"
    yield from _upkeep(spark, lake, request)


def _upkeep(spark: SparkSession, lake: Lake, request: Request) -> Iterator[Maintained]:
    """Maintain the requested tables; if one fails, the others are still maintained."""
    errors: list[PlatformError] = []
    for name in request.upkeep:
        try:
            with lake.explaining(f"{name} cannot be maintained"):
                if lake.exists(TABLES[name]):
                    yield _maintained(spark, lake, TABLES[name], request.retention_days)
        except PlatformError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _maintained(spark: SparkSession, lake: Lake, table: Table, retention_days: int) -> Maintained:
    files, size_before = size(spark, lake, table)
    maintain(spark, lake, table, retention_days=retention_days)
    files_after, size_after = size(spark, lake, table)
    return Maintained(
        table=table.full_name,
        files_before=files,
        files_after=files_after,
        bytes_before=size_before,
        bytes_after=size_after,
    )


def _outcomes(
    table: Table, checks: Sequence[Check], rows: TableRows, written: Written | None
) -> list[Outcome]:
    """The outcomes of a table's checks, after that of the table itself if it was written."""
    excerpts = Previews({} if written is None else _excerpts(table, rows))
    counts = count(table, checks, rows, excerpts)
    samples = Previews(evidence(checks, table, counts, rows), whole=[*map(reason_of, checks)])
    shown = {**counts.previews, **samples.collect()}
    outcomes: list[Outcome] = []
    if written is not None:
        outcomes.append(
            Materialized(
                table=table.full_name,
                rows={day: counts.rows.get(day, 0) for day in rows.days} if table.daily else {},
                total_rows=counts.total_rows,
                preview=shown.get(_PREVIEW, []),
                seconds=written.seconds,
                breakdown=shown.get(_BREAKDOWN, []),
                facts=written.facts,
                watermark=written.watermark,
            )
        )
    outcomes.extend(outcome_of(table, check, counts, shown) for check in checks)
    return outcomes


def _excerpts(table: Table, rows: TableRows) -> dict[str, DataFrame]:
    """The preview and breakdown of a table as DataFrames."""
    found = rows(table.full_name)
    frames = {_PREVIEW: found.orderBy(*table.key).limit(PREVIEW_ROWS)}
    if table.breakdown:
        counted = found.groupBy(*table.breakdown).agg(F.count("*").alias("rows"))
        by_size = counted.orderBy(F.desc("rows"), *table.breakdown)
        frames[_BREAKDOWN] = by_size.limit(BREAKDOWN_ROWS)
    return frames
