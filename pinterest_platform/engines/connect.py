"""The engine ``connect``: any Spark Connect server, Apache Spark or Sail, on any host."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from pyspark.errors import PySparkException, PySparkValueError
from pyspark.sql import SparkSession

from pinterest_platform.engines.registry import EngineType
from pinterest_platform.engines.sail import closing, quiet_client
from pinterest_platform.engines.session import configure, is_on_this_machine, kept_open, opened
from pinterest_platform.errors import ConfigurationError, OutageError, PlatformError, first_line
from pinterest_platform.folders import is_folder, is_plain
from pinterest_platform.network import has_proxy, is_this_machine
from pinterest_platform.places import Places

# The default port of a Spark Connect URL (pyspark, DefaultChannelBuilder).
_PORT = 15002

# A refused connection fails at once and names the reason.
_CONNECT_SECONDS = 10


@contextmanager
def connect_session(remote: str) -> Iterator[SparkSession]:
    """Open a session on a server; it ends with the block, the server does not.

    Args:
        remote: ``sc://host:port``, followed by the server's parameters, if any: ``/;token=...``.

    Raises:
        PlatformError: the server is unreachable or does not answer; names host and port only.
    """
    quiet_client()
    address = urlsplit(remote)

    def unusable(reason: str, error: type[PlatformError] = OutageError) -> PlatformError:
        return error(
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
            # PySpark's own message would repeat the parameters, which may include a token.
            raise unusable(
                "the part after the port is not /;name=value;name=value", ConfigurationError
            ) from None
        except PlatformError as error:
            raise unusable(str(error)) from None
        except PySparkException as error:
            raise unusable(first_line(error)) from None
        try:
            stack.enter_context(closing(spark))
            configure(spark)
            stack.enter_context(kept_open(spark))
        except PySparkException as error:
            raise unusable(first_line(error)) from None
        yield spark


def _prepared(places: Places, remote: str) -> Places:
    if not remote:
        raise ConfigurationError(
            "the engine connect needs a server: set PINTEREST_SPARK_REMOTE to sc://host:port"
        )
    if is_on_this_machine(remote):
        # A local server may run without the run's credentials. One on another machine has its own
        # role and gets no keys.
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return replace(places, environment=aws)
    for place in (places.lake, places.landing):
        if is_folder(place) and not is_plain(place):
            raise ConfigurationError(
                f"the folder {place} cannot be passed to a server on another machine: "
                "give it a name of letters, digits and _ . - = + @ , only"
            )
    return places


ENGINE = EngineType(
    name="connect",
    open=lambda _, remote: connect_session(remote),
    prepare=_prepared,
)
