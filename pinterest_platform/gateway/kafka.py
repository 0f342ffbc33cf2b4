"""Topics in Kafka: records are produced, and acknowledged once all in-sync replicas have them.

The HTTP side lives in ``app``, client configuration and outages in ``kafka_client``.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pinterest_platform.gateway.errors import (
    KAFKA_TIMEOUT,
    NOT_AUTHORIZED,
    PARTITION_NOT_FOUND,
    KafkaUnavailable,
    RestError,
)
from pinterest_platform.gateway.topic_bodies import MAX_VALUE_BYTES, Record
from pinterest_platform.kafka_client import REQUEST_SECONDS, Brokers, reason_of

logger = logging.getLogger(__name__)

# Other brokers take over within seconds, and API Gateway times out after 29 s.
DELIVERY_SECONDS = 20

# Limit of the records that wait for the brokers: buffer.memory of Kafka's producer, 32 MiB.
MAX_WAITING_KIB = 32 * 1024

# Compared with Kafka's default of 5 ms, one client is three times faster and 64 clients a tenth
# slower; with 0 those 64 would lose a third (bench/gateway.py).
LINGER_MS = 1

# How soon added partitions are used: metadata.max.age.ms of Kafka's producer.
METADATA_SECONDS = 300

_NOT_AUTHORIZED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_NOT_IN_TIME = (KafkaError._MSG_TIMED_OUT, KafkaError.REQUEST_TIMED_OUT)
_NO_PARTITION = (KafkaError._UNKNOWN_PARTITION,)


class KafkaTopics:
    """Appends records to topics in Kafka and creates missing topics.

    Without a broker every call raises, and the next call tries again.

    Args:
        config: from ``kafka_client.client_config``.
        names: the topics.
        partitions: of a new topic; its replication factor is the brokers' default.
        delivery_seconds: how long a record may wait for its acknowledgement.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        names: Collection[str],
        partitions: int,
        *,
        delivery_seconds: float = DELIVERY_SECONDS,
    ) -> None:
        self._config = dict(config)
        self._names = list(names)
        self._new_partitions = partitions
        self._delivery_seconds = delivery_seconds
        self._brokers = Brokers()
        self._counts: dict[str, int] = {}
        self._counted = float("-inf")
        self._checking: asyncio.Future[dict[str, int]] | None = None
        self._producing = self._start()

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; missing topics are created.

        Raises:
            KafkaUnavailable: the brokers do not answer, or do not let the gateway create topics.
        """
        if time.monotonic() > self._counted + METADATA_SECONDS:
            await self.check()
        return self._counts[topic]

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Sequence[int]:
        """Produce records and return their offsets, once all in-sync replicas have them.

        After an error some records may still be in the topic: a client that retries may write them
        twice.

        Raises:
            KafkaUnavailable: too many records wait already, or the brokers refuse.
            RestError: 504 without an acknowledgement in time, 403 when the gateway may not write,
                413 when a record is larger than the topic allows.
        """
        producing = self._producing
        batch = _Batch(len(records))
        try:
            for index, record in enumerate(records):
                producing.producer.produce(
                    topic,
                    record.line,
                    record.key,
                    partition,
                    on_delivery=partial(batch.delivered, index),
                )
        except BufferError:
            raise KafkaUnavailable(
                f"{MAX_WAITING_KIB} KiB already wait for the brokers: send the request again later"
            ) from None
        except KafkaException as error:
            raise self._refused(error.args[0], topic) from None
        failure = await batch.settled
        if failure is not None:
            raise self._refused(failure, topic)
        self._brokers.request_succeeded()
        return batch.offsets

    async def check(self) -> None:
        """Check that the brokers answer and have the topics.

        Raises:
            KafkaUnavailable: the brokers do not answer, or refuse.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(asyncio.to_thread(self._count_partitions))
        try:
            self._counts = await asyncio.shield(self._checking)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from None
        self._brokers.request_succeeded()
        self._counted = time.monotonic()

    async def close(self) -> None:
        """Wait for the records under way."""
        await asyncio.to_thread(self._producing.close, self._delivery_seconds)

    def _start(self) -> "_Producing":
        return _Producing(
            self._config
            | {
                # Retries neither duplicate nor reorder records.
                "enable.idempotence": True,
                "acks": "all",
                "delivery.timeout.ms": int(self._delivery_seconds * 1000),
                "linger.ms": LINGER_MS,
                "queue.buffering.max.kbytes": MAX_WAITING_KIB,
                # Each topic has its own limit: the brokers decide.
                "message.max.bytes": 2 * MAX_VALUE_BYTES,
                "compression.type": "lz4",
                **self._brokers.config(),
            }
        )

    def _count_partitions(self) -> dict[str, int]:
        """The partitions of each topic; missing topics are created first."""
        producer = self._producing.producer
        counts = {name: _partitions(producer, name) for name in self._names}
        missing = [name for name, count in counts.items() if not count]
        if missing:
            # The variable keeps the client alive: its requests end with it.
            admin = AdminClient(self._config)
            created = admin.create_topics(
                [NewTopic(name, self._new_partitions, -1) for name in missing],
                operation_timeout=REQUEST_SECONDS,
                request_timeout=REQUEST_SECONDS,
            )
            for name, future in created.items():
                try:
                    future.result()
                    logger.info("created topic %s, partitions: %d", name, self._new_partitions)
                except KafkaException as error:
                    # Another gateway may have created the topic first.
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
                counts[name] = _partitions(producer, name) or self._new_partitions
        return counts

    def _refused(self, error: KafkaError, topic: str) -> Exception:
        """The error that answers a request whose records were not acknowledged."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            # After a fatal error a producer refuses all records.
            logger.error("the producer failed and is replaced: %s", reason_of(error))
            threading.Thread(target=self._producing.close, args=[0], daemon=True).start()
            self._producing = self._start()
        if error.code() in _NO_PARTITION:
            self._counted = float("-inf")
            return RestError(
                404, f"{topic} has fewer partitions than requested", code=PARTITION_NOT_FOUND
            )
        if error.code() in _NOT_IN_TIME:
            reason = self._brokers.reason
            self._brokers.request_failed(f"no acknowledgement within {self._delivery_seconds:g} s")
            why = f" ({reason})" if reason else ""
            return RestError(
                504,
                f"the brokers did not acknowledge within {self._delivery_seconds:g} s{why}: the "
                "records may or may not be in the topic; send the request again",
                code=KAFKA_TIMEOUT,
            )
        if error.code() in _NOT_AUTHORIZED:
            return RestError(
                403, f"the brokers do not let the gateway write to {topic}", code=NOT_AUTHORIZED
            )
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return RestError(413, f"a record is larger than {topic} allows (max.message.bytes)")
        return self._unavailable(error)

    def _unavailable(self, error: KafkaError) -> KafkaUnavailable:
        self._counted = float("-inf")
        reason = self._brokers.reason or reason_of(error)
        self._brokers.request_failed(reason)
        return KafkaUnavailable(
            f"Kafka is unavailable ({reason}): send the request again later; if the error "
            "persists, check the brokers and PINTEREST_KAFKA_*"
        )


def _partitions(producer: Producer, name: str) -> int:
    """How many partitions a topic has; 0 for a missing topic."""
    topic = producer.list_topics(name, timeout=REQUEST_SECONDS).topics[name]
    if topic.error is None:
        return len(topic.partitions)
    if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return 0
    raise KafkaException(topic.error)


class _Producing:
    """A producer, and the thread that calls its callbacks."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.producer = Producer(config)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._closed.is_set():
            self.producer.poll(0.1)

    def close(self, seconds: float) -> None:
        """Wait for the records under way, but no longer than this."""
        self.producer.flush(seconds)
        self._closed.set()
        self._thread.join()


class _Batch:
    """A request's records for one partition: their offsets, or the first error."""

    def __init__(self, records: int) -> None:
        self.offsets = [-1] * records
        self._left = records
        self._error: KafkaError | None = None
        self._loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[KafkaError | None] = self._loop.create_future()

    def delivered(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Note the result of a record; called in the producer's thread."""
        if error is None:
            self.offsets[index] = message.offset() or 0
        elif self._error is None:
            self._error = error
        self._left -= 1
        if not self._left:
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        # A cancelled request has cancelled the future.
        if not self.settled.done():
            self.settled.set_result(self._error)
