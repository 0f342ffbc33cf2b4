"""The number of queries and commits in a run: on Spark, they cost more than the rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql.connect.client import SparkConnectClient

from pinterest_platform.tables import raw
from pinterest_platform.tables.catalog import OUTPUTS, TABLES
from pinterest_platform_tests.build.conftest import Platform
from pinterest_platform_tests.landing import NOON, land_posts

DAY = NOON.date()
EMPTY = (*(table.full_name for table in raw.STREAM.values()), "cleaned.quarantine")

Queries = Callable[[], int]


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> Queries:
    """Counts the queries and commands sent to the engine since the last call."""
    sent = []
    send = SparkConnectClient._execute_and_fetch

    def counted(client: SparkConnectClient, *arguments: Any, **named: Any) -> Any:
        sent.append(arguments)
        return send(client, *arguments, **named)

    monkeypatch.setattr(SparkConnectClient, "_execute_and_fetch", counted)

    def since_last() -> int:
        count = len(sent)
        sent.clear()
        return count

    return since_last


def commits(platform: Platform) -> dict[str, int]:
    """The number of commits in each table's log."""
    lake = Path(platform.places.lake)
    return {
        name: len(list(lake.glob(f"{name.replace('.', '/')}/_delta_log/*.json"))) for name in TABLES
    }


def test_the_queries_and_commits_of_runs(platform: Platform, queries: Queries) -> None:
    # Every run replaces tables without days; posts only while they are few.
    replaced = {"analytics.posts", *(table.full_name for table in OUTPUTS)}
    land_posts(platform.landing, range(20))
    platform.all(DAY)
    first, made = queries(), commits(platform)
    # The first commit creates the table, and the second writes its rows.
    assert made == dict.fromkeys(TABLES, 2) | dict.fromkeys(EMPTY, 1)

    land_posts(platform.landing, range(20, 22), offset=20)
    platform.all(DAY)
    second, after = queries(), commits(platform)
    added = {name: after[name] - made[name] for name in TABLES}
    assert added == dict.fromkeys(TABLES, 1) | dict.fromkeys(EMPTY, 0)

    platform.all(DAY)
    third, last = queries(), commits(platform)
    assert {name for name in TABLES if last[name] > after[name]} == replaced
    # Limits for 22 tables with 95 checks: lower them when a run needs fewer queries.
    assert first <= 86
    assert second <= 83
    assert third <= 39
