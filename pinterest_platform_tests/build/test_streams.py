"""From Kinesis to the tables: every record once, whatever happens to the stream."""

import itertools
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from pyspark.sql import functions as F

from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.ingestion import days_arrived
from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.build.conftest import Platform, built, checked, failed
from pinterest_platform_tests.kinesis import Stream, TurnedKinesis
from pinterest_platform_tests.lake.tampering import let_pass
from pinterest_platform_tests.landing import as_json, geo, land, pin, user

STREAM = "streaming-pinterest-pin"
TABLE = "raw.pin_stream"
TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
BEFORE = TODAY - timedelta(days=2)


def at(day: date, hours: float) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(hours=hours)


def utc_now() -> datetime:
    """The time as Spark returns timestamps of the lake: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def three_days(stream: Stream) -> None:
    """Ten records a day and shard on three days."""
    number = itertools.count()
    for shard, day in itertools.product(stream.shards, (BEFORE, YESTERDAY, TODAY)):
        for hour in range(10):
            stream.put(at(day, hour), pin(next(number)), shard=shard)


def raw_rows(platform: Platform) -> list[tuple[str, str]]:
    """(day, value), sorted."""
    rows = Lake(platform.spark, platform.places.lake).read(TABLES[TABLE])
    return sorted((str(row["day"]), row["value"]) for row in rows.select("day", "value").collect())


def test_a_record_becomes_a_raw_row_with_its_origin_and_arrival(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    arrived_at = at(YESTERDAY, 10) + timedelta(milliseconds=123)
    arrival = (arrived_at.replace(tzinfo=None), YESTERDAY)
    kinesis.create(STREAM).put(arrived_at, b'{"index":  "7"}', b"\xff\xfe")
    platform.build([TABLE], [YESTERDAY])
    assert platform.rows(TABLE, "ingested_at") == [
        ('{"index":  "7"}', None, STREAM, "shard-0", f"1{'0' * 55}", None, *arrival),
        (None, b"\xff\xfe", STREAM, "shard-0", f"1{'0' * 54}1", None, *arrival),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations((BEFORE, YESTERDAY, TODAY))))
def test_days_ingested_in_any_order_have_every_record_once(
    platform: Platform, kinesis: TurnedKinesis, order: tuple[date, ...]
) -> None:
    three_days(kinesis.create(STREAM, shards=2))
    for day in order:
        outcomes = platform.build([TABLE], [day])
        assert not failed(outcomes)
        assert built(outcomes, TABLE).rows == {day: 20}
    assert len(raw_rows(platform)) == 60
    assert len(set(raw_rows(platform))) == 60


def test_a_range_of_days_is_read_once(platform: Platform, kinesis: TurnedKinesis) -> None:
    three_days(kinesis.create(STREAM, shards=2))
    for _ in range(2):
        platform.build([TABLE], [BEFORE, YESTERDAY, TODAY])
        assert len(raw_rows(platform)) == 60


def test_records_out_of_order_around_midnight_are_on_their_own_day_once(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    stream = kinesis.create(STREAM)
    stream.page_records = 1
    midnight = at(TODAY, 0)
    for seconds in (-20, 3, -10, 5, -1, 8):
        stream.put(midnight + timedelta(seconds=seconds), f"{seconds}".encode())
    for day in (TODAY, YESTERDAY, TODAY, YESTERDAY):
        platform.build([TABLE], [day])
    days = {(day, int(value)) for day, value in raw_rows(platform)}
    assert days == {(str(YESTERDAY), seconds) for seconds in (-20, -10, -1)} | {
        (str(TODAY), seconds) for seconds in (3, 5, 8)
    }
    assert len(raw_rows(platform)) == 6


def test_a_day_is_read_from_its_start_even_if_the_day_before_was_read_further(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    stream = kinesis.create(STREAM)
    stream.put(at(TODAY, 0) + timedelta(seconds=3), b"3")
    stream.put(at(TODAY, 0) - timedelta(seconds=10), b"-10")
    platform.build([TABLE], [YESTERDAY])
    platform.build([TABLE], [YESTERDAY, TODAY])
    assert raw_rows(platform) == [(str(YESTERDAY), "-10"), (str(TODAY), "3")]


def test_a_record_of_a_mebibyte_arrives_whole(platform: Platform, kinesis: TurnedKinesis) -> None:
    # Kinesis's default limit (quota of PutRecord).
    record = as_json(pin(1, title=""))
    value = as_json(pin(1, title="é" * ((2**20 - len(record)) // 2)))
    assert 2**20 - 2 < len(value) <= 2**20
    kinesis.create(STREAM).put(at(YESTERDAY, 4), value)
    platform.build([TABLE], [YESTERDAY])
    assert raw_rows(platform) == [(str(YESTERDAY), value.decode())]


def test_each_record_of_an_aggregate_is_a_raw_row(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    aggregator = RecordAggregator()
    for ind in range(12):
        aggregator.add_user_record(str(ind), as_json(pin(ind)))
    _, _, content = aggregator.clear_and_get().get_contents()
    stream = kinesis.create(STREAM)
    stream.put(at(YESTERDAY, 4), pin(100), bytes(content))
    for _ in range(2):
        platform.build([TABLE], [YESTERDAY])
        assert len(raw_rows(platform)) == 13
    stream.put(at(YESTERDAY, 5), pin(101))
    outcomes = platform.build([TABLE], [YESTERDAY])
    assert not failed(outcomes)
    assert len(raw_rows(platform)) == 14


def test_a_record_is_read_from_its_shard_once(platform: Platform, kinesis: TurnedKinesis) -> None:
    kinesis.create(STREAM, shards=3).put(at(YESTERDAY, 4), *map(pin, range(20)))
    platform.build([TABLE], [YESTERDAY])
    assert kinesis.requests["GetRecords"] == 3


def test_pages_without_records_are_not_the_end(platform: Platform, kinesis: TurnedKinesis) -> None:
    stream = kinesis.create(STREAM)
    stream.empty_pages = 3
    stream.put(at(YESTERDAY, 4), pin(1), pin(2))
    platform.build([TABLE], [YESTERDAY])
    assert len(raw_rows(platform)) == 2


def test_the_children_of_a_reshard_are_read_beside_their_closed_parent(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    stream = kinesis.create(STREAM)
    stream.put(at(YESTERDAY, 4), pin(1), pin(2))
    platform.build([TABLE], [YESTERDAY])
    stream.put(at(YESTERDAY, 5), pin(3))
    stream.shards["shard-0"].closed = True
    for child in ("shard-1", "shard-2"):
        stream.shards[child] = type(stream.shards["shard-0"])()
        stream.put(at(YESTERDAY, 6), pin(4), pin(5), shard=child)
    platform.build([TABLE], [YESTERDAY])
    assert len(raw_rows(platform)) == 7


def test_a_recreated_stream_is_read_from_its_start_even_with_repeated_sequence_numbers(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    first = kinesis.create(STREAM)
    first.put(at(YESTERDAY, 4), *map(pin, range(5)))
    platform.build([TABLE], [YESTERDAY])
    second = kinesis.create(STREAM, created_at=at(YESTERDAY, 5))
    second.put(at(YESTERDAY, 6), *map(pin, range(5, 8)))
    for _ in range(2):
        outcomes = platform.build([TABLE], [YESTERDAY])
        assert not failed(outcomes)
    assert len(raw_rows(platform)) == 8


def test_an_empty_or_missing_stream_gives_tables_without_rows(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    kinesis.create("streaming-pinterest-geo")
    outcomes = platform.build(["raw.pin_stream", "raw.geo_stream"], [TODAY])
    assert not failed(outcomes)
    assert [built(outcomes, f"raw.{kind}_stream").total_rows for kind in ("pin", "geo")] == [0, 0]


def test_without_a_region_kinesis_is_not_used(platform: Platform) -> None:
    assert built(platform.build([TABLE], [TODAY]), TABLE).facts == {"shards": 0}


def test_an_unreachable_kinesis_is_one_line(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "swordfish")
    platform.places = replace(platform.places, region="us-east-1")
    with pytest.raises(PlatformError, match=r"cannot be reached at http://127\.0\.0\.1:9") as error:
        platform.build([TABLE], [TODAY])
    assert "swordfish" not in str(error.value)
    assert "\n" not in str(error.value)


def test_records_that_expired_before_being_read_fail_a_check_that_names_the_period(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    now = datetime.now(UTC)
    days = [now.date() - timedelta(days=1), now.date()]
    stream = kinesis.create(STREAM)
    stream.put(now - timedelta(minutes=1), pin(1))
    platform.build([TABLE], days)
    read_at = (
        Lake(platform.spark, platform.places.lake)
        .read(TABLES[TABLE])
        .select(F.max("ingested_at"))
        .collect()[0][0]
    )
    let_pass(platform.spark, Lake(platform.spark, platform.places.lake), TABLES[TABLE], days=5)
    stream.retention = timedelta(hours=24)
    stream.put(now, pin(2))
    begun = utc_now()
    outcomes = platform.build([TABLE], days)
    expired = checked(outcomes, TABLE, "nothing_expired")
    assert (expired.passed, expired.stops) == (False, False)
    printed = re.findall(r"\d+-\d+-\d+ \d+:\d+:\d+\.\d+", expired.reason)
    read_until, kept_from = map(datetime.fromisoformat, printed)
    assert read_until == read_at - timedelta(days=5)
    assert begun <= kept_from + stream.retention <= utc_now()
    # Another run does not repair the loss.
    again = checked(platform.check(TABLE, "nothing_expired", now.date()), TABLE, "nothing_expired")
    assert not again.passed


def test_the_check_passes_for_a_stream_that_is_read_in_time(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    stream = kinesis.create(STREAM)
    for ind in range(3):
        stream.put(datetime.now(UTC), pin(ind))
        outcomes = platform.build([TABLE], [datetime.now(UTC).date()])
        assert checked(outcomes, TABLE, "nothing_expired").passed


def test_days_with_new_records_are_found_without_reading_all_of_them(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    stream = kinesis.create(STREAM, shards=2)
    lake = Lake(platform.spark, platform.places.lake)

    def found() -> set[date]:
        return days_arrived(lake, platform.places, TABLES[TABLE])

    assert found() == set()
    three_days(stream)
    assert found() == {BEFORE, YESTERDAY, TODAY}
    platform.build([TABLE], [YESTERDAY])
    assert found() == {BEFORE, TODAY}
    platform.build([TABLE], [BEFORE, TODAY])
    assert found() == set()
    stream.put(at(TODAY, 11), pin(99), shard="shard-1")
    assert found() == {TODAY}


def test_a_record_from_before_the_first_partition_is_an_error_that_names_the_setting(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    kinesis.create(STREAM).put(at(YESTERDAY, 1), pin(1))
    platform.places = replace(platform.places, start_date=TODAY)
    with pytest.raises(PlatformError, match=f"PINTEREST_START_DATE to {YESTERDAY}"):
        days_arrived(Lake(platform.spark, platform.places.lake), platform.places, TABLES[TABLE])


def test_both_channels_are_cleaned_as_one(platform: Platform, kinesis: TurnedKinesis) -> None:
    """Posts 0-9 by batch, 5-14 by stream with numbers as strings; the newer copy wins."""
    for kind, record in (("pin", pin), ("geo", geo), ("user", user)):
        land(
            platform.landing,
            f"pinterest.{kind}",
            0,
            [record(ind) for ind in range(10)],
            arrived_at=at(YESTERDAY, 5),
        )
        stream = kinesis.create(f"streaming-pinterest-{kind}")
        for ind in range(5, 15):
            hour = 4 if ind == 5 else 6
            stream.put(
                at(YESTERDAY, hour),
                {name: _as_text(value) for name, value in record(ind).items()},
            )
    kinesis.streams[STREAM].put(at(YESTERDAY, 7), b"no JSON", b"\xff", {"index": "none"}, [1])
    outcomes = platform.all(YESTERDAY)
    assert failed(outcomes) == []
    rows = Lake(platform.spark, platform.places.lake).read(TABLES["cleaned.pins"])
    channels = {row["ind"]: row["channel"] for row in rows.select("ind", "channel").collect()}
    assert channels == {ind: "batch" if ind <= 5 else "stream" for ind in range(15)}
    reconciled = checked(outcomes, "cleaned.pins", "reconciles_with_raw").facts
    assert reconciled == {
        "raw_rows": 24,
        "cleaned_rows": 15,
        "duplicates_dropped": 5,
        "quarantined_rows": 4,
    }
    assert built(outcomes, "analytics.posts").total_rows == 15
    ages = Lake(platform.spark, platform.places.lake).read(TABLES["cleaned.users"])
    assert {row["ind"]: row["age"] for row in ages.select("ind", "age").collect()} == {
        ind: user(ind)["age"] for ind in range(15)
    }
    assert platform.days_behind() == []


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) else value
