"""Where rows wait that an engine would otherwise read from their source more than once."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import obstore
from pyspark.sql import SparkSession

from pinterest_platform.landing import open_store

# The setting of a session that names the place: a folder or an s3:// URL that the engine and this
# process both reach. Engines that read the source of a merge once have none.
SPOOL = "pinterest.spool"


@contextmanager
def spool_folder(spark: SparkSession) -> Iterator[str | None]:
    """A new folder that is gone after the block; None where the engine needs none."""
    place = spark.conf.get(SPOOL, "")
    if not place:
        yield None
    elif place.startswith("s3://"):
        folder = f"{place}/{uuid.uuid4()}"
        try:
            yield folder
        finally:
            store = open_store(folder)
            for objects in obstore.list(store):
                obstore.delete(store, [found["path"] for found in objects])
    else:
        Path(place).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place) as folder:
            yield folder
