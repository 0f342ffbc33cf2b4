"""The rows of a request: the tables of a lake, restricted to the request's days."""

from collections.abc import Callable
from datetime import date

from pyspark.sql import DataFrame
from typing_extensions import override

from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.stored_rows import of_days
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Rows, Table


class TableRows(Rows):
    """The rows of tables in the lake, for the days of a request."""

    def __init__(
        self,
        lake: Lake,
        days: tuple[date, ...] = (),
        readings: Callable[[Table, tuple[date, ...]], DataFrame] | None = None,
    ) -> None:
        self._lake = lake
        self._days = days
        self._readings = readings

    @override
    def __call__(self, table: str, *, all_days: bool = False) -> DataFrame:
        whole = self._lake.read(TABLES[table])
        if all_days or not self._days or not TABLES[table].daily:
            return whole
        return of_days(whole, self._days)

    @override
    def readings(self, table: str) -> DataFrame:
        assert self._readings is not None, table  # noqa: S101 - only checks call it
        return self._readings(TABLES[table], self._days)

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the request."""
        return self._days
