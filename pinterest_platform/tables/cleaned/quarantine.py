"""cleaned.quarantine: the raw rows excluded from the cleaned tables, with the reason."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import KINDS, Kind
from pinterest_platform.tables import raw
from pinterest_platform.tables.cleaned.contracts import CLEANED
from pinterest_platform.tables.contract import Check, Column, Rows, Table, violation
from pinterest_platform.tables.records import parsed, united, unusable

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
            quarantined(parsed(united(*of_kind[contract.kind.name]), contract), contract.kind)
            for _, contract in CLEANED
        )
    )


def quarantined(records: DataFrame, kind: Kind) -> DataFrame:
    """Parsed records of a kind -> rows of ``cleaned.quarantine`` for the unusable ones."""
    return unusable(records).withColumn("kind", F.lit(kind.name)).select(*QUARANTINE.column_names)


def _raw_and_quarantined(rows: Rows) -> DataFrame:
    """All raw rows with a null reason, and all quarantined rows with their reason."""
    columns = ["kind", "day", *raw.KEY]
    return united(
        *(
            rows(table)
            .withColumn("kind", F.lit(contract.kind.name))
            .select(*columns, F.lit(None).cast("string").alias("reason"))
            for table, contract in RECORDS.items()
        ),
        rows("cleaned.quarantine").select(*columns, "reason"),
    )


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
            name="few_quarantined",
            description="At most one in twenty of the day's raw rows is quarantined.",
            severity="warn",
            over=_raw_and_quarantined,
            offends="reason IS NOT NULL",
            # The check covers raw and quarantined rows: 1 in 20 raw rows is 1 in 21 of both.
            max_share=1 / 21,
            facts={"raw_rows": "count_if(reason IS NULL)", "quarantined_rows": "count(reason)"},
        ),
    ),
)
