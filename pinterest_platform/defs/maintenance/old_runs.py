"""Deletes old runs, but keeps what the catalog, sensors and freshness policies need."""

from datetime import UTC, datetime, timedelta

import dagster as dg

_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


def delete_old_runs(instance: dg.DagsterInstance, days: int) -> tuple[int, int]:
    """Delete the runs that ended longer ago than ``days``, with their events and logs.

    Runs with the latest materialisation of an asset or of one of its partitions are kept: the
    catalog shows them, and the watermarks in their metadata tell what has been ingested.

    Returns:
        The number of deleted runs, and that of old runs that are kept.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    ended = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    old = [record.dagster_run.run_id for record in instance.get_run_records(ended)]
    needed = _with_latest_materialisations(instance) if old else set[str]()
    for run_id in old:
        if run_id not in needed:
            instance.delete_run(run_id)
            instance.compute_log_manager.delete_logs(prefix=[run_id])
    kept = len(needed.intersection(old))
    return len(old) - kept, kept


def _with_latest_materialisations(instance: dg.DagsterInstance) -> set[str]:
    """The runs with the latest materialisation of an asset or of one of its partitions."""
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
