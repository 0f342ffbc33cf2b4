"""The engine ``connect``: any Spark Connect server, of Apache Spark or of Sail, wherever it is."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pinterest_platform.engines.lake import first_line
from pinterest_platform.engines.sail import closing, quiet_client
from pinterest_platform.engines.session import configure, kept_open, opened
from pinterest_platform.engines.spool import SPOOL
from pinterest_platform.errors import PlatformError

# What a URL without a port means (pyspark, DefaultChannelBuilder).
_PORT = 15002

# A server that does not take a connection and speak gRPC in this time is not there. PySpark itself
# would go on trying for ten minutes, also where something else listens.
_CONNECT_SECONDS = 10

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@contextmanager
def connect_session(remote: str, lake: str) -> Iterator[SparkSession]:
    """Open a session on a server; it ends with the block, the server does not.

    Args:
        remote: ``sc://host:port``, with what the server asks for behind it: ``/;token=...``.
        lake: the folder or ``s3://`` URL of the lake, which the server must reach, too.

    Raises:
        PlatformError: there is no such server, or it does not answer. It names host and port only.
    """
    quiet_client()
    address = urlsplit(remote)

    def unusable(reason: str) -> PlatformError:
        return PlatformError(
            f"the Spark Connect server at {address.netloc.rpartition('@')[2]} cannot be used "
            f"({reason}): start it, or correct PINTEREST_SPARK_REMOTE"
        )

    try:
        host = address.hostname or ""
        socket.create_connection((host, address.port or _PORT), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise unusable(str(error)) from None
    try:
        answers = _speaks_grpc(remote)
    except PySparkException:
        # PySpark's words repeat what stands there, a token it may be.
        raise unusable("what stands behind the port is not /;name=value;name=value") from None
    if not answers:
        raise unusable(f"what listens there does not answer within {_CONNECT_SECONDS} s")
    with ExitStack() as stack:
        try:
            spark = opened(remote)
            stack.enter_context(closing(spark))
            configure(spark)
            stack.enter_context(kept_open(spark))
            if _is_sail(spark):
                spark.conf.set(SPOOL, stack.enter_context(_spool(remote, lake)))
        except PySparkException as error:
            raise unusable(first_line(error)) from None
        yield spark


def is_on_this_machine(remote: str) -> bool:
    """Whether a server's URL names this machine."""
    return urlsplit(remote).hostname in _THIS_MACHINE


def _speaks_grpc(remote: str) -> bool:
    """Whether what listens there answers as gRPC does."""
    # A second of imports, which only those who use a server pay.
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415
    from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: PLC0415

    with DefaultChannelBuilder(remote).toChannel() as channel:
        try:
            grpc.channel_ready_future(channel).result(_CONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            return False
    return True


def _is_sail(spark: SparkSession) -> bool:
    """Whether the server is Sail, which gives Spark's version only where a client looks for it."""
    ((version,),) = spark.sql("SELECT version()").collect()
    return not str(version).startswith(spark.version)


def _spool(remote: str, lake: str) -> AbstractContextManager[str]:
    """A place that this process and the server both reach."""
    if is_on_this_machine(remote):
        return TemporaryDirectory(prefix="pinterest-")
    return nullcontext(f"{lake}/_spool")
