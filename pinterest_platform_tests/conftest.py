"""Shared by all tests: one Sail session, and an environment without the caller's settings."""

import os
import signal
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

# The tests' servers are on this machine: bypass any proxy.
reach_this_machine_directly()

# A shell's background job ignores SIGINT, and so do its children. Dagster copies the handler of
# SIGINT to SIGTERM: after a run in a test's own process, children would ignore SIGTERM, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent

# Modules with which a test starts a process of its own: a server, or the command.
_STARTERS = {"subprocess", "pinterest_platform.local_aws", "pinterest_platform.processes"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, and mark those that start processes as ``server``.

    `make check` leaves out the tests that start processes. The imports of a test's module and of
    its fixtures' modules decide.
    """
    items.sort(key=_rank)
    for item in items:
        assert isinstance(item, pytest.Function)
        fixtures = [found[-1] for found in item._fixtureinfo.name2fixturedefs.values()]
        modules = {item.module.__name__, *(fixture.func.__module__ for fixture in fixtures)}
        if any(map(_starts_processes, modules)):
            item.add_marker(pytest.mark.server)


def _rank(item: pytest.Item) -> int:
    """The rank of a test's file: the longest come first, so that both workers end together.

    The two suites on Apache Spark are kept apart, because each uses more than one core.
    """
    if item.path.stem == "test_on_spark_connect":
        return 2
    if item.path.parent.name == "conformance":
        return 0
    return 1 if item.path.parent == HERE else 3


@cache
def _starts_processes(module: str) -> bool:
    imported = _imported_by(module)
    tests = {name for name in imported if name.startswith((__package__, "local_servers"))}
    return not imported.isdisjoint(_STARTERS) or any(map(_starts_processes, tests - {module}))


def _imported_by(module: str) -> set[str]:
    """The modules that a module imports, entirely or in part."""
    return {
        value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        for value in vars(sys.modules[module]).values()
    } & set(sys.modules) - {module}


# For a session with locations chosen by the tests.
NOWHERE = Places(lake="", landing="", topics={}, start_date=date(2026, 1, 1))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session on a real engine. Tests write only below their own tmp_path."""
    with opened(engine_type("sail"), NOWHERE) as session:
        yield session


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the caller's settings, lake and Dagster instance from the tests."""
    for name in list(os.environ):
        if name.startswith(("PINTEREST_", "DAGSTER_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PINTEREST_HOME", str(tmp_path / "home"))
