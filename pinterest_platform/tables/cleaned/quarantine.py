"""cleaned.quarantine: the raw rows that cannot be a row of a cleaned table, and why."""

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables import raw
from pinterest_platform.tables.cleaned import geolocations, pins, users
from pinterest_platform.tables.contract import Check, Column, Rows, Table, violation
from pinterest_platform.tables.records import united, unusable, values_of

# The kind of record in each raw table.
KINDS = {
    table: kind
    for raw_tables, kind in (
        (pins.RAW, pins.KIND),
        (geolocations.RAW, geolocations.KIND),
        (users.RAW, users.KIND),
    )
    for table in raw_tables
}


def quarantine(*raw_tables: DataFrame) -> DataFrame:
    """The raw tables, in the order of ``KINDS`` -> their unusable rows with kind and reason."""
    # One plan a kind: planning takes as long as cleaning the posts of a small day.
    of_kind: dict[str, list[DataFrame]] = {}
    for rows, kind in zip(raw_tables, KINDS.values(), strict=True):
        of_kind.setdefault(kind.name, []).append(rows)
    return united(
        *(
            unusable(united(*of_kind[kind.name]), kind)
            .withColumn("kind", F.lit(kind.name))
            .select(*QUARANTINE.column_names)
            for kind in dict.fromkeys(KINDS.values())
        )
    )


def _with_quarantined(rows: Rows, records_of: Callable[[str], DataFrame]) -> DataFrame:
    """The records of each raw table, by natural key, beside the quarantined rows."""
    key = ["kind", "day", *raw.KEY]
    # One union of all: Sail fails to join a union of unions in which a table is empty.
    expected = united(
        *(
            records_of(table).withColumn("kind", F.lit(kind.name)).select(*key, "expected")
            for table, kind in KINDS.items()
        )
    )
    found = rows("cleaned.quarantine").select(*key, F.col("reason").alias("found"))
    return expected.join(found, key, "full_outer")


def _unusable(rows: Rows) -> DataFrame:
    return _with_quarantined(
        rows,
        lambda table: unusable(rows(table), KINDS[table]).withColumnRenamed("reason", "expected"),
    )


def _arrived(rows: Rows) -> DataFrame:
    return _with_quarantined(rows, lambda table: rows(table).withColumn("expected", F.lit("any")))


QUARANTINE = Table(
    "cleaned",
    "quarantine",
    "A raw row that cannot be a row of a cleaned table.",
    (
        Column("kind", "STRING", "Kind of record: pin, geo or user.", nullable=False),
        Column(
            "reason",
            "STRING",
            "Why the record cannot be used.",
            values_of(tuple(KINDS)),
            nullable=False,
        ),
        *(
            Column(
                column.name,
                column.type,
                column.description,
                tuple(f"{table}.{column.name}" for table in KINDS),
                column.nullable,
            )
            for column in raw.COLUMNS
        ),
    ),
    key=raw.KEY,
    inputs=tuple(KINDS),
    breakdown=("kind", "reason"),
    transform=quarantine,
    own_checks=(
        violation(
            "cleaned.quarantine",
            "kind_known",
            "The kind is pin, geo or user.",
            "kind NOT IN ('pin', 'geo', 'user')",
        ),
        Check(
            "complete",
            "Exactly the raw rows of the day that cannot be used are here.",
            "error",
            _unusable,
            "NOT (expected <=> found)",
            facts={"unusable_raw_rows": "count(expected)", "quarantined_rows": "count(found)"},
        ),
        Check(
            "few_quarantined",
            "At most one raw row in twenty of the day is quarantined.",
            "warn",
            _arrived,
            "found IS NOT NULL",
            max_share=0.05,
            facts={"raw_rows": "count(expected)", "quarantined_rows": "count(found)"},
        ),
    ),
)
