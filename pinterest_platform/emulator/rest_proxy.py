"""A client of the gateway's topics: Kafka REST v2."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import requests

from pinterest_platform.emulator.gateway_session import Delivery, GatewaySession, one_line

HEADERS = {
    "Content-Type": "application/vnd.kafka.json.v2+json",
    "Accept": "application/vnd.kafka.v2+json",
}


class RestProxy:
    """The gateway's topics: one request for all records of a call."""

    path = "topics"

    def __init__(self, gateway: GatewaySession) -> None:
        self._gateway = gateway

    def send(self, destination: str, values: Sequence[Mapping[str, object]]) -> Delivery:
        """Post records, one JSON object each, to a topic."""
        answer = self._gateway.request(
            "POST",
            f"{self.path}/{quote(destination, safe='')}",
            {"records": [{"value": value} for value in values]},
            HEADERS,
        )
        if isinstance(answer, str):
            return Delivery(0, f"{destination}: {answer}")
        return _acknowledged(answer, destination, len(values))


def _acknowledged(answer: requests.Response, topic: str, records: int) -> Delivery:
    """Count the records with an offset and no error in a 200 answer."""
    try:
        offsets = answer.json()["offsets"]
        taken = sum(
            isinstance(offset["offset"], int)
            and not offset.get("error_code")
            and not offset.get("error")
            for offset in offsets
        )
        errors = [str(offset["error"]) for offset in offsets if offset.get("error")]
    except (ValueError, LookupError, TypeError, AttributeError):
        return Delivery(0, f"{topic}: 200 without the offsets of a Kafka REST v2 answer")
    if len(offsets) != records:
        return Delivery(
            min(taken, records), f"{topic}: 200 with {len(offsets)} offsets for {records} records"
        )
    if taken < records:
        return Delivery(taken, f"{topic}: {one_line(errors[0] if errors else 'no offset')}")
    return Delivery(taken)
