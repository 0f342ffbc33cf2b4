"""``pinterest demo``: the whole pipeline on this machine, without any setup."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy import URL, Engine, create_engine

from pinterest_platform import environment, local_aws, processes
from pinterest_platform.commands.console import as_table, wide_console
from pinterest_platform.commands.run import materialise
from pinterest_platform.defs.staleness import stale
from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform.emulator.sending import Sent, emulate
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.errors import PlatformError
from pinterest_platform.lake.query import query
from pinterest_platform.runs import terminal as runs
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import Settings, load
from pinterest_platform.tables.catalog import OUTPUTS

ROWS = 11_000


@dataclass(frozen=True, kw_only=True)
class Wave:
    """A series of posts, sent in the same way."""

    channel: Literal["batch", "stream"]
    posts: int
    batch_size: int
    seed: int


# A tenth of the batch posts is sent twice, as by a client that lost a response, and a fifth of the
# stream posts repeat posts of the batch.
WAVES = (
    Wave(channel="batch", posts=667, batch_size=1, seed=100),
    Wave(channel="batch", posts=667, batch_size=5, seed=101),
    Wave(channel="batch", posts=666, batch_size=100, seed=102),
    Wave(channel="batch", posts=200, batch_size=50, seed=100),
    Wave(channel="stream", posts=240, batch_size=1, seed=103),
    Wave(channel="stream", posts=60, batch_size=1, seed=101),
)

SHARDS = 2

SHOWN_ROWS = 8


@click.command("demo")
def command() -> None:
    """Seed a database, post through a gateway, materialise, and show the eleven results."""
    local_aws.require_folders(load())
    with local_aws.running() as aws, environment.replaced(aws.instead_of_aws(os.environ)):
        _demo(load(), wide_console())


def _demo(settings: Settings, console: Console) -> None:
    stages: dict[str, float] = {}
    with _timed("seed the source database", stages, console):
        _seed(settings)
    with _timed("post through the gateway", stages, console):
        records = _post(settings, console)
    with (
        _timed("materialise, in Dagster", stages, console),
        instance_of(settings) as instance,
    ):
        days = stale(settings, instance).days or [datetime.now(UTC).date()]
        if not materialise(instance, runs.selected(None), days, console):
            raise PlatformError("the demo's run failed: see its errors above or in `pinterest ui`")
    with _timed("read the results", stages, console):
        _show_results(settings, console)
    console.print("[bold]Time of each stage[/]")
    for stage, seconds in stages.items():
        console.print(f"  {stage:<26} {seconds:>6.1f} s")
    batch, stream = (_posts(channel) for channel in ("batch", "stream"))
    # The virtual environment may be inactive.
    program = Path(sys.executable).with_name("pinterest")
    console.print(
        f"""
[bold]{records:,} records were posted, and the eleven tables are ready.[/]
{batch:,} posts went through the topics, {stream:,} through the Kinesis streams. What to do next:
  pinterest ui                             the asset graph, at http://127.0.0.1:3000
  pinterest live                           the same, with a steady stream of posts
  pinterest query "SELECT * FROM cleaned.quarantine"
  pinterest gateway & pinterest emulate batch --posts 100; pinterest run
The command is {escape(str(program))}; all data is in {escape(str(settings.home))}."""
    )


def _posts(channel: str) -> int:
    return sum(wave.posts for wave in WAVES if wave.channel == channel)


@contextmanager
def _timed(stage: str, stages: dict[str, float], console: Console) -> Iterator[None]:
    console.print(f"[bold]{len(stages) + 1}. {stage}[/]")
    started = time.monotonic()
    yield
    stages[stage] = time.monotonic() - started


def _seed(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    seed_database(_source(settings), ROWS, 100)


def _source(settings: Settings) -> Engine:
    """The SQLite file, even if a database is configured: the demo sends only its own posts."""
    return create_engine(URL.create("sqlite", database=str(settings.source_db)))


def _post(settings: Settings, console: Console) -> int:
    """Send the waves and return how many records were acknowledged."""
    source = _source(settings)
    destinations = {"batch": settings.topics, "stream": settings.streams}
    local_aws.create_streams(settings.streams.values(), SHARDS)
    counts: list[Sent] = []
    progress = Progress(
        TextColumn("  posts"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    )
    gateway = ("pinterest_platform", "gateway", "--port", "0")
    # Ignore a configured Kafka: the demo's posts must not reach other systems.
    embedded = os.environ | {"PINTEREST_KAFKA_BOOTSTRAP": "", "PINTEREST_GATEWAY_STREAMS": ""}
    with processes.running("the gateway", *gateway, environment=embedded) as process, progress:
        url = process.url()
        task = progress.add_task("posts", total=sum(wave.posts for wave in WAVES))

        def show(so_far: Sent) -> None:
            done = sum(count.posts for count in counts) + so_far.posts
            progress.update(task, completed=done)

        for wave in WAVES:
            counts.append(
                emulate(
                    source,
                    url,
                    destinations[wave.channel],
                    token=settings.gateway_token.get_secret_value(),
                    channel=wave.channel,
                    posts=wave.posts,
                    rate=0,
                    batch_size=wave.batch_size,
                    seed=wave.seed,
                    on_progress=show,
                )
            )
    for count, wave in zip(counts, WAVES, strict=True):
        console.print(f"  {wave.channel}: {count}, {wave.batch_size} in a request")
        if count.failed.total():
            raise PlatformError(f"the gateway refused records: {'; '.join(count.problems)}")
    return sum(count.sent.total() for count in counts)


def _show_results(settings: Settings, console: Console) -> None:
    with engine_of(settings) as engine:
        for table in OUTPUTS:
            order = ", ".join(table.column_names)
            answer = query(
                engine.session,
                engine.places.lake,
                f"SELECT * FROM {table.full_name} ORDER BY {order}",
            )
            more = answer.num_rows - SHOWN_ROWS
            rows = "1 row" if answer.num_rows == 1 else f"{answer.num_rows:,} rows"
            console.print(f"[bold]{table.full_name}[/] ({rows})")
            console.print(as_table(answer.slice(0, SHOWN_ROWS)))
            if more > 0:
                console.print(f"  ... and {more} more rows")
