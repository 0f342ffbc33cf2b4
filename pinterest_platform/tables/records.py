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
from pinterest_platform.tables.contract import Column
from pinterest_platform.tables.text import is_epoch, moment, trimmed, whole_number

# S3 stores LastModified in whole seconds and clocks differ: a post made just before its arrival
# must not count as made in the future.
CLOCK_TOLERANCE = "INTERVAL 1 MINUTE"

# Column in which Apache Spark stores a record that it could parse only partly.
_BROKEN = "_broken"


@dataclass(frozen=True, kw_only=True)
class RecordContract:
    """The contract of a kind's records: their JSON fields, reasons for quarantine, and values.

    ``problems`` returns expressions over ``record.<field>`` and ``arrived_at``, each a reason
    (text) or null: the first non-null one is the record's reason. ``values`` returns the columns of
    the cleaned row, by name, as expressions over ``record.<field>``. Both are functions because
    PySpark can create columns only once a session exists.
    """

    kind: Kind
    fields: tuple[str, ...]
    text_fields: tuple[str, ...]
    problems: Callable[[], Sequence[SparkColumn]]
    values: Callable[[], Mapping[str, SparkColumn]]


def field(name: str) -> SparkColumn:
    """The text of a field of the record; numbers and booleans as spelled in JSON."""
    return F.col("record").getField(name)


def united(*raw_rows: DataFrame) -> DataFrame:
    """The union of several raw tables."""
    return reduce(DataFrame.unionAll, raw_rows)


def cleaned(raw_rows: DataFrame, contract: RecordContract) -> DataFrame:
    """Raw rows of one kind -> its cleaned rows: the newest usable record per day and ``ind``."""
    return newest_of_day_in_one_pass(usable(parsed(raw_rows, contract), contract))


def parsed(raw_rows: DataFrame, contract: RecordContract) -> DataFrame:
    """The raw rows with ``ind``, the contract's values, and ``reason``.

    ``reason`` is null for a usable record, whose ``value`` is then dropped; otherwise it is the
    reason for quarantine.
    """
    ids = contract.kind.id_fields
    schema = ", ".join(f"`{name}` STRING" for name in (*ids, *contract.fields, _BROKEN))
    options = json_text.STRICT | {"columnNameOfCorruptRecord": _BROKEN}
    records = (
        json_text.with_agreed_text(raw_rows, contract.text_fields)
        .withColumn("record", F.from_json(_text(), schema, options))
        .withColumn("ind", F.coalesce(*(whole_number(field(name)) for name in ids)))
        .withColumn("shape", json_text.shape(F.col("agreed"), contract.text_fields))
    )
    reason = F.coalesce(
        F.when(F.col("value").isNull(), F.lit("not UTF-8")),
        json_text.refusal(F.col("agreed")),
        _unidentified(),
        F.when(_malformed(), F.lit("not JSON")),
        _nested_text(contract.text_fields),
        *contract.problems(),
    )
    return records.withColumn("reason", reason).select(
        "ind",
        *(value.alias(name) for name, value in contract.values().items()),
        "reason",
        F.when(F.col("reason").isNotNull(), F.col("value")).alias("value"),
        *(name for name in raw.COLUMN_NAMES if name != "value"),
    )


def usable(records: DataFrame, contract: RecordContract) -> DataFrame:
    """Parsed records -> ``ind``, values and origin of the usable ones."""
    return (
        _with_filterable_reason(records)
        .where("reason IS NULL")
        .select(
            "ind",
            *contract.values(),
            # Only records from landing objects have a source.
            F.when(F.col("source").isNull(), "stream").otherwise("batch").alias("channel"),
            "arrived_at",
            "day",
            *raw.NATURAL_KEY,
            "ingested_at",
            F.lit(0).alias("duplicates_dropped"),
        )
    )


def unusable(records: DataFrame) -> DataFrame:
    """Parsed records -> the unusable ones."""
    return _with_filterable_reason(records).where("reason IS NOT NULL")


