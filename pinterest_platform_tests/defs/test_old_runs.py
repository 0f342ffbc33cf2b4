"""Old runs are deleted, except those that the catalog and the sensors still need."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pinterest_platform.defs.jobs import JOB
from pinterest_platform.defs.maintenance.old_runs import delete_old_runs
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import load

DAYS = 30
LONG_AGO = datetime.now(UTC) - timedelta(days=DAYS + 1)

daily = dg.DailyPartitionsDefinition(start_date="2026-01-01")


@dg.asset(
    key=["raw", "pin"],
    partitions_def=daily,
    check_specs=[dg.AssetCheckSpec("sound", asset=["raw", "pin"])],
)
def pins() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """A daily asset of the platform."""
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=True)


@dg.asset
def foreign() -> None:
    """An asset of another project in the same instance."""


@dg.asset(key=["raw", "geo"], partitions_def=daily)
def broken() -> None:
    """An asset that fails."""
    raise dg.Failure


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with instance_of(load()) as opened:
        yield opened


def materialise(instance: dg.DagsterInstance, day: str) -> str:
    return run_of(pins, instance, day).run_id


def run_of(
    asset: dg.AssetsDefinition, instance: dg.DagsterInstance, day: str
) -> dg.ExecuteInProcessResult:
    """A run of the platform's job."""
    job = dg.define_asset_job(JOB, selection=[asset], partitions_def=daily)
    return (
        dg.Definitions(assets=[asset], jobs=[job])
        .resolve_job_def(JOB)
        .execute_in_process(
            instance=instance,
            partition_key=day,
            asset_selection=[asset.key],
            raise_on_error=False,
        )
    )


def age(instance: dg.DagsterInstance, *run_ids: str) -> None:
    """Let runs have ended long ago."""
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        for run_id in run_ids:
            connection.exec_driver_sql(
                "UPDATE runs SET update_timestamp = ? WHERE run_id = ?", (str(LONG_AGO), run_id)
            )


def test_runs_with_the_latest_materialisation_of_a_partition_are_kept(
    instance: dg.DagsterInstance,
) -> None:
    superseded = materialise(instance, "2026-01-01")
    latest_of_first = materialise(instance, "2026-01-01")
    latest = materialise(instance, "2026-01-02")
    age(instance, superseded, latest_of_first, latest)
    young = materialise(instance, "2026-01-03")

    assert delete_old_runs(instance, DAYS) == (1, 2)
    assert {run.run_id for run in instance.get_runs()} == {latest_of_first, latest, young}
    partitions = instance.get_materialized_partitions(pins.key)
    assert partitions == {"2026-01-01", "2026-01-02", "2026-01-03"}
    assert delete_old_runs(instance, DAYS) == (0, 2)


def test_nothing_of_a_deleted_run_is_left_on_disk(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    old = materialise(instance, "2026-01-01")
    materialise(instance, "2026-01-01")
    age(instance, old)
    named = [path for path in tmp_path.rglob("*") if old in str(path.relative_to(tmp_path))]
    assert len(named) > 1
    delete_old_runs(instance, DAYS)
    assert [path for path in named if os.path.lexists(path)] == []


def rows(instance: dg.DagsterInstance, query: str) -> list[Any]:
    storage: Any = instance.event_log_storage
    with storage.index_connection() as connection:
        return list(connection.exec_driver_sql(query))


def test_old_results_of_checks_go_except_the_latest(instance: dg.DagsterInstance) -> None:
    for day in ("2026-01-01", "2026-01-01", "2026-01-02"):
        materialise(instance, day)
    results = "SELECT id, partition FROM asset_check_executions ORDER BY id"
    before = rows(instance, results)
    delete_old_runs(instance, DAYS)
    assert rows(instance, results) == before
    latest = {partition: id_ for id_, partition in before}
    assert len(latest) < len(before)
    delete_old_runs(instance, -1)
    assert {id_ for id_, _ in rows(instance, results)} == set(latest.values())


def test_old_events_without_a_run_go_except_the_latest(instance: dg.DagsterInstance) -> None:
    key = dg.AssetKey(["landing", "pin"])
    for number in range(3):
        instance.report_runless_asset_event(dg.AssetObservation(key, metadata={"objects": number}))
    assert len(instance.fetch_observations(key, limit=9).records) == 3
    delete_old_runs(instance, -1)
    (left,) = instance.fetch_observations(key, limit=9).records
    assert left.asset_observation is not None
    assert left.asset_observation.metadata["objects"].value == 2


def test_runs_of_other_projects_are_kept(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        dg.materialize([foreign], instance=instance)
    assert delete_old_runs(instance, -1) == (0, 0)


def test_a_failed_run_is_kept_until_its_day_is_made(instance: dg.DagsterInstance) -> None:
    failed = run_of(broken, instance, "2026-01-01")
    assert not failed.success
    assert delete_old_runs(instance, -1) == (0, 1)


def test_a_run_that_has_not_ended_is_kept(instance: dg.DagsterInstance) -> None:
    run_id = materialise(instance, "2026-01-01")
    materialise(instance, "2026-01-01")
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE runs SET status = 'STARTED' WHERE run_id = ?", (run_id,))
    age(instance, run_id)
    assert delete_old_runs(instance, DAYS) == (0, 0)
