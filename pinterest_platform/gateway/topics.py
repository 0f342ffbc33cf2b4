"""What the gateway asks of the place where topics are: landing objects (``log``) or ``kafka``."""

from collections.abc import Sequence
from typing import Protocol

from pinterest_platform.gateway.topic_bodies import Record


class Topics(Protocol):
    """Topics that records are appended to.

    Every method raises ``errors.Unavailable``, and says why, when that place cannot be used.
    """

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; at least 1."""

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Sequence[int]:
        """The records' offsets in a partition, once they are durable."""

    async def check(self) -> None:
        """See that records could be appended."""

    async def close(self) -> None:
        """Finish what was appended."""
