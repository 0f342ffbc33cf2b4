"""What the gateway asks of Kinesis; no HTTP server here."""

from collections.abc import Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError, WaiterError

from pinterest_platform.errors import StreamError
from pinterest_platform.ingest.kinesis.client import UNAVAILABLE, Connection

# botocore's own waiters give a stream the same 180 s, but look every 10 s only; AWS allows
# DescribeStream 10 times a second.
WAIT = {"Delay": 1, "MaxAttempts": 180}


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
        self._kinesis = Connection(region, threads)

    def streams(self) -> list[str]:
        """The names of all streams."""
        page = self._kinesis.ask("list_streams", "StreamNames")
        names: list[str] = page["StreamNames"]
        while names and page.get("HasMoreStreams"):
            page = self._kinesis.ask(
                "list_streams", "StreamNames", ExclusiveStartStreamName=names[-1]
            )
            names += page["StreamNames"]
        return names

    def create(self, stream: str, shards: int) -> None:
        """Ask for a stream of so many shards; it can be used once it is active."""
        self._kinesis.ask("create_stream", StreamName=stream, ShardCount=shards)

    def describe(self, stream: str) -> dict[str, Any]:
        """What DescribeStream answers, with all shards: ``{"StreamDescription": {...}}``."""
        page = self._description(StreamName=stream)
        description = page
        while page["Shards"] and page.get("HasMoreShards"):
            last = page["Shards"][-1]["ShardId"]
            page = self._description(StreamName=stream, ExclusiveStartShardId=last)
            description["Shards"] += page["Shards"]
        return {"StreamDescription": description | {"HasMoreShards": False}}

    def delete(self, stream: str) -> None:
        """Ask for a stream to be deleted, records and all."""
        self._kinesis.ask("delete_stream", StreamName=stream)

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
        answer = self._kinesis.ask(
            "put_record",
            "SequenceNumber",
            StreamName=stream,
            Data=record.data,
            PartitionKey=record.partition_key,
        )
        return _without_metadata(answer)

    def put_all(self, stream: str, records: Sequence[Record]) -> dict[str, Any]:
        """Put records; a result for each, in their order, as PutRecords answers.

        Those that failed have ErrorCode and ErrorMessage; FailedRecordCount says how many.
        """
        answer = self._kinesis.ask(
            "put_records",
            "Records",
            StreamName=stream,
            Records=[
                {"Data": record.data, "PartitionKey": record.partition_key} for record in records
            ],
        )
        return {"FailedRecordCount": 0} | _without_metadata(answer)

    def _description(self, **of: str) -> dict[str, Any]:
        answer = self._kinesis.ask("describe_stream", "StreamDescription", **of)
        description: dict[str, Any] = answer["StreamDescription"]
        return description

    def _wait(self, waiter: str, stream: str, state: str) -> None:
        with self._kinesis.errors():
            try:
                self._kinesis.client.get_waiter(waiter).wait(StreamName=stream, WaiterConfig=WAIT)
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


def _without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
