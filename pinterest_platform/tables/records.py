"""From raw rows to records that are either usable or have a reason not to be.

One code path for every kind and channel. A kind says which fields it reads and what is wrong with
them; this module knows JSON and ``ind``, and which of several records of one post counts.
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

# S3 keeps LastModified in whole seconds and clocks differ: a post made just before it arrives
# must not look as if it came from the future.
CLOCK_TOLERANCE = "INTERVAL 1 MINUTE"

# Where Apache Spark puts the text of a record that it could read in part only.
_BROKEN = "_broken"


@dataclass(frozen=True, kw_only=True)
class RecordContract:
    """What a record of a kind must be: the fields of its JSON object, and what makes it unusable.

    ``problems`` gives expressions over ``record.<field>`` and ``arrived_at``, each a reason (text)
    or null: the first that is not null is the record's reason. It is a function because PySpark
    makes columns only once there is a session.
    """

    kind: Kind
    fields: tuple[str, ...]
    text_fields: tuple[str, ...]
    problems: Callable[[], Sequence[SparkColumn]]


def field(name: str) -> SparkColumn:
    """The text of a field of the record; numbers and booleans as JSON writes them."""
    return F.col("record").getField(name)


def united(*raw_rows: DataFrame) -> DataFrame:
    """The rows of several raw tables."""
    return reduce(DataFrame.unionAll, raw_rows)


def classified(raw_rows: DataFrame, contract: RecordContract) -> DataFrame:
    """The raw rows with ``record`` (a struct of texts), ``ind`` and ``reason``.

    ``reason`` is null for a usable record; otherwise it says why the row is quarantined.
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
    """The usable records of each day, the newest per ``ind``: ``ind``, ``values``, origin.

    ``values`` are expressions over ``record.<field>``, by the name of the column that they become.
    """
    records = classified(raw_rows, contract).select(
        "ind",
        "reason",
        *(value.alias(name) for name, value in (values or {}).items()),
        # Only what comes from a landing object has a source.
        F.when(F.col("source").isNull(), "stream").otherwise("batch").alias("channel"),
        "arrived_at",
        "day",
        *raw.NATURAL_KEY,
    )
    # Unusable rows rank last and go in the end, rather than first: a filter on the reason before
    # the window would have Sail's planner take all of the parsing apart, ten times as long.
    first = [F.col("reason").isNotNull(), *raw.newest_first()]
    return _first(records, ["ind", "day"], first).where("reason IS NULL").drop("reason")


def unusable(raw_rows: DataFrame, contract: RecordContract) -> DataFrame:
    """The raw rows that have a ``reason``, with it."""
    # Exploding nothing gives no row. A filter on the reason would do the same and plan ten times
    # as long, see ``usable``.
    reasons = F.when(F.col("reason").isNotNull(), F.array("reason"))
    rows = classified(raw_rows, contract).withColumn("reasons", reasons).drop("reason", "record")
    return rows.select("*", F.explode("reasons").alias("reason")).drop("reasons")


def newest(rows: DataFrame, per: Sequence[str]) -> DataFrame:
    """The newest row for each combination of ``per``: latest arrival, then natural key."""
    return _first(rows, per, raw.newest_first())


def _first(rows: DataFrame, per: Sequence[str], order: Sequence[SparkColumn]) -> DataFrame:
    window = Window.partitionBy(*per).orderBy(*order)
    return rows.withColumn("rank", F.row_number().over(window)).where("rank = 1").drop("rank")


def missing_or(name: str, readable: SparkColumn, otherwise: str) -> SparkColumn:
    """The reason when ``record.<name>`` is missing or blank, or when it is not ``readable``."""
    return F.when(trimmed(field(name)).isNull(), F.lit(f"missing {name}")).when(
        ~F.coalesce(readable, F.lit(False)), F.lit(otherwise)
    )


