"""The outputs on categories: post counts and the most frequent category."""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.analytics.outputs import (
    AGE_GROUP,
    CATEGORY,
    CATEGORY_COUNT,
    COUNTRY,
    POST_YEAR,
    output,
    top,
)


def category_counts(posts: DataFrame, per: str) -> DataFrame:
    """Posts -> (``per``, category, category_count), ignoring posts with a null in either."""
    return (
        posts.where(F.col(per).isNotNull() & F.col("category").isNotNull())
        .groupBy(per, "category")
        .agg(F.count("*").alias("category_count"))
    )


def category_counts_by_year(posts: DataFrame, post_years: tuple[int, int]) -> DataFrame:
    """Category counts of the posts made in ``post_years`` (first and last, inclusive)."""
    return category_counts(posts.where(F.col("post_year").between(*post_years)), "post_year")


def top_category(counts: DataFrame, per: str) -> DataFrame:
    """Category counts -> the category, or tied ones, with the most posts for each ``per``."""
    return top(counts, per, "category_count")


def top_category_by_age_group(posts: DataFrame) -> DataFrame:
    """Posts -> the category with the most posts in each age group."""
    return top_category(category_counts(posts, "age_group"), "age_group")


CATEGORY_COUNTS_BY_COUNTRY = output(
    "category_counts_by_country",
    "The number of posts in a category and country.",
    {COUNTRY: ("country",), CATEGORY: ("category",), CATEGORY_COUNT: ("ind",)},
    ("country", "category"),
    source="analytics.posts",
    transform=partial(category_counts, per="country"),
)

TOP_CATEGORY_BY_COUNTRY = output(
    "top_category_by_country",
    "The category with the most posts in a country.",
    {COUNTRY: ("country",), CATEGORY: ("category",), CATEGORY_COUNT: ("category_count",)},
    ("country", "category"),
    source="analytics.category_counts_by_country",
    transform=partial(top_category, per="country"),
)

CATEGORY_COUNTS_BY_YEAR = output(
    "category_counts_by_year",
    "The number of posts in a category and year.",
    {POST_YEAR: ("post_year",), CATEGORY: ("category",), CATEGORY_COUNT: ("ind",)},
    ("post_year", "category"),
    source="analytics.posts",
    transform=category_counts_by_year,
    parameters=("post_years",),
)

TOP_CATEGORY_BY_YEAR = output(
    "top_category_by_year",
    "The category with the most posts in a year.",
    {POST_YEAR: ("post_year",), CATEGORY: ("category",), CATEGORY_COUNT: ("category_count",)},
    ("post_year", "category"),
    source="analytics.category_counts_by_year",
    transform=partial(top_category, per="post_year"),
)

TOP_CATEGORY_BY_AGE_GROUP = output(
    "top_category_by_age_group",
    "The category with the most posts in an age group.",
    {AGE_GROUP: ("age_group",), CATEGORY: ("category",), CATEGORY_COUNT: ("ind",)},
    ("age_group", "category"),
    source="analytics.posts",
    transform=top_category_by_age_group,
)
