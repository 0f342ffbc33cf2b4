"""``pinterest seed-db``: make and fill the sample source database."""

import os
import time
from pathlib import Path

import click

from pinterest_platform import settings
from pinterest_platform.emulator.database import database_name, open_source
from pinterest_platform.emulator.seeding import seed_database


@click.command("seed-db")
@click.option(
    "--rows", type=click.IntRange(min=1), default=11_000, show_default=True, help="Posts to make."
)
@click.option("--seed", type=int, default=100, show_default=True, help="Same seed, same rows.")
@click.option("--url", default="", help="SQLAlchemy URL of the database.")
@click.option(
    "--db-creds",
    type=click.Path(path_type=Path),
    help="YAML with HOST, USER, PASSWORD, DATABASE, PORT; PINTEREST_DB_<KEY> wins over it.",
)
@click.option("--replace", is_flag=True, help="Delete rows that seed-db did not make, too.")
def command(rows: int, seed: int, url: str, db_creds: Path | None, replace: bool) -> None:
    """Fill pinterest_data, geolocation_data and user_data with sample posts.

    Without options the database is PINTEREST_DB_URL, the one of PINTEREST_DB_CREDS, or the SQLite
    file in PINTEREST_HOME. Seeding again replaces the sample; rows that seed-db did not make are
    not touched unless --replace is given.
    """
    started = time.monotonic()
    engine = open_source(settings.load(), environ=os.environ, url=url, creds=db_creds)
    seed_database(engine, rows, seed, replace=replace)
    click.echo(
        f"{rows} posts (seed {seed}) in {database_name(engine)}, {time.monotonic() - started:.1f} s"
    )
