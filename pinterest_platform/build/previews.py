"""Shows rows as text in metadata."""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Preview

# Enough of a cell to recognise its row; the event log keeps it.
_CELL = 80
_UNCUT = 2**20


class Previews:
    """Small DataFrames that are collected as text.

    Args:
        frames: the DataFrames by name; their rows stay in order if they have a limit.
        whole: the names of those whose long cells are not cut.
    """

    def __init__(self, frames: Mapping[str, DataFrame], whole: Collection[str] = ()) -> None:
        self._frames = frames
        self._lengths = {name: _UNCUT if name in whole else _CELL for name in frames}

    def parts(self) -> list[DataFrame]:
        """A row for each DataFrame, for a union: (name, its cells as text)."""
        return [self._part(name, rows) for name, rows in self._frames.items()]

    def read(self, name: str, cells: Sequence[Sequence[str | None]]) -> Preview:
        """The rows of a DataFrame, from the cells of its part. Binary ones are hexadecimal."""
        columns, length = self._frames[name].columns, self._lengths[name]
        return [
            {column: _cell(text, length) for column, text in zip(columns, row, strict=True)}
            for row in cells
        ]

    def collect(self) -> dict[str, Preview]:
        """The rows of all DataFrames, by name, in one query."""
        if not self._frames:
            return {}
        found = reduce(DataFrame.unionAll, self.parts()).collect()
        return {row["name"]: self.read(row["name"], row["cells"]) for row in found}

    def _part(self, name: str, rows: DataFrame) -> DataFrame:
        length = self._lengths[name]
        cells = F.array(*(_as_text(column, type_, length) for column, type_ in rows.dtypes))
        return rows.select(cells.alias("cells")).agg(
            F.lit(name).alias("name"), F.collect_list("cells").alias("cells")
        )


def _as_text(column: str, type_: str, length: int) -> SparkColumn:
    text = F.hex(column) if type_ == "binary" else F.col(column).cast("string")
    # One character more shows whether the text is longer.
    return F.substring(text, 1, length + 1)


def _cell(text: str | None, length: int) -> str:
    if text is None:
        return ""
    return text if len(text) <= length else f"{text[: length - 1]}…"
