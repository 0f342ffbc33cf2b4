"""How text becomes values."""

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.tables import text
from pinterest_platform_tests.rows import column

Expression = Callable[[Column], Column]


def read(spark: SparkSession, expression: Expression, *values: str | None) -> list[Any]:
    frame = spark.createDataFrame([(value,) for value in values], "given STRING")
    return column(frame.select(expression(F.col("given")).alias("read")), "read")


def test_trimming_takes_white_space_of_every_script_from_both_ends(spark: SparkSession) -> None:
    given = (
        " a b ",
        "\t\n\ra\x0b",
        "\u00a0a\u3000",
        "\u2028a\x85",
        "a\u200b",
        " \u00a0 ",
        "",
        None,
    )
    assert read(spark, text.trimmed, *given) == ["a b", "a", "a", "a", "a\u200b", None, None, None]


def test_trimming_agrees_with_python_on_every_white_space(spark: SparkSession) -> None:
    spaces = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    assert read(spark, text.trimmed, *(f"{space}a{space}" for space in spaces)) == ["a"] * len(
        spaces
    )


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("746", 746),
        ("0", 0),
        ("136k", 136_000),
        ("136K", 136_000),
        ("1.2k", 1_200),
        ("2M", 2_000_000),
        ("1.5m", 1_500_000),
        ("1B", 1_000_000_000),
        ("1,234", 1_234),
        ("12,345,678", 12_345_678),
        (" 5k\n", 5_000),
        ("746.0", 746),
        ("9223372036854775807", 9_223_372_036_854_775_807),
    ],
)
def test_follower_counts_are_whole_numbers(spark: SparkSession, given: str, read_as: int) -> None:
    assert read(spark, text.follower_count, given) == [read_as]


@pytest.mark.parametrize(
    "given",
    [
        *(
            "User Info Error",
            "",
            "k",
            "-5",
            "+5",
            "1.5",
            "1.2345k",
            "12,34",
            "1,2345",
            "1 k",
            "1e3",
        ),
        *(
            "1.23456789012B",
            "12 thousand",
            "1k2",
            "9223372036854775808",
            "99999999999B",
            "\uff11\uff12",
            "NaN",
            "1kk",
        ),
    ],
)
def test_any_other_follower_count_is_null(spark: SparkSession, given: str) -> None:
    assert read(spark, text.follower_count, given) == [None]


def test_whole_numbers_of_an_int(spark: SparkSession) -> None:
    given = ("7", "+7", "-7", " 7 ", "7.0", "007", "2147483647", "-2147483648")
    assert read(spark, text.whole_number, *given) == [7, 7, -7, 7, 7, 7, 2147483647, -2147483648]


def test_any_other_whole_number_is_null(spark: SparkSession) -> None:
    given = ("7.5", "1e3", "x", "", "true", "2147483648", "NaN", "0x10", "\u0663", None)
    assert read(spark, text.whole_number, *given) == [None] * len(given)


def test_decimal_numbers(spark: SparkSession) -> None:
    given = ("51.5", "-0.25", ".5", "1.", "1e3", "NaN", "Infinity", "", "1,5", "north")
    expected = [51.5, -0.25, 0.5, 1.0, 1000.0, None, None, None, None, None]
    assert read(spark, text.decimal_number, *given) == expected


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("2018-11-08T06:29:48", "2018-11-08 06:29:48.000"),
        ("2018-11-08 06:29:48", "2018-11-08 06:29:48.000"),
        ("2018-11-08", "2018-11-08 00:00:00.000"),
        ("2018-11-08T06:29", "2018-11-08 06:29:00.000"),
        ("2018-11-08T06:29:48.5Z", "2018-11-08 06:29:48.500"),
        ("2018-11-08T06:29:48+02:00", "2018-11-08 04:29:48.000"),
        ("2020-02-29", "2020-02-29 00:00:00.000"),
        ("2018-11-08 06:29:48+00:00", "2018-11-08 06:29:48.000"),
        ("2018-11-08T06:29:48+02", "2018-11-08 04:29:48.000"),
        ("2018-11-08T06:29-11", "2018-11-08 17:29:00.000"),
        ("2018-11-08T06:29Z", "2018-11-08 06:29:00.000"),
        ("2018-11-08 06:29 +02:00", "2018-11-08 04:29:00.000"),
        ("2018/11/08 06:29+0200", "2018-11-08 04:29:00.000"),
        ("2018-11-08t06:29:48z", "2018-11-08 06:29:48.000"),
        ("2018-11-08 06:29:48 UTC", "2018-11-08 06:29:48.000"),
        ("2018-11-08 06:29:48 +0200", "2018-11-08 04:29:48.000"),
        ("2018-11-08 06:29:48 -02", "2018-11-08 08:29:48.000"),
        ("2018-11-08 06:29:48,5", "2018-11-08 06:29:48.500"),
        ("2018/11/08", "2018-11-08 00:00:00.000"),
        ("2018/11/08 06:29:48", "2018-11-08 06:29:48.000"),
        ("2018:11:08 06:29:48", "2018-11-08 06:29:48.000"),
        ("2018:11:08T06:29:48.25+01:00", "2018-11-08 05:29:48.250"),
    ],
)
def test_moments_are_iso_8601_in_utc(spark: SparkSession, given: str, read_as: str) -> None:
    def formatted(column: Column) -> Column:
        return F.date_format(text.moment(column), "yyyy-MM-dd HH:mm:ss.SSS")

    assert read(spark, formatted, given) == [read_as]


def test_any_other_moment_is_null(spark: SparkSession) -> None:
    given = (
        "0000-01-01",
        "2018-02-30",
        "2019-02-29",
        "08/11/2018",
        "2018",
        "2018-11",
        "now",
        "12:00",
        "1541658588",
        "2018/11-08",
        "2018:11/08",
        "2018.11.08",
        "2018-11-08+02",
        "2018-11-08Z",
        "2018-11-08T06",
        "2018-11-08T24:00:00",
        "2018-11-08T06:29:60",
        "2018-11-08  06:29",
        "2018-11-08T06:29:48+2",
        "2018-11-08T06:29:48+02:",
        "2018-11-08T06:29:48 Europe/Berlin",
        "2018/02/30",
        "0000:01:01",
        "20181108",
    )
    assert read(spark, text.moment, *given) == [None] * len(given)


def test_placeholders_match_after_trimming_without_case_or_a_final_full_stop(
    spark: SparkSession,
) -> None:
    def meaningful(column: Column) -> Column:
        return text.meaningful(column, ("No description available", "Image src error."))

    placeholders = (" no description available. ", "NO DESCRIPTION AVAILABLE", "image src error")
    others = ("No description available yet", "no description available..", "Error.")
    assert read(spark, meaningful, *placeholders, *others) == [None, None, None, *others]
