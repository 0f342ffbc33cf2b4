"""Ticks of landing_arrivals: their run requests, waits and costs."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pinterest_platform.defs.landing.sensors import landing_arrivals
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform_tests.defs.ticks import Ticks, counts, days, skipped
from pinterest_platform_tests.landing import land, land_posts, pin
from pinterest_platform_tests.s3_lists import PLACE, S3, running_s3

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = str(NOW.date())
PIN = "pinterest.pin"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Three posts of today in a landing folder."""
    folder = tmp_path / "home" / "landing"
    land_posts(folder, range(3), arrived_at=NOW)
    return folder


@pytest.fixture
def tick(instance: dg.DagsterInstance) -> Ticks:
    return Ticks(landing_arrivals, instance)


def waiting(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> str:
    """A run of another job."""
    marked = {f"dagster/{name}": value for name, value in tags.items()}
    job = dg.GraphDefinition(name="any").to_job()
    run = instance.create_run_for_job(job, status=status, tags=marked)
    return run.run_id


def test_arrivals_are_requested_once(tick: Ticks, landing: Path) -> None:
    assert days(tick()) == TODAY
    reason = skipped(tick())
    assert "3 partitions of pinterest.pin, pinterest.geo, pinterest.user" in reason
    assert f"newest object of {NOW:%Y-%m-%d %H:%M:%S} UTC" in reason
    land(landing, PIN, 3, [pin(3)], arrived_at=NOW)
    assert days(tick()) == TODAY
    assert days(tick()) is None


def test_objects_in_a_folder_of_another_name_are_named(tick: Ticks, landing: Path) -> None:
    """As written by a Confluent sink with another topics.dir."""
    (landing / "topics").rename(landing / "raw data")
    (landing / "logs").mkdir()
    assert "objects lie under 'raw data/' instead of 'topics/'" in skipped(tick())
    land(landing, PIN, 0, [pin(0)], arrived_at=NOW)
    assert days(tick()) == TODAY


def test_the_same_tick_again_has_the_same_run_key(
    instance: dg.DagsterInstance, landing: Path
) -> None:
    """So Dagster starts no second run when it repeats a tick after a crash."""
    (first,), (again,) = (Ticks(landing_arrivals, instance)().run_requests or [] for _ in range(2))
    land(landing, PIN, 3, [pin(3)], arrived_at=NOW)
    (other,) = Ticks(landing_arrivals, instance)().run_requests or []
    assert first.run_key == again.run_key != other.run_key


def test_arrivals_of_several_days_are_one_run_over_the_range(tick: Ticks, landing: Path) -> None:
    land(landing, PIN, 3, [pin(3)], arrived_at=NOW - timedelta(days=5))
    land(landing, PIN, 4, [pin(4)], arrived_at=NOW - timedelta(days=2))
    assert days(tick()) == f"{NOW.date() - timedelta(days=5)} to {TODAY}"


def test_arrivals_are_observed_only_on_their_topic(tick: Ticks, landing: Path) -> None:
    tick()
    path = land(landing, PIN, 3, [pin(3)], arrived_at=NOW - timedelta(minutes=1))
    (observed,) = tick().asset_events
    assert observed.asset_key == dg.AssetKey(["landing", "pin"])
    metadata = {name: value.value for name, value in observed.metadata.items()}
    assert metadata["new_objects"] == 1
    assert metadata["bytes"] == path.stat().st_size
    assert metadata["newest_arrival"] == (NOW - timedelta(minutes=1)).timestamp()
    assert isinstance(metadata["lag_seconds"], float)
    assert metadata["lag_seconds"] == pytest.approx(
        time.time() - (NOW - timedelta(minutes=1)).timestamp(), abs=10
    )


def test_a_rewritten_object_is_new(tick: Ticks, landing: Path) -> None:
    tick()
    land(landing, PIN, 0, [pin(0), pin(1), pin(2), pin(3)], arrived_at=NOW + timedelta(seconds=1))
    assert days(tick()) == TODAY
    assert days(tick()) is None


def test_a_recreated_topic_is_detected(tick: Ticks, landing: Path) -> None:
    land(landing, PIN, 50, [pin(50)], arrived_at=NOW - timedelta(days=1))
    tick()
    shutil.rmtree(landing / "topics" / PIN)
    skipped(tick())
    land(landing, PIN, 0, [pin(0)], arrived_at=NOW)
    assert days(tick()) == TODAY
    assert days(tick()) is None
    land(landing, PIN, 1, [pin(1)], arrived_at=NOW)
    assert days(tick()) == TODAY


def test_only_newer_objects_count_when_the_last_object_is_missing(
    tick: Ticks, landing: Path
) -> None:
    land(landing, PIN, 3, [pin(3)], arrived_at=NOW - timedelta(days=3))
    last = land(landing, PIN, 4, [pin(4)], arrived_at=NOW + timedelta(seconds=1))
    tick()
    last.unlink()
    skipped(tick())
    skipped(tick())


def test_empty_and_hidden_objects_are_ignored(tick: Ticks, landing: Path) -> None:
    tick()
    empty = landing / str(LandingKey(PIN, 0, 3))
    empty.touch()
    empty.with_name("_SUCCESS").write_text("x")
    skipped(tick())
    land(landing, PIN, 3, [pin(3)], arrived_at=NOW)
    assert days(tick()) == TODAY


def test_a_name_that_violates_the_layout_fails_the_tick(tick: Ticks, landing: Path) -> None:
    tick()
    land(landing, PIN, 3, [pin(3)]).rename(landing / "topics" / PIN / "partition=0" / "zzz.json")
    with pytest.raises(PlatformError, match=r"zzz\.json' does not follow"):
        tick()


@pytest.mark.parametrize(
    ("arrived_at", "printed"),
    [
        (datetime(2025, 12, 31, tzinfo=UTC), "set PINTEREST_START_DATE to 2025-12-31"),
        (NOW + timedelta(days=3), "in the future"),
    ],
)
def test_an_arrival_without_a_day_fails_every_tick(
    tick: Ticks, landing: Path, arrived_at: datetime, printed: str
) -> None:
    tick()
    cursor = tick.cursor
    land(landing, PIN, 3, [pin(3)], arrived_at=arrived_at)
    for _ in range(2):
        with pytest.raises(PlatformError, match=printed):
            tick()
        assert tick.cursor == cursor


@pytest.mark.parametrize(
    ("status", "tags"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, {"partition": TODAY}),
        (dg.DagsterRunStatus.STARTED, {"partition": TODAY}),
        (dg.DagsterRunStatus.CANCELING, {"partition": TODAY}),
        (
            dg.DagsterRunStatus.STARTING,
            {
                "asset_partition_range_start": str(NOW.date() - timedelta(days=9)),
                "asset_partition_range_end": str(NOW.date() + timedelta(days=9)),
            },
        ),
    ],
)
def test_a_tick_waits_for_a_run_of_the_day(
    tick: Ticks, landing: Path, status: dg.DagsterRunStatus, tags: dict[str, str]
) -> None:
    run_id = waiting(tick.instance, status, **tags)
    assert run_id in skipped(tick())
    assert tick.cursor is None
    run = tick.instance.get_run_by_id(run_id)
    assert run
    tick.instance.report_run_failed(run)
    assert days(tick()) == TODAY


