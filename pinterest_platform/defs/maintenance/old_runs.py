"""Deletes old runs and events, but keeps what the catalog, sensors and freshness policies need."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import MetaData, Table, delete, func, select

from pinterest_platform.defs.jobs import JOB, MAINTENANCE, OLD_RUNS
from pinterest_platform.defs.staleness import unfinished_runs

_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]

_JOBS = {JOB, MAINTENANCE, OLD_RUNS}

# The groups of our assets. Dagster runs single assets in a job of its own.
_GROUPS = {"raw", "cleaned", "analytics", MAINTENANCE}

# Deleting a run takes 0.15 s. Further runs are deleted on the following days.
MOST_RUNS = 10_000


def delete_old_runs(instance: dg.DagsterInstance, days: int) -> tuple[int, int]:
    """Delete the platform's runs that ended longer ago than ``days``, with their events and logs.

    Runs that contain the latest materialisation of an asset or partition are kept: the catalog
    shows it, and the watermark in its metadata records what has been ingested. Failed runs are kept
    until a later run has materialised their assets. Old check results and events without a run are
    deleted, too, except the latest of each check or asset.

    Returns:
        The number of deleted runs, and that of old runs that are kept.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    ended = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    old = [run for run in instance.get_runs(ended) if _is_ours(run)]
    needed = _with_latest_materialisations(instance) | {*unfinished_runs(instance)} if old else ()
    deletable = [run.run_id for run in old if run.run_id not in needed]
    for run_id in deletable[-MOST_RUNS:]:
        # Logs first: if the process is killed in between, the next deletion finds the run again.
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    _delete_old_events(instance, before)
    return min(len(deletable), MOST_RUNS), len(old) - len(deletable)


def _is_ours(run: dg.DagsterRun) -> bool:
    """Whether the run belongs to this platform: other projects may share the instance."""
    assets = run.asset_selection or ()
    return run.job_name in _JOBS or (bool(assets) and all(key.path[0] in _GROUPS for key in assets))


def _with_latest_materialisations(instance: dg.DagsterInstance) -> set[str]:
    """The runs that contain the latest materialisation of an asset or partition."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    found = set()
    for key in instance.all_asset_keys():
        latest = instance.get_latest_materialization_event(key)
        ids = [*instance.get_latest_storage_id_by_partition(key, kind).values()]
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, storage_ids=ids), limit=max(1, len(ids))
        ).records
        found |= {record.run_id for record in records}
        if latest is not None:
            found.add(latest.run_id)
    return found


def _delete_old_events(instance: dg.DagsterInstance, before: datetime) -> None:
    """Delete what Dagster never deletes: check results, and events without a run."""
    storage: Any = instance.event_log_storage
    without_zone = before.replace(tzinfo=None)
    with storage.index_connection() as connection:
        checks = Table("asset_check_executions", MetaData(), autoload_with=connection)
        latest = select(func.max(checks.c.id)).group_by(
            checks.c.asset_key, checks.c.check_name, checks.c.partition
        )
        old = checks.c.create_timestamp < without_zone
        connection.execute(delete(checks).where(old, checks.c.id.not_in(latest)))
    # In SQLite, these events are in two databases.
    for opened in (storage.index_connection(), storage.run_connection("")):
        with opened as connection:
            events = Table("event_logs", MetaData(), autoload_with=connection)
            runless = events.c.run_id == ""
            latest = (
                select(func.max(events.c.id))
                .where(runless)
                .group_by(events.c.asset_key, events.c.dagster_event_type, events.c.partition)
            )
            connection.execute(
                delete(events).where(
                    runless, events.c.timestamp < without_zone, events.c.id.not_in(latest)
                )
            )
