"""analytics.posts: the newest pin, geolocation and user of a post side by side."""

import pytest

from pinterest_platform.tables.analytics.posts import POSTS, posts
from pinterest_platform.tables.cleaned.geolocations import clean_geolocations
from pinterest_platform.tables.cleaned.pins import clean_pins
from pinterest_platform.tables.cleaned.users import clean_users
from pinterest_platform_tests.rows import records
from pinterest_platform_tests.tables.conftest import RawRows
from pinterest_platform_tests.tables.test_geolocations import GEO
from pinterest_platform_tests.tables.test_pins import PIN
from pinterest_platform_tests.tables.test_users import USER


def test_a_post_has_one_row_with_the_newest_of_each(raw_rows: RawRows) -> None:
    pins = raw_rows(PIN | {"title": "new"}, hours=30).unionAll(raw_rows(PIN | {"title": "old"}))
    geos = raw_rows(GEO | {"country": "Peru"}, hours=50).unionAll(raw_rows(GEO))
    users = raw_rows(USER).unionAll(raw_rows(USER | {"age": 50}, hours=24))
    created = posts(clean_pins(pins), clean_geolocations(geos), clean_users(users))
    assert records(created, "ind", "title", "country", "age") == [(7, "new", "Peru", 50)]


def test_a_post_without_geolocation_or_user_stays(raw_rows: RawRows) -> None:
    created = posts(
        clean_pins(raw_rows(PIN)),
        clean_geolocations(raw_rows(GEO | {"ind": 8})),
        clean_users(raw_rows()),
    )
    assert records(created, "ind", "country", "age", "post_year") == [(7, None, None, None)]


def test_columns_are_those_of_the_contract(raw_rows: RawRows) -> None:
    created = posts(
        clean_pins(raw_rows(PIN)), clean_geolocations(raw_rows(GEO)), clean_users(raw_rows(USER))
    )
    assert dict(created.dtypes) == {column.name: column.type.lower() for column in POSTS.columns}
    assert records(created, "post_year", "joining_year") == [(2018, 2015)]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        *((0, None), (17, None), (18, "18-24"), (24, "18-24"), (25, "25-35"), (35, "25-35")),
        *((36, "36-50"), (50, "36-50"), (51, "+50"), (120, "+50")),
    ],
)
def test_age_groups(raw_rows: RawRows, age: int, group: str | None) -> None:
    users = clean_users(raw_rows(USER | {"age": age}))
    created = posts(clean_pins(raw_rows(PIN)), clean_geolocations(raw_rows(GEO)), users)
    assert records(created, "age_group") == [(group,)]
