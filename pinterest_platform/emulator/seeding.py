"""Fills the source database with the sample, and protects rows that are not of the sample."""

from itertools import islice

from sqlalchemy import Connection, Engine, delete, exists, func, insert, or_, select

from pinterest_platform.emulator.database import (
    KEYS,
    TABLES,
    database_errors,
    database_name,
    metadata,
    missing_tables,
    pinterest_data,
    sqlite_file,
)
from pinterest_platform.emulator.sample import SAMPLE_ID, sample
from pinterest_platform.errors import PlatformError

# About 500 KB per INSERT: PyMySQL splits statements at 1 MB, below MySQL's max_allowed_packet.
CHUNK = 1_000


def seed_database(engine: Engine, rows: int, seed: int, *, replace: bool = False) -> None:
    """Replace the content of the source tables with ``sample(rows, seed)``.

    Missing tables are created first. Old rows are replaced in one transaction: a killed seed leaves
    the old content or the new (SQLite, and InnoDB on MySQL).

    Args:
        engine: the source database.
        rows: the number of posts, at least 1.
        seed: the same seed and rows give the same content.
        replace: also delete rows that are not of the sample.

    Raises:
        PlatformError: the tables have rows that are not of the sample, a table lacks a column, or
            the database cannot be used. Then no row has changed.
    """
    file = sqlite_file(engine)
    if file:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PlatformError(
                f"the folder {file.parent} cannot be created ({error.strerror}): "
                "set PINTEREST_HOME or --url"
            ) from None
    missing = missing_tables(engine)
    with database_errors(engine):
        if missing:
            metadata.create_all(engine)
        with engine.begin() as connection:
            foreign = [] if replace else _foreign_tables(connection)
            if foreign:
                raise PlatformError(
                    f"{' and '.join(foreign)} of {database_name(engine)} have rows that "
                    "pinterest seed-db did not create: seed another database, or give --replace "
                    "to delete them"
                )
            for table in TABLES.values():
                connection.execute(delete(table))
            posts = sample(rows, seed)
            while chunk := list(islice(posts, CHUNK)):
                for kind, table in TABLES.items():
                    connection.execute(insert(table), [post[kind] for post in chunk])


def _foreign_tables(connection: Connection) -> list[str]:
    """The tables with rows that are not of the sample.

    A pin of the sample is recognised by its unique_id, a record of another kind by its pin.
    """
    unique_id = pinterest_data.c.unique_id
    foreign_rows = {kind: ~exists().where(KEYS["pin"] == key) for kind, key in KEYS.items()}
    foreign_rows["pin"] = or_(unique_id.is_(None), unique_id.not_like(SAMPLE_ID))
    return [
        TABLES[kind].name
        for kind, condition in foreign_rows.items()
        if connection.scalar(select(func.count()).select_from(TABLES[kind]).where(condition))
    ]
