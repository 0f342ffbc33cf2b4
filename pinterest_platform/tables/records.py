"""Parses raw rows into records that are either usable or have a reason for quarantine.

One code path serves every kind and channel. A kind's contract declares its fields and problems;
this module handles JSON and ``ind``, and picks the newest of several records of a post.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pinterest_platform.kinds import Kind
from pinterest_platform.tables import json_text, raw
from pinterest_platform.tables.contract import Check, Column, Rows
from pinterest_platform.tables.text import is_epoch, moment, trimmed, whole_number

# S3 stores LastModified in whole seconds and clocks differ: a post made just before its arrival
# must not count as made in the future.
CLOCK_TOLERANCE = "INTERVAL 1 MINUTE"

# Column in which Apache Spark stores a record that it could parse only partly.
_BROKEN = "_broken"


@dataclass(frozen=True, kw_only=True)
class RecordContract:
    """The contract of a kind's records: the fields of the JSON object and the reasons to reject it.

    ``problems`` returns expressions over ``record.<field>`` and ``arrived_at``, each a reason
    (text) or null: the first non-null one is the record's reason. It is a function because PySpark
    can create columns only once a session exists.
    """

    kind: Kind
    fields: tuple[str, ...]
    text_fields: tuple[str, ...]
    problems: Callable[[], Sequence[SparkColumn]]


def field(name: str) -> SparkColumn:
    """The text of a field of the record; numbers and booleans as spelled in JSON."""
    return F.col("record").getField(name)


def united(*raw_rows: DataFrame) -> DataFrame:
    """The union of several raw tables."""
    return reduce(DataFrame.unionAll, raw_rows)


def classified(raw_rows: DataFrame, contract: RecordContract) -> DataFrame:
    """The raw rows with ``record`` (a struct of texts), ``ind`` and ``reason``.

    ``reason`` is null for a usable record; otherwise it is the reason for quarantine.
    """
    ids = contract.kind.id_fields
    schema = ", ".join(f"`{name}` STRING" for name in (*ids, *contract.fields, _BROKEN))
    options = json_text.STRICT | {"columnNameOfCorruptRecord": _BROKEN}
    parsed = (
        json_text.with_agreed_text(raw_rows, contract.text_fields)
        .withColumn("record", F.from_json(_text(), schema, options))
        .withColumn("ind", F.coalesce(*(whole_number(field(name)) for name in ids)))
        .withColumn("shape", json_text.shape(F.col("agreed"), contract.text_fields))
    )
    return parsed.withColumn(
        "reason",
        F.coalesce(
            F.when(F.col("value").isNull(), F.lit("not UTF-8")),
            json_text.refusal(F.col("agreed")),
            _unidentified(),
            F.when(_malformed(), F.lit("not JSON")),
            _nested_text(contract.text_fields),
            *contract.problems(),
        ),
    ).drop("agreed", "shape")


def usable(
    raw_rows: DataFrame, contract: RecordContract, values: Mapping[str, SparkColumn] | None = None
) -> DataFrame:
    """The newest usable record per day and ``ind``, as ``ind``, ``values`` and origin.

    ``values`` maps output column names to expressions over ``record.<field>``.
    """
    records = classified(raw_rows, contract).select(
        "ind",
        "reason",
        *(value.alias(name) for name, value in (values or {}).items()),
        # Only records from landing objects have a source.
        F.when(F.col("source").isNull(), "stream").otherwise("batch").alias("channel"),
        "arrived_at",
        "day",
        *raw.NATURAL_KEY,
    )
    # Rank unusable rows last and drop them after the window. With a filter on the reason before the
    # window, Sail's planner expands the whole parse and takes ten times as long.
    first = [F.col("reason").isNotNull(), *raw.newest_first()]
    return _first(records, ["ind", "day"], first).where("reason IS NULL").drop("reason")


def unusable(raw_rows: DataFrame, contract: RecordContract) -> DataFrame:
    """The raw rows that have a ``reason``, with that column."""
    # Exploding null gives no row. An equivalent filter on the reason takes ten times as long to
    # plan, see ``usable``.
    reasons = F.when(F.col("reason").isNotNull(), F.array("reason"))
    rows = classified(raw_rows, contract).withColumn("reasons", reasons).drop("reason", "record")
    return rows.select("*", F.explode("reasons").alias("reason")).drop("reasons")


def newest(rows: DataFrame, per: Sequence[str]) -> DataFrame:
    """The newest row for each combination of ``per``, by arrival, then natural key."""
    return _first(rows, per, raw.newest_first())


def _first(rows: DataFrame, per: Sequence[str], order: Sequence[SparkColumn]) -> DataFrame:
    window = Window.partitionBy(*per).orderBy(*order)
    return rows.withColumn("rank", F.row_number().over(window)).where("rank = 1").drop("rank")


def missing_or(name: str, readable: SparkColumn, otherwise: str) -> SparkColumn:
    """The reason to reject a field: missing, blank, or not ``readable``; else null."""
    return F.when(trimmed(field(name)).isNull(), F.lit(f"missing {name}")).when(
        ~F.coalesce(readable, F.lit(False)), F.lit(otherwise)
    )


def date_problem(name: str) -> SparkColumn:
    """The reason to reject a date: missing, unreadable, or later than the arrival; else null."""
    read = moment(field(name))
    return F.coalesce(
        F.when(
            read.isNull(),
            F.when(trimmed(field(name)).isNull(), F.lit(f"missing {name}"))
            .when(is_epoch(field(name)), F.lit(f"unreadable {name}: epoch number"))
            .otherwise(F.lit(f"unreadable {name}")),
        ),
        F.when(read > F.col("arrived_at") + F.expr(CLOCK_TOLERANCE), F.lit(f"future {name}")),
    )


def _text() -> SparkColumn:
    """The text to parse: the spelling all engines agree on, for most records the original."""
    return F.coalesce("agreed", "value")


def _unidentified() -> SparkColumn:
    """The reason for a missing ``ind``. Only such records incur the further JSON checks."""
    is_object = F.from_json(_text(), "MAP<STRING, STRING>", json_text.STRICT).isNotNull()
    return F.when(
        F.col("ind").isNull(),
        F.when(is_object & ~_malformed(), F.lit("no whole-number ind")).otherwise(
            F.lit("not JSON")
        ),
    )


def _malformed() -> SparkColumn:
    """Whether an object was parsed from text that is not a single JSON value.

    Apache Spark parses the readable part of a broken record, and the first of several values; Sail
    parses neither.
    """
    broken = F.when(field(_BROKEN).isNotNull(), field(_BROKEN) == _text())
    followed = F.when(F.col("agreed").isNotNull(), ~json_text.is_alone(F.col("agreed")))
    return F.coalesce(broken, followed, F.lit(False))


def _nested_text(names: Sequence[str]) -> SparkColumn:
    """The reason if a text field contains an object or array, which parsing turns into text."""
    return F.coalesce(
        *(
            F.when(F.col("shape").getField(name).rlike(r"^[\[{]"), F.lit(f"{name} is not text"))
            for name in names
        )
    )


def values_of(kind: Kind) -> tuple[str, ...]:
    """The columns that reference the records of a kind."""
    return tuple(f"{table}.value" for table in kind.raw_tables)


def ind_of(kind: Kind) -> Column:
    """The first column of every cleaned table: the number of the post."""
    return Column(
        name="ind",
        type="INT",
        description="Number of the post.",
        derived_from=values_of(kind),
        nullable=False,
    )


def lineage_of(kind: Kind) -> tuple[Column, ...]:
    """The final columns of every cleaned table: channel, arrival and natural key."""
    origin = [
        Column(
            name="channel",
            type="STRING",
            description="The record's channel: 'batch' (Kafka) or 'stream' (Kinesis).",
            derived_from=tuple(f"{table}.source" for table in kind.raw_tables),
            nullable=False,
        )
    ]
    inherited = ("arrived_at", "day", *raw.NATURAL_KEY)
    for name in inherited:
        column = next(column for column in raw.COLUMNS if column.name == name)
        derived_from = tuple(f"{table}.{name}" for table in kind.raw_tables)
        origin.append(
            Column(
                name=name,
                type=column.type,
                description=column.description,
                derived_from=derived_from,
                nullable=False,
            )
        )
    return tuple(origin)


def reconciles(contract: RecordContract) -> Check:
    """A check that every raw row is a cleaned row, a dropped duplicate, or unusable."""
    key = ["day", *raw.KEY]
    raw_tables, cleaned_table = contract.kind.raw_tables, contract.kind.cleaned_table

    def fates(rows: Rows) -> DataFrame:
        """Every raw and cleaned row by natural key, and whether its post was kept."""
        records = classified(united(*map(rows, raw_tables)), contract).select(
            *key, "ind", "reason", F.lit(True).alias("in_raw")
        )
        cleaned = rows(cleaned_table)
        return records.join(
            cleaned.select(*key, F.lit(True).alias("in_cleaned")), key, "full_outer"
        ).join(cleaned.select("day", "ind", F.lit(True).alias("post_kept")), ["day", "ind"], "left")

    duplicate = "in_cleaned IS NULL AND reason IS NULL AND post_kept"
    return Check(
        name="reconciles_with_raw",
        description=f"Of the day, rows of {' and '.join(raw_tables)} = {cleaned_table} rows + "
        "duplicates dropped + quarantined rows, row by row.",
        severity="error",
        over=fates,
        offends="in_raw IS NULL OR NOT CASE WHEN reason IS NOT NULL THEN in_cleaned IS NULL "
        "ELSE in_cleaned IS NOT NULL OR post_kept IS NOT NULL END",
        facts={
            "raw_rows": "count(in_raw)",
            "cleaned_rows": "count(in_cleaned)",
            "duplicates_dropped": f"count_if({duplicate})",
            "quarantined_rows": "count(reason)",
        },
    )
