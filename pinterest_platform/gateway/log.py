"""The log of each topic partition: which offset a record gets, and when it is acknowledged.

How an object is made durable is in ``objects``.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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

# What may wait for one partition while a write hangs: Kafka's producer's default buffer.memory.
MAX_WAITING_BYTES = 32 * 1024 * 1024

# How long to look for a free offset beside other gateways: request.timeout.ms of the producer.
COLLISION_SECONDS = 30.0

# Another gateway is usually a few objects ahead, and following them takes one request each. When
# it is further ahead, looking for the last object is cheaper; then this many doubles, because a
# busy gateway gets ahead during the look, too.
FOLLOWED_OBJECTS = 8


@dataclass(frozen=True)
class _Append:
    lines: Sequence[bytes]
    size: int
    first_offset: "asyncio.Future[int]"


class LandingLog:
    """Appends lines to topic partitions as landing objects.

    Offsets are dense: an object begins where the one before it ends, and is created only if no
    object has that key. So several gateways on one landing place never reuse an offset. The last
    object of a partition must stay, because offsets go on from it after a restart.
    """

    def __init__(self, objects: Objects, topics: Iterable[str], partitions: int) -> None:
        keys = [(topic, partition) for topic in topics for partition in range(partitions)]
        self._objects = objects
        self._threads = ThreadPoolExecutor(
            max_workers=min(len(keys), MAX_THREADS), thread_name_prefix="landing"
        )
        self._partitions = {key: _PartitionLog(objects, *key, self._threads) for key in keys}

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return sum(name == topic for name, _ in self._partitions)

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Sequence[int]:
        """Write records as lines and return their offsets, once durable.

        They get consecutive offsets. Lines of concurrent calls for the same partition share an
        object. When it raises, the lines are usually not in the log, but may be when the landing
        place broke at the very end of the write: as with Kafka, who sends again may send twice.

        Raises:
            LandingUnavailable: nothing is acknowledged.
        """
        lines = [record.line for record in records]
        first = await self._partitions[topic, partition].append(lines)
        return range(first, first + len(lines))

    async def check(self) -> None:
        """See that the landing place can be read and written.

        Raises:
            LandingUnavailable: says why not.
        """
        await asyncio.to_thread(self._objects.check, list(self._partitions))

    async def close(self) -> None:
        """Finish what was appended."""
        for partition in self._partitions.values():
            await partition.close()
        self._threads.shutdown()


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
        # Only the writer, of which there is one, touches this. None: to be looked up. A failed
        # write leaves it: if the object is there after all, the next write collides and passes it.
        self._next: int | None = None

    async def append(self, lines: Sequence[bytes]) -> int:
        size = sum(map(len, lines)) + len(lines)
        if self._waiting and self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise LandingUnavailable(
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
                # Whatever it is, it belongs to the requests, and the writer goes on.
                self._fail(group, error)
                continue
            for append in group:
                # Done already when the request was cancelled in the meantime.
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
            # A request that is over the bounds by itself becomes an object by itself.
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
                # One exception each: a shared one would gather the tracebacks of all requests.
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
                        f"of {self._topic} for {COLLISION_SECONDS:.0f} s: run one gateway less"
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
