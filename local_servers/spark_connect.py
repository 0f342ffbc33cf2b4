"""Spark Connect servers for tests, each in its own process: Apache Spark and Sail.

Run as a module, it is the process of Apache Spark: it starts pyspark's server with the settings of
the engine ``spark``, prints its address, and waits for a signal.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from pinterest_platform.engines.spark import DELTA, local_settings
from pinterest_platform.processes import running

# Ten seconds, and more if the jars must be downloaded first.
START_SECONDS = 300

NO_JAVA = "Apache Spark needs Java 17: apt-get install openjdk-17-jre-headless"

# Log only the line with its address, and errors.
_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m%n%throwable
logger.server.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.server.level = info
"""

_STARTED = re.compile(r"Spark Connect server started at: (\S+):(\d+)")


def has_java() -> bool:
    """Whether this machine can run Apache Spark."""
    return shutil.which("java") is not None or "JAVA_HOME" in os.environ


@contextmanager
def spark_server(**environment: str) -> Iterator[str]:
    """The URL of an Apache Spark Connect server, which ends with the block.

    The server gets this process's variables and those of ``environment``.
    """
    full = os.environ | environment
    with running("Apache Spark", __name__, environment=full) as server:
        deadline = time.monotonic() + START_SECONDS
        while "listening on" not in server.output():
            assert server.exit_code() is None, server.last_words()
            assert time.monotonic() < deadline, server.last_words()
            # The start shows in the output only; url() would give up sooner.
            time.sleep(0.1)
        yield server.url()


@contextmanager
def sail_server(**environment: str) -> Iterator[str]:
    """The URL of a Sail server in another process, which ends with the block."""
    full = os.environ | environment
    arguments = ("pinterest_platform", "sail", "--port", "0")
    with running("Sail", *arguments, environment=full) as server:
        yield server.url()


def _serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        logging = Path(folder, "log4j2.properties")
        logging.write_text(_LOGGING)
        settings = local_settings(DELTA, folder, on_s3=False) | {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": "0",
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={logging}",
        }
        log = Path(folder, "log")
        submit = Path(pyspark.__file__).with_name("bin") / "spark-submit"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    str(submit),
                    "--class",
                    "org.apache.spark.sql.connect.service.SparkConnectServer",
                    *(part for item in settings.items() for part in ("--conf", "=".join(item))),
                    "spark-internal",
                ],
                env=os.environ | {"PYSPARK_PYTHON": sys.executable},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not (found := _STARTED.search(log.read_text(errors="replace"))):
            if server.poll() is not None:
                sys.exit(log.read_text(errors="replace"))
            # Spark writes the port that it chose to its log only.
            time.sleep(0.1)
        print(f"Apache Spark is listening on sc://{found[1]}:{found[2]}")
        sys.exit(server.wait())


if __name__ == "__main__":
    _serve()
