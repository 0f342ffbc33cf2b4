"""Kinesis streams from the sender's side: a record in, its sequence number back."""

import random
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from pinterest_platform.emulator.gateway_session import Delivery, GatewaySession

HEADERS = {"Content-Type": "application/json"}


class KinesisProxy:
    """The gateway's streams: a request for every record, each with a random partition key.

    Args:
        gateway: where the streams are.
        seed: the same seed gives the same keys; it has no part in which posts are picked.
    """

    path = "streams"

    def __init__(self, gateway: GatewaySession, seed: int) -> None:
        self._gateway = gateway
        self._keys = random.Random(f"partition keys {seed}")  # noqa: S311 - repeatable, no secret

    def send(self, destination: str, values: Sequence[Mapping[str, object]]) -> Delivery:
        """Put records, one JSON object each, into a stream; the problem is that of the last."""
        problems = [self._put(destination, value) for value in values]
        told = [problem for problem in problems if problem]
        return Delivery(len(values) - len(told), told[-1] if told else "")

    def _put(self, stream: str, value: Mapping[str, object]) -> str:
        """Put a record; in words why it was not acknowledged, or nothing."""
        answer = self._gateway.request(
            "PUT",
            f"{self.path}/{quote(stream, safe='')}/record",
            {
                "StreamName": stream,
                "Data": value,
                "PartitionKey": f"{self._keys.getrandbits(64):016x}",
            },
            HEADERS,
        )
        if isinstance(answer, str):
            return f"{stream}: {answer}"
        try:
            acknowledged = isinstance(answer.json()["SequenceNumber"], str)
        except (ValueError, LookupError, TypeError):
            acknowledged = False
        return "" if acknowledged else f"{stream}: 200 without the sequence number of a record"
