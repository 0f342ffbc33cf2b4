"""The outputs on followers and users: top posters, medians, and users joined per year."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.analytics.outputs import (
    AGE_GROUP,
    COUNTRY,
    FOLLOWER_COUNT,
    JOINING_YEAR,
    MEDIAN_FOLLOWER_COUNT,
    output,
    top,
)
from pinterest_platform.tables.contract import Column


def top_user_by_country(posts: DataFrame) -> DataFrame:
    """Posts -> the poster, or tied posters, with the most followers in each country."""
    followed = posts.where("country IS NOT NULL AND poster_name IS NOT NULL").where(
        "follower_count IS NOT NULL"
    )
    return top(
        followed.groupBy("country", "poster_name").agg(
            F.max("follower_count").alias("follower_count")
        ),
        "country",
        "follower_count",
    )


def country_of_top_user(top_users: DataFrame) -> DataFrame:
    """The top posters -> the country, or tied countries, of the poster with the most followers."""
    most = top_users.agg(F.max("follower_count").alias("follower_count"))
    return (
        top_users.join(most, "follower_count", "left_semi")
        .select("country", "follower_count")
        .distinct()
    )


def median_followers_by_age_group(posts: DataFrame) -> DataFrame:
    """Posts -> (age_group, median_follower_count)."""
    return _median_followers(posts, "age_group")


def users_joined_by_year(posts: DataFrame, joining_years: tuple[int, int]) -> DataFrame:
    """Posts -> (joining_year, number_users_joined); a (user_name, age, date_joined) is one user."""
    # Count a struct: engines count distinct structs fast and several columns slowly.
    user = F.struct("user_name", "age", "date_joined")
    return (
        posts.where(F.col("joining_year").between(*joining_years))
        .groupBy("joining_year")
        .agg(F.countDistinct(user).alias("number_users_joined"))
    )


def median_followers_by_joining_year(posts: DataFrame, joining_years: tuple[int, int]) -> DataFrame:
    """Posts of users who joined in ``joining_years`` -> (joining_year, median_follower_count)."""
    return _median_followers(
        posts.where(F.col("joining_year").between(*joining_years)), "joining_year"
    )


def median_followers_by_joining_year_and_age_group(
    posts: DataFrame, joining_years: tuple[int, int]
) -> DataFrame:
    """Posts of users who joined in ``joining_years`` -> the median, also by age group."""
    return _median_followers(
        posts.where(F.col("joining_year").between(*joining_years)), "joining_year", "age_group"
    )


def _median_followers(posts: DataFrame, *per: str) -> DataFrame:
    grouped = posts.where("follower_count IS NOT NULL")
    for column in per:
        grouped = grouped.where(F.col(column).isNotNull())
    return grouped.groupBy(*per).agg(F.median("follower_count").alias("median_follower_count"))


_MEDIAN = {MEDIAN_FOLLOWER_COUNT: ("follower_count",)}

TOP_USER_BY_COUNTRY = output(
    "top_user_by_country",
    "The poster with the most followers in a country.",
    {
        COUNTRY: ("country",),
        Column(
            name="poster_name", type="STRING", description="Name of the poster.", nullable=False
        ): ("poster_name",),
        FOLLOWER_COUNT: ("follower_count",),
    },
    ("country", "poster_name"),
    source="analytics.posts",
    transform=top_user_by_country,
)

COUNTRY_OF_TOP_USER = output(
    "country_of_top_user",
    "The country whose top poster has the most followers of all.",
    {COUNTRY: ("country",), FOLLOWER_COUNT: ("follower_count",)},
    ("country",),
    source="analytics.top_user_by_country",
    transform=country_of_top_user,
)

MEDIAN_FOLLOWERS_BY_AGE_GROUP = output(
    "median_followers_by_age_group",
    "The median follower count of an age group.",
    {AGE_GROUP: ("age_group",), **_MEDIAN},
    ("age_group",),
    source="analytics.posts",
    transform=median_followers_by_age_group,
)

USERS_JOINED_BY_YEAR = output(
    "users_joined_by_year",
    "The number of users who joined in a year.",
    {
        JOINING_YEAR: ("joining_year",),
        Column(
            name="number_users_joined",
            type="BIGINT",
            description="Number of distinct users.",
            nullable=False,
        ): (
            "user_name",
            "age",
            "date_joined",
        ),
    },
    ("joining_year",),
    source="analytics.posts",
    transform=users_joined_by_year,
    parameters=("joining_years",),
)

MEDIAN_FOLLOWERS_BY_JOINING_YEAR = output(
    "median_followers_by_joining_year",
    "The median follower count of the users who joined in a year.",
    {JOINING_YEAR: ("joining_year",), **_MEDIAN},
    ("joining_year",),
    source="analytics.posts",
    transform=median_followers_by_joining_year,
    parameters=("joining_years",),
)

MEDIAN_FOLLOWERS_BY_JOINING_YEAR_AND_AGE_GROUP = output(
    "median_followers_by_joining_year_and_age_group",
    "The median follower count of an age group among the users who joined in a year.",
    {JOINING_YEAR: ("joining_year",), AGE_GROUP: ("age_group",), **_MEDIAN},
    ("joining_year", "age_group"),
    source="analytics.posts",
    transform=median_followers_by_joining_year_and_age_group,
    parameters=("joining_years",),
)
