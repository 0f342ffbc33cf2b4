"""Temporary storage for rows that are used more than once."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import obstore
from pyspark.sql import DataFrame, SparkSession

from pinterest_platform.folders import is_abandoned, owner, temporary_folder
from pinterest_platform.object_store import Store, open_store

# Name of the session setting that holds the spool's location: a folder or s3:// URL that both the
# engine and this process can access. On Databricks, nothing sets it.
SPOOL = "pinterest.spool"


def has_spool(spark: SparkSession) -> bool:
    """Whether the session has a spool."""
    return bool(spark.conf.get(SPOOL, ""))


@contextmanager
def spooled(spark: SparkSession, rows: DataFrame) -> Iterator[DataFrame]:
    """Evaluate rows once, and store them until the block ends.

    Without a spool, the engine evaluates the rows whenever they are read.
    """
    with _folder(spark) as folder:
        if folder is None:
            yield rows
            return
        rows.write.mode("overwrite").parquet(folder)
        yield spark.read.schema(rows.schema).parquet(folder)


@contextmanager
def _folder(spark: SparkSession) -> Iterator[str | None]:
    """A new folder, deleted after the block; None without a spool."""
    place = spark.conf.get(SPOOL, "")
    if not place:
        yield None
    elif place.startswith("s3://"):
        store = open_store(place)
        _sweep(store)
        name = f"{owner()}-{uuid.uuid4().hex}"
        try:
            yield f"{place}/{name}"
        finally:
            _delete(store, f"{name}/")
    else:
        Path(place).mkdir(parents=True, exist_ok=True)
        with temporary_folder(place) as folder:
            yield folder


def _sweep(store: Store) -> None:
    """Delete the leftovers of killed processes."""
    for prefix in obstore.list_with_delimiter(store)["common_prefixes"]:
        name = prefix.rstrip("/").rpartition("/")[2]
        objects = obstore.list_with_delimiter(store, f"{name}/")["objects"]
        newest = max((found["last_modified"] for found in objects), default=datetime.now(UTC))
        if is_abandoned(name, (datetime.now(UTC) - newest).total_seconds()):
            _delete(store, f"{name}/")


def _delete(store: Store, prefix: str) -> None:
    for objects in obstore.list(store, prefix):
        obstore.delete(store, [found["path"] for found in objects])
