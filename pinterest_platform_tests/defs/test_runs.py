"""Runs as Dagster records them: events, metadata, subsets, and failed checks."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from local_servers.dagster_home import instance_at
from pinterest_platform.tables import raw
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.lake.tampering import double_a_row
from pinterest_platform_tests.landing import land, land_posts, pin
from pinterest_platform_tests.process import BIN, DEADLINE_SECONDS, Pinterest

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()


def key(table: str) -> dg.AssetKey:
    return dg.AssetKey(table.split("."))


@contextmanager
def instance_of(pinterest: Pinterest) -> Iterator[dg.DagsterInstance]:
    with instance_at(pinterest.home / "dagster") as instance:
        yield instance


@pytest.fixture
def pinterest(tmp_path: Path) -> Pinterest:
    """A home where fifty posts of today and of three days ago have landed."""
    home = tmp_path / "home"
    land_posts(home / "landing", range(50), arrived_at=NOW - timedelta(days=3))
    land_posts(home / "landing", range(50, 100), offset=50, arrived_at=NOW)
    return Pinterest(home)


def test_a_run_of_everything_new_is_recorded_with_its_metadata(pinterest: Pinterest) -> None:
    ran = pinterest("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with instance_of(pinterest) as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
        for name, table in TABLES.items():
            event = instance.get_latest_materialization_event(key(name))
            assert event is not None, name
            materialization = event.asset_materialization
            assert materialization is not None
            metadata = materialization.metadata
            assert metadata["dagster/row_count"].value is not None
            schema = metadata["dagster/column_schema"]
            assert isinstance(schema, dg.TableSchemaMetadataValue)
            assert [column.name for column in schema.schema.columns] == list(table.column_names)
            lineage = metadata["dagster/column_lineage"]
            assert isinstance(lineage, dg.TableColumnLineageMetadataValue)
            derived = {column.name for column in table.columns if column.derived_from}
            assert set(lineage.column_lineage.deps_by_column) == derived
            empty = name == "cleaned.quarantine" or table in raw.STREAM.values()
            preview = metadata["preview"]
            assert isinstance(preview, dg.TableMetadataValue)
            assert (not preview.records) == empty
            assert metadata["dagster/table_name"].value == name
            for check in table.checks:
                spec = dg.AssetCheckKey(key(name), check.name)
                (record,) = instance.event_log_storage.get_asset_check_execution_history(spec, 1)
                assert record.event
                assert record.event.dagster_event
                evaluation = record.event.dagster_event.asset_check_evaluation_data
                assert evaluation.passed, (name, check.name)
                assert "offending_rows" in evaluation.metadata
        pins = instance.get_latest_materialization_event(key("cleaned.pins"))
        assert pins is not None
        assert pins.asset_materialization is not None
        assert pins.asset_materialization.metadata["dagster/partition_row_count"].value == 50
        assert pins.asset_materialization.metadata["dagster/row_count"].value == 100


def test_a_range_of_days_is_one_run_that_materialises_the_analytics_once(
    pinterest: Pinterest,
) -> None:
    first = (NOW - timedelta(days=3)).date().isoformat()
    ran = pinterest("run", "--from", first, "--to", TODAY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with instance_of(pinterest) as instance:
        assert len(instance.get_runs()) == 1
        materialized = instance.fetch_materializations(key("analytics.posts"), limit=9).records
        assert len(materialized) == 1
        by_day = instance.fetch_materializations(key("cleaned.pins"), limit=9).records
        rows = {
            record.asset_materialization.partition: record.asset_materialization.metadata[
                "dagster/partition_row_count"
            ].value
            for record in by_day
            if record.asset_materialization
        }
        assert len(rows) == 4
        assert (rows[first], rows[TODAY], sum(filter(None, map(as_int, rows.values())))) == (
            50,
            50,
            100,
        )


def as_int(value: Any) -> int:
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize(
    "assets",
    ["raw/geo", "cleaned/pins", "cleaned/pins,cleaned/users", "cleaned/quarantine"],
)
def test_any_subset_can_be_launched(pinterest: Pinterest, assets: str) -> None:
    """Even if another run materialised its inputs."""
    land(pinterest.home / "landing", "pinterest.pin", 100, [b"not json"], arrived_at=NOW)
    assert pinterest("run", "--day", TODAY, "--select", "group:raw").returncode == 0
    launched = dg_launch(pinterest, "--assets", assets, "--partition", TODAY)
    assert launched.returncode == 0, launched.stdout + launched.stderr
    with instance_of(pinterest) as instance:
        for asset in assets.split(","):
            assert instance.get_latest_materialization_event(dg.AssetKey(asset.split("/")))


def test_an_output_can_be_launched_alone(pinterest: Pinterest) -> None:
    assert pinterest("run").returncode == 0
    launched = dg_launch(pinterest, "--assets", "analytics/users_joined_by_year")
    assert launched.returncode == 0, launched.stdout + launched.stderr


def dg_launch(pinterest: Pinterest, *arguments: str) -> Any:
    return pinterest.run(
        *(str(BIN / "dg"), "launch", "--target-path", str(ROOT)),
        *arguments,
        DAGSTER_HOME=str(pinterest.home / "dagster"),
    )


def test_a_failed_error_check_stops_the_tables_downstream(pinterest: Pinterest) -> None:
    assert pinterest("run", "--day", TODAY, "--select", "raw/pin").returncode == 0
    double_a_row(pinterest.home / "lake" / "raw" / "pin")
    ran = pinterest("run", "--day", TODAY)
    assert ran.returncode == 1
    assert "raw.pin failed unique_key" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    with instance_of(pinterest) as instance:
        assert instance.get_latest_materialization_event(key("raw.geo"))
        assert instance.get_latest_materialization_event(key("cleaned.pins")) is None
        assert instance.get_latest_materialization_event(key("analytics.posts")) is None
        assert instance.get_runs()[0].status == dg.DagsterRunStatus.FAILURE


def test_the_first_posts_of_a_lake_can_be_incomplete(pinterest: Pinterest) -> None:
    """A pin arrives before its geolocation and user, as at the start of a stream."""
    begun = Pinterest(pinterest.home.with_name("begun"))
    land(begun.home / "landing", "pinterest.pin", 0, [pin(1)], arrived_at=NOW)
    ran = begun("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "category_counts_by_country:not_empty: No row: country is null in all 1 rows" in (
        " ".join(ran.stdout.split())
    )


def test_a_warning_is_reported_and_stops_nothing(pinterest: Pinterest) -> None:
    many = [pin(200 + number, follower_count="many") for number in range(20)]
    land(pinterest.home / "landing", "pinterest.pin", 100, many, arrived_at=NOW)
    ran = pinterest("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "cleaned/pins:follower_count_readable: 20 of 70 rows offend" in ran.stdout


def test_raw_rows_of_another_instance_are_found(pinterest: Pinterest) -> None:
    """Staleness depends on the tables, not on one Dagster instance."""
    assert pinterest("run").returncode == 0
    land(pinterest.home / "landing", "pinterest.pin", 100, [pin(300)], arrived_at=NOW)
    elsewhere = str(pinterest.home / "elsewhere")
    ran = pinterest("run", "--select", "raw/pin,raw/geo", "--day", TODAY, DAGSTER_HOME=elsewhere)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "raw/geo" in ran.stdout
    ran = pinterest("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "analytics/posts" in ran.stdout
    assert pinterest.query("SELECT ind FROM analytics.posts WHERE ind = 300") == [{"ind": 300}]


def test_an_interrupted_run_ends_in_one_line(tmp_path: Path) -> None:
    """While the engine reads thousands of objects in its own threads."""
    home = tmp_path / "home"
    land(home / "landing", "pinterest.pin", 0, [pin(0)], arrived_at=NOW)
    for ind in range(4000):
        land(home / "landing", "pinterest.geo", ind, [{"ind": ind}], arrived_at=NOW)
    (home / "landing" / "topics" / "pinterest.user").mkdir()
    process = Pinterest(home).start("run")
    assert process.stdout
    for line in process.stdout:
        if "raw/pin" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, errors) == (
        1,
        "Error: the run was interrupted; the next run catches up\n",
    )


def test_a_killed_run_is_marked_as_failed_and_the_next_run_catches_up(pinterest: Pinterest) -> None:
    process = pinterest.start("run", "--day", TODAY)
    assert process.stdout
    for line in process.stdout:
        if "raw/user" in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ran = pinterest("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with instance_of(pinterest) as instance:
        states = {run.status for run in instance.get_runs()}
        assert states == {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
        assert instance.fetch_materializations(key("cleaned.pins"), limit=9).records
