"""New records: how both channels describe the records that a raw table lacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import DataFrame


class Watermark(Protocol):
    """How far a raw table has ingested its topic or stream."""

    def to_json(self) -> dict[str, Any]:
        """The watermark as JSON, for Dagster's metadata."""
        ...


@dataclass(frozen=True)
class NewRecords:
    """Records that arrived and are not in the raw table.

    Args:
        facts: counts for the metadata, by name.
        watermark: returns the table's watermark after the ingestion; None without a stream.
        rows: reads the records, with the columns of ``ingest.rows``; None if there are none.
    """

    facts: dict[str, int]
    watermark: Callable[[], Watermark | None]
    rows: Callable[[], DataFrame] | None = None
