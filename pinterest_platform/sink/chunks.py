"""What the sink holds of a partition: records as lines, cut into the objects that they will be."""

import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pinterest_platform.ingest.landing.lines import compact
from pinterest_platform.ingest.landing.objects import MAX_OBJECT_BYTES, MAX_OBJECT_RECORDS


@dataclass(frozen=True)
class Bounds:
    """When a landing object is full: by records, bytes, or seconds since its first record came."""

    records: int = MAX_OBJECT_RECORDS
    size: int = MAX_OBJECT_BYTES
    seconds: float = 10.0


@dataclass
class Chunk:
    """Lines with consecutive offsets: a landing object that is to be."""

    start: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def end(self) -> int:
        """The offset behind the last line."""
        return self.start + len(self.lines)

    @property
    def body(self) -> bytes:
        """The object's content."""
        return b"\n".join(self.lines) + b"\n"


class Chunks:
    """The records of a partition that are not in the landing place yet, in the order of offsets.

    Args:
        first: the offset behind the landing objects.
        bounds: of an object.
    """

    def __init__(self, first: int, bounds: Bounds) -> None:
        self.next = first
        """The offset that is expected."""
        self.landed = first
        """The offset behind what was written."""
        self._bounds = bounds
        self._chunks: deque[Chunk] = deque()

    def add(self, offset: int, value: bytes | None) -> None:
        """Hold a record, whose offset is ``next`` or, where Kafka has a gap, larger."""
        line = as_line(value)
        last = self._chunks[-1] if self._chunks else None
        if last is None or last.end != offset or self._full(last, len(line) + 1):
            last = Chunk(offset)
            self._chunks.append(last)
        last.lines.append(line)
        last.size += len(line) + 1
        self.next = offset + 1

    def due(self, *, everything: bool = False) -> Chunk | None:
        """The first chunk, when it can be written; it stays until it is ``written``."""
        if not self._chunks:
            return None
        first = self._chunks[0]
        ready = (
            everything or len(self._chunks) > 1 or self._full(first, 1) or self.seconds_left() <= 0
        )
        return first if ready else None

    def seconds_left(self) -> float:
        """How long the first chunk may still wait; infinite without one."""
        if not self._chunks:
            return float("inf")
        return self._chunks[0].since + self._bounds.seconds - time.monotonic()

    def written(self) -> None:
        """Forget the first chunk."""
        self.landed = self._chunks.popleft().end

    def _full(self, chunk: Chunk, more: int) -> bool:
        """Whether there is no room for a further line of this many bytes."""
        return len(chunk.lines) >= self._bounds.records or chunk.size + more > self._bounds.size


def as_line(value: bytes | None) -> bytes:
    r"""A record's value as one line, untouched unless it holds a line's end.

    Then JSON is made compact, which takes the line's end away, and anything else becomes a JSON
    string of it, bytes that are not UTF-8 as the escapes ``\udc80`` to ``\udcff`` (Python's
    surrogateescape). No value is ``null``, as Confluent's JsonConverter has it.
    """
    if value is None:
        return b"null"
    if b"\n" not in value:
        return value
    try:
        text = value.decode()
        json.loads(text, parse_constant=_refuse)
    # What is nested too deeply for Python to look into is kept like what is no JSON.
    except (ValueError, RecursionError):
        return json.dumps(value.decode(errors="surrogateescape")).encode()
    return compact(text)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
