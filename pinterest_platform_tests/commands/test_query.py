"""``pinterest query``: the formats."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from pinterest_platform_tests.landing import geo, land, land_posts
from pinterest_platform_tests.process import Pinterest

SQL = (
    "SELECT ind, country, coordinates, timestamp, day FROM cleaned.geolocations "
    "WHERE ind IN (1, 7) ORDER BY ind"
)
NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()


@pytest.fixture(scope="module")
def pinterest(tmp_path_factory: pytest.TempPathFactory) -> Pinterest:
    home = tmp_path_factory.mktemp("query") / "home"
    land_posts(home / "landing", range(3), arrived_at=NOW)
    strange = geo(7, country='Côte "d\'Ivoire", 日本')
    land(home / "landing", "pinterest.geo", 3, [strange], arrived_at=NOW)
    created = Pinterest(home)
    assert created("run").returncode == 0
    return created


def test_json_is_a_list_of_objects(pinterest: Pinterest) -> None:
    assert json.loads(pinterest("query", SQL, "--format", "json").stdout) == [
        {
            "ind": 1,
            "country": "Peru",
            "coordinates": [12.5, -45.25],
            "timestamp": "2019-06-15T10:20:30+00:00",
            "day": TODAY,
        },
        {
            "ind": 7,
            "country": 'Côte "d\'Ivoire", 日本',
            "coordinates": [12.5, -45.25],
            "timestamp": "2020-06-15T10:20:30+00:00",
            "day": TODAY,
        },
    ]


def test_csv_can_be_read_back(pinterest: Pinterest) -> None:
    text = pinterest("query", SQL, "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(text))) == [
        ["ind", "country", "coordinates", "timestamp", "day"],
        ["1", "Peru", "[12.5, -45.25]", "2019-06-15T10:20:30+00:00", TODAY],
        ["7", 'Côte "d\'Ivoire", 日本', "[12.5, -45.25]", "2020-06-15T10:20:30+00:00", TODAY],
    ]


def test_without_a_terminal_a_table_shows_every_row_in_full(pinterest: Pinterest) -> None:
    text = pinterest("query", "SELECT value FROM raw.geo").stdout
    assert text.count('"country":') == 4
    assert "…" not in text


def test_times_are_utc_in_any_time_zone(pinterest: Pinterest) -> None:
    elsewhere = pinterest("query", SQL, "--format", "csv", TZ="America/New_York").stdout
    assert elsewhere == pinterest("query", SQL, "--format", "csv").stdout


def test_tables_of_several_schemas_can_be_joined(pinterest: Pinterest) -> None:
    sql = (
        "SELECT count(*) AS n FROM Analytics.Posts p JOIN `cleaned`.`pins` c ON p.ind = c.ind "
        "JOIN raw.pin r ON r.offset_or_sequence_number = c.offset_or_sequence_number"
    )
    assert pinterest.query(sql) == [{"n": 3}]
