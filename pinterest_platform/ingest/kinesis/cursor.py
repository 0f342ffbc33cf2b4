"""The stream sensor's cursor, and how a tick finds the records after it.

The cursor holds the last sequence number of each shard; a tick reads only records after it. A
recreated stream has another creation time and is read from its start.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from pinterest_platform.errors import OutageError, PlatformError, StreamError
from pinterest_platform.ingest.kinesis.client import Connection
from pinterest_platform.ingest.kinesis.shards import (
    TRIM_HORIZON,
    Page,
    Position,
    Shard,
    Stream,
    describe,
    pages,
)
from pinterest_platform.ingest.polling import Arrivals, at_once

# A tick with a cursor of another version starts over: its run ingests nothing twice.
VERSION = 1


@dataclass(frozen=True)
class Seen:
    """A stream's creation time, and the last sequence number read from each shard.

    The number is None for a closed shard that was read to its end. A shard without records so far
    is missing: it is read from its oldest record, as are the children of a reshard.
    """

    created_at: str
    shards: Mapping[str, str | None] = field(default_factory=dict)


Cursor = Mapping[str, Seen]


def read_cursor(text: str | None) -> dict[str, Seen]:
    """The cursor that ``write_cursor`` wrote; empty for None or another version."""
    written = json.loads(text) if text else {}
    if written.get("version") != VERSION:
        return {}
    return {name: Seen(**seen) for name, seen in written["streams"].items()}


def write_cursor(cursor: Cursor) -> str:
    """The cursor as text."""
    streams = {
        name: {"created_at": seen.created_at, "shards": dict(sorted(seen.shards.items()))}
        for name, seen in sorted(cursor.items())
    }
    return json.dumps({"version": VERSION, "streams": streams}, separators=(",", ":"))


@dataclass(frozen=True)
class _Read:
    """Progress in a shard: its position as in ``Seen``, or "" if unread, and its arrivals."""

    position: str | None
    arrivals: Arrivals | None = None


def described(kinesis: Connection, names: list[str], deadline: float) -> dict[str, Stream | None]:
    """The streams with these names; None for a missing stream.

    Raises:
        PlatformError: the request to Kinesis failed, or does not answer before the deadline.
    """
    streams, errors = at_once({name: partial(describe, kinesis, name) for name in names}, deadline)
    for error in errors:
        raise error
    if len(streams) < len(names):
        raise _silent(kinesis)
    return streams


def new_since(
    kinesis: Connection, streams: list[Stream], cursor: Cursor, deadline: float
) -> tuple[dict[str, Seen], dict[str, Arrivals]]:
    """Read the records that arrived since the cursor, until the deadline (``time.monotonic``).

    Returns:
        The cursor after these records, and the arrivals of each stream that has any.

    Raises:
        PlatformError: the request to Kinesis failed, or does not answer before the deadline.
    """
    progress: dict[tuple[str, str], _Read] = {}
    requests = {}
    for stream in streams:
        before = cursor.get(stream.name)
        is_same = before and before.created_at == stream.created_at.isoformat()
        known = before.shards if before and is_same else {}
        for shard in stream.shards:
            position = known.get(shard.id, "")
            key = (stream.name, shard.id)
            progress[key] = _Read(position)
            if position is not None:
                requests[key] = partial(_read, kinesis, stream.name, shard, progress, deadline)
    answers, errors = at_once(requests, deadline)
    for error in errors:
        raise error
    # Late threads continue to write.
    reads = progress.copy()
    arrivals: dict[str, Arrivals] = {}
    for (name, _), read in reads.items():
        if read.arrivals:
            arrivals[name] = arrivals[name] + read.arrivals if name in arrivals else read.arrivals
    if requests and not answers and not arrivals:
        raise _silent(kinesis)
    seen = {
        stream.name: Seen(
            stream.created_at.isoformat(),
            {
                shard.id: reads[stream.name, shard.id].position
                for shard in stream.shards
                if reads[stream.name, shard.id].position != ""
            },
        )
        for stream in streams
    }
    return seen, arrivals


def _read(
    kinesis: Connection,
    stream: str,
    shard: Shard,
    progress: dict[tuple[str, str], _Read],
    deadline: float,
) -> None:
    """Read a shard to its tip or the deadline, recording progress after each page."""
    so_far = progress[stream, shard.id]
    start = Position(so_far.position) if so_far.position else TRIM_HORIZON
    patience = max(0.0, deadline - time.monotonic())
    try:
        for page in pages(kinesis, stream, shard, start, patience=patience):
            new = _arrivals_of(page)
            total = so_far.arrivals + new if so_far.arrivals and new else new or so_far.arrivals
            so_far = _Read((page.position.after or "") if page.position else None, total)
            progress[stream, shard.id] = so_far
            if time.monotonic() > deadline:
                return
    except StreamError as error:
        # Other readers use all of the shard's reads: the next tick continues from here.
        if error.status != 429:
            raise


def _arrivals_of(page: Page) -> Arrivals | None:
    if not page.records:
        return None
    return Arrivals(
        count=len(page.records),
        bytes=sum(len(record.data) for record in page.records),
        days=frozenset(record.arrived_at.date() for record in page.records),
        newest=max(record.arrived_at for record in page.records),
    )


def _silent(kinesis: Connection) -> PlatformError:
    return OutageError(
        f"Kinesis at {kinesis.endpoint} did not answer in time: "
        "check AWS_ENDPOINT_URL and the network"
    )
