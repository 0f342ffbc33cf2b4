"""The sink: records of Kafka's topics become landing objects, every offset in exactly one.

The landing place alone decides where a partition continues: after its last object. Objects are
created, never overwritten, and each begins where the one before it ends. So no offset is lost or
written twice, even if a sink is killed, or continues after its partition moved to another sink.
The offsets that it commits to Kafka only serve monitoring of the lag.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pinterest_platform.errors import LandingUnavailable, PlatformError
from pinterest_platform.ingest.landing.objects import MAX_THREADS, Objects
from pinterest_platform.kafka_client import REQUEST_SECONDS, Brokers, reason_of
from pinterest_platform.outages import Outage
from pinterest_platform.sink.writer import Landed, RotationPolicy, TopicPartitionWriter

logger = logging.getLogger(__name__)

# A stop is noticed this late at most.
POLL_SECONDS = 1.0

# As many as a busy sink gets in a second; librdkafka's queue limits their total size.
POLL_RECORDS = 10_000
QUEUE_KIB = 32 * 1024

# The shortest that brokers allow (group.min.session.timeout.ms): a sink that is wrongly considered
# dead only reads records again.
SESSION_SECONDS = 6

# During an outage of the landing place: the first wait, which doubles, and the longest.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0

# How soon new topics and partitions are noticed; librdkafka's default is five minutes.
METADATA_SECONDS = 10

Result = TypeVar("Result")
Key = tuple[str, int]


class SinkTask:
    """A member of a consumer group that writes landing objects.

    Args:
        config: from ``kafka_client.client_config``.
        group: the consumer group that shares the topics.
        names: the topics; the sink waits for those that do not exist yet.
        objects: the landing place.
        policy: when to rotate.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        group: str,
        names: Collection[str],
        objects: Objects,
        *,
        policy: RotationPolicy,
    ) -> None:
        self._brokers = Brokers()
        self._config = dict(config) | {
            "group.id": group,
            "enable.auto.commit": False,
            # Without landing objects, or when Kafka has deleted the next offset.
            "auto.offset.reset": "earliest",
            # A sink keeps reading its other partitions while some of them move.
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_SECONDS * 1000,
            "heartbeat.interval.ms": SESSION_SECONDS * 1000 // 3,
            "queued.max.messages.kbytes": QUEUE_KIB,
            "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,
            **self._brokers.config(),
        }
        self._names = list(names)
        self._objects = objects
        self._policy = policy
        self._landing = Outage(logger, "the landing place")
        self._topics = {name: Outage(logger, f"topic {name}") for name in names}
        self._writers: dict[Key, TopicPartitionWriter] = {}
        # The (expected, received) offsets of a possible gap, until they are received again.
        self._gaps: dict[Key, tuple[int, int]] = {}
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="landing")
        self._stop = Event()
        self.landed = Landed()

    def stop(self) -> None:
        """Let ``run`` return; safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Write landing objects until ``stop``, then the records still in the buffers.

        Raises:
            PlatformError: the brokers refuse permanently, or a topic does not match its landing
                objects.
        """
        consumer = Consumer(self._config)
        try:
            consumer.subscribe(
                self._names,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not self._stop.is_set():
                self._put(consumer, consumer.consume(POLL_RECORDS, self._poll_seconds()))
                self._rotate(consumer)
            self._rotate(consumer, stopping=True)
            # Only monitoring of the lag depends on this commit.
            with suppress(KafkaException):
                consumer.commit(offsets=self._offsets_to_commit(), asynchronous=False)
        except KafkaException as error:
            raise PlatformError(
                f"Kafka is unavailable ({reason_of(error.args[0])}): check the brokers and "
                "PINTEREST_KAFKA_*"
            ) from None
        finally:
            consumer.close()
            self._threads.shutdown()

    def _poll_seconds(self) -> float:
        left = min(
            (writer.seconds_left() for writer in self._writers.values()), default=POLL_SECONDS
        )
        return min(max(left, 0), POLL_SECONDS)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for assigned in partitions:
            self._open(consumer, (assigned.topic, assigned.partition))
        # A sink that was stopped during a lookup has opened no writer.
        opened = [
            TopicPartition(assigned.topic, assigned.partition, writer.next)
            for assigned in partitions
            if (writer := self._writers.get((assigned.topic, assigned.partition)))
        ]
        consumer.incremental_assign(opened)
        if opened:
            logger.info(
                "assigned %s",
                ", ".join(f"{_name(found)} from offset {found.offset}" for found in opened),
            )

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        logger.info("revoked %s", ", ".join(map(_name, partitions)))
        self._close(partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        logger.warning(
            "lost %s: the group removed this sink, which did not poll or send heartbeats in time",
            ", ".join(map(_name, partitions)),
        )
        self._close(partitions)

    def _close(self, partitions: list[TopicPartition]) -> None:
        # The next owner continues after the last object and reads the buffered records again.
        for closed in partitions:
            self._writers.pop((closed.topic, closed.partition), None)
            self._gaps.pop((closed.topic, closed.partition), None)

    def _open(self, consumer: Consumer, key: Key) -> None:
        """Replace a partition's writer with a new one that starts after the landing objects.

        The sink may be stopped first, during an outage: then the former writer stays.
        """
        start = self._retry(lambda: self._start_offset(consumer, key))
        if start is not None:
            self._topics[key[0]].end()
            self._writers[key] = TopicPartitionWriter(
                *key, start=start, policy=self._policy, objects=self._objects
            )

    def _start_offset(self, consumer: Consumer, key: Key) -> int:
        """The first offset that is in no landing object."""
        low, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=REQUEST_SECONDS)
        last = self._objects.last(*key)
        if last is None:
            return int(low)
        end = last.offset + self._objects.lines(last)
        _require_same_topic(key, end, int(high))
        return end

    def _put(self, consumer: Consumer, messages: Sequence[Message]) -> None:
        """Buffer the records of a poll, after a check of each offset."""
        sought: set[Key] = set()
        received = False
        for message in messages:
            error = message.error()
            if error is not None:
                self._on_message_error(message, error)
                continue
            received = True
            key = (str(message.topic()), int(message.partition() or 0))
            offset = int(message.offset() or 0)
            writer = self._writers.get(key)
            if writer is None or key in sought:
                continue
            if self._is_next(consumer, key, writer, offset):
                writer.buffer(offset, message.value())
            else:
                sought.add(key)
                consumer.seek(TopicPartition(*key, writer.next))
        if received:
            self._brokers.request_succeeded()

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        outage = self._topics.get(str(message.topic()))
        if outage is None:
            self._brokers.request_failed(reason_of(error))
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            outage.begin("it does not exist; waiting for the gateway to create it")
        else:
            outage.begin(reason_of(error))

    def _is_next(
        self, consumer: Consumer, key: Key, writer: TopicPartitionWriter, offset: int
    ) -> bool:
        """Whether a record is the next one of its partition."""
        if offset == writer.next:
            return True
        if offset < writer.next:
            # From another topic of this name, or received again after a seek.
            _, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=REQUEST_SECONDS)
            _require_same_topic(key, writer.next, int(high))
            return False
        # After a seek, records of the former position may still arrive once: a gap arrives twice.
        gap = (writer.next, offset)
        if self._gaps.get(key) != gap:
            self._gaps[key] = gap
            return False
        logger.warning(
            "gap: offsets %d to %d of partition %d of %s are not in Kafka: deleted by retention or "
            "compaction, or markers of a transaction",
            *(writer.next, offset - 1, key[1], key[0]),
        )
        return True

    def _rotate(self, consumer: Consumer, *, stopping: bool = False) -> None:
        """Write all objects that are due, then commit."""
        due = {
            key: writer for key, writer in self._writers.items() if writer.due(stopping=stopping)
        }
        if not due:
            return

        def rotate() -> list[bool]:
            return list(
                self._threads.map(lambda writer: writer.rotate(stopping=stopping), due.values())
            )

        rotated = self._retry(rotate) or []
        for writer in due.values():
            self.landed += writer.take_count()
        for key, is_mine in zip(due, rotated, strict=False):
            if not is_mine:
                # Another sink writes this partition, or the answer to a write was lost.
                logger.info(
                    "another object has offset %d of partition %d of %s: continuing after it",
                    *(due[key].landed, key[1], key[0]),
                )
                self._open(consumer, key)
                consumer.seek(TopicPartition(*key, self._writers[key].next))
        consumer.commit(offsets=self._offsets_to_commit(), asynchronous=True)

    def _offsets_to_commit(self) -> list[TopicPartition]:
        return [TopicPartition(*key, writer.landed) for key, writer in self._writers.items()]

    def _retry(self, action: Callable[[], Result]) -> Result | None:
        """Repeat an action until it succeeds; None when the sink is stopped first."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                result = action()
            except LandingUnavailable as error:
                self._landing.begin(str(error))
            except KafkaException as error:
                self._brokers.request_failed(reason_of(error.args[0]))
            else:
                self._landing.end()
                self._brokers.request_succeeded()
                return result
            if self._stop.wait(wait):
                return None
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"


def _require_same_topic(key: Key, end: int, high: int) -> None:
    """Check that Kafka has the offsets that are in the landing objects."""
    if end > high:
        raise PlatformError(
            f"the landing objects of partition {key[1]} of {key[0]} end at offset {end}, but the "
            f"topic at {high}: it was recreated, or the objects are from another Kafka; choose "
            "another PINTEREST_ID or PINTEREST_LANDING"
        )
