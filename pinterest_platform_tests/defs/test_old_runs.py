"""Old runs are deleted, except those that the catalog and the sensors still need."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pinterest_platform.defs.maintenance.old_runs import delete_old_runs
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import load

DAYS = 30
LONG_AGO = datetime.now(UTC) - timedelta(days=DAYS + 1)

daily = dg.DailyPartitionsDefinition(start_date="2026-01-01")


@dg.asset(partitions_def=daily)
def pins() -> None:
    """A daily asset."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with instance_of(load()) as opened:
        yield opened


def materialise(instance: dg.DagsterInstance, day: str) -> str:
    return dg.materialize([pins], partition_key=day, instance=instance).run_id


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


def test_a_run_that_has_not_ended_is_kept(instance: dg.DagsterInstance) -> None:
    run_id = materialise(instance, "2026-01-01")
    materialise(instance, "2026-01-01")
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE runs SET status = 'STARTED' WHERE run_id = ?", (run_id,))
    age(instance, run_id)
    assert delete_old_runs(instance, DAYS) == (0, 0)
