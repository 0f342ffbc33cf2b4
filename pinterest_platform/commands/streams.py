"""``pinterest streams``: Kinesis streams from the shell."""

import json

import click

from pinterest_platform import settings
from pinterest_platform.gateway.stream_client import Kinesis


@click.group("streams")
def command() -> None:
    """List, create, describe and delete Kinesis streams.

    The commands call AWS directly, with the usual AWS_* variables and profiles. The emulation posts
    to streaming-<PINTEREST_ID>-pin, -geo and -user.
    """


@command.command("list")
def list_() -> None:
    """Print the names of all streams, one a line."""
    for name in _kinesis().streams():
        click.echo(name)


@command.command("create")
@click.argument("name")
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Shards; each takes 1,000 records and 1 MB a second.",
)
def create(name: str, shards: int) -> None:
    """Create the stream NAME and wait until it is active."""
    kinesis = _kinesis()
    kinesis.create(name, shards)
    kinesis.wait_until_active(name)
    click.echo(f"{name} is active, shards: {shards}")


@command.command("describe")
@click.argument("name")
def describe(name: str) -> None:
    """Print AWS's description of the stream NAME, with all its shards, as JSON."""
    click.echo(json.dumps(_kinesis().describe(name), indent=2, ensure_ascii=False, default=str))


@command.command("delete")
@click.argument("name")
def delete(name: str) -> None:
    """Delete the stream NAME and its records, and wait until it is gone."""
    kinesis = _kinesis()
    kinesis.delete(name)
    kinesis.wait_until_gone(name)
    click.echo(f"{name} is deleted")


def _kinesis() -> Kinesis:
    return Kinesis(settings.load().aws_region or None)
