"""The eleven outputs, on posts small enough to count by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pinterest_platform.tables.analytics import categories, followers
from pinterest_platform.tables.analytics.posts import POSTS
from pinterest_platform_tests.rows import records

JOINED = datetime(2016, 5, 6, tzinfo=UTC)

POST: dict[str, Any] = {
    "ind": 0,
    "country": "Chad",
    "category": "art",
    "post_year": 2019,
    "poster_name": "Anna",
    "follower_count": 10,
    "user_name": "Ben B",
    "age": 30,
    "date_joined": JOINED,
    "age_group": "25-35",
    "joining_year": 2016,
}


def posts_of(spark: SparkSession, *changes: dict[str, Any]) -> DataFrame:
    types = {column.name: column.type for column in POSTS.columns}
    schema = ", ".join(f"{name} {types[name]}" for name in POST)
    rows = [tuple((POST | {"ind": ind} | change).values()) for ind, change in enumerate(changes)]
    return spark.createDataFrame(rows, schema)


def test_categories_are_counted_by_country(spark: SparkSession) -> None:
    posts = posts_of(spark, {}, {}, {"category": "travel"}, {"country": "Peru"})
    counted = categories.category_counts(posts, "country")
    assert counted.columns == ["country", "category", "category_count"]
    assert records(counted) == [("Chad", "art", 2), ("Chad", "travel", 1), ("Peru", "art", 1)]


def test_posts_without_country_or_category_are_left_out(spark: SparkSession) -> None:
    posts = posts_of(spark, {}, {"country": None}, {"category": None})
    assert records(categories.category_counts(posts, "country")) == [("Chad", "art", 1)]


def test_the_top_category_keeps_every_tied_row(spark: SparkSession) -> None:
    posts = posts_of(
        spark,
        *({}, {}, {"category": "travel"}, {"category": "travel"}, {"category": "quotes"}),
        {"country": "Peru", "category": "quotes"},
    )
    counts = categories.category_counts(posts, "country")
    assert records(categories.top_category(counts, "country")) == [
        ("Chad", "art", 2),
        ("Chad", "travel", 2),
        ("Peru", "quotes", 1),
    ]


def test_categories_are_counted_in_the_requested_years(spark: SparkSession) -> None:
    years = [2017, 2018, 2022, 2023, None]
    posts = posts_of(spark, *({"post_year": year} for year in years))
    counted = categories.category_counts_by_year(posts, (2018, 2022))
    assert records(counted) == [(2018, "art", 1), (2022, "art", 1)]


def test_the_top_category_of_each_age_group(spark: SparkSession) -> None:
    posts = posts_of(spark, {}, {"age_group": None, "category": "travel"}, {"age_group": "+50"})
    assert records(categories.top_category_by_age_group(posts)) == [
        ("+50", "art", 1),
        ("25-35", "art", 1),
    ]


def test_the_top_user_of_a_country_is_listed_once(spark: SparkSession) -> None:
    posts = posts_of(
        spark,
        {"follower_count": 50},
        {"follower_count": 50},
        {"follower_count": 20},
        {"poster_name": "Cleo", "follower_count": 50},
        {"poster_name": "Dora", "follower_count": 49},
        {"poster_name": "Emma", "follower_count": None},
        {"poster_name": None, "follower_count": 99},
        {"country": None, "follower_count": 99},
        {"country": "Peru", "follower_count": None},
    )
    assert records(followers.top_user_by_country(posts)) == [
        ("Chad", "Anna", 50),
        ("Chad", "Cleo", 50),
    ]


def test_the_country_of_the_top_user_includes_ties(spark: SparkSession) -> None:
    posts = posts_of(
        spark,
        {"follower_count": 50},
        {"follower_count": 50, "poster_name": "Cleo"},
        {"country": "Peru", "follower_count": 50},
        {"country": "Fiji", "follower_count": 9},
    )
    top_users = followers.top_user_by_country(posts)
    assert records(followers.country_of_top_user(top_users)) == [("Chad", 50), ("Peru", 50)]


@pytest.mark.parametrize(
    ("counts", "median"),
    [([7], 7.0), ([1, 2], 1.5), ([1, 5, 1000], 5.0), ([1, 2, 4, 1000, None], 3.0)],
)
def test_the_median_is_exact_and_leaves_out_nulls(
    spark: SparkSession, counts: list[int | None], median: float
) -> None:
    posts = posts_of(spark, *({"follower_count": count} for count in counts))
    assert records(followers.median_followers_by_age_group(posts)) == [("25-35", median)]


def test_a_group_without_any_follower_count_is_left_out(spark: SparkSession) -> None:
    posts = posts_of(spark, {}, {"age_group": "+50", "follower_count": None}, {"age_group": None})
    assert records(followers.median_followers_by_age_group(posts)) == [("25-35", 10.0)]


def test_a_user_joins_once_however_many_posts_they_make(spark: SparkSession) -> None:
    posts = posts_of(
        spark,
        *({}, {}, {"age": 31}, {"user_name": "Ben C"}),
        {"date_joined": datetime(2016, 5, 7, tzinfo=UTC)},
        {"user_name": None},
        {"joining_year": 2014},
        {"joining_year": 2021},
        {"joining_year": 2015},
        {"joining_year": None},
    )
    assert records(followers.users_joined_by_year(posts, (2015, 2020))) == [(2015, 1), (2016, 5)]


def test_medians_by_joining_year_and_age_group(spark: SparkSession) -> None:
    posts = posts_of(
        spark,
        *({}, {"follower_count": 20}, {"age_group": "+50", "follower_count": 70}),
        {"joining_year": 2014},
        {"age_group": None, "follower_count": 90},
    )
    by_year = followers.median_followers_by_joining_year(posts, (2015, 2020))
    assert records(by_year) == [(2016, 45.0)]
    by_both = followers.median_followers_by_joining_year_and_age_group(posts, (2015, 2020))
    assert records(by_both) == [(2016, "+50", 70.0), (2016, "25-35", 15.0)]
