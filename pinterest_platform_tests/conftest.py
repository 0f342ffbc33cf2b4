"""What all tests share: one Sail session, and an environment without settings of the caller's."""

import os
import sys
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

from pinterest_platform.engines.engine import opened
from pinterest_platform.engines.registry import engine_type
from pinterest_platform.environment import reach_this_machine_directly
from pinterest_platform.places import Places

# The servers of the tests, too, are on this machine, whatever proxy there is.
reach_this_machine_directly()

# Spark sessions of the tests are short: they end before the JVM's second compiler, which takes a
# third of their CPU time, has paid off.
os.environ["SPARK_SUBMIT_OPTS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

# Modules with which a test starts a process of its own: a server, or the command.
_STARTERS = {"subprocess", "pinterest_platform.local_aws", "pinterest_platform.processes"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start processes as ``server``: `make check` leaves them out.

    What counts is what the module of the test, and those of its fixtures, import.
    """
    for item in items:
        assert isinstance(item, pytest.Function)
        fixtures = [found[-1] for found in item._fixtureinfo.name2fixturedefs.values()]
        modules = {item.module.__name__, *(fixture.func.__module__ for fixture in fixtures)}
        if any(map(_starts_processes, modules)):
            item.add_marker(pytest.mark.server)


@cache
def _starts_processes(module: str) -> bool:
    imported = _imported_by(module)
    tests = {name for name in imported if name.startswith((__package__, "local_servers"))}
    return not imported.isdisjoint(_STARTERS) or any(map(_starts_processes, tests - {module}))


def _imported_by(module: str) -> set[str]:
    """The modules that a module has, or has something of."""
    return {
        value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        for value in vars(sys.modules[module]).values()
    } & set(sys.modules) - {module}


# For a session in which tests name the places themselves.
NOWHERE = Places(lake="", landing="", topics={}, start_date=date(2026, 1, 1))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session on a real engine. Tests that write do so below their own tmp_path."""
    with opened(engine_type("sail"), NOWHERE) as session:
        yield session


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings, the lake or the Dagster instance of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("PINTEREST_", "DAGSTER_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PINTEREST_HOME", str(tmp_path / "home"))
