"""Builds tables: the one function that a local step and a remote entry point both call."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial

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
from pinterest_platform.tables.catalog import TABLES, in_schema
from pinterest_platform.tables.contract import Check, Table

PREVIEW_ROWS = 5

# More than there are kinds of record and reasons for quarantine.
BREAKDOWN_ROWS = 1000

# Tables made at the same time. On Spark and two cores, the outputs take two thirds of the time.
THREADS = 4

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
    with ExitStack() as spools, making_threads() as threads:
        writer = TableWriter(spark, lake, places, rows, spools, full=request.full)
        for together in _in_order():
            made: list[Table] = []
            for table in together:
                cause = next((failed[above] for above in table.inputs if above in failed), None)
                if cause is not None and table.full_name in request.tables:
                    failed[table.full_name] = cause
                    yield Skipped(table.full_name, cause)
                else:
                    made.append(table)
            # PySpark reports an error of its own if a thread registers a data source.
            each = threads.map if len(made) > 1 else map
            # A check may read another table of the group: all are written first.
            written = list(each(partial(_written, lake, writer, request), made))
            for outcomes in each(partial(_outcomes, lake, rows, request), made, written):
                for outcome in outcomes:
                    yield outcome
                    if isinstance(outcome, Checked) and outcome.stops:
                        failed[outcome.table] = f"{outcome.table}:{outcome.check}"
    yield from _upkeep(spark, lake, request)


@contextmanager
def making_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that have ended when the block ends, also with an error.

    After an interrupt they are left alone: the engine's session closes next, which ends them.
    """
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="makes-table")
    wait = False
    try:
        yield threads
        wait = True
    except Exception:
        wait = True
        raise
    finally:
        threads.shutdown(wait=wait, cancel_futures=True)


@cache
def _in_order() -> list[list[Table]]:
    """All tables in an order that lineage allows; those in one list are made at the same time.

    Raw tables are made one at a time, because they register data sources.
    """
    groups: list[list[Table]] = []
    place: dict[str, int] = {}
    for schema in ("raw", "cleaned", "analytics"):
        first = len(groups)
        for table in in_schema(schema):
            after = [place[above] + 1 for above in table.inputs]
            at = len(groups) if schema == "raw" else max(first, *after)
            place[table.full_name] = at
            groups += [[] for _ in range(at + 1 - len(groups))]
            groups[at].append(table)
    return groups


def _written(lake: Lake, writer: TableWriter, request: Request, table: Table) -> Written | None:
    """Make a table, if it is requested."""
    if table.full_name not in request.tables:
        return None
    with lake.explaining(f"{table.full_name} cannot be made"):
        return writer.write(table)


def _outcomes(
    lake: Lake, rows: TableRows, request: Request, table: Table, written: Written | None
) -> list[Outcome]:
    """The outcomes of a table's requested checks, after that of the table itself."""
    name = table.full_name
    checks = [check for check in table.checks if (name, check.name) in request.checks]
    if written is None and not checks:
        return []
    with lake.explaining(f"{name} cannot be counted and checked"):
        return retried(partial(_counted, table, checks, rows, written))


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


def _counted(
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
