"""``pinterest ui``: Dagster's UI, daemon and code location, in the foreground."""

import os
import signal
from contextlib import ExitStack

import click

from pinterest_platform import processes
from pinterest_platform.commands.dagster_dev import check_free, dagster_dev, ui_port
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import load


@click.command("ui")
@ui_port
@click.option(
    "--shared-sail",
    is_flag=True,
    help="Start one Sail server, which all runs use, instead of one in each run.",
)
def command(port: int, shared_sail: bool) -> None:
    """Serve the UI until Ctrl-C, with the daemon that runs schedules and sensors."""
    # A shell's background job ignores SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    started = dagster_dev(port)
    check_free(port)
    # Sets DAGSTER_HOME for Dagster's processes, too, and prepares the folder.
    with instance_of(load()):
        pass
    try:
        with ExitStack() as stack:
            environment = os.environ | {"PYTHONWARNINGS": "ignore"}
            if shared_sail:
                sail = stack.enter_context(
                    processes.running("Sail", "pinterest_platform", "sail", "--port", "0")
                )
                remote = sail.url()
                environment |= {"PINTEREST_ENGINE": "connect", "PINTEREST_SPARK_REMOTE": remote}
                click.echo(f"Runs share the Sail server at {remote}.")
            dagster = stack.enter_context(
                processes.running("Dagster", *started, environment=environment, inherit_output=True)
            )
            code = dagster.wait()
        raise SystemExit(code)
    except KeyboardInterrupt:
        click.echo("All processes have ended.")
