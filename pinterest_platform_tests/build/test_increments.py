"""Incremental runs give the same rows as a rebuild, whatever arrives or is lost."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pinterest_platform.build import table_writer
from pinterest_platform.kinds import KINDS
from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.build.conftest import Platform, PlatformOf, checked, failed
from pinterest_platform_tests.landing import NOON, geo, pin, user
from pinterest_platform_tests.rows import VOLATILE

DAYS = (NOON.date(), (NOON + timedelta(days=1)).date())
MADE = (*(table for table in TABLES if table.startswith("cleaned.")), "analytics.posts")
LATER_COLUMNS = {*VOLATILE, "duplicates_dropped", "unreadable_follower_count"}
RECORD = {"pin": pin, "geo": geo, "user": user}


@dataclass(frozen=True)
class Record:
    """A record that arrives: of the post ``ind``, or not JSON if that is None."""

    kind: str
    stream: bool
    ind: int | None
    day: int
    hour: int


@dataclass(frozen=True)
class Ingestion:
    """Records that one run adds to the raw tables; ``minute`` is when the run started."""

    records: tuple[Record, ...]
    minute: int


@dataclass(frozen=True)
class Loss:
    """The deletion of a table, or its restoration to the state before the last run."""

    table: str
    restored: bool


Step = Ingestion | Loss | tuple[date, ...]

RECORDS = st.builds(
    Record,
    kind=st.sampled_from(sorted(KINDS)),
    stream=st.booleans(),
    ind=st.one_of(st.integers(1, 4), st.none()),
    day=st.integers(0, 1),
    hour=st.integers(0, 3),
)
INGESTIONS = st.builds(
    Ingestion,
    records=st.lists(RECORDS, min_size=1, max_size=8).map(tuple),
    # Independent of the order of commits: a run that started earlier can commit later.
    minute=st.integers(0, 5),
)
LOSSES = st.builds(Loss, table=st.sampled_from(MADE), restored=st.booleans())
RUNS = st.sets(st.sampled_from(DAYS), min_size=1).map(lambda days: tuple(sorted(days)))
STEPS = st.lists(st.one_of(INGESTIONS, INGESTIONS, RUNS, LOSSES), min_size=4, max_size=8)


def ingest(platform: Platform, ingestion: Ingestion, offset: int) -> None:
    ingested_at = NOON + timedelta(days=2, minutes=ingestion.minute)
    lake = Lake(platform.spark, platform.places.lake)
    for name, kind in KINDS.items():
        for stream, table in zip((False, True), kind.raw_tables, strict=True):
            rows = [
                raw_row(record, offset + at, ingested_at)
                for at, record in enumerate(ingestion.records)
                if (record.kind, record.stream) == (name, stream)
            ]
            if rows:
                frame = platform.spark.createDataFrame(rows, TABLES[table].ddl)
                lake.add(TABLES[table], partial(frame.select, "*"), DAYS)


def raw_row(record: Record, offset: int, ingested_at: datetime) -> tuple[object, ...]:
    value = "not json"
    if record.ind is not None:
        fields = RECORD[record.kind](record.ind, unique_id=f"offset {offset}")
        value = json.dumps(fields, default=datetime.isoformat)
    arrived_at = NOON + timedelta(days=record.day, hours=record.hour)
    source = None if record.stream else "topics/any.json"
    place = ("stream" if record.stream else "topic", "0", str(offset))
    return (value, None, *place, source, arrived_at, ingested_at, arrived_at.date())


def lose(lake: Path, loss: Loss, before: Path) -> None:
    path = Path(loss.table.replace(".", "/"))
    shutil.rmtree(lake / path, ignore_errors=True)
    if loss.restored and (before / path).exists():
        shutil.copytree(before / path, lake / path)


def play(platform: Platform, steps: Sequence[Step], before: Path) -> None:
    """Apply the steps, then run all days incrementally."""
    lake = Path(platform.places.lake)
    for number, step in enumerate([*steps, DAYS]):
        match step:
            case Ingestion():
                ingest(platform, step, 100 * number)
            case Loss():
                lose(lake, step, before)
            case tuple():
                shutil.rmtree(before, ignore_errors=True)
                if lake.exists():
                    shutil.copytree(lake, before)
                request(platform, step)


def request(platform: Platform, days: tuple[date, ...], *, full: bool = False) -> None:
    of_days = [table for table in MADE if TABLES[table].daily]
    platform.make_only(of_days, days, full=full)
    platform.make_only(["analytics.posts"], (), full=full)


@settings(
    max_examples=6,
    deadline=None,
    # Shrinking a failure takes many minutes; the printed blob reproduces it as it is.
    phases=[Phase.explicit, Phase.generate],
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(steps=STEPS)
def test_increments_give_the_same_rows_as_a_rebuild(
    platform_of: PlatformOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[Step],
) -> None:
    # By default, small tables like these are always rebuilt.
    monkeypatch.setattr(table_writer, "SMALL_ROWS", 0)
    monkeypatch.setattr(table_writer, "LARGEST_SHARE", 0.9)
    home = tmp_path / str(len(list(tmp_path.iterdir())))
    platform = platform_of(home)
    play(platform, steps, home / "before")
    incremental = platform.everything()
    request(platform, DAYS, full=True)
    assert platform.everything() == incremental
    outcomes = platform.check("cleaned.pins", "reconciles_with_raw", *DAYS)
    assert failed(outcomes) == []


def test_only_new_records_are_parsed(platform: Platform) -> None:
    """The cleaned rows of other posts do not change, not even ``cleaned_at``."""
    first = Ingestion((Record("pin", False, 1, 0, 0), Record("pin", False, 2, 0, 0)), 0)
    ingest(platform, first, 0)
    request(platform, DAYS)
    before = {row[0]: row for row in platform.rows("cleaned.pins")}
    ingest(platform, Ingestion((Record("pin", True, 2, 0, 1), Record("pin", True, 3, 0, 1)), 1), 10)
    request(platform, DAYS)
    after = {row[0]: row for row in platform.rows("cleaned.pins")}
    assert after[1] == before[1]
    assert after[2] != before[2]
    assert sorted(after) == [1, 2, 3]


def test_a_day_whose_rows_do_not_add_up_is_rebuilt(platform: Platform) -> None:
    """An ingestion is committed after a later one was cleaned."""
    ingest(platform, Ingestion((Record("pin", False, 1, 0, 0),), 5), 0)
    request(platform, DAYS)
    ingest(platform, Ingestion((Record("pin", False, 2, 0, 0),), 0), 10)
    assert platform.days_behind() == [DAYS[0]]
    request(platform, DAYS)
    assert [row[0] for row in platform.rows("cleaned.pins")] == [1, 2]
    counts = checked(
        platform.check("cleaned.pins", "reconciles_with_raw", *DAYS),
        "cleaned.pins",
        "reconciles_with_raw",
    )
    assert counts.facts["raw_rows"] == counts.facts["cleaned_rows"] == 2


def test_tables_of_an_earlier_contract_are_rebuilt(platform: Platform) -> None:
    """As the platform wrote them before it had incremental runs."""
    records = (
        Record("pin", False, 1, 0, 0),
        Record("pin", False, 1, 0, 1),
        Record("pin", True, None, 1, 0),
    )
    ingest(platform, Ingestion(records, 0), 0)
    request(platform, DAYS)
    expected = platform.everything()
    for name in MADE:
        table = TABLES[name]
        path = str(Path(platform.places.lake, table.schema, table.name))
        rows = DeltaTable(path).to_pyarrow_table()
        later = [column for column in LATER_COLUMNS if column in rows.column_names]
        shutil.rmtree(path)
        partitions = ["day"] if table.daily else None
        write_deltalake(path, rows.drop_columns(later), partition_by=partitions)
    request(platform, DAYS)
    assert platform.everything() == expected
