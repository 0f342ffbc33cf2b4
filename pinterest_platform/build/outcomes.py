"""The outcomes of a build: what happened to each table and check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import TypeAdapter

from pinterest_platform.tables.contract import Severity

# Rows as they are printed: texts by column.
Preview = list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Materialized:
    """A table was made.

    Args:
        table: its full name.
        rows: of each requested day; empty for an unpartitioned table.
        total_rows: of all days.
        preview: a few of its rows.
        seconds: that the write took.
        breakdown: counts of the made rows by the table's breakdown columns.
        facts: what ingestion found, by name.
        watermark: of a raw table, the JSON of how far it has ingested its topic or stream; see
            ``ingest.landing.watermark`` and ``ingest.kinesis.watermark``.
    """

    table: str
    rows: dict[date, int]
    total_rows: int
    preview: Preview
    seconds: float
    breakdown: Preview = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    watermark: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The result of a check: the numbers of covered and offending rows, samples, and facts."""

    table: str
    check: str
    passed: bool
    severity: Severity
    offending: int
    rows_checked: int
    samples: Preview = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    blocking: bool = True

    @property
    def is_error(self) -> bool:
        """Whether it failed, and is no mere warning."""
        return not self.passed and self.severity == "error"

    @property
    def stops(self) -> bool:
        """Whether nothing may be made from the table."""
        return self.is_error and self.blocking

    @property
    def description(self) -> str:
        """The reason or, without one, how many rows offend."""
        return self.reason or f"{self.offending:,} of {self.rows_checked:,} rows offend"


@dataclass(frozen=True)
class Skipped:
    """A table was not made, because a table that it is made from failed a check."""

    table: str
    because: str


@dataclass(frozen=True, kw_only=True)
class Maintained:
    """The files of a table were maintained: their number and bytes, before and after."""

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


Outcome = Materialized | Checked | Skipped | Maintained

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in (Materialized, Checked, Skipped, Maintained)
}


def summary(outcome: Outcome) -> str:
    """What happened, in one line."""
    match outcome:
        case Materialized():
            return f"made {outcome.table}: {outcome.total_rows:,} rows, {outcome.seconds:.1f} s"
        case Checked():
            verdict = "passed" if outcome.passed else "failed"
            return f"{outcome.table} {verdict} {outcome.check}: {outcome.description}"
        case Skipped():
            return f"{outcome.table} was not made, because {outcome.because} failed"
        case Maintained():
            return (
                f"maintained {outcome.table}: {outcome.files_before:,} -> {outcome.files_after:,} "
                f"files, {outcome.bytes_before:,} -> {outcome.bytes_after:,} bytes"
            )


def to_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON values: ``{"Skipped": {...}}``."""
    name = type(outcome).__name__
    return {name: _ADAPTERS[name].dump_python(outcome, mode="json")}


def from_json(found: Mapping[str, Any]) -> Outcome:
    """The outcome that ``to_json`` wrote."""
    ((name, fields),) = found.items()
    outcome: Outcome = _ADAPTERS[name].validate_python(fields)
    return outcome
