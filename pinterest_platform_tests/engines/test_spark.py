"""The errors when Apache Spark cannot start."""

from pathlib import Path

import pytest

from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.engines.spark import DELTA
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import load
from pinterest_platform_tests.process import Pinterest


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_ENGINE", "spark")


def error_with_java(monkeypatch: pytest.MonkeyPatch, home: Path, script: str) -> str:
    """The error if this script is the java of ``JAVA_HOME``."""
    java = home / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(home))
    return refused()


def refused() -> str:
    """The error of the engine's session, with the settings of the environment."""
    with pytest.raises(PlatformError) as raised, engine_of(load()) as engine:
        assert engine.session
    assert "install" in str(raised.value)
    assert "PINTEREST_ENGINE" in str(raised.value)
    return str(raised.value)


def test_without_java_the_error_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the PATH has no java" in refused()


@pytest.mark.parametrize(
    ("printed", "version"), [('openjdk version "11.0.2"', "11"), ('java version "1.8.0_412"', "8")]
)
def test_a_java_that_is_too_old_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: str, version: str
) -> None:
    script = f"echo '{printed}' >&2"
    assert f"is Java {version}:" in error_with_java(monkeypatch, tmp_path, script)


def test_a_java_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    printed = error_with_java(monkeypatch, tmp_path, "exit 1")
    assert f"{tmp_path}/bin/java cannot be run" in printed


@pytest.mark.skipif(not has_java(), reason=NO_JAVA)
def test_without_a_network_the_error_names_only_the_jars(tmp_path: Path) -> None:
    nobody = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9"
    pinterest = Pinterest(
        tmp_path / "home",
        PINTEREST_ENGINE="spark",
        # A home without downloaded jars.
        JAVA_TOOL_OPTIONS=f"-Duser.home={tmp_path} {nobody}",
        # PySpark sets this variable with a session on a server; users can set it, too.
        SPARK_CONNECT_MODE_ENABLED="1",
        SPARK_REMOTE="sc://127.0.0.1:9",
    )
    done = pinterest("query", "SELECT 1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert DELTA in done.stderr
    assert "check the network" in done.stderr


@pytest.mark.skipif(not has_java(), reason=NO_JAVA)
def test_a_query_cannot_read_the_environment(tmp_path: Path) -> None:
    """Spark substitutes its variables in the text before parsing, even within strings."""
    pinterest = Pinterest(tmp_path / "home", PINTEREST_ENGINE="spark", PLANTED="s3cret")
    done = pinterest("query", "SELECT '${env:PLANTED}' AS said", "--format", "csv")
    assert done.stdout == "said\n${env:PLANTED}\n", done.stderr