def date_problem(name: str) -> SparkColumn:
    """The reason why ``record.<name>`` is no date, or none that can have passed on arrival."""
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
    """The text that is parsed: that which engines agree on, for most records their own."""
    return F.coalesce("agreed", "value")


def _unidentified() -> SparkColumn:
    """Why a record has no ``ind``. Only such records pay for the closer look at their JSON."""
    is_object = F.from_json(_text(), "MAP<STRING, STRING>", json_text.STRICT).isNotNull()
    return F.when(
        F.col("ind").isNull(),
        F.when(is_object & ~_malformed(), F.lit("no whole-number ind")).otherwise(
            F.lit("not JSON")
        ),
    )


def _malformed() -> SparkColumn:
    """Whether an object was read from what is not one JSON text; Sail reads none from that.

    Apache Spark reads what it can of a broken record, and of several values the first.
    """
    broken = F.when(field(_BROKEN).isNotNull(), field(_BROKEN) == _text())
    followed = F.when(F.col("agreed").isNotNull(), ~json_text.is_alone(F.col("agreed")))
    return F.coalesce(broken, followed, F.lit(False))


def _nested_text(names: Sequence[str]) -> SparkColumn:
    """The reason when a text field holds an object or an array; as parsed it is text anyway."""
    return F.coalesce(
        *(
            F.when(F.col("shape").getField(name).rlike(r"^[\[{]"), F.lit(f"{name} is not text"))
            for name in names
        )
    )


def values_of(kind: Kind) -> tuple[str, ...]:
    """The columns that hold the records of a kind."""
    return tuple(f"{table}.value" for table in kind.raw_tables)


def lineage_of(kind: Kind) -> tuple[Column, ...]:
    """The columns with which every cleaned table ends: channel, arrival and natural key."""
    origin = [
        Column(
            "channel",
            "STRING",
            "How the record came: 'batch' (Kafka) or 'stream' (Kinesis).",
            tuple(f"{table}.source" for table in kind.raw_tables),
            nullable=False,
        )
    ]
    inherited = ("arrived_at", "day", *raw.NATURAL_KEY)
    for name in inherited:
        column = next(column for column in raw.COLUMNS if column.name == name)
        derived_from = tuple(f"{table}.{name}" for table in kind.raw_tables)
        origin.append(Column(name, column.type, column.description, derived_from, nullable=False))
    return tuple(origin)


def reconciles(contract: RecordContract) -> Check:
    """The check that every raw row is a cleaned row, a dropped duplicate, or unusable."""
    key = ["day", *raw.KEY]
    raw_tables, cleaned_table = contract.kind.raw_tables, contract.kind.cleaned_table

    def fates(rows: Rows) -> DataFrame:
        """Every raw and cleaned row, by natural key, and whether its post was kept."""
        records = classified(united(*map(rows, raw_tables)), contract).select(
            *key, "ind", "reason", F.lit(True).alias("in_raw")
        )
        cleaned = rows(cleaned_table)
        return records.join(
            cleaned.select(*key, F.lit(True).alias("in_cleaned")), key, "full_outer"
        ).join(cleaned.select("day", "ind", F.lit(True).alias("post_kept")), ["day", "ind"], "left")

    duplicate = "in_cleaned IS NULL AND reason IS NULL AND post_kept"
    return Check(
        "reconciles_with_raw",
        f"Of the day, rows of {' and '.join(raw_tables)} = {cleaned_table} rows + duplicates "
        "dropped + quarantined rows, row by row.",
        "error",
        fates,
        "in_raw IS NULL OR NOT CASE WHEN reason IS NOT NULL THEN in_cleaned IS NULL "
        "ELSE in_cleaned IS NOT NULL OR post_kept IS NOT NULL END",
        facts={
            "raw_rows": "count(in_raw)",
            "cleaned_rows": "count(in_cleaned)",
            "duplicates_dropped": f"count_if({duplicate})",
            "quarantined_rows": "count(reason)",
        },
    )
