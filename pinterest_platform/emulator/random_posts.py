"""Random posts from the source database; sending them is in ``sending``."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import isfinite

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.engine import RowMapping

from pinterest_platform.emulator.database import (
    KEYS,
    TABLES,
    DatabaseAway,
    database_errors,
    database_name,
    missing_tables,
    sqlite_file,
)
from pinterest_platform.emulator.pace import Stop
from pinterest_platform.errors import PlatformError

# A restart takes half a minute, a failover in RDS up to two minutes.
AWAY_SECONDS = 300

# Between attempts: the first wait, which doubles each time, and the longest.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 8.0

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Post:
    """The rows of one post, ready for JSON.

    ``records`` maps a kind ('pin', 'geo', 'user') to {column: value} in the table's order; a kind
    is missing if its table has no row with this index.
    """

    index: int
    records: dict[str, dict[str, Value]]


def posts(
    engine: Engine,
    seed: int,
    *,
    stop: Stop | None = None,
    on_problem: Callable[[str], None] = lambda _: None,
) -> Iterator[Post]:
    """Random posts: a row of pinterest_data, and the rows of the other tables with the same index.

    Each post is the first row at or after a random index, which the primary key finds quickly in a
    table of any size. A row after a gap in the indexes is chosen more often. The same seed and
    rows give the same posts in the same order, even over an outage of the server.

    Args:
        engine: the source database.
        seed: determines the choice.
        stop: once set, an outage of the server ends the posts.
        on_problem: called with the reason while the server is unavailable.

    Raises:
        PlatformError: at once, if the database cannot be reached, or a table is missing or empty;
            later, if the database is unavailable for five minutes or refuses.
    """
    place = database_name(engine)
    file = sqlite_file(engine)
    # SQLite would create an empty file for a mistyped name.
    if file and not file.exists():
        raise PlatformError(f"there is no database {place}: run pinterest seed-db first")
    missing = missing_tables(engine)
    if missing:
        raise PlatformError(
            f"{place} has no table {' and '.join(missing)}: run pinterest seed-db, or point to "
            "the database of the posts"
        )
    with database_errors(engine), engine.connect() as connection:
        for kind, table in TABLES.items():
            if connection.scalar(select(KEYS[kind]).limit(1)) is None:
                raise PlatformError(
                    f"the table {table.name} of {place} is empty: run pinterest seed-db"
                )
        # Two statements: MySQL answers each from one end of the index, without a scan.
        low = connection.scalar(select(func.min(KEYS["pin"])))
        high = connection.scalar(select(func.max(KEYS["pin"])))
    choice = random.Random(f"posts {seed}")  # noqa: S311 - a repeatable choice, no secret
    keys = iter(lambda: choice.randint(int(low or 0), int(high or 0)), None)
    return _pick(engine, keys, stop or Stop(), on_problem)


def _pick(
    engine: Engine, keys: Iterator[int], stop: Stop, on_problem: Callable[[str], None]
) -> Iterator[Post]:
    for key in keys:
        try:
            post = _retry(engine, key, stop, on_problem)
        except DatabaseAway:
            if stop.is_set():
                return
            raise
        if post is None:
            raise PlatformError(
                f"the table pinterest_data of {database_name(engine)} has become empty: "
                "run pinterest seed-db"
            )
        yield post


def _retry(engine: Engine, key: int, stop: Stop, on_problem: Callable[[str], None]) -> Post | None:
    """The post of a key, after an outage if necessary."""
    deadline, wait = time.monotonic() + AWAY_SECONDS, FIRST_WAIT_SECONDS
    while True:
        try:
            # One connection a post: the pool replaces a connection that the server has closed, and
            # no transaction keeps an old snapshot of the tables.
            with database_errors(engine), engine.connect() as connection:
                return _post(connection, key)
        except DatabaseAway as away:
            if stop.is_set() or time.monotonic() > deadline:
                raise
            on_problem(f"{away}; waiting for it")
        stop.wait(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _post(connection: Connection, key: int) -> Post | None:
    """The first post at or after the key, or else the first of the table."""
    by_index = select(TABLES["pin"]).order_by(KEYS["pin"]).limit(1)
    pin = (
        connection.execute(by_index.where(KEYS["pin"] >= key)).mappings().first()
        or connection.execute(by_index).mappings().first()
    )
    if pin is None:
        return None
    index = int(pin["index"])
    records = {"pin": _record(pin)}
    for kind, table in TABLES.items():
        if kind in records:
            continue
        row = connection.execute(select(table).where(KEYS[kind] == index)).mappings().first()
        if row is not None:
            records[kind] = _record(row)
    return Post(index, records)


def _record(row: RowMapping) -> dict[str, Value]:
    return {str(column): _plain(value) for column, value in row.items()}


def _plain(value: object) -> Value:
    """A value for JSON: dates as ISO 8601 text, decimals as numbers, bytes as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            if not isfinite(value):
                return None
            return int(value) if isinstance(value, Decimal) and value % 1 == 0 else float(value)
        case date():
            return value.isoformat()
        case bytes() | bytearray():
            return value.decode("utf-8", errors="replace")
        case _:
            return str(value)
