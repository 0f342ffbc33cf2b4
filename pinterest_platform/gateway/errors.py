"""What the gateway answers when it cannot do what was asked: HTTP status, error code, message.

Source of the numeric codes: Confluent REST Proxy v2 (API reference) and its KafkaExceptionMapper.
"""

from pinterest_platform.errors import PlatformError

TOPIC_NOT_FOUND = 40401
PARTITION_NOT_FOUND = 40402
NOT_AUTHORIZED = 40301
# The mapper's BROKER_NOT_AVAILABLE, the one code of its list that goes with HTTP status 503.
UNAVAILABLE = 50302
# Not of its list, which has nothing for 504; numbered likewise.
KAFKA_TIMEOUT = 50401

# Long enough for a folder to be mended or S3 to recover, short enough for a waiting client.
RETRY_AFTER_SECONDS = 5


class RestError(Exception):
    """An answer other than 200: ``{"error_code": code, "message": message}`` with ``status``.

    The message names the record by its index and never holds a key or a value.
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


class Unavailable(PlatformError):
    """The place where records go cannot be used: answered 503."""


class KafkaUnavailable(Unavailable):
    """The brokers cannot be reached, or refuse: nothing of the request is acknowledged."""


class LandingUnavailable(Unavailable):
    """The landing place could not be read or written: nothing of the request is acknowledged."""
