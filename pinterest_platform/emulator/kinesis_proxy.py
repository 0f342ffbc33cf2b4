"""A client of the gateway's streams: PutRecord through API Gateway's paths."""

import random
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from pinterest_platform.emulator.gateway_session import Delivery, GatewaySession

HEADERS = {"Content-Type": "application/json"}


class KinesisProxy:
    """The gateway's streams: a request for every record, each with a random partition key.

    Args:
        gateway: the session with the gateway.
        seed: the same seed gives the same keys; it does not affect the choice of posts.
    """

    path = "streams"

    def __init__(self, gateway: GatewaySession, seed: int) -> None:
        self._gateway = gateway
        self._keys = random.Random(f"partition keys {seed}")  # noqa: S311 - repeatable, no secret

    def send(self, destination: str, values: Sequence[Mapping[str, object]]) -> Delivery:
        """Put records, one JSON object each, into a stream; the last problem is returned."""
        problems = [problem for value in values if (problem := self._put(destination, value))]
        return Delivery(len(values) - len(problems), problems[-1] if problems else "")

    def _put(self, stream: str, value: Mapping[str, object]) -> str:
        """Put a record; the problem if it was not acknowledged, otherwise empty."""
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
