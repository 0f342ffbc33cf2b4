"""How tables become assets: specs, checks and events, all derived from the tables' contracts."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout
from pydantic import Field

from pinterest_platform.build.outcomes import Checked, Materialized, Outcome, Skipped, summary
from pinterest_platform.build.request import Request
from pinterest_platform.defs.jobs import INCREMENTAL_TAGS, PROCESS_TAG
from pinterest_platform.defs.partitions import DAILY
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.errors import OutageError, PlatformError, RemoteError
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Table

OWNERS = ["team:data-platform"]

# The daily run starts a quarter of an hour after midnight: a table that was not materialised for a
# day and two hours has missed one.
FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=48), warn_window=timedelta(hours=26)
)

# For outages of some minutes. A RetryPolicy would also retry steps that a user interrupted.
RETRIES = 3
RETRY_SECONDS = 120

WAITING = "Waiting for another run to finish with the tables of this step."
LOCK_POLL_SECONDS = 0.5

# The metadata of a raw table with the JSON of its watermark; see ``staleness``.
WATERMARK = "watermark"

Event = dg.MaterializeResult[None] | dg.AssetCheckResult


class BuildConfig(dg.Config):
    """The run configuration of every step."""

    full_refresh: bool | None = Field(
        default=None,
        description="Whether to rebuild cleaned tables and posts, not only to add new records. "
        "By default, runs of sensors and of `pinterest run` add, and all others rebuild.",
    )


def asset_key(table: str) -> dg.AssetKey:
    """'raw.pin' -> the asset raw/pin."""
    return dg.AssetKey(table.split("."))


def table_name(key: dg.AssetKey) -> str:
    """The asset raw/pin -> 'raw.pin'."""
    return ".".join(key.path)


def layer(
    name: str,
    tables: Iterable[Table],
    description: str,
    *,
    deps: Mapping[str, Sequence[dg.AssetKey]] | None = None,
    automation: dg.AutomationCondition[dg.AssetKey] | None = None,
) -> dg.AssetsDefinition:
    """The step that builds the tables of a layer: an asset for each, with its checks.

    Args:
        name: of the step, and of the pool that keeps two runs from writing its tables concurrently.
        tables: all daily, or none.
        description: for the UI.
        deps: the external assets upstream of a table, by its full name.
        automation: the condition on which the tables are materialised.
    """
    tables = tuple(tables)
    daily = all(table.daily for table in tables)

    @dg.multi_asset(
        name=name,
        description=description,
        specs=[
            spec.replace_attributes(automation_condition=automation) for spec in specs(tables, deps)
        ],
        check_specs=check_specs(tables),
        partitions_def=DAILY if daily else None,
        # A run over a range of days makes all of them, and what is not daily, once.
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        pool=name,
    )
    def step(
        context: dg.AssetExecutionContext, config: BuildConfig, engine: EngineResource
    ) -> Iterator[Event]:
        full = config.full_refresh
        if full is None:
            full = not INCREMENTAL_TAGS.items() <= context.run.tags.items()
        yield from materialise(context, engine, full=full)

    return step


def specs(
    tables: Iterable[Table], deps: Mapping[str, Sequence[dg.AssetKey]] | None = None
) -> list[dg.AssetSpec]:
    """The asset of each table; ``deps`` are its external upstream assets."""
    return [
        dg.AssetSpec(
            asset_key(table.full_name),
            deps=[*map(asset_key, table.inputs), *(deps or {}).get(table.full_name, ())],
            description=_description(table),
            group_name=table.schema,
            kinds={"delta", "pyspark"},
            owners=OWNERS,
            tags={"layer": table.schema, "partitioned": "daily" if table.daily else "no"},
            metadata={"dagster/column_schema": _schema(table)},
            freshness_policy=FRESHNESS,
        )
        for table in tables
    ]


def check_specs(tables: Iterable[Table]) -> list[dg.AssetCheckSpec]:
    """The checks of each table; a failed error blocks the tables downstream."""
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=asset_key(table.full_name),
            description=check.description,
            blocking=check.severity == "error" and check.blocking,
            metadata={"severity": check.severity, "offends": check.offends},
        )
        for table in tables
        for check in table.checks
    ]


def materialise(
    context: dg.AssetExecutionContext, engine: EngineResource, *, full: bool
) -> Iterator[Event]:
    """Build the selected tables of a layer, run their checks, and yield the results.

    Raises:
        dagster.RetryRequested: after an outage, except in a run of a terminal, where a person
            waits.
        dagster.Failure: a check of severity error failed, or a table cannot be made.
    """
    checks = tuple(
        (table_name(key.asset_key), key.name) for key in context.selected_asset_check_keys
    )
    tables = tuple(table_name(key) for key in context.selected_asset_keys)
    daily = any(TABLES[table].daily for table in (*tables, *(table for table, _ in checks)))
    # Checks can be run without a partition, too: then for all days.
    dated = daily and (context.has_partition_key or context.has_partition_key_range)
    days = tuple(map(date.fromisoformat, context.partition_keys)) if dated else ()
    request = Request(tables=tables, checks=checks, days=days, full=full)
    failures: list[str] = []
    with failures_of(context):
        for outcome in exclusively(context, context.op_def.name, engine.build(context, request)):
            match outcome:
                case Materialized():
                    context.log.info(summary(outcome))
                    yield _materialised(context, outcome, engine.places["lake"])
                case Checked():
                    if not outcome.passed:
                        context.log.warning(summary(outcome))
                    if outcome.stops:
                        failures.append(summary(outcome))
                    yield _checked(outcome)
                case Skipped():
                    failures.append(summary(outcome))
    if failures:
        raise dg.Failure("; ".join(failures), allow_retries=False)


@contextmanager
def failures_of(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Report the platform's errors as failures of the step.

    Raises:
        dagster.RetryRequested: after an outage, except in a run of a terminal, where a person
            waits.
        dagster.Failure: after another error.
    """
    try:
        yield
    except PlatformError as error:
        failure = dg.Failure(str(error), metadata=_remote(error), allow_retries=False)
        failure.__cause__ = error
        if isinstance(error, OutageError) and not _is_attended(context):
            raise dg.RetryRequested(RETRIES, RETRY_SECONDS) from failure
        raise failure from error


