"""``pinterest gateway``: serve the HTTP gateway, until a signal stops it."""

import errno
import ipaddress
import resource
import signal
import socket

import click
import uvicorn
from starlette.applications import Starlette
from typing_extensions import override

from pinterest_platform import settings
from pinterest_platform.commands.log_lines import log_to_stderr
from pinterest_platform.errors import PlatformError
from pinterest_platform.gateway.app import create_app
from pinterest_platform.gateway.connections import MAX_CONNECTIONS, Connection, Server
from pinterest_platform.gateway.log import LandingLog
from pinterest_platform.gateway.topics import Topics
from pinterest_platform.ingest.landing.objects import open_objects
from pinterest_platform.object_store import open_store
from pinterest_platform.settings import Settings

# A write takes milliseconds, or seconds when S3 throttles; containers are killed 30 s after they
# are asked to stop (ECS stopTimeout, Kubernetes terminationGracePeriodSeconds).
SHUTDOWN_SECONDS = 25

# nginx's keepalive_timeout: a slow emulator keeps its connection between posts.
KEEP_ALIVE_SECONDS = 75

# /health lists every partition: 300 folders with three topics.
MAX_PARTITIONS = 100

# Open files besides connections: objects under way, Kafka, S3, 16 connections to Kinesis.
OTHER_FILES = 256


class _Server(Server):
    """Prints the URL on stdout once it accepts connections."""

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            host = f"[{host}]" if listening.family == socket.AF_INET6 else host
            click.echo(f"Gateway listening on http://{host}:{port}")


@click.command(name="gateway")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; any but this machine's own needs PINTEREST_GATEWAY_TOKEN.",
)
@click.option(
    "--port",
    default=8082,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--partitions",
    default=1,
    show_default=True,
    type=click.IntRange(1, MAX_PARTITIONS),
    help="Partitions per topic.",
)
def command(host: str, port: int, partitions: int) -> None:
    """Serve the HTTP gateway: Kafka REST v2 to landing objects or Kafka, and Kinesis streams."""
    log_to_stderr()
    configured = settings.load()
    require_token(host, configured)
    token = configured.gateway_token.get_secret_value()
    app = create_app(
        _topics(configured, partitions),
        configured.topics.values(),
        region=configured.aws_region or None,
        streams=configured.streams.values(),
        stream_access=configured.gateway_streams,
        hosts=[host or "localhost", socket.gethostname(), *configured.hosts],
        token=token if configured.gateway_auth == "token" else "",
    )
    server = _Server(_config(app))
    with _listen(host, port) as listening:
        # After its shutdown uvicorn restores these handlers and raises the signal again: with the
        # default handlers the exit code would not be 0.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        server.run(sockets=[listening])


def _config(app: Starlette) -> uvicorn.Config:
    class Limited(Connection):
        max_connections = _most_connections()

    return uvicorn.Config(
        app,
        http=Limited,
        ws="none",
        access_log=False,
        # uvicorn warns about every request that is not HTTP, which would fill the log.
        log_level="error",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _most_connections() -> int:
    """The limit of connections, less if the process cannot get as many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = MAX_CONNECTIONS + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return MAX_CONNECTIONS
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft - OTHER_FILES, soft // 4)


def require_token(host: str, configured: Settings) -> None:
    """Check that a gateway which other machines can reach requires a token.

    Raises:
        PlatformError: there is no token, and PINTEREST_GATEWAY_AUTH is not "none".
    """
    if configured.gateway_token.get_secret_value() or configured.gateway_auth == "none":
        return
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise PlatformError(
            f"other machines can reach {host or 'all addresses'}: set PINTEREST_GATEWAY_TOKEN to a "
            "secret that clients send, or PINTEREST_GATEWAY_AUTH=none in a network of trusted "
            "clients only"
        )


def _topics(configured: Settings, partitions: int) -> Topics:
    """The topics: in Kafka if it is configured, otherwise as landing objects."""
    names = configured.topics.values()
    if configured.kafka_bootstrap:
        try:
            from pinterest_platform.gateway.kafka import KafkaTopics  # noqa: PLC0415
            from pinterest_platform.kafka_client import client_config  # noqa: PLC0415
        except ImportError:
            raise PlatformError(
                "PINTEREST_KAFKA_BOOTSTRAP needs the extra kafka: "
                "pip install 'pinterest_platform[kafka]'"
            ) from None
        return KafkaTopics(client_config(configured), names, partitions)
    store = open_store(configured.landing, create=True)
    return LandingLog(open_objects(store), names, partitions)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PlatformError(
                f"port {port} of {host} is in use: stop the process that listens there, or choose "
                "another port with --port (0 picks a free one)"
            ) from None
        reason = str(error.strerror).split(" (while", 1)[0]
        raise PlatformError(
            f"cannot listen on {host}, port {port} ({reason}): choose another address with "
            "--host and --port"
        ) from None
