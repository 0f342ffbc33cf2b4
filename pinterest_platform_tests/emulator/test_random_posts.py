"""The choice of posts: seeded, complete, ready for JSON."""

from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, delete, event, select, text, update

from pinterest_platform.emulator.database import geolocation_data, pinterest_data, user_data
from pinterest_platform.emulator.random_posts import Post, posts
from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform.errors import PlatformError


def first(engine: Engine, number: int, seed: int = 100) -> list[Post]:
    return list(islice(posts(engine, seed), number))


def test_the_same_seed_gives_the_same_posts(engine: Engine) -> None:
    assert first(engine, 50) == first(engine, 50)
    assert first(engine, 50) != first(engine, 50, seed=101)


def test_every_row_can_be_chosen(engine: Engine) -> None:
    seed_database(engine, 10, 100)
    assert {post.index for post in first(engine, 200)} == set(range(10))


def test_the_records_are_the_rows_of_one_index(engine: Engine) -> None:
    for post in first(engine, 20):
        with engine.connect() as connection:
            pin = connection.execute(
                select(pinterest_data).where(pinterest_data.c["index"] == post.index)
            ).mappings()
            assert post.records["pin"] == dict(pin.one())
        assert post.records["geo"]["ind"] == post.records["user"]["ind"] == post.index


def test_dates_are_iso_text_and_numbers_stay_numbers(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE geolocation_data SET timestamp = '2018-11-08 06:29:48', latitude = -58.5,"
                " longitude = 9e999"
            )
        )
        connection.execute(update(user_data).values(age=None))
    post = first(engine, 1)[0]
    assert list(post.records["geo"].items())[1:4] == [
        ("timestamp", "2018-11-08T06:29:48"),
        ("latitude", -58.5),
        ("longitude", None),
    ]
    assert post.records["user"]["age"] is None
    assert isinstance(post.records["pin"]["downloaded"], int)


def test_other_columns_of_the_tables_are_not_read(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE user_data ADD COLUMN email TEXT DEFAULT 'private'"))
    assert list(first(engine, 1)[0].records["user"]) == [
        "ind",
        "first_name",
        "last_name",
        "age",
        "date_joined",
    ]


def test_gaps_in_the_indexes_are_skipped(engine: Engine) -> None:
    seed_database(engine, 10, 100)
    with engine.begin() as connection:
        connection.execute(delete(pinterest_data).where(pinterest_data.c["index"].between(1, 8)))
    assert {post.index for post in first(engine, 200)} == {0, 9}


def test_a_kind_without_a_row_is_left_out(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(geolocation_data).where(geolocation_data.c.ind > 0))
    assert {tuple(post.records) for post in first(engine, 20)} == {("pin", "user")}


def test_rows_are_found_by_the_primary_key(engine: Engine) -> None:
    statements = []

    @event.listens_for(engine, "before_cursor_execute")
    def keep(_c: object, _k: object, sql: str, parameters: object, *_: object) -> None:
        statements.append((sql, parameters))

    first(engine, 3)
    reads = [(sql, values) for sql, values in statements if sql.startswith("SELECT")]
    with engine.connect() as connection:
        plans = [
            row[3]
            for sql, values in reads
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)  # type: ignore[arg-type]
        ]
    in_loop = [plan for plan in plans if "rowid" in plan]
    assert len(in_loop) == 9
    assert all("USING INTEGER PRIMARY KEY" in plan for plan in in_loop)
    assert not any("TEMP B-TREE" in plan for plan in plans)


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="run pinterest seed-db first"):
        posts(create_engine(f"sqlite:///{tmp_path / 'typo.db'}"), 100)
    assert not (tmp_path / "typo.db").exists()


def test_a_missing_table_is_named(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE geolocation_data"))
    with pytest.raises(PlatformError, match=r"has no table geolocation_data: .*seed-db"):
        posts(engine, 100)


def test_an_empty_table_is_named(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(user_data))
    with pytest.raises(PlatformError, match=r"table user_data .* is empty: run pinterest seed-db"):
        posts(engine, 100)


def test_a_table_that_becomes_empty_is_an_error(engine: Engine) -> None:
    picked = posts(engine, 100)
    next(picked)
    with engine.begin() as connection:
        connection.execute(delete(pinterest_data))
    with pytest.raises(PlatformError, match="has become empty"):
        next(picked)


def test_an_unreadable_date_is_one_line(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE geolocation_data SET timestamp = 'yesterday'"))
    with pytest.raises(PlatformError, match="cannot be used"):
        first(engine, 1)
