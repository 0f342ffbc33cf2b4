"""Upkeep: fewer files, the same rows, and runs go on as before."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from pinterest_platform.build.outcomes import Maintained
from pinterest_platform.build.request import Request
from pinterest_platform.build.tables import build
from pinterest_platform.errors import OutageError, PlatformError
from pinterest_platform.lake.delta import Lake
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.build.conftest import Platform, PlatformOf, failed
from pinterest_platform_tests.landing import NOON, land_posts

DAY = NOON.date()


def maintain(platform: Platform, *, retention_days: int = 7) -> dict[str, Maintained]:
    request = Request(upkeep=tuple(TABLES), retention_days=retention_days)
    outcomes = build(platform.spark, platform.places, request)
    return {outcome.table: outcome for outcome in outcomes if isinstance(outcome, Maintained)}


def runs(platform: Platform, first: int, last: int) -> None:
    """A run for each of these posts."""
    for ind in range(first, last):
        arrived_at = NOON + timedelta(minutes=ind)
        land_posts(platform.landing, [ind], arrived_at=arrived_at, offset=ind)
        assert failed(platform.all(DAY)) == []


def files(platform: Platform, table: str, pattern: str) -> list[str]:
    return sorted(path.name for path in Path(platform.places.lake, table).rglob(pattern))


def test_a_table_has_few_files_after_upkeep_and_the_same_rows(platform: Platform) -> None:
    runs(platform, 0, 5)
    before = platform.everything()
    maintained = maintain(platform, retention_days=0)
    assert platform.everything() == before
    assert set(maintained) == set(TABLES)
    for name, outcome in maintained.items():
        path = name.replace(".", "/")
        data = files(platform, path, "part-*.parquet")
        assert len(DeltaTable(Path(platform.places.lake, path)).file_uris()) == len(data)
        assert len(data) <= 1
        assert len(files(platform, path, "*.crc")) <= 1
        kept = [path for path in Path(platform.places.lake, path).rglob("*") if path.is_file()]
        assert outcome.files_after == len(kept)
        assert outcome.bytes_after == sum(path.stat().st_size for path in kept)
    assert maintained["raw.pin"].files_before > 2 * maintained["raw.pin"].files_after

    runs(platform, 5, 7)
    incremental = platform.everything()
    platform.make(DAY, full=True)
    assert platform.everything() == incremental
    assert len(incremental["analytics.posts"]) == 7


def test_young_files_are_kept_for_readers(platform: Platform) -> None:
    runs(platform, 0, 2)
    path = Path(platform.places.lake, "analytics", "posts")
    version = DeltaTable(path).version()
    earlier = DeltaTable(path).to_pyarrow_table().to_pylist()
    maintain(platform)
    assert DeltaTable(path, version=version).to_pyarrow_table().to_pylist() == earlier


def test_tables_that_were_never_written_are_left_out(platform: Platform) -> None:
    assert maintain(platform) == {}


@pytest.mark.parametrize("name", ["it's [1] *", "5 %x #?"])
def test_a_folder_may_have_most_names(platform_of: PlatformOf, tmp_path: Path, name: str) -> None:
    platform = platform_of(tmp_path / name)
    runs(platform, 0, 2)
    before = platform.everything()
    assert set(maintain(platform)) == set(TABLES)
    assert platform.everything() == before


def test_a_folder_that_deltalake_does_not_find_is_named(
    platform_of: PlatformOf, tmp_path: Path
) -> None:
    platform = platform_of(tmp_path / "100%20")
    runs(platform, 0, 1)
    with pytest.raises(PlatformError, match=r"100%20/lake cannot be maintained: .* the % in its"):
        maintain(platform)


def test_a_lost_file_is_named(platform: Platform) -> None:
    runs(platform, 0, 2)
    (lost, *_) = Path(platform.places.lake, "raw", "pin").rglob("part-*.parquet")
    lost.unlink()
    with pytest.raises(PlatformError, match=f"raw.pin has lost the file {lost.name}"):
        maintain(platform)


def test_upkeep_beside_writers_neither_loses_nor_doubles_a_row(platform: Platform) -> None:
    runs(platform, 0, 3)
    lake = Lake(platform.spark, platform.places.lake)
    pins = TABLES["cleaned.pins"]
    found = lake.read(pins)
    found.write.mode("overwrite").parquet(str(platform.landing.parent / "copy"))
    copy = platform.spark.read.schema(found.schema).parquet(str(platform.landing.parent / "copy"))

    def write() -> None:
        for number in range(1, 9):
            rows = copy.withColumn("ind", F.col("ind") + 10 * number)
            lake.upsert(pins, partial(rows.select, "*"), days=[DAY])

    def keep() -> int:
        successes = 0
        for _ in range(4):
            # Upkeep fails if the writer commits first.
            with suppress(OutageError):
                list(build(platform.spark, platform.places, Request(upkeep=(pins.full_name,))))
                successes += 1
        return successes

    with ThreadPoolExecutor(2) as threads:
        written, successes = threads.submit(write), threads.submit(keep)
        written.result()
        assert successes.result() > 0
    inds = sorted(row[0] for row in platform.rows("cleaned.pins"))
    assert inds == sorted(ind + 10 * number for number in range(9) for ind in range(3))
