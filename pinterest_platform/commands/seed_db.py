"""``pinterest seed-db``: create and fill the sample source database."""

import os
import time
from pathlib import Path

import click

from pinterest_platform import settings
from pinterest_platform.emulator.database import database_name, open_source
from pinterest_platform.emulator.seeding import seed_database


@click.command("seed-db")
@click.option(
    "--rows", type=click.IntRange(min=1), default=11_000, show_default=True, help="Number of posts."
)
@click.option(
    "--seed", type=int, default=100, show_default=True, help="The same seed gives the same rows."
)
@click.option("--url", default="", help="SQLAlchemy URL of the database.")
@click.option(
    "--db-creds",
    type=click.Path(path_type=Path),
    help="YAML with HOST, USER, PASSWORD, DATABASE, PORT; PINTEREST_DB_<KEY> overrides it.",
)
@click.option("--replace", is_flag=True, help="Also delete rows that seed-db did not create.")
def command(rows: int, seed: int, url: str, db_creds: Path | None, replace: bool) -> None:
    """Fill pinterest_data, geolocation_data and user_data with sample posts.

    By default the database is that of PINTEREST_DB_URL or PINTEREST_DB_CREDS, or the SQLite file in
    PINTEREST_HOME. Seeding again replaces the sample; other rows are only deleted with --replace.
    """
    started = time.monotonic()
    engine = open_source(settings.load(), environ=os.environ, url=url, creds=db_creds)
    seed_database(engine, rows, seed, replace=replace)
    click.echo(
        f"{rows} posts (seed {seed}) in {database_name(engine)}, {time.monotonic() - started:.1f} s"
    )
