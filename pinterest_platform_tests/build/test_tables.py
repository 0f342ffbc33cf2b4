"""From landing objects to the analytics: exactly once, in any order, with checks that can fail."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from pinterest_platform.errors import PlatformError
from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.build.conftest import (
    Platform,
    PlatformOf,
    built,
    checked,
    failed,
)
from pinterest_platform_tests.landing import NOON, geo, land, land_posts, pin, user

DAY = NOON.date()
NEXT = DAY + timedelta(days=1)
LAST = DAY + timedelta(days=2)


def three_days(folder: Path) -> None:
    """Posts of three days in two partitions, some sent again on a later day."""
    for past in range(3):
        arrived_at = NOON + timedelta(days=past)
        for partition in range(2):
            inds = range(past * 30 + partition * 20, past * 30 + partition * 20 + 40)
            land_posts(folder, inds, offset=past * 40, partition=partition, arrived_at=arrived_at)


def test_every_record_is_a_raw_row_once(platform: Platform) -> None:
    three_days(platform.landing)
    platform.all(DAY, NEXT, LAST)
    keys = {row[2:5] for row in platform.rows("raw.pin")}
    assert keys == {
        ("pinterest.pin", str(partition), str(offset))
        for partition in range(2)
        for offset in range(120)
    }
    assert len(platform.rows("raw.pin")) == 240


@pytest.mark.parametrize("full", [True, False])
def test_making_a_day_again_gives_the_same_rows(platform: Platform, full: bool) -> None:
    three_days(platform.landing)
    platform.make(DAY)
    first = platform.everything()
    platform.make(DAY, full=full)
    assert platform.everything() == first


def test_days_built_in_any_order_or_together_are_the_same(
    platform_of: PlatformOf, tmp_path: Path
) -> None:
    results = []
    for name, runs in {
        "at_once": [[DAY, NEXT, LAST]],
        "descending": [[LAST], [NEXT], [DAY]],
        "mixed_and_again": [[NEXT], [LAST, DAY], [NEXT]],
    }.items():
        platform = platform_of(tmp_path / name)
        three_days(platform.landing)
        for days in runs:
            platform.make(*days)
        results.append(platform.everything())
    assert all(result == results[0] for result in results)
    assert len(results[0]["analytics.posts"]) == 120


def test_one_request_for_a_day_and_all_tables_makes_posts_of_all_days(platform: Platform) -> None:
    """As in the task that Databricks schedules."""
    three_days(platform.landing)
    for day in (DAY, NEXT):
        assert failed(platform.build(TABLES, [day])) == []
    posts = {row[0] for row in platform.rows("analytics.posts")}
    assert posts == {row[0] for row in platform.rows("cleaned.pins")}
    assert len(posts) > 60


def test_objects_that_arrive_out_of_offset_order_are_not_lost(
    platform: Platform,
) -> None:
    """As after a copy of a bucket: the lower offset has the later day, which is built last."""
    land(platform.landing, "pinterest.pin", 0, [pin(0)], arrived_at=NOON + timedelta(days=1))
    land(platform.landing, "pinterest.pin", 1, [pin(1)], arrived_at=NOON)
    platform.build(["raw.pin"], [DAY])
    platform.build(["raw.pin"], [NEXT])
    assert [row[4] for row in platform.rows("raw.pin")] == ["0", "1"]


def test_later_arrivals_are_added(platform: Platform) -> None:
    land_posts(platform.landing, range(10))
    platform.all(DAY)
    land_posts(platform.landing, range(10, 25), offset=10)
    outcomes = platform.all(DAY)
    assert built(outcomes, "raw.pin").facts["new_objects"] == 1
    assert built(outcomes, "analytics.posts").total_rows == 25


def test_a_rewritten_object_adds_only_its_new_lines(platform: Platform) -> None:
    land(platform.landing, "pinterest.pin", 0, [pin(0), pin(1)])
    platform.build(["raw.pin"], [DAY])
    later = NOON + timedelta(hours=1)
    land(platform.landing, "pinterest.pin", 0, [pin(0), pin(1), pin(2)], arrived_at=later)
    platform.build(["raw.pin"], [DAY])
    assert [row[4] for row in platform.rows("raw.pin")] == ["0", "1", "2"]


def test_the_last_copy_of_a_post_counts_over_all_days(platform: Platform) -> None:
    for past, title in enumerate(["first", "second"]):
        arrived_at = NOON + timedelta(days=past)
        land(platform.landing, "pinterest.pin", past, [pin(1, title=title)], arrived_at=arrived_at)
    land(platform.landing, "pinterest.geo", 0, [geo(1)])
    land(platform.landing, "pinterest.user", 0, [user(1)])
    platform.all(NEXT, DAY)
    (post,) = platform.rows("analytics.posts")
    assert post[:3] == (1, "id-1", "second")


def test_raw_rows_are_cleaned_rows_duplicates_and_quarantined_rows(platform: Platform) -> None:
    land(
        platform.landing,
        "pinterest.pin",
        0,
        [pin(1), pin(1, title="newer"), b"not json", pin(2), b"\xff", pin(3, index="x"), pin(1)],
    )
    outcomes = platform.build(
        ["raw.pin", "cleaned.quarantine", "cleaned.pins"],
        [DAY],
    )
    assert failed(outcomes) == []
    assert checked(outcomes, "cleaned.pins", "reconciles_with_raw").facts == {
        "raw_rows": 7,
        "cleaned_rows": 2,
        "duplicates_dropped": 2,
        "quarantined_rows": 3,
    }
    assert built(outcomes, "cleaned.quarantine").total_rows == 3


def test_a_lost_row_fails_the_reconciliation(platform: Platform) -> None:
    land_posts(platform.landing, range(5))
    platform.all(DAY)
    lake = Lake(platform.spark, platform.places.lake)
    pins = TABLES["cleaned.pins"]
    lake.replace_days(pins, lambda: lake.read(pins).where("ind <> 3"), [DAY])
    outcomes = platform.check("cleaned.pins", "reconciles_with_raw", DAY)
    assert failed(outcomes) == ["cleaned.pins:reconciles_with_raw"]
    (day,) = checked(outcomes, "cleaned.pins", "reconciles_with_raw").samples
    assert (day["day"], day["raw_rows"], day["cleaned_rows"]) == (DAY.isoformat(), "5", "4")


def test_a_row_without_a_record_fails_the_reconciliation(platform: Platform) -> None:
    land_posts(platform.landing, range(5))
    platform.all(DAY)
    lake = Lake(platform.spark, platform.places.lake)
    users = TABLES["cleaned.users"]
    lake.replace_days(
        users,
        lambda: lake.read(users).withColumn("offset_or_sequence_number", F.lit("99")),
        [DAY],
    )
    outcomes = platform.check("cleaned.users", "reconciles_with_raw", DAY)
    assert failed(outcomes) == ["cleaned.users:reconciles_with_raw"]


def test_a_duplicate_row_fails_the_key_check_and_stops_later_tables(
    platform: Platform,
) -> None:
    land_posts(platform.landing, range(5))
    platform.all(DAY)
    lake = Lake(platform.spark, platform.places.lake)
    raw_pin = TABLES["raw.pin"]
    lake.replace_days(
        raw_pin, lambda: lake.read(raw_pin).unionAll(lake.read(raw_pin).limit(1)), [DAY]
    )
    outcomes = platform.build(["raw.pin", "cleaned.pins", "cleaned.users"], [DAY])
    assert failed(outcomes) == ["raw.pin:unique_key", "cleaned.pins"]
    assert built(outcomes, "cleaned.users").total_rows == 5


def test_dirty_data_warns_and_stops_nothing(platform: Platform) -> None:
    land_posts(platform.landing, range(5))
    land(platform.landing, "pinterest.pin", 5, [pin(9, follower_count="many")])
    outcomes = platform.all(DAY)
    warning = checked(outcomes, "cleaned.pins", "follower_count_readable")
    assert (warning.passed, warning.severity, warning.offending) == (False, "warn", 1)
    (sample,) = warning.samples
    assert (sample["ind"], sample["unreadable_follower_count"]) == ("9", "many")
    assert failed(outcomes) == []


def test_a_lake_without_posts_is_not_an_error(platform: Platform) -> None:
    outcomes = platform.all(DAY)
    assert failed(outcomes) == []
    empty = checked(outcomes, "analytics.posts", "not_empty")
    assert (empty.passed, empty.severity) == (False, "warn")
    assert "cleaned.pins is empty" in empty.reason
    below = checked(outcomes, "analytics.top_user_by_country", "not_empty")
    assert below.reason == "No row: analytics.posts is empty"


def test_a_pin_that_arrives_before_its_geolocation_is_not_an_error(platform: Platform) -> None:
    """This happens at the start of every stream."""
    land(platform.landing, "pinterest.pin", 0, [pin(0), pin(1)])
    outcomes = platform.all(DAY)
    assert failed(outcomes) == []
    by_country = checked(outcomes, "analytics.category_counts_by_country", "not_empty")
    assert (by_country.passed, by_country.severity) == (False, "warn")
    assert by_country.reason == "No row: country is null in all 2 rows of analytics.posts"
    by_year = checked(outcomes, "analytics.top_category_by_year", "not_empty")
    assert by_year.reason == "No row: analytics.category_counts_by_year is empty"


def test_posts_of_other_years_are_not_an_error(platform: Platform) -> None:
    land_posts(platform.landing, range(2))
    platform.places = replace(
        platform.places, parameters={"post_years": (1990, 1991), "joining_years": (2015, 2020)}
    )
    outcomes = platform.all(DAY)
    assert failed(outcomes) == []
    by_year = checked(outcomes, "analytics.category_counts_by_year", "not_empty")
    assert "of other years, in the 2 rows of analytics.posts" in by_year.reason


def test_only_new_objects_are_read(platform: Platform) -> None:
    """Ingested objects can be removed from the landing place: no run reads them again."""
    land_posts(platform.landing, range(10))
    platform.all(DAY)
    for kind in ("pin", "geo", "user"):
        shutil.rmtree(platform.landing / "topics" / f"pinterest.{kind}")
    land_posts(platform.landing, range(10, 12), offset=10)
    outcomes = platform.all(DAY)
    assert built(outcomes, "raw.pin").rows == {DAY: 12}


def test_an_arrival_before_the_first_partition_is_an_error(platform: Platform) -> None:
    land_posts(platform.landing, range(2), arrived_at=NOON - timedelta(days=200))
    with pytest.raises(PlatformError, match="PINTEREST_START_DATE"):
        platform.layer("raw", DAY)


def test_a_broken_object_fails_with_its_key_and_leaves_the_table_as_it_was(
    platform: Platform,
) -> None:
    land(platform.landing, "pinterest.pin", 0, [pin(0)])
    platform.build(["raw.pin"], [DAY])
    land(platform.landing, "pinterest.pin", 1, [pin(1), pin(2), pin(3)])
    land(platform.landing, "pinterest.pin", 2, [pin(2)])
    with pytest.raises(PlatformError, match=r"pinterest\.pin\+0\+0000000001\.json"):
        platform.build(["raw.pin"], [DAY])
    assert len(platform.rows("raw.pin")) == 1


def test_concurrent_runs_neither_duplicate_nor_lose_a_row(platform: Platform) -> None:
    three_days(platform.landing)
    days = (DAY, NEXT, LAST)
    for table in TABLES.values():
        Lake(platform.spark, platform.places.lake).read(table)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: platform.layer("raw", *days), range(3)))
    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(lambda _: platform.layer("cleaned", *days), range(3)))
    assert len(platform.rows("raw.pin")) == 240
    assert failed(platform.layer("cleaned", *days)) == []
    assert len(outcomes) == 3


def test_concurrent_first_runs_create_the_analytics(platform: Platform) -> None:
    three_days(platform.landing)
    days = (DAY, NEXT, LAST)
    platform.layer("raw", *days)
    platform.layer("cleaned", *days)
    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(lambda _: platform.layer("analytics", *days), range(3)))
    assert [failed(found) for found in outcomes] == [[], [], []]
    assert len(platform.rows("analytics.posts")) == len({*range(120)})


def test_a_day_is_behind_while_raw_rows_are_not_cleaned(platform: Platform) -> None:
    land_posts(platform.landing, range(5))
    land_posts(platform.landing, range(5, 9), offset=5, arrived_at=NOON + timedelta(days=1))
    platform.layer("raw", DAY, NEXT)
    assert platform.days_behind() == [DAY, NEXT]
    platform.layer("cleaned", NEXT)
    assert platform.days_behind() == [DAY]
    platform.layer("cleaned", DAY)
    assert platform.days_behind() == []


def test_duplicates_and_quarantined_rows_are_not_behind(platform: Platform) -> None:
    records = [pin(1), pin(1), b"not json", pin(2)]
    land(platform.landing, "pinterest.pin", 0, records)
    platform.layer("raw", DAY)
    platform.layer("cleaned", DAY)
    assert platform.days_behind() == []


@pytest.mark.parametrize("record", [pin(1, title="newer"), b"not json", pin(7)])
def test_one_more_record_puts_a_day_behind(platform: Platform, record: object) -> None:
    land(platform.landing, "pinterest.pin", 0, [pin(1), pin(2)])
    platform.layer("raw", DAY)
    platform.layer("cleaned", DAY)
    land(platform.landing, "pinterest.pin", 2, [record])
    platform.layer("raw", DAY)
    assert platform.days_behind() == [DAY]


def test_a_preview_shows_text_and_cuts_long_cells(platform: Platform) -> None:
    land_posts(platform.landing, range(3))
    land(platform.landing, "pinterest.pin", 3, [pin(3, description="x" * 500)])
    preview = built(platform.all(DAY), "cleaned.pins").preview
    assert max(len(cell) for row in preview for cell in row.values()) == 80
    assert preview[0]["day"] == DAY.isoformat()


def test_rows_are_counted_by_day(platform: Platform) -> None:
    land_posts(platform.landing, range(3))
    outcomes = platform.layer("raw", DAY, NEXT)
    assert built(outcomes, "raw.pin").rows == {DAY: 3, NEXT: 0}


def test_a_day_is_a_date_in_utc(platform: Platform) -> None:
    midnight = NOON.replace(hour=23, minute=59, second=59)
    land_posts(platform.landing, range(1), arrived_at=midnight)
    land_posts(platform.landing, range(1, 2), offset=1, arrived_at=midnight + timedelta(seconds=1))
    outcomes = platform.layer("raw", DAY, NEXT)
    assert built(outcomes, "raw.pin").rows == {DAY: 1, NEXT: 1}
    assert {row[-1] for row in platform.rows("raw.pin")} == {DAY, date(2026, 3, 5)}


def test_a_recreated_topic_is_read_from_its_start(platform: Platform) -> None:
    """Its new offsets are smaller than the ingested ones, and its days are built in reverse."""
    land_posts(platform.landing, range(40))
    platform.make(DAY)
    shutil.rmtree(platform.landing)
    land_posts(platform.landing, range(40, 50), arrived_at=NOON + timedelta(days=1))
    land_posts(platform.landing, range(50, 55), offset=10, arrived_at=NOON + timedelta(days=2))
    for day in (LAST, NEXT, LAST, NEXT):
        platform.make(day)
    assert len(platform.rows("raw.pin")) == 55
    assert {row[0] for row in platform.rows("analytics.posts")} == set(range(55))
    land_posts(platform.landing, range(55, 60), offset=15, arrived_at=NOON + timedelta(days=2))
    platform.make(LAST)
    assert len(platform.rows("raw.pin")) == 60


def test_a_copied_topic_does_not_count_as_recreated(platform: Platform) -> None:
    land_posts(platform.landing, range(40))
    land_posts(platform.landing, range(40, 50), offset=40)
    platform.make(DAY)
    copied_at = NOON + timedelta(days=1)
    land_posts(platform.landing, range(40), arrived_at=copied_at)
    land_posts(platform.landing, range(40, 50), offset=40, arrived_at=copied_at)
    platform.make(NEXT)
    assert len(platform.rows("raw.pin")) == 50
    # Old objects can also be moved away.
    for path in platform.landing.rglob("*+0000000000.json"):
        path.unlink()
    land_posts(platform.landing, range(50, 60), offset=50, arrived_at=copied_at)
    platform.make(NEXT)
    assert len(platform.rows("raw.pin")) == 60
