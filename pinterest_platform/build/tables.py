"""Builds tables: the one function that a local step and a remote entry point both call."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from itertools import starmap
from multiprocessing.pool import ThreadPool
from typing import Any, TypeVar

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
from pinterest_platform.tables.cleaned.quarantine import QUARANTINE
from pinterest_platform.tables.contract import Check, Table

PREVIEW_ROWS = 5

# More than there are kinds of record and reasons for quarantine.
BREAKDOWN_ROWS = 1000

# Tables of a group to write at once. On two cores, the outputs take Spark two thirds of the time.
THREADS = 4

# The delay of Ctrl-C while tables are written at once.
INTERRUPTIBLE_SECONDS = 0.2

T = TypeVar("T")

_PREVIEW, _BREAKDOWN = "preview", "breakdown"


def build(spark: SparkSession, places: Places, request: Request) -> Iterator[Outcome]:
    """Make, check and maintain the requested tables, in an order that lineage allows.

    A table below one that failed a check of severity error is not made. If a table cannot be
    written, the tables of its group are still made and checked before the error is raised.

    Raises:
        PlatformError: the landing place or the lake cannot be read or written.
    """
    lake = lake_of(spark, places.lake)
    rows = TableRows(lake, request.days, partial(readings, spark, lake, places))
    failed: dict[str, str] = {}
    requested = {*request.tables, *(table for table, _ in request.checks)}
    # The pool's threads are daemons: after an interrupt, the process does not wait for their
    # queries, which end with the session.
    with ExitStack() as spools, ThreadPool(THREADS) as pool:
        writer = TableWriter(spark, lake, places, rows, spools, full=request.full)
        for names in _groups():
            group: list[Table] = []
            for table in (TABLES[name] for name in names if name in requested):
                cause = next((failed[above] for above in table.inputs if above in failed), None)
                if cause is not None and table.full_name in request.tables:
                    failed[table.full_name] = cause
                    yield Skipped(table.full_name, cause)
                else:
                    group.append(table)
            # A table alone is written by this thread: PySpark cannot register a data source in
            # another one.
            each = starmap if len(group) == 1 else partial(_concurrently, pool)
            # Checks may read other tables of the group, so all are written first.
            written = list(each(partial(_written, lake, writer, request), zip(group)))
            errors = [result for result in written if isinstance(result, PlatformError)]
            fine = [
                (table, result)
                for table, result in zip(group, written, strict=True)
                if not isinstance(result, PlatformError)
            ]
            for outcomes in each(partial(_outcomes, lake, rows, request), fine):
                for outcome in outcomes:
                    yield outcome
                    if isinstance(outcome, Checked) and outcome.stops:
                        failed[outcome.table] = f"{outcome.table}:{outcome.check}"
            if errors:
                raise errors[0]
    yield from _upkeep(spark, lake, request)


def _concurrently(
    pool: ThreadPool, function: Callable[..., T], arguments: Iterable[tuple[Any, ...]]
) -> list[T]:
    """The function's results, after all calls have ended; an error of a call is raised then."""
    results = pool.starmap_async(function, arguments, chunksize=1)
    while not results.ready():
        # Once Sail's server runs in the process, Ctrl-C does not end a wait without a timeout.
        results.wait(INTERRUPTIBLE_SECONDS)
    return results.get()


@cache
def _groups() -> list[list[str]]:
    """The names of all tables, in groups: a group's tables only need tables of earlier groups.

    Each raw table is a group, because it registers a data source; so is quarantine, because the
    update of every cleaned table includes it.
    """
    groups: list[list[str]] = []
    number: dict[str, int] = {}
    earliest = 0
    for name, table in TABLES.items():
        if table.schema == "raw" or table is QUARANTINE:
            number[name] = len(groups)
            earliest = len(groups) + 1
        else:
            number[name] = max(earliest, *(number[above] + 1 for above in table.inputs))
        groups += [[] for _ in range(number[name] + 1 - len(groups))]
        groups[number[name]].append(name)
    return groups


def _written(
    lake: Lake, writer: TableWriter, request: Request, table: Table
) -> Written | PlatformError | None:
    """Write a requested table; returns an error, so that other tables are not interrupted."""
    if table.full_name not in request.tables:
        return None
    try:
        with lake.explaining(f"{table.full_name} cannot be made"):
            return writer.write(table)
    except PlatformError as error:
        return error


def _outcomes(
    lake: Lake, rows: TableRows, request: Request, table: Table, written: Written | None
) -> list[Outcome]:
    """The outcome of a written table, if it was written, and those of its requested checks."""
    name = table.full_name
    checks = [check for check in table.checks if (name, check.name) in request.checks]
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
    """The outcome of the table, if it was written, and those of the checks."""
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
