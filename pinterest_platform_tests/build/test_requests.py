"""The S3 requests of a raw run when most of a topic is already ingested."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.build.conftest import Platform, built
from pinterest_platform_tests.landing import NOON, as_json, pin
from pinterest_platform_tests.s3_lists import PLACE, running_s3

TOPIC = "pinterest.pin"
HELD = 100_000
NEW = 100


def hold(platform: Platform, topic: str, objects: int) -> None:
    """Fill raw.pin with objects of one record each, which arrived at noon."""
    offset = F.col("id").cast("string")
    rows = platform.spark.range(objects).select(
        F.lit("{}").alias("value"),
        F.lit(None).cast("binary").alias("value_bytes"),
        F.lit(topic).alias("topic_or_stream"),
        F.lit("0").alias("partition_or_shard"),
        offset.alias("offset_or_sequence_number"),
        F.concat(
            F.lit(f"topics/{topic}/partition=0/{topic}+0+"), F.lpad(offset, 10, "0"), F.lit(".json")
        ).alias("source"),
        F.lit(NOON).alias("arrived_at"),
        F.lit(NOON).alias("ingested_at"),
        F.lit(NOON.date()).alias("day"),
    )
    lake = Lake(platform.spark, platform.places.lake)
    lake.add(TABLES["raw.pin"], lambda: rows, [NOON.date()])


def test_a_hundred_new_objects_after_a_hundred_thousand_cost_a_hundred_requests(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(platform, TOPIC, HELD)
    with running_s3() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        platform.places = replace(platform.places, landing=PLACE)
        for offset in range(HELD + NEW):
            arrived_at = NOON + timedelta(minutes=offset >= HELD)
            s3.put(LandingKey(TOPIC, 0, offset), as_json(pin(offset)), arrived_at)
        outcomes = platform.build(["raw.pin"], [NOON.date()])
    assert built(outcomes, "raw.pin").facts["new_objects"] == NEW
    assert built(outcomes, "raw.pin").total_rows == HELD + NEW
    requests = Counter(request.split()[0] for request in s3.requests)
    # One LIST of the partitions and one of the objects after the last ingested one; the HEAD of the
    # first object shows whether the topic was recreated.
    assert requests == {"LIST": 2, "HEAD": 1, "GET": NEW}
    assert s3.listed == 1 + NEW
