"""A partition's writer: records buffered as lines, and rotated into landing objects.

Assignments, offsets in Kafka and retries live in ``sink_task``.
"""

import json
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.ingest.landing.lines import compact
from pinterest_platform.ingest.landing.objects import (
    MAX_OBJECT_BYTES,
    MAX_OBJECT_RECORDS,
    Objects,
)

logger = logging.getLogger(__name__)

Reason = Literal["records", "bytes", "seconds", "gap", "stop"]
"""Why an object ends: a limit of the policy, a gap in the offsets, or the end of the sink."""


@dataclass(frozen=True)
class RotationPolicy:
    """The limits of a landing object: records, bytes, and seconds since its first record."""

    records: int = MAX_OBJECT_RECORDS
    size: int = MAX_OBJECT_BYTES
    seconds: float = 10.0


@dataclass
class Landed:
    """A count of written records and objects."""

    records: int = 0
    objects: int = 0

    def __add__(self, other: "Landed") -> "Landed":
        return Landed(self.records + other.records, self.objects + other.objects)


@dataclass(kw_only=True)
class _Buffer:
    """Lines with consecutive offsets: the content of one landing object."""

    start: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def end(self) -> int:
        """The offset after the last line."""
        return self.start + len(self.lines)


class TopicPartitionWriter:
    """Writes the records of one partition as landing objects, in the order of offsets.

    Args:
        topic: the topic.
        partition: the partition.
        start: the offset after its landing objects.
        policy: when to rotate.
        objects: the landing place.
    """

    def __init__(
        self, topic: str, partition: int, *, start: int, policy: RotationPolicy, objects: Objects
    ) -> None:
        self.next = start
        """The next expected offset."""
        self.landed = start
        """The offset after the last object."""
        self._count = Landed()
        self._topic = topic
        self._partition = partition
        self._policy = policy
        self._objects = objects
        self._buffers: deque[_Buffer] = deque()

    def buffer(self, offset: int, value: bytes | None) -> None:
        """Buffer a record for the next object. After a gap, ``offset`` is larger than ``next``."""
        line = as_line(value)
        last = self._buffers[-1] if self._buffers else None
        if last is None or last.end != offset or self._full(last, len(line) + 1):
            last = _Buffer(start=offset)
            self._buffers.append(last)
        last.lines.append(line)
        last.size += len(line) + 1
        self.next = offset + 1

    def due(self, *, stopping: bool = False) -> Reason | None:
        """Why the first object ends now; None while it may grow."""
        if not self._buffers:
            return None
        first = self._buffers[0]
        reason: Reason | None = None
        if len(first.lines) >= self._policy.records:
            reason = "records"
        elif len(self._buffers) > 1:
            reason = "bytes" if self._buffers[1].start == first.end else "gap"
        elif self._full(first, 1):
            reason = "bytes"
        elif self.seconds_left() <= 0:
            reason = "seconds"
        elif stopping:
            reason = "stop"
        return reason

    def seconds_left(self) -> float:
        """How long the first record may still wait; infinite without one."""
        if not self._buffers:
            return float("inf")
        return self._buffers[0].since + self._policy.seconds - time.monotonic()

    def rotate(self, *, stopping: bool = False) -> bool:
        """Write the objects that are due, all of them at the end of the sink.

        False when another writer has created an object at the next offset.

        Raises:
            LandingUnavailable: the failed object and those after it stay in the buffer.
        """
        while reason := self.due(stopping=stopping):
            first = self._buffers[0]
            key = LandingKey(self._topic, self._partition, first.start)
            with self._objects.stage(b"\n".join(first.lines) + b"\n") as place:
                if not place(key):
                    return False
            self._buffers.popleft()
            self.landed = first.end
            self._count += Landed(len(first.lines), 1)
            logger.info(
                "rotated %s, reason: %s, records: %d, bytes: %d",
                *(key, reason, len(first.lines), first.size),
            )
        return True

    def take_count(self) -> Landed:
        """The count of what was written since the last call."""
        count, self._count = self._count, Landed()
        return count

    def _full(self, buffer: _Buffer, more: int) -> bool:
        """Whether there is no room for another line of so many bytes."""
        return len(buffer.lines) >= self._policy.records or buffer.size + more > self._policy.size


def as_line(value: bytes | None) -> bytes:
    r"""A record's value as one line, unchanged unless it contains a line break.

    With a line break, JSON is made compact, and anything else becomes a JSON string; bytes that
    are not UTF-8 become the escapes ``\udc80`` to ``\udcff`` (Python's surrogateescape). A missing
    value becomes ``null``, as in Confluent's JsonConverter.
    """
    if value is None:
        return b"null"
    if b"\n" not in value:
        return value
    try:
        text = value.decode()
        json.loads(text, parse_constant=_refuse)
    # Python does not parse deeply nested JSON: it becomes a string, like text that is not JSON.
    except (ValueError, RecursionError):
        return json.dumps(value.decode(errors="surrogateescape")).encode()
    return compact(text)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
