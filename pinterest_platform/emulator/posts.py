"""Picking random posts from the source database; how they are sent is elsewhere."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import isfinite

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.engine import RowMapping

from pinterest_platform.emulator.source import (
    KEYS,
    TABLES,
    database_errors,
    database_name,
    missing_tables,
    sqlite_file,
)
from pinterest_platform.errors import PlatformError

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Post:
    """The rows of one post, ready for JSON.

    ``records`` goes from kind ('pin', 'geo', 'user') to {column: value} in the order of the
    table; a kind whose table has no row of this index is not in it.
    """

    index: int
    records: dict[str, dict[str, Value]]


def posts(engine: Engine, seed: int) -> Iterator[Post]:
    """Random posts without end: a row of pinterest_data and its partners by index = ind.

    A random key between the smallest and the largest index is drawn and the first row at or after
    it is taken, which the primary key answers at once however large the table is. Where indexes
    are missing, the row after the gap comes more often. The same seed on the same rows gives the
    same posts in the same order.

    Raises:
        PlatformError: at once, when the database cannot be reached or a table is missing or
            empty; later, when the database goes away.
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
    return _pick(engine, random.Random(f"posts {seed}"), int(low or 0), int(high or 0))  # noqa: S311 - a repeatable choice, no secret


def _pick(engine: Engine, choice: random.Random, low: int, high: int) -> Iterator[Post]:
    while True:
        # A connection a post: the pool tests it first, so that one the server closed during a
        # long wait is replaced, and no transaction keeps an old view of the tables open.
        with database_errors(engine), engine.connect() as connection:
            post = _post(connection, choice.randint(low, high))
        if post is None:
            raise PlatformError(
                f"the table pinterest_data of {database_name(engine)} was emptied meanwhile: "
                "run pinterest seed-db"
            )
        yield post


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
