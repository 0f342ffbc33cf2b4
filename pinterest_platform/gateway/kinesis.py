"""The Kinesis API through boto3, its errors as HTTP statuses; no HTTP server here.

Endpoint and credentials come from the usual AWS_* variables, profiles or the role of the machine.
It blocks, and may be called by several threads at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
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
    WaiterError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

from pinterest_platform.gateway.errors import StreamError

# One lost packet (it is sent again after 1 s) is survived.
CONNECT_SECONDS = 2
# Kinesis answers within tens of milliseconds. Two attempts with both waits and a second between
# them end before a stopping gateway gives up on its requests (25 s), API Gateway on what is behind
# it (29 s) and an emulator on an answer (30 s).
READ_SECONDS = 9
# One more for a connection that was closed while idle. Whoever sends knows how long it can wait on
# throttling, so it is told soon.
ATTEMPTS = 2

# botocore's own waiters give a stream the same 180 s, but look every 10 s only; AWS allows
# DescribeStream 10 times a second.
WAIT = {"Delay": 1, "MaxAttempts": 180}

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


class Record(Protocol):
    """What is put into a stream."""

    @property
    def data(self) -> bytes:
        """The record's bytes."""

    @property
    def partition_key(self) -> str:
        """The text whose MD5 decides on the shard."""


class Kinesis:
    """The streams of an account in a region.

    Every method raises StreamError with the status that an API Gateway integration would answer:
    400, 403, 404, 429, or 502 to 504 when Kinesis is not there or not to be understood.

    Args:
        region: without one, what AWS's own configuration says.
        threads: that will call at once.

    Raises:
        StreamError: there is no region, or the endpoint is no URL.
    """

    def __init__(self, region: str | None = None, threads: int = 1) -> None:
        try:
            # boto3 has no types of its own.
            self._client: Any = Session(region_name=region).client(
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
        parts = urlsplit(self._client.meta.endpoint_url)
        # No credential from the URL in what messages show.
        self._endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def streams(self) -> list[str]:
        """The names of all streams."""
        with self._errors():
            page = self._client.list_streams()
            names: list[str] = self._field(page, "StreamNames")
            while names and page.get("HasMoreStreams"):
                page = self._client.list_streams(ExclusiveStartStreamName=names[-1])
                names += self._field(page, "StreamNames")
            return names

    def create(self, stream: str, shards: int) -> None:
        """Ask for a stream of so many shards; it can be used once it is active."""
        with self._errors():
            self._client.create_stream(StreamName=stream, ShardCount=shards)

    def describe(self, stream: str) -> dict[str, Any]:
        """What DescribeStream answers, with all shards: ``{"StreamDescription": {...}}``."""
        with self._errors():
            page = self._description(StreamName=stream)
            description = page
            while page["Shards"] and page.get("HasMoreShards"):
                last = page["Shards"][-1]["ShardId"]
                page = self._description(StreamName=stream, ExclusiveStartShardId=last)
                description["Shards"] += page["Shards"]
            return {"StreamDescription": description | {"HasMoreShards": False}}

    def delete(self, stream: str) -> None:
        """Ask for a stream to be deleted, records and all."""
        with self._errors():
            self._client.delete_stream(StreamName=stream)

    def wait_until_active(self, stream: str) -> None:
        """Wait until a stream can be used, 180 s at most."""
        self._wait("stream_exists", stream, "active")

    def wait_until_gone(self, stream: str) -> None:
        """Wait until a stream is deleted, 180 s at most."""
        self._wait("stream_not_exists", stream, "gone")

    def put(self, stream: str, record: Record) -> dict[str, Any]:
        """Put a record; ``{"ShardId": ..., "SequenceNumber": ...}``, as PutRecord answers.

        It arrives at least once: twice when an answer was lost and the second attempt got through.
        """
        with self._errors():
            answer = self._client.put_record(
                StreamName=stream, Data=record.data, PartitionKey=record.partition_key
            )
            self._field(answer, "SequenceNumber")
            return _without_metadata(answer)

    def put_all(self, stream: str, records: Sequence[Record]) -> dict[str, Any]:
        """Put records; a result for each, in their order, as PutRecords answers.

        Those that failed have ErrorCode and ErrorMessage; FailedRecordCount says how many.
        """
        with self._errors():
            answer = self._client.put_records(
                StreamName=stream,
                Records=[
                    {"Data": record.data, "PartitionKey": record.partition_key}
                    for record in records
                ],
            )
            self._field(answer, "Records")
            return {"FailedRecordCount": 0} | _without_metadata(answer)

    def _description(self, **of: str) -> dict[str, Any]:
        description: dict[str, Any] = self._field(
            self._client.describe_stream(**of), "StreamDescription"
        )
        return description

    def _wait(self, waiter: str, stream: str, state: str) -> None:
        with self._errors():
            try:
                self._client.get_waiter(waiter).wait(StreamName=stream, WaiterConfig=WAIT)
            except WaiterError as error:
                if "Error" in error.last_response:
                    raise ClientError(error.last_response, "DescribeStream") from None
                seconds = WAIT["Delay"] * WAIT["MaxAttempts"]
                raise StreamError(
                    504,
                    UNAVAILABLE,
                    f"the stream {stream} is not {state} after {seconds} s: "
                    f"see pinterest streams describe {stream}",
                ) from None

    def _field(self, answer: dict[str, Any], name: str) -> Any:
        """A field that every answer of Kinesis has; botocore reads any JSON, even none, as one."""
        if name not in answer:
            raise self._strange()
        return answer[name]

    def _strange(self) -> StreamError:
        return StreamError(
            502,
            "BadGatewayException",
            f"what {self._endpoint} answers is not Kinesis: check AWS_ENDPOINT_URL",
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
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
                504, UNAVAILABLE, f"{self._endpoint} did not answer within {READ_SECONDS} s"
            ) from None
        except (AwsConnectionError, HTTPClientError):
            raise StreamError(
                503,
                UNAVAILABLE,
                f"Kinesis cannot be reached at {self._endpoint}: check AWS_ENDPOINT_URL and the "
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


def _without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
