"""A few rows as text, for metadata."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Preview

# Enough of a cell to recognise its row; the event log keeps it.
_CELL = 80


def preview(rows: DataFrame) -> Preview:
    """All of the rows as text; long cells are cut and binary ones in hexadecimal."""
    printable = rows.select(
        *(
            F.hex(name).alias(name) if type_ == "binary" else F.col(name).cast("string")
            for name, type_ in rows.dtypes
        )
    )
    return [
        {name: _cell(value) for name, value in row.asDict().items()} for row in printable.collect()
    ]


def _cell(text: str | None) -> str:
    if text is None:
        return ""
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
