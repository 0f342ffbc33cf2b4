"""How a session on a Spark Connect server is opened, what it is set to, and how it stays open."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar, cast

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pinterest_platform.environment import reach_this_machine_directly, set_defaults, set_variables
from pinterest_platform.errors import PlatformError

UTC = {"spark.sql.session.timeZone": "UTC"}

# Spark's own default is INT96, in which other readers of the lake (those of Arrow) have no year
# before 1677.
TIMESTAMPS = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}

# To see whether a join prunes partitions, Apache Spark writes the expression of its key out, with
# all that this is made from: for a check's join on ind 20 s for 3,000 rows. Nothing here gains.
PLANNING = {"spark.sql.optimizer.dynamicPartitionPruning.enabled": "false"}

# Sail ends a session that it heard nothing of for 15 minutes, at work or not; Spark one that did
# nothing for an hour, such as that of a run that waits for a table.
PULSE_SECONDS = 60

_CLOSE_SECONDS = 5

# A server that is there takes a connection within milliseconds. PySpark itself would go on trying
# for ten minutes, in silence, also where something else listens.
OPEN_SECONDS = 15

# The first answer of an Apache Spark that has just started takes seconds, on a busy machine many.
ANSWER_SECONDS = 120

T = TypeVar("T")

# Sail 0.7.2 compresses each answer for a client that can read it, and gRPC 1.85 hands one of some
# hundred thousand on still compressed; whose fault that is was not found out. Only what is not
# compressed is asked for: bit 0 of the algorithms.
_UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


def opened(remote: str) -> SparkSession:
    """Open a session of its own on a Spark Connect server.

    Args:
        remote: ``sc://host:port``, with what the server asks for behind it: ``/;token=...``.

    Raises:
        PlatformError: nothing there speaks gRPC within ``OPEN_SECONDS``, or the server does not
            answer.
    """
    # What its core logs of a server that cannot be reached, the error says as well.
    set_defaults({"GRPC_VERBOSITY": "NONE"})
    # A second of imports, which a process that opens no session does not pay.
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415
    from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: PLC0415
    from pyspark.sql.connect.session import SparkSession as ConnectSession  # noqa: PLC0415

    # As PySpark's own builder does, which takes no options of a channel: functions are Connect's.
    set_variables({"SPARK_CONNECT_MODE_ENABLED": "1"})
    reach_this_machine_directly()
    builder = DefaultChannelBuilder(remote, [_UNCOMPRESSED])
    with builder.toChannel() as channel:
        try:
            grpc.channel_ready_future(channel).result(OPEN_SECONDS)
        except grpc.FutureTimeoutError:
            raise PlatformError(f"it does not answer within {OPEN_SECONDS} s") from None

    def open_session() -> SparkSession:
        spark = cast(SparkSession, ConnectSession.builder.channelBuilder(builder).create())
        spark.conf.get("spark.sql.session.timeZone")
        return spark

    return patiently("The Spark Connect server", open_session)


def patiently(what: str, action: Callable[[], T]) -> T:
    """The result of an action that may hang; that it takes long is logged.

    Args:
        what: is waited for, at the beginning of a sentence.
        action: is given up after ``ANSWER_SECONDS``.

    Raises:
        PlatformError: there is no result by then.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def act() -> None:
        try:
            results.append(action())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=act, name="opens-session", daemon=True)
    thread.start()
    thread.join(OPEN_SECONDS)
    if thread.is_alive():
        logging.getLogger(__name__).warning(
            "%s has not answered for %s s; waiting %s s at most", what, OPEN_SECONDS, ANSWER_SECONDS
        )
        thread.join(ANSWER_SECONDS - OPEN_SECONDS)
    if errors:
        raise errors[0]
    if not results:
        raise PlatformError(f"it does not answer within {ANSWER_SECONDS} s")
    return results[0]


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
    for name, value in (TIMESTAMPS | PLANNING).items():
        # Not every server lets them be set; Databricks' serverless does not.
        with suppress(PySparkException):
            spark.conf.set(name, value)
