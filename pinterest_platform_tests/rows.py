"""Rows of a DataFrame as plain Python values, for comparison with expected ones."""

from typing import Any

from pyspark.sql import DataFrame

# Columns whose values differ between two runs over the same records.
VOLATILE = (
    "ingested_at",
    "cleaned_at",
    "pin_version",
    "geolocation_version",
    "user_version",
)


def column(frame: DataFrame, name: str) -> list[Any]:
    """The values of one column, in the frame's order."""
    return [row[name] for row in frame.select(name).collect()]


def records(frame: DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """The rows as sorted tuples of the named columns, by default all."""
    chosen = frame.select(*names) if names else frame
    return sorted((tuple(row) for row in chosen.collect()), key=repr)
