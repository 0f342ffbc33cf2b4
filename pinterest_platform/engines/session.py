"""Opens, configures and keeps alive sessions on a Spark Connect server."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar, cast
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pinterest_platform.environment import reach_this_machine_directly, set_defaults, set_variables
from pinterest_platform.errors import OutageError
from pinterest_platform.network import is_this_machine

UTC = {"spark.sql.session.timeZone": "UTC"}

# In INT96, Spark's default, Arrow-based readers cannot represent years before 1677.
TIMESTAMPS = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}

# To decide on partition pruning, Apache Spark expands the expression behind a join key: 20 s in a
# check that joins 3,000 rows on ind. No query here benefits from pruning.
PLANNING = {"spark.sql.optimizer.dynamicPartitionPruning.enabled": "false"}

# Sail ends a session after 15 minutes without a request, even during a query; Spark after an idle
# hour, such as that of a run waiting for a table.
PULSE_SECONDS = 60

# The last ping takes milliseconds if the server is alive.
_CLOSE_SECONDS = 5

# PySpark would silently retry for ten minutes, even against a port with another protocol.
OPEN_SECONDS = 15

# A freshly started Apache Spark takes seconds for its first response, many on a busy machine.
ANSWER_SECONDS = 120

T = TypeVar("T")

# gRPC 1.85 passes roughly one in 100,000 compressed responses of Sail 0.7.2 on undecompressed, for
# an unknown reason. So the client accepts only uncompressed ones: bit 0 of the algorithms.
_UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


def opened(remote: str) -> SparkSession:
    """Open a new, separate session on a Spark Connect server.

    Args:
        remote: ``sc://host:port``, followed by the server's parameters, if any: ``/;token=...``.

    Raises:
        PlatformError: no gRPC server responds within ``OPEN_SECONDS``, or the session cannot be
            opened in time.
    """
    # gRPC's core logs an unreachable server, which the error reports as well.
    set_defaults({"GRPC_VERBOSITY": "NONE"})
    # These imports take a second; only processes that open a session pay for them.
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415
    from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: PLC0415
    from pyspark.sql.connect.session import SparkSession as ConnectSession  # noqa: PLC0415

    # PySpark's builder sets this to make functions use Connect, but takes no channel options.
    set_variables({"SPARK_CONNECT_MODE_ENABLED": "1"})
    reach_this_machine_directly()
    builder = DefaultChannelBuilder(remote, [_UNCOMPRESSED])
    with builder.toChannel() as channel:
        try:
            grpc.channel_ready_future(channel).result(OPEN_SECONDS)
        except grpc.FutureTimeoutError:
            raise OutageError(f"it does not answer within {OPEN_SECONDS} s") from None

    def open_session() -> SparkSession:
        spark = cast(SparkSession, ConnectSession.builder.channelBuilder(builder).create())
        spark.conf.get("spark.sql.session.timeZone")
        return spark

    return patiently("The Spark Connect server", open_session)


def patiently(what: str, action: Callable[[], T]) -> T:
    """The result of an action that may hang; a slow action is logged.

    Args:
        what: the server's name in log messages, starting a sentence.
        action: abandoned after ``ANSWER_SECONDS``.

    Raises:
        PlatformError: the action returned no result in that time.
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
        raise OutageError(f"it does not answer within {ANSWER_SECONDS} s")
    return results[0]


@contextmanager
def kept_open(spark: SparkSession) -> Iterator[None]:
    """Ping a Spark Connect session every minute until the block ends."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(PULSE_SECONDS):
            # A lost server fails the next query, whose error the user sees.
            with suppress(Exception):
                spark.conf.get("spark.sql.session.timeZone")

    pulse = threading.Thread(target=ask, name="session-pulse", daemon=True)
    pulse.start()
    try:
        yield
    finally:
        over.set()
        pulse.join(_CLOSE_SECONDS)


def is_on_this_machine(remote: str) -> bool:
    """Whether a server's URL names this machine."""
    return is_this_machine(urlsplit(remote).hostname or "")


def configure(spark: SparkSession) -> None:
    """Configure a session on a server that the platform did not start."""
    for name, value in UTC.items():
        spark.conf.set(name, value)
    for name, value in (TIMESTAMPS | PLANNING).items():
        # Some servers reject these settings, such as Databricks' serverless compute.
        with suppress(PySparkException):
            spark.conf.set(name, value)
