"""Seeding: the whole sample or the old content, and no loss of other rows."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text, update

from pinterest_platform.emulator.database import TABLES, geolocation_data, pinterest_data, user_data
from pinterest_platform.emulator.sample import sample
from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform.errors import PlatformError


def content(engine: Engine) -> dict[str, list[dict[str, object]]]:
    with engine.connect() as connection:
        return {
            kind: [dict(row) for row in connection.execute(select(table)).mappings()]
            for kind, table in TABLES.items()
        }


def test_the_tables_contain_the_sample(engine: Engine) -> None:
    posts = list(sample(300, 100))
    assert content(engine) == {kind: [post[kind] for post in posts] for kind in TABLES}


def test_seeding_again_replaces(engine: Engine) -> None:
    before = content(engine)
    seed_database(engine, 40, 7)
    assert len(content(engine)["geo"]) == 40
    seed_database(engine, 300, 100)
    assert content(engine) == before


def test_the_folder_of_a_sqlite_file_is_created(tmp_path: Path) -> None:
    seed_database(create_engine(f"sqlite:///{tmp_path / 'a' / 'b' / 'source.db'}"), 3, 100)
    assert (tmp_path / "a" / "b" / "source.db").exists()


OWN_PIN = {"index": 9_000, "unique_id": "0a6bd4a0-5f36-4b4e-8a3c-0123456789ab", "title": "mine"}


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        (insert(pinterest_data).values(OWN_PIN), "pinterest_data"),
        (insert(pinterest_data).values(index=9_000), "pinterest_data"),
        (
            update(pinterest_data).values(unique_id="own").where(pinterest_data.c.index == 0),
            "pinterest_data",
        ),
        (insert(geolocation_data).values(ind=9_000, country="Peru"), "geolocation_data"),
        (insert(user_data).values(ind=9_000, age=30), "user_data"),
    ],
)
def test_rows_that_are_not_of_the_sample_are_kept(
    engine: Engine, statement: object, table: str
) -> None:
    with engine.begin() as connection:
        connection.execute(statement)  # type: ignore[call-overload]
    before = content(engine)
    with pytest.raises(PlatformError, match=rf"^{table} of sqlite.*--replace"):
        seed_database(engine, 5, 100)
    assert content(engine) == before


def test_replace_deletes_rows_that_are_not_of_the_sample(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(pinterest_data).values(OWN_PIN))
    seed_database(engine, 5, 100, replace=True)
    assert len(content(engine)["pin"]) == 5


def test_a_table_with_other_columns_is_named(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'source.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE user_data (ind INTEGER PRIMARY KEY, age INTEGER)"))
    with pytest.raises(PlatformError, match=r"user_data .* date_joined, first_name, last_name"):
        seed_database(engine, 5, 100)


def test_a_file_that_is_not_a_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "source.db").write_text("no database at all, but long enough to be looked at")
    with pytest.raises(PlatformError, match=r"not a database") as caught:
        seed_database(create_engine(f"sqlite:///{tmp_path / 'source.db'}"), 5, 100)
    assert "\n" not in str(caught.value)


def test_a_killed_seed_leaves_the_old_content(engine: Engine, tmp_path: Path) -> None:
    before = content(engine)
    file = tmp_path / "source.db"
    grown = file.stat().st_size + 5_000_000
    seeding = subprocess.Popen(
        [Path(sys.executable).with_name("pinterest"), "seed-db", "--rows", "100000"],
        env=os.environ | {"PINTEREST_HOME": str(tmp_path)},
    )
    try:
        # SQLite spills pages beyond its 2 MB cache into the file before the commit. The sample
        # takes 60 MB, so a smaller file means that seeding has not finished.
        end = time.monotonic() + 20
        while file.stat().st_size < grown:
            assert seeding.poll() is None
            assert time.monotonic() < end
        seeding.send_signal(signal.SIGKILL)
    finally:
        seeding.kill()
        seeding.wait()
    assert content(engine) == before


def test_seeding_a_thousand_rows_and_one_more_loses_none(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'source.db'}")
    seed_database(engine, 2_001, 100)
    with engine.connect() as connection:
        for table in TABLES.values():
            assert connection.scalar(select(func.count()).select_from(table)) == 2_001
