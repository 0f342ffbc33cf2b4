"""Raw rows to transform, as they would have arrived."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pinterest_platform.tables import raw

ARRIVED = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)

RawRows = Callable[..., DataFrame]


@pytest.fixture
def raw_rows(spark: SparkSession) -> RawRows:
    """Makes raw rows: a dict becomes JSON, a str stays, bytes are what is not UTF-8.

    Offsets count up from ``first_offset``; ``hours`` shifts the arrival; None is the same for all.
    """
    types = ", ".join(f"{column.name} {column.type}" for column in raw.COLUMNS)

    def make(
        *values: Any, first_offset: int = 0, hours: float = 0, partition: int = 0
    ) -> DataFrame:
        arrived_at = ARRIVED + timedelta(hours=hours)
        rows = [
            (
                None if isinstance(value, bytes) else _text(value),
                value if isinstance(value, bytes) else None,
                "pinterest.any",
                str(partition),
                str(offset),
                "topics/any.json",
                arrived_at,
                arrived_at,
                arrived_at.date(),
            )
            for offset, value in enumerate(values, first_offset)
        ]
        return spark.createDataFrame(rows, types)

    return make


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
