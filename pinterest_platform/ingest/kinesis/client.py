"""How Kinesis is asked: one boto3 client, whose errors are said in one line.

Endpoint and credentials come from the usual AWS_* variables, profiles or the role of the machine.
What is asked lives with those who ask: ``gateway/kinesis.py`` writes, ``ingest/shards.py`` reads.
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
from pinterest_platform.errors import StreamError

# One lost packet (it is sent again after 1 s) is survived.
CONNECT_SECONDS = 2
# Kinesis answers within tens of milliseconds. Two attempts with both waits and a second between
# them end before a stopping gateway gives up on its requests (25 s), API Gateway on what is behind
# it (29 s) and an emulator on an answer (30 s).
READ_SECONDS = 9
# One more for a connection that was closed while idle. Whoever sends knows how long it can wait on
# throttling, so it is told soon.
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

# What AWS says to these quotes the request's signed headers, session token and all: so its words
# are not repeated.
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
    """Whether there is a region to look for streams in: this one, or one of AWS's settings."""
    return bool(region or Session().region_name)


class Connection:
    """Kinesis in a region of an account. It blocks, and may be used by several threads at once.

    Args:
        region: without one, what AWS's own configuration says.
        threads: that will ask at once.

    Raises:
        StreamError: there is no region, or the endpoint is no URL.
    """

    def __init__(self, region: str | None = None, threads: int = 1) -> None:
        reach_this_machine_directly()
        try:
            # boto3 has no types of its own.
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
        # No credential from the URL in what messages show.
        self.endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def ask(self, operation: str, field: str = "", **parameters: Any) -> dict[str, Any]:
        """What Kinesis answers to an operation, as boto3 calls it: with ``field`` in it.

        Raises:
            StreamError: with the status that an API Gateway integration would answer: 400, 403,
            404, 429, or 502 to 504 when Kinesis is not there or not to be understood.
        """
        with self.errors():
            answer: dict[str, Any] = getattr(self.client, operation)(**parameters)
        # botocore reads any JSON, even none, as an answer.
        if field and field not in answer:
            raise self._strange()
        return answer

    def _strange(self) -> StreamError:
        return StreamError(
            502,
            "BadGatewayException",
            f"what {self.endpoint} answers is not Kinesis: check AWS_ENDPOINT_URL",
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What boto3 raises within becomes a StreamError."""
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
                f"the AWS credentials cannot be had ({type(error).__name__}): check the role or "
                "profile",
            ) from None
        except ReadTimeoutError:
            raise StreamError(
                504, UNAVAILABLE, f"{self.endpoint} did not answer within {READ_SECONDS} s"
            ) from None
        except (AwsConnectionError, HTTPClientError):
            raise StreamError(
                503,
                UNAVAILABLE,
                f"Kinesis cannot be reached at {self.endpoint}: check AWS_ENDPOINT_URL and the "
                "network",
            ) from None
        except ResponseParserError:
            raise self._strange() from None
        except BotoCoreError as error:
            raise StreamError(
                503, UNAVAILABLE, f"Kinesis cannot be asked ({type(error).__name__})"
            ) from None


def _of_client_error(error: ClientError) -> StreamError:
    code = str(error.response["Error"].get("Code") or "UnknownError")
    message = str(error.response["Error"].get("Message") or "AWS gives no reason")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    if code in _BAD_CREDENTIALS:
        return StreamError(
            403, code, "AWS does not accept the credentials: check the role, keys and clock"
        )
    # Without a code of AWS, botocore takes the HTTP status for one: it was not AWS that answered.
    if code.isdecimal():
        return StreamError(502, "BadGatewayException", f"Kinesis was not reached: HTTP {code}")
    return StreamError(_STATUS.get(code, status if status >= 500 else 400), code, message)
