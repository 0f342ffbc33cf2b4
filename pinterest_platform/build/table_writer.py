"""Writes tables: ingests into raw ones, updates cleaned ones, and runs the other transforms."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
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
    """A written table: the duration of the write, and the results of its ingestion."""

    seconds: float
    facts: dict[str, int]
    watermark: dict[str, Any]


class TableWriter:
    """Brings tables up to date.

    Args:
        spark: the session.
        lake: the tables.
        places: where raw tables are ingested from, and the transforms' parameters.
        rows: of the request.
        spools: takes temporary rows, and deletes them when it is closed.
        full: whether to rebuild cleaned tables and posts; otherwise, only new records are added.
    """

    def __init__(
        self,
        spark: SparkSession,
        lake: Lake,
        places: Places,
        rows: TableRows,
        spools: ExitStack,
        *,
        full: bool,
    ) -> None:
        self._spark = spark
        self._lake = lake
        self._places = places
        self._rows = rows
        self._full = full
        self._cleaning = Cleaning(spark, lake, rows, spools, full=full)

    def write(self, table: Table) -> Written:
        """Bring a table up to date with its inputs."""
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
        """Replace the outdated rows of a table, or all rows if many are outdated or it has few."""
        with ExitStack() as spools:
            outdated = self._outdated(table, spools)
            if outdated is None:
                self._lake.replace(table, partial(self._transformed, table))
                return
            keys, rows = outdated
            if rows:
                self._lake.upsert(table, partial(self._transformed, table, keys))

    def _outdated(self, table: Table, spools: ExitStack) -> tuple[DataFrame, int] | None:
        """The keys of a table's outdated rows, and their number.

        None if the whole table is to be rebuilt.
        """
        if self._full or table.outdated is None or self._lake.is_outdated(table):
            return None
        current = self._rows(table.full_name)
        try:
            ((size, keys),) = current.agg(F.count("*"), F.countDistinct(*table.key)).collect()
            # Rows may be duplicated if another run wrote an input while this table was built.
            if size < SMALL_ROWS or keys < size:
                return None
            outdated = spools.enter_context(
                spooled(self._spark, table.outdated(current, *self._inputs(table)))
            )
            ((rows, gone),) = outdated.agg(F.count("*"), F.expr("count_if(gone)")).collect()
        except (PySparkException, Py4JJavaError) as error:
            if self._lake.fault(error, [table]) is None:
                raise
            # The table has lost files, but its inputs have all of its rows.
            return None
        return None if gone or rows > LARGEST_SHARE * size else (outdated, rows)

    def _transformed(self, table: Table, only: DataFrame | None = None) -> DataFrame:
        """The rows that a table's transform returns; with ``only``, those with these keys."""
        assert table.transform is not None, table.full_name  # noqa: S101 - only raw tables have none
        inputs = self._inputs(table)
        if only is not None:
            inputs = [only.select(*table.key).join(rows, list(table.key)) for rows in inputs]
        return table.transform(
            *inputs, **{name: self._places.parameters[name] for name in table.parameters}
        )

    def _inputs(self, table: Table) -> list[DataFrame]:
        return [self._rows(name, all_days=True) for name in table.inputs]
