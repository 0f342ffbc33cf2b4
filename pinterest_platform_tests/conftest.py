"""What all tests share: one Sail session, and an environment without settings of the caller's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pinterest_platform.engines.sail import sail_session
from pinterest_platform.environment import reach_this_machine_directly

# The servers of the tests, too, are on this machine, whatever proxy there is.
reach_this_machine_directly()


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session on a real engine. Tests that write do so below their own tmp_path."""
    with sail_session() as session:
        yield session


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings, the lake or the Dagster instance of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("PINTEREST_", "DAGSTER_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PINTEREST_HOME", str(tmp_path / "home"))
