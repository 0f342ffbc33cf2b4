"""Shared by the outputs: ranking with ties, and the declaration of an output."""

from collections.abc import Callable

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pinterest_platform.tables.contract import Column, Table, violation

COUNTRY = Column(name="country", type="STRING", description="Country of the posts.", nullable=False)
CATEGORY = Column(
    name="category", type="STRING", description="Category of the posts.", nullable=False
)
CATEGORY_COUNT = Column(
    name="category_count", type="BIGINT", description="Number of posts.", nullable=False
)
AGE_GROUP = Column(
    name="age_group", type="STRING", description="Age group of the users, in years.", nullable=False
)
JOINING_YEAR = Column(
    name="joining_year",
    type="INT",
    description="Year in which the users joined, UTC.",
    nullable=False,
)
POST_YEAR = Column(
    name="post_year",
    type="INT",
    description="Year in which the posts were made, UTC.",
    nullable=False,
)
FOLLOWER_COUNT = Column(
    name="follower_count", type="BIGINT", description="Followers of the poster.", nullable=False
)
MEDIAN_FOLLOWER_COUNT = Column(
    name="median_follower_count",
    type="DOUBLE",
    description="Exact median of the posters' follower counts over the posts.",
    nullable=False,
)


def output(
    name: str,
    row: str,
    columns: dict[Column, tuple[str, ...]],
    key: tuple[str, ...],
    *,
    source: str,
    transform: Callable[..., DataFrame],
    parameters: tuple[str, ...] = (),
) -> Table:
    """An output table derived from ``source``; ``columns`` maps columns to their source columns.

    The last column is the measure, which is never negative.
    """
    derived = tuple(
        Column(
            name=column.name,
            type=column.type,
            description=column.description,
            derived_from=tuple(f"{source}.{origin}" for origin in origins),
            nullable=column.nullable,
        )
        for column, origins in columns.items()
    )
    measure = derived[-1].name
    return Table(
        schema="analytics",
        name=name,
        row=row,
        columns=derived,
        key=key,
        inputs=(source,),
        transform=transform,
        parameters=parameters,
        ordered=True,
        own_checks=(
            violation(
                "measure_possible",
                f"{measure} is not negative.",
                f"{measure} < 0",
            ),
        ),
    )


def top(rows: DataFrame, per: str, measure: str) -> DataFrame:
    """The rows with the largest ``measure`` for each ``per``, including ties."""
    largest = F.max(measure).over(Window.partitionBy(per))
    return (
        rows.withColumn("largest", largest)
        .where(F.col(measure) == F.col("largest"))
        .drop("largest")
    )