def test_a_tick_does_not_wait_for_runs_of_other_days_or_none(tick: Ticks, landing: Path) -> None:
    waiting(tick.instance, dg.DagsterRunStatus.STARTED, partition=str(NOW.date() - timedelta(1)))
    waiting(tick.instance, dg.DagsterRunStatus.STARTED)
    waiting(tick.instance, dg.DagsterRunStatus.SUCCESS, partition=TODAY)
    assert days(tick()) == TODAY


def test_a_new_machine_has_nothing_to_poll_yet(tick: Ticks, tmp_path: Path) -> None:
    assert "Nothing has landed yet" in skipped(tick())
    land_posts(tmp_path / "home" / "landing", range(3), arrived_at=NOW)
    assert days(tick()) == TODAY


def test_a_missing_landing_folder_fails_the_tick(tick: Ticks, landing: Path) -> None:
    tick()
    landing.rename(landing.with_name("elsewhere"))
    with pytest.raises(PlatformError, match="set PINTEREST_LANDING"):
        tick()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with running_s3() as s3:
        for name, value in (s3.environment | {"PINTEREST_LANDING": PLACE}).items():
            monkeypatch.setenv(name, value)
        yield s3


def test_the_cost_of_a_tick_depends_on_new_objects_only(tick: Ticks, s3: S3) -> None:
    def put(offsets: range, arrived_at: datetime) -> None:
        for partition in range(2):
            for offset in offsets:
                s3.put(LandingKey(PIN, partition, offset), b"{}\n", arrived_at)

    put(range(50_000), NOW - timedelta(hours=1))
    assert days(tick()) is not None
    put(range(50_000, 50_050), NOW)
    s3.forget_requests()
    result = tick()
    assert days(result) == TODAY
    assert counts(result, "objects") == {"pin": 100}
    # Lists the partitions of three topics, and the new objects of two partitions, including the
    # last known object of each.
    assert sorted(s3.requests) == [
        "LIST topics/pinterest.geo/",
        "LIST topics/pinterest.pin/",
        "LIST topics/pinterest.pin/partition=0/",
        "LIST topics/pinterest.pin/partition=1/",
        "LIST topics/pinterest.user/",
    ]
    assert s3.listed == 102


def test_a_long_backlog_is_processed_in_pieces(
    tick: Ticks, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for offset in range(5_000):
        s3.put(LandingKey(PIN, 0, offset), b"{}\n", NOW)
    s3.answer_seconds = 0.2
    monkeypatch.setattr("pinterest_platform.ingest.polling.BUDGET_SECONDS", 0.5)
    pieces = []
    while observed := counts(tick(), "objects"):
        pieces.append(observed["pin"])
    assert len(pieces) > 1
    assert sum(pieces) == 5_000


def test_an_unreachable_s3_fails_the_tick_in_one_line(tick: Ticks, s3: S3) -> None:
    s3.put(LandingKey(PIN, 0, 0), b"{}\n", NOW)
    tick()
    cursor = tick.cursor
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    with pytest.raises(PlatformError, match="s3://landing-bucket cannot be read") as failed:
        tick()
    assert len(str(failed.value).splitlines()) == 1
    assert "testing" not in str(failed.value)
    assert tick.cursor == cursor


def test_a_tick_ends_within_30_seconds_when_s3_hangs(tick: Ticks, s3: S3) -> None:
    s3.gate.clear()
    began = time.monotonic()
    with pytest.raises(PlatformError, match="s3://landing-bucket"):
        tick()
    assert time.monotonic() - began < 30
