"""The engine ``sail``: a Spark Connect server in Rust, started inside this process. No JVM."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

from pinterest_platform.engines.lake import SPOOL

# Closing takes milliseconds.
CLOSE_SECONDS = 5


@contextmanager
def sail_session() -> Iterator[SparkSession]:
    """Start a Sail server on a free local port, with a session; both end with the block."""
    # PySpark logs every error that the server answers, with its trace, also those that are handled.
    logging.getLogger("pyspark.sql.connect.logging").setLevel(logging.CRITICAL)
    # Sail logs to standard error; its information lines would bury what a user wants to read.
    os.environ.setdefault("RUST_LOG", "error")
    # An S3 endpoint on this machine speaks plain HTTP; without one it is HTTPS all the same.
    os.environ.setdefault("AWS_ALLOW_HTTP", "true")
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://{host}:{port}").create()
    try:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        with TemporaryDirectory(prefix="pinterest-") as spool:
            spark.conf.set(SPOOL, spool)
            yield spark
    finally:
        # A call that Ctrl-C cut off can keep the channel from closing; without the server it ends.
        closing = threading.Thread(target=spark.stop, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        server.stop()
