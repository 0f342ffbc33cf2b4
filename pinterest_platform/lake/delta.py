"""The lake: naming, reading and writing tables. Every write is one idempotent Delta commit."""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

from pinterest_platform.errors import (
    ConfigurationError,
    OutageError,
    PlatformError,
    error_for,
    first_line,
    is_outage,
)
from pinterest_platform.folders import is_folder, is_plain, plain_path
from pinterest_platform.lake.conflicts import is_conflict, retried
from pinterest_platform.lake.faults import damaged_log, storage_fault
from pinterest_platform.lake.misplaced import reject_misplaced
from pinterest_platform.lake.spool import has_spool, spooled
from pinterest_platform.lake.stored_rows import day_list, in_order, of_days, typed
from pinterest_platform.object_store import Store, open_store
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Table


class Lake:
    """Delta tables below a folder or an ``s3://`` URL, at ``<root>/<schema>/<table>``.

    Engines get a path that they take literally; see ``folders.plain_path``.
    """

    def __init__(self, spark: SparkSession, root: str) -> None:
        self._spark = spark
        self.root = root
        self._place = root
        if is_folder(root) and not is_plain(root):
            reject_misplaced(root)
            self._place = plain_path(root)
        self._ensured: set[str] = set()
        self._outdated: set[str] = set()

    def location(self, table: Table) -> str:
        """The table's path or URL."""
        return f"{self._place}/{table.schema}/{table.name}"

    def read(self, table: Table) -> DataFrame:
        """The whole table; empty if the table was never written."""
        self._ensure(table)
        return self._load(table).select(*table.column_names)

    def add(self, table: Table, rows: Callable[[], DataFrame], days: Collection[date]) -> None:
        """Add the rows of ``days`` whose key is missing from the table on their day."""
        self._merge(table, rows, days)

    def upsert(
        self,
        table: Table,
        rows: Callable[[], DataFrame],
        *,
        days: Collection[date] = (),
        newer: str | None = None,
    ) -> None:
        """Insert the rows with new keys, and replace the table's rows that have the same keys.

        Args:
            table: with a key that names one row.
            rows: one for each key.
            days: of the rows, if the table is daily.
            newer: a column; only rows with a lower value in it are replaced.
        """
        condition = f" AND source.`{newer}` > target.`{newer}`" if newer else ""
        self._merge(table, rows, days, update=f"WHEN MATCHED{condition} THEN UPDATE SET * ")

    def _merge(
        self,
        table: Table,
        rows: Callable[[], DataFrame],
        days: Collection[date],
        *,
        update: str = "",
    ) -> None:
        """Insert the rows with new keys; the SQL clause ``update`` handles the others."""
        self._ensure(table)
        key = list(dict.fromkeys((*table.key, *(["day"] if table.daily else []))))
        on = [f"target.`{column}` = source.`{column}`" for column in key]
        if days:
            # So that engines read these partitions only.
            on.append(f"target.day IN ({day_list(days)})")

        def merge(source: Callable[[], DataFrame]) -> None:
            target = self._load(table)
            keys = (of_days(target, days) if days else target).select(*key)
            # Sail rewrites files for a clause on matching rows even if there are none.
            matches = update and source().join(keys, key, "left_semi").limit(1).collect()
            with self._view(source()) as view:
                self._spark.sql(
                    f"MERGE INTO {self.sql_name(table)} AS target USING {view} AS source "
                    f"ON {' AND '.join(on)} {update if matches else ''}"
                    "WHEN NOT MATCHED THEN INSERT *"
                ).collect()

        with self._read_once(table, rows) as source:
            if source is not None:
                retried(partial(merge, source))

    def is_outdated(self, table: Table) -> bool:
        """Whether the stored table has other columns than its contract."""
        self._ensure(table)
        return table.full_name in self._outdated

    def replace_days(
        self, table: Table, rows: Callable[[], DataFrame], days: Collection[date]
    ) -> None:
        """Replace the table's rows for ``days``; other days stay unchanged."""
        condition = f"day IN ({day_list(days)})"
        self._ensure(table)
        # Filter here: not every engine rejects rows outside the condition.
        retried(
            lambda: self._replace_where(table, typed(table, rows()).where(condition), condition)
        )

    def replace(self, table: Table, rows: Callable[[], DataFrame]) -> None:
        """Replace the whole table.

        A table created under an earlier contract gets the columns of the current one.
        """

        def replace() -> None:
            found = typed(table, rows())
            if table.ordered:
                found = in_order(found)
            if outdated:
                writer = found.write.format("delta").mode("overwrite")
                self._save(writer.option("overwriteSchema", "true"), table)
            else:
                # Sail notices a concurrent writer only if the write has a condition. Otherwise, the
                # rows of both would stay.
                self._replace_where(table, found, "true")

        outdated = self.is_outdated(table)
        retried(replace)
        self._outdated.discard(table.full_name)

    def exists(self, table: Table) -> bool:
        """Whether the table was ever written.

        Raises:
            PlatformError: the lake cannot be reached, or the table's log is damaged.
        """
        try:
            rows = self._load(table)
            # Spark reads the log for the list of files, Sail for the columns.
            rows.inputFiles()
            return bool(rows.columns)
        except (PySparkException, Py4JJavaError) as error:
            if self._has_commits(table):
                raise damaged_log(self.with_own_path(first_line(error)), self.root, table) from None
            if isinstance(error, AnalysisException):
                return False
            raise self._out_of_reach("read", error) from None

    @contextmanager
    def explaining(self, what: str) -> Iterator[None]:
        """Turn engine errors raised in the block into one line about the lake's storage.

        Args:
            what: the failed action, such as "raw.pin cannot be made", used when the cause is
                unknown.

        Raises:
            PlatformError: on any engine error.
        """
        try:
            yield
        except (PySparkException, Py4JJavaError) as error:
            fault = self.fault(error)
            busy = is_outage(str(error)) or is_conflict(error)
            raise fault or (OutageError if busy else PlatformError)(
                f"{what} ({self.with_own_path(first_line(error))})"
            ) from error

    def fault(
        self, error: Exception, tables: Iterable[Table] = tuple(TABLES.values())
    ) -> PlatformError | None:
        """Diagnose an engine's error as a storage fault; None if storage is not the cause.

        Engines do not name the table whose log they could not read, so this checks each of
        ``tables``.
        """
        if found := storage_fault(str(error), self.root):
            return found
        for table in tables:
            try:
                self.exists(table)
            except PlatformError as found:
                return found
        return None

    def with_own_path(self, text: str) -> str:
        """An engine's message, with the lake's own path in place of the engine's."""
        return text.replace(self._place, self.root)

    def register(self, table: Table, schema: str, name: str) -> None:
        """Register an existing table for SQL in this session as ``<schema>.<name>``."""
        self._spark.sql(
            f"CREATE DATABASE IF NOT EXISTS `{schema}` LOCATION '{self._place}/{table.schema}'"
        ).collect()
        self._spark.sql(
            f"CREATE TABLE IF NOT EXISTS `{schema}`.`{name}` USING delta "
            f"LOCATION '{self.location(table)}'"
        ).collect()

    def files(self, table: Table) -> Store | None:
        """The table's files; None if a catalog gives no access to them."""
        return open_store(self.location(table))

    def _has_commits(self, table: Table) -> bool:
        """Whether the table has a log, readable or not."""
        if is_folder(self.root):
            log = Path(self.location(table), "_delta_log")
            return log.is_file() or any(log.glob("*.json"))
        try:
            pages = obstore.list(open_store(self.location(table)), "_delta_log/")
            return any(found["path"].endswith(".json") for page in pages for found in page)
        except (BaseError, OSError):
            # Called after an engine's error: the caller then reports that one.
            return False

    def _load(self, table: Table) -> DataFrame:
        return self._spark.read.format("delta").load(self.location(table))

    def _save(self, writer: DataFrameWriter, table: Table) -> None:
        writer.save(self.location(table))

    def sql_name(self, table: Table) -> str:
        """The table's name in SQL."""
        return f"delta.`{self.location(table)}`"

    def _replace_where(self, table: Table, rows: DataFrame, condition: str) -> None:
        if any(column.type.startswith("ARRAY") for column in table.columns):
            # Sail treats the table's array type and that of other rows as different unless both
            # come out of one union.
            rows = self._load(table).select(*table.column_names).limit(0).unionAll(rows)
        writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", condition)
        self._save(writer, table)

    def _ensure_schema(self, table: Table) -> None:
        """Create the folder or schema that contains the table."""
        if not is_folder(self.root):
            return
        try:
            # Use the real path: a link to a missing target does not count as a folder.
            Path(self.root, table.schema, table.name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror
            if isinstance(error, FileExistsError):
                reason = f"{error.filename} is a file, or a link to nothing"
            raise ConfigurationError(
                f"the lake {self.root} cannot be written ({reason}): set PINTEREST_LAKE"
            ) from None

    def _out_of_reach(self, done: str, error: Exception) -> PlatformError:
        to_set = "PINTEREST_LAKE to a folder"
        if not is_folder(self.root):
            to_set = "PINTEREST_LAKE, AWS_ENDPOINT_URL, AWS_REGION and the AWS credentials"
        reason = self.with_own_path(first_line(error))
        return storage_fault(str(error), self.root) or error_for(str(error))(
            f"the lake {self.root} cannot be {done} ({reason}): set {to_set}"
        )

    @contextmanager
    def _view(self, rows: DataFrame) -> Iterator[str]:
        """A temporary view of the rows, under a name unique within the session."""
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
        """The rows, read from their source only once where possible; None if there are no rows.

        Sail reads the source of a merge twice, and a merge that loses to another writer starts
        again: too many reads for a shard that allows five per second.
        """
        if not has_spool(self._spark):
            yield lambda: typed(table, rows())
            return
        with spooled(self._spark, typed(table, rows())) as read:
            yield (lambda: read) if read.limit(1).collect() else None

    def _ensure(self, table: Table) -> None:
        """Create the table, empty, unless it exists."""
        if table.full_name in self._ensured:
            return

        def create() -> None:
            writer = self._spark.createDataFrame([], table.ddl).write.format("delta")
            if table.daily:
                writer = writer.partitionBy("day")
            self._save(writer.mode("ignore"), table)

        columns = self._columns(table)
        if not columns:
            try:
                self._ensure_schema(table)
                retried(create)
            except (PySparkException, Py4JJavaError) as error:
                if self._has_commits(table):
                    raise damaged_log(
                        self.with_own_path(first_line(error)), self.root, table
                    ) from error
                raise self._out_of_reach("written", error) from error
            # Another writer may have created it.
            columns = self._columns(table)
        if tuple(columns) != table.column_names:
            self._outdated.add(table.full_name)
            # A write replaces all of an ordered table. In others, rows keep null in new columns
            # until they are rebuilt.
            if not table.ordered and not set(table.column_names) <= set(columns):
                retried(partial(self._add_columns, table))
        self._ensured.add(table.full_name)

    def _columns(self, table: Table) -> list[str]:
        """The columns of the stored table; none if it does not exist."""
        try:
            return self._load(table).columns
        except (PySparkException, Py4JJavaError):
            # A table that is missing for another reason cannot be created: that error tells why.
            return []

    def _add_columns(self, table: Table) -> None:
        self._save(
            self._spark.createDataFrame([], table.ddl)
            .write.format("delta")
            .mode("append")
            .option("mergeSchema", "true"),
            table,
        )