def newest_of_day(rows: DataFrame) -> DataFrame:
    """Usable records and cleaned rows -> the newest of each day and ``ind``, as a cleaned row.

    The row counts the records that it supersedes, and keeps the latest ``ingested_at`` of all of
    them. So merging cleaned rows with later records gives the same rows as cleaning all records.
    """
    records, ingested_at = F.col("duplicates_dropped") + 1, F.col("ingested_at")
    kept = newest(
        rows,
        ("day", "ind"),
        records=(records, F.sum(records)),
        ingested_at=(ingested_at, F.max(ingested_at)),
    )
    return kept.withColumns(
        {
            "duplicates_dropped": (F.col("records") - 1).cast("int"),
            "cleaned_at": F.current_timestamp(),
        }
    ).drop("records")


def newest_of_day_in_one_pass(rows: DataFrame) -> DataFrame:
    """Like ``newest_of_day``, for rows that are not stored, so every read parses them again.

    Planners repeat the parse for each join of ``newest_of_day``: Apache Spark then plans for
    minutes, and Sail fails.
    """
    post = Window.partitionBy("day", "ind")
    ranked = rows.withColumns(
        {
            "rank": F.row_number().over(post.orderBy(*raw.newest_first())),
            "records": F.sum(F.col("duplicates_dropped") + 1).over(post),
            "latest": F.max("ingested_at").over(post),
        }
    )
    return (
        ranked.where("rank = 1")
        .withColumns(
            {
                "duplicates_dropped": (F.col("records") - 1).cast("int"),
                "ingested_at": F.col("latest"),
                "cleaned_at": F.current_timestamp(),
            }
        )
        .drop("rank", "records", "latest")
    )


def newest(
    rows: DataFrame, per: Sequence[str], **of_all: tuple[SparkColumn, SparkColumn]
) -> DataFrame:
    """The newest row for each combination of ``per``, by arrival, then natural key.

    Most combinations have one row. Only the keys of the others are ranked, because ranking wide
    rows is expensive.

    Args:
        rows: with ``day`` and the natural key.
        per: the columns that rows have in common with those that they supersede.
        of_all: further columns, each with its value if a combination has one row, and with its
            aggregate if there are several.
    """
    # Grouped by a struct: Sail fails to group by a single column with only one distinct value.
    several = (
        rows.groupBy(F.struct(*per).alias("of"))
        .agg(F.count("*").alias("rows"))
        .where("rows > 1")
        .select(*(F.col(f"of.{name}").alias(name) for name in per))
    )
    group = Window.partitionBy(*per)
    key = ["day", *raw.KEY]
    ranked = several.join(rows, [*per]).select(
        *key,
        F.row_number().over(group.orderBy(*raw.newest_first())).alias("rank"),
        *(aggregate.over(group).alias(f"_{name}") for name, (_, aggregate) in of_all.items()),
    )
    # Sail holds the left side of a join in memory, so the smaller one comes first.
    return (
        ranked.join(rows, key, "right")
        .where("rank IS NULL OR rank = 1")
        .select(
            *(name for name in rows.columns if name not in of_all),
            *(
                F.coalesce(F.col(f"_{name}"), alone).alias(name)
                for name, (alone, _) in of_all.items()
            ),
        )
    )


def _with_filterable_reason(records: DataFrame) -> DataFrame:
    """The records, with a ``reason`` that can be filtered without another parse.

    Planners push a filter below the parse and repeat the parse in it. Sail then plans ten times as
    long, or runs out of memory. No planner pushes a filter below an explode.
    """
    reasons = records.withColumn("reasons", F.array("reason")).drop("reason")
    return reasons.select("*", F.explode("reasons").alias("reason")).drop("reasons")


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


def lineage_of(kind: Kind, *extras: Column) -> tuple[Column, ...]:
    """The last columns of every cleaned table: channel, arrival, natural key, and run history.

    ``extras`` are further columns of one table, after the natural key.
    """
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
    batches = tuple(f"{table}.ingested_at" for table in kind.raw_tables)
    keys = tuple(f"{table}.offset_or_sequence_number" for table in kind.raw_tables)
    return (
        *origin,
        *extras,
        Column(
            name="ingested_at",
            type="TIMESTAMP",
            description="Latest ingested_at of the post's raw rows of the day, UTC.",
            derived_from=batches,
        ),
        Column(
            name="duplicates_dropped",
            type="INT",
            description="Number of older records of the post on the day.",
            derived_from=keys,
        ),
        Column(
            name="cleaned_at",
            type="TIMESTAMP",
            description="Time at which the row was written, UTC.",
        ),
    )