def exclusively(
    context: dg.AssetExecutionContext, layer_name: str, outcomes: Iterator[Outcome]
) -> Iterator[Outcome]:
    """Yield the outcomes while holding the layer's lock: one process at a time writes its tables.

    Pools keep queued runs apart. This lock also keeps runs of a terminal apart, which skip the
    queue; the operating system frees it with a killed process.
    """
    path = Path(context.instance.storage_directory()) / f"{layer_name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        context.log.info(WAITING)
        lock.acquire(poll_interval=LOCK_POLL_SECONDS)
    try:
        yield from outcomes
    finally:
        lock.release()


def _remote(error: PlatformError) -> dict[str, dg.MetadataValue]:
    """Metadata of a failure on Databricks: the run there and its traceback."""
    if not isinstance(error, RemoteError):
        return {}
    return {
        "remote_run": dg.MetadataValue.url(error.url),
        "remote_traceback": dg.MetadataValue.md(_as_code(error.traceback)),
    }


def _is_attended(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was started in a terminal, where a person waits for it."""
    return PROCESS_TAG in context.run.tags


def _materialised(
    context: dg.AssetExecutionContext, made: Materialized, lake: str
) -> dg.MaterializeResult[None]:
    table = TABLES[made.table]
    metadata: dict[str, dg.MetadataValue | int | float] = {
        "dagster/row_count": made.total_rows,
        "dagster/column_schema": dg.MetadataValue.table_schema(_schema(table)),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(_lineage(table)),
        "dagster/table_name": dg.MetadataValue.text(made.table),
        "dagster/uri": dg.MetadataValue.text(f"{lake}/{table.schema}/{table.name}"),
        "preview": as_table(made.preview, table.column_names),
        "seconds": round(made.seconds, 3),
        **made.facts,
    }
    if made.watermark:
        metadata[WATERMARK] = dg.MetadataValue.json(made.watermark)
    if made.breakdown:
        metadata["breakdown"] = as_table(made.breakdown, tuple(made.breakdown[0]))
    key = asset_key(made.table)
    for day, rows in made.rows.items():
        context.add_asset_metadata(
            {"dagster/partition_row_count": rows}, key, partition_key=day.isoformat()
        )
    return dg.MaterializeResult(key, metadata=metadata)


def _checked(checked: Checked) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue | int] = {
        "rows_checked": checked.rows_checked,
        "offending_rows": checked.offending,
        **checked.facts,
    }
    if checked.samples:
        metadata["samples"] = as_table(checked.samples, tuple(checked.samples[0]))
    severities = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}
    return dg.AssetCheckResult(
        asset_key=asset_key(checked.table),
        check_name=checked.check,
        passed=checked.passed,
        severity=severities[checked.severity],
        description=checked.description,
        metadata=metadata,
    )


def _description(table: Table) -> str:
    return f"One row: {table.row[0].lower()}{table.row[1:]}\n\nKey: {', '.join(table.key)}."


def _schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type.lower(),
                column.description,
                dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ]
    )


def _lineage(table: Table) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column.name: [
                dg.TableColumnDep(asset_key(origin.rsplit(".", 1)[0]), origin.rsplit(".", 1)[1])
                for origin in column.derived_from
            ]
            for column in table.columns
            if column.derived_from
        }
    )


def as_table(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> dg.TableMetadataValue:
    """The rows as a value that the UI shows as text; in Markdown, a title could be an image."""
    columns = [dg.TableColumn(name, "string") for name in names]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def _as_code(text: str) -> str:
    """Markdown that shows the text as it is, whatever rows of backticks it holds."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
