"""The contract of a table as data: its rows, columns, key, lineage and checks.

Schemas, documentation, metadata and asset checks are derived from contracts; nothing here runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Literal, Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

Severity = Literal["error", "warn"]


class Rows(Protocol):
    """Returns a table's rows by name, for the days being checked; unpartitioned tables in full."""

    def __call__(self, table: str, *, all_days: bool = False) -> DataFrame:
        """The rows of ``table`` ('cleaned.pins'), for every day if ``all_days``."""
        ...

    def readings(self, table: str) -> DataFrame:
        """One row for each read of a raw table's stream that added rows to the days being checked.

        ``read_until`` is the time (UTC) up to which the stream had been read before, null if it
        never was; ``kept_from`` is the start of the stream's retention window at that read.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its Spark SQL type, description (with units) and source columns."""

    name: str
    type: str
    description: str
    derived_from: tuple[str, ...] = ()  # ("cleaned.pins.ind", ...)
    nullable: bool = True


@dataclass(frozen=True, kw_only=True)
class Check:
    """A data check: a covered row that meets the SQL condition ``offends`` is a fault.

    The check covers the table's own rows; with ``over``, the rows that it returns; with
    ``per_key``, the keys of the table, each with its number of ``rows``.

    The check fails if more than ``max_share`` (0 to 1) of the covered rows offend, or if there are
    fewer than ``least_rows``. ``facts`` are further counts for the metadata: SQL aggregates over
    the covered rows, by name. ``reason`` is called after a failure; it returns one row with one
    text that names the fault. A failed error stops the tables downstream, unless it is not
    ``blocking``; a failed warning is only reported.
    """

    name: str
    description: str
    severity: Severity
    offends: str = "false"
    per_key: bool = False
    over: Callable[[Rows], DataFrame] | None = None
    max_share: float = 0.0
    least_rows: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    reason: Callable[[Rows], DataFrame] | None = None
    blocking: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the lake, ``<schema>.<name>``, and how it is made.

    ``transform`` takes one DataFrame per table in ``inputs``, in that order, and the settings named
    in ``parameters`` as keywords. Raw tables have none, because they are ingested. For cleaned
    tables, a build takes the transform's steps one by one: it parses each record once, for the
    table and for quarantine.

    ``outdated`` takes the table's own rows and its inputs. It returns the keys of the rows to
    replace, with the column ``gone``: true for a key that the inputs no longer have.
    """

    schema: Literal["raw", "cleaned", "analytics"]
    name: str
    row: str  # what one row represents, in a sentence
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    transform: Callable[..., DataFrame] | None = None
    parameters: tuple[str, ...] = ()
    outdated: Callable[..., DataFrame] | None = None
    own_checks: tuple[Check, ...] = ()
    breakdown: tuple[str, ...] = ()  # columns for row counts by value
    ordered: bool = False  # whether rows are stored sorted by the columns

    @property
    def full_name(self) -> str:
        """``<schema>.<name>``, the table's name in SQL."""
        return f"{self.schema}.{self.name}"

    @property
    def daily(self) -> bool:
        """Whether the table is partitioned by ``day``, the UTC date of arrival."""
        return "day" in self.column_names

    @property
    def column_names(self) -> tuple[str, ...]:
        """The column names, in the table's order."""
        return tuple(column.name for column in self.columns)

    @property
    def ddl(self) -> str:
        """The schema as Spark SQL DDL: ``ind INT, title STRING, ...``.

        All columns are nullable here; checks enforce nullability.
        """
        return ", ".join(f"`{column.name}` {column.type}" for column in self.columns)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks derived from key and columns, then the table's own."""
        derived = [_unique(self)]
        if required := [column.name for column in self.columns if not column.nullable]:
            derived.append(_not_null(required))
        if self.schema == "analytics":
            derived.append(_not_empty(self))
        return (*derived, *self.own_checks)


def violation(name: str, description: str, offends: str) -> Check:
    """An error if a row of the table meets the SQL condition ``offends``."""
    return Check(name=name, description=description, severity="error", offends=offends)


def _unique(table: Table) -> Check:
    return Check(
        name="unique_key",
        description=f"{', '.join(table.key)} names one row.",
        severity="error",
        per_key=True,
        offends="rows > 1",
    )


def _not_null(columns: Sequence[str]) -> Check:
    return violation(
        "required_values",
        f"Never null: {', '.join(columns)}.",
        " OR ".join(f"`{column}` IS NULL" for column in columns),
    )


def _not_empty(table: Table) -> Check:
    """A warning if the table is empty, which is normal until the first posts are complete."""
    return Check(
        name="not_empty",
        description="There is at least one row.",
        severity="warn",
        least_rows=1,
        reason=lambda rows: _why_empty(table, rows),
    )


def _why_empty(table: Table, rows: Rows) -> DataFrame:
    """For an empty table, its empty inputs and their all-null columns."""
    origins = [origin for column in table.columns for origin in column.derived_from]
    whys = []
    for name in table.inputs:
        columns = list(
            dict.fromkeys(
                origin.removeprefix(f"{name}.") for origin in origins if origin.startswith(name)
            )
        )
        counted = rows(name, all_days=True).agg(
            F.count("*").alias("rows"), *(F.count(column).alias(column) for column in columns)
        )
        nulls = F.concat_ws(
            ", ", *(F.when(F.col(column) == 0, F.lit(column)) for column in columns)
        )
        found = F.concat(
            F.when(nulls != "", F.concat(nulls, F.lit(" is null in all "))).otherwise(
                f"{', '.join(columns)} never occur together, or are of other years, in the "
            ),
            F.col("rows").cast("string"),
            F.lit(f" rows of {name}"),
        )
        why = F.when(F.col("rows") == 0, f"{name} is empty").otherwise(found)
        whys.append(counted.select(why.alias("why")))
    return (
        reduce(DataFrame.unionAll, whys)
        .agg(F.array_join(F.sort_array(F.collect_list("why")), "; ").alias("whys"))
        .select(F.concat(F.lit("No row: "), "whys").alias("reason"))
    )
