"""Shows rows as text in metadata."""

from collections.abc import Collection, Mapping
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Preview

# Enough of a cell to recognise its row; the event log keeps it.
_CELL = 80
_UNCUT = 2**20


def previews(frames: Mapping[str, DataFrame], whole: Collection[str] = ()) -> dict[str, Preview]:
    """Collect small DataFrames as text in one query.

    Args:
        frames: the DataFrames by name; their rows stay in order if they have a limit.
        whole: the names of those whose long cells are not cut.

    Returns:
        The rows by name. Binary cells are hexadecimal.
    """
    if not frames:
        return {}
    lengths = {name: _UNCUT if name in whole else _CELL for name in frames}
    parts = [_part(name, rows, lengths[name]) for name, rows in frames.items()]
    return {
        part["name"]: [
            {
                column: _cell(text, lengths[part["name"]])
                for column, text in zip(frames[part["name"]].columns, row, strict=True)
            }
            for row in part["rows"]
        ]
        for part in reduce(DataFrame.unionAll, parts).collect()
    }


def _part(name: str, rows: DataFrame, length: int) -> DataFrame:
    cells = F.array(*(_as_text(column, type_, length) for column, type_ in rows.dtypes))
    return rows.select(cells.alias("cells")).agg(
        F.lit(name).alias("name"), F.collect_list("cells").alias("rows")
    )


def _as_text(column: str, type_: str, length: int) -> SparkColumn:
    text = F.hex(column) if type_ == "binary" else F.col(column).cast("string")
    # One character more shows whether the text is longer.
    return F.substring(text, 1, length + 1)


def _cell(text: str | None, length: int) -> str:
    if text is None:
        return ""
    return text if len(text) <= length else f"{text[: length - 1]}…"
