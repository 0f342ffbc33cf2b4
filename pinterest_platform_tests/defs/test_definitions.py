"""The definitions that Dagster loads, without a run."""

import importlib
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pinterest_platform.definitions import defs
from pinterest_platform.defs.maintenance.schedules import daily_upkeep
from pinterest_platform.defs.raw.schedules import daily_partitions
from pinterest_platform.tables import raw
from pinterest_platform.tables.catalog import OUTPUTS, TABLES
from pinterest_platform_tests.process import BIN, Pinterest

ROOT = Path(__file__).parents[2]

DESCRIPTIONS = ("One row", "JSON lines of ", "Records of ", "Compacts ", "Deletes ")


@pytest.fixture(scope="module")
def graph() -> Any:
    return defs().resolve_asset_graph()


def key(table: str) -> dg.AssetKey:
    return dg.AssetKey(table.split("."))


def test_every_table_is_an_asset_with_its_inputs_as_dependencies(graph: Any) -> None:
    external = {
        table.full_name: dg.AssetKey([group, kind])
        for group, tables in (("landing", raw.BATCH), ("streams", raw.STREAM))
        for kind, table in tables.items()
    }
    for name, table in TABLES.items():
        parents = {key(above) for above in table.inputs} or {external[name]}
        assert graph.get(key(name)).parent_keys == parents, name


def test_lineage_starts_at_the_source_database(graph: Any) -> None:
    for kind, source in {
        "pin": "pinterest_data",
        "geo": "geolocation_data",
        "user": "user_data",
    }.items():
        landing = graph.get(dg.AssetKey(["landing", kind]))
        assert landing.parent_keys == {dg.AssetKey(["source", source])}
        assert landing.is_external


def test_there_are_eleven_outputs() -> None:
    assert [table.full_name for table in OUTPUTS] == [
        "analytics.category_counts_by_country",
        "analytics.top_category_by_country",
        "analytics.category_counts_by_year",
        "analytics.top_category_by_year",
        "analytics.top_user_by_country",
        "analytics.country_of_top_user",
        "analytics.top_category_by_age_group",
        "analytics.median_followers_by_age_group",
        "analytics.users_joined_by_year",
        "analytics.median_followers_by_joining_year",
        "analytics.median_followers_by_joining_year_and_age_group",
    ]


def test_raw_and_cleaned_are_daily_and_a_backfill_is_one_run(graph: Any) -> None:
    for name, table in TABLES.items():
        node = graph.get(key(name))
        assert (node.partitions_def is not None) == (table.schema != "analytics"), name
        assert node.backfill_policy == dg.BackfillPolicy.single_run(), name


def test_today_is_a_partition(graph: Any) -> None:
    days = graph.get(key("raw.pin")).partitions_def.get_partition_keys()
    assert (days[0], days[-1]) == ("2026-01-01", datetime.now(UTC).date().isoformat())


def test_every_asset_has_a_description(graph: Any) -> None:
    for asset in graph.get_all_asset_keys():
        node = graph.get(asset)
        assert node.description.startswith(DESCRIPTIONS), asset
        assert node.owners, asset
        assert node.group_name == asset.path[0]
        assert node.kinds, asset


def test_every_check_has_a_description_and_errors_block() -> None:
    specs = {
        (".".join(spec.asset_key.path), spec.name): spec
        for asset in defs().resolve_all_asset_specs()
        for definition in defs().assets or []
        if isinstance(definition, dg.AssetsDefinition) and asset.key in definition.keys
        for spec in definition.check_specs
    }
    for name, table in TABLES.items():
        for check in table.checks:
            spec = specs[name, check.name]
            assert spec.description == check.description
            # Expired records are lost, whether or not the tables downstream are built.
            may_block = check.severity == "error" and check.name != "nothing_expired"
            assert spec.blocking == may_block


def test_the_schedule_runs_the_day_that_just_ended() -> None:
    fires = datetime(2026, 3, 5, 0, 15, tzinfo=UTC)
    request = daily_partitions(dg.build_schedule_context(scheduled_execution_time=fires))
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == ("2026-03-04", "2026-03-04")
    assert (daily_partitions.cron_schedule, daily_partitions.execution_timezone) == (
        "15 0 * * *",
        "UTC",
    )


def test_sensors_and_schedules_run_by_default() -> None:
    loaded = defs()
    statuses = {sensor.name: sensor.default_status for sensor in loaded.sensors or []}
    assert statuses == dict.fromkeys(
        ("landing_arrivals", "stream_arrivals", "analytics_up_to_date"),
        dg.DefaultSensorStatus.RUNNING,
    )
    for schedule in (daily_partitions, daily_upkeep):
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_each_layer_and_channel_has_its_own_pool() -> None:
    steps = {
        definition.op.name: definition.op.pool
        for definition in defs().assets or []
        if isinstance(definition, dg.AssetsDefinition) and definition.is_executable
    }
    layers = ("raw_batch", "raw_stream", "cleaned", "analytics")
    upkeep = {f"maintenance__{name}": name for name in layers} | {"maintenance__runs": None}
    assert steps == {name: name for name in layers} | upkeep


def test_the_workspace_and_dg_load_the_same_definitions(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    (location,) = workspace["load_from"]
    named = location["python_module"]
    assert named["module_name"] == project["code_location_target_module"]
    assert named["location_name"] == project["code_location_name"]

    listed = Pinterest(tmp_path).run(
        str(BIN / "dg"), "list", "defs", "--json", "--target-path", str(ROOT)
    )
    assert listed.returncode == 0, listed.stderr
    seen = json.loads(listed.stdout)
    loaded = importlib.import_module(named["module_name"]).defs()
    assert {asset["asset_key"] for asset in seen["assets"]} == {
        spec.key.to_user_string() for spec in loaded.resolve_all_asset_specs()
    }
    assert [job["name"] for job in seen["jobs"]] == [
        "arrivals_to_analytics",
        "maintenance",
        "old_runs",
    ]
    assert [found["name"] for found in seen["schedules"]] == [
        "daily_old_runs",
        "daily_partitions",
        "daily_upkeep",
    ]


def test_dg_check_passes(tmp_path: Path) -> None:
    checked = Pinterest(tmp_path).run(str(BIN / "dg"), "check", "defs", "--target-path", str(ROOT))
    assert checked.returncode == 0, checked.stdout + checked.stderr
