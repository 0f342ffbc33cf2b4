"""Conflicts with concurrent writers, and the retries that they need."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

# A writer loses at most one race per round to each other writer of the table. More than a handful
# of concurrent writers is a configuration error that should surface.
ATTEMPTS = 6

# Error markers of a concurrent commit, for writers and for readers of the log.
_CONFLICTS = (
    "Failed to commit transaction",
    "Missing commit file",
    "ConcurrentAppend",
    "ConcurrentDelete",
    "DELTA_CONC",
    # Raised when two writers create the same table concurrently.
    "DELTA_PROTOCOL_CHANGED",
    "DELTA_METADATA_CHANGED",
)

T = TypeVar("T")


def retried(action: Callable[[], T]) -> T:
    """Run an action on a table, and retry it after a conflict with another writer.

    A retry repeats the read that the write depends on, so the other writer's rows are kept.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        # With a JVM in this process, PySpark passes Delta's exceptions on unconverted.
        except (PySparkException, Py4JJavaError) as error:
            if not is_conflict(error):
                raise
            # Random, so that two writers do not collide again.
            time.sleep(random.uniform(0, 0.2 * 2**attempt))  # noqa: S311
    return action()


def is_conflict(error: Exception) -> bool:
    """Whether an engine's error means that another writer committed first."""
    return any(sign in str(error) for sign in _CONFLICTS)
