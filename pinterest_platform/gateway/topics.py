"""The interface of topics, implemented as landing objects (``log``) and Kafka (``kafka``)."""

from collections.abc import Sequence
from typing import Protocol

from pinterest_platform.gateway.topic_bodies import Record


class Topics(Protocol):
    """Topics that records are appended to.

    Every method raises ``errors.Unavailable`` during an outage of the storage.
    """

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has, at least 1."""

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Sequence[int]:
        """Append records; returns their offsets once the records are durable."""

    async def check(self) -> None:
        """Check that records can be appended."""

    async def close(self) -> None:
        """Wait for the records under way."""
