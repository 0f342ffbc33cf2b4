"""Topics in Kafka: records are produced, and acknowledged once all in-sync replicas have them.

What a request looks like and how it is answered is in ``app``; how brokers are reached, in the
package's ``kafka``.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
from pinterest_platform.kafka_client import REQUEST_SECONDS, quiet, reason_of

# How long a record may wait for its acknowledgement: a broker that went has its successors within
# seconds, and API Gateway gives up on us after 29 s.
DELIVERY_SECONDS = 20

# What may wait for the brokers: Kafka's producer's default buffer.memory, 32 MiB.
MAX_WAITING_KIB = 32 * 1024

# Requests at the same time share a batch; one that comes alone waits this much longer. With Kafka's
# own 5 ms a client that posts one at a time is three times slower, and 64 of them gain a tenth;
# with none those lose a third (bench/gateway.py).
LINGER_MS = 1

# Partitions that somebody adds are used from then on: metadata.max.age.ms of Kafka's producer.
METADATA_SECONDS = 300

_NOT_AUTHORIZED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_NOT_IN_TIME = (KafkaError._MSG_TIMED_OUT, KafkaError.REQUEST_TIMED_OUT)
_NO_PARTITION = (KafkaError._UNKNOWN_PARTITION,)


class KafkaTopics:
    """Appends records to the partitions of topics in Kafka, which are made when missing.

    Nothing is connected to before it is needed: without a broker every call raises, and the next
    one tries again.

    Args:
        config: of ``kafka.client_config``.
        names: the topics.
        partitions: of a topic that is made; its replicas are what the brokers have for default.
        delivery_seconds: how long a record may wait for its acknowledgement.
        say: is told, once, what keeps the brokers from being reached.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        names: Collection[str],
        partitions: int,
        *,
        delivery_seconds: float = DELIVERY_SECONDS,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._config = dict(config)
        self._names = list(names)
        self._new_partitions = partitions
        self._delivery_seconds = delivery_seconds
        self._say = say
        self._trouble = ""
        self._counts: dict[str, int] = {}
        self._counted = float("-inf")
        self._asking: asyncio.Future[dict[str, int]] | None = None
        self._producing = self._start()

    async def partitions(self, topic: str) -> int:
        """How many a topic has; the topics that are missing are made.

        Raises:
            KafkaUnavailable: the brokers cannot be asked, or do not let the topics be made.
        """
        if time.monotonic() > self._counted + METADATA_SECONDS:
            await self.check()
        return self._counts[topic]

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Sequence[int]:
        """Produce records and return their offsets, once all in-sync replicas have them.

        When it raises, some may be in the topic all the same: who sends again may send twice.

        Raises:
            KafkaUnavailable: too much waits already, or the brokers refuse.
            RestError: 504 when there is no acknowledgement in time, 403 when the gateway has no
                right to write, 413 when the brokers take no record of this size.
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
        self._trouble = ""
        return batch.offsets

    async def check(self) -> None:
        """See that the brokers answer and have the topics.

        Raises:
            KafkaUnavailable: says why not.
        """
        # One question for all who ask at the same time.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._ask))
        try:
            self._counts = await asyncio.shield(self._asking)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from None
        self._counted = time.monotonic()

    async def close(self) -> None:
        """Finish what was appended."""
        await asyncio.to_thread(self._producing.close, self._delivery_seconds)

    def _start(self) -> "_Producing":
        return _Producing(
            self._config
            | {
                # Acknowledged by all in-sync replicas, once and in order whatever is tried again.
                "enable.idempotence": True,
                "acks": "all",
                "delivery.timeout.ms": int(self._delivery_seconds * 1000),
                "linger.ms": LINGER_MS,
                "queue.buffering.max.kbytes": MAX_WAITING_KIB,
                # The brokers say what is too large; their limit is a setting of each topic.
                "message.max.bytes": 2 * MAX_VALUE_BYTES,
                "compression.type": "lz4",
                "error_cb": self._troubled,
                **quiet(),
            }
        )

    def _ask(self) -> dict[str, int]:
        """The partitions of each topic, after those that are missing were made."""
        producer = self._producing.producer
        counts = {name: _partitions(producer, name) for name in self._names}
        missing = [name for name, count in counts.items() if not count]
        if missing:
            # The client is named because what it was asked for ends with it.
            admin = AdminClient(self._config | quiet())
            made = admin.create_topics(
                [NewTopic(name, self._new_partitions, -1) for name in missing],
                operation_timeout=REQUEST_SECONDS,
                request_timeout=REQUEST_SECONDS,
            )
            for name, future in made.items():
                try:
                    future.result()
                except KafkaException as error:
                    # Another gateway was faster.
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
                counts[name] = _partitions(producer, name) or self._new_partitions
        return counts

    def _refused(self, error: KafkaError, topic: str) -> Exception:
        """What a request is answered whose records were not acknowledged."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            # Such a producer refuses everything from now on.
            threading.Thread(target=self._producing.close, args=[0], daemon=True).start()
            self._producing = self._start()
        if error.code() in _NO_PARTITION:
            self._counted = float("-inf")
            return RestError(
                404, f"{topic} has fewer partitions than asked for", code=PARTITION_NOT_FOUND
            )
        if error.code() in _NOT_IN_TIME:
            why = f" ({self._trouble})" if self._trouble else ""
            return RestError(
                504,
                f"the brokers did not acknowledge within {self._delivery_seconds:g} s{why}: the "
                "records may be in the topic or not; send the request again",
                code=KAFKA_TIMEOUT,
            )
        if error.code() in _NOT_AUTHORIZED:
            return RestError(
                403, f"the brokers do not let the gateway write to {topic}", code=NOT_AUTHORIZED
            )
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return RestError(
                413, f"a record is larger than the brokers take for {topic} (max.message.bytes)"
            )
        return self._unavailable(error)

    def _unavailable(self, error: KafkaError) -> KafkaUnavailable:
        self._counted = float("-inf")
        return KafkaUnavailable(
            f"Kafka cannot be used ({self._trouble or reason_of(error)}): send the request again; "
            "if it stays so, check the brokers and PINTEREST_KAFKA_*"
        )

    def _troubled(self, error: KafkaError) -> None:
        reason = reason_of(error)
        # That all brokers are down comes after the reason of each.
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._trouble:
            return
        if reason != self._trouble:
            self._trouble = reason
            self._say(f"Kafka: {reason}")


