"""Staleness, computed in one place for sensors, schedule, automation condition and terminal."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.defs.jobs import JOB
from pinterest_platform.defs.layers import WATERMARK, asset_key
from pinterest_platform.defs.partitions import days_of
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.ingest.ingestion import days_arrived
from pinterest_platform.kinds import KINDS
from pinterest_platform.lake.delta import Lake
from pinterest_platform.settings import Settings
from pinterest_platform.tables.catalog import TABLES, in_schema
from pinterest_platform.tables.cleaned.balance import days_behind, days_with_rows
from pinterest_platform.tables.contract import Table

_ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Stale:
    """The stale days, ascending, and whether the analytics are stale regardless of the days."""

    days: list[date]
    analytics: bool


def stale(settings: Settings, instance: dg.DagsterInstance, *, full: bool = False) -> Stale:
    """The days and tables that a run without days has to materialise.

    A day is stale if the raw tables lack some of its arrivals, if the cleaned tables lack some of
    its raw rows, or if a run of it failed and no later run materialised the same assets. The
    analytics are stale if a cleaned table is newer than one of them, or if one has lost rows or
    files since its last materialisation. With ``full``, every day with raw rows is stale.

    Raises:
        PlatformError: a place cannot be read.
    """
    with engine_of(settings) as engine:
        places = engine.places
        lake = Lake(engine.session, places.lake)
        with lake.explaining("the stale days cannot be determined"):
            arrived = {
                day for table in in_schema("raw") for day in days_arrived(lake, places, table)
            }
            found = days_with_rows if full else days_behind
            behind = {row["day"] for row in found(TableRows(lake), [*KINDS.values()]).collect()}
        analytics = analytics_are_stale(instance) or any(
            _has_lost_rows(lake, instance, table) for table in in_schema("analytics")
        )
    today = datetime.now(UTC).date()
    days = sorted(day for day in arrived | behind | _unfinished_days(instance) if day <= today)
    return Stale(days, analytics)


def day_to_close(now: datetime) -> date:
    """The day that just ended; its last arrivals may have come after its last run."""
    return (now - timedelta(days=1)).date()


def last_materialized(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, int]:
    """The event number of each asset's last materialisation in any partition; -1 for none."""
    records = instance.get_asset_records(list(keys))
    last = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_storage_id or -1
        for record in records
    }
    return {key: last.get(key, -1) for key in keys}


def is_older_than(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey], parents: Collection[dg.AssetKey]
) -> bool:
    """Whether a parent was materialised after one of the assets."""
    last = last_materialized(instance, [*keys, *parents])
    newest = max((last[parent] for parent in parents), default=-1)
    return any(last[key] < newest for key in keys)


def analytics_are_stale(instance: dg.DagsterInstance) -> bool:
    """Whether a cleaned table was materialised after one of the analytics."""
    return is_older_than(instance, _keys("analytics"), _keys("cleaned"))


def ingested_watermarks(
    instance: dg.DagsterInstance, table: Table, days: Collection[date]
) -> Iterator[Mapping[str, Any]]:
    """The JSON of the watermark in a raw table's last materialisation, for each of the days.

    Empty unless that run materialised every table downstream, too.
    """
    for day in days:
        of_day = dg.AssetRecordsFilter(
            asset_key(table.full_name), asset_partitions=[day.isoformat()]
        )
        records = instance.fetch_materializations(of_day, limit=1).records
        materialization = records[0].asset_materialization if records else None
        found = materialization.metadata.get(WATERMARK) if materialization else None
        if isinstance(found, dg.JsonMetadataValue) and _was_whole(instance, records[0].run_id):
            yield dict(found.value or {})
        else:
            yield {}


def _was_whole(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run materialised every table and succeeded."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status != dg.DagsterRunStatus.SUCCESS or run.job_name != JOB:
        return False
    return not run.asset_selection or run.asset_selection >= set(map(asset_key, TABLES))


def unfinished_run(instance: dg.DagsterInstance, days: Collection[date]) -> dg.DagsterRun | None:
    """A run that is queued or running for any of the days, if there is one."""
    unfinished = dg.RunsFilter(
        statuses=[each for each in dg.DagsterRunStatus if each not in _ENDED]
    )
    return next(
        (run for run in instance.get_runs(unfinished) if not set(days).isdisjoint(days_of(run))),
        None,
    )


def _has_lost_rows(lake: Lake, instance: dg.DagsterInstance, table: Table) -> bool:
    """Whether the table is unreadable, or its row count differs from its last materialisation."""
    event = instance.get_latest_materialization_event(asset_key(table.full_name))
    materialization = event.asset_materialization if event else None
    if materialization is None:
        return False
    if not lake.exists(table):
        return True
    # The condition makes the engine open the files: the Delta log alone answers a bare count.
    rows = lake.read(table).where(F.col(table.key[0]).isNotNull())
    try:
        return bool(rows.count() != materialization.metadata["dagster/row_count"].value)
    except (PySparkException, Py4JJavaError) as error:
        if lake.fault(error):
            return True
        raise


def _unfinished_days(instance: dg.DagsterInstance) -> set[date]:
    """The days of failed runs whose assets no later run materialised."""
    return {day for days in unfinished_runs(instance).values() for day in days}


def unfinished_runs(instance: dg.DagsterInstance) -> dict[str, list[date]]:
    """The days of each failed run, by its id, whose assets no later run materialised."""
    materialized: dict[date, set[dg.AssetKey]] = {}
    unfinished: dict[str, list[date]] = {}
    everything = set(map(asset_key, TABLES))
    for run in instance.get_runs():  # newest first
        assets = set(run.asset_selection or everything)
        for day in days_of(run):
            later = materialized.setdefault(day, set())
            if run.status == dg.DagsterRunStatus.SUCCESS:
                later |= assets
            elif not assets <= later:
                unfinished.setdefault(run.run_id, []).append(day)
    return unfinished


def _keys(schema: str) -> list[dg.AssetKey]:
    return [asset_key(table.full_name) for table in in_schema(schema)]
