"""cleaned.quarantine: the raw rows excluded from the cleaned tables, with the reason."""

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import KINDS
from pinterest_platform.tables import raw
from pinterest_platform.tables.cleaned.contracts import CLEANED
from pinterest_platform.tables.contract import Check, Column, Rows, Table, violation
from pinterest_platform.tables.records import united, unusable

# The record contract of each raw table.
RECORDS = {raw_table: contract for _, contract in CLEANED for raw_table in contract.kind.raw_tables}

_NAMES = " or ".join([", ".join([*KINDS][:-1]), [*KINDS][-1]])


def quarantine(*raw_tables: DataFrame) -> DataFrame:
    """The raw tables, in the order of ``RECORDS`` -> their unusable rows with kind and reason."""
    # One plan per kind: planning takes as long as cleaning the posts of a small day.
    of_kind: dict[str, list[DataFrame]] = {}
    for rows, contract in zip(raw_tables, RECORDS.values(), strict=True):
        of_kind.setdefault(contract.kind.name, []).append(rows)
    return united(
        *(
            unusable(united(*of_kind[contract.kind.name]), contract)
            .withColumn("kind", F.lit(contract.kind.name))
            .select(*QUARANTINE.column_names)
            for _, contract in CLEANED
        )
    )


def _with_quarantined(rows: Rows, records_of: Callable[[str], DataFrame]) -> DataFrame:
    """The records of each raw table, by natural key, next to the quarantined rows."""
    key = ["kind", "day", *raw.KEY]
    # A single flat union: Sail fails to join a union of unions if one table is empty.
    expected = united(
        *(
            records_of(table).withColumn("kind", F.lit(contract.kind.name)).select(*key, "expected")
            for table, contract in RECORDS.items()
        )
    )
    found = rows("cleaned.quarantine").select(*key, F.col("reason").alias("found"))
    return expected.join(found, key, "full_outer")


def _unusable(rows: Rows) -> DataFrame:
    return _with_quarantined(
        rows,
        lambda table: unusable(rows(table), RECORDS[table]).withColumnRenamed("reason", "expected"),
    )


def _arrived(rows: Rows) -> DataFrame:
    return _with_quarantined(rows, lambda table: rows(table).withColumn("expected", F.lit("any")))


QUARANTINE = Table(
    schema="cleaned",
    name="quarantine",
    row="A raw row that cannot become a row of a cleaned table.",
    columns=(
        Column(
            name="kind", type="STRING", description=f"Kind of record: {_NAMES}.", nullable=False
        ),
        Column(
            name="reason",
            type="STRING",
            description="Why the record cannot be used.",
            derived_from=tuple(f"{table}.value" for table in RECORDS),
            nullable=False,
        ),
        *(
            Column(
                name=column.name,
                type=column.type,
                description=column.description,
                derived_from=tuple(f"{table}.{column.name}" for table in RECORDS),
                nullable=column.nullable,
            )
            for column in raw.COLUMNS
        ),
    ),
    key=raw.KEY,
    inputs=tuple(RECORDS),
    breakdown=("kind", "reason"),
    transform=quarantine,
    own_checks=(
        violation(
            "kind_known",
            f"The kind is {_NAMES}.",
            f"kind NOT IN ({', '.join(map(repr, KINDS))})",
        ),
        Check(
            name="complete",
            description="Contains exactly the day's unusable raw rows.",
            severity="error",
            over=_unusable,
            offends="NOT (expected <=> found)",
            facts={"unusable_raw_rows": "count(expected)", "quarantined_rows": "count(found)"},
        ),
        Check(
            name="few_quarantined",
            description="At most one in twenty of the day's raw rows is quarantined.",
            severity="warn",
            over=_arrived,
            offends="found IS NOT NULL",
            max_share=0.05,
            facts={"raw_rows": "count(expected)", "quarantined_rows": "count(found)"},
        ),
    ),
)
