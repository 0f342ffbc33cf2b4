"""The ``pinterest`` command: which subcommands there are; what each does lives in ``commands/``."""

import errno
import importlib
import os
import sys

import click
from typing_extensions import override

from pinterest_platform.commands.output import take_every_character, visible
from pinterest_platform.environment import forget_users_of_endpoints, reach_this_machine_directly
from pinterest_platform.errors import PlatformError

# Errors of a disk that is full, broken or read-only.
_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES}

# Modules are imported on call, so that --help does not wait for Dagster and Spark.
COMMANDS = {
    "seed-db": ("pinterest_platform.commands.seed_db", "Make and fill the sample source database."),
    "gateway": ("pinterest_platform.commands.gateway", "Serve the HTTP gateway."),
    "sink": ("pinterest_platform.commands.sink", "Write Kafka's topics to landing objects."),
    "emulate": ("pinterest_platform.commands.emulate", "Post random rows of the source database."),
    "streams": ("pinterest_platform.commands.streams", "List, create, describe, delete streams."),
    "run": ("pinterest_platform.commands.run", "Materialise assets through Dagster."),
    "query": ("pinterest_platform.commands.query", "Run SQL over the lake."),
    "maintain": ("pinterest_platform.commands.maintain", "Compact the lake, delete what is old."),
    "demo": ("pinterest_platform.commands.demo", "Run the whole pipeline on this machine."),
    "ui": ("pinterest_platform.commands.ui", "Serve Dagster's UI and daemon."),
    "live": ("pinterest_platform.commands.live", "Serve the UI, with a steady stream of posts."),
    "sail": ("pinterest_platform.commands.sail", "Serve Sail to Spark Connect clients."),
    "wheel": ("pinterest_platform.commands.wheel", "Build the wheel for jobs on Databricks."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand only when that subcommand is called."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    @override
    def invoke(self, ctx: click.Context) -> object:
        try:
            _require_usable_installation()
            return super().invoke(ctx)
        except PlatformError as error:
            raise click.ClickException(visible(str(error))) from None


def _main() -> None:
    try:
        main(prog_name="pinterest")
    except OSError as error:
        # click exits silently when the pipe of its output closes.
        if error.errno not in _REFUSED:
            raise
        click.echo(f"Error: {visible(_of_system(error))}", err=True)
        raise SystemExit(1) from None


def _of_system(error: OSError) -> str:
    what = "the output" if error.filename is None else str(error.filename)
    return f"{what} cannot be written ({error.strerror}): free space, or write elsewhere"


def _require_usable_installation() -> None:
    # Dagster sets up its storage with Alembic, which reads a % as a placeholder.
    if "%" in sys.prefix:
        raise PlatformError(
            f"Dagster cannot work where it is installed, in {sys.prefix}: the path must not have a "
            "%; install the platform in another folder"
        )


@click.command(cls=LazyGroup)
@click.version_option(package_name="pinterest_platform")
def main() -> None:
    """Pinterest-style posts, from a source database to eleven analytic tables."""


def run() -> None:
    """The console script: runs the command, and exits cleanly even while an engine works."""
    take_every_character()
    reach_this_machine_directly()
    forget_users_of_endpoints()
    try:
        _main()
    except SystemExit as end:
        if end.code and "pysail" in sys.modules:
            # After Ctrl-C, Sail's threads may still run Python code, and the interpreter's
            # shutdown would abort the process.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise
