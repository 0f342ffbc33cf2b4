"""Topics as landing objects: a record's offset and its acknowledgement.

How an object becomes durable is in ``ingest.landing.objects``.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from pinterest_platform.errors import LandingUnavailable, PlatformError
from pinterest_platform.gateway.topic_bodies import Record
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.ingest.landing.objects import (
    MAX_OBJECT_BYTES,
    MAX_OBJECT_RECORDS,
    MAX_THREADS,
    Objects,
)
from pinterest_platform.outages import Outage

logger = logging.getLogger(__name__)

# buffer.memory of Kafka's producer.
MAX_WAITING_BYTES = 32 * 1024 * 1024

# request.timeout.ms of Kafka's producer.
COLLISION_SECONDS = 30.0

# A request per object of another gateway: beyond this number, a search for the last one is cheaper.
# The number then doubles, because the other gateway writes during the search.
FOLLOWED_OBJECTS = 8


@dataclass(frozen=True)
class _Append:
    lines: Sequence[bytes]
    size: int
    first_offset: "asyncio.Future[int]"


class LandingLog:
    """Appends records to topic partitions as landing objects.

    Offsets are dense: an object begins where the one before it ends, and is created only if no
    object has that key. So several gateways on one landing place never reuse an offset. Do not
    delete the last object of a partition: after a restart, offsets continue from it.
    """

    def __init__(self, objects: Objects, topics: Iterable[str], partitions: int) -> None:
        keys = [(topic, partition) for topic in topics for partition in range(partitions)]
        self._objects = objects
        self._threads = ThreadPoolExecutor(
            max_workers=min(len(keys), MAX_THREADS), thread_name_prefix="landing"
        )
        self._partitions = {key: _PartitionLog(objects, *key, self._threads) for key in keys}
        self._outage = Outage(logger, "the landing place")
        # The partitions whose last write failed, and "check" after a failed check.
        self._failing: set[object] = set()

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return sum(name == topic for name, _ in self._partitions)

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Sequence[int]:
        """Write records as lines and return their consecutive offsets, once durable.

        Lines of concurrent calls for a partition share an object. After an error the lines are
        usually not in the log, but may be when the landing place failed at the very end of the
        write: as with Kafka, a client that retries may write them twice.

        Raises:
            LandingUnavailable: no line is acknowledged.
        """
        lines = [record.line for record in records]
        with self._noting(topic, partition):
            first = await self._partitions[topic, partition].append(lines)
        return range(first, first + len(lines))

    async def check(self) -> None:
        """Check that the landing place can be read and written.

        Raises:
            LandingUnavailable: it cannot.
        """
        with self._noting("check"):
            await asyncio.to_thread(self._objects.check, list(self._partitions))

    async def close(self) -> None:
        """Wait for the writes under way."""
        for partition in self._partitions.values():
            await partition.close()
        self._threads.shutdown()

    @contextmanager
    def _noting(self, *part: object) -> Iterator[None]:
        """Log the outage that begins with an error of the block, or ends with its success."""
        try:
            yield
        except LandingBusy:
            raise
        except LandingUnavailable as error:
            self._failing.add(part)
            self._outage.begin(str(error))
            raise
        self._failing.discard(part)
        if not self._failing:
            self._outage.end()


class LandingBusy(LandingUnavailable):
    """Too many lines wait for a partition: not an outage by itself."""


class _PartitionLog:
    def __init__(
        self, objects: Objects, topic: str, partition: int, threads: ThreadPoolExecutor
    ) -> None:
        self._objects = objects
        self._topic = topic
        self._partition = partition
        self._threads = threads
        self._waiting: deque[_Append] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        # Used by the partition's one writer only; None before the first write. A failed write keeps
        # it: if the object exists after all, the next write collides and continues after it.
        self._next: int | None = None

    async def append(self, lines: Sequence[bytes]) -> int:
        size = sum(map(len, lines)) + len(lines)
        if self._waiting and self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise LandingBusy(
                f"{MAX_WAITING_BYTES} bytes already wait to be written to partition "
                f"{self._partition} of {self._topic}: send the request again later"
            )
        append = _Append(lines, size, asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        self._waiting_bytes += size
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_groups())
        return await append.first_offset

    async def close(self) -> None:
        if self._writer:
            await self._writer

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = self._take_group()
            lines = [line for append in group for line in append.lines]
            try:
                offset = await loop.run_in_executor(self._threads, self._write, lines)
            except Exception as error:
                # Whatever the error, it answers the requests, and the writer goes on.
                self._fail(group, error)
                continue
            for append in group:
                # A cancelled request has cancelled the future.
                if not append.first_offset.done():
                    append.first_offset.set_result(offset)
                offset += len(append.lines)
        self._writer = None

    def _take_group(self) -> list[_Append]:
        group: list[_Append] = []
        records = size = 0
        while self._waiting:
            records += len(self._waiting[0].lines)
            size += self._waiting[0].size
            # A single request over the limits becomes one object.
            if group and (records > MAX_OBJECT_RECORDS or size > MAX_OBJECT_BYTES):
                break
            group.append(self._waiting.popleft())
            self._waiting_bytes -= group[-1].size
        return group

    @staticmethod
    def _fail(group: list[_Append], error: Exception) -> None:
        for append in group:
            if append.first_offset.done():
                continue
            if isinstance(error, PlatformError):
                # A shared exception would collect the tracebacks of all requests.
                append.first_offset.set_exception(LandingUnavailable(str(error)))
            else:
                append.first_offset.set_exception(error)

    def _write(self, lines: list[bytes]) -> int:
        deadline = time.monotonic() + COLLISION_SECONDS
        offset = self._end() if self._next is None else self._next
        collisions, followed = 0, FOLLOWED_OBJECTS
        with self._objects.stage(b"\n".join(lines) + b"\n") as place:
            while not place(key := LandingKey(self._topic, self._partition, offset)):
                collisions += 1
                if time.monotonic() > deadline:
                    raise LandingUnavailable(
                        f"other gateways took every free offset of partition {self._partition} "
                        f"of {self._topic} for {COLLISION_SECONDS:.0f} s: run fewer gateways"
                    )
                if collisions < followed:
                    offset = key.offset + self._objects.lines(key)
                else:
                    offset = self._end()
                    collisions, followed = 0, followed * 2
        self._next = offset + len(lines)
        return offset

    def _end(self) -> int:
        last = self._objects.last(self._topic, self._partition)
        return last.offset + self._objects.lines(last) if last else 0
