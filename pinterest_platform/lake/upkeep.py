"""Upkeep of tables: compacts small files, and deletes files and log entries past retention."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import obstore
from obstore.exceptions import BaseError
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from pinterest_platform.errors import ConfigurationError, OutageError, error_for, first_line
from pinterest_platform.folders import is_folder
from pinterest_platform.lake.conflicts import retried
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.faults import storage_fault
from pinterest_platform.object_store import S3_PATIENCE, Store
from pinterest_platform.tables.contract import Table

# deltalake decodes this in local paths, so it does not find such a folder.
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")

# Table properties: how long Delta keeps replaced data files, and log entries. A reader of an old
# version needs both.
_RETENTIONS = ("delta.deletedFileRetentionDuration", "delta.logRetentionDuration")


def size(spark: SparkSession, lake: Lake, table: Table) -> tuple[int, int]:
    """The number of a table's files and their bytes.

    They include replaced files and the log, except in Unity Catalog, which gives no access to them.

    Raises:
        PlatformError: the files cannot be listed.
    """
    store = lake.files(table)
    if store is None:
        detail = spark.sql(f"DESCRIBE DETAIL {lake.sql_name(table)}").collect()[0]
        return detail["numFiles"], detail["sizeInBytes"]
    with _faults(lake, table):
        sizes = [found["size"] for page in obstore.list(store) for found in page]
    return len(sizes), sum(sizes)


def maintain(spark: SparkSession, lake: Lake, table: Table, *, retention_days: int) -> None:
    """Compact a table's small files, and delete unused files and log entries past retention.

    Readers can still read every version within the retention. If a writer changes the same files at
    the same time, one of the two fails and tries again.

    Raises:
        PlatformError: the table cannot be read or written, or another writer was faster.
    """
    retention = f"interval {retention_days} days"
    detail = _detail(spark, lake.sql_name(table))
    if detail is None:
        _with_deltalake(lake, table, retention)
        return
    name = lake.sql_name(table)
    statements = [f"OPTIMIZE {name}", f"VACUUM {name}"]
    if any(detail["properties"].get(key) != retention for key in _RETENTIONS):
        properties = ", ".join(f"'{key}' = '{retention}'" for key in _RETENTIONS)
        statements.insert(0, f"ALTER TABLE {name} SET TBLPROPERTIES ({properties})")
    for statement in statements:
        retried(partial(_run, spark, statement))


def _run(spark: SparkSession, statement: str) -> None:
    spark.sql(statement).collect()


def _detail(spark: SparkSession, name: str) -> Row | None:
    """Delta's description of a table; None on Sail, which has none of Delta's commands."""
    try:
        return spark.sql(f"DESCRIBE DETAIL {name}").collect()[0]
    except PySparkException as error:
        if "found DETAIL" in str(error):
            return None
        raise


def _with_deltalake(lake: Lake, table: Table, retention: str) -> None:
    # An import that only upkeep on Sail needs.
    from deltalake import DeltaTable  # noqa: PLC0415

    if is_folder(lake.root) and _ESCAPE.search(os.path.realpath(lake.root)):
        raise ConfigurationError(
            f"the lake {lake.root} cannot be maintained: deltalake takes the % in its path for an "
            "escape; set PINTEREST_LAKE to a folder without it"
        )
    with _faults(lake, table):
        found = DeltaTable(lake.location(table), storage_options=_options())
        stored = found.metadata().configuration
        if any(stored.get(key) != retention for key in _RETENTIONS):
            found.alter.set_table_properties(dict.fromkeys(_RETENTIONS, retention))
        found.optimize.compact()
        # A full vacuum also finds files that a killed writer never committed.
        found.vacuum(dry_run=False, full=True)
        found.create_checkpoint()
        found.cleanup_metadata()
        store = lake.files(table)
        assert store is not None, table.full_name  # noqa: S101 - Unity Catalog has Delta's commands
        _delete_checksums(store)


def _delete_checksums(store: Store) -> None:
    """Delete the checksums of deleted log entries, which deltalake leaves behind."""
    names = [found["path"] for page in obstore.list(store, "_delta_log/") for found in page]
    oldest = min((name for name in names if name.endswith(".json")), default="")
    obstore.delete(store, [name for name in names if name.endswith(".crc") and name < oldest])


def _options() -> dict[str, str]:
    """Options that deltalake does not read from AWS_* variables, and its patience with S3."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    local = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"} if endpoint else {}
    seconds = f"{S3_PATIENCE.total_seconds():g}s"
    return {"timeout": seconds, "retry_timeout": seconds, "max_retries": "4", **local}


@contextmanager
def _faults(lake: Lake, table: Table) -> Iterator[None]:
    """Turn errors of deltalake and of the object store into one line."""
    from deltalake.exceptions import CommitFailedError, DeltaError  # noqa: PLC0415

    try:
        yield
    except CommitFailedError as error:
        raise OutageError(
            f"another process wrote {table.full_name} during its upkeep ({first_line(error)})"
        ) from error
    except (DeltaError, BaseError, OSError) as error:
        # The cause is in the last line, below those of the libraries in between.
        reason = str(error).strip().rsplit("\n", 1)[-1]
        raise storage_fault(str(error), lake.root) or error_for(str(error))(
            f"{table.full_name} cannot be maintained ({reason})"
        ) from error
