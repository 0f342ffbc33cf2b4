"""cleaned.geolocations, row by row."""

from pinterest_platform.tables.cleaned.geolocations import GEOLOCATIONS, clean_geolocations
from pinterest_platform_tests.rows import records
from pinterest_platform_tests.tables.conftest import RawRows

GEO = {
    "ind": 7,
    "timestamp": "2018-11-08T06:29:48",
    "latitude": -71.5,
    "longitude": 104.25,
    "country": " Côte d'Ivoire ",
}


def test_a_geolocation_becomes_a_row_in_the_order_of_the_contract(raw_rows: RawRows) -> None:
    cleaned = clean_geolocations(raw_rows(GEO))
    assert cleaned.columns[:4] == ["ind", "country", "coordinates", "timestamp"]
    assert records(
        cleaned.selectExpr(
            "ind", "country", "coordinates", "date_format(timestamp, 'yyyy-MM-dd HH:mm:ss')"
        )
    ) == [(7, "Côte d'Ivoire", [-71.5, 104.25], "2018-11-08 06:29:48")]


def test_types_are_those_of_the_contract(raw_rows: RawRows) -> None:
    types = dict(clean_geolocations(raw_rows(GEO)).dtypes)
    assert types == {column.name: column.type.lower() for column in GEOLOCATIONS.columns}


def test_the_edges_of_the_globe_are_on_it(raw_rows: RawRows) -> None:
    edges = [
        GEO | {"ind": ind, "latitude": latitude, "longitude": longitude}
        for ind, (latitude, longitude) in enumerate([(90, 180), ("-90", "-180.0"), (0, 0)])
    ]
    assert clean_geolocations(raw_rows(*edges)).count() == 3


def test_a_blank_country_is_null(raw_rows: RawRows) -> None:
    assert records(clean_geolocations(raw_rows(GEO | {"country": " "})), "country") == [(None,)]
