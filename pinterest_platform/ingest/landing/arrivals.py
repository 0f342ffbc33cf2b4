"""Finds new landing objects: those of a topic that its raw table does not contain.

The raw table alone determines where to continue. It contains ranges of offsets for each partition
of a topic; only the gaps between ranges and the objects after the last one are listed. So days can
be ingested in any order, and the cost of listing depends on the new objects, not on all objects.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import obstore
from obstore.exceptions import BaseError

from pinterest_platform.errors import ConfigurationError, PlatformError, error_for, first_line
from pinterest_platform.ingest.arrays import record_at
from pinterest_platform.ingest.landing.layout import (
    LandingKey,
    other_prefix,
    partition_prefix,
    topic_prefix,
)
from pinterest_platform.object_store import Store

# Every range of a partition costs a list request. With many small gaps, one listing from the first
# gap on is faster.
MOST_RANGES = 50

# Clocks of machines without time synchronisation differ by seconds or minutes.
CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class OffsetRange:
    """A gapless range of offsets in the raw table, and the object of the last offset."""

    first: int
    last: int
    last_key: str
    last_arrived_at: datetime


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A landing object with records that are missing from the raw table.

    Lines from offset ``first_new`` on are new. ``end`` is the first offset of the next object, if
    there is one: a line at or past it contradicts that object.
    """

    key: LandingKey
    arrived_at: datetime
    size: int
    first_new: int
    end: int | None = None

    @property
    def day(self) -> date:
        """UTC date of arrival: the partition of the records."""
        return self.arrived_at.date()


def new_arrivals(
    store: Store, topic: str, ingested: Mapping[int, Sequence[OffsetRange]], place: str
) -> list[Arrival]:
    """List a topic's objects with records outside the ingested ranges, by partition and offset.

    Args:
        store: the landing place.
        topic: for example ``pinterest.pin``.
        ingested: the ingested ranges of each partition, ascending.
        place: the name of the landing place in error messages.

    Raises:
        PlatformError: the landing place cannot be read, or an object's name violates the layout or
            contradicts the ingested offsets.
    """
    try:
        partitions = obstore.list_with_delimiter(store, topic_prefix(topic))["common_prefixes"]
        numbers = sorted(partition_number(prefix, place) for prefix in partitions)
        return [
            arrival
            for partition in numbers
            for arrival in _in_partition(store, topic, partition, ingested.get(partition, ()))
        ]
    except (BaseError, OSError) as error:
        raise unreadable(place, error) from error


def misplaced(store: Store, topics: Collection[str], place: str) -> str | None:
    """A hint for the user if nothing landed and a sink writes to another folder; else None.

    Raises:
        PlatformError: the landing place cannot be read.
    """
    try:
        folder = other_prefix(store, topics)
    except (BaseError, OSError) as error:
        raise unreadable(place, error) from error
    if folder is None:
        return None
    return (
        f"objects lie under '{folder}/' instead of 'topics/': set the sink's topics.dir to topics"
    )


def reject_undated(arrivals: Iterable[Arrival], start_date: date, now: datetime) -> None:
    """Reject arrivals on days without a partition now or soon.

    Raises:
        PlatformError: names the first such object, and the setting or clock to correct.
    """
    for arrival in arrivals:
        if arrival.day < start_date:
            raise ConfigurationError(
                f"the landing object '{arrival.key}' arrived on {arrival.day}, before the first "
                f"partition {start_date}: set PINTEREST_START_DATE to {arrival.day} or earlier"
            )
        if arrival.arrived_at > now + CLOCKS_DIFFER:
            raise ConfigurationError(
                f"the landing object '{arrival.key}' arrived on {arrival.day}, which is in the "
                "future: correct the clock of this machine, or the object's time"
            )


def began_at(store: Store, topic: str, partition: int, place: str) -> datetime | None:
    """Arrival time of the object with a partition's first offset; None if there is none.

    Raises:
        PlatformError: the landing place cannot be read.
    """
    try:
        found = obstore.head(store, str(LandingKey(topic, partition, 0)))
    except FileNotFoundError:
        return None
    except (BaseError, OSError) as error:
        raise unreadable(place, error) from error
    return found["last_modified"].astimezone(UTC)


def has_record(store: Store, key: LandingKey, number: str, record: bytes, place: str) -> bool:
    """Whether an object exists and has exactly this record at its place.

    Args:
        store: the landing place.
        key: the object's key.
        number: the record's offset, followed by its place if it came in an array.
        record: the record's bytes.
        place: the name of the landing place in error messages.

    Raises:
        PlatformError: the landing place cannot be read.
    """
    try:
        content = bytes(obstore.get(store, str(key)).bytes())
    except FileNotFoundError:
        return False
    except (BaseError, OSError) as error:
        raise unreadable(place, error) from error
    offset, *places = map(int, number.split(":"))
    lines = content.split(b"\n")
    if offset - key.offset >= len(lines):
        return False
    line = lines[offset - key.offset]
    if not places:
        return line == record
    # Elements of an array were text.
    part = record_at(line.decode(errors="replace"), places)
    return part is not None and part.encode() == record


