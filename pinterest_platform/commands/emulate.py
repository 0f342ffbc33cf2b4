"""``pinterest emulate``: post rows of the source database, like the users of a site."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pinterest_platform import settings
from pinterest_platform.emulator.database import open_source
from pinterest_platform.emulator.pace import Stop
from pinterest_platform.emulator.sending import Sent, emulate


@click.group("emulate")
def command() -> None:
    """Post rows of the source database."""


def _options(action: Callable[..., None]) -> Callable[..., None]:
    """The options of both channels."""
    for option in reversed(
        (
            click.option(
                "--posts",
                type=click.IntRange(min=1),
                help="Number of posts; by default, until Ctrl-C.",
            ),
            click.option(
                "--rate",
                type=click.FloatRange(min=0),
                help="Posts a second; 0 is as fast as possible. By default, posts are a random "
                "time from 0 to 2 s apart.",
            ),
            click.option(
                "--seed",
                type=int,
                default=100,
                show_default=True,
                help="The same seed gives the same posts.",
            ),
            click.option("--url", default="", help="SQLAlchemy URL of the source database."),
            click.option(
                "--db-creds",
                type=click.Path(path_type=Path),
                help="YAML with HOST, USER, PASSWORD, DATABASE, PORT; PINTEREST_DB_<KEY> "
                "overrides it.",
            ),
            click.option(
                "--gateway", default="", help="The gateway's URL.  [default: PINTEREST_GATEWAY_URL]"
            ),
        )
    ):
        action = option(action)
    return action


@command.command("batch")
@_options
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of posts in a request.",
)
def batch(**options: Any) -> None:
    """Post random rows to the gateway's Kafka topics, one post at a time.

    A post is a row of pinterest_data and its rows of geolocation_data and user_data, each sent to
    its own topic. After Ctrl-C the chosen posts are still sent, and the count is printed; a second
    Ctrl-C does not wait for them. The exit code is 1 if a record was not acknowledged.
    """
    _emulate("batch", **options)


@command.command("stream")
@_options
def stream(**options: Any) -> None:
    """Put random rows into the gateway's Kinesis streams, one record a request.

    A post is a row of pinterest_data and its rows of geolocation_data and user_data, each put into
    its own stream with a random partition key. The same seed gives the same posts as with batch.
    After Ctrl-C the chosen posts are still sent, and the count is printed; a second Ctrl-C does not
    wait for them. The exit code is 1 if a record was not acknowledged.
    """
    _emulate("stream", **options)


def _emulate(
    channel: Literal["batch", "stream"],
    *,
    posts: int | None,
    rate: float | None,
    seed: int,
    url: str,
    db_creds: Path | None,
    gateway: str,
    batch_size: int = 1,
) -> None:
    config = settings.load()
    engine = open_source(config, environ=os.environ, url=url, creds=db_creds)
    count = Sent()
    on_terminal = sys.stderr.isatty()
    progress = Progress(
        TextColumn("posts"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
        console=Console(stderr=True),
        disable=not on_terminal,
    )
    task = progress.add_task("posts", total=posts, failed="")

    def on_progress(so_far: Sent) -> None:
        nonlocal count
        count = so_far
        failed = so_far.failed.total()
        progress.update(
            task, completed=so_far.posts, failed=f"{failed} records failed" if failed else ""
        )

    def on_problem(problem: str) -> None:
        if on_terminal:
            progress.console.print(problem, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(problem, err=True)

    try:
        with _stopped_by_signals() as stop, progress:
            emulate(
                engine,
                gateway or config.gateway_url,
                config.topics if channel == "batch" else config.streams,
                token=config.gateway_token.get_secret_value(),
                channel=channel,
                posts=posts,
                rate=rate,
                batch_size=batch_size,
                seed=seed,
                stop=stop,
                on_progress=on_progress,
                on_problem=on_problem,
            )
    except KeyboardInterrupt:
        # A second Ctrl-C: the records that were not sent count as failed.
        pass
    except BaseException:
        if count.posts:
            click.echo(str(count))
        raise
    click.echo(str(count))
    if count.failed.total():
        sys.exit(1)


@contextmanager
def _stopped_by_signals() -> Iterator[Stop]:
    """A flag that SIGINT and SIGTERM set; a second signal interrupts at once."""
    stop = Stop()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
