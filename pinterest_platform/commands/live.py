"""``pinterest live``: all that runs in production, on this machine, while posts keep coming."""

import errno
import os
import secrets
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import requests

import pinterest_platform
from pinterest_platform import local_aws, processes, runs
from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform.emulator.source import missing_tables, open_source, sqlite_file
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import Settings, load

HOST = "127.0.0.1"

# As many posts as pinterest seed-db makes.
ROWS = 11_000

SHARDS = 2

# A process that died is noticed, and the UI found to answer, within half a second.
LOOK_SECONDS = 0.5


@click.command("live")
@click.option(
    "--port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port of the UI.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    help="Posts a second of each emulation; 0 is as fast as possible. "
    "Else 0 to 2 s at random between posts.",
)
def command(port: int, rate: float | None) -> None:
    """Run the UI, a gateway, a local AWS and both emulations until Ctrl-C.

    Posts go through the topics and the streams; Dagster's sensors carry them to the analytics. All
    processes end with this one.
    """
    # Both signals are a KeyboardInterrupt, in a shell's background job, too: the processes end in
    # the reverse order of their start. A second one kills the process that is waited for.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        local_aws.require_folders(load())
        workspace = _workspace()
        _check_free(port)
        with ExitStack() as stack:
            started = _start(stack, port, rate, workspace)
            _watch(started, f"http://{HOST}:{port}")
    except KeyboardInterrupt:
        click.echo("All processes have ended.")


def _start(
    stack: ExitStack, port: int, rate: float | None, workspace: Path
) -> list[processes.Process]:
    """Start everything, to be ended with the stack, the last first."""
    settings = load()
    _seed(settings)
    logs = settings.home / "live"
    logs.mkdir(parents=True, exist_ok=True)
    aws = stack.enter_context(local_aws.running(logs / "aws.log"))
    stack.enter_context(processes.in_environment(aws.instead_of_aws(os.environ)))
    local_aws.create_streams(settings.streams.values(), SHARDS)
    # It makes DAGSTER_HOME what it should be, for the processes of Dagster, too.
    with runs.instance_of(settings):
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
        "the gateway", "pinterest_platform", "gateway", "--port", "0", log="gateway.log"
    )
    url = gateway.url()
    dagster = start(
        "Dagster",
        *("dagster", "dev", "-w", str(workspace), "-h", HOST, "-p", str(port)),
        log="dagster.log",
        PYTHONWARNINGS="ignore",
    )
    emulations = [
        start(
            f"the {channel} emulation",
            *("pinterest_platform", "emulate", channel, "--gateway", url),
            # Other posts than at the last start.
            *("--seed", str(secrets.randbelow(2**31))),
            *(() if rate is None else ("--rate", str(rate))),
            log=f"emulate-{channel}.log",
        )
        for channel in ("batch", "stream")
    ]
    click.echo(
        f"The local AWS is at {aws.endpoint}, the gateway at {url}. Both emulations post to it.\n"
        f"What each process says is in {logs}. Dagster needs some seconds to start ..."
    )
    return [*emulations, dagster, gateway, aws.process]


def _watch(started: Sequence[processes.Process], ui: str) -> None:
    """Say when the UI answers, and return never: it takes a signal, or the end of a process.

    Raises:
        PlatformError: a process ended by itself.
        KeyboardInterrupt: after SIGINT or SIGTERM.
    """
    answers = False
    try:
        while True:
            for process in started:
                if (code := process.exit_code()) is not None:
                    click.echo(process.last_words(), err=True)
                    raise PlatformError(
                        f"{process.name} ended by itself (exit code {code}): its last words are "
                        "above; the other processes are stopped"
                    )
            if not answers and _answers(ui):
                answers = True
                click.echo(f"The UI answers at {ui}. Ctrl-C ends all of it.")
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        click.echo("Stopping ...")
        raise


def _answers(ui: str) -> bool:
    with requests.Session() as session:
        # A proxy of the environment knows no way to this machine's own ports.
        session.trust_env = False
        try:
            return session.get(f"{ui}/server_info", timeout=LOOK_SECONDS).ok
        except requests.RequestException:
            return False


def _seed(settings: Settings) -> None:
    """Fill the SQLite file that stands in for a database, unless one is there or configured."""
    source = open_source(settings, environ=os.environ)
    if sqlite_file(source) != settings.source_db:
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    if missing_tables(source):
        click.echo(f"Seeding {settings.source_db} ...")
        seed_database(source, ROWS, 100)


def _workspace() -> Path:
    """The workspace of the checkout, wherever the command is started.

    It names the code location; under another name (``dagster dev -m ...`` would give it one) the
    sensors would have other cursors than in ``make ui``, and begin anew.
    """
    workspace = Path(pinterest_platform.__file__).parents[1] / "workspace.yaml"
    if not workspace.is_file():
        raise PlatformError(
            f"there is no {workspace}: the live mode needs a checkout of the project, where "
            "`make live` starts it"
        )
    return workspace


def _check_free(port: int) -> None:
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PlatformError(
                f"port {port} of {HOST} is in use: stop what listens there (make ui?), or choose "
                "another with --port (make live PORT=...)"
            ) from None
        raise PlatformError(
            f"cannot listen on {HOST}, port {port} ({error.strerror}): choose another with --port"
        ) from None
