"""analytics.posts: pin, geolocation and user of each post, joined; the input of all outputs."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.cleaned.geolocations import GEOLOCATIONS
from pinterest_platform.tables.cleaned.pins import PINS
from pinterest_platform.tables.cleaned.users import USERS
from pinterest_platform.tables.contract import Check, Column, Table, violation
from pinterest_platform.tables.records import newest

AGE_GROUPS = ("18-24", "25-35", "36-50", "+50")

_PIN = PINS.column_names[: PINS.column_names.index("channel")]
_GEOLOCATION = ("country", "coordinates", "timestamp")
_USER = ("user_name", "age", "date_joined")


# The column for the version of a post's rows in each cleaned table. See ``_version``.
_VERSIONS = {"pin_version": PINS, "geolocation_version": GEOLOCATIONS, "user_version": USERS}


def posts(pins: DataFrame, geolocations: DataFrame, users: DataFrame) -> DataFrame:
    """All days of the three cleaned tables -> one row per ``ind`` that has a pin."""
    return (
        _newest(pins, (*_PIN, "channel", "arrived_at"), "pin_version")
        .join(_newest(geolocations, _GEOLOCATION, "geolocation_version"), "ind", "left")
        .join(_newest(users, _USER, "user_version"), "ind", "left")
        .withColumns(
            {
                "age_group": F.when(F.col("age").between(18, 24), "18-24")
                .when(F.col("age").between(25, 35), "25-35")
                .when(F.col("age").between(36, 50), "36-50")
                .when(F.col("age") > 50, "+50"),
                "post_year": F.year("timestamp"),
                "joining_year": F.year("date_joined"),
            }
        )
        .select(*POSTS.column_names)
    )


def outdated_posts(
    posts: DataFrame, pins: DataFrame, geolocations: DataFrame, users: DataFrame
) -> DataFrame:
    """(ind, gone) of the posts that are missing or whose cleaned rows have changed.

    ``gone`` is true for a post that no longer has a pin. The cleaned tables are read for all days,
    but only the columns ``ind`` and ``cleaned_at``.
    """
    pin, geolocation, user = (
        _versions(rows, f"current_{name}")
        for name, rows in zip(_VERSIONS, (pins, geolocations, users), strict=True)
    )
    made = posts.select(F.col("ind").alias("made_ind"), *_VERSIONS)
    found = (
        pin.join(geolocation, "ind", "left")
        .join(user, "ind", "left")
        .join(made, F.col("ind") == F.col("made_ind"), "full_outer")
    )
    changed = " OR ".join(f"NOT ({name} <=> current_{name})" for name in _VERSIONS)
    return found.where(f"made_ind IS NULL OR {changed}").select(
        F.coalesce("ind", "made_ind").alias("ind"), F.col("ind").isNull().alias("gone")
    )


def _newest(rows: DataFrame, columns: tuple[str, ...], version: str) -> DataFrame:
    of_all = {version: (F.unix_micros("cleaned_at"), _version())}
    return newest(rows, ("ind",), **of_all).select(*dict.fromkeys(("ind", *columns)), version)


def _versions(rows: DataFrame, version: str) -> DataFrame:
    """(ind, ``version``) for every post of a cleaned table."""
    # Grouped by a struct: Sail fails to group by a single column with only one distinct value.
    return (
        rows.groupBy(F.struct("ind").alias("post"))
        .agg(_version().alias(version))
        .select(F.col("post.ind").alias("ind"), version)
    )


def _version() -> SparkColumn:
    """A number that changes when any of a post's rows is written or deleted."""
    return F.sum(F.unix_micros("cleaned_at"))


def _inherited(table: Table, names: tuple[str, ...], *, nullable: bool) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=column.name,
            type=column.type,
            description=column.description,
            derived_from=(f"{table.full_name}.{column.name}",),
            nullable=nullable or column.nullable,
        )
        for column in table.columns
        if column.name in names
    )


POSTS = Table(
    schema="analytics",
    name="posts",
    row="A post: its newest pin of all days with its newest geolocation and user.",
    columns=(
        *_inherited(PINS, _PIN, nullable=False),
        *_inherited(GEOLOCATIONS, _GEOLOCATION, nullable=True),
        *_inherited(USERS, _USER, nullable=True),
        Column(
            name="age_group",
            type="STRING",
            description="18-24, 25-35, 36-50 or +50 (51 and more) years; null below 18.",
            derived_from=("cleaned.users.age",),
        ),
        Column(
            name="post_year",
            type="INT",
            description="Year the post was made, UTC.",
            derived_from=("cleaned.geolocations.timestamp",),
        ),
        Column(
            name="joining_year",
            type="INT",
            description="Year the user joined, UTC.",
            derived_from=("cleaned.users.date_joined",),
        ),
        *_inherited(PINS, ("channel", "arrived_at"), nullable=False),
        *(
            Column(
                name=name,
                type="BIGINT",
                description=f"Version of the post's rows in {table.full_name}: the sum of the "
                "times at which they were written, in microseconds since 1970.",
                derived_from=(f"{table.full_name}.cleaned_at",),
            )
            for name, table in _VERSIONS.items()
        ),
    ),
    key=("ind",),
    inputs=("cleaned.pins", "cleaned.geolocations", "cleaned.users"),
    transform=posts,
    outdated=outdated_posts,
    own_checks=(
        violation(
            "age_group_follows_age",
            "The age group is null below 18 years and one of the four otherwise.",
            f"(age_group IS NULL) <> (age IS NULL OR age < 18) OR age_group NOT IN {AGE_GROUPS}",
        ),
        Check(
            name="complete",
            description="Every post has a geolocation and a user.",
            severity="warn",
            offends="coordinates IS NULL OR age IS NULL",
            max_share=0.05,
            facts={
                "without_geolocation": "count_if(coordinates IS NULL)",
                "without_user": "count_if(age IS NULL)",
            },
        ),
    ),
)
