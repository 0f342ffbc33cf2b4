"""Arrays of objects in both channels: each element becomes one record, once."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from aws_kinesis_agg.aggregator import RecordAggregator
from pyspark.sql import functions as F

from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.build.conftest import Platform, built, checked, failed
from pinterest_platform_tests.build.test_streams import STREAM, YESTERDAY, at
from pinterest_platform_tests.kinesis import TurnedKinesis
from pinterest_platform_tests.landing import NOON, as_json, geo, land, pin, user

DAY = NOON.date()
NEXT = DAY + timedelta(days=1)
TOPIC = "pinterest.pin"


def keys(platform: Platform, table: str = "raw.pin") -> list[str]:
    """The natural keys of a raw table, as text in the order of their numbers."""
    rows = Lake(platform.spark, platform.places.lake).read(TABLES[table])
    found = [row[0] for row in rows.select("offset_or_sequence_number").collect()]
    return sorted(found, key=lambda key: [int(part) for part in key.split(":")])


def inds(platform: Platform, table: str = "cleaned.pins") -> list[int]:
    return sorted(row[0] for row in platform.rows(table))


def test_each_element_of_an_array_is_a_post_and_the_day_reconciles(platform: Platform) -> None:
    for kind, record in (("pin", pin), ("geo", geo), ("user", user)):
        values = [[record(ind) for ind in range(250)], record(250), [], [record(251), 7]]
        land(platform.landing, f"pinterest.{kind}", 0, values)
    outcomes = platform.all(DAY)
    assert failed(outcomes) == []
    assert len(platform.rows("analytics.posts")) == 251
    assert checked(outcomes, "cleaned.users", "reconciles_with_raw").facts == {
        "raw_rows": 253,
        "cleaned_rows": 251,
        "duplicates_dropped": 0,
        "quarantined_rows": 2,
    }


def test_repeated_ingestion_adds_no_element_twice(platform: Platform) -> None:
    land(platform.landing, TOPIC, 0, [[pin(0), pin(1)], pin(2), [pin(3), pin(4)]])
    for _ in range(2):
        platform.build(["raw.pin"], [DAY])
        assert keys(platform) == ["0:0", "0:1", "1", "2:0", "2:1"]
    land(platform.landing, TOPIC, 3, [[pin(5)]])
    outcomes = platform.build(["raw.pin"], [DAY])
    assert built(outcomes, "raw.pin").facts["new_objects"] == 1
    assert keys(platform) == ["0:0", "0:1", "1", "2:0", "2:1", "3:0"]


def test_concurrent_runs_add_each_element_once(platform: Platform) -> None:
    for number in range(6):
        land(platform.landing, TOPIC, number, [[pin(number * 10 + place) for place in range(10)]])
    Lake(platform.spark, platform.places.lake).read(TABLES["raw.pin"])
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: platform.build(["raw.pin"], [DAY]), range(3)))
    assert keys(platform) == [f"{number}:{place}" for number in range(6) for place in range(10)]


def test_a_rewritten_object_that_ended_in_an_array_adds_its_new_lines(
    platform: Platform,
) -> None:
    values = [pin(0), [pin(1), pin(2)]]
    land(platform.landing, TOPIC, 0, values)
    platform.build(["raw.pin"], [DAY])
    later = NOON + timedelta(hours=1)
    land(platform.landing, TOPIC, 0, [*values, [pin(3), pin(4)], pin(5)], arrived_at=later)
    platform.build(["raw.pin"], [DAY])
    assert keys(platform) == ["0", "1:0", "1:1", "2:0", "2:1", "3"]


def test_a_gap_between_arrays_is_found(platform: Platform) -> None:
    """The lower offset arrives on the later day, which is built last."""
    land(platform.landing, TOPIC, 0, [[pin(0), pin(1)]])
    land(platform.landing, TOPIC, 1, [[pin(2), pin(3)]], arrived_at=NOON + timedelta(days=1))
    land(platform.landing, TOPIC, 2, [[pin(4), pin(5)]])
    platform.build(["raw.pin"], [DAY])
    platform.build(["raw.pin"], [NEXT])
    assert keys(platform) == [f"{number}:{place}" for number in range(3) for place in range(2)]


def test_a_topic_that_ended_in_an_array_can_be_copied_or_recreated(platform: Platform) -> None:
    land(platform.landing, TOPIC, 0, [[pin(0), pin(1)]])
    land(platform.landing, TOPIC, 1, [[pin(2), pin(3), pin(4)]])
    platform.build(["raw.pin"], [DAY])
    copied_at = NOON + timedelta(days=1)
    land(platform.landing, TOPIC, 0, [[pin(0), pin(1)]], arrived_at=copied_at)
    land(platform.landing, TOPIC, 1, [[pin(2), pin(3), pin(4)]], arrived_at=copied_at)
    platform.build(["raw.pin"], [NEXT])
    assert len(keys(platform)) == 5
    shutil.rmtree(platform.landing / "topics")
    land(platform.landing, TOPIC, 0, [[pin(5), pin(6)]], arrived_at=copied_at)
    platform.build(["raw.pin"], [NEXT])
    assert keys(platform) == ["0:0", "0:0", "0:1", "0:1", "1:0", "1:1", "1:2"]


def test_an_array_ingested_as_one_row_stays_one_row(
    platform: Platform,
) -> None:
    """As ingested before the platform split arrays."""
    land(platform.landing, TOPIC, 0, [pin(0), [pin(1)]])
    platform.build(["raw.pin"], [DAY])
    lake, table = Lake(platform.spark, platform.places.lake), TABLES["raw.pin"]
    packed = F.col("offset_or_sequence_number") == "1:0"
    unsplit = lake.read(table).withColumns(
        {
            "value": F.when(packed, F.lit(json.dumps([pin(1)]))).otherwise(F.col("value")),
            "offset_or_sequence_number": F.regexp_replace("offset_or_sequence_number", ":0$", ""),
        }
    )
    lake.replace_days(table, lambda: unsplit, [DAY])
    assert keys(platform) == ["0", "1"]
    land(platform.landing, TOPIC, 2, [[pin(3), pin(4)]])
    outcomes = platform.build(["raw.pin", "cleaned.quarantine", "cleaned.pins"], [DAY])
    assert failed(outcomes) == []
    assert keys(platform) == ["0", "1", "2:0", "2:1"]
    assert inds(platform) == [0, 3, 4]
    assert [row[1] for row in platform.rows("cleaned.quarantine")] == ["unsplit array of objects"]


def test_elements_of_an_array_in_a_stream_are_records_and_aggregated_ones_have_two_places(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    aggregator = RecordAggregator()
    for number, value in enumerate((pin(3), [pin(4), pin(5)])):
        aggregator.add_user_record(str(number), as_json(value))
    _, _, packed = aggregator.clear_and_get().get_contents()
    stream = kinesis.create(STREAM)
    stream.put(at(YESTERDAY, 1), pin(0), [pin(1), pin(2)], bytes(packed))
    for _ in range(2):
        outcomes = platform.build(
            ["raw.pin_stream", "cleaned.quarantine", "cleaned.pins"], [YESTERDAY]
        )
        assert failed(outcomes) == []
        number = 10**55
        assert keys(platform, "raw.pin_stream") == [
            f"{number}",
            f"{number + 1}:0",
            f"{number + 1}:1",
            f"{number + 2}:0",
            f"{number + 2}:1:0",
            f"{number + 2}:1:1",
        ]
        assert inds(platform) == list(range(6))


def test_records_after_an_array_in_a_stream_are_read_from_after_it(
    platform: Platform, kinesis: TurnedKinesis
) -> None:
    stream = kinesis.create(STREAM)
    stream.put(at(YESTERDAY, 1), [pin(1), pin(2)])
    outcomes = platform.build(["raw.pin_stream"], [YESTERDAY])
    assert built(outcomes, "raw.pin_stream").watermark["shards"]["shard-0"] == str(10**55)
    stream.put(at(YESTERDAY, 2), [pin(3), pin(4)])
    outcomes = platform.build(["raw.pin_stream"], [YESTERDAY])
    assert built(outcomes, "raw.pin_stream").watermark["shards"]["shard-0"] == str(10**55 + 1)
    assert len(keys(platform, "raw.pin_stream")) == 4