def _partitions(producer: Producer, name: str) -> int:
    """How many partitions a topic has, 0 when there is no such topic."""
    topic = producer.list_topics(name, timeout=REQUEST_SECONDS).topics[name]
    if topic.error is None:
        return len(topic.partitions)
    if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return 0
    raise KafkaException(topic.error)


class _Producing:
    """A producer, and the thread in which it tells of deliveries."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.producer = Producer(config)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._closed.is_set():
            self.producer.poll(0.1)

    def close(self, seconds: float) -> None:
        """Wait for what is on its way, but no longer than this."""
        self.producer.flush(seconds)
        self._closed.set()
        self._thread.join()


class _Batch:
    """The records of a request for one partition: their offsets, or the first error."""

    def __init__(self, records: int) -> None:
        self.offsets = [-1] * records
        self._left = records
        self._error: KafkaError | None = None
        self._loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[KafkaError | None] = self._loop.create_future()

    def delivered(self, index: int, error: KafkaError | None, message: Message) -> None:
        """What became of a record; called in the producer's thread."""
        if error is None:
            self.offsets[index] = message.offset() or 0
        elif self._error is None:
            self._error = error
        self._left -= 1
        if not self._left:
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        # Done already when the request was cancelled in the meantime.
        if not self.settled.done():
            self.settled.set_result(self._error)
