"""The data source on a real engine: lines, offsets, bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from pinterest_platform.ingest.landing import source as landing_source
from pinterest_platform.ingest.landing.arrivals import OffsetRange, new_arrivals
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.object_store import open_store
from pinterest_platform_tests.landing import NOON, land
from pinterest_platform_tests.rows import records

TOPIC = "pinterest.pin"


def read(
    spark: SparkSession, folder: Path, ingested: dict[int, list[OffsetRange]] | None = None
) -> DataFrame:
    arrivals = new_arrivals(open_store(str(folder)), TOPIC, ingested or {}, str(folder))
    spark.dataSource.register(landing_source.LandingSource)
    return (
        spark.read.format(landing_source.FORMAT)
        .options(**landing_source.options(str(folder), arrivals))
        .load()
    )


def lines(frame: DataFrame) -> list[tuple[Any, ...]]:
    rows = frame.select("offset_or_sequence_number", "value").collect()
    return sorted((int(offset), value) for offset, value in rows)


def test_line_k_has_offset_start_plus_k(spark: SparkSession, tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, ["a", "b"])
    land(tmp_path, TOPIC, 2, ["c"])
    land(tmp_path, TOPIC, 100, ["d", "e"])
    assert lines(read(spark, tmp_path)) == [
        (0, '"a"'),
        (1, '"b"'),
        (2, '"c"'),
        (100, '"d"'),
        (101, '"e"'),
    ]


def test_a_row_knows_its_partition_object_and_arrival(spark: SparkSession, tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 7, [{}], partition=12)
    columns = ("topic_or_stream", "partition_or_shard", "source", "arrived_at_micros")
    micros = int(NOON.timestamp()) * 1_000_000
    assert records(read(spark, tmp_path), *columns) == [
        (TOPIC, "12", str(LandingKey(TOPIC, 12, 7)), micros)
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb", ["a", "b"]),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"\n", [""]),
        (b"", []),
        (b"a\r\nb\n", ["a\r", "b"]),
        ("a\u2028b\x0b\x0c\x1c\x85c\n".encode(), ["a\u2028b\x0b\x0c\x1c\x85c"]),
        (b'{"a": "\\n"}\n', ['{"a": "\\n"}']),
        (b"\x01\x02,\"'\n", ["\x01\x02,\"'"]),
        (b"a\x00b\n", ["a\x00b"]),
        ("\ufeff{}\n".encode(), ["\ufeff{}"]),
    ],
)
def test_only_a_line_feed_ends_a_line(
    spark: SparkSession, tmp_path: Path, content: bytes, expected: list[str]
) -> None:
    land(tmp_path, TOPIC, 0, []).write_bytes(content)
    assert [value for _, value in lines(read(spark, tmp_path))] == expected


def test_bytes_that_are_not_utf8_come_back_byte_for_byte(
    spark: SparkSession, tmp_path: Path
) -> None:
    bad: Sequence[bytes] = (b"\xff\xfe", b'{"a": "\xc3("}', b"\xed\xa0\x80")
    land(tmp_path, TOPIC, 0, [bad[0], {"good": "ü"}, bad[1], bad[2]])
    rows = read(spark, tmp_path).collect()
    kept = {
        int(row["offset_or_sequence_number"]): row["value"] or bytes(row["value_bytes"])
        for row in rows
    }
    assert kept == {0: bad[0], 1: '{"good":"ü"}', 2: bad[1], 3: bad[2]}


def test_many_objects_with_many_lines_are_all_read(spark: SparkSession, tmp_path: Path) -> None:
    for partition in range(3):
        for number in range(40):
            values = [{"n": number * 50 + line} for line in range(50)]
            land(tmp_path, TOPIC, number * 50, values, partition=partition)
    frame = read(spark, tmp_path)
    wrong = frame.where('value <> concat(\'{"n":\', offset_or_sequence_number, "}")')
    assert (frame.count(), frame.distinct().count(), wrong.count()) == (6000, 6000, 0)


def test_objects_larger_than_a_slice_are_read_whole(spark: SparkSession, tmp_path: Path) -> None:
    text = "x" * 100_000
    land(tmp_path, TOPIC, 0, [text] * 200)
    land(tmp_path, TOPIC, 200, [text] * 200)
    frame = read(spark, tmp_path)
    assert (frame.count(), frame.where("length(value) <> 100002").count()) == (400, 0)


def test_only_lines_after_the_ingested_ones_are_read(spark: SparkSession, tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, ["a", "b", "c"])
    earlier = NOON.replace(hour=11)
    ingested = {
        0: [
            OffsetRange(
                first=0, last=1, last_key=str(LandingKey(TOPIC, 0, 0)), last_arrived_at=earlier
            )
        ]
    }
    assert lines(read(spark, tmp_path, ingested)) == [(2, '"c"')]


def test_lines_that_belong_to_the_next_object_are_an_error_with_the_key(
    spark: SparkSession, tmp_path: Path
) -> None:
    land(tmp_path, TOPIC, 0, ["a", "b", "c"])
    land(tmp_path, TOPIC, 2, ["c"])
    with pytest.raises(PySparkException, match=r"pinterest\.pin\+0\+0000000000\.json' has 3 lines"):
        read(spark, tmp_path).collect()


def test_a_missing_object_is_an_error_with_the_key(spark: SparkSession, tmp_path: Path) -> None:
    path = land(tmp_path, TOPIC, 5, ["a"])
    frame = read(spark, tmp_path)
    path.unlink()
    with pytest.raises(PySparkException, match=r"pinterest\.pin\+0\+0000000005\.json' cannot"):
        frame.collect()
