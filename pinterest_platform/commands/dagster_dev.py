"""What commands that start Dagster's own processes need: its command line, and a free port."""

import errno
import socket
from pathlib import Path

import pinterest_platform
from pinterest_platform.errors import PlatformError

HOST = "127.0.0.1"

# It names the code location: under another name, which `dagster dev -m` would give, the sensors
# would lose their cursors.
WORKSPACE = Path(pinterest_platform.__file__).with_name("workspace.yaml")


def dagster_dev(port: int) -> list[str]:
    """The module and the arguments that serve the UI, the daemon and the code location."""
    return ["dagster", "dev", "-w", str(WORKSPACE), "-h", HOST, "-p", str(port)]


def check_free(port: int) -> None:
    """Refuse a port that is in use, before anything is started.

    Raises:
        PlatformError: it is, or cannot be listened on.
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
