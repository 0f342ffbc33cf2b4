"""Temporary storage for rows that an engine would otherwise read from their source repeatedly."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import obstore
from pyspark.sql import SparkSession

from pinterest_platform.folders import is_abandoned, owner, temporary_folder
from pinterest_platform.object_store import Store, open_store

# Name of the session setting that holds the spool's location: a folder or s3:// URL that both the
# engine and this process can access. It is unset for engines that read a merge's source once.
SPOOL = "pinterest.spool"


@contextmanager
def spool_folder(spark: SparkSession) -> Iterator[str | None]:
    """A new folder, deleted after the block; None if the engine needs no spool."""
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
