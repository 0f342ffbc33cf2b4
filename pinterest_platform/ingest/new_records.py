"""What a channel has that a raw table has not: the answer of both channels to the same question."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import DataFrame


class Watermark(Protocol):
    """How far a raw table has ingested its topic or stream."""

    def to_json(self) -> dict[str, Any]:
        """The watermark as Dagster's metadata keeps it."""
        ...


@dataclass(frozen=True)
class NewRecords:
    """Records that arrived and are not in the raw table.

    Args:
        facts: what was found, by name.
        watermark: gives the table's watermark once the rows are in it; None without a stream.
        rows: reads them, with the columns of ``ingest.rows``; None when there are none.
    """

    facts: dict[str, int]
    watermark: Callable[[], Watermark | None]
    rows: Callable[[], DataFrame] | None = None
