"""Picking random posts from the source database; how they are sent is elsewhere."""

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

# How long a database that went away is waited for: a restart takes half a minute, a failover in RDS
# up to two; after this it is not coming back by itself.
AWAY_SECONDS = 300

# Between two looks whether it is back: the first wait, doubled each time, and the longest.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 8.0

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Post:
    """The rows of one post, ready for JSON.

    ``records`` goes from kind ('pin', 'geo', 'user') to {column: value} in the order of the
    table; a kind whose table has no row of this index is not in it.
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
    """Random posts: a row of pinterest_data and its partners by index = ind.

    A random key between the smallest and the largest index is drawn and the first row at or after
    it is taken, which the primary key answers at once however large the table is. Where indexes
    are missing, the row after the gap comes more often. The same seed on the same rows gives the
    same posts in the same order, also when the server went away in between: it is waited for.

    Args:
        engine: the source database.
        seed: decides which posts.
        stop: when it is set while the server is away, the posts end.
        on_problem: is told what is waited for.

    Raises:
        PlatformError: at once, when the database cannot be reached or a table is missing or
            empty; later, when the database stays away for five minutes or refuses.
    """
    place = database_name(engine)
    file = sqlite_file(engine)
    # SQLite would make an empty file of a name that was mistyped.
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
        # Two statements: MySQL answers each from the end of the index without a scan.
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
            post = _patiently(engine, key, stop, on_problem)
        except DatabaseAway:
            if stop.is_set():
                return
            raise
        if post is None:
            raise PlatformError(
                f"the table pinterest_data of {database_name(engine)} was emptied meanwhile: "
                "run pinterest seed-db"
            )
        yield post


def _patiently(
    engine: Engine, key: int, stop: Stop, on_problem: Callable[[str], None]
) -> Post | None:
    """The post of a key, once the database answers."""
    deadline, wait = time.monotonic() + AWAY_SECONDS, FIRST_WAIT_SECONDS
    while True:
        try:
            # A connection a post: the pool tests it first, so that one the server closed during a
            # long wait is replaced, and no transaction keeps an old view of the tables open.
            with database_errors(engine), engine.connect() as connection:
                return _post(connection, key)
        except DatabaseAway as away:
            if stop.is_set() or time.monotonic() > deadline:
                raise
            on_problem(f"{away}; waiting for it")
        stop.wait(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _post(connection: Connection, key: int) -> Post | None:
    """The first post at or after the key, from the start again when there is none after it."""
    by_index = select(TABLES["pin"]).order_by(KEYS["pin"]).limit(1)
    pin = (
        connection.execute(by_index.where(KEYS["pin"] >= key)).mappings().first()
        or connection.execute(by_index).mappings().first()
    )
    if pin is None:
        return None
    index = int(pin["index"])
    records = {"pin": _record(pin)}
    for kind in ("geo", "user"):
        row = connection.execute(select(TABLES[kind]).where(KEYS[kind] == index)).mappings().first()
        if row is not None:
            records[kind] = _record(row)
    return Post(index, records)


def _record(row: RowMapping) -> dict[str, Value]:
    return {str(column): _plain(value) for column, value in row.items()}


def _plain(value: object) -> Value:
    """A value as JSON knows it: dates as ISO 8601 text, decimals as numbers, bytes as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            # JSON has no word for infinity.
            if not isfinite(value):
                return None
            return int(value) if isinstance(value, Decimal) and value % 1 == 0 else float(value)
        case date():
            return value.isoformat()
        case bytes() | bytearray():
            return value.decode("utf-8", errors="replace")
        case _:
            return str(value)
