"""Operations on Kinesis streams, for the gateway and ``pinterest streams``; no server here."""

from collections.abc import Sequence
from typing import Any, Protocol

from botocore.exceptions import ClientError, WaiterError

from pinterest_platform.errors import StreamError
from pinterest_platform.ingest.kinesis.client import UNAVAILABLE, Connection

# botocore's waiters allow the same 180 s, but poll only every 10 s; AWS allows 10 DescribeStream
# a second.
WAIT = {"Delay": 1, "MaxAttempts": 180}


class Record(Protocol):
    """A record for a stream."""

    @property
    def data(self) -> bytes:
        """The record's bytes."""

    @property
    def partition_key(self) -> str:
        """The text whose MD5 selects the shard."""


class Kinesis:
    """The streams of an account in a region.

    Every method raises StreamError with the status of an API Gateway integration: 400, 403, 404,
    429, or 502 to 504 if Kinesis does not answer, or its answer is not understood.

    Args:
        region: the streams' AWS region; None for the one in AWS's configuration.
        threads: how many threads call concurrently.

    Raises:
        StreamError: there is no region, or the endpoint is not a URL.
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
        """Request a stream with so many shards; see ``wait_until_active``."""
        self._kinesis.ask("create_stream", StreamName=stream, ShardCount=shards)

    def describe(self, stream: str) -> dict[str, Any]:
        """The answer of DescribeStream, with all shards: ``{"StreamDescription": {...}}``."""
        page = self._description(StreamName=stream)
        description = page
        while page["Shards"] and page.get("HasMoreShards"):
            last = page["Shards"][-1]["ShardId"]
            page = self._description(StreamName=stream, ExclusiveStartShardId=last)
            description["Shards"] += page["Shards"]
        return {"StreamDescription": description | {"HasMoreShards": False}}

    def delete(self, stream: str) -> None:
        """Request the deletion of a stream with its records; see ``wait_until_gone``."""
        self._kinesis.ask("delete_stream", StreamName=stream)

    def wait_until_active(self, stream: str) -> None:
        """Wait until a stream is active, at most 180 s."""
        self._wait("stream_exists", stream, "active")

    def wait_until_gone(self, stream: str) -> None:
        """Wait until a stream is deleted, at most 180 s."""
        self._wait("stream_not_exists", stream, "gone")

    def put(self, stream: str, record: Record) -> dict[str, Any]:
        """Put a record; returns ``{"ShardId": ..., "SequenceNumber": ...}``, as PutRecord does.

        It arrives at least once: twice if the first answer is lost and a retry succeeds.
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
        """Put records; returns a result for each, in their order, as PutRecords does.

        Failed records have ErrorCode and ErrorMessage; FailedRecordCount is their number.
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
