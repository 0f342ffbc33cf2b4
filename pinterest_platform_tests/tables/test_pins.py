"""cleaned.pins, row by row."""

import base64
import json
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.cleaned.pins import PINS, clean_pins
from pinterest_platform_tests.rows import column, records
from pinterest_platform_tests.tables.conftest import RawRows

PIN = {
    "index": 7,
    "unique_id": "a1b2",
    "title": "Two-tier cake",
    "description": "With icing",
    "poster_name": "Anna B.",
    "follower_count": "136k",
    "tag_list": "cake,icing",
    "is_image_or_video": "image",
    "image_src": "https://example.com/1.jpg",
    "downloaded": 1,
    "save_location": "Local save in /data/christmas",
    "category": "christmas",
}


def test_a_pin_becomes_a_row_in_the_order_of_the_contract(raw_rows: RawRows) -> None:
    cleaned = clean_pins(raw_rows(PIN))
    assert cleaned.columns == [
        *("ind", "unique_id", "title", "description", "follower_count", "poster_name", "tag_list"),
        *("is_image_or_video", "image_src", "save_location", "category", "downloaded"),
        *("channel", "arrived_at", "day"),
        *("topic_or_stream", "partition_or_shard", "offset_or_sequence_number"),
        *("unreadable_follower_count", "ingested_at", "duplicates_dropped", "cleaned_at"),
    ]
    assert records(cleaned.drop("arrived_at", "day", "ingested_at", "cleaned_at")) == [
        (
            *(7, "a1b2", "Two-tier cake", "With icing", 136_000, "Anna B.", "cake,icing"),
            *("image", "https://example.com/1.jpg", "/data/christmas", "christmas", 1),
            *("batch", "pinterest.any", "0", "0", None, 0),
        )
    ]


def test_types_are_those_of_the_contract(raw_rows: RawRows) -> None:
    types = dict(clean_pins(raw_rows(PIN)).dtypes)
    assert types == {column.name: column.type.lower() for column in PINS.columns}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "No Title Data Available"),
        ("description", "No description available"),
        ("description", "No description available Story format"),
        ("description", "untitled."),
        ("poster_name", "User Info Error"),
        ("follower_count", "User Info Error"),
        ("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"),
        ("image_src", "Image src error."),
        ("image_src", " image src error "),
        ("category", ""),
        ("unique_id", " \t\u00a0"),
        ("title", None),
        ("save_location", "Local save in "),
        ("downloaded", None),
    ],
)
def test_placeholders_and_blanks_become_null(raw_rows: RawRows, name: str, value: Any) -> None:
    assert column(clean_pins(raw_rows(PIN | {name: value})), name) == [None]


def test_a_placeholder_of_one_column_is_text_in_another(raw_rows: RawRows) -> None:
    assert column(clean_pins(raw_rows(PIN | {"title": "User Info Error"})), "title") == [
        "User Info Error"
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Local save in /data/diy-and-crafts", "/data/diy-and-crafts"),
        ("/data/art", "/data/art"),
        ("Local save in Local save in x", "Local save in x"),
        ("Local save into /data", "Local save into /data"),
    ],
)
def test_the_prefix_of_the_save_location_is_removed(
    raw_rows: RawRows, given: str, kept: str
) -> None:
    assert column(clean_pins(raw_rows(PIN | {"save_location": given})), "save_location") == [kept]


def test_text_keeps_punctuation_emoji_and_script(raw_rows: RawRows) -> None:
    name = "¡Ñandú! 🎄 \u202bمرحبا\u202c 日本語 «quoted», \"twice\"\\ 'n' tab\there"
    assert column(clean_pins(raw_rows(PIN | {"poster_name": f"  {name} "})), "poster_name") == [
        name
    ]


def test_numbers_may_be_strings(raw_rows: RawRows) -> None:
    given = PIN | {"index": "7", "downloaded": "0", "follower_count": 746}
    cleaned = clean_pins(raw_rows(given))
    assert records(cleaned, "ind", "downloaded", "follower_count") == [(7, 0, 746)]


