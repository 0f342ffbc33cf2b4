"""``pinterest sink``: Kafka to landing objects until it is told to stop."""

import signal

import click

from pinterest_platform import settings
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.landing.objects import open_objects
from pinterest_platform.kafka_client import client_config, sink_group
from pinterest_platform.object_store import open_store
from pinterest_platform.sink.chunks import Bounds
from pinterest_platform.sink.task import Sink


@click.command(name="sink")
@click.option(
    "--records",
    default=Bounds.records,
    show_default=True,
    type=click.IntRange(min=1),
    help="An object is written when it has this many records ...",
)
@click.option(
    "--seconds",
    default=Bounds.seconds,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="... or when its first record waits this long.",
)
def command(records: int, seconds: float) -> None:
    """Write the topics of Kafka to landing objects, every record once.

    Any number of sinks share the work.
    """
    configured = settings.load()
    if not configured.kafka_bootstrap:
        raise PlatformError(
            "there is no Kafka to read from: set PINTEREST_KAFKA_BOOTSTRAP to host:port (without "
            "Kafka the gateway writes landing objects itself)"
        )
    objects = open_objects(open_store(configured.landing, create=True))
    names = configured.topics.values()
    sink = Sink(
        client_config(configured),
        sink_group(configured),
        names,
        objects,
        bounds=Bounds(records=records, seconds=seconds),
        say=lambda what: click.echo(what, err=True),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sink.stop())
    click.echo(f"Sink reading {', '.join(names)}")
    sink.run()
    click.echo(f"Landed {sink.landed.records} records in {sink.landed.objects} objects")
