"""``pinterest live``: the production processes on this machine, with a stream of posts."""

import os
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack

import click
import requests

from pinterest_platform import environment, local_aws, processes
from pinterest_platform.commands.dagster_dev import (
    HOST,
    check_free,
    dagster_dev,
    ui_port,
)
from pinterest_platform.emulator.database import missing_tables, open_source, sqlite_file
from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform.errors import PlatformError
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import Settings, load

# The default of pinterest seed-db.
ROWS = 11_000

# More than one, so that sensor and ingestion follow several shards.
SHARDS = 2

# Interval at which several processes and the UI are polled at once: nothing reports the first end.
POLL_SECONDS = 0.5


@click.command("live")
@ui_port
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    help="Posts a second of each emulation; 0 is as fast as possible. By default, posts are a "
    "random time from 0 to 2 s apart.",
)
def command(port: int, rate: float | None) -> None:
    """Run the UI, a gateway, a local AWS and both emulations until Ctrl-C.

    Posts go through the topics and the streams; Dagster's sensors start runs that carry them to the
    analytics. All processes end with this one.
    """
    # Both signals raise KeyboardInterrupt, even in a shell's background job: the processes end in
    # the reverse order of their start. A second signal kills the process that is ending.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        local_aws.require_folders(load())
        dagster = dagster_dev(port)
        check_free(port)
        with ExitStack() as stack:
            started = _start(stack, port, rate, dagster)
            _watch(started, f"http://{HOST}:{port}")
    except KeyboardInterrupt:
        click.echo("All processes have ended.")


def _start(
    stack: ExitStack, port: int, rate: float | None, dagster_dev: Sequence[str]
) -> list[processes.Process]:
    """Start all processes; the stack ends them in reverse order."""
    settings = load()
    if settings.db_secret:
        raise PlatformError(
            "PINTEREST_DB_SECRET is in AWS, but this command runs its own local AWS: unset it, "
            "and set PINTEREST_DB_HOST, _PORT, _USER, _PASSWORD and _DATABASE instead"
        )
    _seed(settings)
    logs = settings.home / "live"
    logs.mkdir(parents=True, exist_ok=True)
    aws = stack.enter_context(local_aws.running(logs / "aws.log"))
    stack.enter_context(environment.replaced(aws.instead_of_aws(os.environ)))
    local_aws.create_streams(settings.streams.values(), SHARDS)
    # Prepares DAGSTER_HOME for Dagster's processes.
    with instance_of(settings):
        pass

    def start(
        name: str, module: str, *arguments: str, log: str, **environment: str
    ) -> processes.Process:
        return stack.enter_context(
            processes.running(
                name, module, *arguments, log=logs / log, environment=os.environ | environment
            )
        )

    gateway = start(
        "the gateway",
        *("pinterest_platform", "gateway", "--port", "0"),
        log="gateway.log",
        # Ignore a configured Kafka: these posts must not leave this machine.
        PINTEREST_KAFKA_BOOTSTRAP="",
        PINTEREST_GATEWAY_STREAMS="",
    )
    url = gateway.url()
    dagster = start(
        "Dagster",
        *dagster_dev,
        log="dagster.log",
        PYTHONWARNINGS="ignore",
    )
    emulations = [
        start(
            f"the {channel} emulation",
            *("pinterest_platform", "emulate", channel, "--gateway", url),
            *("--seed", str(secrets.randbelow(2**31))),
            *(() if rate is None else ("--rate", str(rate))),
            log=f"emulate-{channel}.log",
        )
        for channel in ("batch", "stream")
    ]
    click.echo(
        f"The local AWS is at {aws.endpoint}, the gateway at {url}. Both emulations post to it.\n"
        f"The output of each process is in {logs}. Dagster takes some seconds to start ..."
    )
    return [*emulations, dagster, gateway, aws.process]


def _watch(started: Sequence[processes.Process], ui: str) -> None:
    """Report when the UI answers; ends only by an exception.

    Raises:
        PlatformError: a process ended.
        KeyboardInterrupt: after SIGINT or SIGTERM.
    """
    answers = False
    try:
        while True:
            for process in started:
                if (code := process.exit_code()) is not None:
                    click.echo(process.last_words(), err=True)
                    raise PlatformError(
                        f"{process.name} ended (exit code {code}): its last output is above; the "
                        "other processes are stopped"
                    )
            if not answers and _answers(ui):
                answers = True
                click.echo(f"The UI answers at {ui}. Ctrl-C ends everything.")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        click.echo("Stopping ...")
        raise


def _answers(ui: str) -> bool:
    try:
        return requests.get(f"{ui}/server_info", timeout=POLL_SECONDS).ok
    except requests.RequestException:
        return False


def _seed(settings: Settings) -> None:
    """Fill the SQLite file, unless it has its tables or another database is configured."""
    source = open_source(settings, environ=os.environ)
    if sqlite_file(source) != settings.source_db:
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    if missing_tables(source):
        click.echo(f"Seeding {settings.source_db} ...")
        seed_database(source, ROWS, 100)
