"""The scenario for every engine, and its results: tables and outcomes."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from pinterest_platform.build import table_writer
from pinterest_platform.build.outcomes import Checked, Materialized, Outcome
from pinterest_platform.build.request import Request
from pinterest_platform.build.tables import build
from pinterest_platform.kinds import KINDS
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.stored_rows import of_days
from pinterest_platform.places import Places
from pinterest_platform.tables.catalog import TABLES, in_schema
from pinterest_platform_tests.engines.conformance.engine_process import (
    DEADLINE_SECONDS,
    EngineProcess,
    engine_process,
)
from pinterest_platform_tests.engines.conformance.events import (
    Summary,
    check_evaluations,
    materialisations,
)
from pinterest_platform_tests.engines.conformance.lakes import (
    Rows,
    empty,
    files_of_partitions,
    make_outdated,
    rows_of,
    spoil,
    tables_of,
)
from pinterest_platform_tests.engines.conformance.posts import AFTER, BEFORE, DAY, DAYS
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.rows import VOLATILE

# Tables that an engine builds from tables of another. The run covers all of them.
CONTINUED = (
    *(table.full_name for schema in ("raw", "cleaned") for table in in_schema(schema)),
    "analytics.posts",
    "analytics.category_counts_by_country",
    "analytics.users_joined_by_year",
    "analytics.median_followers_by_joining_year_and_age_group",
)
AGAIN = ("raw.pin", "raw.pin_stream", "cleaned.quarantine", "cleaned.pins")
MAINTAINED = ("raw.pin", "cleaned.pins", "analytics.posts")
AT_ONCE = ("raw.geo", "cleaned.geolocations")
OUTDATED = TABLES["analytics.users_joined_by_year"]


@dataclass(frozen=True)
class Site:
    """The landed posts that all engines read: the first arrivals, and those with later ones."""

    folder: Path
    aws: dict[str, str]

    @property
    def first(self) -> Path:
        return self.folder / "first"

    @property
    def later(self) -> Path:
        return self.folder / "later"

    @property
    def spoilt(self) -> Path:
        """A copy of the first lake built here, with rows that fail every check."""
        return self.folder / "spoilt"

    @property
    def emptied(self) -> Path:
        """Another copy, without rows in the analytics."""
        return self.folder / "emptied"

    def places(self, lake: Path, landing: Path) -> Places:
        return Places(
            lake=str(lake),
            landing=str(landing),
            topics={name: kind.topic("pinterest") for name, kind in KINDS.items()},
            streams={name: kind.stream("pinterest") for name, kind in KINDS.items()},
            start_date=date(2026, 1, 1),
            parameters={"post_years": (2018, 2022), "joining_years": (2015, 2020)},
            region=self.aws["AWS_REGION"],
        )


@dataclass(frozen=True)
class Under:
    """An engine and its environment."""

    name: str
    remote: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Played:
    """The results of an engine. Lakes are snapshots after each step."""

    printed: str
    exit_code: int
    materialisations: dict[str, Summary]
    evaluations: dict[str, Summary]
    after_run: Rows
    after_continuing: Rows
    after_again: Rows
    after_upkeep: Rows
    files_after_upkeep: dict[str, list[int]]
    after_at_once: Rows
    continued: dict[str, Materialized]
    spoilt: dict[tuple[str, str], Checked]
    emptied: dict[tuple[str, str], Checked]


def play(under: Under, site: Site, home: Path, sail: EngineProcess) -> Played:
    """Run the scenario on an engine; ``sail`` takes the turns of another engine."""
    lake, other = home / "lake", home / "at_once"
    environment = site.aws | under.environment
    pinterest = Pinterest(
        home,
        PINTEREST_ENGINE=under.name,
        PINTEREST_SPARK_REMOTE=under.remote,
        PINTEREST_LANDING=str(site.first),
        **environment,
    )
    process = pinterest.start("run", "--from", BEFORE.isoformat(), "--to", DAY.isoformat())
    printed, errors = process.communicate(timeout=DEADLINE_SECONDS)
    after_run = tables_of(lake)
    sail(created, site.places(lake, site.first), list(TABLES), [AFTER])
    if not site.spoilt.exists():
        spoil(lake, site.spoilt)
        empty(lake, site.emptied)
    make_outdated(lake, OUTDATED)
    places = site.places(lake, site.later)
    with engine_process(under.name, places, under.remote, environment) as engine:
        continued = engine(created, places, CONTINUED, DAYS)
        after_continuing = tables_of(lake)
        engine(created, places, AGAIN, [DAY])
        after_again = tables_of(lake)
        engine(maintained, places)
        after_upkeep = {name: rows_of(lake, TABLES[name]) for name in MAINTAINED}
        files = {name: files_of_partitions(lake, TABLES[name]) for name in MAINTAINED}
        engine(written_at_once, str(lake), str(other))
        return Played(
            printed + errors,
            process.returncode,
            materialisations(home),
            check_evaluations(home),
            after_run,
            after_continuing,
            after_again,
            after_upkeep,
            files,
            {name: rows_of(other, TABLES[name]) for name in AT_ONCE},
            {outcome.table: outcome for outcome in continued if isinstance(outcome, Materialized)},
            engine(checked, site.places(site.spoilt, site.first), list(TABLES)),
            engine(
                checked,
                site.places(site.emptied, site.first),
                [table.full_name for table in in_schema("analytics")],
                "not_empty",
            ),
        )


def created(
    spark: SparkSession, places: Places, tables: Iterable[str], days: Sequence[date]
) -> list[Outcome]:
    """Build tables without their checks; returns the outcomes, without values that vary."""
    # By default, small tables like these are always rebuilt.
    table_writer.SMALL_ROWS, table_writer.LARGEST_SHARE = 0, 1.0
    outcomes = build(spark, places, Request(tables=tuple(tables), checks=(), days=tuple(days)))
    return [_comparable(outcome) for outcome in outcomes]


def maintained(spark: SparkSession, places: Places) -> list[Outcome]:
    """Compact the files of some tables."""
    return list(build(spark, places, Request(upkeep=MAINTAINED)))


def written_at_once(spark: SparkSession, source: str, target: str) -> None:
    """Let three writers create a table and add the same rows, and three replace overlapping days.

    The rows come from another lake: in Apache Spark, concurrent threads of a session cannot
    register the data source of records.
    """
    held = Lake(spark, source)
    added, replaced = (TABLES[name] for name in AT_ONCE)

    def add(days: Sequence[date]) -> None:
        Lake(spark, target).add(added, lambda: held.read(added), days)

    def replace_days(days: Sequence[date]) -> None:
        rows = of_days(held.read(replaced), days)
        Lake(spark, target).replace_days(replaced, lambda: rows, days)

    held.read(added)
    held.read(replaced)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(add, [DAYS] * 3))
        list(threads.map(replace_days, (DAYS, DAYS[:2], DAYS[1:])))


def checked(
    spark: SparkSession, places: Places, tables: Iterable[str], only: str = ""
) -> dict[tuple[str, str], Checked]:
    """Run all checks of tables, or those of one name, for all days, without building tables."""
    requested = tuple(
        (name, check.name)
        for name in tables
        for check in TABLES[name].checks
        if only in ("", check.name)
    )
    return {
        (outcome.table, outcome.check): outcome
        for outcome in build(spark, places, Request(tables=(), checks=requested))
        if isinstance(outcome, Checked)
    }


def _comparable(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Materialized):
        return outcome
    preview = [
        {name: cell for name, cell in row.items() if name not in VOLATILE}
        for row in outcome.preview
    ]
    return replace(outcome, preview=preview, seconds=0.0)
