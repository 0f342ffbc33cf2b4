"""Corrections of Kinesis in moto 5.2; each class names the differences that it removes.

Differences that stay: records do not expire, nothing is throttled, and sequence numbers begin at 1
in each shard. So a recreated stream starts over here, while in AWS its numbers continue; the
platform recognises a recreated stream by its creation time in both.
"""

from bisect import bisect_left
from operator import attrgetter
from typing import Any

from moto.kinesis import models
from moto.kinesis.exceptions import InvalidArgumentError
from moto.kinesis.utils import compose_shard_iterator, decompose_shard_iterator
from moto.utilities.utils import md5_hash
from typing_extensions import override

# The limits of an answer of GetRecords:
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
MAX_RECORDS = 10_000
MAX_BYTES = 10 * 1024 * 1024


def correct() -> None:
    """Replace moto's classes in this process by those of this module."""
    models.Shard = Shard  # type: ignore[misc]
    models.Stream = Stream  # type: ignore[misc]
    models.kinesis_backends.backend = Backend


class Shard(models.Shard):
    """A shard whose records stay in it, and whose reads cost as much as they return.

    moto keeps records in a dictionary, which GetRecords and PutRecord both iterate from the start,
    and returns all records at once. Here a record is in a list, at its sequence number - 1. moto's
    dictionary stays empty: SplitShard and MergeShards of moto would move its records to the child
    shards, with new sequence numbers and arrival times.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log: list[models.Record] = []

    @override
    def put_record(self, partition_key: str, data: str, explicit_hash_key: str) -> str:
        number = len(self._log) + 1
        self._log.append(models.Record(partition_key, data, number, explicit_hash_key))
        return str(number)

    @override
    def get_records(
        self, last_sequence_id: str, limit: int | None
    ) -> tuple[list[models.Record], int, int]:
        """A page, its last sequence number, and its lag in ms, which is 0 only at the tip."""
        start = end = int(last_sequence_id)
        size = 0
        while end < len(self._log) and end - start < min(limit or MAX_RECORDS, MAX_RECORDS):
            size += len(self._log[end].data) * 3 // 4  # data is base64
            if size > MAX_BYTES and end > start:
                break
            end += 1
        page = self._log[start:end]
        if end >= len(self._log):
            return page, end, 0
        behind = self._log[-1].created_at - page[-1].created_at
        return page, end, max(1, int(behind * 1000))

    @override
    def get_min_sequence_number(self) -> int:
        return 1 if self._log else 0

    @override
    def get_max_sequence_number(self) -> int:
        return len(self._log)

    @override
    def get_sequence_number_at(self, at_timestamp: float) -> int:
        return bisect_left(self._log, at_timestamp, key=attrgetter("created_at"))


class Stream(models.Stream):
    """A stream that puts records only into open shards, and merges only open shards.

    moto puts a record into the first shard with its key, open or closed, and finds no shard for the
    last key of a range. It merges closed shards, accepts neighbours in one order only, and never
    updates the number of shards.
    """

    @override
    def get_shard_for_key(self, partition_key: str, explicit_hash_key: str) -> models.Shard | None:
        super().get_shard_for_key(partition_key, explicit_hash_key)  # validates both keys
        key = int(explicit_hash_key) if explicit_hash_key else _hash(partition_key)
        return next(
            shard
            for shard in self.shards.values()
            if shard.is_open and shard.starting_hash <= key <= shard.ending_hash
        )

    @override
    def split_shard(self, shard_to_split: str, new_starting_hash_key: str) -> None:
        super().split_shard(shard_to_split, new_starting_hash_key)
        self._count()

    @override
    def merge_shards(self, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
        shards = [self.shards[shard_to_merge], self.shards[adjacent_shard_to_merge]]
        for shard in shards:
            if not shard.is_open:
                raise InvalidArgumentError(
                    f"Shard {shard.shard_id} in stream {self.stream_name} under account "
                    f"{self.account_id} has already been merged or split, and thus is not "
                    "eligible for merging or splitting."
                )
        lower, upper = sorted(shards, key=attrgetter("starting_hash"))
        super().merge_shards(lower.shard_id, upper.shard_id)
        self._count()

    def _count(self) -> None:
        self.shard_count = sum(shard.is_open for shard in self.shards.values())


class Backend(models.KinesisBackend):
    """Kinesis whose closed shards end, and which stores no metrics.

    In AWS there is no iterator after the last record of a closed shard; moto returns one for ever.
    For each PutRecord moto also stores two CloudWatch metrics, which it never deletes.
    """

    __module__ = models.__name__  # moto finds a backend's URLs next to this module

    @override
    def get_records(  # type: ignore[override]
        self, stream_arn: str | None, shard_iterator: str, limit: int | None
    ) -> tuple[str | None, list[models.Record], int]:
        stream_name, shard_id, last = decompose_shard_iterator(shard_iterator)
        shard = self.describe_stream(stream_arn, stream_name).get_shard(shard_id)
        records, end, behind = shard.get_records(last, limit)
        if not shard.is_open and end >= shard.get_max_sequence_number():
            return None, records, behind
        return compose_shard_iterator(stream_name, shard, end), records, behind

    @override
    def _send_stream_metrics(self, *args: Any, **kwargs: Any) -> None:
        pass


def _hash(partition_key: str) -> int:
    return int(md5_hash(partition_key.encode()).hexdigest(), 16)
