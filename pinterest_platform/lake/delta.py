"""The lake: how tables are named, read and written. Every write is one idempotent Delta commit."""

import random
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import is_folder, is_plain, plain_path
from pinterest_platform.lake.faults import damaged_log, first_line, storage_fault
from pinterest_platform.lake.misplaced import reject_misplaced
from pinterest_platform.lake.spool import spool_folder
from pinterest_platform.object_store import open_store
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Table

# A writer loses against each other writer of the table at most once a round; more than a handful at
# once is a mistake in the configuration that should show.
ATTEMPTS = 6

# More rows than an ordered table can have: the most that a limit can be.
_ALL = 2**31 - 1

# What engines say when another writer was faster: to a writer, and to a reader of the log.
_OVERTAKEN = (
    "Failed to commit transaction",
    "Missing commit file",
    "ConcurrentAppend",
    "ConcurrentDelete",
    "DELTA_CONC",
    # What two that make the same table at once say.
    "DELTA_PROTOCOL_CHANGED",
    "DELTA_METADATA_CHANGED",
)

T = TypeVar("T")


class Lake:
    """Delta tables below a folder or an ``s3://`` URL, at ``<root>/<schema>/<table>``.

    Engines are given a path that they take literally; see ``folders.plain_path``.
    """

    def __init__(self, spark: SparkSession, root: str) -> None:
        self._spark = spark
        self._root = root
        self._place = root
        if is_folder(root) and not is_plain(root):
            reject_misplaced(root)
            self._place = plain_path(root)
        self._made: set[str] = set()

    def location(self, table: Table) -> str:
        """Where the table is."""
        return f"{self._place}/{table.schema}/{table.name}"

    def read(self, table: Table) -> DataFrame:
        """The whole table; empty when it was never written."""
        self._make(table)
        return self._load(table).select(*table.column_names)

    def add(self, table: Table, rows: Callable[[], DataFrame], days: Collection[date]) -> None:
        """Add the rows of ``days`` whose key the table does not hold for their day."""
        self._make(table)
        with self._read_once(table, rows) as to_add:

            def merge(new_rows: Callable[[], DataFrame]) -> None:
                on = " AND ".join(
                    [
                        *(f"held.`{column}` = new.`{column}`" for column in table.key),
                        "held.day = new.day",
                        f"held.day IN ({_listed(days)})",
                    ]
                )
                with self._view(new_rows()) as view:
                    self._spark.sql(
                        f"MERGE INTO {self._sql_name(table)} AS held "
                        f"USING {view} AS new ON {on} WHEN NOT MATCHED THEN INSERT *"
                    ).collect()

            if to_add is not None:
                retried(partial(merge, to_add))

    def replace_days(
        self, table: Table, rows: Callable[[], DataFrame], days: Collection[date]
    ) -> None:
        """Replace what the table holds for ``days``; other days stay as they are."""
        condition = f"day IN ({_listed(days)})"
        self._make(table)
        # Filtered, because not every engine refuses rows outside of the condition.
        retried(
            lambda: self._replace_where(table, _typed(table, rows()).where(condition), condition)
        )

    def replace(self, table: Table, rows: Callable[[], DataFrame]) -> None:
        """Replace the whole table.

        A table that an earlier version of its contract made gets the columns of today's.
        """

        def replace() -> None:
            typed = _typed(table, rows())
            self._save(
                (_in_order(typed) if table.ordered else typed)
                .write.format("delta")
                .mode("overwrite")
                .option("overwriteSchema", str(outdated).lower()),
                table,
            )

        self._make(table)
        outdated = tuple(self._load(table).columns) != table.column_names
        retried(replace)

    def exists(self, table: Table) -> bool:
        """Whether the table was ever written.

        Raises:
            PlatformError: the lake cannot be reached, or the table's log is damaged.
        """
        try:
            rows = self._load(table)
            # Spark reads the log when it is asked for the files, Sail for the columns.
            rows.inputFiles()
            return bool(rows.columns)
        except (PySparkException, Py4JJavaError) as error:
            if self._has_commits(table):
                raise damaged_log(self.shown(first_line(error)), self._root, table) from None
            if isinstance(error, AnalysisException):
                return False
            raise self._out_of_reach("read", error) from None

    @contextmanager
    def explaining(self, what: str) -> Iterator[None]:
        """Turn what the engine raises within into one line about the lake's storage.

        Args:
            what: fails then, such as "raw.pin cannot be made", where nothing better is known.

        Raises:
            PlatformError: for every error of the engine.
        """
        try:
            yield
        except (PySparkException, Py4JJavaError) as error:
            fault = self.fault(error)
            raise fault or PlatformError(f"{what} ({self.shown(first_line(error))})") from error

    def fault(
        self, error: Exception, tables: Iterable[Table] = tuple(TABLES.values())
    ) -> PlatformError | None:
        """What an engine's error says about the storage; None when it is about other things.

        An engine does not say whose log it could not read: so each of ``tables`` is asked.
        """
        if found := storage_fault(str(error), self._root):
            return found
        for table in tables:
            try:
                self.exists(table)
            except PlatformError as found:
                return found
        return None

    def shown(self, text: str) -> str:
        """An engine's words, with the lake's own path in them."""
        return text.replace(self._place, self._root)

    def register(self, table: Table, schema: str, name: str) -> None:
        """Let SQL in this session know an existing table as ``<schema>.<name>``."""
        self._spark.sql(
            f"CREATE DATABASE IF NOT EXISTS `{schema}` LOCATION '{self._place}/{table.schema}'"
        ).collect()
        self._spark.sql(
            f"CREATE TABLE IF NOT EXISTS `{schema}`.`{name}` USING delta "
            f"LOCATION '{self.location(table)}'"
        ).collect()

    def _has_commits(self, table: Table) -> bool:
        """Whether there is a log, be it one that cannot be read."""
        if is_folder(self._root):
            log = Path(self.location(table), "_delta_log")
            return log.is_file() or any(log.glob("*.json"))
        try:
            pages = obstore.list(open_store(self.location(table)), "_delta_log/")
            return any(found["path"].endswith(".json") for page in pages for found in page)
        except (BaseError, OSError):
            return False

    def _load(self, table: Table) -> DataFrame:
        return self._spark.read.format("delta").load(self.location(table))

    def _save(self, writer: DataFrameWriter, table: Table) -> None:
        writer.save(self.location(table))

    def _sql_name(self, table: Table) -> str:
        return f"delta.`{self.location(table)}`"

    def _replace_where(self, table: Table, rows: DataFrame, condition: str) -> None:
        if any(column.type.startswith("ARRAY") for column in table.columns):
            # Sail takes an array of the table and one of other rows for different types, unless
            # both come out of one union.
            rows = self._load(table).select(*table.column_names).limit(0).unionAll(rows)
        writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", condition)
        self._save(writer, table)

    def _make_schema(self, table: Table) -> None:
        """Make what tables of this schema lie in."""
        if not is_folder(self._root):
            return
        try:
            # By its own path: a link to what is not there yet is no folder.
            Path(self._root, table.schema, table.name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror
            if isinstance(error, FileExistsError):
                reason = f"{error.filename} is a file, or a link to nothing"
            raise PlatformError(
                f"the lake {self._root} cannot be written ({reason}): set PINTEREST_LAKE"
            ) from None

    def _out_of_reach(self, done: str, error: Exception) -> PlatformError:
        to_set = "PINTEREST_LAKE to a folder"
        if not is_folder(self._root):
            to_set = "PINTEREST_LAKE, AWS_ENDPOINT_URL, AWS_REGION and the AWS credentials"
        reason = self.shown(first_line(error))
        return storage_fault(str(error), self._root) or PlatformError(
            f"the lake {self._root} cannot be {done} ({reason}): set {to_set}"
        )

    @contextmanager
    def _view(self, rows: DataFrame) -> Iterator[str]:
        """A name for the rows in SQL, which no other thread of the session has."""
        name = f"rows_{uuid.uuid4().hex}"
        rows.createOrReplaceTempView(name)
        try:
            yield name
        finally:
            self._spark.catalog.dropTempView(name)

    @contextmanager
    def _read_once(
        self, table: Table, rows: Callable[[], DataFrame]
    ) -> Iterator[Callable[[], DataFrame] | None]:
        """The rows, read from where they come from once where that can be had; None for no rows.

        Sail takes the source of a merge twice, and a merge that another writer overtook begins
        anew: too often for a shard that allows five reads a second.
        """
        with spool_folder(self._spark) as folder:
            if folder is None:
                yield lambda: _typed(table, rows())
                return
            _typed(table, rows()).write.mode("overwrite").parquet(folder)
            spooled = self._spark.read.schema(table.ddl).parquet(folder)
            yield (lambda: spooled) if spooled.limit(1).collect() else None

    def _make(self, table: Table) -> None:
        """Make the table, empty, unless it exists."""
        if table.full_name in self._made:
            return

        def make() -> None:
            writer = self._spark.createDataFrame([], table.ddl).write.format("delta")
            if table.daily:
                writer = writer.partitionBy("day")
            self._save(writer.mode("ignore"), table)

        try:
            self._make_schema(table)
            retried(make)
        except (PySparkException, Py4JJavaError) as error:
            if self._has_commits(table):
                raise damaged_log(self.shown(first_line(error)), self._root, table) from error
            raise self._out_of_reach("written", error) from error
        self._made.add(table.full_name)


def retried(action: Callable[[], T]) -> T:
    """Do something with a table, and do it again when another writer got in between.

    A write begins again with the read that it follows from, so nothing of the other's is lost.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        # In a JVM of this process, PySpark leaves what Delta raises as it comes.
        except (PySparkException, Py4JJavaError) as error:
            if not any(sign in str(error) for sign in _OVERTAKEN):
                raise
            # At random, so that two writers do not meet again.
            time.sleep(random.uniform(0, 0.2 * 2**attempt))  # noqa: S311
    return action()


def of_days(rows: DataFrame, days: Collection[date]) -> DataFrame:
    """The rows of some days."""
    return rows.where(F.expr(f"day IN ({_listed(days)})"))


def _typed(table: Table, rows: DataFrame) -> DataFrame:
    """The rows with the columns and types of the contract."""
    return rows.select(
        *(F.col(column.name).cast(column.type).alias(column.name) for column in table.columns)
    )


def _in_order(rows: DataFrame) -> DataFrame:
    """The rows ordered by their columns, in one piece.

    Engines drop an order that nobody needs before they write. A limit needs it.
    """
    return rows.coalesce(1).orderBy(*rows.columns).limit(_ALL)


def _listed(days: Collection[date]) -> str:
    return ", ".join(f"DATE'{day}'" for day in sorted(days))