@pytest.mark.parametrize(
    "value",
    [
        " \t\r\n" + json.dumps(PIN) + " \r",
        "\ufeff" + json.dumps(PIN),
        "\ufeff " + json.dumps(PIN, indent=1),
        json.dumps(json.dumps(PIN)),
        json.dumps(json.dumps(PIN, indent=1)),
        base64.b64encode(json.dumps(PIN).encode()).decode(),
        json.dumps(base64.b64encode(json.dumps(PIN).encode()).decode()),
        json.dumps(PIN | {"z": [[]] * 200}),
        json.dumps(PIN | {"z": "[{" * 200}),
        '{"z": ' + "[" * 99 + "]" * 99 + ", " + json.dumps(PIN)[1:],
        json.dumps(PIN).replace("title", "\\u0074itle"),
    ],
)
def test_a_pin_is_read_however_it_is_wrapped(raw_rows: RawRows, value: str) -> None:
    plain, wrapped = raw_rows(PIN), raw_rows(value)
    assert _lasting(clean_pins(wrapped)) == _lasting(clean_pins(plain))


@pytest.mark.parametrize(
    ("written", "title"),
    [
        (r'"\ud83d\ude00 \ud800"', "\U0001f600 \ufffd"),
        (r'"\ude00\ud83d x"', "\ufffd\ufffd x"),
        (r'"\\ud800"', r"\ud800"),
        (r'"\\\ud800\ud83d\ude00"', "\\\ufffd\U0001f600"),
        ("1e400", "1e400"),
        ("-0", "-0"),
        ("1.10", "1.10"),
        ("12345678.9", "12345678.9"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("null", None),
    ],
)
def test_text_that_engines_read_differently_is_kept(
    raw_rows: RawRows, written: str, title: str | None
) -> None:
    given = json.dumps(PIN | {"title": "?"}).replace('"?"', written)
    assert column(clean_pins(raw_rows(given)), "title") == [title]


@pytest.mark.parametrize(
    ("written", "ind"), [("1e1", 10), ("1.5E+1", 15), ("7.0", 7), ("-0", 0), ("70.00e0", 70)]
)
def test_whole_numbers_may_have_an_exponent(raw_rows: RawRows, written: str, ind: int) -> None:
    given = json.dumps(PIN | {"index": "?"}).replace('"?"', written)
    assert column(clean_pins(raw_rows(given)), "ind") == [ind]


@pytest.mark.parametrize("written", ['"1e1"', "1e-1", "15e-1", "1.00000000001e1", "1e400"])
def test_other_numbers_with_an_exponent_are_not_whole_numbers(
    raw_rows: RawRows, written: str
) -> None:
    given = json.dumps(PIN | {"index": "?"}).replace('"?"', written)
    assert clean_pins(raw_rows(given)).count() == 0


def test_ind_is_accepted_instead_of_index(raw_rows: RawRows) -> None:
    given = {name: value for name, value in PIN.items() if name != "index"} | {"ind": 9}
    assert column(clean_pins(raw_rows(given)), "ind") == [9]


def test_the_newest_row_of_a_day_wins(raw_rows: RawRows) -> None:
    given = raw_rows(PIN | {"title": "late"}, hours=2).unionAll(
        raw_rows(PIN | {"title": "early"}, first_offset=5)
    )
    assert column(clean_pins(given), "title") == ["late"]


def test_the_larger_offset_wins_among_rows_that_arrived_together(raw_rows: RawRows) -> None:
    nine, ten = PIN | {"title": "nine"}, PIN | {"title": "ten"}
    assert column(clean_pins(raw_rows(nine, ten, first_offset=9)), "title") == ["ten"]


@pytest.mark.parametrize(
    ("newest", "others"),
    [
        ("10", ["9:0", "9:12", "9:3:4"]),
        ("10:0", ["9", "9:5", "9:123:456"]),
        ("9:10", ["9:2", "9:9", "8:99", "9"]),
        ("9:2:0", ["9:1:10", "9:2", "8:7:7"]),
        ("1" + "0" * 55 + ":1", ["1" + "0" * 55 + ":0", "9" * 55 + ":17:3"]),
    ],
)
def test_the_larger_place_wins_among_records_of_an_aggregate(
    raw_rows: RawRows, newest: str, others: list[str]
) -> None:
    keys = [*others, newest]
    given = raw_rows(*(PIN | {"title": key} for key in keys)).withColumn(
        "offset_or_sequence_number", F.get_json_object("value", "$.title")
    )
    assert column(clean_pins(given), "title") == [newest]


def test_each_day_keeps_its_own_row(raw_rows: RawRows) -> None:
    given = raw_rows(PIN).unionAll(raw_rows(PIN, hours=24))
    assert clean_pins(given).count() == 2


def _lasting(cleaned: DataFrame) -> list[tuple[Any, ...]]:
    """The rows without ``cleaned_at``, which differs between runs."""
    return records(cleaned.drop("cleaned_at"))