def _in_partition(
    store: Store, topic: str, partition: int, ingested: Sequence[OffsetRange]
) -> Iterator[Arrival]:
    found: dict[LandingKey, Arrival] = {}
    for before, after in _gaps(ingested[:MOST_RANGES]):
        for key, arrived_at, size in _listed(store, topic, partition, before, after):
            first_new = _first_new(key, arrived_at, ingested)
            if first_new is not None:
                found[key] = Arrival(key=key, arrived_at=arrived_at, size=size, first_new=first_new)
    begins = sorted({*(key.offset for key in found), *(run.first for run in ingested)})
    for key in sorted(found):
        following = bisect_right(begins, key.offset)
        yield replace(found[key], end=begins[following] if following < len(begins) else None)


def _first_new(
    key: LandingKey, arrived_at: datetime, ingested: Sequence[OffsetRange]
) -> int | None:
    """The first missing offset of an object; None if the object was ingested as it now is."""
    position = bisect_right(ingested, key.offset, key=lambda run: run.first) - 1
    if position < 0 or key.offset > ingested[position].last:
        return key.offset
    run = ingested[position]
    last = LandingKey.parse(run.last_key)
    if key.offset > last.offset:
        raise ConfigurationError(
            f"the landing object '{key}' begins within offsets that '{run.last_key}' already gave: "
            "the sink wrote them twice with other bounds; move one of them away"
        )
    # The last object of a range may have been rewritten since, with more lines.
    rewritten = key == last and arrived_at != run.last_arrived_at
    return run.last + 1 if rewritten else None


def _gaps(ingested: Sequence[OffsetRange]) -> list[tuple[OffsetRange | None, int | None]]:
    """The gaps to list: the range before (None: the start), and the offset after, exclusive."""
    gaps: list[tuple[OffsetRange | None, int | None]] = []
    if not ingested or ingested[0].first > 0:
        gaps.append((None, ingested[0].first if ingested else None))
    gaps.extend((run, following.first) for run, following in pairwise(ingested))
    gaps.extend((run, None) for run in ingested[-1:])
    return gaps


def _listed(
    store: Store, topic: str, partition: int, before: OffsetRange | None, after: int | None
) -> Iterator[tuple[LandingKey, datetime, int]]:
    """The objects from the last object of the range before up to offset ``after``, exclusive."""
    prefix = partition_prefix(topic, partition)
    start_after = None
    if before is not None:
        last = LandingKey.parse(before.last_key)
        if last.offset > 0:
            start_after = str(LandingKey(topic, partition, last.offset - 1))
    for page in obstore.list(store, prefix, offset=start_after, chunk_size=1000):
        past_the_gap = False
        for entry in page:
            # An empty object has no records yet; it counts as new once it has some.
            if is_hidden(entry["path"]) or entry["size"] == 0:
                continue
            key = LandingKey.parse(entry["path"])
            if after is not None and key.offset >= after:
                past_the_gap = True
                continue
            yield key, entry["last_modified"].astimezone(UTC), entry["size"]
        # S3 lists in name order, so the rest can be skipped. A folder is unordered and has no pages
        # to save.
        if past_the_gap and not isinstance(store, obstore.store.LocalStore):
            return


def partition_number(prefix: str, place: str) -> int:
    """The partition number in ``topics/<topic>/partition=<p>/``; an error if it is invalid."""
    name = prefix.rstrip("/").rsplit("/", 1)[-1]
    number = name.removeprefix("partition=")
    # Only the canonical spelling: partition=00 must not exist next to partition=0.
    if number == name or not re.fullmatch("0|[1-9][0-9]*", number):
        raise ConfigurationError(
            f"'{prefix}' in the landing place {place} does not follow "
            "topics/<topic>/partition=<p>/: move it away"
        )
    return int(number)


def is_hidden(path: str) -> bool:
    """Whether the name marks a non-data file of another tool (_SUCCESS, .DS_Store)."""
    return path.rsplit("/", 1)[-1].startswith(("_", "."))


def unreadable(place: str, error: BaseException) -> PlatformError:
    """The error for a landing place that cannot be read."""
    return error_for(f"{type(error).__name__}: {error}")(
        f"the landing place {place} cannot be read ({first_line(error)}): "
        "check PINTEREST_LANDING, AWS_ENDPOINT_URL and the AWS credentials"
    )
