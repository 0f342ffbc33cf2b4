"""``pinterest sink``: Kafka to landing objects, until a signal stops it."""

import signal

import click

from pinterest_platform import settings
from pinterest_platform.commands.log_lines import log_to_stderr
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.landing.objects import open_objects
from pinterest_platform.kafka_client import client_config, sink_group
from pinterest_platform.object_store import open_store
from pinterest_platform.sink.sink_task import SinkTask
from pinterest_platform.sink.writer import RotationPolicy


@click.command(name="sink")
@click.option(
    "--records",
    default=RotationPolicy.records,
    show_default=True,
    type=click.IntRange(min=1),
    help="Rotate an object after this many records ...",
)
@click.option(
    "--seconds",
    default=RotationPolicy.seconds,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="... or this many seconds after its first record.",
)
def command(records: int, seconds: float) -> None:
    """Write Kafka's topics to landing objects, every record once.

    Any number of sinks can share the work. The log goes to stderr.
    """
    log_to_stderr()
    configured = settings.load()
    if not configured.kafka_bootstrap:
        raise PlatformError(
            "there is no Kafka to read from: set PINTEREST_KAFKA_BOOTSTRAP to HOST:PORT (without "
            "Kafka, the gateway writes landing objects itself)"
        )
    objects = open_objects(open_store(configured.landing, create=True))
    names = configured.topics.values()
    task = SinkTask(
        client_config(configured),
        sink_group(configured),
        names,
        objects,
        policy=RotationPolicy(records=records, seconds=seconds),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: task.stop())
    click.echo(f"Sink reading {', '.join(names)}")
    task.run()
    click.echo(f"Landed {task.landed.records} records in {task.landed.objects} objects")
