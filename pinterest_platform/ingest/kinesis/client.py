"""The Kinesis client: one boto3 client with one-line errors.

Endpoint and credentials come from the usual AWS_* variables, profiles or the role of the machine.
Requests live in other modules: ``gateway/stream_client.py`` writes, ``ingest/kinesis/shards.py``
reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

from pinterest_platform.environment import reach_this_machine_directly
from pinterest_platform.errors import StreamError, StreamOutageError

# Survives one lost packet, which is sent again after 1 s.
CONNECT_SECONDS = 2
# Two attempts with both timeouts end before a stopping gateway abandons its requests (25 s), API
# Gateway its integration (29 s) and an emulator its request (30 s).
READ_SECONDS = 9
# The second attempt is for connections closed while idle. Senders decide themselves how long to
# wait on throttling, so throttling errors return soon.
ATTEMPTS = 2

UNAVAILABLE = "ServiceUnavailableException"

_STATUS = {
    "ResourceNotFoundException": 404,
    "ProvisionedThroughputExceededException": 429,
    "ThrottlingException": 429,
    "Throttling": 429,
    "RequestLimitExceeded": 429,
    "KMSThrottlingException": 429,
    "AccessDeniedException": 403,
    "AccessDenied": 403,
    "KMSAccessDeniedException": 403,
    "OptInRequired": 403,
    "KMSOptInRequired": 403,
}

# AWS's messages for these errors quote the request's signed headers, including the session token,
# so they are not repeated.
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


def is_configured(region: str) -> bool:
    """Whether a region is configured: this one, or one in AWS's settings."""
    return bool(region or Session().region_name)


class Connection:
    """Kinesis in a region of an account. Calls block; several threads may share a connection.

    Args:
        region: the region; if empty, the one in AWS's own configuration.
        threads: the number of threads that send requests concurrently.

    Raises:
        StreamError: there is no region, or the endpoint is not a URL.
    """

    def __init__(self, region: str | None = None, threads: int = 1) -> None:
        reach_this_machine_directly()
        try:
            self.client: Any = Session(region_name=region).client(
                "kinesis",
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    max_pool_connections=threads,
                ),
            )
        except NoRegionError:
            raise StreamError(
                503, UNAVAILABLE, "there is no AWS region: set AWS_REGION or AWS_DEFAULT_REGION"
            ) from None
        except BotoCoreError as error:
            raise StreamError(503, UNAVAILABLE, f"AWS is not configured: {error}") from None
        except ValueError:
            raise StreamError(
                503, UNAVAILABLE, "the endpoint is not http://HOST:PORT: correct AWS_ENDPOINT_URL"
            ) from None
        parts = urlsplit(self.client.meta.endpoint_url)
        # Keep credentials in the URL out of messages.
        self.endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def ask(self, operation: str, field: str = "", **parameters: Any) -> dict[str, Any]:
        """The response to an operation in boto3's spelling; the response must contain ``field``.

        Raises:
            StreamError: with the status of an API Gateway integration: 400, 403, 404, 429, or 502
                to 504 if Kinesis is unreachable or its response is invalid.
        """
        with self.errors():
            answer: dict[str, Any] = getattr(self.client, operation)(**parameters)
        # botocore accepts any JSON as a response, even an empty body.
        if field and field not in answer:
            raise self._strange()
        return answer

    def _strange(self) -> StreamError:
        return StreamError(
            502,
            "BadGatewayException",
            f"{self.endpoint} does not answer like Kinesis: check AWS_ENDPOINT_URL",
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Convert boto3's errors in the block to StreamErrors."""
        try:
            yield
        except ClientError as error:
            raise _of_client_error(error) from None
        except ParamValidationError as error:
            raise StreamError(
                400, "ValidationException", " ".join(str(error.kwargs["report"]).split())
            ) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise StreamError(
                403,
                "MissingAuthenticationTokenException",
                "there are no AWS credentials: give the process a role, or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from None
        except (CredentialRetrievalError, TokenRetrievalError) as error:
            raise StreamError(
                403,
                "UnrecognizedClientException",
                f"the AWS credentials are not available ({type(error).__name__}): check the role "
                "or profile",
            ) from None
        except ReadTimeoutError:
            raise StreamOutageError(
                504, UNAVAILABLE, f"{self.endpoint} did not answer within {READ_SECONDS} s"
            ) from None
        except (AwsConnectionError, HTTPClientError):
            raise StreamOutageError(
                503,
                UNAVAILABLE,
                f"Kinesis cannot be reached at {self.endpoint}: check AWS_ENDPOINT_URL and the "
                "network",
            ) from None
        except ResponseParserError:
            raise self._strange() from None
        except BotoCoreError as error:
            raise StreamError(
                503, UNAVAILABLE, f"the request to Kinesis failed ({type(error).__name__})"
            ) from None


def _of_client_error(error: ClientError) -> StreamError:
    code = str(error.response["Error"].get("Code") or "UnknownError")
    message = str(error.response["Error"].get("Message") or "AWS gives no reason")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    if code in _BAD_CREDENTIALS:
        return StreamError(
            403, code, "AWS does not accept the credentials: check the role, keys and clock"
        )
    # Without an AWS error code, botocore uses the HTTP status: the response did not come from AWS.
    if code.isdecimal():
        return StreamOutageError(
            502, "BadGatewayException", f"the answer is not from Kinesis: HTTP {code}"
        )
    status = _STATUS.get(code, status if status >= 500 else 400)
    if status == 429 or status >= 500:
        return StreamOutageError(status, code, message)
    return StreamError(status, code, message)
