"""What an engine is asked for and what it answers: plain values that can cross a process border."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import DataFrame

from pinterest_platform.tables.contract import Severity


@dataclass(frozen=True)
class Places:
    """Where data comes from and goes to, and the limits of the outputs."""

    lake: str
    landing: str
    topics: dict[str, str]  # kind -> topic
    start_date: date
    parameters: dict[str, Any] = field(default_factory=dict)  # of the transforms, by name
    streams: dict[str, str] = field(default_factory=dict)  # kind -> Kinesis stream
    region: str = ""  # of the streams; without one, what AWS's own configuration says
    # What the processes that read must have in their environment to be let in: credentials, so it
    # is never printed, and in no message.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


# Partition or shard -> how far it was read.
Reached = Mapping[str, str | list[int]]


@dataclass(frozen=True)
class Found:
    """What has arrived and is not held: facts about it, and what reads its rows, if there are any.

    The rows have the columns of ``ingest.rows``. ``reached`` gives, once they are held, how far the
    table then goes; see ``Made``.
    """

    facts: dict[str, int]
    rows: Callable[[], DataFrame] | None = None
    reached: Callable[[], Reached] = dict


@dataclass(frozen=True)
class Request:
    """Tables to make and checks (table, name) to run, for some days; no days for analytics."""

    tables: tuple[str, ...]
    checks: tuple[tuple[str, str], ...]
    days: tuple[date, ...] = ()


@dataclass(frozen=True)
class Made:
    """A table was made.

    ``rows`` are the rows that the table now holds for each requested day; an unpartitioned table
    has one entry under None. ``preview`` are a few rows as they would be printed. ``breakdown`` are
    counts of the made rows by the table's breakdown columns. ``reached`` says, of a raw table, that
    what arrived on the requested days is held up to where: by partition the first offset of an
    object and its arrival in microseconds, or by shard the sequence number, with the stream's
    creation time under "created_at".
    """

    table: str
    rows: dict[date | None, int]
    total_rows: int
    preview: list[dict[str, str]]
    seconds: float
    breakdown: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    reached: Reached = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A check was run: how many of the rows it looked at offend, some of them, and its facts."""

    table: str
    check: str
    passed: bool
    severity: Severity
    offending: int
    looked_at: int
    samples: list[dict[str, str]]
    facts: dict[str, int] = field(default_factory=dict)
    told: str = ""  # what is wrong, in words
    blocking: bool = True

    @property
    def is_error(self) -> bool:
        """Whether it failed, and is no mere warning."""
        return not self.passed and self.severity == "error"

    @property
    def stops(self) -> bool:
        """Whether nothing may be made from the table."""
        return self.is_error and self.blocking


@dataclass(frozen=True)
class NotMade:
    """A table was not made, because a table that it is made from failed a check."""

    table: str
    because: str


Outcome = Made | Checked | NotMade


def told(outcome: Outcome) -> str:
    """What happened, in one line."""
    match outcome:
        case Made():
            return f"made {outcome.table}: {outcome.total_rows:,} rows, {outcome.seconds:.1f} s"
        case Checked():
            verdict = "passed" if outcome.passed else "failed"
            told = outcome.told or f"{outcome.offending:,} of {outcome.looked_at:,} rows offend"
            return f"{outcome.table} {verdict} {outcome.check}: {told}"
        case NotMade():
            return f"{outcome.table} was not made, because {outcome.because} failed"
