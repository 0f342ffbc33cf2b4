"""Shared by commands that start Dagster's processes: the port, its check, the command line."""

import errno
import socket
from pathlib import Path

import click

import pinterest_platform
from pinterest_platform.errors import PlatformError

HOST = "127.0.0.1"

# The file names the code location. With the name that `dagster dev -m` would assign, the sensors
# would lose their cursors.
WORKSPACE = Path(pinterest_platform.__file__).with_name("workspace.yaml")


ui_port = click.option(
    "--port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port of the UI.",
)


def dagster_dev(port: int) -> list[str]:
    """The module and arguments that serve the UI, the daemon and the code location."""
    return ["dagster", "dev", "-w", str(WORKSPACE), "-h", HOST, "-p", str(port)]


def check_free(port: int) -> None:
    """Reject a port that is in use, before anything is started.

    Raises:
        PlatformError: the port is in use, or cannot be listened on.
    """
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PlatformError(
                f"port {port} of {HOST} is in use: stop what listens there (another UI?), or "
                "choose another with --port"
            ) from None
        raise PlatformError(
            f"cannot listen on {HOST}, port {port} ({error.strerror}): choose another with --port"
        ) from None
