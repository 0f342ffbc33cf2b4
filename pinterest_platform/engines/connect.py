"""The engine ``connect``: any Spark Connect server, Apache Spark or Sail, on any host."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from urllib.parse import urlsplit

from pyspark.errors import PySparkException, PySparkValueError
from pyspark.sql import SparkSession

from pinterest_platform.engines.sail import closing, quiet_client
from pinterest_platform.engines.session import configure, kept_open, opened
from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import temporary_folder
from pinterest_platform.lake.faults import first_line
from pinterest_platform.lake.spool import SPOOL
from pinterest_platform.network import has_proxy, is_this_machine

# The default port of a Spark Connect URL (pyspark, DefaultChannelBuilder).
_PORT = 15002

# A refused connection fails at once and names the reason.
_CONNECT_SECONDS = 10


@contextmanager
def connect_session(remote: str, lake: str) -> Iterator[SparkSession]:
    """Open a session on a server; the session ends with the block, the server keeps running.

    Args:
        remote: ``sc://host:port``, followed by the server's parameters, if any: ``/;token=...``.
        lake: the lake's folder or ``s3://`` URL, which the server must reach, too.

    Raises:
        PlatformError: the server is unreachable or does not answer; names host and port only.
    """
    quiet_client()
    address = urlsplit(remote)

    def unusable(reason: str) -> PlatformError:
        return PlatformError(
            f"the Spark Connect server at {address.netloc.rpartition('@')[2]} cannot be used "
            f"({reason}): start it, or correct PINTEREST_SPARK_REMOTE"
        )

    host = address.hostname or ""
    if is_this_machine(host) or not has_proxy():
        try:
            socket.create_connection((host, address.port or _PORT), _CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise unusable(str(error)) from None
    with ExitStack() as stack:
        try:
            spark = opened(remote)
        except PySparkValueError:
            # PySpark's message quotes the parameters, possibly a token.
            raise unusable("what stands behind the port is not /;name=value;name=value") from None
        except PlatformError as error:
            raise unusable(str(error)) from None
        except PySparkException as error:
            raise unusable(first_line(error)) from None
        try:
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
    return is_this_machine(urlsplit(remote).hostname or "")


def _is_sail(spark: SparkSession) -> bool:
    """Whether the server is Sail, whose version() is not Spark's, unlike the version in its API."""
    ((version,),) = spark.sql("SELECT version()").collect()
    return not str(version).startswith(spark.version)


def _spool(remote: str, lake: str) -> AbstractContextManager[str]:
    """A folder or URL that both this process and the server reach."""
    if is_on_this_machine(remote):
        return temporary_folder()
    return nullcontext(f"{lake}/_spool")
