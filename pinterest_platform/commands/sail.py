"""``pinterest sail``: one Sail server, shared by the runs of other processes."""

import signal

import click

from pinterest_platform.engines.sail import sail_server
from pinterest_platform.errors import PlatformError


@click.command("sail")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=50051,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 picks a free one.",
)
def command(host: str, port: int) -> None:
    """Serve Sail to Spark Connect clients until Ctrl-C.

    Processes use it with PINTEREST_ENGINE=connect and PINTEREST_SPARK_REMOTE=sc://HOST:PORT. Any
    client of the port can read and write whatever this process can.
    """
    server = sail_server(host, port)
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked before Sail's threads start, which inherit the mask and would otherwise catch Ctrl-C.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        server.start(background=True)
    except OSError as error:
        raise PlatformError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}): choose others with "
            "--host and --port"
        ) from None
    host, port = server.listening_address
    click.echo(f"Sail is listening on sc://{host}:{port}")
    signal.sigwait(ends)
    server.stop()
