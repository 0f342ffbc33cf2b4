"""Splitting of aggregated records, compared with AWS's own aggregator."""

import hashlib

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator

from pinterest_platform.ingest.kinesis.aggregation import taken_apart

LAST_HASH = 2**128 - 1


def hash_key(partition_key: str) -> int:
    return int(hashlib.md5(partition_key.encode()).hexdigest(), 16)


def aggregated(*records: tuple[str, bytes], hash_keys: dict[str, int] | None = None) -> bytes:
    """(partition key, data) -> the data of one aggregated record."""
    aggregator = RecordAggregator()
    for partition_key, data in records:
        explicit = (hash_keys or {}).get(partition_key)
        aggregator.add_user_record(partition_key, data, str(explicit) if explicit else None)
    _, _, content = aggregator.clear_and_get().get_contents()
    return bytes(content)


def test_an_aggregated_record_is_split_into_its_records_in_order() -> None:
    data = aggregated(("a", b'{"index": 1}'), ("b", b"\xff\x00"), ("a", b""))
    assert taken_apart(data, 0, LAST_HASH) == [(0, b'{"index": 1}'), (1, b"\xff\x00"), (2, b"")]


def test_records_of_the_other_half_of_a_split_shard_are_skipped() -> None:
    keys = [str(number) for number in range(50)]
    data = aggregated(*((key, key.encode()) for key in keys))
    half = 2**127
    lower = taken_apart(data, 0, half - 1)
    upper = taken_apart(data, half, LAST_HASH)
    assert lower
    assert upper
    assert [content for _, content in lower] == [
        key.encode() for key in keys if hash_key(key) < half
    ]
    assert sorted(place for place, _ in lower + upper) == list(range(50))


def test_an_explicit_hash_key_wins_over_the_partition_key() -> None:
    data = aggregated(("a", b"first"), ("b", b"second"), hash_keys={"a": 1, "b": 2**128 - 2})
    assert taken_apart(data, 0, 1) == [(0, b"first")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"index": 1}',
        b"\xf3\x89\x9a\xc2",
        b"\xf3\x89\x9a\xc2" + b"x" * 40,
        aggregated(("a", b"1"), ("b", b"2"))[:-1],
        b"\xf3\x89\x9a\xc2" + b"\x07" + hashlib.md5(b"\x07").digest(),
        # A record that refers to a missing partition key.
        b"\xf3\x89\x9a\xc2\x1a\x02\x08\x05" + hashlib.md5(b"\x1a\x02\x08\x05").digest(),
    ],
)
def test_an_invalid_aggregate_stays_one_record(data: bytes) -> None:
    assert taken_apart(data, 0, LAST_HASH) is None
