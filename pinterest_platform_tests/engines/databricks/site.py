"""A local Databricks, an AWS with posts, and a platform that builds its tables there."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import Run
from deltalake import DeltaTable

from local_servers.dagster_home import instance_at
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform_tests.databricks.workspace import Workspace, running_workspace
from pinterest_platform_tests.landing import as_json
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.process_tree import below
from pinterest_platform_tests.s3_lists import PLACE, S3

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()


class Site:
    """A workspace whose tasks and clusters have the variables ``aws``, as from a role."""

    def __init__(self, workspace: Workspace, folder: Path, aws: Mapping[str, str]) -> None:
        self.workspace = workspace
        self.client = WorkspaceClient(host=workspace.host, token=workspace.token)
        self._folder = folder
        self._homes = 0
        workspace.environment.update(aws)

    def pinterest(self, **settings: str) -> Pinterest:
        """The command, with its own home and tables, on this workspace."""
        self._homes += 1
        name = f"n{self._homes}_"
        return Pinterest(
            self._folder / name,
            **{
                "PINTEREST_ENGINE": "databricks",
                "PINTEREST_LANDING": f"{PLACE}/{name}",
                "PINTEREST_DATABRICKS_SCHEMA_PREFIX": name,
                "DATABRICKS_HOST": self.workspace.host,
                "DATABRICKS_TOKEN": self.workspace.token,
            }
            | settings,
        )

    def table(self, pinterest: Pinterest, name: str) -> DeltaTable:
        """A table ('raw.pin'), read by another implementation of Delta."""
        schema, table = name.split(".")
        prefix = pinterest.environment["PINTEREST_DATABRICKS_SCHEMA_PREFIX"]
        return DeltaTable(self.workspace.tables / f"{prefix}{schema}" / table)

    def rows(self, pinterest: Pinterest, name: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        rows: list[dict[str, Any]] = self.table(pinterest, name).to_pyarrow_table().to_pylist()
        return rows

    def run(self, number: int, life_cycle: str = "TERMINATED") -> Run:
        """The run after ``number`` other submissions, once it has ended."""
        return self.client.jobs.get_run(self.workspace.wait_for_run(number, life_cycle))

    def task_processes(self) -> Collection[int]:
        """The processes of running tasks."""
        mine = str(self.workspace.volumes.parent)
        commands = below(os.getpid())
        return [pid for pid, text in commands.items() if "run_task.py" in text and mine in text]


@contextmanager
def running_site(folder: Path, aws: Mapping[str, str]) -> Iterator[Site]:
    """A site in its own folder."""
    with running_workspace(folder) as workspace:
        yield Site(workspace, folder, aws)


def land(
    s3: S3,
    pinterest: Pinterest,
    *values: Any,
    topic: str = "pinterest.pin",
    offset: int = 0,
    arrived_at: datetime = NOW,
) -> None:
    """Write a landing object to the platform's landing place; bytes stay unchanged."""
    folder = pinterest.environment["PINTEREST_LANDING"].removeprefix(f"{PLACE}/")
    lines = [value if isinstance(value, bytes) else as_json(value) for value in values]
    content = b"".join(line + b"\n" for line in lines)
    s3.put(f"{folder}/{LandingKey(topic, 0, offset)}", content, arrived_at)


@contextmanager
def instance_of(pinterest: Pinterest) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance in its home."""
    with instance_at(pinterest.home / "dagster") as instance:
        yield instance
