"""Splits the Kinesis Producer Library's aggregated records into user records.

Source of the format: amazon-kinesis-producer, aggregation-format.md. The published Python package
(aws-kinesis-agg 1.2.3) drops the rest of a record if it fails midway; here such a record stays
whole, so that it remains visible.
"""

import hashlib
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

_MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16  # an MD5 of the message follows it


def taken_apart(data: bytes, first_hash: int, last_hash: int) -> list[tuple[int, bytes]] | None:
    """The user records in an aggregated record, each with its place; None if it is not one.

    After a shard split, an aggregated record can contain records of the other half, which the
    producer sends again. So, as in the Kinesis Client Library, only records with a hash key from
    ``first_hash`` to ``last_hash`` are returned.
    """
    message, digest = data[len(_MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not (data.startswith(_MAGIC) and message):
        return None
    if hashlib.md5(message, usedforsecurity=False).digest() != digest:
        return None
    try:
        packed = _AggregatedRecord.FromString(message)
        records = [(_hash_key(packed, record), record.data) for record in packed.records]
    except (DecodeError, IndexError, ValueError):
        return None
    return [
        (place, content)
        for place, (hash_key, content) in enumerate(records)
        if first_hash <= hash_key <= last_hash
    ]


def _hash_key(packed: Any, record: Any) -> int:
    if record.HasField("explicit_hash_key_index"):
        return int(packed.explicit_hash_key_table[record.explicit_hash_key_index])
    key = packed.partition_key_table[record.partition_key_index]
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest())


def _message_class() -> Any:
    """The protobuf class of an aggregated record, without the unused tags."""
    texts, number, content, message = (
        FieldDescriptorProto.TYPE_STRING,
        FieldDescriptorProto.TYPE_UINT64,
        FieldDescriptorProto.TYPE_BYTES,
        FieldDescriptorProto.TYPE_MESSAGE,
    )
    one, many = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED

    def field(name: str, place: int, label: Any, of: Any, kind: str = "") -> FieldDescriptorProto:
        return FieldDescriptorProto(
            name=name, number=place, label=label, type=of, type_name=kind or None
        )

    record = DescriptorProto(
        name="Record",
        field=[
            field("partition_key_index", 1, one, number),
            field("explicit_hash_key_index", 2, one, number),
            field("data", 3, one, content),
        ],
    )
    aggregated = DescriptorProto(
        name="AggregatedRecord",
        field=[
            field("partition_key_table", 1, many, texts),
            field("explicit_hash_key_table", 2, many, texts),
            field("records", 3, many, message, ".kpl.Record"),
        ],
    )
    pool = DescriptorPool()
    pool.Add(
        FileDescriptorProto(
            name="kpl.proto", package="kpl", syntax="proto2", message_type=[record, aggregated]
        )
    )
    return GetMessageClass(pool.FindMessageTypeByName("kpl.AggregatedRecord"))


_AggregatedRecord = _message_class()
