"""The engine ``sail``: a Spark Connect server in Rust, started inside this process. No JVM."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

from pinterest_platform.engines.registry import EngineType
from pinterest_platform.engines.session import kept_open, opened
from pinterest_platform.environment import set_defaults

# Closing takes milliseconds.
CLOSE_SECONDS = 5


@contextmanager
def sail_session() -> Iterator[SparkSession]:
    """Start a Sail server on a free local port and open a session; both end with the block."""
    quiet_client()
    server = sail_server("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address
        spark = opened(f"sc://{host}:{port}")
        with closing(spark), kept_open(spark):
            spark.conf.set("spark.sql.session.timeZone", "UTC")
            yield spark
    finally:
        server.stop()


def sail_server(host: str, port: int) -> SparkConnectServer:
    """A Sail server, not yet started; port 0 picks a free port."""
    # Sail logs to standard error, where its info lines would bury the command's output.
    # AWS_ALLOW_HTTP permits plain HTTP for a local S3 endpoint; AWS itself still gets HTTPS.
    set_defaults({"RUST_LOG": "error", "AWS_ALLOW_HTTP": "true"})
    return SparkConnectServer(host, port)


def quiet_client() -> None:
    """Silence PySpark's log of server errors, most of which the platform handles."""
    logging.getLogger("pyspark.sql.connect.logging").setLevel(logging.CRITICAL)


@contextmanager
def closing(spark: SparkSession) -> Iterator[None]:
    """Close a session after the block, without waiting indefinitely for the server.

    A call interrupted by Ctrl-C can keep the channel from closing.
    """
    try:
        yield
    finally:
        thread = threading.Thread(target=spark.stop, daemon=True)
        thread.start()
        thread.join(CLOSE_SECONDS)


ENGINE = EngineType(
    name="sail",
    open=lambda *_: sail_session(),
)
