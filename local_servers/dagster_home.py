"""The Dagster instance of another process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance


@contextmanager
def instance_at(home: Path) -> Iterator[DagsterInstance]:
    """Open the instance in a folder, whose dagster.yaml refers to DAGSTER_HOME."""
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        opened = DagsterInstance.from_config(str(home))
    finally:
        del os.environ["DAGSTER_HOME"]
        if before is not None:
            os.environ["DAGSTER_HOME"] = before
    with opened as instance:
        yield instance
