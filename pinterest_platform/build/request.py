"""The request: which tables to make, check and maintain, for which days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Request:
    """Tables to build and checks (table, name) to run, for some days; no days for analytics.

    A ``full`` request rebuilds cleaned tables and posts. Others only add new records to them. The
    files of the tables in ``upkeep`` are maintained afterwards; see ``lake.upkeep``.
    """

    tables: tuple[str, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    days: tuple[date, ...] = ()
    full: bool = False
    upkeep: tuple[str, ...] = ()
    retention_days: int = 7

    def to_json(self) -> dict[str, Any]:
        """The request as JSON values."""
        found: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Request":
        """The request that ``to_json`` wrote."""
        return _ADAPTER.validate_python(dict(found))


_ADAPTER = TypeAdapter(Request)
