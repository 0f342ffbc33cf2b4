"""Ticks of stream_arrivals: their run requests and cursors."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pinterest_platform.defs.streams.sensors import stream_arrivals
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.defs.ticks import Ticks, counts, days, skipped
from pinterest_platform_tests.kinesis import Shard, TurnedKinesis, turned_kinesis

NOW = datetime.now(UTC)
TODAY = str(NOW.date())
PIN, GEO, USER = (f"streaming-pinterest-{kind}" for kind in ("pin", "geo", "user"))


@pytest.fixture
def kinesis(monkeypatch: pytest.MonkeyPatch) -> Iterator[TurnedKinesis]:
    with turned_kinesis() as (kinesis, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield kinesis


@pytest.fixture
def tick() -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(stream_arrivals, instance)


def test_arrivals_are_requested_once(tick: Ticks, kinesis: TurnedKinesis) -> None:
    pins = kinesis.create(PIN, shards=2)
    kinesis.create(GEO)
    kinesis.create(USER)
    pins.put(NOW - timedelta(minutes=1), {"index": 1}, b"not json", shard="shard-0")
    pins.put(NOW, {"index": 2}, shard="shard-1")
    result = tick()
    assert days(result) == TODAY
    (observed,) = result.asset_events
    assert observed.asset_key == dg.AssetKey(["streams", "pin"])
    metadata = {name: value.value for name, value in observed.metadata.items()}
    assert (metadata["new_records"], metadata["bytes"]) == (3, 30)
    assert metadata["newest_arrival"] == pytest.approx(NOW.timestamp(), abs=0.01)
    reason = skipped(tick())
    assert f"4 shards of {PIN}, {GEO}, {USER}" in reason
    pins.put(NOW, {"index": 3}, shard="shard-1")
    assert counts(tick(), "records") == {"pin": 1}


def test_records_of_several_days_are_one_run(tick: Ticks, kinesis: TurnedKinesis) -> None:
    pins = kinesis.create(PIN)
    pins.put(NOW - timedelta(days=2), {"index": 1})
    pins.put(NOW, {"index": 2})
    assert days(tick()) == f"{NOW.date() - timedelta(days=2)} to {TODAY}"


def test_only_new_records_are_read(tick: Ticks, kinesis: TurnedKinesis) -> None:
    pins = kinesis.create(PIN)
    pins.put(NOW, *range(30_000))
    assert counts(tick(), "records") == {"pin": 30_000}
    kinesis.requests.clear()
    pins.put(NOW, {"index": 1})
    assert counts(tick(), "records") == {"pin": 1}
    assert kinesis.requests["GetRecords"] == 1


def test_a_recreated_stream_is_read_from_its_start(tick: Ticks, kinesis: TurnedKinesis) -> None:
    """Its records repeat the sequence numbers of the deleted stream."""
    kinesis.create(PIN).put(NOW, *range(5))
    assert counts(tick(), "records") == {"pin": 5}
    kinesis.create(PIN, created_at=NOW).put(NOW, *range(2))
    assert counts(tick(), "records") == {"pin": 2}


def test_reshards_are_followed(tick: Ticks, kinesis: TurnedKinesis) -> None:
    pins = kinesis.create(PIN)
    pins.put(NOW, *range(3))
    assert counts(tick(), "records") == {"pin": 3}
    pins.put(NOW, 3)
    pins.shards["shard-0"].closed = True
    pins.shards["child-1"] = Shard()
    pins.put(NOW, 4, 5, shard="child-1")
    assert counts(tick(), "records") == {"pin": 3}
    kinesis.requests.clear()
    skipped(tick())
    # The closed shard was read to its end, so no tick reads it again.
    assert kinesis.requests["GetRecords"] == 1
    del pins.shards["shard-0"]
    skipped(tick())
    assert "shard-0" not in str(tick.cursor)


def test_a_missing_stream_is_named(tick: Ticks, kinesis: TurnedKinesis) -> None:
    kinesis.create(PIN).put(NOW, 1)
    assert counts(tick(), "records") == {"pin": 1}
    assert f"there is no {GEO}, {USER}" in skipped(tick())
    kinesis.create(GEO).put(NOW, 1, 2)
    assert counts(tick(), "records") == {"geo": 2}


def test_without_a_region_there_is_nothing_to_poll(
    tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert "set AWS_REGION" in skipped(tick())


def test_a_record_before_the_first_partition_fails_the_tick(
    tick: Ticks, kinesis: TurnedKinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINTEREST_START_DATE", str(NOW.date()))
    kinesis.create(PIN).put(NOW - timedelta(days=1), 1)
    with pytest.raises(PlatformError, match=f"stream {PIN} arrived on .* PINTEREST_START_DATE"):
        tick()


def test_an_unreachable_kinesis_fails_the_tick_in_one_line(
    tick: Ticks, kinesis: TurnedKinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinesis.create(PIN).put(NOW, 1)
    tick()
    cursor = tick.cursor
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(PlatformError, match="cannot be reached") as failed:
        tick()
    assert len(str(failed.value).splitlines()) == 1
    assert "testing" not in str(failed.value)
    assert tick.cursor == cursor


def test_a_long_backlog_is_processed_in_pieces(
    tick: Ticks, kinesis: TurnedKinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard returns 2 MB a second; this backlog has 2.4 MB."""
    kinesis.create(PIN).put(NOW, *([b"x" * 400] * 30_000))
    monkeypatch.setattr("pinterest_platform.ingest.polling.BUDGET_SECONDS", 0.5)
    pieces = []
    began = time.monotonic()
    while read := counts(tick(), "records"):
        pieces.append(read["pin"])
    assert len(pieces) > 1
    assert sum(pieces) == 30_000
    assert time.monotonic() - began < 30
