"""What a session must be set to, wherever it was opened, and how it stays open."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

UTC = {"spark.sql.session.timeZone": "UTC"}

# Spark's own default is INT96, in which other readers of the lake (those of Arrow) have no year
# before 1677.
TIMESTAMPS = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}

# Sail ends a session that it heard nothing of for 15 minutes, at work or not; Spark one that did
# nothing for an hour, such as that of a run that waits for a table.
PULSE_SECONDS = 60

_CLOSE_SECONDS = 5


@contextmanager
def kept_open(spark: SparkSession) -> Iterator[None]:
    """Let the server hear of a Spark Connect session every minute until the block ends."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(PULSE_SECONDS):
            # A server that is gone is noticed by whoever uses the session.
            with suppress(Exception):
                spark.conf.get("spark.sql.session.timeZone")

    pulse = threading.Thread(target=ask, name="session-pulse", daemon=True)
    pulse.start()
    try:
        yield
    finally:
        over.set()
        # The answer to the last question takes milliseconds, where there is one.
        pulse.join(_CLOSE_SECONDS)


def configure(spark: SparkSession) -> None:
    """Set a session that somebody else's server opened."""
    for name, value in UTC.items():
        spark.conf.set(name, value)
    # Not every server lets it be set; Databricks' serverless does not.
    with suppress(PySparkException):
        for name, value in TIMESTAMPS.items():
            spark.conf.set(name, value)
