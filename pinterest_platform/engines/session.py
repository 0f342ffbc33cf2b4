"""How a session on a Spark Connect server is opened, what it is set to, and how it stays open."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

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

# Sail 0.7.2 compresses each answer for a client that can read it, and gRPC 1.85 hands one of some
# hundred thousand on still compressed; whose fault that is was not found out. Only what is not
# compressed is asked for: bit 0 of the algorithms.
_UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


def opened(remote: str) -> SparkSession:
    """Open a session of its own on a Spark Connect server.

    Args:
        remote: ``sc://host:port``, with what the server asks for behind it: ``/;token=...``.
    """
    # A second of imports, which a process that opens no session does not pay.
    from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: PLC0415
    from pyspark.sql.connect.session import SparkSession as ConnectSession  # noqa: PLC0415

    # As PySpark's own builder does, which takes no options of a channel: functions are Connect's.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    channel = DefaultChannelBuilder(remote, [_UNCOMPRESSED])
    return cast(SparkSession, ConnectSession.builder.channelBuilder(channel).create())


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
