"""The sensors after runs that they did not start."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from pinterest_platform.defs.landing.sensors import landing_arrivals
from pinterest_platform.defs.streams.sensors import stream_arrivals
from pinterest_platform.lake.delta import Lake
from pinterest_platform.runs import terminal as runs
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import load
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.defs.ticks import Ticks, counts, days
from pinterest_platform_tests.kinesis import turned_kinesis
from pinterest_platform_tests.lake.tampering import let_pass
from pinterest_platform_tests.landing import geo, land_posts, pin, user

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with instance_of(load()) as instance:
        yield instance


def run(instance: dg.DagsterInstance, selection: str | None, day: date = TODAY) -> None:
    assert runs.run(instance, runs.selected(selection), [day], lambda _: None).success


def reason(result: dg.SensorResult) -> str:
    assert not result.run_requests
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def test_arrivals_that_a_run_has_processed_are_not_requested_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Path(load().landing)
    ticks = {sensor.name: Ticks(sensor, instance) for sensor in (landing_arrivals, stream_arrivals)}
    with turned_kinesis() as (kinesis, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for kind, record in (("pin", pin), ("geo", geo), ("user", user)):
            stream = kinesis.create(f"streaming-pinterest-{kind}", shards=2)
            for ind in range(6):
                stream.put(NOW, record(ind), shard=f"shard-{ind % 2}")
        land_posts(landing, range(4, 9), arrived_at=NOW)
        run(instance, None)
        for name, counted, count in (
            ("landing_arrivals", "objects", 1),
            ("stream_arrivals", "records", 6),
        ):
            result = ticks[name]()
            assert "already ingested" in reason(result)
            assert counts(result, counted) == dict.fromkeys(("pin", "geo", "user"), count)
            assert "Nothing new" in reason(ticks[name]())
        # One record more, of one kind and in one shard.
        land_posts(landing, [9], offset=5, arrived_at=NOW)
        kinesis.streams["streaming-pinterest-geo"].put(NOW, geo(9), shard="shard-1")
        assert [days(tick()) for tick in ticks.values()] == [str(TODAY)] * 2


def test_arrivals_that_are_only_in_the_raw_tables_are_requested(
    instance: dg.DagsterInstance,
) -> None:
    land_posts(Path(load().landing), range(5), arrived_at=NOW)
    run(instance, "group:raw")
    assert days(Ticks(landing_arrivals, instance)()) == str(TODAY)


def test_a_topic_recreated_after_a_run_is_requested(instance: dg.DagsterInstance) -> None:
    landing = Path(load().landing)
    land_posts(landing, range(5), arrived_at=NOW)
    land_posts(landing, range(5, 9), offset=5, arrived_at=NOW)
    run(instance, None)
    for path in landing.rglob("*.json"):
        path.unlink()
    now = datetime.now(UTC)
    land_posts(landing, range(10, 12), arrived_at=now)
    assert days(Ticks(landing_arrivals, instance)()) == str(now.date())


def test_records_that_expired_unread_fail_the_command_but_not_the_tables_downstream(
    instance: dg.DagsterInstance, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with turned_kinesis() as (kinesis, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        stream = kinesis.create("streaming-pinterest-pin")
        stream.put(NOW, pin(1))
        run(instance, "group:raw,group:cleaned")
        let_pass(spark, Lake(spark, load().lake), TABLES["raw.pin_stream"], days=9)
        now = datetime.now(UTC)
        stream.put(now, pin(2))
        tables = runs.selected("group:raw,group:cleaned")
        result = runs.run(instance, tables, [now.date()], lambda _: None)
    assert not result.success
    (failure,) = result.failures
    assert failure.startswith("raw/pin_stream:nothing_expired: Records that arrived from ")
    pins = DeltaTable(f"{load().lake}/cleaned/pins").to_pyarrow_table()
    assert 2 in pins["ind"].to_pylist()
