"""What a user reads where Apache Spark cannot start: before a JVM is started at all."""

from pathlib import Path

import pytest

from pinterest_platform.engines.spark import spark_session
from pinterest_platform.errors import PlatformError


def said_with_java(monkeypatch: pytest.MonkeyPatch, home: Path, script: str) -> str:
    """What is said where ``JAVA_HOME`` has this for a java."""
    java = home / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(home))
    return refused()


def refused() -> str:
    with pytest.raises(PlatformError) as raised, spark_session(on_s3=False):
        pass
    assert "install" in str(raised.value)
    assert "PINTEREST_ENGINE" in str(raised.value)
    return str(raised.value)


def test_without_java_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no java on the PATH" in refused()


@pytest.mark.parametrize(
    ("said", "version"), [('openjdk version "11.0.2"', "11"), ('java version "1.8.0_412"', "8")]
)
def test_a_java_that_is_too_old_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, version: str
) -> None:
    script = f"echo '{said}' >&2"
    assert f"is Java {version}:" in said_with_java(monkeypatch, tmp_path, script)


def test_a_java_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = said_with_java(monkeypatch, tmp_path, "exit 1")
    assert f"{tmp_path}/bin/java cannot be run" in said
