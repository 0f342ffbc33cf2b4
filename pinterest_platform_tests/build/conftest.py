"""A landing folder, and a lake whose tables are built from it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pinterest_platform.build.outcomes import Checked, Materialized, Outcome, Skipped
from pinterest_platform.build.request import Request
from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.build.tables import build
from pinterest_platform.kinds import KINDS
from pinterest_platform.lake.delta import Lake
from pinterest_platform.places import Places
from pinterest_platform.tables.catalog import TABLES, in_schema
from pinterest_platform.tables.cleaned.balance import days_behind
from pinterest_platform_tests.kinesis import TurnedKinesis, turned_kinesis
from pinterest_platform_tests.rows import VOLATILE


class Platform:
    """Builds whole layers and returns the rows of tables."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.landing = folder / "landing"
        self.landing.mkdir()
        self.places = Places(
            lake=str(folder / "lake"),
            landing=str(self.landing),
            topics={name: kind.topic("pinterest") for name, kind in KINDS.items()},
            streams={name: kind.stream("pinterest") for name, kind in KINDS.items()},
            start_date=date(2026, 1, 1),
            parameters={"post_years": (2018, 2022), "joining_years": (2015, 2020)},
        )
        self.spark = spark

    def build(
        self, tables: Iterable[str], days: Iterable[date] = (), *, full: bool = False
    ) -> list[Outcome]:
        names = tuple(tables)
        checks = tuple((name, check.name) for name in names for check in TABLES[name].checks)
        request = Request(tables=names, checks=checks, days=tuple(days), full=full)
        return list(build(self.spark, self.places, request))

    def check(self, table: str, check: str, *days: date) -> list[Outcome]:
        """Run one check without building a table."""
        request = Request(tables=(), checks=((table, check),), days=days)
        return list(build(self.spark, self.places, request))

    def layer(self, schema: str, *days: date, full: bool = False) -> list[Outcome]:
        return self.build([table.full_name for table in in_schema(schema)], days, full=full)

    def all(self, *days: date) -> list[Outcome]:
        return [
            *self.layer("raw", *days),
            *self.layer("cleaned", *days),
            *self.layer("analytics"),
        ]

    def days_behind(self) -> list[date]:
        """The days whose cleaned tables lack raw rows."""
        lake = Lake(self.spark, self.places.lake)
        return sorted(
            {row["day"] for row in days_behind(TableRows(lake), [*KINDS.values()]).collect()}
        )

    def rows(self, table: str, *without: str) -> list[tuple[Any, ...]]:
        frame = Lake(self.spark, self.places.lake).read(TABLES[table]).drop(*without)
        return sorted((tuple(row) for row in frame.collect()), key=repr)

    def make(self, *days: date, full: bool = False) -> None:
        """All tables, without their checks."""
        for schema, of_days in (("raw", days), ("cleaned", days), ("analytics", ())):
            names = tuple(table.full_name for table in in_schema(schema))
            self.make_only(names, of_days, full=full)

    def make_only(self, tables: Iterable[str], days: Iterable[date], *, full: bool = False) -> None:
        """Build some tables without running their checks."""
        request = Request(tables=tuple(tables), checks=(), days=tuple(days), full=full)
        list(build(self.spark, self.places, request))

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables, without columns that differ between runs."""
        return {name: self.rows(name, *VOLATILE) for name in TABLES}


def failed(outcomes: Iterable[Outcome]) -> list[str]:
    """The failed error checks, and the tables not built: '<table>:<check>', '<table>'."""
    return [
        f"{outcome.table}:{outcome.check}" if isinstance(outcome, Checked) else outcome.table
        for outcome in outcomes
        if isinstance(outcome, Skipped) or (isinstance(outcome, Checked) and outcome.stops)
    ]


def checked(outcomes: Iterable[Outcome], table: str, check: str) -> Checked:
    """The outcome of one check."""
    return next(
        outcome
        for outcome in outcomes
        if isinstance(outcome, Checked) and (outcome.table, outcome.check) == (table, check)
    )


def built(outcomes: Iterable[Outcome], table: str) -> Materialized:
    """The outcome of building a table."""
    return next(
        outcome
        for outcome in outcomes
        if isinstance(outcome, Materialized) and outcome.table == table
    )


@pytest.fixture
def platform(spark: SparkSession, tmp_path: Path) -> Platform:
    return Platform(spark, tmp_path)


PlatformOf = Callable[[Path], Platform]


@pytest.fixture
def platform_of(spark: SparkSession) -> PlatformOf:
    """Platforms in separate folders, to compare."""

    def make(folder: Path) -> Platform:
        folder.mkdir()
        return Platform(spark, folder)

    return make


@pytest.fixture
def kinesis(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[TurnedKinesis]:
    """A Kinesis with the platform's streams."""
    with turned_kinesis() as (kinesis, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        platform.places = replace(platform.places, region=environment["AWS_REGION"])
        yield kinesis
