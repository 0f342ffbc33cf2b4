"""Writes tables: ingests raw ones, cleans, and makes those that have a transform."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.build.cleaning import Cleaning
from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.ingest.ingestion import ingest
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.spool import spooled
from pinterest_platform.places import Places
from pinterest_platform.tables.contract import Table

# A table with fewer rows is rebuilt in less time than its outdated rows are found.
SMALL_ROWS = 50_000

# To replace a larger share of a table's rows takes longer than to rebuild it.
LARGEST_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Written:
    """A table was written: how long it took, and what ingestion found."""

    seconds: float
    facts: dict[str, int]
    watermark: dict[str, Any]


class TableWriter:
    """Brings tables up to date, within its block.

    Args:
        spark: the session.
        lake: the tables.
        places: what raw tables are ingested from, and the transforms' parameters.
        rows: of the request.
        full: whether to rebuild cleaned tables and posts; otherwise, only what is new is added.
    """

    def __init__(
        self, spark: SparkSession, lake: Lake, places: Places, rows: TableRows, *, full: bool
    ) -> None:
        self._spark = spark
        self._lake = lake
        self._places = places
        self._rows = rows
        self._full = full
        self._cleaning = Cleaning(spark, lake, rows, full=full)

    def __enter__(self) -> Self:
        self._cleaning.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._cleaning.__exit__(*raised)

    def write(self, table: Table) -> Written:
        """Bring a table up to date; those that it is made from must be."""
        started = time.monotonic()
        facts: dict[str, int] = {}
        watermark: dict[str, Any] = {}
        match table.schema:
            case "raw":
                facts, watermark = ingest(
                    self._spark, self._lake, self._places, table, self._rows.days
                )
            case "cleaned":
                self._cleaning.update(table)
            case "analytics":
                self._update(table)
        return Written(seconds=time.monotonic() - started, facts=facts, watermark=watermark)

    def _update(self, table: Table) -> None:
        """Make the outdated rows of a table again or, if that is not worth it, all of them."""
        rebuild = partial(self._lake.replace, table, partial(self._transformed, table))
        if self._full or table.outdated is None or self._lake.is_outdated(table):
            rebuild()
            return
        current = self._rows(table.full_name)
        size = current.count()
        if size < SMALL_ROWS:
            rebuild()
            return
        with spooled(self._spark, table.outdated(current, *self._inputs(table))) as outdated:
            ((rows, gone),) = outdated.agg(F.count("*"), F.expr("count_if(gone)")).collect()
            if gone or rows > LARGEST_SHARE * size:
                rebuild()
            elif rows:
                self._lake.upsert(table, partial(self._transformed, table, outdated))

    def _transformed(self, table: Table, only: DataFrame | None = None) -> DataFrame:
        """The rows of a table, or those with the keys ``only``."""
        assert table.transform is not None, table.full_name  # noqa: S101 - only raw tables have none
        inputs = self._inputs(table)
        if only is not None:
            inputs = [only.select(*table.key).join(rows, list(table.key)) for rows in inputs]
        return table.transform(
            *inputs, **{name: self._places.parameters[name] for name in table.parameters}
        )

    def _inputs(self, table: Table) -> list[DataFrame]:
        return [self._rows(name, all_days=True) for name in table.inputs]
