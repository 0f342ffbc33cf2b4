"""The engine ``spark``: Apache Spark in a JVM on this machine, using dagster-pyspark's resource."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from pinterest_platform.engines.registry import EngineType
from pinterest_platform.engines.session import PLANNING, TIMESTAMPS, UTC
from pinterest_platform.environment import set_defaults, without
from pinterest_platform.errors import OutageError, PlatformError
from pinterest_platform.folders import temporary_folder

DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"

# pyspark 4.2 bundles Hadoop 3.5.0. hadoop-aws pulls in the whole AWS SDK, 700 MB.
S3A = "org.apache.hadoop:hadoop-aws:3.5.0"

# A million posts need about 2 GiB; the rest of the machine is for the Python workers and others.
MOST_DRIVER_GIB = 8

# PySpark sets these with its first Connect session, and child processes inherit them.
CONNECT_VARIABLES = ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED")


@contextmanager
def spark_session(on_s3: bool) -> Iterator[SparkSession]:
    """Start Spark in its own JVM; the session ends with the block.

    Args:
        on_s3: whether the session reads or writes ``s3://``, which needs further jars.

    Raises:
        PlatformError: Spark cannot start, or its jars cannot be downloaded.
    """
    # 2 s of imports that no other engine needs.
    from dagster_pyspark import LazyPySparkResource  # noqa: PLC0415

    # The error contains the logged text, too.
    PySparkLogger.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    # Spark's own setting does not reach the processes that plan Python data sources.
    set_defaults({"PYSPARK_PYTHON": sys.executable})
    coordinates = ",".join([DELTA, S3A] if on_s3 else [DELTA])
    with (
        without(CONNECT_VARIABLES),
        tempfile.TemporaryFile() as log,
        temporary_folder() as folder,
    ):
        resource = LazyPySparkResource(spark_config=local_settings(coordinates, folder, on_s3))
        with _standard_error_to(log):
            try:
                spark: SparkSession = resource.spark_session
            except (PySparkException, OSError) as error:
                raise _not_started(coordinates, log, error) from error
        try:
            yield spark
        finally:
            spark.stop()


def local_settings(coordinates: str, folder: str, on_s3: bool) -> dict[str, str]:
    """Spark's settings for one machine.

    Args:
        coordinates: Maven coordinates of the jars that Spark fetches from Maven Central.
        folder: for temporary files, and for tables without an explicit location.
        on_s3: whether the session reads or writes ``s3://``.
    """
    cores = os.cpu_count() or 1
    return {
        "spark.app.name": "pinterest_platform",
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": f"{_driver_gib()}g",
        # The loopback address: the host name may not resolve, and no other machine may connect.
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars.packages": coordinates,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": folder,
        "spark.local.dir": folder,
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder}",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.shuffle.partitions": str(cores),
        # Delta's default of 50 tasks per log is for large tables: here it would take minutes a day.
        "spark.databricks.delta.snapshotPartitions": str(cores),
        **UTC,
        **TIMESTAMPS,
        **PLANNING,
        **(_s3a() if on_s3 else {}),
    }


def _s3a() -> dict[str, str]:
    """Hadoop's S3 settings, from AWS_* variables or a role, as elsewhere in the platform."""
    settings = {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
    }
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        settings |= {
            "fs.s3a.endpoint": endpoint,
            "fs.s3a.path.style.access": "true",
            "fs.s3a.connection.ssl.enabled": str(urlsplit(endpoint).scheme == "https").lower(),
        }
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        settings["fs.s3a.endpoint.region"] = region
    return {f"spark.hadoop.{name}": value for name, value in settings.items()}


def _driver_gib() -> int:
    """A third of this machine's memory, in GiB."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(MOST_DRIVER_GIB, pages // 2**30 // 3))


def _not_started(coordinates: str, log: IO[bytes], error: Exception) -> PlatformError:
    """The error for a failed start, with the cause from the launcher's output, if any."""
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    if any("unresolved dependency" in line or "download failed" in line.lower() for line in lines):
        return OutageError(
            f"the jars {coordinates} cannot be downloaded from Maven Central: check the network "
            "and the proxy (JAVA_TOOL_OPTIONS=-Dhttps.proxyHost=... -Dhttps.proxyPort=...); Spark "
            "downloads them once, into ~/.ivy2.5.2"
        )
    reasons = [line for line in lines if "Exception" in line or "Error" in line]
    reason = (reasons or lines or str(error).splitlines())[0][:300]
    return PlatformError(f"Apache Spark did not start: {reason}")


@contextmanager
def _standard_error_to(file: IO[bytes]) -> Iterator[None]:
    """Redirect standard error, including that of child processes, to a file.

    Spark's launcher prints its jar resolution and the JVM its warnings, which would bury the run's
    output.
    """
    sys.stderr.flush()
    before = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


ENGINE = EngineType(
    name="spark",
    # Landing objects are read by Python data sources, which bring their own S3 client.
    open=lambda places, _: spark_session(on_s3=places.lake.startswith("s3://")),
    needs_java=True,
)
