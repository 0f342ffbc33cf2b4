"""The gateway's error answers: HTTP status, error code and message.

Source of the numeric codes: the API reference of Confluent REST Proxy v2 and its
KafkaExceptionMapper.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from pinterest_platform.errors import Unavailable

KAFKA_TYPE = "application/vnd.kafka.v2+json"
JSON_TYPE = "application/json"

TOPIC_NOT_FOUND = 40401
PARTITION_NOT_FOUND = 40402
NOT_AUTHORIZED = 40301
# The mapper's BROKER_NOT_AVAILABLE, its only code for HTTP status 503.
UNAVAILABLE = 50302
# The mapper has no code for 504; this one follows its numbering.
KAFKA_TIMEOUT = 50401

# AWS's names for errors of requests that do not reach Kinesis.
_AWS_NAMES = {
    400: "SerializationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "UnknownOperationException",
    405: "UnknownOperationException",
    408: "RequestTimeoutException",
    413: "RequestTooLargeException",
    415: "UnsupportedMediaTypeException",
    421: "AccessDeniedException",
    500: "InternalFailure",
    503: "ServiceUnavailableException",
}

# Long enough for S3 to recover, short enough for a waiting client.
RETRY_AFTER_SECONDS = 5


class RestError(Exception):
    """An error answer: ``{"error_code": code, "message": message}`` with ``status``.

    The message names a record by its index and never contains a key or a value.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = status if code is None else code
        self.headers = headers


def answer(
    path: str,
    status: int,
    message: str,
    *,
    code: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in the form of the path's API: AWS's below /streams, otherwise Kafka REST's.

    Args:
        path: the request's path; empty if unknown.
        status: the HTTP status.
        message: one line.
        code: Kafka REST's error code; by default the status.
        headers: the answer's headers.
    """
    content: dict[str, Any] = {"error_code": status if code is None else code, "message": message}
    media_type = KAFKA_TYPE
    if path == "/streams" or path.startswith("/streams/"):
        content = {"__type": _AWS_NAMES.get(status, "ValidationException"), "message": message}
        media_type = JSON_TYPE
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type)


class KafkaUnavailable(Unavailable):
    """The brokers are unreachable or refuse: no record of the request is acknowledged."""
