"""New landing objects in a folder."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.landing.arrivals import (
    Arrival,
    OffsetRange,
    new_arrivals,
    reject_undated,
)
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.object_store import open_store
from pinterest_platform_tests.landing import NOON, land

TOPIC = "pinterest.pin"


def found(folder: Path, ingested: dict[int, list[OffsetRange]] | None = None) -> list[Arrival]:
    return new_arrivals(open_store(str(folder)), TOPIC, ingested or {}, str(folder))


def ingested(first: int, last: int, key_offset: int, arrived_at: datetime = NOON) -> OffsetRange:
    return OffsetRange(
        first=first,
        last=last,
        last_key=str(LandingKey(TOPIC, 0, key_offset)),
        last_arrived_at=arrived_at,
    )


def offsets(arrivals: list[Arrival]) -> list[tuple[int, int]]:
    return [(arrival.key.partition, arrival.key.offset) for arrival in arrivals]


def test_nothing_has_arrived_in_an_empty_folder(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="set PINTEREST_LANDING"):
        found(tmp_path / "none")


def test_everything_is_new_to_an_empty_table(tmp_path: Path) -> None:
    for partition, offset in [(0, 0), (0, 3), (2, 0), (10, 0)]:
        land(tmp_path, TOPIC, offset, [1, 2, 3], partition=partition)
    assert offsets(found(tmp_path)) == [(0, 0), (0, 3), (2, 0), (10, 0)]


def test_arrival_is_the_stores_last_modified_time(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, [1], arrived_at=datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC))
    (arrival,) = found(tmp_path)
    assert (arrival.arrived_at.isoformat(), arrival.day) == (
        "2026-03-04T23:59:59+00:00",
        date(2026, 3, 4),
    )


def test_ingested_offsets_are_not_new(tmp_path: Path) -> None:
    for offset in (0, 3, 6):
        land(tmp_path, TOPIC, offset, [1, 2, 3])
    assert offsets(found(tmp_path, {0: [ingested(0, 5, 3)]})) == [(0, 6)]


def test_gaps_between_ingested_ranges_are_found(tmp_path: Path) -> None:
    for offset in (0, 3, 6, 9):
        land(tmp_path, TOPIC, offset, [1, 2, 3])
    runs = [ingested(3, 5, 3), ingested(9, 11, 9)]
    assert offsets(found(tmp_path, {0: runs})) == [(0, 0), (0, 6)]


def test_offsets_missing_in_kafka_are_not_arrivals(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 5, [1, 2])
    land(tmp_path, TOPIC, 9, [1])
    assert found(tmp_path, {0: [ingested(5, 6, 5), ingested(9, 9, 9)]}) == []


def test_a_rewritten_object_with_more_lines_is_new_from_there(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, [1, 2, 3], arrived_at=NOON + timedelta(minutes=1))
    (arrival,) = found(tmp_path, {0: [ingested(0, 1, 0)]})
    assert (arrival.key.offset, arrival.first_new) == (0, 2)


def test_each_object_ends_where_the_next_begins(tmp_path: Path) -> None:
    for offset in (0, 3, 6):
        land(tmp_path, TOPIC, offset, [1, 2, 3])
    arrivals = found(tmp_path, {0: [ingested(3, 5, 3)]})
    assert [(arrival.key.offset, arrival.end) for arrival in arrivals] == [(0, 3), (6, None)]


def test_an_object_that_begins_within_ingested_offsets_is_an_error(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, [1, 2, 3])
    land(tmp_path, TOPIC, 2, [3, 4])
    with pytest.raises(PlatformError, match=r"pinterest\.pin\+0\+0000000002\.json"):
        found(tmp_path, {0: [ingested(0, 2, 0)]})


@pytest.mark.parametrize(
    "name",
    [
        "partition=0/pinterest.pin+0+abc.json",
        "partition=0/pinterest.pin+1+0000000000.json",
        "partition=0/pinterest.geo+0+0000000000.json",
        "partition=0/pinterest.pin+0+7.json",
        "partition=0/pinterest.pin+0+0000000000.json.gz",
        "partition=00/pinterest.pin+0+0000000000.json",
        "partition=0/pinterest.pin+0+10000000000.json",
        "partition=zero/pinterest.pin+0+0000000000.json",
    ],
)
def test_an_object_outside_of_the_layout_is_an_error_with_its_name(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "topics" / TOPIC / name
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    with pytest.raises(PlatformError, match=name.split("/", 1)[0]):
        found(tmp_path)


def test_markers_of_other_tools_are_ignored(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, [1])
    for marker in ("_SUCCESS", ".DS_Store"):
        (tmp_path / "topics" / TOPIC / "partition=0" / marker).touch()
    assert offsets(found(tmp_path)) == [(0, 0)]


def test_arrivals_before_the_first_partition_are_an_error_that_names_the_setting(
    tmp_path: Path,
) -> None:
    land(tmp_path, TOPIC, 0, [1])
    arrivals = found(tmp_path)
    reject_undated(arrivals, date(2026, 3, 4), NOON)
    with pytest.raises(PlatformError, match="PINTEREST_START_DATE to 2026-03-04"):
        reject_undated(arrivals, date(2026, 3, 5), NOON)


def test_arrivals_in_the_future_are_an_error_that_names_the_object(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, [1])
    arrivals = found(tmp_path)
    reject_undated(arrivals, date(2026, 1, 1), NOON - timedelta(minutes=30))
    with pytest.raises(
        PlatformError, match=r"0000000000\.json' arrived on 2026-03-04, which is in"
    ):
        reject_undated(arrivals, date(2026, 1, 1), NOON - timedelta(hours=2))


def test_an_empty_object_is_new_only_once_it_has_lines(tmp_path: Path) -> None:
    land(tmp_path, TOPIC, 0, [])
    assert found(tmp_path) == []
    land(tmp_path, TOPIC, 0, [1])
    assert offsets(found(tmp_path)) == [(0, 0)]
