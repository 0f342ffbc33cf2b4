"""The engine ``spark``: Apache Spark in a JVM on this machine, by dagster-pyspark's resource."""

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from pinterest_platform.engines.session import PLANNING, TIMESTAMPS, UTC
from pinterest_platform.environment import set_defaults, without
from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import temporary_folder

DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"

# The Hadoop that pyspark 4.2 brings is 3.5.0. It comes with the whole AWS SDK, 700 MB.
S3A = "org.apache.hadoop:hadoop-aws:3.5.0"

# The oldest that Spark 4 runs on.
JAVA = 17

# A million posts need about 2 GiB; the rest of the machine is for the Python workers and others.
MOST_DRIVER_GIB = 8

# By these PySpark takes the process for the client of a server; it sets them itself with the first
# session of Spark Connect, and other processes inherit them.
CONNECT_VARIABLES = ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED")


@contextmanager
def spark_session(on_s3: bool) -> Iterator[SparkSession]:
    """Start Spark in a JVM of its own; the session ends with the block.

    Args:
        on_s3: whether something is read or written at ``s3://``, which needs further jars.

    Raises:
        PlatformError: there is no Java that Spark runs on, or no way to Maven Central.
    """
    _require_java()
    # 2 s of imports that no other engine needs.
    from dagster_pyspark import LazyPySparkResource  # noqa: PLC0415

    # What it logs comes with the error, too.
    PySparkLogger.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    # Spark's own setting does not reach the processes that plan Python data sources.
    set_defaults({"PYSPARK_PYTHON": sys.executable})
    coordinates = ",".join([DELTA, S3A] if on_s3 else [DELTA])
    with (
        without(CONNECT_VARIABLES),
        tempfile.TemporaryFile() as said,
        temporary_folder() as folder,
    ):
        resource = LazyPySparkResource(spark_config=local_settings(coordinates, folder, on_s3))
        with _standard_error_to(said):
            try:
                spark: SparkSession = resource.spark_session
            except (PySparkException, OSError) as error:
                raise _not_started(coordinates, said, error) from error
        try:
            yield spark
        finally:
            spark.stop()


def local_settings(coordinates: str, folder: str, on_s3: bool) -> dict[str, str]:
    """Spark's settings for one machine.

    Args:
        coordinates: the jars that Spark fetches from Maven Central.
        folder: for temporary files, and for tables without a place of their own.
        on_s3: whether something is read or written at ``s3://``.
    """
    cores = os.cpu_count() or 1
    return {
        "spark.app.name": "pinterest_platform",
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": f"{_driver_gib()}g",
        # Not by the host's name, which need not resolve, and for nobody else in the network.
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
        # Delta replays the log of a table in 50 tasks, made for logs of large tables on a cluster:
        # minutes for the tables of a day here.
        "spark.databricks.delta.snapshotPartitions": str(cores),
        **UTC,
        **TIMESTAMPS,
        **PLANNING,
        **(_s3a() if on_s3 else {}),
    }


def _s3a() -> dict[str, str]:
    """How Hadoop reaches S3 as the other parts do: by the usual AWS_* variables, or by a role."""
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


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    what = f"the engine spark needs Java {JAVA} or newer"
    to_do = (
        f"install it (Debian: apt-get install openjdk-{JAVA}-jre-headless) or set JAVA_HOME, or "
        "choose another engine with PINTEREST_ENGINE"
    )
    if java is None:
        raise PlatformError(f"{what}, and there is no java on the PATH: {to_do}")
    try:
        asked = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise PlatformError(f"{what}, and {java} cannot be run: {to_do}") from None
    # 'openjdk version "17.0.15" 2025-04-15'; up to 8 it was "1.8.0_412".
    found = re.search(r'version "(?:1\.)?(\d+)', asked.stderr + asked.stdout)
    if found is None or int(found[1]) < JAVA:
        version = found[1] if found else "of an unknown version"
        raise PlatformError(f"{what}, and {java} is Java {version}: {to_do}")


def _not_started(coordinates: str, said: IO[bytes], error: Exception) -> PlatformError:
    """What kept Spark from starting, by what its launcher said before it ended, if it did."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines()]
    if any("unresolved dependency" in line or "download failed" in line.lower() for line in lines):
        return PlatformError(
            f"the jars {coordinates} cannot be had from Maven Central: check the network and the "
            "proxy (JAVA_TOOL_OPTIONS=-Dhttps.proxyHost=... -Dhttps.proxyPort=...); they are "
            "fetched once, into ~/.ivy2.5.2"
        )
    reasons = [line for line in lines if "Exception" in line or "Error" in line]
    reason = (reasons or lines or str(error).splitlines())[0][:300]
    return PlatformError(f"Apache Spark did not start: {reason}")


@contextmanager
def _standard_error_to(file: IO[bytes]) -> Iterator[None]:
    """Send standard error, also that of processes started in the block, to a file.

    Spark's launcher prints how it resolves its jars, and the JVM its warnings: nothing that whoever
    starts a run wants to read.
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
