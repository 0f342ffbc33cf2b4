"""The landing sensor's cursor, and the objects that arrived since.

The cursor holds the last object of each topic partition; a tick lists only objects after it, so its
cost depends on the new objects, not on all objects.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError

from pinterest_platform.errors import OutageError
from pinterest_platform.ingest.landing.arrivals import (
    Arrival,
    is_hidden,
    partition_number,
    unreadable,
)
from pinterest_platform.ingest.landing.layout import LandingKey, partition_prefix, topic_prefix
from pinterest_platform.ingest.polling import Arrivals, at_once
from pinterest_platform.object_store import Store

# A tick with a cursor of another version starts over: its run ingests nothing twice.
VERSION = 1

# S3 lists at most 1000 keys in one answer.
_PAGE = 1000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """The last object of a partition, and the newest arrival; times in us since 1970."""

    offset: int
    arrived_at: int
    newest: int


K = TypeVar("K")
T = TypeVar("T")

Cursor = Mapping[tuple[str, int], Seen]


def read_cursor(text: str | None) -> dict[tuple[str, int], Seen]:
    """The cursor that ``write_cursor`` wrote; empty for None or another version."""
    written = json.loads(text) if text else {}
    if written.get("version") != VERSION:
        return {}
    return {
        (topic, int(partition)): Seen(*seen)
        for topic, partitions in written["seen"].items()
        for partition, seen in partitions.items()
    }


def write_cursor(cursor: Cursor) -> str:
    """The cursor as text."""
    seen: dict[str, dict[str, list[int]]] = {}
    for (topic, partition), last in sorted(cursor.items()):
        seen.setdefault(topic, {})[str(partition)] = list(astuple(last))
    return json.dumps({"version": VERSION, "seen": seen}, separators=(",", ":"))


def moved(cursor: Cursor, seen: Cursor, topic: str) -> dict[int, Seen]:
    """The partitions of a topic for which ``seen`` is ahead of the cursor."""
    return {
        partition: last
        for (name, partition), last in seen.items()
        if name == topic and last != cursor.get((name, partition))
    }


def arrivals_of(arrivals: Iterable[Arrival]) -> Arrivals | None:
    """The summary of objects; None for no objects."""
    listed = list(arrivals)
    if not listed:
        return None
    return Arrivals(
        count=len(listed),
        bytes=sum(arrival.size for arrival in listed),
        days=frozenset(arrival.day for arrival in listed),
        newest=max(arrival.arrived_at for arrival in listed),
    )


def new_since(
    store: Store, topics: Sequence[str], cursor: Cursor, deadline: float, place: str
) -> tuple[dict[tuple[str, int], Seen], list[Arrival]]:
    """List the objects that arrived since the cursor, until the deadline (``time.monotonic``).

    Returns:
        The cursor after these objects, and the new objects by topic, partition and offset.

    Raises:
        PlatformError: the landing place cannot be read, or an object violates the layout.
    """
    prefixes = _answers(
        {topic: partial(_partitions, store, topic, place) for topic in topics}, deadline, place
    )
    keys = [(topic, number) for topic, numbers in prefixes.items() for number in numbers]
    requests = {key: partial(_new, store, *key, cursor.get(key), deadline) for key in keys}
    found = _answers(requests, deadline, place)
    seen = {key: last for key, (last, _) in found.items() if last is not None}
    return {**cursor, **seen}, [arrival for _, new in found.values() for arrival in new]


def _answers(requests: Mapping[K, Callable[[], T]], deadline: float, place: str) -> dict[K, T]:
    """The answers that came in time; an error if none did."""
    answers, errors = at_once(requests, deadline)
    for error in errors:
        if isinstance(error, BaseError | OSError):
            raise unreadable(place, error) from error
        raise error
    if requests and not answers:
        raise OutageError(
            f"the landing place {place} did not answer in time: "
            "check AWS_ENDPOINT_URL and the network"
        )
    return answers


def _partitions(store: Store, topic: str, place: str) -> list[int]:
    prefixes = obstore.list_with_delimiter(store, topic_prefix(topic))["common_prefixes"]
    return sorted(partition_number(prefix, place) for prefix in prefixes)


def _new(
    store: Store, topic: str, partition: int, seen: Seen | None, deadline: float
) -> tuple[Seen | None, list[Arrival]]:
    """The current last object of a partition, and the new ones."""
    if seen is None:
        listed = new = _listed(store, topic, partition, 0, deadline)
    else:
        listed = _listed(store, topic, partition, seen.offset, deadline)
        if listed and _is(listed[0], seen):
            new = listed[1:]
        else:
            # The last object is missing or replaced: the topic may have been recreated, with
            # smaller offsets. So compare arrivals instead of offsets.
            listed = _listed(store, topic, partition, 0, deadline)
            new = [
                arrival
                for arrival in listed
                if arrival.key.offset > seen.offset
                or _micros(arrival.arrived_at) >= seen.newest
                or (arrival.key.offset == seen.offset and not _is(arrival, seen))
            ]
    if not listed:
        return seen, []
    newest = max(_micros(arrival.arrived_at) for arrival in listed)
    if seen is not None:
        newest = max(newest, seen.newest)
    return Seen(listed[-1].key.offset, _micros(listed[-1].arrived_at), newest), list(new)


def _is(arrival: Arrival, seen: Seen) -> bool:
    return (arrival.key.offset, _micros(arrival.arrived_at)) == (seen.offset, seen.arrived_at)


def _listed(store: Store, topic: str, partition: int, first: int, deadline: float) -> list[Arrival]:
    """The objects of a partition from offset ``first``, until the deadline."""
    start_after = str(LandingKey(topic, partition, first - 1)) if first > 0 else None
    found: list[Arrival] = []
    # S3 lists in name order, so a truncated listing has no gaps. A folder has no order and is
    # listed completely.
    in_order = not isinstance(store, obstore.store.LocalStore)
    prefix = partition_prefix(topic, partition)
    for page in obstore.list(store, prefix, offset=start_after, chunk_size=_PAGE):
        for entry in page:
            # An empty object has no records yet; it counts as new once it has some.
            if is_hidden(entry["path"]) or entry["size"] == 0:
                continue
            key = LandingKey.parse(entry["path"])
            arrived_at = entry["last_modified"].astimezone(UTC)
            found.append(
                Arrival(key=key, arrived_at=arrived_at, size=entry["size"], first_new=key.offset)
            )
        if in_order and time.monotonic() > deadline:
            break
    return sorted(found, key=lambda arrival: arrival.key)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
