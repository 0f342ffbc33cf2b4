"""The automation of `make ui`: a real daemon, with its own code server and runs."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from filelock import FileLock

from pinterest_platform.definitions import defs
from pinterest_platform.defs.layers import WAITING
from pinterest_platform.runs.launcher import is_alive
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.daemon import Daemon, running_daemon
from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.process import Pinterest

NOW = datetime.now(UTC)
TODAY = NOW.date()
THIRTY_DAYS = [str(TODAY - timedelta(days=past)) for past in range(30, 0, -1)]
ALL = [dg.AssetKey(name.split(".")) for name in TABLES]


@pytest.fixture(scope="module")
def pinterest(tmp_path_factory: pytest.TempPathFactory) -> Pinterest:
    """A home where fifty posts of today have landed."""
    home = tmp_path_factory.mktemp("daemon") / "home"
    land_posts(home / "landing", range(50), arrived_at=NOW)
    return Pinterest(home)


@pytest.fixture(scope="module")
def daemon(pinterest: Pinterest) -> Iterator[Daemon]:
    """A daemon that has processed the fifty posts and is idle."""
    with running_daemon(pinterest) as daemon:
        daemon.until(daemon.finished_runs, "the run of what has landed")
        yield daemon


def runs_of(daemon: Daemon, since: datetime, **tags: str) -> list[dg.DagsterRun]:
    """The runs with some tags that were requested since a time, oldest first."""
    marked = {f"dagster/{name}": value for name, value in tags.items()}
    records = daemon.instance.get_run_records(dg.RunsFilter(tags=marked, created_after=since))
    return [record.dagster_run for record in reversed(records)]


def until_next_tick(daemon: Daemon, sensor: str) -> None:
    """Wait for a tick of the sensor that begins now or later."""
    now = time.time()
    daemon.until(
        lambda: any(tick.timestamp >= now for tick in daemon.ticks(sensor)), f"a tick of {sensor}"
    )


def test_landed_posts_reach_the_analytics_once(pinterest: Pinterest, daemon: Daemon) -> None:
    began = datetime.now(UTC)
    land_posts(pinterest.home / "landing", range(50, 80), offset=50, arrived_at=began)
    daemon.until(lambda: runs_of(daemon, began), "a run")
    daemon.until(daemon.finished_runs, "its end")
    until_next_tick(daemon, "landing_arrivals")
    (run,) = runs_of(daemon, began)
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert (run.tags["dagster/sensor_name"], run.tags["dagster/partition"]) == (
        "landing_arrivals",
        str(began.date()),
    )
    assert pinterest.query("SELECT count(*) AS n FROM analytics.posts") == [{"n": 80}]
    observed = daemon.instance.fetch_observations(dg.AssetKey(["landing", "geo"]), limit=9).records
    assert len(observed) == 2


def test_a_cleaned_table_materialised_manually_updates_the_analytics(
    pinterest: Pinterest, daemon: Daemon
) -> None:
    """Of a day long ago, while most days were never materialised."""
    day = str(TODAY - timedelta(days=40))
    posts = len(daemon.materialisations("analytics/posts"))
    began = datetime.now(UTC)
    ran = pinterest("run", "--day", day, "--select", "group:raw,group:cleaned")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    daemon.until(lambda: len(daemon.materialisations("analytics/posts")) > posts, "new posts")
    daemon.until(daemon.finished_runs, "the end of the run that made them")
    _, automatic = runs_of(daemon, began)
    assert automatic.status == dg.DagsterRunStatus.SUCCESS
    assert automatic.asset_selection == {
        dg.AssetKey(name.split("."))
        for name, table in TABLES.items()
        if table.schema == "analytics"
    }
    # The checks ran as well.
    check = dg.AssetCheckKey(dg.AssetKey(["analytics", "posts"]), "not_empty")
    (last,) = daemon.instance.event_log_storage.get_asset_check_execution_history(check, 1)
    assert last.run_id == automatic.run_id


@pytest.fixture(scope="module")
def backfill(daemon: Daemon) -> tuple[str, datetime]:
    """Request a backfill of all assets for thirty days, as the UI does."""
    began = datetime.now(UTC)
    daemon.instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id="thirtydays",
            asset_graph=defs().resolve_asset_graph(),
            partition_names=THIRTY_DAYS,
            asset_selection=ALL,
            backfill_timestamp=began.timestamp(),
            tags={},
            dynamic_partitions_store=daemon.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    )
    return "thirtydays", began


@pytest.mark.usefixtures("backfill")
def test_a_run_with_a_killed_process_is_retried(pinterest: Pinterest, daemon: Daemon) -> None:
    began = datetime.now(UTC)
    land_posts(pinterest.home / "landing", range(80, 90), offset=80, arrived_at=began)
    today = {"partition": str(began.date())}
    pid = daemon.until(lambda: process_of(runs_of(daemon, began, **today), daemon), "a run at work")
    os.kill(pid, signal.SIGKILL)
    daemon.until(lambda: len(runs_of(daemon, began, **today)) == 2, "a second attempt")
    daemon.until(daemon.finished_runs, "its end")
    first, second = runs_of(daemon, began, **today)
    assert (first.status, second.status) == (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.SUCCESS,
    )
    assert pinterest.query("SELECT count(*) AS n FROM analytics.posts") == [{"n": 90}]


def process_of(runs: list[dg.DagsterRun], daemon: Daemon) -> int:
    """The process that executes one of the runs; 0 while there is none."""
    for run in runs:
        logs = daemon.instance.all_logs(run.run_id)
        started = any(
            log.dagster_event and log.dagster_event.event_type == dg.DagsterEventType.STEP_START
            for log in logs
        )
        for log in logs if started else ():
            if log.dagster_event and log.dagster_event.is_engine_event:
                metadata = log.dagster_event.engine_event_data.metadata
                if "pid" in metadata:
                    return int(str(metadata["pid"].value))
    return 0


def test_a_backfill_of_thirty_days_is_one_run_and_one_of_the_analytics(
    daemon: Daemon, backfill: tuple[str, datetime]
) -> None:
    backfill_id, began = backfill

    def over() -> bool:
        found = daemon.instance.get_backfill(backfill_id)
        assert found
        return found.status == BulkActionStatus.COMPLETED_SUCCESS

    daemon.until(over, "the end of the backfill")
    days, analytics = runs_of(daemon, began, backfill=backfill_id)
    assert days.tags["dagster/asset_partition_range_start"] == THIRTY_DAYS[0]
    assert days.tags["dagster/asset_partition_range_end"] == THIRTY_DAYS[-1]
    materialized = {record.partition_key for record in daemon.materialisations("cleaned/pins")}
    assert set(THIRTY_DAYS) <= materialized
    assert analytics.run_id in {
        materialized.run_id for materialized in daemon.materialisations("analytics/posts")
    }


def is_requested(daemon: Daemon, run_id: str) -> bool:
    run = daemon.instance.get_run_by_id(run_id)
    return run is not None and not run.tags.keys().isdisjoint(
        {"dagster/retry_number", "dagster/backfill"}
    )


def test_the_analytics_were_never_materialised_twice_from_the_same_inputs(daemon: Daemon) -> None:
    """After the tests above: between two materialisations, an input was materialised."""
    until_next_tick(daemon, "analytics_up_to_date")
    daemon.until(daemon.finished_runs, "the end of all runs")
    above = [
        record.storage_id
        for table in ("pins", "geolocations", "users")
        for record in daemon.materialisations(f"cleaned/{table}")
    ]
    makings = daemon.materialisations("analytics/posts")
    posts = sorted(record.storage_id for record in makings)
    # A run that was killed in its last step repeats that step, and a backfill materialises its
    # assets even if a run of the sensor was faster.
    again = {record.storage_id for record in makings if is_requested(daemon, record.run_id)}
    for earlier, later in pairwise(posts):
        assert later in again or any(earlier < materialized < later for materialized in above)
    assert max(above) < posts[-1]


def test_every_table_has_a_freshness_state(daemon: Daemon) -> None:

    def has_freshness() -> bool:
        records = daemon.instance.get_freshness_state_records(ALL)
        states = {key: record.freshness_state for key, record in records.items()}
        return states == dict.fromkeys(ALL, FreshnessState.PASS)

    daemon.until(has_freshness, "fresh tables")


def test_a_waiting_run_can_be_cancelled(pinterest: Pinterest, daemon: Daemon) -> None:
    """As it waits for a run in a terminal, which holds the lock of the cleaned tables."""
    began = datetime.now(UTC)

    def waits() -> bool:
        return any(
            WAITING in entry.user_message
            for run in runs_of(daemon, began)
            for entry in daemon.instance.all_logs(run.run_id)
        )

    with FileLock(pinterest.home / "dagster" / "storage" / "cleaned.lock"):
        land_posts(pinterest.home / "landing", range(90, 95), offset=90, arrived_at=began)
        daemon.until(waits, "a run that waits")
        (run,) = runs_of(daemon, began)
        process = f"{socket.gethostname()}:{process_of([run], daemon)}"
        daemon.instance.run_launcher.terminate(run.run_id)
        daemon.until(lambda: not is_alive(process), "the end of its process")
    (run,) = runs_of(daemon, began)
    assert run.status == dg.DagsterRunStatus.CANCELED


def test_a_run_ended_by_a_power_failure_is_retried(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    land_posts(pinterest.home / "landing", range(20), arrived_at=NOW)
    with running_daemon(pinterest) as daemon:
        daemon.until(lambda: process_of(runs_of(daemon, NOW), daemon), "a run at work")
        daemon.kill()
    with running_daemon(pinterest) as daemon:
        daemon.until(lambda: len(runs_of(daemon, NOW)) == 2, "a second attempt")
        daemon.until(daemon.finished_runs, "its end")
        first, second = runs_of(daemon, NOW)
    assert (first.status, second.status) == (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.SUCCESS,
    )
