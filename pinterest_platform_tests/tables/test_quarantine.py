"""cleaned.quarantine: records that cannot become a row, with the reason and the raw row."""

from typing import Any

import pytest

from pinterest_platform.tables.cleaned.geolocations import clean_geolocations
from pinterest_platform.tables.cleaned.pins import clean_pins
from pinterest_platform.tables.cleaned.quarantine import RECORDS, quarantine
from pinterest_platform.tables.cleaned.users import clean_users
from pinterest_platform_tests.rows import records
from pinterest_platform_tests.tables.conftest import RawRows
from pinterest_platform_tests.tables.test_geolocations import GEO
from pinterest_platform_tests.tables.test_pins import PIN
from pinterest_platform_tests.tables.test_users import USER

PROBLEMS: list[tuple[str, Any, str]] = [
    ("pin", "not json at all", "not JSON"),
    ("pin", "", "not JSON"),
    ("pin", '{"index": 7', "not JSON"),
    ("pin", '{"index": 7} and more', "not JSON"),
    ("pin", "{'index': 7}", "not JSON"),
    ("pin", '{"index": NaN}', "not JSON"),
    ("pin", b"\xff\xfe{}", "not UTF-8"),
    ("pin", "[]", "empty array"),
    ("pin", "[1, 2]", "array of single values"),
    ("pin", '["{}", null]', "array of single values"),
    ("pin", '[[{"index": 7}]]', "array of arrays"),
    ("pin", '[{"index": 7}, 7]', "mixed array"),
    ("pin", '[{"index": 7}', "not JSON"),
    ("pin", '[{"index": 7}]]', "not JSON"),
    ("pin", '[{"index": 7}, {"index": }]', "not JSON"),
    ("pin", '"[{\\"index\\": 7}]"', "JSON in a string"),
    ("pin", '"\\"{}\\""', "JSON in a string"),
    ("pin", "W3siaW5kZXgiOjd9XQ==", "base64 text"),
    ("pin", "eyJpbmRleCI6N30", "base64 text"),
    ("pin", "eyJpbmRleCI6NywidGl0bGUiOiI_In0=", "base64 text"),
    ("pin", '\x00{"index": 7}', "not JSON"),
    ("pin", '{"index": 7}\x00', "not JSON"),
    ("pin", '{"index": 7}, {"index": 8}', "not JSON"),
    ("pin", '{"index": 7, "title": "\x01"}', "not JSON"),
    ("pin", '{"index": 7, "title": 1.}', "not JSON"),
    ("pin", '{"index": 7, "z": ' + "[" * 100 + "]" * 100 + "}", "more than 100 levels"),
    ("pin", "[" * 3000 + "]" * 3000, "more than 100 levels"),
    ("pin", '{"index": 7, "' + "z" * 50_001 + '": 1}', "name of more than 50000 characters"),
    ("pin", PIN | {"meta": {"title": {}}, "title": {}}, "title is not text"),
    ("pin", '{"index": 7, "\\u0074itle": {}}', "title is not text"),
    ("pin", '"text"', "not an object"),
    ("pin", "null", "not an object"),
    ("pin", {}, "no whole-number ind"),
    ("pin", PIN | {"index": "seven"}, "no whole-number ind"),
    ("pin", PIN | {"index": 7.5}, "no whole-number ind"),
    ("pin", PIN | {"index": True}, "no whole-number ind"),
    ("pin", PIN | {"index": None}, "no whole-number ind"),
    ("pin", PIN | {"index": 2**31}, "no whole-number ind"),
    ("pin", PIN | {"title": {"en": "cake"}}, "title is not text"),
    ("pin", PIN | {"tag_list": ["cake"]}, "tag_list is not text"),
    ("pin", PIN | {"downloaded": "yes"}, "downloaded is not a whole number"),
    ("geo", GEO | {"latitude": 90.01}, "coordinates outside the globe"),
    ("geo", GEO | {"longitude": -180.5}, "coordinates outside the globe"),
    ("geo", GEO | {"latitude": None}, "missing latitude"),
    ("geo", GEO | {"longitude": "west"}, "unreadable longitude"),
    ("geo", GEO | {"timestamp": "last Tuesday"}, "unreadable timestamp"),
    ("geo", GEO | {"timestamp": "2018-02-30"}, "unreadable timestamp"),
    ("geo", GEO | {"timestamp": ""}, "missing timestamp"),
    ("geo", GEO | {"timestamp": 1521400435}, "unreadable timestamp: epoch number"),
    ("geo", GEO | {"timestamp": "1521400435000"}, "unreadable timestamp: epoch number"),
    ("geo", GEO | {"timestamp": 1521400435.25}, "unreadable timestamp: epoch number"),
    ("geo", GEO | {"timestamp": "2026-03-04T12:05:00"}, "future timestamp"),
    ("user", USER | {"age": 121}, "impossible age"),
    ("user", USER | {"age": -1}, "impossible age"),
    ("user", USER | {"age": "old"}, "impossible age"),
    ("user", USER | {"age": 36.5}, "impossible age"),
    ("user", USER | {"age": None}, "missing age"),
    ("user", USER | {"date_joined": "2015"}, "unreadable date_joined"),
    ("user", USER | {"date_joined": "2999-01-01"}, "future date_joined"),
]

CLEAN = {"pin": clean_pins, "geo": clean_geolocations, "user": clean_users}
GOOD = {"pin": PIN, "geo": GEO, "user": USER}


@pytest.mark.parametrize(("kind", "value", "reason"), PROBLEMS)
def test_an_unusable_record_is_quarantined_with_its_reason(
    raw_rows: RawRows, kind: str, value: Any, reason: str
) -> None:
    bad, good = raw_rows(value), raw_rows(GOOD[kind], first_offset=1)
    tables = {other: raw_rows(GOOD[other]) for other in GOOD} | {kind: bad.unionAll(good)}
    nothing = raw_rows()
    quarantined = quarantine(*(tables.get(name.removeprefix("raw."), nothing) for name in RECORDS))
    assert records(quarantined, "kind", "reason", "offset_or_sequence_number") == [
        (kind, reason, "0")
    ]
    assert records(CLEAN[kind](tables[kind]), "offset_or_sequence_number") == [("1",)]


def test_the_raw_row_is_kept_byte_for_byte(raw_rows: RawRows) -> None:
    value = b'{"index": 1, "title": "\xc3\x28"}'
    kept = quarantine(raw_rows(value), *[raw_rows()] * (len(RECORDS) - 1))
    assert [bytes(row["value_bytes"]) for row in kept.collect()] == [value]


def test_clocks_that_differ_by_seconds_are_not_the_future(raw_rows: RawRows) -> None:
    just_ahead = GEO | {"timestamp": "2026-03-04T12:00:30"}
    assert clean_geolocations(raw_rows(just_ahead)).count() == 1


def test_a_bracket_in_text_is_text(raw_rows: RawRows) -> None:
    title = '"title": [not nested] {really}'
    assert records(clean_pins(raw_rows(PIN | {"title": title})), "title") == [(title,)]


def test_a_nested_field_with_the_same_name_is_ignored(raw_rows: RawRows) -> None:
    nested = PIN | {"meta": {"title": {"en": "cake"}}}
    assert records(clean_pins(raw_rows(nested)), "title") == [("Two-tier cake",)]
