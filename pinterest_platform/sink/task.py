"""The sink: records of topics in Kafka become landing objects, every offset in exactly one.

The landing place alone says where a partition goes on: behind its last object. Objects are created,
never overwritten, and each begins where the one before it ends. So whatever is killed, or lives on
after its partition went to another sink, no offset is missing and none is there twice. Offsets are
committed to Kafka behind the objects, for those who watch the lag.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pinterest_platform.errors import LandingUnavailable, PlatformError
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.ingest.landing.objects import MAX_THREADS, Objects
from pinterest_platform.kafka_client import REQUEST_SECONDS, quiet, reason_of
from pinterest_platform.sink.chunks import Bounds, Chunks

# How soon a stop is seen. Also the longest that records wait beside those that came with them.
LOOK_SECONDS = 1.0

# Records that are taken at once: what arrives in a second at a busy sink. They come from a queue
# of this many KiB, so that is what they can be together.
TAKEN_RECORDS = 10_000
QUEUE_KIB = 32 * 1024

# After this another sink gets the partitions of one that was killed: the shortest that brokers take
# (group.min.session.timeout.ms). To be taken for dead by mistake costs reading again, no more.
SESSION_SECONDS = 6

# While the landing place cannot be used: the first wait, doubled each time, and the longest.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0

# Distinct messages that are told; librdkafka puts durations into some.
MOST_TOLD = 50

# A topic that is made, or gets more partitions, is seen after this long; librdkafka's own is five
# minutes.
METADATA_SECONDS = 10

Result = TypeVar("Result")
Key = tuple[str, int]


@dataclass
class Landed:
    """What a sink has written."""

    records: int = 0
    objects: int = 0


class Sink:
    """One member of a consumer group that writes landing objects.

    Args:
        config: of ``kafka.client_config``.
        group: of the consumers that share the topics.
        names: the topics; one that does not exist is waited for.
        objects: the landing place.
        bounds: of an object.
        say: is told, once, what keeps the brokers or the landing place from being used.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        group: str,
        names: Collection[str],
        objects: Objects,
        *,
        bounds: Bounds,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._config = dict(config) | {
            "group.id": group,
            "enable.auto.commit": False,
            # Where to begin without landing objects, or when Kafka has deleted what comes next.
            "auto.offset.reset": "earliest",
            # Partitions that stay with a sink go on while others move.
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_SECONDS * 1000,
            "heartbeat.interval.ms": SESSION_SECONDS * 1000 // 3,
            "queued.max.messages.kbytes": QUEUE_KIB,
            "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,
            "error_cb": self._troubled,
            **quiet(),
        }
        self._names = list(names)
        self._objects = objects
        self._bounds = bounds
        self._say = say
        self._said: set[str] = set()
        self._held: dict[Key, Chunks] = {}
        # A jump in the offsets, (expected, met), is believed when it is met again.
        self._jumps: dict[Key, tuple[int, int]] = {}
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="landing")
        self._stop = Event()
        self._counting = Lock()
        self.landed = Landed()

    def stop(self) -> None:
        """Let ``run`` end; may be called by a signal."""
        self._stop.set()

    def run(self) -> None:
        """Write landing objects until it is stopped, and then what it still holds.

        Raises:
            PlatformError: the brokers refuse for good, or a topic and its landing objects do not
                belong together.
        """
        consumer = Consumer(self._config)
        try:
            consumer.subscribe(
                self._names,
                on_assign=self._assigned,
                on_revoke=self._revoked,
                on_lost=self._revoked,
            )
            while not self._stop.is_set():
                self._take(consumer, consumer.consume(TAKEN_RECORDS, self._patience()))
                self._write(consumer)
            self._write(consumer, everything=True)
            # Only the lag that others watch depends on it.
            with suppress(KafkaException):
                consumer.commit(offsets=self._behind_objects(), asynchronous=False)
        except KafkaException as error:
            raise PlatformError(_unusable(reason_of(error.args[0]))) from None
        finally:
            consumer.close()
            self._threads.shutdown()

    def _patience(self) -> float:
        left = min((chunks.seconds_left() for chunks in self._held.values()), default=LOOK_SECONDS)
        return min(max(left, 0), LOOK_SECONDS)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for found in partitions:
            self._go_on(consumer, (found.topic, found.partition))
        # Where the sink was stopped while it looked, there is nothing held, and nothing to assign.
        consumer.incremental_assign(
            [
                TopicPartition(found.topic, found.partition, chunks.next)
                for found in partitions
                if (chunks := self._held.get((found.topic, found.partition)))
            ]
        )

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # Whoever has them next goes on behind the last object; what is held here comes to it again.
        for found in partitions:
            self._held.pop((found.topic, found.partition), None)
            self._jumps.pop((found.topic, found.partition), None)

    def _go_on(self, consumer: Consumer, key: Key) -> None:
        """Hold what comes behind the landing objects of a partition, and nothing before."""
        first = self._patiently(lambda: self._first(consumer, key))
        if first is not None:
            self._held[key] = Chunks(first, self._bounds)

    def _first(self, consumer: Consumer, key: Key) -> int:
        """The first offset that is in no landing object."""
        low, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=REQUEST_SECONDS)
        last = self._objects.last(*key)
        if last is None:
            return int(low)
        end = last.offset + self._objects.lines(last)
        _require_one_piece(key, end, int(high))
        return end

    def _take(self, consumer: Consumer, messages: Sequence[Message]) -> None:
        elsewhere: set[Key] = set()
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    self._tell(f"{reason_of(error)}: waiting for the gateway to make it")
                else:
                    self._troubled(error)
                continue
            key = (str(message.topic()), int(message.partition() or 0))
            offset = int(message.offset() or 0)
            chunks = self._held.get(key)
            if chunks is None or key in elsewhere:
                continue
            if self._is_next(consumer, key, chunks, offset):
                chunks.add(offset, message.value())
            else:
                elsewhere.add(key)
                consumer.seek(TopicPartition(*key, chunks.next))

    def _is_next(self, consumer: Consumer, key: Key, chunks: Chunks, offset: int) -> bool:
        """Whether a record is the next one of its partition."""
        if offset == chunks.next:
            return True
        if offset < chunks.next:
            # Of another topic with this name, or read again after a seek.
            _, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=REQUEST_SECONDS)
            _require_one_piece(key, chunks.next, int(high))
            return False
        jump = (chunks.next, offset)
        if self._jumps.get(key) != jump:
            self._jumps[key] = jump
            return False
        self._tell(
            f"the offsets {chunks.next} to {offset - 1} of partition {key[1]} of {key[0]} are not "
            "in Kafka: deleted by retention or compaction, or the marks of a transaction"
        )
        return True

    def _write(self, consumer: Consumer, *, everything: bool = False) -> None:
        due = [key for key, chunks in self._held.items() if chunks.due(everything=everything)]
        if not due:
            return

        def write() -> list[bool]:
            return list(self._threads.map(lambda key: self._write_one(key, everything), due))

        for key, alone in zip(due, self._patiently(write) or [], strict=False):
            if not alone:
                # Another sink writes this partition, or the answer to a write was lost.
                self._go_on(consumer, key)
                consumer.seek(TopicPartition(*key, self._held[key].next))
        consumer.commit(offsets=self._behind_objects(), asynchronous=True)

    def _write_one(self, key: Key, everything: bool) -> bool:
        """Write what is due of a partition; False when another object is there already."""
        chunks = self._held[key]
        while chunk := chunks.due(everything=everything):
            with self._objects.stage(chunk.body) as place:
                if not place(LandingKey(*key, chunk.start)):
                    return False
            chunks.written()
            with self._counting:
                self.landed.objects += 1
                self.landed.records += len(chunk.lines)
        return True

    def _behind_objects(self) -> list[TopicPartition]:
        return [TopicPartition(*key, chunks.landed) for key, chunks in self._held.items()]

    def _patiently(self, action: Callable[[], Result]) -> Result | None:
        """Do something again until it succeeds; None when the sink is stopped before."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                return action()
            except LandingUnavailable as error:
                self._tell(str(error))
            except KafkaException as error:
                self._troubled(error.args[0])
            if self._stop.wait(wait):
                return None
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _troubled(self, error: KafkaError) -> None:
        self._tell(_unusable(reason_of(error)))

    def _tell(self, what: str) -> None:
        if what not in self._said and len(self._said) < MOST_TOLD:
            self._said.add(what)
            self._say(what)


def _require_one_piece(key: Key, end: int, high: int) -> None:
    """See that a partition has what its landing objects say that it has."""
    if end > high:
        raise PlatformError(
            f"the landing objects of partition {key[1]} of {key[0]} end at offset {end}, but the "
            f"topic at {high}: it was made again, or they are of another Kafka; choose another "
            "PINTEREST_ID or PINTEREST_LANDING"
        )


def _unusable(reason: str) -> str:
    return f"Kafka cannot be used ({reason}): check the brokers and PINTEREST_KAFKA_*"
